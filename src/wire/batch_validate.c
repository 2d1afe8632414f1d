/* Whether a produced batch may be appended. See batch_validate.h.
 *
 * Two passes at most. The first looks at every record and gathers a few numbers: smallest and largest
 * timestamp, whether a key was missing. Only if one of them tells that some record is to be refused, a second pass
 * asks which. Both are one loop, scan_run, over the whole records within a run of bytes; what differs is
 * compiled away. A record larger than the window of decompressed bytes is walked part by part instead.
 */
#include "wire/batch_validate.h"

#include "wire/record_int.h"

#define NO_TIMESTAMP           (-1)
#define RECORD_BYTES_IN_WINDOW (64 << 10) /* larger ones are skipped through, not gathered */

/* The numbers of the first pass. */
struct sums {
    int64_t timestamp_min;
    int64_t timestamp_max;
    int32_t timestamp_max_index;
    uint32_t delta_mismatch; /* 0 while offset deltas are 0, 1, 2 … */
    uint32_t null_keys;      /* not 0: there was one */
};

struct scan {
    const struct batch_view *batch;
    const struct batch_rules *rules;
    struct batch_verdict *verdict;
    int32_t index;   /* of the next record */
    bool is_judging; /* the second pass */
    struct sums sums;
    struct compress_window window; /* closed: uncompressed */
    struct bytes rest;             /* what is there from the next record on */
};

/* The facts of one record that judgement needs. */
struct record_facts {
    int64_t timestamp_delta;
    int32_t offset_delta;
    int32_t key_bytes;
    int32_t value_bytes;
};

static bool is_append_time(const struct batch_view *batch)
{
    return (batch->attributes & BATCH_LOG_APPEND_TIME) != 0;
}

static int64_t timestamp_of(const struct batch_view *batch, int64_t delta)
{
    return is_append_time(batch) ? batch->max_timestamp
                                 : (int64_t)((uint64_t)batch->base_timestamp + (uint64_t)delta);
}

/* Apache Kafka's arithmetic: differences wrap. */
static bool is_timestamp_bad(const struct batch_rules *rules, int64_t timestamp)
{
    const int64_t age = (int64_t)((uint64_t)rules->now_ms - (uint64_t)timestamp);
    const int64_t lead = (int64_t)(0 - (uint64_t)age);
    return age > rules->timestamp_before_max_ms || lead > rules->timestamp_after_max_ms;
}

static void refuse_record(struct scan *s, enum record_fault_reason reason,
                          const struct record_facts *facts)
{
    struct batch_verdict *verdict = s->verdict;
    const uint32_t told_max = s->rules->record_faults == NULL ? 0 : s->rules->record_faults_max;
    if (verdict->record_fault_count < told_max) {
        s->rules->record_faults[verdict->record_fault_count] = (struct record_fault){
            .reason = reason,
            .index = s->index,
            .offset = (int64_t)((uint64_t)s->batch->base_offset + (uint64_t)facts->offset_delta),
            .timestamp = timestamp_of(s->batch, facts->timestamp_delta),
            .key_bytes = MAX(facts->key_bytes, -1),
            .value_bytes = MAX(facts->value_bytes, -1),
        };
    }
    verdict->record_fault_count++;
    if (reason != RECORD_FAULT_NO_KEY)
        verdict->has_timestamp_fault = true;
}

/* At most one fault a record: the key first. */
static void judge(struct scan *s, const struct record_facts *facts)
{
    const struct batch_rules *rules = s->rules;
    const int64_t timestamp = timestamp_of(s->batch, facts->timestamp_delta);
    if (rules->is_compacted && facts->key_bytes < 0) {
        refuse_record(s, RECORD_FAULT_NO_KEY, facts);
    } else if (!rules->is_log_append_time && timestamp != NO_TIMESTAMP) {
        if (is_timestamp_bad(rules, timestamp))
            refuse_record(s, RECORD_FAULT_TIMESTAMP, facts);
    } else if (is_append_time(s->batch)) {
        refuse_record(s, RECORD_FAULT_APPEND_TIME, facts);
    }
}

ALWAYS_INLINE void sums_add(struct sums *sums, int32_t index, int64_t timestamp,
                            int32_t offset_delta, int32_t key_bytes)
{
    sums->delta_mismatch |= (uint32_t)offset_delta ^ (uint32_t)index;
    sums->null_keys |= (uint32_t)key_bytes >> 31;
    sums->timestamp_min = MIN(sums->timestamp_min, timestamp);
    if (timestamp > sums->timestamp_max) {
        sums->timestamp_max = timestamp;
        sums->timestamp_max_index = index;
    }
}

/* Walks the whole records of s->rest, up to the batch's count. BATCH_SOUND: what remains of rest is the beginning of a
 * record, if the count is not reached. */
ALWAYS_INLINE enum batch_fault scan_run(struct scan *s, const bool is_judging)
{
    const uint8_t *p = s->rest.data;
    const uint8_t *end = p + s->rest.size;
    const int32_t count = s->batch->record_count;
    const uint64_t base_timestamp = (uint64_t)s->batch->base_timestamp;
    enum batch_fault fault = BATCH_SOUND;
    struct sums sums = s->sums;
    int32_t index = s->index;

    while (index < count) {
        struct record_parts parts;
        const uint8_t *record_end;
        const int r = record__next(p, end, &record_end, &parts);
        if (UNLIKELY(r <= 0)) {
            fault = r < 0 ? BATCH_FAULT_RECORD : BATCH_SOUND;
            break;
        }
        if (is_judging) {
            s->index = index;
            judge(s, &(struct record_facts){ parts.timestamp_delta, parts.offset_delta,
                                             parts.key_bytes, parts.value_bytes });
        } else {
            sums_add(&sums, index, (int64_t)(base_timestamp + (uint64_t)parts.timestamp_delta),
                     parts.offset_delta, parts.key_bytes);
        }
        p = record_end;
        index++;
    }
    s->sums = sums;
    s->index = index;
    const size_t walked = (size_t)(p - s->rest.data);
    s->rest = bytes_from(p, s->rest.size - walked);
    if (s->window.decompressor != NULL)
        compress_window_advance(&s->window, walked);
    return fault;
}

/* Gets more bytes behind rest. A fault if there are none, or too many came already. */
static enum batch_fault fill(struct scan *s)
{
    if (s->window.decompressor == NULL)
        return BATCH_FAULT_TRUNCATED;
    const int64_t count = compress_window_fill(&s->window);
    s->rest = compress_window_view(&s->window);
    if (count < 0)
        return BATCH_FAULT_COMPRESSION;
    if (s->window.total_bytes > s->rules->uncompressed_bytes_max)
        return BATCH_FAULT_UNCOMPRESSED_SIZE;
    return count == 0 ? BATCH_FAULT_TRUNCATED : BATCH_SOUND;
}

/* One large record, part by part, with a sticky fault. */
struct flow {
    struct scan *scan;
    int64_t left; /* bytes of the record not passed yet */
    enum batch_fault fault;
};

static void flow_advance(struct flow *f, size_t size_bytes)
{
    f->scan->rest = bytes_slice(f->scan->rest, size_bytes, SIZE_MAX);
    compress_window_advance(&f->scan->window, size_bytes);
    f->left -= (int64_t)size_bytes;
}

static void flow_skip(struct flow *f, int32_t size_bytes)
{
    if (f->fault == BATCH_SOUND && size_bytes > f->left)
        f->fault = BATCH_FAULT_RECORD;
    for (size_t left = (size_t)MAX(size_bytes, 0); f->fault == BATCH_SOUND && left > 0;) {
        const size_t step = MIN(left, f->scan->rest.size);
        flow_advance(f, step);
        left -= step;
        if (left > 0)
            f->fault = fill(f->scan);
    }
}

/* Brings as many bytes into view as the record has left, at most size_max. */
static struct bytes flow_look(struct flow *f, size_t size_max)
{
    const size_t size = MIN(size_max, (size_t)f->left);
    while (f->fault == BATCH_SOUND && f->scan->rest.size < size)
        f->fault = fill(f->scan);
    return bytes_slice(f->scan->rest, 0, size);
}

static int64_t flow_varlong(struct flow *f)
{
    const struct bytes view = flow_look(f, VARLONG_BYTES_MAX);
    int64_t value = 0;
    const uint8_t *after = record__varlong(view.data, view.data + view.size, false, &value);
    if (f->fault == BATCH_SOUND && after == NULL)
        f->fault = BATCH_FAULT_RECORD;
    if (f->fault != BATCH_SOUND)
        return 0;
    flow_advance(f, (size_t)(after - view.data));
    return value;
}

static int32_t flow_varint(struct flow *f)
{
    const struct bytes view = flow_look(f, VARINT_BYTES_MAX);
    int32_t value = 0;
    const uint8_t *after = record__varint(view.data, view.data + view.size, false, &value);
    if (f->fault == BATCH_SOUND && after == NULL)
        f->fault = BATCH_FAULT_RECORD;
    if (f->fault != BATCH_SOUND)
        return 0;
    flow_advance(f, (size_t)(after - view.data));
    return value;
}

static void flow_headers(struct flow *f)
{
    int32_t count = flow_varint(f);
    if (f->fault == BATCH_SOUND && count < 0)
        f->fault = BATCH_FAULT_RECORD;
    for (; f->fault == BATCH_SOUND && count > 0; count--) {
        const int32_t key_bytes = flow_varint(f);
        if (f->fault == BATCH_SOUND && key_bytes < 0)
            f->fault = BATCH_FAULT_RECORD;
        flow_skip(f, key_bytes);
        flow_skip(f, flow_varint(f));
    }
}

/* The next record, whose length says that it does not fit the window. */
static enum batch_fault scan_large(struct scan *s, int32_t length, size_t prefix_bytes)
{
    struct flow f = { .scan = s, .left = (int64_t)prefix_bytes + length };
    struct record_facts facts;
    flow_advance(&f, prefix_bytes);
    flow_skip(&f, 1); /* attributes */
    facts.timestamp_delta = flow_varlong(&f);
    facts.offset_delta = flow_varint(&f);
    facts.key_bytes = flow_varint(&f);
    flow_skip(&f, facts.key_bytes);
    facts.value_bytes = flow_varint(&f);
    flow_skip(&f, facts.value_bytes);
    flow_headers(&f);
    if (f.fault == BATCH_SOUND && f.left != 0)
        f.fault = BATCH_FAULT_RECORD;
    if (f.fault != BATCH_SOUND)
        return f.fault;
    if (s->is_judging)
        judge(s, &facts);
    else
        sums_add(&s->sums, s->index, timestamp_of(s->batch, facts.timestamp_delta),
                 facts.offset_delta, facts.key_bytes);
    s->index++;
    return BATCH_SOUND;
}

/* After scan_run stopped within a record: gets more of it, or walks it if it is large. */
static enum batch_fault scan_on(struct scan *s)
{
    int32_t length;
    const uint8_t *p = s->rest.data;
    const uint8_t *body = record__varint(p, p + s->rest.size, false, &length);
    if (s->window.decompressor != NULL && body != NULL && length > RECORD_BYTES_IN_WINDOW)
        return scan_large(s, length, (size_t)(body - p));
    return fill(s);
}

static enum batch_fault scan_records(struct scan *s)
{
    enum batch_fault fault = BATCH_SOUND;
    while (fault == BATCH_SOUND) {
        fault = s->is_judging ? scan_run(s, true) : scan_run(s, false);
        if (fault == BATCH_SOUND && s->index == s->batch->record_count)
            break;
        if (fault == BATCH_SOUND)
            fault = scan_on(s);
    }
    if (fault != BATCH_SOUND) {
        s->verdict->fault_index = s->index;
        return fault;
    }
    if (s->rest.size > 0)
        return BATCH_FAULT_TRAILING;
    if (s->window.decompressor == NULL)
        return BATCH_SOUND;
    fault = fill(s);
    return fault == BATCH_FAULT_TRUNCATED ? BATCH_SOUND : /* the end, as it should be */
               fault == BATCH_SOUND ? BATCH_FAULT_TRAILING
                                    : fault;
}

/* One pass over the records. */
static enum batch_fault scan_batch(struct scan *s)
{
    const enum codec codec = batch_codec(s->batch);
    const struct bytes records = batch_records(s->batch);
    s->index = 0;
    s->rest = records;
    s->window = (struct compress_window){ 0 };
    if (codec != CODEC_NONE && records.size > 0) {
        if (compress_window_open(&s->window, s->rules->contexts, codec, records, false) < 0)
            return BATCH_FAULT_CODEC;
        s->rest = BYTES_LITERAL("");
    }
    const enum batch_fault fault = scan_records(s);
    s->verdict->uncompressed_bytes =
        s->window.decompressor == NULL ? records.size : s->window.total_bytes;
    compress_window_close(&s->window);
    return fault;
}

/* What the header alone tells. */
static enum batch_fault check_header(const struct batch_view *batch, bool is_from_client)
{
    if (batch->record_count < 0)
        return BATCH_FAULT_COUNT;
    if (!is_from_client)
        return BATCH_SOUND;
    if (batch->last_offset_delta < 0)
        return BATCH_FAULT_OFFSET_RANGE;
    if (batch->record_count == 0)
        return BATCH_FAULT_COUNT;
    if (batch->record_count - 1 != batch->last_offset_delta)
        return BATCH_FAULT_COUNT_OFFSETS;
    if ((batch->attributes & BATCH_CONTROL) != 0)
        return BATCH_FAULT_CONTROL;
    if (batch->producer_id >= 0 && batch->base_sequence < 0)
        return BATCH_FAULT_SEQUENCE;
    return BATCH_SOUND;
}

/* Whether the sums leave it open that some record is to be refused. */
static bool is_judgement_needed(const struct scan *s)
{
    const struct batch_rules *rules = s->rules;
    if (is_append_time(s->batch) || (rules->is_compacted && s->sums.null_keys != 0))
        return true;
    if (rules->is_log_append_time || s->batch->record_count == 0)
        return false;
    /* Between the two every difference to now is small enough not to wrap. */
    int64_t low;
    int64_t high;
    if (__builtin_sub_overflow(rules->now_ms, rules->timestamp_before_max_ms, &low))
        low = rules->now_ms - INT64_MAX;
    if (__builtin_add_overflow(rules->now_ms, rules->timestamp_after_max_ms, &high))
        high = INT64_MAX;
    return s->sums.timestamp_min < low || s->sums.timestamp_max > high;
}

enum batch_fault batch_validate(const struct batch_view *batch, const struct batch_rules *rules,
                                struct batch_verdict *out)
{
    *out = (struct batch_verdict){ .fault_index = -1 };
    struct scan s = {
        .batch = batch,
        .rules = rules,
        .verdict = out,
        .sums = { .timestamp_min = INT64_MAX,
                  .timestamp_max = NO_TIMESTAMP,
                  .timestamp_max_index = -1 },
    };
    out->fault = check_header(batch, rules->is_from_client);
    if (out->fault == BATCH_SOUND)
        out->fault = scan_batch(&s);
    out->are_deltas_consecutive = s.sums.delta_mismatch == 0;
    out->max_timestamp = s.sums.timestamp_max;
    out->max_timestamp_index = s.sums.timestamp_max_index;
    if (is_append_time(batch)) {
        out->max_timestamp = MAX(batch->max_timestamp, NO_TIMESTAMP);
        out->max_timestamp_index = out->max_timestamp == NO_TIMESTAMP ? -1 : 0;
    }
    if (out->fault == BATCH_SOUND && is_judgement_needed(&s)) {
        s.is_judging = true;
        out->fault = scan_batch(&s);
        ASSERT(out->fault == BATCH_SOUND); /* the same bytes as before */
        if (out->record_fault_count > 0)
            out->fault = BATCH_FAULT_RECORDS;
    }
    return out->fault;
}

const char *batch_fault_sentence(enum batch_fault fault)
{
    switch (fault) {
    case BATCH_SOUND:
        return "the batch is sound";
    case BATCH_FAULT_OFFSET_RANGE:
        return "the batch's last offset lies before its first";
    case BATCH_FAULT_COUNT:
        return "the batch announces no records, or fewer than none";
    case BATCH_FAULT_COUNT_OFFSETS:
        return "the batch's record count does not fit its offsets";
    case BATCH_FAULT_CONTROL:
        return "a client may not write control records";
    case BATCH_FAULT_SEQUENCE:
        return "the batch has a producer id but no sequence number";
    case BATCH_FAULT_CODEC:
        return "the batch is compressed with a codec that does not exist";
    case BATCH_FAULT_COMPRESSION:
        return "the batch's records cannot be decompressed";
    case BATCH_FAULT_TRUNCATED:
        return "the batch ends before its last record does";
    case BATCH_FAULT_RECORD:
        return "a record's length does not fit its parts";
    case BATCH_FAULT_TRAILING:
        return "the batch has bytes after its last record";
    case BATCH_FAULT_UNCOMPRESSED_SIZE:
        return "the batch decompresses to more bytes than are allowed";
    case BATCH_FAULT_RECORDS:
        return "single records of the batch are not valid";
    }
    ASSERT(false);
    return "";
}

const char *record_fault_sentence(enum record_fault_reason reason)
{
    switch (reason) {
    case RECORD_FAULT_NO_KEY:
        return "a record without key cannot be written to a topic that is compacted";
    case RECORD_FAULT_TIMESTAMP:
        return "the record's timestamp is too far from the broker's clock";
    case RECORD_FAULT_APPEND_TIME:
        return "the producer set the timestamp type LogAppendTime, which only the broker may";
    }
    ASSERT(false);
    return "";
}
