/* See collisions.h. */
#include "controller/collisions.h"

#include "base/topic_name.h"

/* Null: names without '.' and '_' collide with none; longer ones are none. */
static struct bytes form_of(struct bytes name, uint8_t space[TOPIC_NAME_BYTES_MAX])
{
    bool has_separator = false;
    if (name.size > TOPIC_NAME_BYTES_MAX)
        return BYTES_NULL;
    for (size_t i = 0; i < name.size; i++) {
        space[i] = name.data[i] == '.' ? '_' : name.data[i];
        has_separator |= space[i] == '_';
    }
    return has_separator ? bytes_from(space, name.size) : BYTES_NULL;
}

void collisions_init(struct collisions *collisions, uint64_t seed)
{
    map_init(&collisions->by_form, seed);
}

void collisions_deinit(struct collisions *collisions)
{
    map_deinit(&collisions->by_form);
}

void collisions_add(struct collisions *collisions, struct bytes name)
{
    uint8_t space[TOPIC_NAME_BYTES_MAX];
    const struct bytes form = form_of(name, space);
    if (!bytes_is_null(form))
        (void)map_put(&collisions->by_form, form, collisions); /* another may have it, too */
}

void collisions_find(struct collisions *collisions, const struct metadata_image *image)
{
    struct metadata_walk walk;
    const struct metadata_topic *topic;
    if (map_count(&collisions->by_form) == 0)
        return;
    for (metadata_walk_topics(&walk, image); (topic = metadata_next_topic(&walk)) != NULL;) {
        uint8_t space[TOPIC_NAME_BYTES_MAX];
        const struct bytes form = form_of(topic->name, space);
        if (!bytes_is_null(form) && map_get(&collisions->by_form, form) == collisions)
            (void)map_put(&collisions->by_form, form,
                          (void *)(uintptr_t)topic); /* in place of the sign */
    }
}

const struct metadata_topic *collisions_of(const struct collisions *collisions, struct bytes name)
{
    uint8_t space[TOPIC_NAME_BYTES_MAX];
    const struct bytes form = form_of(name, space);
    const void *found = bytes_is_null(form) ? NULL : map_get(&collisions->by_form, form);
    return found == collisions ? NULL : found;
}
