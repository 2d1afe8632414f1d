/* partition.metadata and .kafka_cleanshutdown: see small_files.h. */
#include "log/small_files.h"

#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

#define SMALL_FILE_BYTES_MAX 4096

/* ---- partition.metadata ---------------------------------------------------------------------- */

/* The text after `key` and white space on its line; null when there is no such line. */
static struct bytes value_of(struct bytes text, const char *key)
{
    const size_t key_size = strlen(key);
    while (text.size > 0) {
        const uint8_t *newline = memchr(text.data, '\n', text.size);
        const size_t size = newline == NULL ? text.size : (size_t)(newline - text.data);
        const struct bytes line = bytes_slice(text, 0, size);
        if (bytes_starts_with(line, bytes_from_text(key)))
            return bytes_trim(bytes_slice(line, key_size, line.size));
        text = bytes_slice(text, size + 1, text.size);
    }
    return BYTES_NULL;
}

static int parse_metadata(const char *path, struct bytes text, struct uuid *out,
                          struct err_note *note)
{
    int64_t version;
    const struct bytes version_text = value_of(text, "version:");
    if (bytes_is_null(version_text) || bytes_to_i64(version_text, &version) < 0)
        return err_note(note, -ERR_MALFORMED, "%s has no version line", path);
    if (version < 0)
        return err_note(note, -ERR_VERSION, "%s has version %" PRId64, path, version);
    const struct bytes id = value_of(text, "topic_id:");
    if (bytes_is_null(id) || uuid_from_text(id, out) < 0 || uuid_is_zero(*out)) {
        return err_note(note, -ERR_MALFORMED, "%s: topic_id is '%.*s'", path,
                        BYTES_PRINTF(bytes_slice(id, 0, 40)));
    }
    return 0;
}

/* Never synced before the log itself is: after a power loss there may be less of it, and zeros for what is not there. */
static bool is_partial(struct bytes text)
{
    static const char head[] = "version: 0\ntopic_id: ";
    const size_t head_size = sizeof(head) - 1;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] != 0 && i < head_size && text.data[i] != (uint8_t)head[i])
            return false;
    }
    return text.size < head_size + UUID_TEXT_SIZE - 1 || memchr(text.data, 0, text.size) != NULL;
}

int partition_metadata_read(struct io_fs *fs, const char *directory, struct uuid *out,
                            struct err_note *note)
{
    *out = UUID_ZERO;
    AUTO(mem_freep) char *path = mem_printf("%s/%s", directory, PARTITION_METADATA_NAME);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    const int r = io_fs_read_whole(fs, path, SMALL_FILE_BYTES_MAX, &data, &size);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return err_note(note, r, "read %s: %s", path, err_sentence(r));
    const struct bytes text = bytes_from(data, size);
    if (is_partial(text))
        return err_note(note, -ERR_OVERRUN, "%s is not all there", path);
    return parse_metadata(path, text, out, note);
}

static int write_small(struct io_fs *fs, const char *path, struct bytes content)
{
    struct io_file *file;
    int r = io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (r < 0)
        return r;
    r = io_file_write(file, 0, content.data, content.size);
    io_file_unref(file);
    return r;
}

int partition_metadata_write(struct io_fs *fs, const char *directory, struct uuid id,
                             struct err_note *note)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", directory, PARTITION_METADATA_NAME);
    char id_text[UUID_TEXT_SIZE];
    uuid_to_text(id, id_text);
    AUTO(mem_freep) char *text = mem_printf("version: 0\ntopic_id: %s", id_text);
    const int r = write_small(fs, path, bytes_from_text(text));
    return r < 0 ? err_note(note, r, "write %s: %s", path, err_sentence(r)) : 0;
}

/* ---- .kafka_cleanshutdown -------------------------------------------------------------------- */

/* The number after "brokerEpoch" in a flat JSON object; -1 when there is none that can be read: the
 * epoch is a bonus, and the mark stands without it. */
static int64_t find_broker_epoch(struct bytes text)
{
    const char key[] = "\"brokerEpoch\"";
    const uint8_t *at = memmem(text.data, text.size, key, sizeof(key) - 1);
    if (at == NULL)
        return -1;
    struct bytes rest = bytes_slice(text, (size_t)(at - text.data) + sizeof(key) - 1, text.size);
    rest = bytes_trim(rest);
    if (rest.size == 0 || rest.data[0] != ':')
        return -1;
    rest = bytes_trim(bytes_slice(rest, 1, rest.size));
    size_t digits = 0;
    while (digits < rest.size && rest.data[digits] >= '0' && rest.data[digits] <= '9')
        digits++;
    int64_t epoch;
    return bytes_to_i64(bytes_slice(rest, 0, digits), &epoch) < 0 ? -1 : epoch;
}

int clean_shutdown_take(struct io_fs *fs, const char *log_dir, int64_t *out_broker_epoch,
                        struct err_note *note)
{
    *out_broker_epoch = -1;
    AUTO(mem_freep) char *path = mem_printf("%s/%s", log_dir, CLEAN_SHUTDOWN_NAME);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    int r = io_fs_read_whole(fs, path, SMALL_FILE_BYTES_MAX, &data, &size);
    if (r == -ENOENT)
        return 0;
    if (r == 0)
        *out_broker_epoch = find_broker_epoch(bytes_from(data, size));
    if (r == 0 || r == -ERR_LIMIT)
        r = io_fs_unlink(fs, path);
    /* On disk at once: a mark that came back after a power failure would speak for logs that were
     * open. */
    if (r == 0)
        r = io_fs_sync_directory(fs, log_dir);
    return r < 0 ? err_note(note, r, "take %s: %s", path, err_sentence(r)) : 1;
}

int clean_shutdown_leave(struct io_fs *fs, const char *log_dir, int64_t broker_epoch,
                         struct err_note *note)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", log_dir, CLEAN_SHUTDOWN_NAME);
    AUTO(mem_freep)
    char *text = mem_printf("{\"version\":0,\"brokerEpoch\":%" PRId64 "}", broker_epoch);
    const int r = io_fs_replace(fs, path, bytes_from_text(text));
    return r < 0 ? err_note(note, r, "write %s: %s", path, err_sentence(r)) : 0;
}
