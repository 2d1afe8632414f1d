/* What the members of a consumer group subscribe to: names, expressions, and when a change of them or of the topics themselves
 * raises the group's epoch (KIP-848, KIP-1101).
 *
 * Expressions of a group are resolved in rounds (resolution.c), at most every REGEX_PAUSE_MS, when a new one came, topics came into
 * being, or group.consumer.regex.refresh.interval.ms has passed.
 */
#include "base/mem.h"
#include "coord/group/consumer_int.h"
#include "metadata/diff.h"
#include "pattern/pattern.h"
#include "wire/messages/consumer_group_heartbeat_request.h"

#include <stdlib.h>
#include <string.h>

/* ---- a member's subscription ----------------------------------------------------------------------- */

static bool has_text(const struct bytes *sorted, uint32_t count, struct bytes text)
{
    uint32_t low = 0;
    uint32_t high = count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = bytes_compare(sorted[middle], text);
        if (order == 0)
            return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool coord__consumer_subscribes(const struct group_coordinator *c, const struct consumer *consumer,
                                struct uuid topic_id)
{
    const struct metadata_topic *topic =
        c->image == NULL ? NULL : metadata_topic_by_id(c->image, topic_id);
    if (topic == NULL)
        return false;
    const struct consumer_profile *profile = consumer->profile;
    if (has_text(profile->topics, profile->topic_count, topic->name))
        return true;
    const struct resolved_regex *resolved =
        profile->regex.size == 0
            ? NULL
            : consumer_group_resolved(consumer->group->consumer, profile->regex);
    return resolved != NULL && has_text(resolved->topics, resolved->topic_count, topic->name);
}

/* How the group stood to its expressions before a member changed. */
struct regex_figures {
    int64_t resolved_ms; /* INT64_MIN: never */
    int64_t version;
    uint32_t resolved_count;
};

static struct regex_figures regex_figures(const struct consumer_group *group)
{
    const struct resolved_regex *any = consumer_group_any_resolved(group);
    return (struct regex_figures){ .resolved_ms = any == NULL ? INT64_MIN : any->resolved_ms,
                                   .version = any == NULL ? 0 : any->version,
                                   .resolved_count = group->resolved_regex_count };
}

static void schedule_resolution(struct group_coordinator *c, struct consumer_group *group,
                                const struct regex_figures *before, bool has_new)
{
    const int64_t wall_ms = c->event->wall_ms;
    const bool was_resolved = before->resolved_ms != INT64_MIN;
    const bool was_set_back = before->resolved_ms > wall_ms; /* the clock, since then */
    if (group->subscribed_regex_count == 0 || deadline_is_armed(&group->regex) ||
        group->resolution_number != 0 || c->event->now_ms < group->regex_not_before_ms ||
        (was_resolved && !was_set_back &&
         wall_ms <= i64_add_clamped(before->resolved_ms, REGEX_PAUSE_MS)))
        return;
    const bool is_due =
        has_new || !was_resolved || was_set_back ||
        group->subscribed_regex_count != before->resolved_count ||
        before->version < c->topics_version ||
        wall_ms > i64_add_clamped(before->resolved_ms, c->settings.regex_refresh_interval_ms);
    if (!is_due)
        return;
    group->regex.kind = DEADLINE_REGEX;
    group->regex_round++;
    group->is_regex_other = group->has_regex_failed = false;
    deadline_arm(&c->deadlines, &group->regex, c->event->now_ms);
}

bool group_check_regex(const struct consumer_group_heartbeat_request *asked, struct err_note *note)
{
    struct pattern *pattern = NULL;
    const bool is_well = asked->subscribed_topic_regex.size == 0 ||
                         pattern_compile(asked->subscribed_topic_regex, &pattern, note) == 0;
    pattern_free(pattern);
    return is_well;
}

static enum kafka_error check_regex(struct group_coordinator *c, struct bytes regex,
                                    struct consumer_refusal *refusal)
{
    const char *fault = c->event->request.regex_fault;
    const struct bytes quoted = bytes_utf8_prefix(regex, QUOTED_BYTES_MAX);
    if (fault != NULL)
        return consumer_refuse(c, refusal, KAFKA_INVALID_REGULAR_EXPRESSION,
                               "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
                               BYTES_PRINTF(quoted), fault);
    return KAFKA_NONE;
}

static enum kafka_error change_regex(struct group_coordinator *c, struct group *group,
                                     struct bytes old, struct bytes new, bool *out_is_new,
                                     bool *out_is_resolved, struct consumer_refusal *refusal)
{
    struct consumer_group *consumer = group->consumer;
    if (old.size > 0 && consumer_group_regex_subscribers(consumer, old) == 0)
        coord__put_regex(c, group, old, NULL); /* it was the last */
    if (new.size == 0) {
        *out_is_resolved = old.size > 0;
        return KAFKA_NONE;
    }
    if (consumer_group_regex_subscribers(consumer, new) > 1) {
        *out_is_resolved = consumer_group_resolved(consumer, new) != NULL;
        return KAFKA_NONE;
    }
    *out_is_new = true;
    return check_regex(c, new, refusal);
}

enum kafka_error
coord__consumer_update(struct group_coordinator *c, struct group *group, struct bytes member_id,
                       const struct consumer_profile *before, const struct consumer_profile *after,
                       struct subscription_change *out, struct consumer_refusal *refusal)
{
    const struct regex_figures figures = regex_figures(group->consumer);
    const bool names_changed = !consumer_profile_same_topics(before, after);
    const bool regex_changed = !bytes_equal(before->regex, after->regex);
    bool is_new_regex = false;
    bool is_resolved = false;
    if (!consumer_profile_equal(before, after))
        coord__put_profile(c, group, member_id, after);
    if (regex_changed) {
        const enum kafka_error error = change_regex(c, group, before->regex, after->regex,
                                                    &is_new_regex, &is_resolved, refusal);
        if (error != KAFKA_NONE)
            return error;
    }
    schedule_resolution(c, group->consumer, &figures, is_new_regex);
    out->has_changed = names_changed || regex_changed;
    out->needs_rebalance = names_changed || is_resolved;
    return KAFKA_NONE;
}

/* ---- the group's epoch --------------------------------------------------------------------------------- */

static int64_t hash_topics(struct group_coordinator *c, const struct consumer_group *group)
{
    const uint32_t count = map_count(&group->topics);
    struct bytes *names = MEM_NEW_ARRAY(struct bytes, MAX(count, 1U));
    size_t at = 0;
    for (struct map_walk w = { 0 }; map_next(&group->topics, &w);)
        names[at++] = w.key;
    qsort(names, count, sizeof(*names), bytes_compare_items);
    const int64_t hash = topic_hashes_of_group(&c->topic_hashes, c->image, names, count);
    mem_free(names);
    return hash;
}

/* Members that go one after the other leave the topics as they are: they are looked at once. */
int64_t coord__consumer_metadata_hash(struct group_coordinator *c, struct consumer_group *group)
{
    if (c->image == NULL)
        return 0;
    if (group->topics_hash_image != c->image_number) {
        group->topics_hash = hash_topics(c, group);
        group->topics_hash_image = c->image_number;
    }
    return group->topics_hash;
}

static bool is_refresh_due(const struct group_coordinator *c, const struct consumer_group *group)
{
    return c->event->now_ms >= group->refresh_ms || group->epoch < group->refresh_epoch;
}

static void refreshed(struct group_coordinator *c, struct consumer_group *group)
{
    group->refresh_ms = c->event->now_ms + INT32_MAX;
    group->refresh_epoch = group->epoch;
}

void coord__consumer_refresh(struct group_coordinator *c, struct group *group, bool must)
{
    struct consumer_group *consumer = group->consumer;
    if (!must && !is_refresh_due(c, consumer))
        return;
    const int64_t hash = coord__consumer_metadata_hash(c, consumer);
    if (must || hash != consumer->metadata_hash)
        coord__raise_epoch(c, group, hash);
    refreshed(c, consumer);
    if (consumer->has_partition_metadata)
        coord__put_partition_metadata_tombstone(c, group);
}

void coord__raise_epoch_if_other(struct group_coordinator *c, struct group *group, bool must)
{
    const int64_t hash = coord__consumer_metadata_hash(c, group->consumer);
    if (!must && hash == group->consumer->metadata_hash)
        return;
    coord__raise_epoch(c, group, hash);
    refreshed(c, group->consumer);
}

/* ---- the cluster changes ---------------------------------------------------------------------------------- */

struct changes {
    struct group_coordinator *c;
    struct map topics; /* a set of names, of either image */
    bool has_new;
};

static void note_topic(struct changes *changes, struct bytes name)
{
    if (map_put(&changes->topics, name, changes) == NULL)
        topic_hashes_forget(&changes->c->topic_hashes, name);
}

static void on_topic(void *context, const struct metadata_topic *before,
                     const struct metadata_topic *after)
{
    struct changes *changes = context;
    note_topic(changes, before == NULL ? after->name : before->name);
    changes->has_new = changes->has_new || after != NULL;
}

static bool has_same_replicas(const struct metadata_partition *a,
                              const struct metadata_partition *b)
{
    return a->replica_count == b->replica_count &&
           memcmp(metadata_partition_replicas(a), metadata_partition_replicas(b),
                  a->replica_count * sizeof(int32_t)) == 0;
}

static void on_partition(void *context, const struct metadata_topic *topic,
                         const struct metadata_partition *before,
                         const struct metadata_partition *after)
{
    if (before == NULL || after == NULL || !has_same_replicas(before, after))
        note_topic(context, topic->name);
}

/* Goes through whichever are fewer. */
static bool subscribes_to_some(const struct consumer_group *group, const struct changes *changes)
{
    const bool are_changes_fewer = map_count(&changes->topics) < map_count(&group->topics);
    const struct map *fewer = are_changes_fewer ? &changes->topics : &group->topics;
    const struct map *others = are_changes_fewer ? &group->topics : &changes->topics;
    for (struct map_walk w = { 0 }; map_next(fewer, &w);) {
        if (map_get(others, w.key) != NULL)
            return true;
    }
    return false;
}

static void request_refresh(struct consumer_group *group)
{
    group->refresh_ms = INT64_MIN;
    group->refresh_epoch = 0;
}

/* changes NULL: everything may have changed. */
static void request_refreshes(struct group_coordinator *c, const struct changes *changes)
{
    LIST_FOR_EACH(&c->group_list, link)
    {
        struct group *group = LIST_ENTRY(link, struct group, link);
        if (group->consumer != NULL &&
            (changes == NULL || subscribes_to_some(group->consumer, changes)))
            request_refresh(group->consumer);
    }
}

void coord__on_image(struct group_coordinator *c)
{
    struct metadata_image *before = c->image;
    struct changes changes = { .c = c };
    const struct metadata_observer observer = { .context = &changes,
                                                .on_topic = on_topic,
                                                .on_partition = on_partition };
    map_init(&changes.topics, c->hash_seed);
    c->image = metadata_image_ref(c->event->image);
    if (before != NULL)
        metadata_image_diff(before, c->image, &observer);
    if (before == NULL || changes.has_new)
        c->topics_version = c->image->provenance.offset;
    if (before == NULL || map_count(&changes.topics) > 0) {
        c->image_number++;
        request_refreshes(c, before == NULL ? NULL : &changes);
    }
    map_deinit(&changes.topics);
    metadata_image_unref(before);
}
