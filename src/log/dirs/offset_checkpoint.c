/* Offsets by partition in a text file: see offset_checkpoint.h. */
#include "log/dirs/offset_checkpoint.h"

#include "base/topic_name.h"
#include "log/checkpoint_text.h"
#include "log/names.h"

#include <errno.h>
#include <string.h>

#define OFFSET_CHECKPOINT_VERSION 0

void offset_checkpoint_add(struct offset_checkpoint *checkpoint, const char *topic,
                           int32_t partition, int64_t offset)
{
    const size_t count = checkpoint->entries.count;
    char *before = count == 0 ? NULL : checkpoint->entries.items[count - 1].topic;
    const bool is_same = before != NULL && strcmp(before, topic) == 0;
    VEC_ADD(&checkpoint->entries,
            ((struct offset_checkpoint_entry){ .topic = is_same ? before : mem_strdup(topic),
                                               .partition = partition,
                                               .offset = offset }));
}

void offset_checkpoint_deinit(struct offset_checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint->entries.count; i++) {
        if (i == 0 || checkpoint->entries.items[i].topic != checkpoint->entries.items[i - 1].topic)
            mem_free(checkpoint->entries.items[i].topic);
    }
    VEC_DEINIT(&checkpoint->entries);
}

static int parse_entries(const char *path, struct bytes content, struct offset_checkpoint *out,
                         struct err_note *note)
{
    struct checkpoint_text text;
    int r = checkpoint_text_begin(&text, path, content, OFFSET_CHECKPOINT_VERSION, note);
    struct bytes fields[3];
    while (r >= 0 && (r = checkpoint_text_next(&text, fields, 3, note)) > 0) {
        int64_t partition;
        int64_t offset;
        if ((r = checkpoint_text_number(&text, fields[1], INT32_MAX, &partition, note)) < 0 ||
            (r = checkpoint_text_number(&text, fields[2], INT64_MAX, &offset, note)) < 0)
            break;
        if (fields[0].size > TOPIC_NAME_BYTES_MAX) {
            r = err_note(note, -ERR_MALFORMED, "%s, line %" PRIu32 ": the topic has %zu bytes",
                         path, text.line, fields[0].size);
            break;
        }
        char topic[TOPIC_NAME_BYTES_MAX + 1] = "";
        memcpy(topic, fields[0].data, fields[0].size);
        offset_checkpoint_add(out, topic, (int32_t)partition, offset);
    }
    return r;
}

int offset_checkpoint_read(struct io_fs *fs, const char *path, struct offset_checkpoint *out,
                           struct err_note *note)
{
    *out = (struct offset_checkpoint){ 0 };
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    int r = io_fs_read_whole(fs, path, OFFSET_CHECKPOINT_BYTES_MAX, &data, &size);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_note(note, r, "read %s: %s", path, err_sentence(r));
    r = parse_entries(path, bytes_from(data, size), out, note);
    if (r < 0)
        offset_checkpoint_deinit(out);
    return r;
}

static void print(const struct offset_checkpoint *checkpoint, struct buf *out)
{
    if (checkpoint->is_nothing_known)
        return;
    buf_printf(out, "%d\n%zu\n", OFFSET_CHECKPOINT_VERSION, checkpoint->entries.count);
    for (size_t i = 0; i < checkpoint->entries.count; i++) {
        const struct offset_checkpoint_entry *entry = &checkpoint->entries.items[i];
        buf_printf(out, "%s %" PRId32 " %" PRId64 "\n", entry->topic, entry->partition,
                   entry->offset);
    }
}

int offset_checkpoint_write(struct io_fs *fs, const char *path,
                            const struct offset_checkpoint *checkpoint, uint64_t *written,
                            struct err_note *note)
{
    struct buf text;
    buf_init(&text, OFFSET_CHECKPOINT_BYTES_MAX);
    print(checkpoint, &text);
    const uint64_t fingerprint =
        written == NULL ? 0 : bytes_hash(buf_view(&text), OFFSET_CHECKPOINT_VERSION) | 1;
    int r = 0;
    if (!buf_is_ok(&text))
        r = -ERR_LIMIT;
    else if (written == NULL || *written != fingerprint)
        r = io_fs_replace(fs, path, buf_view(&text));
    buf_deinit(&text);
    if (written != NULL)
        *written = r < 0 ? 0 : fingerprint;
    return r < 0 ? err_note(note, r, "write %s: %s", path, err_sentence(r)) : 0;
}
