/* See disk_log.h. */
#include "disk_log.h"

#include "base/mem.h"
#include "model.h"
#include "rot.h"
#include "sim_broker.h"
#include "wire/batch.h"

#include <stdlib.h>
#include <string.h>

/* A segment under its own name; or one that compaction has made, on its way there. */
static bool is_segment(const char *name, bool is_swap)
{
    return strnlen(name, 20) == 20 && strcmp(name + 20, is_swap ? ".log.swap" : ".log") == 0;
}

/* What is below the end was in what it replaces. False: the log ends here. */
static bool scan_segment(struct disk_log *log, const char *name)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", log->directory, name);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    if (sim_disk_look(log->disk, log->view, path, &data, &size) < 0)
        return false;
    rot_heal(log->rot, path, data, size);
    struct bytes rest = bytes_from(data, size);
    struct batch_view batch;
    log->reach = strtoll(name, NULL, 10);
    while (rest.size > 0) {
        const int n = batch_parse(rest, &batch);
        if (n <= 0 || (size_t)n > rest.size || batch_check_crc(&batch) < 0)
            return false;
        rest = bytes_slice(rest, (size_t)n, rest.size);
        log->reach = batch_last_offset(&batch) + 1;
        if (batch.base_offset < log->end && is_segment(name, true))
            continue;
        if (batch.base_offset < log->end || (batch.base_offset > log->end && !log->has_gaps))
            return false;
        if (log->on_batch != NULL)
            log->on_batch(log, &batch);
        log->end = log->reach;
    }
    return true;
}

/* Whether it says which topic it is of: what does not is set aside at the next start, as long as nothing of it was flushed. */
static bool has_identity(const struct disk_log *log)
{
    AUTO(mem_freep) char *path = mem_printf("%s/partition.metadata", log->directory);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    if (sim_disk_look(log->disk, log->view, path, &data, &size) < 0)
        return false;
    struct bytes rest = bytes_from(data, size);
    const struct bytes before = BYTES_LITERAL("version: 0\ntopic_id: ");
    struct uuid id;
    return bytes_starts_with(rest, before) &&
           uuid_from_text(bytes_slice(rest, before.size, rest.size), &id) == 0;
}

/* The lowest offset that a segment is named after; -1: there is none. */
static int64_t lowest_base(const struct io_names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        if (is_segment(names->items[i], false) || is_segment(names->items[i], true))
            return strtoll(names->items[i], NULL, 10);
    }
    return -1;
}

/* The segment with what comes next; NULL: there is none. While compaction puts its own in the place of others, some of these have
 * lost their names already. Names are in order. */
static const char *find_next(const struct disk_log *log, const struct io_names *names,
                             const char *last)
{
    const char *found = NULL;
    for (uint32_t i = 0; i < names->count; i++) {
        const char *name = names->items[i];
        const bool is_swap = is_segment(name, true);
        if (name == last || (!is_swap && !is_segment(name, false)))
            continue;
        const int64_t base = strtoll(name, NULL, 10);
        if (!is_swap && base == log->end)
            return name;
        if (is_swap && base <= log->end)
            found = name;
    }
    return found;
}

static size_t size_in(const struct disk_log *log, enum sim_view view, const char *name)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", log->directory, name);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    return sim_disk_look(log->disk, view, path, &data, &size) < 0 ? 0 : size;
}

/* Whether the node sees bytes in a segment that begins in [begin, end). */
static bool has_bytes_between(const struct disk_log *log, int64_t begin, int64_t end)
{
    struct io_names names;
    bool has_bytes = false;
    if (sim_disk_look_in(log->disk, SIM_VOLATILE, log->directory, &names) < 0)
        return false;
    for (uint32_t i = 0; i < names.count; i++) {
        const int64_t base = strtoll(names.items[i], NULL, 10);
        has_bytes |= is_segment(names.items[i], false) && base >= begin && base < end &&
                     size_in(log, SIM_VOLATILE, names.items[i]) > 0;
    }
    io_names_deinit(&names);
    return has_bytes;
}

/* Behind a segment of a compacted log there may be a gap: whether compaction made it, or what had not been flushed went with the
 * power, cannot be told from files. As long as it is one for the node too: what that has written may not be missing. A
 * segment that compaction has made of earlier ones, and that ends before the gap begins, tells nothing of it. */
static void pass_gap(struct disk_log *log, const struct io_names *names, const char *name)
{
    if (!log->has_gaps || log->reach < log->end ||
        size_in(log, log->view, name) != size_in(log, SIM_VOLATILE, name))
        return;
    for (uint32_t i = 0; i < names->count; i++) {
        const int64_t base = strtoll(names->items[i], NULL, 10);
        if (names->items[i] == name || !is_segment(names->items[i], false) || base < log->end)
            continue;
        if (!has_bytes_between(log, log->end, base))
            log->end = base;
        return;
    }
}

void disk_log_scan(struct disk_log *log, const char *topic, int32_t partition)
{
    log->directory = mem_printf(SIM_BROKER_DIR "/%s-%" PRId32, topic, partition);
    log->has_gaps = strcmp(topic, MODEL_COMPACTED) == 0 || topic[0] == '_';
    struct io_names names;
    if (!has_identity(log) || sim_disk_look_in(log->disk, log->view, log->directory, &names) < 0) {
        mem_free(TAKE(log->directory));
        return;
    }
    log->start = log->end = MAX(lowest_base(&names), INT64_C(0));
    const char *name = NULL;
    int64_t before = -1;
    while ((name = find_next(log, &names, name)) != NULL && before != log->end) {
        before = is_segment(name, true) ? log->end : -1; /* the same again has nothing more */
        if (!scan_segment(log, name))
            break;
        pass_gap(log, &names, name);
    }
    io_names_deinit(&names);
}

void disk_log_deinit(struct disk_log *log)
{
    mem_free(log->directory);
}
