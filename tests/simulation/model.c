/* See model.h. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a record is known to be. */
struct place {
    const struct model_partition *partition; /* NULL: nowhere */
    int64_t offset;
};

struct author {
    VEC(struct place) places; /* by the record's number */
};

struct model {
    struct model_plan plans[MODEL_TOPICS_MAX];
    uint32_t plan_count;
    VEC(struct model_topic *) topics; /* owned: all there ever were */
    VEC(struct author) authors;
    VEC(int64_t) producer_ids;
};

void model_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)fflush(stdout);
    (void)fputs("promise broken: ", stderr);
    (void)vfprintf(stderr, format, args);
    (void)fputs("\n", stderr);
    va_end(args);
    _Exit(1);
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void draw_rolling(struct model_plan *plan, struct rng *rng)
{
    /* Segments roll soon for want of index entries, or of time; a megabyte is the least for bytes. */
    if (rng_chance(rng, 600000))
        plan->index_bytes = rng_between(rng, 8, 20) * 12;
    else if (rng_chance(rng, 500000))
        plan->segment_ms = rng_between(rng, 500, 4000);
}

static struct model_plan *add_plan(struct model *model, const char *name, struct rng *rng)
{
    struct model_plan *plan = &model->plans[model->plan_count++];
    *plan = (struct model_plan){ .name = name,
                                 .partition_count = 1 + (uint32_t)rng_below(rng, 3),
                                 .retention_ms = -1,
                                 .retention_bytes = -1,
                                 .compression = "producer" };
    draw_rolling(plan, rng);
    return plan;
}

/* Cleaned as often as may be. */
static void draw_table(struct model_plan *plan, struct rng *rng)
{
    plan->is_compacted = true;
    plan->is_synced = rng_chance(rng, 300000);
    plan->is_trimmed = rng_chance(rng, 200000);
    if (plan->is_trimmed && rng_chance(rng, 500000))
        plan->retention_ms = rng_between(rng, 4000, 10000);
    plan->tombstones_ms = rng_between(rng, 1500, 5000);
    plan->lag_ms = rng_chance(rng, 300000) ? rng_between(rng, 100, 2000) : 0;
    plan->segment_ms = rng_between(rng, 300, 2000);
}

static void draw_plans(struct model *model, struct rng *rng)
{
    static const char *const compressions[] = { "uncompressed", "gzip", "lz4", "zstd" };
    struct model_plan *plan = add_plan(model, "orders", rng);
    if (rng_chance(rng, 200000))
        plan->compression = compressions[rng_below(rng, ARRAY_LEN(compressions))];
    plan->has_append_time = rng_chance(rng, 200000);
    if (rng_chance(rng, 600000)) {
        plan = add_plan(model, "ledger", rng);
        plan->is_synced = true;
        plan->is_ottla_synced = rng_chance(rng, 300000);
    }
    if (rng_chance(rng, 500000)) {
        plan = add_plan(model, "feed", rng);
        plan->is_trimmed = true;
        if (rng_chance(rng, 500000))
            plan->retention_ms = rng_between(rng, 2000, 10000);
        if (rng_chance(rng, 300000))
            plan->retention_bytes = rng_between(rng, 5000, 50000);
        plan->segment_ms = rng_between(rng, 300, 2000);
    }
    if (rng_chance(rng, 400000))
        draw_table(add_plan(model, MODEL_COMPACTED, rng), rng);
    if (rng_chance(rng, 400000)) {
        plan = add_plan(model, "brief", rng);
        plan->is_brief = true;
        plan->is_synced = rng_chance(rng, 300000);
    }
}

struct model *model_new(struct rng *rng, bool is_flushed)
{
    struct model *model = MEM_NEW(struct model);
    draw_plans(model, rng);
    for (uint32_t i = 0; i < model->plan_count && is_flushed; i++)
        model->plans[i].is_synced = model->plans[i].is_ottla_synced = true;
    return model;
}

void model_free(struct model *model)
{
    for (size_t i = 0; i < model->topics.count; i++) {
        for (uint32_t k = 0; k < MODEL_PARTITIONS_MAX; k++)
            VEC_DEINIT(&model->topics.items[i]->partitions[k].slots);
        mem_free(model->topics.items[i]);
    }
    for (size_t i = 0; i < model->authors.count; i++)
        VEC_DEINIT(&model->authors.items[i].places);
    VEC_DEINIT(&model->topics);
    VEC_DEINIT(&model->authors);
    VEC_DEINIT(&model->producer_ids);
    mem_free(model);
}

uint32_t model_plan_count(const struct model *model)
{
    return model->plan_count;
}

struct model_plan *model_plan(struct model *model, uint32_t index)
{
    return &model->plans[index];
}

/* ---- topics ---------------------------------------------------------------------------------- */

struct model_topic *model_topic_found(struct model *model, struct model_plan *plan, struct uuid id)
{
    if (uuid_is_zero(id))
        model_fail("topic %s has no id", plan->name);
    if (plan->topic != NULL && uuid_equal(plan->topic->id, id))
        return plan->topic;
    if (plan->topic != NULL && plan->topic->state == MODEL_TOPIC_PRESENT)
        model_fail("topic %s has another id now, and nobody deleted it", plan->name);
    for (size_t i = 0; i < model->topics.count; i++) {
        if (uuid_equal(model->topics.items[i]->id, id))
            model_fail("topic %s was deleted, and is there again under its id", plan->name);
    }
    if (plan->topic != NULL)
        model_topic_gone(model, plan->topic);
    struct model_topic *topic = MEM_NEW(struct model_topic);
    topic->plan = plan;
    topic->id = id;
    for (uint32_t i = 0; i < plan->partition_count; i++) {
        topic->partitions[i].topic = topic;
        topic->partitions[i].index = (int32_t)i;
    }
    VEC_ADD(&model->topics, topic);
    plan->topic = topic;
    return topic;
}

void model_topic_leaves(struct model_topic *topic)
{
    ASSERT(topic->state == MODEL_TOPIC_PRESENT);
    topic->state = MODEL_TOPIC_LEAVING;
}

void model_topic_gone(struct model *model, struct model_topic *topic)
{
    topic->state = MODEL_TOPIC_GONE;
    for (uint32_t i = 0; i < model->plan_count; i++) {
        if (model->plans[i].topic == topic)
            model->plans[i].topic = NULL;
    }
}

bool model_has_topic(struct model *model, const char *name)
{
    for (uint32_t i = 0; i < model->plan_count; i++) {
        if (strcmp(model->plans[i].name, name) == 0)
            return model->plans[i].topic != NULL;
    }
    return false;
}

struct model_topic *model_topic_departed(struct model *model, struct rng *rng)
{
    if (model->topics.count == 0)
        return NULL;
    struct model_topic *topic = model->topics.items[rng_below(rng, model->topics.count)];
    return topic->state == MODEL_TOPIC_GONE ? topic : NULL;
}

struct model_topic *model_choose(struct model *model, struct rng *rng)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->plan_count; i++)
        count += model->plans[i].topic != NULL;
    if (count == 0)
        return NULL;
    uint64_t nth = rng_below(rng, count);
    for (uint32_t i = 0; i < model->plan_count; i++) {
        if (model->plans[i].topic != NULL && nth-- == 0)
            return model->plans[i].topic;
    }
    return NULL;
}

struct model_partition *model_choose_partition(struct model *model, struct rng *rng)
{
    struct model_topic *topic = model_choose(model, rng);
    return topic == NULL ? NULL : &topic->partitions[rng_below(rng, topic->plan->partition_count)];
}

/* ---- records --------------------------------------------------------------------------------- */

void model_producer_id(struct model *model, int64_t producer_id)
{
    for (size_t i = 0; i < model->producer_ids.count; i++) {
        if (model->producer_ids.items[i] == producer_id)
            model_fail("producer id %" PRId64 " is given out twice", producer_id);
    }
    VEC_ADD(&model->producer_ids, producer_id);
}

uint32_t model_client_new(struct model *model)
{
    (void)VEC_PUSH(&model->authors);
    return (uint32_t)model->authors.count - 1;
}

static struct place *place_of(struct model *model, struct model_record record)
{
    if (record.client >= model->authors.count)
        model_fail("a record of client %u is read, and there is none", record.client);
    struct author *author = &model->authors.items[record.client];
    while (author->places.count <= record.number)
        (void)VEC_PUSH(&author->places);
    return &author->places.items[record.number];
}

static struct model_slot *slot_of(struct model_partition *p, int64_t offset)
{
    while ((int64_t)p->slots.count <= offset)
        (void)VEC_PUSH(&p->slots);
    return &p->slots.items[offset];
}

static void know(struct model *model, struct model_partition *p, int64_t offset,
                 struct model_record record, int64_t timestamp_ms, const char *how)
{
    struct model_slot *slot = slot_of(p, offset);
    if (slot->is_control)
        model_fail("%s-%d: offset %" PRId64 " holds a marker, and now record %u of client %u is %s",
                   p->topic->plan->name, p->index, offset, record.number, record.client, how);
    if (slot->is_known &&
        (slot->record.client != record.client || slot->record.number != record.number))
        model_fail("%s-%d: offset %" PRId64
                   " holds record %u of client %u, and now %u of client %u is %s there",
                   p->topic->plan->name, p->index, offset, slot->record.number, slot->record.client,
                   record.number, record.client, how);
    struct place *place = place_of(model, record);
    if (place->partition != NULL && (place->partition != p || place->offset != offset))
        model_fail("record %u of client %u is at offset %" PRId64
                   " of %s-%d, and is %s at offset %" PRId64 " of %s-%d, too",
                   record.number, record.client, place->offset, place->partition->topic->plan->name,
                   place->partition->index, how, offset, p->topic->plan->name, p->index);
    if (slot->is_known &&
        (slot->record.key != record.key || slot->record.is_tombstone != record.is_tombstone))
        model_fail("%s-%d: the record at offset %" PRId64 " had key %u%s, and is %s with %u%s",
                   p->topic->plan->name, p->index, offset, slot->record.key,
                   slot->record.is_tombstone ? " and no value" : "", how, record.key,
                   record.is_tombstone ? " and no value" : "");
    if (slot->is_known && slot->timestamp_ms != timestamp_ms)
        model_fail("%s-%d: the record at offset %" PRId64 " had timestamp %" PRId64
                   ", and is %s with %" PRId64,
                   p->topic->plan->name, p->index, offset, slot->timestamp_ms, how, timestamp_ms);
    *place = (struct place){ .partition = p, .offset = offset };
    *slot = (struct model_slot){ .is_known = true, .record = record, .timestamp_ms = timestamp_ms };
}

void model_acknowledge(struct model *model, struct model_partition *p, int64_t offset,
                       struct model_record record, int64_t timestamp_ms)
{
    if (offset < 0)
        model_fail("%s-%d: record %u of client %u is acknowledged at offset %" PRId64,
                   p->topic->plan->name, p->index, record.number, record.client, offset);
    know(model, p, offset, record, timestamp_ms, "acknowledged");
    p->known_end = MAX(p->known_end, offset + 1);
    p->acknowledged_end = MAX(p->acknowledged_end, offset + 1);
}

void model_read(struct model *model, struct model_partition *p, int64_t offset,
                struct model_record record, int64_t timestamp_ms)
{
    know(model, p, offset, record, timestamp_ms, "read");
}

void model_read_marker(struct model_partition *p, int64_t offset, int64_t timestamp_ms)
{
    struct model_slot *slot = slot_of(p, offset);
    if (slot->is_known && !slot->is_control)
        model_fail("%s-%d: offset %" PRId64 " holds record %u of client %u, and now a marker",
                   p->topic->plan->name, p->index, offset, slot->record.number,
                   slot->record.client);
    if (slot->is_known && slot->timestamp_ms != timestamp_ms)
        model_fail("%s-%d: the marker at offset %" PRId64 " had timestamp %" PRId64
                   ", and now %" PRId64,
                   p->topic->plan->name, p->index, offset, slot->timestamp_ms, timestamp_ms);
    *slot =
        (struct model_slot){ .is_known = true, .is_control = true, .timestamp_ms = timestamp_ms };
}

/* ---- compaction ------------------------------------------------------------------------------ */

/* What the newest records are from an offset on, as far as is known. */
struct newest {
    bool is_unclear;                /* an offset in between is not known */
    bool is_written[UINT8_MAX];     /* by key: there is one that counts */
    bool may_be_written[UINT8_MAX]; /* or may count */
};

static void check_missed(const struct model_partition *p, int64_t offset,
                         const struct newest *newest, bool is_void, int64_t now_ms)
{
    const struct model_slot *slot = &p->slots.items[offset];
    const uint8_t key = slot->record.key;
    const int64_t retention_ms = p->topic->plan->retention_ms;
    const bool was_deleted = offset < p->deleted_end ||
                             (retention_ms >= 0 && slot->timestamp_ms + retention_ms < now_ms);
    const bool is_old_tombstone =
        slot->record.is_tombstone && slot->timestamp_ms + p->topic->plan->tombstones_ms <= now_ms;
    if (newest->is_unclear || newest->is_written[key] || newest->may_be_written[key] || is_void ||
        is_old_tombstone || was_deleted)
        return;
    model_fail("%s-%d: record %u of client %u at offset %" PRId64 " is gone, and it %s of key k%u",
               p->topic->plan->name, p->index, slot->record.number, slot->record.client, offset,
               slot->record.is_tombstone ? "was a young tombstone" : "was the last", key);
}

uint64_t model_missed(struct model_partition *p, const int64_t *offsets, size_t count, int64_t end,
                      int64_t now_ms, int (*is_in_force)(void *context, struct model_record record),
                      void *context)
{
    struct newest newest = { 0 };
    uint64_t known = 0;
    for (int64_t at = end - 1; at >= 0 && count > 0; at--) {
        const struct model_slot *slot =
            at < (int64_t)p->slots.count ? &p->slots.items[at] : &(struct model_slot){ 0 };
        const bool is_record = slot->is_known && !slot->is_control;
        const int force = is_record ? is_in_force(context, slot->record) : 0;
        if (offsets[count - 1] == at) {
            count--;
            if (is_record)
                check_missed(p, at, &newest, force <= 0, now_ms);
            known += is_record;
        }
        newest.is_unclear |= !slot->is_known;
        newest.is_written[slot->record.key] |= is_record && force > 0;
        newest.may_be_written[slot->record.key] |= is_record && force < 0;
    }
    return known;
}

/* ---- ends of logs ---------------------------------------------------------------------------- */

void model_told_end(struct model_partition *p, int64_t end)
{
    if (end < p->known_end)
        model_fail("%s-%d: the high watermark is %" PRId64 ", and offset %" PRId64
                   " was told or acknowledged before",
                   p->topic->plan->name, p->index, end, p->known_end - 1);
    p->known_end = end;
}

/* Whether each record that is known in [from, to) is older than the topic keeps them. */
static bool have_expired(const struct model_partition *p, int64_t from, int64_t to, int64_t now_ms)
{
    for (int64_t i = from; i < MIN(to, (int64_t)p->slots.count); i++) {
        const struct model_slot *slot = &p->slots.items[i];
        if (slot->is_known && slot->timestamp_ms + p->topic->plan->retention_ms >= now_ms)
            return false;
    }
    return true;
}

void model_told_start(struct model_partition *p, int64_t start, int64_t before, int64_t now_ms)
{
    const struct model_plan *plan = p->topic->plan;
    if (start < before)
        model_fail("%s-%d: the log start went back from %" PRId64 " to %" PRId64, plan->name,
                   p->index, before, start);
    const int64_t from = MAX(p->start, p->deleted_end);
    /* Of a segment from which compaction took the youngest records the rest is older than they. */
    const bool by_time =
        plan->retention_ms >= 0 && (plan->is_compacted || have_expired(p, from, start, now_ms));
    if (start > from && !by_time && plan->retention_bytes < 0)
        model_fail("%s-%d: the log starts at offset %" PRId64 ", but records from %" PRId64
                   " on were neither deleted nor too old",
                   plan->name, p->index, start, from);
    p->start = MAX(p->start, start);
}

void model_deletes_below(struct model_partition *p, int64_t offset)
{
    p->deleted_end = MAX(p->deleted_end, offset);
}

void model_life_ended(struct model *model, bool is_crash)
{
    for (size_t i = 0; i < model->topics.count && is_crash; i++) {
        for (uint32_t k = 0; k < MODEL_PARTITIONS_MAX; k++)
            model->topics.items[i]->partitions[k].start = 0;
    }
}

void model_lose_from(struct model *model, struct model_partition *p, int64_t offset)
{
    for (size_t i = (size_t)MAX(offset, INT64_C(0)); i < p->slots.count; i++) {
        struct model_slot *slot = &p->slots.items[i];
        if (slot->is_known && !slot->is_control)
            *place_of(model, slot->record) = (struct place){ 0 };
        *slot = (struct model_slot){ 0 };
    }
    p->known_end = MIN(p->known_end, offset);
    p->acknowledged_end = MIN(p->acknowledged_end, offset);
}
