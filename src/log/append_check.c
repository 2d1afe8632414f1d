/* What Apache Kafka's LogValidator asks of an append, in its order: see append_check.h.
 *
 *   from a client or coordinator   one batch of magic 2; base offset 0 (client);
 *                                  max.message.bytes; CRC; header; every record: keys on
 *                                  compacted topics, timestamps in bounds;
 *                                  recompression where the topic has a codec of its own
 *   from raft or a leader          whole batches, ascending; epochs; CRC
 *   all                            segment.bytes
 */
#include "log/append_check.h"

#include "base/mem.h"
#include "wire/batch_validate.h"
#include "wire/legacy.h"

#include <string.h>

#define RECORD_ERRORS_MAX 1000u /* told of one batch; the message says how many there are */
#define REBUILT_BYTES_MAX                                                                          \
    (128u << 20) /* of records that are compressed anew: so much memory it takes */

static void refuse(struct log_append_checked *out, const struct log_append *append,
                   enum kafka_error error, const struct err_note *note)
{
    out->error = error;
    if (append->arena != NULL) {
        const char *text = arena_dup(append->arena, note->text, strlen(note->text) + 1);
        out->message = bytes_from_text(text);
    }
}

/* ---- the records of one batch ---------------------------------------------------------------- */

static struct bytes describe_fault(const struct log_append *append, const struct batch_rules *rules,
                                   const struct record_fault *fault)
{
    struct err_note note;
    if (fault->reason == RECORD_FAULT_TIMESTAMP) {
        err_note(&note, 0,
                 "Timestamp %" PRId64 " of record %" PRId32 " is not within [%" PRId64 ", %" PRId64
                 "]",
                 fault->timestamp, fault->index,
                 rules->now_ms < INT64_MIN + rules->timestamp_before_max_ms
                     ? INT64_MIN
                     : rules->now_ms - rules->timestamp_before_max_ms,
                 rules->now_ms > INT64_MAX - rules->timestamp_after_max_ms
                     ? INT64_MAX
                     : rules->now_ms + rules->timestamp_after_max_ms);
    } else {
        err_note(&note, 0, "Record %" PRId32 ": %s", fault->index,
                 record_fault_sentence(fault->reason));
    }
    const char *text = arena_dup(append->arena, note.text, strlen(note.text) + 1);
    return bytes_from_text(text);
}

/* The batch is walked once more to collect what is wrong with which record (KIP-467). */
static void list_record_errors(struct log_append_checked *out, const struct log_append *append,
                               struct batch_rules rules, uint32_t count)
{
    if (append->arena == NULL)
        return;
    rules.record_faults_max = MIN(count, RECORD_ERRORS_MAX);
    AUTO(mem_freep)
    struct record_fault *faults = MEM_NEW_ARRAY(struct record_fault, rules.record_faults_max);
    rules.record_faults = faults;
    struct batch_verdict verdict;
    if (batch_validate(&out->first, &rules, &verdict) != BATCH_FAULT_RECORDS)
        return;
    out->record_errors =
        arena_zalloc(append->arena, rules.record_faults_max, sizeof(*out->record_errors));
    if (out->record_errors == NULL)
        return;
    for (uint32_t i = 0; i < rules.record_faults_max; i++) {
        out->record_errors[i].batch_index = faults[i].index;
        out->record_errors[i].message = describe_fault(append, &rules, &faults[i]);
    }
    out->record_error_count = (int32_t)rules.record_faults_max;
}

static void refuse_batch(struct log_append_checked *out, const struct log_append *append,
                         const struct batch_rules *rules, const struct batch_verdict *verdict)
{
    struct err_note note;
    enum kafka_error error = KAFKA_INVALID_RECORD;
    if (verdict->fault == BATCH_FAULT_RECORDS) {
        if (verdict->has_timestamp_fault)
            error = KAFKA_INVALID_TIMESTAMP;
        err_note(&note, 0, "%" PRIu32 " of %" PRId32 " records are refused%s",
                 verdict->record_fault_count, out->first.record_count,
                 verdict->has_timestamp_fault ? ", for their timestamps" : "");
        list_record_errors(out, append, *rules, verdict->record_fault_count);
    } else {
        if (verdict->fault == BATCH_FAULT_CODEC)
            error = KAFKA_UNSUPPORTED_COMPRESSION_TYPE;
        err_note(&note, 0, "%s", batch_fault_sentence(verdict->fault));
        if (verdict->fault_index >= 0)
            err_note_prefix(&note, 0, "record %" PRId32, verdict->fault_index);
    }
    refuse(out, append, error, &note);
}

static bool must_rebuild(const struct log_config *config, const struct batch_view *batch,
                         const struct batch_verdict *verdict)
{
    if ((batch->attributes & BATCH_CONTROL) != 0)
        return false;
    if (!verdict->are_deltas_consecutive)
        return true;
    return !config->compression_is_producers && config->compression != batch_codec(batch);
}

static void free_built(struct shared *shared, void *context)
{
    mem_free(context);
    mem_free(shared);
}

/* Makes the batch anew, with the topic's codec or offsets without gaps. */
static int rebuild(const struct log_config *config, const struct log_append *append,
                   const struct batch_verdict *verdict, struct log_append_checked *out)
{
    const bool keeps_codec = config->compression_is_producers;
    const struct batch_rebuild how = {
        .codec = keeps_codec ? batch_codec(&out->first) : config->compression,
        .codec_level = keeps_codec ? COMPRESS_LEVEL_DEFAULT : config->compression_level,
        .are_deltas_consecutive = verdict->are_deltas_consecutive,
        .uncompressed_bytes_max = verdict->uncompressed_bytes,
        .contexts = append->contexts,
    };
    struct buf built;
    buf_init(&built, INT32_MAX);
    const int r = batch_rebuild(&out->first, &how, &built);
    if (r < 0) {
        buf_deinit(&built);
        return r;
    }
    out->size_bytes = (uint32_t)built.size;
    struct shared *owner = shared_new(0);
    owner->context = out->records = buf_take(&built);
    owner->on_free = free_built;
    out->owner = owner;
    const int parsed = batch_parse(bytes_from(out->records, out->size_bytes), &out->first);
    ASSERT(parsed == (int)out->size_bytes);
    return 0;
}

/* What lies under the CRC and is the broker's to set. */
static void set_timestamps(const struct log_config *config, const struct log_append *append,
                           const struct batch_verdict *verdict, struct log_append_checked *out)
{
    if (config->timestamp_is_append_time) {
        batch_set_append_time(out->records, append->now_ms);
        out->append_time_ms = append->now_ms;
        out->first.max_timestamp = append->now_ms;
    } else if (verdict->max_timestamp != out->first.max_timestamp ||
               (out->first.attributes & BATCH_LOG_APPEND_TIME) != 0) {
        batch_set_create_time(out->records, verdict->max_timestamp);
        out->first.max_timestamp = verdict->max_timestamp;
    } else {
        return;
    }
    batch_seal(out->records, out->size_bytes);
}

static bool check_size(const struct log_config *config, const struct log_append *append,
                       uint64_t size_bytes, struct log_append_checked *out)
{
    if (size_bytes <= config->message_bytes_max)
        return true;
    struct err_note note;
    err_note(&note, 0, "The batch has %" PRIu64 " bytes; max.message.bytes is %" PRIu32, size_bytes,
             config->message_bytes_max);
    refuse(out, append, KAFKA_MESSAGE_TOO_LARGE, &note);
    return false;
}

/* Before it is made anew: a batch of some KB may hold gigabytes. */
static bool check_rebuilt_size(const struct log_config *config, const struct log_append *append,
                               uint64_t uncompressed_bytes, struct log_append_checked *out)
{
    const bool stays_whole = !config->compression_is_producers && config->compression == CODEC_NONE;
    if (stays_whole && !check_size(config, append, uncompressed_bytes, out))
        return false;
    if (uncompressed_bytes <= REBUILT_BYTES_MAX)
        return true;
    struct err_note note;
    err_note(&note, 0,
             "The batch has %" PRIu64 " bytes of records, to be compressed anew; at most %u can be",
             uncompressed_bytes, REBUILT_BYTES_MAX);
    refuse(out, append, KAFKA_MESSAGE_TOO_LARGE, &note);
    return false;
}

static bool rebuild_or_refuse(const struct log_config *config, const struct log_append *append,
                              const struct batch_verdict *verdict, struct log_append_checked *out)
{
    if (!check_rebuilt_size(config, append, verdict->uncompressed_bytes, out))
        return false;
    const int r = rebuild(config, append, verdict, out);
    if (r == 0)
        return check_size(config, append, out->size_bytes, out);
    struct err_note note;
    err_note(&note, r, "The batch cannot be compressed anew as %s: %s",
             codec_name(config->compression), err_sentence(r));
    refuse(out, append, KAFKA_INVALID_RECORD, &note);
    return false;
}

static void check_records(const struct log_config *config, const struct log_append *append,
                          uint64_t uncompressed_bytes_max, struct log_append_checked *out)
{
    const struct batch_rules rules = {
        .is_from_client = append->origin == LOG_ORIGIN_CLIENT,
        .is_compacted = config->cleanup_compact,
        .is_log_append_time = config->timestamp_is_append_time,
        .now_ms = append->now_ms,
        .timestamp_before_max_ms = config->timestamp_before_max_ms,
        .timestamp_after_max_ms = config->timestamp_after_max_ms,
        .uncompressed_bytes_max = MIN(uncompressed_bytes_max, BATCH_UNCOMPRESSED_BYTES_MAX),
        .contexts = append->contexts,
    };
    struct batch_verdict verdict;
    const enum batch_fault fault = batch_validate(&out->first, &rules, &verdict);
    const bool is_rebuilt = fault == BATCH_SOUND && must_rebuild(config, &out->first, &verdict);
    out->is_long = uncompressed_bytes_max < BATCH_UNCOMPRESSED_BYTES_MAX &&
                   (fault == BATCH_FAULT_UNCOMPRESSED_SIZE ||
                    (is_rebuilt && verdict.uncompressed_bytes > uncompressed_bytes_max));
    if (out->is_long)
        return;
    if (fault != BATCH_SOUND) {
        refuse_batch(out, append, &rules, &verdict);
        return;
    }
    if (is_rebuilt && !rebuild_or_refuse(config, append, &verdict, out))
        return;
    set_timestamps(config, append, &verdict, out);
    out->record_count = out->first.record_count;
}

/* ---- one batch, offsets to be assigned ------------------------------------------------------- */

static void refuse_unparsed(struct log_append_checked *out, const struct log_append *append, int r)
{
    struct err_note note;
    enum kafka_error error = KAFKA_INVALID_RECORD;
    if (r == -ERR_OVERRUN) {
        err_note(&note, r, "%" PRIu32 " bytes hold no whole record batch", append->size_bytes);
    } else if (r == -ERR_VERSION) {
        err_note(&note, r, "The batch has magic %d; only magic 2 is taken", out->first.magic);
    } else {
        error = KAFKA_CORRUPT_MESSAGE;
        err_note(&note, r, "The batch announces an impossible length");
    }
    refuse(out, append, error, &note);
}

static bool check_crc(const struct log_append *append, const struct batch_view *batch,
                      struct log_append_checked *out)
{
    if (batch_check_crc(batch) == 0)
        return true;
    struct err_note note;
    err_note(&note, 0, "The batch does not match its CRC, %" PRIu32, batch->crc);
    refuse(out, append, KAFKA_CORRUPT_MESSAGE, &note);
    return false;
}

static void check_one(const struct log_config *config, const struct log_append *append,
                      uint64_t uncompressed_bytes_max, struct log_append_checked *out)
{
    const struct bytes input = bytes_from(append->records, append->size_bytes);
    const int size = batch_parse(input, &out->first);
    if (size < 0) {
        refuse_unparsed(out, append, size);
        return;
    }
    struct err_note note;
    if (append->origin == LOG_ORIGIN_CLIENT && out->first.base_offset != 0) {
        err_note(&note, 0, "The batch has base offset %" PRId64 "; a produced one has 0",
                 out->first.base_offset);
        refuse(out, append, KAFKA_INVALID_RECORD, &note);
        return;
    }
    if (!check_size(config, append, (uint64_t)size, out) || !check_crc(append, &out->first, out))
        return;
    struct batch_view second;
    if (batch_parse(bytes_slice(input, (size_t)size, input.size), &second) != -ERR_OVERRUN) {
        err_note(&note, 0, "More than one batch for one partition");
        refuse(out, append, KAFKA_INVALID_RECORD, &note);
        return;
    }
    out->size_bytes = (uint32_t)size;
    check_records(config, append, uncompressed_bytes_max, out);
}

/* ---- batches whose offsets are kept ---------------------------------------------------------- */

struct walked {
    int64_t last_offset; /* -1 before the first */
    bool has_more;
};

/* A batch of any magic, as far as it is looked at here. */
struct kept_batch {
    bool is_legacy;
    struct batch_view view; /* magic 2 */
    struct legacy_view legacy;
};

/* Its size, or as batch_parse. */
static int parse_kept(const struct log_append *append, struct bytes rest, struct kept_batch *out)
{
    int size = batch_parse(rest, &out->view);
    out->is_legacy = size == -ERR_VERSION && append->origin == LOG_ORIGIN_REPLICATION;
    if (out->is_legacy)
        size = legacy_parse(rest, &out->legacy);
    return size;
}

static int64_t first_offset_of(const struct kept_batch *batch)
{
    return batch->is_legacy ? batch->legacy.offset : batch->view.base_offset;
}

static bool follows(const struct kept_batch *batch, int64_t last_offset)
{
    if (first_offset_of(batch) <= last_offset)
        return false;
    return batch->is_legacy ||
           (batch->view.last_offset_delta >= 0 &&
            batch->view.base_offset <= INT64_MAX - 1 - batch->view.last_offset_delta);
}

/* A late answer of a leader may hold what it appended in a later epoch; that is fetched again then. */
static bool is_of_later_epoch(const struct log_append *append, const struct kept_batch *batch)
{
    return !batch->is_legacy && append->origin == LOG_ORIGIN_REPLICATION &&
           batch->view.leader_epoch > append->leader_epoch;
}

/* Whether a raft leader may append it; else it is refused. */
static bool check_own(const struct log_config *config, const struct log_append *append,
                      const struct kept_batch *batch, int size, struct log_append_checked *out)
{
    if (batch->view.leader_epoch == append->leader_epoch)
        return check_size(config, append, (uint64_t)size, out);
    struct err_note note;
    err_note(&note, 0, "The batch has leader epoch %" PRId32 ", not %" PRId32,
             batch->view.leader_epoch, append->leader_epoch);
    refuse(out, append, KAFKA_INVALID_RECORD, &note);
    return false;
}

/* Whether it is whole and continues what was walked; else it is refused. */
static bool check_kept(const struct log_append *append, const struct kept_batch *batch,
                       const struct walked *walked, struct log_append_checked *out)
{
    struct err_note note;
    const int64_t first_offset = first_offset_of(batch);
    if (batch->is_legacy ? legacy_check_crc(&batch->legacy) < 0
                         : batch_check_crc(&batch->view) < 0) {
        err_note(&note, 0, "The batch at offset %" PRId64 " does not match its CRC", first_offset);
        refuse(out, append, KAFKA_CORRUPT_MESSAGE, &note);
        return false;
    }
    if (follows(batch, walked->last_offset))
        return true;
    err_note(&note, 0, "Out of order offset %" PRId64 " after %" PRId64, first_offset,
             walked->last_offset);
    refuse(out, append, KAFKA_UNKNOWN_SERVER_ERROR, &note);
    return false;
}

/* Counts in the batch at out->size_bytes, if there is a whole one. */
static void check_next(const struct log_config *config, const struct log_append *append,
                       struct walked *walked, struct log_append_checked *out)
{
    const struct bytes rest =
        bytes_from(append->records + out->size_bytes, append->size_bytes - out->size_bytes);
    struct kept_batch batch;
    const int size = parse_kept(append, rest, &batch);
    walked->has_more = false;
    if (size == -ERR_OVERRUN)
        return;
    if (size < 0) {
        out->first.magic = batch.view.magic;
        refuse_unparsed(out, append, size);
        return;
    }
    if (is_of_later_epoch(append, &batch) ||
        (append->origin == LOG_ORIGIN_RAFT_LEADER &&
         !check_own(config, append, &batch, size, out)) ||
        !check_kept(append, &batch, walked, out))
        return;
    walked->last_offset = batch.is_legacy ? batch.legacy.offset : batch_last_offset(&batch.view);
    out->record_count += batch.is_legacy ? 1 : batch.view.record_count;
    out->size_bytes += (uint32_t)size;
    walked->has_more = true;
}

static void check_many(const struct log_config *config, const struct log_append *append,
                       struct log_append_checked *out)
{
    struct walked walked = { .last_offset = -1, .has_more = true };
    out->size_bytes = 0;
    while (walked.has_more && out->error == KAFKA_NONE)
        check_next(config, append, &walked, out);
}

/* ---- the whole ------------------------------------------------------------------------------- */

void log__append_check(const struct log_config *config, const struct log_append *append,
                       uint64_t uncompressed_bytes_max, struct log_append_checked *out)
{
    *out = (struct log_append_checked){ .records = append->records, .append_time_ms = -1 };
    const bool keeps_offsets =
        append->origin == LOG_ORIGIN_RAFT_LEADER || append->origin == LOG_ORIGIN_REPLICATION;
    if (keeps_offsets)
        check_many(config, append, out);
    else
        check_one(config, append, uncompressed_bytes_max, out);
    if (out->error == KAFKA_NONE && out->size_bytes > config->segment_bytes) {
        struct err_note note;
        err_note(&note, 0, "The append has %" PRIu32 " bytes; segment.bytes is %" PRIu32,
                 out->size_bytes, config->segment_bytes);
        refuse(out, append, KAFKA_RECORD_LIST_TOO_LARGE, &note);
    }
    if (out->error != KAFKA_NONE)
        log__append_checked_deinit(out);
    else if (out->owner == NULL)
        out->owner = shared_ref(append->owner);
}

void log__append_checked_deinit(struct log_append_checked *checked)
{
    shared_unref(TAKE(checked->owner));
}

struct log_append_checked *log_append_check(const struct log_config *config,
                                            const struct log_append *append)
{
    struct log_append_checked *checked = MEM_NEW(struct log_append_checked);
    log__append_check(config, append, LOG_CHECK_WHOLE, checked);
    return checked;
}

void log_append_checked_free(struct log_append_checked *checked)
{
    if (checked == NULL)
        return;
    log__append_checked_deinit(checked);
    mem_free(checked);
}
