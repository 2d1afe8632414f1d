/* The state that the log holds, as text: what a reload must bring back. */
#include "base/mem.h"
#include "coord/group/group_int.h"

#include <stdlib.h>

static void print_text(struct buf *out, const char *word, struct bytes text)
{
    buf_printf(out, " %s ", word);
    buf_put_json_string(out, text);
}

static void print_members(struct buf *out, const struct membership *membership)
{
    for (struct map_walk w = { 0 }; map_next(&membership->members, &w);) {
        const struct member *member = w.value;
        buf_put_text(out, "  member");
        print_text(out, "", member->id);
        print_text(out, "instance", member->instance_id);
        print_text(out, "client", member->client_id);
        print_text(out, "host", member->client_host);
        buf_printf(out, " session %d rebalance %d", member->session_timeout_ms,
                   member->rebalance_timeout_ms);
        print_text(out, "metadata", member_metadata(member, membership->protocol));
        print_text(out, "assignment",
                   member->assignment.size == 0 ? BYTES_LITERAL("") : member->assignment);
        buf_put_text(out, "\n");
    }
}

static void print_topic(struct buf *out, const struct offset_topic *topic)
{
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct offset_value value = committed_value(topic, &topic->items[i]);
        char id[UUID_TEXT_SIZE];
        uuid_to_text(value.topic_id, id);
        buf_put_text(out, "  offset");
        print_text(out, "", name_text(topic->name));
        buf_printf(out, " %d = %" PRId64 " epoch %d at %" PRId64 " expire %" PRId64 " id %s",
                   topic->items[i].partition, value.offset, value.leader_epoch, value.committed_ms,
                   value.expire_ms, id);
        print_text(out, "metadata", value.metadata);
        buf_put_text(out, "\n");
    }
}

static int by_name(const void *a, const void *b)
{
    const struct offset_topic *const *x = a;
    const struct offset_topic *const *y = b;
    return bytes_compare(name_text((*x)->name), name_text((*y)->name));
}

static void print_offsets(struct buf *out, const struct offsets *offsets)
{
    const size_t count = offsets->topic_count;
    const struct offset_topic **sorted =
        MEM_NEW_ARRAY(const struct offset_topic *, MAX(count, (size_t)1));
    for (size_t i = 0; i < count; i++)
        sorted[i] = &offsets->topics[i];
    qsort(sorted, count, sizeof(*sorted), by_name);
    for (size_t i = 0; i < count; i++)
        print_topic(out, sorted[i]);
    mem_free(sorted);
}

struct pending_line {
    int64_t producer_id;
    const struct pending_offset *item;
};

static int by_place(const void *a, const void *b)
{
    const struct pending_line *x = a;
    const struct pending_line *y = b;
    const int names =
        bytes_compare(name_text(x->item->offset.name), name_text(y->item->offset.name));
    if (names != 0)
        return names;
    if (x->item->offset.partition != y->item->offset.partition)
        return x->item->offset.partition < y->item->offset.partition ? -1 : 1;
    return x->producer_id < y->producer_id ? -1 : x->producer_id > y->producer_id;
}

/* Offsets of transactions that are open. */
static void print_pending(struct buf *out, const struct group *group)
{
    VEC(struct pending_line) lines = { 0 };
    for (struct pending_walk w = { 0 }; pending_offsets_next(group, &w);)
        VEC_ADD(&lines,
                ((struct pending_line){ .producer_id = w.offset->producer_id, .item = w.offset }));
    if (lines.count > 0)
        qsort(lines.items, lines.count, sizeof(lines.items[0]), by_place);
    for (size_t i = 0; i < lines.count; i++) {
        const struct offset_saved *saved = &lines.items[i].item->offset;
        buf_put_text(out, "  pending");
        print_text(out, "", name_text(saved->name));
        buf_printf(out, " %d = %" PRId64 " producer %" PRId64 "%s\n", saved->partition,
                   saved->item.offset, lines.items[i].producer_id,
                   lines.items[i].item->is_overtaken ? " overtaken" : "");
    }
    VEC_DEINIT(&lines);
}

/* ---- consumer groups -------------------------------------------------------------------------------- */

static void print_assignment(struct buf *out, const char *word, const struct assignment *assignment)
{
    buf_printf(out, " %s", word);
    for (uint32_t i = 0; assignment != NULL && i < assignment->topic_count; i++) {
        const struct assigned_topic *topic = &assignment->topics[i];
        char id[UUID_TEXT_SIZE];
        uuid_to_text(topic->topic_id, id);
        buf_printf(out, " %s:", id);
        for (uint32_t j = 0; j < topic->count; j++)
            buf_printf(out, "%s%d@%d", j == 0 ? "" : ",", topic->partitions[j], topic->epochs[j]);
    }
}

static void print_profile(struct buf *out, const struct consumer_profile *profile)
{
    print_text(out, "instance", profile->instance_id);
    print_text(out, "rack", profile->rack_id);
    print_text(out, "client", profile->client_id);
    print_text(out, "host", profile->client_host);
    print_text(out, "regex", profile->regex);
    print_text(out, "assignor", profile->assignor);
    buf_printf(out, " rebalance %d topics", profile->rebalance_timeout_ms);
    for (uint32_t i = 0; i < profile->topic_count; i++)
        print_text(out, "", profile->topics[i]);
    if (!profile->is_classic)
        return;
    buf_printf(out, " classic session %d", profile->session_timeout_ms);
    for (uint32_t i = 0; i < profile->protocol_count; i++) {
        print_text(out, "protocol", profile->protocols[i].name);
        print_text(out, "metadata", profile->protocols[i].metadata);
    }
}

static void print_consumer(struct buf *out, const struct consumer *consumer)
{
    const struct consumer_state *now = group_consumer_now(consumer);
    buf_put_text(out, "  consumer");
    print_text(out, "", group_consumer_id(consumer));
    buf_printf(out, " epoch %d before %d step %d", now->epoch, now->previous_epoch, now->step);
    print_assignment(out, "has", now->assigned);
    print_assignment(out, "revokes", now->revoking);
    print_assignment(out, consumer->has_target ? "target" : "no target", consumer->target);
    if (consumer->profile != NULL)
        print_profile(out, consumer->profile);
    buf_put_text(out, "\n");
}

static int by_consumer_id(const void *a, const void *b)
{
    const struct consumer *const *x = a;
    const struct consumer *const *y = b;
    return bytes_compare(group_consumer_id(*x), group_consumer_id(*y));
}

static void print_consumers(struct buf *out, const struct consumer_group *group)
{
    const uint32_t count = map_count(&group->members);
    const struct consumer **sorted = MEM_NEW_ARRAY(const struct consumer *, MAX(count, 1U));
    size_t at = 0;
    for (struct map_walk w = { 0 }; map_next(&group->members, &w);)
        sorted[at++] = w.value;
    qsort(sorted, count, sizeof(*sorted), by_consumer_id);
    for (size_t i = 0; i < count; i++)
        print_consumer(out, sorted[i]);
    mem_free(sorted);
}

static int by_regex(const void *a, const void *b)
{
    return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

static void print_regexes(struct buf *out, const struct consumer_group *group)
{
    const uint32_t count = map_count(&group->regexes);
    struct bytes *sorted = MEM_NEW_ARRAY(struct bytes, MAX(count, 1U));
    size_t at = 0;
    for (struct map_walk w = { 0 }; map_next(&group->regexes, &w);)
        sorted[at++] = w.key;
    qsort(sorted, count, sizeof(*sorted), by_regex);
    for (size_t i = 0; i < count; i++) {
        const struct resolved_regex *resolved = consumer_group_resolved(group, sorted[i]);
        buf_put_text(out, "  regex");
        print_text(out, "", sorted[i]);
        buf_printf(out, " of %u", consumer_group_regex_subscribers(group, sorted[i]));
        if (resolved != NULL)
            buf_printf(out, " version %" PRId64 " at %" PRId64, resolved->version,
                       resolved->resolved_ms);
        for (uint32_t j = 0; resolved != NULL && j < resolved->topic_count; j++)
            print_text(out, "", resolved->topics[j]);
        buf_put_text(out, "\n");
    }
    mem_free(sorted);
}

static void print_consumer_group(struct buf *out, const struct consumer_group *group)
{
    buf_printf(out, " %s epoch %d hash %" PRId64 " assignment %d at %" PRId64 "%s\n",
               consumer_group_state_name(group), group->epoch, group->metadata_hash,
               group->assignment_epoch, group->assigned_ms,
               group->has_partition_metadata ? " with topics" : "");
    print_consumers(out, group);
    print_regexes(out, group);
}

/* ---- groups ------------------------------------------------------------------------------------------ */

/* A generation that is being formed is not in the log. */
static void print_group(struct buf *out, const struct group *group)
{
    const struct membership *membership = group->membership;
    buf_put_text(out, group_kind_name(group->kind));
    print_text(out, "group", group_id(group));
    if (group->kind == GROUP_CONSUMER) {
        print_consumer_group(out, group->consumer);
    } else if (group->kind != GROUP_CLASSIC) {
        buf_printf(out, " records %u members %u\n", map_count(&group->foreign->keys),
                   group->foreign->member_count);
    } else {
        buf_printf(out, " %s generation %d", group_state_name(group), group->generation);
        print_text(out, "type", name_text(group->protocol_type));
        if (group->state != GROUP_EMPTY) {
            print_text(out, "protocol", membership->protocol);
            print_text(out, "leader",
                       membership->leader == NULL ? BYTES_NULL : membership->leader->id);
        }
        buf_put_text(out, "\n");
        if (group->state != GROUP_EMPTY)
            print_members(out, membership);
    }
    print_offsets(out, &group->offsets);
    print_pending(out, group);
}

static int by_id(const void *a, const void *b)
{
    const struct group *const *x = a;
    const struct group *const *y = b;
    return bytes_compare(group_id(*x), group_id(*y));
}

void group_coordinator_print(const struct group_coordinator *c, struct buf *out)
{
    const size_t count = map_count(&c->groups);
    const struct group **sorted = MEM_NEW_ARRAY(const struct group *, MAX(count, (size_t)1));
    size_t at = 0;
    LIST_FOR_EACH(&c->group_list, link)
    sorted[at++] = LIST_ENTRY(link, struct group, link);
    qsort(sorted, count, sizeof(*sorted), by_id);
    for (size_t i = 0; i < count; i++)
        print_group(out, sorted[i]);
    mem_free(sorted);
}
