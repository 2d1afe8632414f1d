/* The leader epochs of one log: see epochs.h. */
#include "log/epochs.h"

#include "log/checkpoint_text.h"

#include <errno.h>

#define EPOCHS_VERSION 0

void epochs_deinit(struct epochs *epochs)
{
    VEC_DEINIT(&epochs->entries);
}

void epochs_clear(struct epochs *epochs)
{
    epochs->is_dirty |= epochs->entries.count > 0;
    epochs->entries.count = 0;
}

static const struct epoch_entry *last_entry(const struct epochs *epochs)
{
    return epochs->entries.count == 0 ? NULL : &epochs->entries.items[epochs->entries.count - 1];
}

void epochs_assign(struct epochs *epochs, int32_t epoch, int64_t start_offset)
{
    if (epoch < 0)
        return;
    const struct epoch_entry *last = last_entry(epochs);
    if (last != NULL && last->epoch == epoch && start_offset >= last->start_offset)
        return;
    while ((last = last_entry(epochs)) != NULL &&
           (last->epoch >= epoch || last->start_offset >= start_offset))
        epochs->entries.count--;
    VEC_ADD(&epochs->entries,
            ((struct epoch_entry){ .epoch = epoch, .start_offset = start_offset }));
    epochs->is_dirty = true;
}

void epochs_truncate_from_end(struct epochs *epochs, int64_t end_offset)
{
    const struct epoch_entry *last;
    while ((last = last_entry(epochs)) != NULL && last->start_offset >= end_offset) {
        epochs->entries.count--;
        epochs->is_dirty = true;
    }
}

void epochs_truncate_from_start(struct epochs *epochs, int64_t start_offset)
{
    size_t passed = 0;
    while (passed < epochs->entries.count &&
           epochs->entries.items[passed].start_offset <= start_offset)
        passed++;
    if (passed == 0)
        return;
    struct epoch_entry spanning = epochs->entries.items[passed - 1];
    if (passed == 1 && spanning.start_offset == start_offset)
        return;
    spanning.start_offset = start_offset;
    for (size_t i = 1; i < passed; i++)
        VEC_REMOVE_AT(&epochs->entries, 0);
    epochs->entries.items[0] = spanning;
    epochs->is_dirty = true;
}

int32_t epochs_latest(const struct epochs *epochs)
{
    const struct epoch_entry *last = last_entry(epochs);
    return last == NULL ? -1 : last->epoch;
}

int32_t epochs_of(const struct epochs *epochs, int64_t offset)
{
    for (size_t i = epochs->entries.count; i > 0; i--) {
        if (epochs->entries.items[i - 1].start_offset <= offset)
            return epochs->entries.items[i - 1].epoch;
    }
    return -1;
}

struct log_epoch_end epochs_end_of(const struct epochs *epochs, int32_t epoch,
                                   int64_t log_end_offset)
{
    const struct log_epoch_end unknown = { .leader_epoch = -1, .end_offset = -1 };
    const int32_t latest = epochs_latest(epochs);
    if (epoch == -1 || epochs->entries.count == 0 || latest < epoch)
        return unknown; /* -1 is no epoch; any other below the first known one is before it, as in Kafka */
    if (epoch == latest)
        return (struct log_epoch_end){ .leader_epoch = epoch, .end_offset = log_end_offset };

    /* The first epoch above the one asked for ends it; below the first known one nothing is
     * left. */
    size_t higher = 0;
    while (epochs->entries.items[higher].epoch <= epoch)
        higher++;
    return (struct log_epoch_end){
        .leader_epoch = higher == 0 ? epoch : epochs->entries.items[higher - 1].epoch,
        .end_offset = epochs->entries.items[higher].start_offset,
    };
}

static int parse_entries(const char *path, struct bytes content, struct epochs *out,
                         struct err_note *note)
{
    struct checkpoint_text text;
    int r = checkpoint_text_begin(&text, path, content, EPOCHS_VERSION, note);
    struct bytes fields[2];
    while (r >= 0 && (r = checkpoint_text_next(&text, fields, 2, note)) > 0) {
        int64_t epoch;
        int64_t start_offset;
        if ((r = checkpoint_text_number(&text, fields[0], INT32_MAX, &epoch, note)) < 0 ||
            (r = checkpoint_text_number(&text, fields[1], INT64_MAX, &start_offset, note)) < 0)
            break;
        epochs_assign(out, (int32_t)epoch, start_offset);
    }
    return r;
}

int epochs_read(struct io_fs *fs, const char *directory, struct epochs *out, struct err_note *note)
{
    *out = (struct epochs){ 0 };
    AUTO(mem_freep) char *path = mem_printf("%s/%s", directory, EPOCHS_FILE_NAME);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    int r = io_fs_read_whole(fs, path, EPOCHS_FILE_BYTES_MAX, &data, &size);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_note(note, r, "read %s: %s", path, err_sentence(r));
    r = parse_entries(path, bytes_from(data, size), out, note);
    out->is_dirty = false;
    if (r < 0)
        epochs_deinit(out);
    return r;
}

void epochs_encode(const struct epochs *epochs, struct buf *out)
{
    buf_printf(out, "%d\n%zu\n", EPOCHS_VERSION, epochs->entries.count);
    for (size_t i = 0; i < epochs->entries.count; i++) {
        const struct epoch_entry *entry = &epochs->entries.items[i];
        buf_printf(out, "%" PRId32 " %" PRId64 "\n", entry->epoch, entry->start_offset);
    }
}
