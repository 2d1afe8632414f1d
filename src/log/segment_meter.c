/* When a segment is full, and where its indexes get entries: see segment.h. */
#include "log/segment.h"

/* A compacted log begins a new segment in time for what is in this one to be compacted (KIP-354). */
static int64_t segment_age_max_ms(const struct log_config *config)
{
    return config->cleanup_compact && config->max_compaction_lag_ms > 0
               ? MIN(config->segment_ms, config->max_compaction_lag_ms)
               : config->segment_ms;
}

bool segment_meter_is_full(const struct segment_meter *meter, const struct log_config *config,
                           const struct metered_batch *batch, int64_t now_ms)
{
    if ((uint64_t)meter->size_bytes + batch->size_bytes > config->segment_bytes)
        return true;
    if (batch->last_offset < meter->base_offset ||
        batch->last_offset - meter->base_offset > INT32_MAX)
        return true;
    /* One entry of the time index is kept for the last timestamp, which is added when the segment
     * is sealed. */
    if (meter->offset_entries >= config->segment_index_bytes / INDEX_ENTRY_OFFSET ||
        meter->time_entries + 1 >= config->segment_index_bytes / INDEX_ENTRY_TIME)
        return true;
    if (meter->size_bytes == 0)
        return false;
    /* Age is told by the records, so that a replayed topic rolls as the original did; by the clock
     * only where they carry no time. */
    const int64_t age_ms = meter->first_timestamp >= 0
                               ? i64_sub_clamped(batch->max_timestamp, meter->first_timestamp)
                               : now_ms - meter->created_ms;
    return age_ms > segment_age_max_ms(config) - meter->roll_jitter_ms;
}

static struct index_entry time_entry(const struct segment_meter *meter)
{
    return (struct index_entry){
        .key = meter->max_timestamp,
        .value = (uint32_t)(meter->max_timestamp_offset - meter->base_offset),
    };
}

struct segment_entries segment_meter_last(struct segment_meter *meter)
{
    struct segment_entries entries = { 0 };
    if (meter->max_timestamp > meter->indexed_timestamp) {
        entries.has_time = true;
        entries.time = time_entry(meter);
        meter->indexed_timestamp = meter->max_timestamp;
        meter->time_entries++;
    }
    return entries;
}

struct segment_entries segment_meter_add(struct segment_meter *meter, uint32_t index_interval_bytes,
                                         const struct metered_batch *batch)
{
    struct segment_entries entries = { 0 };
    if (meter->size_bytes == 0)
        meter->first_timestamp = batch->max_timestamp;
    if (batch->max_timestamp > meter->max_timestamp) {
        meter->max_timestamp = batch->max_timestamp;
        meter->max_timestamp_offset = batch->last_offset;
    }
    const int64_t relative = batch->last_offset - meter->base_offset;
    if (meter->bytes_since_entry > index_interval_bytes && relative > 0 && relative <= INT32_MAX) {
        entries = segment_meter_last(meter);
        entries.has_offset = true;
        entries.offset = (struct index_entry){
            .key = relative,
            .value = meter->size_bytes,
        };
        meter->offset_entries++;
        meter->bytes_since_entry = 0;
    }
    meter->bytes_since_entry += batch->size_bytes;
    meter->size_bytes += batch->size_bytes;
    return entries;
}
