/* Broker settings that change while it runs (KIP-226). See config_with_dynamic and config_validate_broker. */
#include "config/config_int.h"

#include <string.h>

/* ---- one dynamic setting ------------------------------------------------------------------------------------ */

/* The row behind a plain or a listener's name; NULL where there is none. */
static const struct setting *find_row(struct bytes name)
{
    struct bytes listener;
    const struct setting *setting = setting_find(SETTING_KIND_BROKER, name);
    if (setting == NULL)
        (void)config__split_listener_name(name, &listener, &setting);
    return setting;
}

static bool is_listener_name(struct bytes name)
{
    return bytes_starts_with(name, BYTES_LITERAL("listener.name."));
}

/* Whether the setting may be in this layer at all. */
MUST_CHECK static int check_scope(struct bytes name, bool is_cluster_wide, struct err_note *note)
{
    const struct setting *setting = find_row(name);
    if (setting == NULL)
        return 0;
    if (setting->scope == SETTING_READ_ONLY)
        return err_note(
            note, -ERR_INVALID_SETTING,
            "Cannot update these configs dynamically: [%.*s]; it takes effect at a restart, "
            "from the broker's file",
            BYTES_PRINTF(name));
    if (is_cluster_wide && setting->scope == SETTING_PER_BROKER && !is_listener_name(name))
        return err_note(note, -ERR_INVALID_SETTING,
                        "Cannot update these configs at default cluster level, broker id must be "
                        "specified: [%.*s]",
                        BYTES_PRINTF(name));
    return 0;
}

/* ---- a snapshot of three layers -------------------------------------------------------------------------------- */

static struct config *copy_static(const struct config *broker)
{
    struct config *config = config__new(SETTING_KIND_BROKER);
    const struct properties *own = &broker->layers[CONFIG_LAYER_OWN];
    for (size_t i = 0; i < own->list.count; i++) {
        const struct property *property = &own->list.items[i];
        const struct bytes name = bytes_from_text(property->name);
        config__put(config, CONFIG_LAYER_OWN, name, bytes_from_text(property->value),
                    property->line);
        const struct setting *setting = setting_find(SETTING_KIND_BROKER, name);
        if (setting != NULL && setting->is_dynamic_only)
            continue;
        const int r = config__set_value(config, name, bytes_from_text(property->value), NULL);
        ASSERT(r == 0); /* the snapshot it comes from was made of it */
    }
    return config;
}

MUST_CHECK static int lay(struct config *config, enum config_layer layer,
                          struct config_override override, struct err_note *note)
{
    int r = check_scope(override.name, layer == CONFIG_LAYER_CLUSTER, note);
    if (r == 0)
        r = config__set_value(config, override.name, override.value, note);
    if (r == 0)
        config__put(config, layer, override.name, override.value, 0);
    return r;
}

static void lay_leniently(struct config *config, enum config_layer layer,
                          struct config_overrides overrides, struct config_problems *problems)
{
    struct err_note note;
    for (size_t i = 0; i < overrides.count; i++) {
        if (!bytes_is_null(overrides.items[i].value) &&
            lay(config, layer, overrides.items[i], &note) < 0)
            config_problem_add(problems, CONFIG_ERROR, "a stored dynamic setting is skipped: %s",
                               note.text);
    }
}

/* Whether the values fit together; the first thing that does not is written to the note. */
MUST_CHECK static int finish(struct config *config, struct err_note *note)
{
    config__set_defaults(config);
    int r = config__derive(config, note);
    struct config_problems problems = { .error_count = 0 };
    if (r == 0)
        config__check_broker_rules(config, &problems);
    for (size_t i = 0; i < problems.list.count && r == 0; i++) {
        if (problems.list.items[i].severity == CONFIG_ERROR)
            r = err_note(note, -ERR_INVALID_SETTING, "%s", problems.list.items[i].text);
    }
    config_problems_deinit(&problems);
    return r;
}

struct config *config_with_dynamic(const struct config *broker,
                                   struct config_overrides cluster_wide,
                                   struct config_overrides per_broker,
                                   struct config_problems *problems)
{
    ASSERT(broker->kind == SETTING_KIND_BROKER);
    struct err_note note;
    struct config *config = copy_static(broker);
    lay_leniently(config, CONFIG_LAYER_CLUSTER, cluster_wide, problems);
    lay_leniently(config, CONFIG_LAYER_BROKER, per_broker, problems);
    if (finish(config, &note) == 0)
        return config;

    /* Each is valid, but not together: the file alone is known to be sound. */
    config_problem_add(problems, CONFIG_ERROR, "all stored dynamic settings are skipped: %s",
                       note.text);
    config_unref(config);
    config = copy_static(broker);
    const int r = finish(config, NULL);
    ASSERT(r == 0);
    return config;
}

/* ---- validation ------------------------------------------------------------------------------------------------ */

/* Pools that Kafka lets grow and shrink by at most a factor of two at a time. */
static const enum setting_id thread_counts[] = {
    SETTING_BROKER_BACKGROUND_THREADS,
    SETTING_BROKER_NUM_IO_THREADS,
    SETTING_BROKER_NUM_NETWORK_THREADS,
    SETTING_BROKER_NUM_RECOVERY_THREADS_PER_DATA_DIR,
    SETTING_BROKER_NUM_REPLICA_FETCHERS,
    SETTING_BROKER_LOG_CLEANER_THREADS,
    SETTING_BROKER_REMOTE_LOG_MANAGER_COPIER_THREAD_POOL_SIZE,
    SETTING_BROKER_REMOTE_LOG_MANAGER_EXPIRATION_THREAD_POOL_SIZE,
    SETTING_BROKER_REMOTE_LOG_MANAGER_FOLLOWER_THREAD_POOL_SIZE,
    SETTING_BROKER_REMOTE_LOG_READER_THREADS,
};

MUST_CHECK static int check_thread_counts(const struct config *before, const struct config *after,
                                          struct err_note *note)
{
    for (size_t i = 0; i < ARRAY_LEN(thread_counts); i++) {
        const int64_t old_count = config_i64(before, thread_counts[i]);
        const int64_t new_count = config_i64(after, thread_counts[i]);
        if (new_count == old_count)
            continue;
        const bool is_less = new_count < old_count / 2;
        if (is_less || new_count > old_count * 2)
            return err_note(note, -ERR_INVALID_SETTING,
                            "Dynamic thread count update validation failed for %s=%" PRId64
                            ", value should %s the current value %" PRId64,
                            setting_get(thread_counts[i])->name, new_count,
                            is_less ? "be at least half" : "not be greater than double", old_count);
    }
    return 0;
}

/* Kafka could take these up while running; here they would be acknowledged and do nothing, or worse. */
MUST_CHECK static int check_can_change(const struct config *before, const struct config *after,
                                       struct bytes name, struct err_note *note)
{
    const struct setting *setting = setting_find(SETTING_KIND_BROKER, name);
    if (setting == NULL)
        return 0;
    const char *old_text = config_value_text(before, setting->id);
    const char *new_text = config_value_text(after, setting->id);
    if (old_text == new_text ||
        (old_text != NULL && new_text != NULL && strcmp(old_text, new_text) == 0))
        return 0;
    const bool is_of_listeners = setting->id == SETTING_BROKER_LISTENERS ||
                                 setting->id == SETTING_BROKER_LISTENER_SECURITY_PROTOCOL_MAP;
    if (is_of_listeners || setting->status == SETTING_NOT_YET_UNSAFE)
        return err_note(
            note, -ERR_INVALID_SETTING,
            "This build cannot change %s while it runs; change the broker's file and restart "
            "it",
            setting->name);
    const bool is_of_security = bytes_starts_with(name, BYTES_LITERAL("ssl.")) ||
                                bytes_starts_with(name, BYTES_LITERAL("sasl."));
    if (is_of_security)
        return err_note(note, -ERR_INVALID_SETTING,
                        "%s cannot be updated dynamically for existing listeners; name one: "
                        "listener.name.<listener>.%s",
                        setting->name, setting->name);
    return 0;
}

MUST_CHECK static int lay_strictly(struct config *config, enum config_layer layer,
                                   struct config_overrides overrides, struct err_note *note)
{
    int r = 0;
    for (size_t i = 0; i < overrides.count && r == 0; i++) {
        if (!bytes_is_null(overrides.items[i].value))
            r = lay(config, layer, overrides.items[i], note);
    }
    return r;
}

/* What a running broker has in one layer; it has been validated. */
static void lay_running(struct config *config, const struct config *broker, enum config_layer layer)
{
    const struct properties *from = &broker->layers[layer];
    for (size_t i = 0; i < from->list.count; i++) {
        const struct config_override override = {
            .name = bytes_from_text(from->list.items[i].name),
            .value = bytes_from_text(from->list.items[i].value),
        };
        const int r = lay(config, layer, override, NULL);
        ASSERT(r == 0);
    }
}

int config_validate_broker(const struct config *broker, struct config_overrides overrides,
                           bool is_cluster_wide, struct err_note *note)
{
    ASSERT(broker->kind == SETTING_KIND_BROKER);
    AUTO(config_unrefp) struct config *config = copy_static(broker);
    int r = 0;
    if (is_cluster_wide)
        r = lay_strictly(config, CONFIG_LAYER_CLUSTER, overrides, note);
    else
        lay_running(config, broker, CONFIG_LAYER_CLUSTER);
    if (is_cluster_wide)
        lay_running(config, broker, CONFIG_LAYER_BROKER);
    else
        r = lay_strictly(config, CONFIG_LAYER_BROKER, overrides, note);
    if (r == 0)
        r = finish(config, note);
    if (r == 0)
        r = check_thread_counts(broker, config, note);
    for (size_t i = 0; i < overrides.count && r == 0; i++)
        r = check_can_change(broker, config, overrides.items[i].name, note);
    return r;
}
