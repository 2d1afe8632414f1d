/* Settings of topics, groups and client-metrics subscriptions: overrides over what the broker says. See config.h. */
#include "config/config_int.h"

#include <string.h>

#define OVERRIDE_SIZE_MAX INT16_MAX /* of a name or value in a metadata record */

/* ---- what holds without overrides ------------------------------------------------------------------------- */

/* The first of the broker's settings that is not null, in this one's unit; the table's default if there is none. */
static void set_from_broker(struct config *config, const struct config *broker,
                            const struct setting *setting)
{
    struct setting_value *value = config__value(config, setting->id);
    struct setting_synonym synonyms[SETTING_SYNONYM_COUNT_MAX];
    const size_t count = setting_synonyms(setting->id, synonyms);
    if (count == 0) {
        *value = setting_value_initial(setting, &config->arena);
        return;
    }
    int64_t number = 0;
    const char *text = config_value_text(broker, synonyms[0].id);
    if (setting->type == SETTING_LONG || setting->type == SETTING_INT) {
        if (config_effective_i64(broker, setting->id, &number))
            text = arena_printf(&config->arena, "%" PRId64, number);
    }
    /* The broker's row has checked it; where the topic's is stricter, the table's default counts. */
    if (text == NULL ||
        setting_value_parse(setting, bytes_from_text(text), &config->arena, value, NULL) < 0)
        *value = setting_value_initial(setting, &config->arena);
}

static void set_defaults(struct config *config, const struct config *broker)
{
    for (unsigned i = config->range.first; i < config->range.end; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        if (config__value(config, setting->id)->text == NULL)
            set_from_broker(config, broker, setting);
    }
}

/* ---- overrides ---------------------------------------------------------------------------------------------- */

MUST_CHECK static int check_override(enum setting_kind kind, struct config_override override,
                                     struct err_note *note)
{
    if (setting_find(kind, override.name) == NULL)
        return err_note(note, -ERR_UNKNOWN_SETTING, "Unknown %s config name: %.*s",
                        setting_kind_name(kind), BYTES_PRINTF(bytes_slice(override.name, 0, 200)));
    if (override.value.size > OVERRIDE_SIZE_MAX)
        return err_note(note, -ERR_INVALID_SETTING,
                        "The value of %.*s is %zu bytes long, the limit is %d",
                        BYTES_PRINTF(override.name), override.value.size, OVERRIDE_SIZE_MAX);
    return 0;
}

/* Keeps one override if it is good. */
MUST_CHECK static int lay_override(struct config *config, struct config_override override,
                                   struct err_note *note)
{
    int r = check_override(config->kind, override, note);
    if (r == 0)
        r = config__set_value(config, override.name, override.value, note);
    if (r == 0)
        config__put(config, CONFIG_LAYER_OWN, override.name, override.value, 0);
    return r;
}

static struct config *resolve(enum setting_kind kind, const struct config *broker,
                              struct config_overrides overrides, size_t *out_skipped,
                              struct err_note *note)
{
    struct config *config = config__new(kind);
    size_t skipped = 0;
    for (size_t i = 0; i < overrides.count; i++) {
        if (!bytes_is_null(overrides.items[i].value) &&
            lay_override(config, overrides.items[i], note) < 0)
            skipped++;
    }
    set_defaults(config, broker);
    if (out_skipped != NULL)
        *out_skipped = skipped;
    return config;
}

struct config *config__topic_defaults(const struct config *broker)
{
    return resolve(SETTING_KIND_TOPIC, broker, CONFIG_OVERRIDES_NONE, NULL, NULL);
}

struct config *config_for_topic(const struct config *broker, struct config_overrides overrides,
                                size_t *out_skipped, struct err_note *note)
{
    if (overrides.count == 0) {
        if (out_skipped != NULL)
            *out_skipped = 0;
        return config_ref(broker->topic_defaults);
    }
    return resolve(SETTING_KIND_TOPIC, broker, overrides, out_skipped, note);
}

struct config *config_for_client_metrics(struct config_overrides overrides, size_t *out_skipped,
                                         struct err_note *note)
{
    return resolve(SETTING_KIND_CLIENT_METRICS, NULL, overrides, out_skipped, note);
}

/* ---- groups: the broker bounds what a group may ask for ---------------------------------------------------- */

struct group_bound {
    enum setting_id id;
    enum setting_id min; /* SETTING_COUNT: none */
    enum setting_id max;
};

#define GROUP_BOUND(protocol, name)                                                                \
    {                                                                                              \
        SETTING_GROUP_##protocol##_##name, SETTING_BROKER_GROUP_##protocol##_MIN_##name,           \
            SETTING_BROKER_GROUP_##protocol##_MAX_##name                                           \
    }

static const struct group_bound group_bounds[] = {
    GROUP_BOUND(CONSUMER, HEARTBEAT_INTERVAL_MS),
    GROUP_BOUND(CONSUMER, SESSION_TIMEOUT_MS),
    GROUP_BOUND(CONSUMER, ASSIGNMENT_INTERVAL_MS),
    GROUP_BOUND(SHARE, HEARTBEAT_INTERVAL_MS),
    GROUP_BOUND(SHARE, SESSION_TIMEOUT_MS),
    GROUP_BOUND(SHARE, ASSIGNMENT_INTERVAL_MS),
    GROUP_BOUND(SHARE, RECORD_LOCK_DURATION_MS),
    GROUP_BOUND(SHARE, DELIVERY_COUNT_LIMIT),
    GROUP_BOUND(SHARE, PARTITION_MAX_RECORD_LOCKS),
    GROUP_BOUND(STREAMS, HEARTBEAT_INTERVAL_MS),
    GROUP_BOUND(STREAMS, SESSION_TIMEOUT_MS),
    GROUP_BOUND(STREAMS, ASSIGNMENT_INTERVAL_MS),
    { SETTING_GROUP_STREAMS_NUM_STANDBY_REPLICAS, SETTING_COUNT,
      SETTING_BROKER_GROUP_STREAMS_MAX_STANDBY_REPLICAS },
};

static int64_t clamp(int64_t value, int64_t min, int64_t max)
{
    return MIN(MAX(value, min), max);
}

static int64_t bound_min(const struct config *broker, const struct group_bound *bound)
{
    return bound->min == SETTING_COUNT ? INT32_MIN : config_i64(broker, bound->min);
}

static void keep_within(struct config *group, const struct config *broker,
                        const struct group_bound *bound)
{
    struct setting_value *value = config__value(group, bound->id);
    const int64_t before = value->integer;
    value->integer = clamp(before, bound_min(broker, bound), config_i64(broker, bound->max));
    if (value->integer != before)
        value->text = arena_printf(&group->arena, "%" PRId64, value->integer);
}

struct config_bounded config_bounded_for_groups(const struct config *broker, enum setting_id id)
{
    size_t at = 0;
    while (at < ARRAY_LEN(group_bounds) && group_bounds[at].id != id)
        at++;
    int64_t value = 0;
    const bool is_set = config_effective_i64(broker, id, &value);
    ASSERT(at < ARRAY_LEN(group_bounds) && is_set);
    return (struct config_bounded){
        .id = id,
        .value = (int32_t)value,
        .min = (int32_t)bound_min(broker, &group_bounds[at]),
        .max = (int32_t)config_i64(broker, group_bounds[at].max),
    };
}

int32_t config_bounded_value(const struct config_bounded *setting, struct bytes own)
{
    struct arena arena;
    arena_init(&arena, SETTING_VALUE_SIZE_MAX);
    struct setting_value value;
    const bool is_set = !bytes_is_null(own) && setting_value_parse(setting_get(setting->id), own,
                                                                   &arena, &value, NULL) == 0;
    arena_deinit(&arena);
    return is_set ? (int32_t)clamp(value.integer, setting->min, setting->max) : setting->value;
}

struct config *config_for_group(const struct config *broker, struct config_overrides overrides,
                                size_t *out_skipped, struct err_note *note)
{
    struct config *group = resolve(SETTING_KIND_GROUP, broker, overrides, out_skipped, note);
    for (size_t i = 0; i < ARRAY_LEN(group_bounds); i++)
        keep_within(group, broker, &group_bounds[i]);
    return group;
}

/* ---- validation ---------------------------------------------------------------------------------------------- */

/* A config of these overrides, or the first thing wrong with them. As in Kafka unknown names come before bad values. */
MUST_CHECK static int resolve_strictly(enum setting_kind kind, const struct config *broker,
                                       struct config_overrides overrides, struct config **out,
                                       struct err_note *note)
{
    AUTO(config_unrefp) struct config *config = config__new(kind);
    for (size_t i = 0; i < overrides.count; i++) {
        const int r = check_override(kind, overrides.items[i], note);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < overrides.count; i++) {
        if (bytes_is_null(overrides.items[i].value))
            continue;
        const int r = lay_override(config, overrides.items[i], note);
        if (r < 0)
            return r;
    }
    set_defaults(config, broker);
    *out = TAKE(config);
    return 0;
}

MUST_CHECK static int refuse_unsafe(const struct config *config, struct err_note *note)
{
    struct config_problems problems = { .error_count = 0 };
    config__check_status(config, &problems);
    int r = 0;
    for (size_t i = 0; i < problems.list.count && r == 0; i++) {
        if (problems.list.items[i].severity == CONFIG_ERROR)
            r = err_note(note, -ERR_INVALID_SETTING, "%s", problems.list.items[i].text);
    }
    config_problems_deinit(&problems);
    return r;
}

int config_validate_topic(const struct config *broker, struct config_overrides overrides,
                          struct err_note *note)
{
    AUTO(config_unrefp) struct config *topic = NULL;
    int r = 0;
    if (overrides.count == 0)
        topic =
            config_ref(broker->topic_defaults); /* a request may make thousands of such topics */
    else
        r = resolve_strictly(SETTING_KIND_TOPIC, broker, overrides, &topic, note);
    if (r < 0)
        return r;
    const int64_t min_lag_ms = config_i64(topic, SETTING_TOPIC_MIN_COMPACTION_LAG_MS);
    const int64_t max_lag_ms = config_i64(topic, SETTING_TOPIC_MAX_COMPACTION_LAG_MS);
    if (min_lag_ms > max_lag_ms)
        return err_note(note, -ERR_INVALID_SETTING,
                        "conflict topic config setting min.compaction.lag.ms (%" PRId64
                        ") > max.compaction.lag.ms (%" PRId64 ")",
                        min_lag_ms, max_lag_ms);
    return refuse_unsafe(topic, note);
}

MUST_CHECK static int check_group_bound(const struct config *group, const struct config *broker,
                                        const struct group_bound *bound, struct err_note *note)
{
    const int64_t value = config_i64(group, bound->id);
    const char *name = setting_get(bound->id)->name;
    if (bound->min != SETTING_COUNT && value < config_i64(broker, bound->min))
        return err_note(note, -ERR_INVALID_SETTING,
                        "%s must be greater than or equal to %s (%" PRId64 "); it is %" PRId64,
                        name, setting_get(bound->min)->name, config_i64(broker, bound->min), value);
    if (value > config_i64(broker, bound->max))
        return err_note(note, -ERR_INVALID_SETTING,
                        "%s must be less than or equal to %s (%" PRId64 "); it is %" PRId64, name,
                        setting_get(bound->max)->name, config_i64(broker, bound->max), value);
    return 0;
}

int config_validate_group(const struct config *broker, struct config_overrides overrides,
                          struct err_note *note)
{
    AUTO(config_unrefp) struct config *group = NULL;
    int r = resolve_strictly(SETTING_KIND_GROUP, broker, overrides, &group, note);
    for (size_t i = 0; i < ARRAY_LEN(group_bounds) && r == 0; i++)
        r = check_group_bound(group, broker, &group_bounds[i], note);
    static const enum setting_id pairs[][2] = {
        { SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS },
        { SETTING_GROUP_SHARE_HEARTBEAT_INTERVAL_MS, SETTING_GROUP_SHARE_SESSION_TIMEOUT_MS },
        { SETTING_GROUP_STREAMS_HEARTBEAT_INTERVAL_MS, SETTING_GROUP_STREAMS_SESSION_TIMEOUT_MS },
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs) && r == 0; i++) {
        const int64_t heartbeat_ms = config_i64(group, pairs[i][0]);
        const int64_t session_ms = config_i64(group, pairs[i][1]);
        if (heartbeat_ms >= session_ms)
            r = err_note(note, -ERR_INVALID_SETTING,
                         "%s (%" PRId64 ") must be less than %s (%" PRId64 ")",
                         setting_get(pairs[i][0])->name, heartbeat_ms,
                         setting_get(pairs[i][1])->name, session_ms);
    }
    return r;
}

/* "key=pattern". That the pattern is an RE2 expression is for whoever matches with it. */
MUST_CHECK static int check_match(const char *item, struct err_note *note)
{
    static const char *const keys[] = { "client_id",
                                        "client_instance_id",
                                        "client_software_name",
                                        "client_software_version",
                                        "client_source_address",
                                        "client_source_port" };
    const char *sign = strchr(item, '=');
    const struct bytes key = bytes_trim(bytes_from(item, strcspn(item, "=")));
    bool is_good = sign != NULL && strchr(sign + 1, '=') == NULL &&
                   bytes_trim(bytes_from_text(sign + 1)).size > 0;
    bool is_known = false;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        is_known |= bytes_equal_text(key, keys[i]);
    is_good &= is_known;
    return is_good ? 0
                   : err_note(note, -ERR_INVALID_SETTING, "Illegal client matching pattern: %.200s",
                              item);
}

int config_validate_client_metrics(struct config_overrides overrides, struct err_note *note)
{
    AUTO(config_unrefp) struct config *config = NULL;
    int r = resolve_strictly(SETTING_KIND_CLIENT_METRICS, NULL, overrides, &config, note);
    if (r < 0)
        return r;
    const struct config_list match = config_list(config, SETTING_CLIENT_METRICS_MATCH);
    for (size_t i = 0; i < match.count && r == 0; i++)
        r = check_match(match.items[i], note);
    return r;
}
