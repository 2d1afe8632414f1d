/* See controller_rules.h. */
#include "node/controller_rules.h"

#include "base/vec.h"
#include "config/config.h"
#include "config/describe.h"

static struct config_overrides overrides_of(const struct controller_config_entry *entries,
                                            uint32_t count, struct config_override *space)
{
    for (uint32_t i = 0; i < count; i++)
        space[i] = (struct config_override){ .name = entries[i].name, .value = entries[i].value };
    return (struct config_overrides){ .items = space, .count = count };
}

static int validate_kind(const struct config *broker, enum metadata_config_type type,
                         struct bytes resource, struct config_overrides overrides,
                         struct err_note *note)
{
    switch (type) {
    case METADATA_CONFIG_TOPIC:
        return config_validate_topic(broker, overrides, note);
    case METADATA_CONFIG_GROUP:
        return config_validate_group(broker, overrides, note);
    case METADATA_CONFIG_CLIENT_METRICS:
        return config_validate_client_metrics(overrides, note);
    case METADATA_CONFIG_BROKER:
        return config_validate_broker(broker, overrides, resource.size == 0, note);
    case METADATA_CONFIG_BROKER_LOGGER:
        break;
    }
    return err_note(note, -ERR_INVALID_SETTING,
                    "resources of type %d have no settings that are stored", (int)type);
}

static int validate(void *context, enum metadata_config_type type, struct bytes resource,
                    const struct controller_config_entry *entries, uint32_t count,
                    struct err_note *note)
{
    const struct controller_rules *rules = context;
    struct config_override *space = mem_reallocarray(NULL, MAX(count, 1u), sizeof(*space));
    const int r =
        validate_kind(*rules->broker, type, resource, overrides_of(entries, count, space), note);
    mem_free(space);
    return r;
}

static const struct setting *find(enum metadata_config_type type, struct bytes name)
{
    switch (type) {
    case METADATA_CONFIG_TOPIC:
        return setting_find(SETTING_KIND_TOPIC, name);
    case METADATA_CONFIG_GROUP:
        return setting_find(SETTING_KIND_GROUP, name);
    case METADATA_CONFIG_CLIENT_METRICS:
        return setting_find(SETTING_KIND_CLIENT_METRICS, name);
    case METADATA_CONFIG_BROKER:
        return setting_find(SETTING_KIND_BROKER, name);
    case METADATA_CONFIG_BROKER_LOGGER:
        break;
    }
    return NULL;
}

static bool is_list(void *context, enum metadata_config_type type, struct bytes name)
{
    (void)context;
    const struct setting *setting = find(type, name);
    return setting != NULL && setting->type == SETTING_LIST;
}

static struct bytes default_value(void *context, enum metadata_config_type type, struct bytes name)
{
    struct controller_rules *rules = context;
    const struct setting *setting = find(type, name);
    if (setting == NULL)
        return BYTES_NULL;
    if (type != METADATA_CONFIG_TOPIC)
        return bytes_from_text(setting->initial);
    /* A topic's default is what the broker's synonym says. */
    config_unref(rules->topic);
    rules->topic = config_for_topic(*rules->broker, CONFIG_OVERRIDES_NONE, NULL, NULL);
    return bytes_from_text(config_value_text(rules->topic, setting->id));
}

static uint32_t describe_topic(void *context, const struct controller_config_entry *entries,
                               uint32_t count, struct arena *arena,
                               struct controller_config_description **out)
{
    const struct controller_rules *rules = context;
    struct config_override *space = ARENA_NEW_ARRAY(arena, struct config_override, MAX(count, 1u));
    struct config *topic =
        config_for_topic(*rules->broker, overrides_of(entries, count, space), NULL, NULL);
    const struct config_description *described = NULL;
    size_t described_count = 0;
    if (config_describe(*rules->broker, topic, false, arena, &described, &described_count) < 0)
        described_count = 0; /* the arena is full: the answer goes without settings */
    *out = ARENA_NEW_ARRAY(arena, struct controller_config_description,
                           MAX(described_count, (size_t)1));
    for (size_t i = 0; i < described_count; i++) {
        const struct config_description *d = &described[i];
        (*out)[i] = (struct controller_config_description){
            .name = bytes_from_text(d->name),
            .value = d->value == NULL ? BYTES_NULL
                                      : bytes_from_text(arena_printf(arena, "%s", d->value)),
            .is_read_only = d->is_read_only,
            .is_sensitive = d->is_sensitive,
            .source = (int8_t)d->source,
        };
    }
    config_unref(topic);
    return (uint32_t)described_count;
}

struct controller_config_rules controller_rules_face(struct controller_rules *rules)
{
    return (struct controller_config_rules){
        .context = rules,
        .validate = validate,
        .is_list = is_list,
        .default_value = default_value,
        .describe_topic = describe_topic,
    };
}

void controller_rules_deinit(struct controller_rules *rules)
{
    config_unref(rules->topic);
    rules->topic = NULL;
}
