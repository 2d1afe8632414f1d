/* A resource's settings as DescribeConfigs answers them. See describe.h.
 *
 * Synonyms are found as Kafka finds them: source by source (this broker, cluster, file, default), in each the names in
 * their order of precedence; then those before the described name's own first appearance are dropped.
 */
#include "config/describe.h"

#include "config/config_int.h"

#include <stdlib.h>
#include <string.h>

/* Every name at every source, and the resource's own. */
#define SYNONYM_ENTRY_MAX ((SETTING_SYNONYM_COUNT_MAX + 1) * (CONFIG_LAYER_COUNT + 1) + 1)

static const enum config_source layer_sources[CONFIG_LAYER_COUNT] = {
    [CONFIG_LAYER_OWN] = CONFIG_SOURCE_STATIC_BROKER,
    [CONFIG_LAYER_CLUSTER] = CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER,
    [CONFIG_LAYER_BROKER] = CONFIG_SOURCE_DYNAMIC_BROKER,
};

struct describer {
    const struct config *broker; /* NULL: nothing stands behind the resource */
    struct arena *arena;
    VEC(struct config_description) out;
    bool failed; /* the arena is full */
};

struct entries {
    struct config_synonym items[SYNONYM_ENTRY_MAX];
    size_t count;
};

static void add_entry(struct entries *entries, const char *name, const char *value,
                      enum config_source source)
{
    ASSERT(entries->count < SYNONYM_ENTRY_MAX);
    entries->items[entries->count++] =
        (struct config_synonym){ .name = name, .value = value, .source = source };
}

/* A name that may stand behind another, with its row; NULL: no default. */
struct candidate {
    const char *name;
    const struct setting *setting;
};

/* The broker's entries for names that stand behind the first of them. */
static void add_broker_entries(const struct describer *d, const struct candidate *candidates,
                               size_t count, bool is_sensitive, struct entries *out)
{
    struct entries all = { .count = 0 };
    for (size_t layer = CONFIG_LAYER_COUNT; layer > 0; layer--) {
        for (size_t i = 0; i < count; i++) {
            const struct candidate *c = &candidates[i];
            const bool is_read =
                layer - 1 != CONFIG_LAYER_OWN || c->setting == NULL || !c->setting->is_dynamic_only;
            const char *value =
                properties_get(&d->broker->layers[layer - 1], bytes_from_text(c->name));
            if (value != NULL && is_read)
                add_entry(&all, c->name, is_sensitive ? NULL : value, layer_sources[layer - 1]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        const struct setting *setting = candidates[i].setting;
        if (setting != NULL && setting->initial != NULL && !setting->is_dynamic_only)
            add_entry(&all, setting->name, is_sensitive ? NULL : setting->initial,
                      CONFIG_SOURCE_DEFAULT);
    }
    size_t skipped = 0;
    while (skipped < all.count && strcmp(all.items[skipped].name, candidates[0].name) != 0)
        skipped++;
    for (size_t i = skipped; i < all.count; i++)
        add_entry(out, all.items[i].name, all.items[i].value, all.items[i].source);
}

/* Answers how many broker settings stand behind the setting, for a broker's itself the first. */
static size_t find_candidates(const struct setting *setting,
                              struct candidate out[SETTING_SYNONYM_COUNT_MAX])
{
    struct setting_synonym synonyms[SETTING_SYNONYM_COUNT_MAX];
    const size_t count = setting_synonyms(setting->id, synonyms);
    for (size_t i = 0; i < count; i++) {
        out[i].setting = setting_get(synonyms[i].id);
        out[i].name = out[i].setting->name;
    }
    return count;
}

static void add_description(struct describer *d, struct config_description description,
                            const struct entries *entries)
{
    description.source = entries->count > 0 ? entries->items[0].source : CONFIG_SOURCE_DEFAULT;
    description.is_default = description.source == CONFIG_SOURCE_DEFAULT;
    description.synonyms =
        arena_dup(d->arena, entries->items, entries->count * sizeof(entries->items[0]));
    description.synonym_count = entries->count;
    d->failed |= description.synonyms == NULL;
    *VEC_PUSH(&d->out) = description;
}

/* A description of what the row says; value and synonyms are the caller's. */
static struct config_description of_row(const struct setting *setting, const char *name,
                                        const char *value)
{
    const bool is_sensitive = setting_is_sensitive(setting);
    return (struct config_description){
        .name = name,
        .value = is_sensitive ? NULL : value,
        .is_read_only = setting->scope == SETTING_READ_ONLY,
        .is_sensitive = is_sensitive,
        .type = setting->type,
        .documentation = setting->words,
    };
}

/* ---- a broker --------------------------------------------------------------------------------------------------- */

static bool is_set(const struct config *broker, const char *name)
{
    for (size_t i = 0; i < CONFIG_LAYER_COUNT; i++) {
        if (properties_get(&broker->layers[i], bytes_from_text(name)) != NULL)
            return true;
    }
    return false;
}

static void describe_broker_row(struct describer *d, const struct setting *setting)
{
    struct candidate candidates[SETTING_SYNONYM_COUNT_MAX];
    struct entries entries = { .count = 0 };
    const size_t count = find_candidates(setting, candidates);
    add_broker_entries(d, candidates, count, setting_is_sensitive(setting), &entries);
    add_description(d, of_row(setting, setting->name, config_value_text(d->broker, setting->id)),
                    &entries);
}

/* A name that no row has: a listener's own setting, or a plug-in's, of which nobody knows whether it is a secret. */
static void describe_other(struct describer *d, const char *name)
{
    struct bytes listener;
    const struct setting *setting;
    struct entries entries = { .count = 0 };
    const bool is_listeners =
        config__split_listener_name(bytes_from_text(name), &listener, &setting);
    const struct candidate candidates[] = {
        { .name = name },
        { .name = is_listeners ? setting->name : NULL, .setting = setting },
    };
    const bool is_sensitive = !is_listeners || setting_is_sensitive(setting);
    add_broker_entries(d, candidates, is_listeners ? 2 : 1, is_sensitive, &entries);
    struct config_description description = { .name = name,
                                              .is_read_only = true,
                                              .is_sensitive = true,
                                              .type = SETTING_UNKNOWN,
                                              .documentation = "" };
    if (is_listeners) {
        description = of_row(setting, name, entries.items[0].value);
        description.is_read_only = true; /* as Kafka says of every name with a listener in it */
    }
    add_description(d, description, &entries);
}

static bool is_described(const struct describer *d, const char *name)
{
    for (size_t i = 0; i < d->out.count; i++) {
        if (strcmp(d->out.items[i].name, name) == 0)
            return true;
    }
    return false;
}

static void describe_broker(struct describer *d)
{
    const struct setting_range range = setting_range(SETTING_KIND_BROKER);
    for (unsigned i = range.first; i < range.end; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        const bool is_hidden = setting->is_internal || setting->is_own || setting->is_dynamic_only;
        if (!is_hidden || is_set(d->broker, setting->name))
            describe_broker_row(d, setting);
    }
    for (size_t layer = 0; layer < CONFIG_LAYER_COUNT; layer++) {
        const struct properties *properties = &d->broker->layers[layer];
        for (size_t i = 0; i < properties->list.count; i++) {
            if (!is_described(d, properties->list.items[i].name))
                describe_other(d, properties->list.items[i].name);
        }
    }
}

static void describe_cluster_default(struct describer *d)
{
    const struct properties *properties = &d->broker->layers[CONFIG_LAYER_CLUSTER];
    for (size_t i = 0; i < properties->list.count; i++) {
        const struct property *property = &properties->list.items[i];
        struct bytes listener;
        const struct setting *setting =
            setting_find(SETTING_KIND_BROKER, bytes_from_text(property->name));
        const bool is_plain = setting != NULL;
        if (!is_plain)
            (void)config__split_listener_name(bytes_from_text(property->name), &listener, &setting);
        struct config_description description = { .name = property->name,
                                                  .is_sensitive = true,
                                                  .type = SETTING_UNKNOWN,
                                                  .documentation = "" };
        if (setting != NULL)
            description = of_row(setting, property->name, property->value);
        description.is_read_only = !is_plain || setting->scope == SETTING_READ_ONLY;
        struct entries entries = { .count = 0 };
        add_entry(&entries, property->name, description.is_sensitive ? NULL : property->value,
                  CONFIG_SOURCE_DYNAMIC_DEFAULT_BROKER);
        add_description(d, description, &entries);
    }
}

/* ---- topics, groups, subscriptions ---------------------------------------------------------------------------------- */

static enum config_source own_source(enum setting_kind kind)
{
    if (kind == SETTING_KIND_TOPIC)
        return CONFIG_SOURCE_TOPIC;
    return kind == SETTING_KIND_GROUP ? CONFIG_SOURCE_GROUP : CONFIG_SOURCE_CLIENT_METRICS;
}

static void describe_resource_row(struct describer *d, const struct config *config,
                                  const struct setting *setting)
{
    const char *own =
        properties_get(&config->layers[CONFIG_LAYER_OWN], bytes_from_text(setting->name));
    if ((setting->is_internal || setting->is_own) && own == NULL)
        return;
    const char *value = config_value_text(config, setting->id);
    struct entries entries = { .count = 0 };
    if (own != NULL)
        add_entry(&entries, setting->name, value, own_source(config->kind));
    struct candidate candidates[SETTING_SYNONYM_COUNT_MAX];
    const size_t count = find_candidates(setting, candidates);
    if (count > 0)
        add_broker_entries(d, candidates, count, false, &entries);
    else if (config->kind == SETTING_KIND_GROUP)
        add_entry(&entries, setting->name, setting->initial, CONFIG_SOURCE_DEFAULT);
    add_description(d, of_row(setting, setting->name, value), &entries);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct config_description *)a)->name,
                  ((const struct config_description *)b)->name);
}

int config_describe(const struct config *broker, const struct config *config, bool is_cluster_wide,
                    struct arena *arena, const struct config_description **out, size_t *out_count)
{
    ASSERT(config == NULL || !is_cluster_wide);
    struct describer d = { .broker = broker, .arena = arena };
    if (config != NULL) {
        for (unsigned i = config->range.first; i < config->range.end; i++)
            describe_resource_row(&d, config, setting_get((enum setting_id)i));
    } else if (is_cluster_wide) {
        describe_cluster_default(&d);
    } else {
        describe_broker(&d);
    }
    if (d.out.count > 0)
        qsort(d.out.items, d.out.count, sizeof(d.out.items[0]), compare_names);
    const void *copy = arena_dup(arena, d.out.items, d.out.count * sizeof(d.out.items[0]));
    const size_t count = d.out.count;
    VEC_DEINIT(&d.out);
    if (d.failed || copy == NULL)
        return -ERR_LIMIT;
    *out = copy;
    *out_count = count;
    return 0;
}
