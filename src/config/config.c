/* A snapshot's memory and its getters. See config.h. */
#include "config/config_int.h"

#include "base/host_port.h"
#include "config/java_text.h"
#include "config/listeners.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- problems ----------------------------------------------------------------------------------------- */

void config_problem_add(struct config_problems *problems, enum config_severity severity,
                        const char *format, ...)
{
    char text[1024] = "There are more problems than are shown here";
    problems->error_count += severity == CONFIG_ERROR ? 1 : 0;
    if (problems->list.count > CONFIG_PROBLEM_COUNT_MAX)
        return;
    if (problems->list.count < CONFIG_PROBLEM_COUNT_MAX) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args); /* cut where it is full */
        va_end(args);
    }
    *VEC_PUSH(&problems->list) =
        (struct config_problem){ .severity = severity, .text = mem_strdup(text) };
}

void config_problems_deinit(struct config_problems *problems)
{
    for (size_t i = 0; i < problems->list.count; i++)
        mem_free(problems->list.items[i].text);
    VEC_DEINIT(&problems->list);
    problems->error_count = 0;
}

/* ---- birth and death ---------------------------------------------------------------------------------- */

struct config *config__new(enum setting_kind kind)
{
    struct config *config = MEM_NEW(struct config);
    config->reference_count = 1;
    config->kind = kind;
    config->range = setting_range(kind);
    arena_init(&config->arena, CONFIG_ARENA_SIZE_MAX);
    config->values = ARENA_NEW_ARRAY(&config->arena, struct setting_value,
                                     config->range.end - config->range.first);
    for (size_t i = 0; i < CONFIG_LAYER_COUNT; i++)
        properties_init(&config->layers[i]);
    return config;
}

struct config *config_ref(struct config *config)
{
    __atomic_fetch_add(&config->reference_count, 1, __ATOMIC_RELAXED);
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL || __atomic_fetch_sub(&config->reference_count, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    for (size_t i = 0; i < CONFIG_LAYER_COUNT; i++)
        properties_deinit(&config->layers[i]);
    VEC_DEINIT(&config->listener_values);
    listeners_free(config->listeners);
    config_unref(config->topic_defaults);
    arena_deinit(&config->arena);
    mem_free(config);
}

void config_unrefp(struct config **config)
{
    config_unref(*config);
}

void config__put(struct config *config, enum config_layer layer, struct bytes name,
                 struct bytes value, uint32_t line)
{
    properties_put(&config->layers[layer], name, value, line);
}

struct setting_value *config__value(const struct config *config, enum setting_id id)
{
    ASSERT(id >= config->range.first && id < config->range.end);
    return &config->values[id - config->range.first];
}

void config__set_defaults(struct config *config)
{
    for (unsigned i = config->range.first; i < config->range.end; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        struct setting_value *value = config__value(config, setting->id);
        if (value->text == NULL && !setting->is_required)
            *value = setting_value_initial(setting, &config->arena);
    }
}

/* ---- listeners' own settings -------------------------------------------------------------------------- */

bool config__split_listener_name(struct bytes name, struct bytes *out_listener,
                                 const struct setting **out_setting)
{
    const struct bytes prefix = BYTES_LITERAL("listener.name.");
    if (!bytes_starts_with(name, prefix))
        return false;
    const struct bytes rest = bytes_slice(name, prefix.size, name.size);
    size_t dot = 0;
    while (dot < rest.size && rest.data[dot] != '.')
        dot++;
    struct bytes setting_name = bytes_slice(rest, dot + 1, rest.size);
    *out_listener = bytes_slice(rest, 0, dot);
    *out_setting = setting_find(SETTING_KIND_BROKER, setting_name);
    if (*out_setting ==
        NULL) { /* a SASL mechanism may stand between: listener.name.x.plain.sasl.jaas.config */
        size_t second = 0;
        while (second < setting_name.size && setting_name.data[second] != '.')
            second++;
        setting_name = bytes_slice(setting_name, second + 1, setting_name.size);
        *out_setting = bytes_starts_with(setting_name, BYTES_LITERAL("sasl."))
                           ? setting_find(SETTING_KIND_BROKER, setting_name)
                           : NULL;
    }
    return dot > 0 && *out_setting != NULL;
}

static struct config_listener_value *find_listener_value(const struct config *config,
                                                         struct bytes listener, enum setting_id id)
{
    for (size_t i = 0; i < config->listener_values.count; i++) {
        struct config_listener_value *found = &config->listener_values.items[i];
        if (found->id == id && strlen(found->listener) == listener.size &&
            strncasecmp(found->listener, (const char *)listener.data, listener.size) == 0)
            return found;
    }
    return NULL;
}

MUST_CHECK static int set_listener_value(struct config *config, struct bytes name,
                                         struct bytes text, struct err_note *note)
{
    struct bytes listener;
    const struct setting *setting;
    if (!config__split_listener_name(name, &listener, &setting))
        return 0;
    struct setting_value value;
    const int r = setting_value_parse(setting, text, &config->arena, &value, note);
    if (r < 0)
        return err_note_prefix(note, r, "%.*s", BYTES_PRINTF(name));
    struct config_listener_value *found = find_listener_value(config, listener, setting->id);
    if (found == NULL) {
        found = VEC_PUSH(&config->listener_values);
        found->listener = arena_printf(&config->arena, "%.*s", BYTES_PRINTF(listener));
        found->id = setting->id;
    }
    found->value = value;
    return 0;
}

int config__set_value(struct config *config, struct bytes name, struct bytes text,
                      struct err_note *note)
{
    const struct setting *setting = setting_find(config->kind, name);
    if (setting != NULL)
        return setting_value_parse(setting, text, &config->arena,
                                   config__value(config, setting->id), note);
    return config->kind == SETTING_KIND_BROKER ? set_listener_value(config, name, text, note) : 0;
}

static const struct setting_value *listener_value(const struct config *broker, const char *listener,
                                                  enum setting_id id)
{
    const struct config_listener_value *found =
        find_listener_value(broker, bytes_from_text(listener), id);
    return found != NULL ? &found->value : config__value(broker, id);
}

int64_t config_listener_i64(const struct config *broker, const char *listener, enum setting_id id)
{
    const struct setting_value *value = listener_value(broker, listener, id);
    const enum setting_type type = setting_get(id)->type;
    ASSERT(type == SETTING_INT || type == SETTING_LONG || type == SETTING_SHORT);
    ASSERT(value->text != NULL);
    return value->integer;
}

const char *config_listener_text(const struct config *broker, const char *listener,
                                 enum setting_id id)
{
    return listener_value(broker, listener, id)->text;
}

/* ---- getters ------------------------------------------------------------------------------------------ */

enum setting_kind config_kind(const struct config *config)
{
    return config->kind;
}

bool config_is_null(const struct config *config, enum setting_id id)
{
    return config__value(config, id)->text == NULL;
}

bool config_bool(const struct config *config, enum setting_id id)
{
    ASSERT(setting_get(id)->type == SETTING_BOOLEAN);
    return config__value(config, id)->boolean;
}

int64_t config_i64(const struct config *config, enum setting_id id)
{
    const enum setting_type type = setting_get(id)->type;
    ASSERT(type == SETTING_INT || type == SETTING_LONG || type == SETTING_SHORT);
    ASSERT(!config_is_null(config, id));
    return config__value(config, id)->integer;
}

double config_f64(const struct config *config, enum setting_id id)
{
    ASSERT(setting_get(id)->type == SETTING_DOUBLE);
    ASSERT(!config_is_null(config, id));
    return config__value(config, id)->real;
}

const char *config_text(const struct config *config, enum setting_id id)
{
    const enum setting_type type = setting_get(id)->type;
    ASSERT(type == SETTING_STRING || type == SETTING_CLASS || type == SETTING_PASSWORD);
    return config__value(config, id)->text;
}

struct config_list config_list(const struct config *config, enum setting_id id)
{
    ASSERT(setting_get(id)->type == SETTING_LIST);
    return config__value(config, id)->list;
}

bool config_list_has(const struct config *config, enum setting_id id, const char *item)
{
    const struct config_list list = config_list(config, id);
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.items[i], item) == 0)
            return true;
    }
    return false;
}

const char *config_value_text(const struct config *config, enum setting_id id)
{
    return config__value(config, id)->text;
}

/* ---- what several settings decide ---------------------------------------------------------------------- */

bool config_has_role_broker(const struct config *broker)
{
    return config_list_has(broker, SETTING_BROKER_PROCESS_ROLES, "broker");
}

bool config_has_role_controller(const struct config *broker)
{
    return config_list_has(broker, SETTING_BROKER_PROCESS_ROLES, "controller");
}

struct config_list config_log_dirs(const struct config *broker)
{
    return broker->log_dirs;
}

const char *config_metadata_log_dir(const struct config *broker)
{
    return broker->metadata_log_dir;
}

const struct listeners *config_listeners(const struct config *broker)
{
    ASSERT(broker->listeners != NULL);
    return broker->listeners;
}

/* Where controller.quorum.voters ("id@host:port") says that this node is. Answers the host, to be freed, or NULL. */
static char *find_own_voter(const struct config *broker, uint16_t *out_port)
{
    const struct config_list voters = config_list(broker, SETTING_BROKER_CONTROLLER_QUORUM_VOTERS);
    const int64_t own_id = config_i64(broker, SETTING_BROKER_NODE_ID);
    for (size_t i = 0; i < voters.count; i++) {
        const char *at = strchr(voters.items[i], '@');
        struct host_port place;
        ASSERT(at != NULL); /* the row's check has read it */
        int64_t id;
        if (!java_parse_integer(bytes_from(voters.items[i], (size_t)(at - voters.items[i])),
                                INT32_MIN, INT32_MAX, &id) ||
            id != own_id || host_port_parse(bytes_from_text(at + 1), &place, NULL) < 0)
            continue;
        *out_port = place.port;
        return mem_strndup((const char *)place.host.data, place.host.size);
    }
    return NULL;
}

/* A setting's text where some layer names it, else NULL: its default may then depend on others. */
static const char *text_if_set(const struct config *broker, enum setting_id id)
{
    const struct bytes name = bytes_from_text(setting_get(id)->name);
    for (size_t i = 0; i < CONFIG_LAYER_COUNT; i++) {
        if (properties_get(&broker->layers[i], name) != NULL)
            return config_value_text(broker, id);
    }
    return NULL;
}

/* As Java's File writes it, so that one directory has one name: no slash twice, none at the end. */
static const char *path_of(struct config *broker, const char *text)
{
    char *out = arena_alloc(&broker->arena, strlen(text) + 1);
    size_t size = 0;
    for (; *text != '\0'; text++) {
        if (*text != '/' || size == 0 || out[size - 1] != '/')
            out[size++] = *text;
    }
    if (size > 1 && out[size - 1] == '/')
        size--;
    out[size] = '\0';
    return out;
}

static void derive_directories(struct config *broker)
{
    const struct config_list asked = config_list(
        broker, config_is_null(broker, SETTING_BROKER_LOG_DIRS) ? SETTING_BROKER_LOG_DIR
                                                                : SETTING_BROKER_LOG_DIRS);
    const char **paths = arena_alloc(&broker->arena, asked.count * sizeof(*paths));
    for (size_t i = 0; i < asked.count; i++)
        paths[i] = path_of(broker, asked.items[i]);
    broker->log_dirs = (struct config_list){ .items = paths, .count = asked.count };
    const char *own = config_text(broker, SETTING_BROKER_METADATA_LOG_DIR);
    broker->metadata_log_dir = own != NULL ? path_of(broker, own) : paths[0];
}

int config__derive(struct config *broker, struct err_note *note)
{
    derive_directories(broker);
    struct listeners_input input = {
        .listeners = config_value_text(broker, SETTING_BROKER_LISTENERS),
        .advertised_listeners = config_value_text(broker, SETTING_BROKER_ADVERTISED_LISTENERS),
        .security_protocol_map = text_if_set(broker, SETTING_BROKER_LISTENER_SECURITY_PROTOCOL_MAP),
        .controller_listener_names =
            config_value_text(broker, SETTING_BROKER_CONTROLLER_LISTENER_NAMES),
        .inter_broker_listener_name =
            text_if_set(broker, SETTING_BROKER_INTER_BROKER_LISTENER_NAME),
        .security_inter_broker_protocol =
            text_if_set(broker, SETTING_BROKER_SECURITY_INTER_BROKER_PROTOCOL),
        .early_start_listeners = config_value_text(broker, SETTING_BROKER_EARLY_START_LISTENERS),
        .is_broker = config_has_role_broker(broker),
        .is_controller = config_has_role_controller(broker),
    };
    broker->topic_defaults = config__topic_defaults(broker);
    AUTO(mem_freep) char *voter_host = find_own_voter(broker, &input.own_voter_port);
    input.own_voter_host = voter_host;
    return listeners_parse(&input, &broker->listeners, note);
}
