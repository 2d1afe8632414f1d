/* Comforts over io_fs that are the same for every driver: whole files, atomic replacement, trees, names. */
#include "io/driver.h"
#include "io/io.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READ_BYTES_FIRST     ((size_t)4096)
#define TREE_DEPTH_MAX       64
#define TREE_NAMES_COUNT_MAX (UINT32_C(1) << 24) /* in one directory of a tree to be removed */

/* ---- names ----------------------------------------------------------------------------------- */

int io_names_add(struct io_names_builder *builder, const char *name)
{
    struct io_names *names = &builder->names;
    if (names->count == builder->count_max)
        return -ERR_LIMIT;
    if (names->count == builder->capacity) {
        builder->capacity = MAX(UINT32_C(16), builder->capacity * 2);
        names->items = mem_reallocarray(names->items, builder->capacity, sizeof(char *));
    }
    names->items[names->count++] = mem_strdup(name);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int io_names_finish(struct io_names_builder *builder, int result, struct io_names *out)
{
    if (result < 0) {
        io_names_deinit(&builder->names);
        return result;
    }
    if (builder->names.count > 1)
        qsort(builder->names.items, builder->names.count, sizeof(char *), compare_names);
    *out = builder->names;
    return 0;
}

void io_names_deinit(struct io_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        mem_free(names->items[i]);
    mem_free(names->items);
    *names = (struct io_names){ 0 };
}

/* ---- whole files ----------------------------------------------------------------------------- */

/* Reads to the end, which may have moved since the size was asked (and a pipe tells none). */
static int read_to_end(struct io_file *file, size_t size_max, uint8_t **out, size_t *out_size)
{
    const int64_t size_hint = io_file_size(file);
    if (size_hint < 0)
        return (int)size_hint;
    if ((uint64_t)size_hint > size_max)
        return -ERR_LIMIT;

    size_t capacity = MIN(MAX((size_t)size_hint, READ_BYTES_FIRST), size_max) + 1;
    AUTO(mem_freep) uint8_t *data = mem_alloc(capacity + 1);
    size_t size = 0;
    for (;;) {
        const int64_t n = io_file_read(file, (int64_t)size, data + size, capacity - size);
        if (n < 0)
            return (int)n;
        size += (size_t)n;
        if (size < capacity)
            break;
        if (size > size_max)
            return -ERR_LIMIT;
        capacity = MIN(capacity * 2, size_max + 1);
        data = mem_realloc(data, capacity + 1);
    }
    data[size] = 0;
    *out = TAKE(data);
    *out_size = size;
    return 0;
}

int io_fs_read_whole(struct io_fs *fs, const char *path, size_t size_max, uint8_t **out,
                     size_t *out_size)
{
    ASSERT(size_max < SIZE_MAX / 2);
    struct io_file *file;
    int r = io_file_open(fs, path, IO_OPEN_READ, &file);
    if (r < 0)
        return r;
    r = read_to_end(file, size_max, out, out_size);
    io_file_unref(file);
    return r;
}

/* The directory that holds `path`: "a/b" -> "a", "b" -> ".", "/b" -> "/". Heap. */
static char *parent_of(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    while (size > 1 && path[size - 1] == '/')
        size--;
    return size == 0 ? mem_strdup(".") : mem_strndup(path, size);
}

static int sync_parent(struct io_fs *fs, const char *path)
{
    AUTO(mem_freep) char *parent = parent_of(path);
    return io_fs_sync_directory(fs, parent);
}

static int write_new_file(struct io_fs *fs, const char *path, struct bytes content)
{
    struct io_file *file;
    int r = io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (r < 0)
        return r;
    r = io_file_write(file, 0, content.data, content.size);
    if (r == 0)
        r = io_file_sync(file);
    io_file_unref(file);
    return r;
}

int io_fs_replace(struct io_fs *fs, const char *path, struct bytes content)
{
    AUTO(mem_freep) char *temporary = mem_printf("%s.tmp", path);
    int r = write_new_file(fs, temporary, content);
    if (r == 0)
        r = io_fs_rename(fs, temporary, path);
    if (r < 0) {
        IGNORE_RESULT(io_fs_unlink(fs, temporary)); /* the first failure is the one to tell */
        return r;
    }
    return sync_parent(fs, path);
}

/* ---- trees ----------------------------------------------------------------------------------- */

static int make_one_directory(struct io_fs *fs, const char *path)
{
    const int r = io_fs_make_directory(fs, path);
    if (r == 0)
        return sync_parent(fs, path);
    /* Some file systems say "read-only" or "no permission" before they say "exists". */
    struct io_stat st;
    if (io_fs_stat(fs, path, &st) < 0)
        return r;
    return st.is_directory ? 0 : -ENOTDIR;
}

int io_fs_make_directories(struct io_fs *fs, const char *path)
{
    AUTO(mem_freep) char *prefix = mem_strdup(path);
    for (char *slash = strchr(prefix + (prefix[0] == '/'), '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const int r = make_one_directory(fs, prefix);
        *slash = '/';
        if (r < 0)
            return r;
    }
    return make_one_directory(fs, prefix);
}

static int remove_tree(struct io_fs *fs, const char *path, int depth);

static int remove_content(struct io_fs *fs, const char *path, int depth)
{
    if (depth == TREE_DEPTH_MAX)
        return -ERR_LIMIT;
    struct io_names names;
    int r = io_fs_list(fs, path, TREE_NAMES_COUNT_MAX, &names);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < names.count && r == 0; i++) {
        AUTO(mem_freep) char *child = mem_printf("%s/%s", path, names.items[i]);
        r = remove_tree(fs, child, depth + 1);
    }
    io_names_deinit(&names);
    return r;
}

/* Unlinking is tried first: it tells directories apart without following symbolic links. */
static int remove_tree(struct io_fs *fs, const char *path, int depth)
{
    int r = io_fs_unlink(fs, path);
    if (r != -EISDIR)
        return r;
    r = remove_content(fs, path, depth);
    return r < 0 ? r : io_fs_remove_directory(fs, path);
}

int io_fs_remove_tree(struct io_fs *fs, const char *path)
{
    return remove_tree(fs, path, 0);
}
