/* The identity file of a log directory: see meta_properties.h. */
#include "log/dirs/meta_properties.h"

#include "base/buf.h"
#include "base/mem.h"
#include "config/properties.h"
#include "log/calendar.h"

#include <errno.h>
#include <string.h>

static int malformed(struct err_note *note, const char *path, const char *key, const char *value)
{
    return err_note(note, -ERR_MALFORMED, "%s: %s is '%s'", path, key, value);
}

/* The value of a key as a number from 0 to INT32_MAX; -ERR_NOT_FOUND when the key is absent. */
static int get_number(const struct properties *properties, const char *path, const char *key,
                      int32_t *out, struct err_note *note)
{
    const char *value = properties_get(properties, bytes_from_text(key));
    if (value == NULL)
        return -ERR_NOT_FOUND;
    int64_t number;
    if (bytes_to_i64(bytes_from_text(value), &number) < 0 || number < 0 || number > INT32_MAX)
        return malformed(note, path, key, value);
    *out = (int32_t)number;
    return 0;
}

static int get_cluster_id(const struct properties *properties, const char *path,
                          struct meta_properties *out, struct err_note *note)
{
    const char *value = properties_get(properties, BYTES_LITERAL("cluster.id"));
    if (value == NULL)
        return -ERR_NOT_FOUND;
    const size_t size = strlen(value);
    if (size == 0 || size > META_CLUSTER_ID_MAX) {
        return err_note(note, -ERR_MALFORMED, "%s: cluster.id has %zu bytes, not 1 to %d", path,
                        size, META_CLUSTER_ID_MAX);
    }
    for (const char *c = value; *c != '\0'; c++) {
        if (*c < ' ' || *c > '~')
            return malformed(note, path, "cluster.id", value);
    }
    memcpy(out->cluster_id, value, size + 1);
    return 0;
}

static int get_directory_id(const struct properties *properties, const char *path,
                            struct meta_properties *out, struct err_note *note)
{
    const char *value = properties_get(properties, BYTES_LITERAL("directory.id"));
    if (value == NULL)
        return 0;
    if (uuid_from_text(bytes_from_text(value), &out->directory_id) < 0 ||
        uuid_is_reserved(out->directory_id))
        return malformed(note, path, "directory.id", value);
    return 0;
}

/* Version 1 needs both ids; version 0 calls the node's broker.id and needs neither. */
static int get_identity(const struct properties *properties, const char *path,
                        struct meta_properties *out, struct err_note *note)
{
    int r = get_number(properties, path, "version", &out->version, note);
    if (r < 0 && r != -ERR_NOT_FOUND)
        return r;
    /* Version 0 need not be named; but a file that says nothing at all is of no version. */
    if (r < 0 && properties_get(properties, BYTES_LITERAL("broker.id")) == NULL)
        return err_note(note, -ERR_MALFORMED, "%s has no version: it is empty, or was cut off",
                        path);
    if (out->version > 1) {
        return err_note(note, -ERR_VERSION,
                        "%s has version %" PRId32 "; this build knows versions 0 and 1", path,
                        out->version);
    }
    const char *node_key = out->version == 0 ? "broker.id" : "node.id";
    r = get_number(properties, path, node_key, &out->node_id, note);
    if (r == -ERR_NOT_FOUND && out->version > 0)
        return err_note(note, -ERR_MALFORMED, "%s has no %s", path, node_key);
    if (r < 0 && r != -ERR_NOT_FOUND)
        return r;
    r = get_cluster_id(properties, path, out, note);
    if (r == -ERR_NOT_FOUND && out->version > 0)
        return err_note(note, -ERR_MALFORMED, "%s has no cluster.id", path);
    if (r < 0 && r != -ERR_NOT_FOUND)
        return r;
    return get_directory_id(properties, path, out, note);
}

int meta_properties_read(struct io_fs *fs, const char *dir, struct meta_properties *out,
                         struct err_note *note)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", dir, META_PROPERTIES_NAME);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    int r = io_fs_read_whole(fs, path, META_FILE_BYTES_MAX, &data, &size);
    if (r < 0)
        return err_note(note, r, "read %s: %s", path, err_sentence(r));

    struct meta_properties meta = { .node_id = -1 };
    struct properties properties;
    properties_init(&properties);
    r = properties_parse(&properties, bytes_from(data, size), note);
    if (r < 0)
        r = err_note_prefix(note, r, "%s", path);
    else
        r = get_identity(&properties, path, &meta, note);
    properties_deinit(&properties);
    if (r == 0)
        *out = meta;
    return r;
}

/* The characters that java.util.Properties.store escapes in a value. */
static void put_value(struct buf *out, const char *text)
{
    for (const char *c = text; *c != '\0'; c++) {
        if (strchr("\\:=#!", *c) != NULL || (*c == ' ' && c == text))
            buf_put_u8(out, '\\');
        buf_put_u8(out, (uint8_t)*c);
    }
}

int meta_properties_write(struct io_fs *fs, const char *dir, const struct meta_properties *meta,
                          int64_t now_ms, struct err_note *note)
{
    ASSERT(meta->node_id >= 0 && meta->cluster_id[0] != '\0');
    AUTO(mem_freep) char *path = mem_printf("%s/%s", dir, META_PROPERTIES_NAME);
    char time[CALENDAR_TEXT_SIZE];
    calendar_java_text(now_ms, time);

    struct buf text;
    buf_init(&text, META_FILE_BYTES_MAX);
    buf_printf(&text, "#\n#%s\nversion=1\ncluster.id=", time);
    put_value(&text, meta->cluster_id);
    buf_printf(&text, "\nnode.id=%" PRId32 "\n", meta->node_id);
    if (!uuid_is_zero(meta->directory_id)) {
        char id[UUID_TEXT_SIZE];
        uuid_to_text(meta->directory_id, id);
        buf_printf(&text, "directory.id=%s\n", id);
    }
    int r = buf_is_ok(&text) ? io_fs_replace(fs, path, buf_view(&text)) : -ERR_LIMIT;
    buf_deinit(&text);
    if (r < 0)
        r = err_note(note, r, "write %s: %s", path, err_sentence(r));
    return r;
}
