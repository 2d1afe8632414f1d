/* What this build cannot do yet: refused where ignoring it would weaken security or durability, else a warning.
 *
 * A setting counts only where its value differs from the default; which ones are unsafe says the table.
 */
#include "config/config_int.h"

#include "config/listeners.h"

#include <string.h>
#include <strings.h>

static bool is_default(const struct setting *setting, const struct setting_value *value)
{
    if (value->text == NULL || setting->initial == NULL)
        return value->text == setting->initial;
    return strcasecmp(value->text, setting->initial) == 0;
}

/* Not worth a line: a controller that is alone finds itself. */
static bool is_needless(const struct config *config, const struct setting *setting)
{
    return setting->id == SETTING_BROKER_CONTROLLER_QUORUM_BOOTSTRAP_SERVERS &&
           config_has_role_controller(config);
}

/* Nobody reads them yet, whatever becomes of the broker's own. */
static void check_listener_values(const struct config *config, struct config_problems *problems)
{
    for (size_t i = 0; i < config->listener_values.count; i++) {
        const struct config_listener_value *value = &config->listener_values.items[i];
        const struct setting *setting = setting_get(value->id);
        const bool is_unsafe = setting->status == SETTING_NOT_YET_UNSAFE;
        config_problem_add(
            problems, is_unsafe ? CONFIG_ERROR : CONFIG_WARNING,
            "listener.name.%s.%s=%.200s has no effect in this build yet%s", value->listener,
            setting->name, setting_is_sensitive(setting) ? "[hidden]" : value->value.text,
            is_unsafe ? ", and without it the node would be less safe than you asked for" : "");
    }
}

void config__check_status(const struct config *config, struct config_problems *problems)
{
    check_listener_values(config, problems);
    for (unsigned i = config->range.first; i < config->range.end; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        const struct setting_value *value = config__value(config, setting->id);
        if (setting->is_required || is_default(setting, value) || is_needless(config, setting))
            continue;
        const char *shown = setting_is_sensitive(setting) ? "[hidden]" : value->text;
        if (setting->status == SETTING_NOT_YET)
            config_problem_add(problems, CONFIG_WARNING,
                               "%s=%.200s has no effect in this build yet", setting->name, shown);
        else if (setting->status == SETTING_NOT_YET_UNSAFE)
            config_problem_add(
                problems, CONFIG_ERROR,
                "%s=%.200s: this build cannot do that yet, and without it the node would be "
                "less safe than you asked for; leave it at its default (%s) to start",
                setting->name, shown,
                setting->initial == NULL      ? "not set"
                : setting->initial[0] == '\0' ? "empty"
                                              : setting->initial);
    }
    if (config->listeners == NULL)
        return;
    for (size_t i = 0; i < config->listeners->count; i++) {
        const struct listener *listener = &config->listeners->items[i];
        if (listener->protocol != SECURITY_PLAINTEXT)
            config_problem_add(
                problems, CONFIG_ERROR,
                "listener %s has protocol %s: this build speaks PLAINTEXT only and will not "
                "serve it unprotected",
                listener->bind.name, security_protocol_name(listener->protocol));
    }
    for (size_t i = 0; i < config->listeners->controller_count; i++) {
        const struct controller_listener *controller = &config->listeners->controllers[i];
        if (controller->protocol != SECURITY_PLAINTEXT &&
            listeners_find(config->listeners, controller->name) == NULL)
            config_problem_add(
                problems, CONFIG_ERROR,
                "controllers' listener %s has protocol %s: this build speaks PLAINTEXT only",
                controller->name, security_protocol_name(controller->protocol));
    }
}
