/* Which topics the expressions of a consumer group stand for.
 *
 * A hard expression takes some 25 ms for one name, so a step does not match any: it gives out a resolution, which the owner of
 * the coordinator has worked at elsewhere, part by part, and which comes back whole (GROUP_ON_RESOLVED). A group has one out at
 * a time. Each expression is written for itself, and the group's epoch with the last of the round.
 */
#include "base/mem.h"
#include "coord/group/consumer_int.h"
#include "pattern/pattern.h"

struct group_resolution {
    uint64_t number;       /* by which the group knows it */
    struct bytes group_id; /* owned, as is the text */
    struct bytes text;
    struct metadata_image *image; /* counted */
    bool has_begun;
    struct pattern *pattern; /* owned; NULL: stands for no topic */
    struct metadata_walk walk;
    VEC(struct bytes) topics; /* names, in the image */
};

/* ---- the work, on any thread ------------------------------------------------------------------------ */

static struct group_resolution *resolution_new(uint64_t number, struct bytes group_id,
                                               struct bytes text, struct metadata_image *image)
{
    struct group_resolution *resolution = MEM_NEW(struct group_resolution);
    resolution->number = number;
    resolution->group_id = bytes_dup(group_id);
    resolution->text = bytes_dup(text);
    resolution->image = metadata_image_ref(image);
    return resolution;
}

void group_resolution_free(struct group_resolution *resolution)
{
    if (resolution == NULL)
        return;
    VEC_DEINIT(&resolution->topics);
    pattern_free(resolution->pattern);
    metadata_image_unref(resolution->image);
    bytes_free(resolution->group_id);
    bytes_free(resolution->text);
    mem_free(resolution);
}

static void begin(struct group_resolution *resolution)
{
    resolution->has_begun = true;
    metadata_walk_topics(&resolution->walk,
                         resolution->image); /* by name: what matches is sorted */
    /* It was compiled when it came. What cannot be now (a log of another build) stands for no topic. */
    if (pattern_compile(resolution->text, &resolution->pattern, NULL) < 0)
        resolution->pattern = NULL;
}

bool group_resolution_work(struct group_resolution *resolution)
{
    if (!resolution->has_begun)
        begin(resolution);
    const struct pattern *pattern = resolution->pattern;
    uint64_t work = 0;
    while (pattern != NULL && work < PATTERN_PART_WORK_MAX) {
        const struct metadata_topic *topic = metadata_next_topic(&resolution->walk);
        if (topic == NULL)
            return true;
        work += pattern_work(pattern, topic->name.size);
        if (pattern_matches(pattern, topic->name))
            VEC_ADD(&resolution->topics, topic->name);
    }
    return pattern == NULL;
}

/* ---- rounds ------------------------------------------------------------------------------------------- */

/* One that somebody subscribes to, and that this round has not resolved; null: none. */
static struct bytes unresolved(const struct consumer_group *group)
{
    for (struct map_walk w = { 0 }; map_next(&group->regexes, &w);) {
        const struct consumer_regex *regex = w.value;
        if (regex->subscriber_count > 0 && regex->round != group->regex_round)
            return w.key;
    }
    return BYTES_NULL;
}

static void end_round(struct group_coordinator *c, struct group *group)
{
    struct write *write;
    coord__draft_begin(c);
    coord__raise_epoch_if_other(c, group, group->consumer->is_regex_other);
    IGNORE_RESULT(coord__draft_append(c, &write)); /* a record that always fits */
}

/* is_written: the group's epoch, with the last expression. */
static void go_on(struct group_coordinator *c, struct group *group, bool is_written)
{
    struct consumer_group *consumer = group->consumer;
    const struct bytes next = unresolved(consumer);
    if (!bytes_is_null(next)) {
        consumer->resolution_number = ++c->resolution_number;
        VEC_ADD(&c->effects->resolutions,
                resolution_new(c->resolution_number, group_id(group), next, c->image));
        return;
    }
    if (!is_written && consumer->subscribed_regex_count > 0)
        end_round(c, group);
    /* What does not fit now does not with the next heartbeat. */
    consumer->regex_not_before_ms =
        consumer->has_regex_failed ? i64_add_clamped(c->event->now_ms, REGEX_PAUSE_MS) : 0;
}

void coord__on_regex_deadline(struct group_coordinator *c, struct consumer_group *consumer)
{
    if (c->image != NULL)
        go_on(c, consumer->group, false);
}

/* ---- what comes back ------------------------------------------------------------------------------------ */

static bool same_topics(const struct resolved_regex *before, const struct resolved_regex *now)
{
    if (now->topic_count != (before == NULL ? 0 : before->topic_count))
        return false;
    for (uint32_t i = 0; i < now->topic_count; i++) {
        if (!bytes_equal(before->topics[i], now->topics[i]))
            return false;
    }
    return true;
}

/* The group's epoch is written with the last one. Whether that is done. */
static bool write_down(struct group_coordinator *c, struct group *group,
                       const struct group_resolution *resolution)
{
    struct consumer_group *consumer = group->consumer;
    const struct resolved_regex now = { .version = resolution->image->provenance.offset,
                                        .resolved_ms = c->event->wall_ms,
                                        .topic_count = (uint32_t)resolution->topics.count,
                                        .topics = resolution->topics.items };
    const bool is_other = !same_topics(consumer_group_resolved(consumer, resolution->text), &now);
    const bool is_last = bytes_is_null(unresolved(consumer));
    struct write *write;
    coord__draft_begin(c);
    coord__put_regex(c, group, coord__copy(&c->effects->arena, resolution->text), &now);
    if (is_last)
        coord__raise_epoch_if_other(c, group, consumer->is_regex_other || is_other);
    const bool fits = coord__draft_append(c, &write) == KAFKA_NONE;
    consumer->is_regex_other |= fits && is_other;
    consumer->has_regex_failed |= !fits;
    return is_last && fits;
}

void coord__on_resolved(struct group_coordinator *c)
{
    const struct group_resolution *resolution = c->event->resolution;
    struct group *group =
        c->state == COORDINATOR_ACTIVE ? coord__find(c, resolution->group_id) : NULL;
    struct consumer_group *consumer = group == NULL ? NULL : group->consumer;
    if (consumer == NULL || consumer->resolution_number != resolution->number)
        return; /* nobody asks any more */
    consumer->resolution_number = 0;
    struct consumer_regex *regex = map_get(&consumer->regexes, resolution->text);
    const bool is_wanted = regex != NULL && regex->subscriber_count > 0;
    if (is_wanted)
        regex->round = consumer->regex_round;
    go_on(c, group, is_wanted && write_down(c, group, resolution));
}
