/* See batch_search.h. */
#include "log/batch_search.h"

#include "base/mem.h"
#include "io/io.h"
#include "wire/batch.h"
#include "wire/legacy.h"

#define RECORD_BYTES_MAX INT32_MAX

static int search_legacy(struct bytes batch, const struct time_search *search,
                         uint64_t passed_bytes_max, struct log_time_offset *out)
{
    struct legacy_view view;
    int r = legacy_parse(batch, &view);
    if (r < 0)
        return r;
    if (legacy_codec(&view) != CODEC_NONE && passed_bytes_max != UINT64_MAX)
        return -ERR_LIMIT;
    struct legacy_walk walk;
    struct record record;
    legacy_walk_init(&walk, &view, NULL, RECORD_BYTES_MAX);
    while ((r = legacy_walk_next(&walk, &record)) > 0 &&
           (record.timestamp < search->timestamp || record.offset < search->start_offset))
        ;
    if (r > 0)
        *out = (struct log_time_offset){ record.offset, record.timestamp, -1 };
    legacy_walk_deinit(&walk);
    return r;
}

int batch_search(struct bytes batch, const struct time_search *search, uint64_t passed_bytes_max,
                 struct log_time_offset *out)
{
    struct batch_view view;
    int r = batch_parse(batch, &view);
    if (r == -ERR_VERSION)
        return search_legacy(batch, search, passed_bytes_max, out);
    if (r < 0)
        return r;
    const struct batch_time_search how = { .timestamp = search->timestamp,
                                           .start_offset = search->start_offset,
                                           .passed_bytes_max = passed_bytes_max };
    struct batch_time_found found;
    r = batch_find_time(&view, &how, &found);
    if (r > 0)
        *out = (struct log_time_offset){ found.offset, found.timestamp, view.leader_epoch };
    return r;
}

static int read_and_search(struct long_search *s, struct io_file *file, int64_t position)
{
    AUTO(mem_freep) uint8_t *batch = mem_alloc(s->batch.size_bytes);
    const int64_t n = io_file_read(file, position, batch, s->batch.size_bytes);
    if (n < 0)
        return (int)n;
    return batch_search(bytes_from(batch, (size_t)n), &s->search, UINT64_MAX, &s->found);
}

void long_search_run(struct long_search *s, struct io_file *file, int64_t position)
{
    s->result = read_and_search(s, file, position);
    s->is_done = true;
}

bool long_search_answers(const struct long_search *s, const struct batch_name *batch,
                         const struct time_search *wanted)
{
    return s->is_done && s->search.timestamp == wanted->timestamp &&
           s->search.start_offset == wanted->start_offset &&
           s->batch.base_offset == batch->base_offset && s->batch.size_bytes == batch->size_bytes &&
           s->batch.crc == batch->crc;
}
