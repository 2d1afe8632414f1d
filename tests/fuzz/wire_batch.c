/* Record batches and message sets, as a log segment or a produce request holds them.
 *
 * Input: batches one after the other; CRCs need not fit. Properties: no overrun; a batch that is found sound can be
 * walked to its end, and has the timestamps that the verdict says; rebuilt with another codec, it is sound and has the
 * same records; built anew from what the walk told, it tells the same again.
 */
#include "fuzz.h"

#include "wire/batch_validate.h"
#include "wire/control_record.h"
#include "wire/legacy.h"

#define RECORD_BYTES_MAX       (1 << 20)
#define UNCOMPRESSED_BYTES_MAX (2 << 20)
#define RECORDS_MAX            20000 /* of one batch: a bomb can hold more than there is time for */
#define ARENA_BYTES_MAX        ((size_t)64 << 20)

/* What two walks of the same records must agree on. */
struct digest {
    uint64_t hash;
    int64_t max_timestamp;
    int32_t count;
};

static void digest_add(struct digest *d, const struct record *record)
{
    d->hash = d->hash * 31 + bytes_hash(record->key, 1);
    d->hash = d->hash * 31 + bytes_hash(record->value, 2);
    d->hash = d->hash * 31 + bytes_hash(record->headers, 3);
    d->hash = d->hash * 31 + (uint64_t)record->timestamp;
    d->hash = d->hash * 31 + (uint64_t)record->header_count;
    d->hash = d->hash * 2 + (uint64_t)bytes_is_null(record->key);
    d->hash = d->hash * 2 + (uint64_t)bytes_is_null(record->value);
    if (record->timestamp > d->max_timestamp)
        d->max_timestamp = record->timestamp;
    d->count++;
}

/* Walks a batch; its last answer, 1 where it has too many records. */
static int walk(const struct batch_view *view, struct digest *out)
{
    *out = (struct digest){ .max_timestamp = -1 };
    struct record record;
    struct record_walk walk;
    record_walk_init(&walk, view, NULL, RECORD_BYTES_MAX);
    int r;
    while ((r = record_walk_next(&walk, &record)) > 0 && out->count < RECORDS_MAX) {
        enum control_type type;
        int32_t coordinator_epoch;
        ASSERT(control_record_parse(record.key, &type) <= 0);
        ASSERT(transaction_marker_parse(record.value, &coordinator_epoch) <= 0);
        digest_add(out, &record);
    }
    record_walk_deinit(&walk);
    return r;
}

static struct batch_rules rules_of_client(void)
{
    return (struct batch_rules){
        .is_from_client = true,
        .now_ms = 0,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = INT64_MAX,
        .uncompressed_bytes_max = UNCOMPRESSED_BYTES_MAX,
    };
}

static void check_rebuild(const struct batch_view *view, const struct batch_verdict *verdict,
                          const struct digest *wanted)
{
    const struct batch_rebuild how = {
        .codec = batch_codec(view) == CODEC_NONE ? CODEC_LZ4 : CODEC_NONE,
        .codec_level = COMPRESS_LEVEL_DEFAULT,
        .are_deltas_consecutive = verdict->are_deltas_consecutive,
        .uncompressed_bytes_max = verdict->uncompressed_bytes,
    };
    struct buf out;
    buf_init(&out, INT32_MAX);
    ASSERT(batch_rebuild(view, &how, &out) == 0);
    struct batch_view rebuilt;
    ASSERT(batch_parse(buf_view(&out), &rebuilt) == (int)out.size);
    ASSERT(batch_check_crc(&rebuilt) == 0);
    const struct batch_rules rules = rules_of_client();
    struct batch_verdict again;
    ASSERT(batch_validate(&rebuilt, &rules, &again) == BATCH_SOUND);
    ASSERT(again.are_deltas_consecutive && again.max_timestamp == verdict->max_timestamp);
    struct digest digest;
    ASSERT(walk(&rebuilt, &digest) == 0);
    ASSERT(wanted == NULL || digest.hash == wanted->hash);
    buf_deinit(&out);
}

/* Builds the batch anew, record by record. */
static void check_build(const struct batch_view *view, const struct digest *wanted)
{
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = view->base_offset;
    options.attributes = view->attributes;
    options.append_time_ms = view->max_timestamp;
    struct batch_builder b;
    struct arena arena;
    arena_init(&arena, ARENA_BYTES_MAX);
    batch_builder_init(&b, &options);
    struct record record;
    struct record_header *headers;
    struct record_walk walk_in;
    record_walk_init(&walk_in, view, NULL, RECORD_BYTES_MAX);
    while (record_walk_next(&walk_in, &record) > 0) {
        ASSERT(record_headers(&record, &arena, &headers) == record.header_count);
        ASSERT(batch_builder_add(&b, record.timestamp, record.key, record.value, headers,
                                 record.header_count) == 0);
        arena_reset(&arena);
    }
    struct bytes built;
    struct batch_view again;
    struct digest digest;
    ASSERT(batch_builder_finish(&b, &built) == 0);
    ASSERT(batch_parse(built, &again) == (int)built.size);
    ASSERT(walk(&again, &digest) == 0);
    ASSERT(digest.count == wanted->count && digest.max_timestamp == wanted->max_timestamp);
    record_walk_deinit(&walk_in);
    batch_builder_deinit(&b);
    arena_deinit(&arena);
}

static void check_batch(const struct batch_view *view)
{
    ASSERT(batch_check_crc(view) <= 0);
    struct record_fault faults[4];
    struct batch_rules rules = rules_of_client();
    struct batch_verdict verdict;
    const bool is_sound = batch_validate(view, &rules, &verdict) == BATCH_SOUND;
    struct digest digest;
    const int r = walk(view, &digest);
    if (is_sound && verdict.are_deltas_consecutive && r <= 0 && r != -ERR_LIMIT) {
        ASSERT(r == 0);
        ASSERT(digest.max_timestamp == verdict.max_timestamp);
        check_rebuild(view, &verdict, &digest);
        check_build(view, &digest);
    } else if (is_sound && verdict.are_deltas_consecutive == false) {
        check_rebuild(view, &verdict, NULL);
    }

    /* The strict rules: each record refused is told once, in order. */
    rules.is_compacted = true;
    rules.timestamp_before_max_ms = rules.timestamp_after_max_ms = 1000;
    rules.record_faults = faults;
    rules.record_faults_max = ARRAY_LEN(faults);
    if (batch_validate(view, &rules, &verdict) == BATCH_FAULT_RECORDS) {
        for (uint32_t i = 1; i < MIN(verdict.record_fault_count, (uint32_t)ARRAY_LEN(faults)); i++)
            ASSERT(faults[i].index > faults[i - 1].index);
    }
}

static int check_message_set(struct bytes input)
{
    struct legacy_view view;
    const int size = legacy_parse(input, &view);
    if (size < 0)
        return size;
    ASSERT(legacy_check_crc(&view) <= 0);
    struct record record;
    struct legacy_walk walk;
    legacy_walk_init(&walk, &view, NULL, RECORD_BYTES_MAX);
    int64_t base_offset = 0;
    const int r = legacy_base_offset(&view, NULL, RECORD_BYTES_MAX, &base_offset);
    for (int i = 0; i < RECORDS_MAX && legacy_walk_next(&walk, &record) > 0; i++)
        ASSERT(i > 0 || (r == 0 && record.offset == base_offset));
    legacy_walk_deinit(&walk);
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = bytes_from(data, size);
    for (;;) {
        struct batch_view view;
        int r = batch_parse(rest, &view);
        if (r > 0)
            check_batch(&view);
        else if (r == -ERR_VERSION)
            r = check_message_set(rest);
        if (r <= 0)
            return 0;
        rest = bytes_slice(rest, (size_t)r, SIZE_MAX);
    }
}
