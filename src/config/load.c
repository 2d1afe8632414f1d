/* From server.properties, or a client's properties, to a snapshot. See config_load in config.h.
 *
 * The steps gather problems instead of stopping at the first: names, then values, then (if all values could be read)
 * the rules between them.
 */
#include "config/config_int.h"

#include "config/listeners.h"

#include <stdio.h>
#include <string.h>

/* ---- names that no table holds --------------------------------------------------------------------------- */

/* Names that earlier versions of Kafka had, or that a plug-in would read, and what a person should know. */
struct retired {
    const char *name; /* ending in '.': everything that begins so */
    const char *advice;
};

static const struct retired retired_names[] = {
    { "advertised.host.name", "use advertised.listeners" },
    { "advertised.port", "use advertised.listeners" },
    { "allow.everyone.if.no.acl.found", "it belongs to an authorizer, and none is configured" },
    { "auto.include.jmx.reporter", "there is no JMX here" },
    { "broker.id.generation.enable", "set node.id" },
    { "control.plane.listener.name",
      "controllers have listeners of their own: controller.listener.names" },
    { "delegation.token.master.key", "use delegation.token.secret.key" },
    { "group.coordinator.new.enable", "use group.coordinator.rebalance.protocols" },
    { "host.name", "use listeners" },
    { "inter.broker.protocol.version", "the cluster's metadata.version replaces it" },
    { "log.message.downconversion.enable", "nothing is converted down any more" },
    { "log.message.format.version", "the format is fixed" },
    { "log.message.timestamp.difference.max.ms",
      "use log.message.timestamp.before.max.ms and .after.max.ms" },
    { "offsets.commit.required.acks", "commits are always acknowledged by all" },
    { "password.encoder.", "dynamic settings are not encoded" },
    { "port", "use listeners" },
    { "quota.consumer.default", "set a dynamic quota" },
    { "quota.producer.default", "set a dynamic quota" },
    { "reserved.broker.max.id", "ids are no longer generated" },
    { "super.users", "it belongs to an authorizer, and none is configured" },
    { "unstable.metadata.versions.enable", "use unstable.feature.versions.enable" },
    { "zookeeper.metadata.migration.enable", "there is nothing to migrate from" },
};

static const struct retired *find_retired(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LEN(retired_names); i++) {
        const struct bytes known = bytes_from_text(retired_names[i].name);
        const bool is_prefix = known.data[known.size - 1] == '.';
        if (is_prefix ? bytes_starts_with(name, known) : bytes_equal(name, known))
            return &retired_names[i];
    }
    return NULL;
}

/* Names that plug-ins own: their prefixes are settings or fixed. */
static bool is_of_plugin(struct bytes name)
{
    static const char *const prefixes[] = { "config.providers.", "rlmm.config.", "rsm.config.",
                                            "client.quota.callback.static." };
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (bytes_starts_with(name, bytes_from_text(prefixes[i])))
            return true;
    }
    return false;
}

/* ---- the steps ------------------------------------------------------------------------------------------- */

struct loader {
    enum setting_kind kind;
    const char *path;
    struct config *config;
    struct config_problems *problems;
    size_t zookeeper_count;
    struct bytes
        taken_id; /* node.id or broker.id, which nobody has set and has the other's value; null: neither */
    bool is_id_bad;
};

/* "server.properties line 7" or "override", for the beginning of a message. */
#define PLACE_SIZE 300
static const char *place(const struct loader *loader, uint32_t line, char out[PLACE_SIZE])
{
    if (line == 0)
        (void)snprintf(out, PLACE_SIZE, "override");
    else
        (void)snprintf(out, PLACE_SIZE, "%s line %" PRIu32, loader->path, line);
    return out;
}

static void report_unknown(struct loader *loader, const struct property *property)
{
    char where[PLACE_SIZE];
    const struct bytes name = bytes_from_text(property->name);
    if (bytes_starts_with(name, BYTES_LITERAL("zookeeper.")) && find_retired(name) == NULL) {
        loader->zookeeper_count++;
        return;
    }
    if (is_of_plugin(name))
        return;
    (void)place(loader, property->line, where);
    const struct retired *retired = loader->kind == SETTING_KIND_BROKER ? find_retired(name) : NULL;
    if (retired != NULL) {
        config_problem_add(loader->problems, CONFIG_WARNING,
                           "%s: %s is not a setting any more and is ignored: %s", where,
                           property->name, retired->advice);
        return;
    }
    /* A guess takes a while, and nobody reads the two hundredth. */
    const struct setting *nearest = loader->problems->list.count < CONFIG_PROBLEM_COUNT_MAX
                                        ? setting_nearest(loader->kind, name)
                                        : NULL;
    config_problem_add(loader->problems, CONFIG_WARNING,
                       "%s: unknown setting %.200s is ignored%s%s%s", where, property->name,
                       nearest != NULL ? "; did you mean " : "",
                       nearest != NULL ? nearest->name : "", nearest != NULL ? "?" : "");
}

static bool is_known(const struct loader *loader, struct bytes name, bool *out_dynamic_only)
{
    const struct setting *setting = setting_find(loader->kind, name);
    struct bytes listener;
    *out_dynamic_only = setting != NULL && setting->is_dynamic_only;
    return setting != NULL || (loader->kind == SETTING_KIND_BROKER &&
                               config__split_listener_name(name, &listener, &setting));
}

/* The setting that was taken from its twin comes last, and what is wrong with both is told once. */
static void report_bad(struct loader *loader, const struct property *property,
                       const struct err_note *note)
{
    const struct bytes name = bytes_from_text(property->name);
    char where[PLACE_SIZE];
    if (bytes_equal(name, loader->taken_id) && loader->is_id_bad)
        return;
    loader->is_id_bad |= bytes_equal_text(name, "node.id") || bytes_equal_text(name, "broker.id");
    config_problem_add(loader->problems, CONFIG_ERROR, "%s: %s",
                       place(loader, property->line, where), note->text);
}

static void read_values(struct loader *loader)
{
    const struct properties *properties = &loader->config->layers[CONFIG_LAYER_OWN];
    for (size_t i = 0; i < properties->list.count; i++) {
        const struct property *property = &properties->list.items[i];
        const struct bytes name = bytes_from_text(property->name);
        char where[PLACE_SIZE];
        struct err_note note;
        bool is_dynamic_only;
        if (!is_known(loader, name, &is_dynamic_only))
            report_unknown(loader, property);
        else if (is_dynamic_only)
            config_problem_add(loader->problems, CONFIG_WARNING,
                               "%s: %s is ignored: it can only be set while the cluster runs",
                               place(loader, property->line, where), property->name);
        else if (config__set_value(loader->config, name, bytes_from_text(property->value), &note) <
                 0)
            report_bad(loader, property, &note);
    }
    if (loader->zookeeper_count > 0)
        config_problem_add(loader->problems, CONFIG_WARNING,
                           "%s: %zu ZooKeeper setting%s ignored: nodes keep the cluster's metadata "
                           "themselves",
                           loader->path, loader->zookeeper_count,
                           loader->zookeeper_count == 1 ? " is" : "s are");
}

/* node.id and broker.id are one setting of two names, and the one that is missing is taken from the other. */
static void join_ids(struct loader *loader)
{
    struct config *config = loader->config;
    const struct bytes node = BYTES_LITERAL("node.id");
    const struct bytes broker = BYTES_LITERAL("broker.id");
    const struct properties *own = &config->layers[CONFIG_LAYER_OWN];
    const char *node_id = properties_get(own, node);
    const char *broker_id = properties_get(own, broker);
    if (node_id == NULL && broker_id != NULL) {
        config__put(config, CONFIG_LAYER_OWN, node, bytes_from_text(broker_id), 0);
        loader->taken_id = node;
    }
    if (broker_id == NULL && node_id != NULL) {
        config__put(config, CONFIG_LAYER_OWN, broker, bytes_from_text(node_id), 0);
        loader->taken_id = broker;
    }
}

/* Settings without a default, except those that nothing here would read. */
static void check_required(struct loader *loader)
{
    for (unsigned i = loader->config->range.first; i < loader->config->range.end; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        if (!setting->is_required || setting->status == SETTING_MEANINGLESS ||
            properties_get(&loader->config->layers[CONFIG_LAYER_OWN],
                           bytes_from_text(setting->name)) != NULL)
            continue;
        config_problem_add(
            loader->problems, CONFIG_ERROR,
            "%s: Missing required configuration \"%s\" which has no default value.%s", loader->path,
            setting->name,
            setting->id == SETTING_BROKER_PROCESS_ROLES
                ? " A single node that does everything has process.roles=broker,controller."
                : "");
    }
}

static void check_rules(struct loader *loader)
{
    if (loader->kind != SETTING_KIND_BROKER)
        return;
    struct err_note note;
    if (config__derive(loader->config, &note) < 0)
        config_problem_add(loader->problems, CONFIG_ERROR, "%s: %s", loader->path, note.text);
    config__check_broker_rules(loader->config, loader->problems);
}

MUST_CHECK static int read_text(struct loader *loader, struct bytes text,
                                struct config_overrides overrides)
{
    struct err_note note;
    const int r = properties_parse(&loader->config->layers[CONFIG_LAYER_OWN], text, &note);
    if (r < 0) {
        config_problem_add(loader->problems, CONFIG_ERROR, "%s: %s", loader->path, note.text);
        return -ERR_MALFORMED;
    }
    for (size_t i = 0; i < overrides.count; i++) {
        if (!bytes_is_null(overrides.items[i].value))
            config__put(loader->config, CONFIG_LAYER_OWN, overrides.items[i].name,
                        overrides.items[i].value, 0);
    }
    return 0;
}

int config_load(enum setting_kind kind, struct bytes text, const char *path,
                struct config_overrides overrides, struct config **out,
                struct config_problems *problems)
{
    ASSERT(kind == SETTING_KIND_BROKER || kind == SETTING_KIND_PRODUCER ||
           kind == SETTING_KIND_CONSUMER || kind == SETTING_KIND_ADMIN);
    AUTO(config_unrefp) struct config *config = config__new(kind);
    struct loader loader = { .kind = kind, .path = path, .config = config, .problems = problems };
    const size_t errors_before = problems->error_count;
    const int r = read_text(&loader, text, overrides);
    if (r < 0)
        return r;
    if (kind == SETTING_KIND_BROKER)
        join_ids(&loader);
    read_values(&loader);
    check_required(&loader);
    if (problems->error_count == errors_before) {
        config__set_defaults(config);
        check_rules(&loader);
        config__check_status(config, problems);
    }
    if (problems->error_count != errors_before)
        return -ERR_INVALID_SETTING;
    *out = TAKE(config);
    return 0;
}
