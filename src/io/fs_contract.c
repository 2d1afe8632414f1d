/* The contract of io_fs and io_file, run against any driver. */
#include "io/fs_contract.h"

#include "base/mem.h"
#include "base/test.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define PATTERN_BYTES ((size_t)10000)

struct place {
    struct io_fs *fs;
    const char *directory;
};

/* A path below the place; heap. */
static char *at(const struct place *place, const char *name)
{
    return mem_printf("%s/%s", place->directory, name);
}

static uint8_t *pattern_new(void)
{
    uint8_t *bytes = mem_alloc(PATTERN_BYTES);
    for (size_t i = 0; i < PATTERN_BYTES; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    return bytes;
}

static struct io_file *open_file(const struct place *place, const char *name, unsigned flags)
{
    AUTO(mem_freep) char *path = at(place, name);
    struct io_file *file = NULL;
    EXPECT_OK(io_file_open(place->fs, path, flags, &file));
    return file;
}

static void expect_open_fails(const struct place *place, const char *name, unsigned flags, int code)
{
    AUTO(mem_freep) char *path = at(place, name);
    struct io_file *file = NULL;
    EXPECT_ERR(io_file_open(place->fs, path, flags, &file), code);
    EXPECT(file == NULL);
}

static void expect_text(const struct place *place, const char *name, const char *wanted)
{
    AUTO(mem_freep) char *path = at(place, name);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    EXPECT_OK(io_fs_read_whole(place->fs, path, 1000, &data, &size));
    EXPECT_TEXT((const char *)data, wanted);
    EXPECT_EQ(size, strlen(wanted));
}

static void put_text(const struct place *place, const char *name, const char *text)
{
    AUTO(mem_freep) char *path = at(place, name);
    EXPECT_OK(io_fs_replace(place->fs, path, bytes_from_text(text)));
}

static void check_open_flags(const struct place *place)
{
    const unsigned create = IO_OPEN_WRITE | IO_OPEN_CREATE;
    expect_open_fails(place, "a", IO_OPEN_READ, ENOENT);
    expect_open_fails(place, "a", IO_OPEN_WRITE, ENOENT);
    expect_open_fails(place, "none/a", create, ENOENT);

    io_file_unref(open_file(place, "a", create | IO_OPEN_EXCLUSIVE));
    expect_open_fails(place, "a", create | IO_OPEN_EXCLUSIVE, EEXIST);
    expect_open_fails(place, "a/b", IO_OPEN_READ, ENOTDIR);
    expect_open_fails(place, ".", IO_OPEN_WRITE, EISDIR);

    struct io_file *file = open_file(place, "a", IO_OPEN_WRITE);
    EXPECT_OK(io_file_write(file, 0, "hello", 5));
    io_file_unref(file);
    expect_text(place, "a", "hello");
    io_file_unref(open_file(place, "a", create));
    expect_text(place, "a", "hello");
    io_file_unref(open_file(place, "a", create | IO_OPEN_TRUNCATE));
    expect_text(place, "a", "");

    file = open_file(place, "a", IO_OPEN_READ);
    EXPECT_ERR(io_file_write(file, 0, "x", 1), EBADF);
    io_file_unref(file);
}

/* More parts than one system call takes, of uneven sizes, some of them empty. */
static void check_writev_of_many_parts(const struct place *place)
{
    enum { PARTS = IOV_MAX + 500 };
    AUTO(mem_freep) uint8_t *bytes = pattern_new();
    AUTO(mem_freep) uint8_t *back = mem_alloc(PATTERN_BYTES + 200);
    AUTO(mem_freep) struct iovec *parts = MEM_NEW_ARRAY(struct iovec, PARTS);
    size_t used = 0;
    for (size_t i = 0; i < PARTS; i++) {
        const size_t size = MIN(i % 11, PATTERN_BYTES - used);
        parts[i] = (struct iovec){ .iov_base = bytes + used, .iov_len = size };
        used += size;
    }
    struct io_file *file = open_file(place, "parts", IO_OPEN_WRITE | IO_OPEN_CREATE);
    EXPECT_OK(io_file_writev(file, 100, parts, PARTS));
    EXPECT_OK(io_file_writev(file, 0, parts, 0));
    EXPECT_EQ(io_file_size(file), 100 + (int64_t)used);

    EXPECT_EQ(io_file_read(file, 0, back, PATTERN_BYTES + 200), 100 + (int64_t)used);
    for (size_t i = 0; i < 100; i++)
        EXPECT_EQ(back[i], 0); /* never written: a hole */
    EXPECT(memcmp(back + 100, bytes, used) == 0);
    io_file_unref(file);
}

static void check_reads_at_the_end(const struct place *place)
{
    struct io_file *file = open_file(place, "end", IO_OPEN_WRITE | IO_OPEN_CREATE);
    EXPECT_OK(io_file_write(file, 0, "0123456789", 10));
    uint8_t back[20];
    EXPECT_EQ(io_file_read(file, 7, back, sizeof(back)), 3);
    EXPECT(memcmp(back, "789", 3) == 0);
    EXPECT_EQ(io_file_read(file, 10, back, sizeof(back)), 0);
    EXPECT_EQ(io_file_read(file, 1000, back, sizeof(back)), 0);
    EXPECT_EQ(io_file_read(file, 3, back, 0), 0);
    /* Just written, so it is in memory. */
    EXPECT_EQ(io_file_read_cached(file, 7, back, sizeof(back)), 3);
    EXPECT_EQ(io_file_read_cached(file, 10, back, sizeof(back)), 0);
    EXPECT_EQ(io_file_read_cached(file, 1000, back, sizeof(back)), 0);
    EXPECT(io_file_is_cached(file, 0, 10) && io_file_is_cached(file, 9, 1) &&
           io_file_is_cached(file, 3, 0));
    io_file_no_read_ahead(file);
    io_file_will_read(file, 0, 10);
    EXPECT_EQ(io_file_read(file, 0, back, sizeof(back)), 10);
    io_file_unref(file);
}

static void check_sizes(const struct place *place)
{
    struct io_file *file = open_file(place, "sizes", IO_OPEN_WRITE | IO_OPEN_CREATE);
    EXPECT_OK(io_file_write(file, 0, "0123456789", 10));
    EXPECT_OK(io_file_truncate(file, 4));
    EXPECT_EQ(io_file_size(file), 4);
    EXPECT_OK(io_file_truncate(file, 8));
    uint8_t back[8];
    EXPECT_EQ(io_file_read(file, 0, back, sizeof(back)), 8);
    EXPECT(memcmp(back, "0123\0\0\0\0", 8) == 0); /* what was cut does not come back */

    const int r = io_file_allocate(file, 0, 1 << 20);
    EXPECT(r == 0 || r == -EOPNOTSUPP);
    EXPECT_EQ(io_file_size(file), 8);
    EXPECT_OK(io_file_sync(file));

    /* Far beyond what a disk holds: sparse. */
    EXPECT_OK(io_file_truncate(file, INT64_C(1) << 36));
    EXPECT_EQ(io_file_size(file), INT64_C(1) << 36);
    EXPECT_EQ(io_file_read(file, INT64_C(1) << 35, back, sizeof(back)), 8);
    EXPECT(memcmp(back, "\0\0\0\0\0\0\0\0", 8) == 0);
    EXPECT_ERR(io_file_truncate(file, -1), EINVAL);
    io_file_unref(file);
}

static void check_rename_and_unlink(const struct place *place)
{
    AUTO(mem_freep) char *one = at(place, "one");
    AUTO(mem_freep) char *two = at(place, "two");
    put_text(place, "one", "first");
    put_text(place, "two", "second");
    struct io_file *second = open_file(place, "two", IO_OPEN_READ);
    EXPECT_OK(io_fs_rename(place->fs, one, two));
    expect_text(place, "two", "first");
    expect_open_fails(place, "one", IO_OPEN_READ, ENOENT);
    EXPECT_ERR(io_fs_rename(place->fs, one, two), ENOENT);

    /* An open file outlives its name. */
    char back[7] = { 0 };
    EXPECT_EQ(io_file_read(second, 0, back, 6), 6);
    EXPECT_TEXT(back, "second");
    io_file_unref(second);
    struct io_file *first = open_file(place, "two", IO_OPEN_WRITE);
    EXPECT_OK(io_fs_unlink(place->fs, two));
    EXPECT_ERR(io_fs_unlink(place->fs, two), ENOENT);
    EXPECT_OK(io_file_write(first, 5, "!", 1));
    EXPECT_EQ(io_file_read(first, 0, back, 6), 6);
    EXPECT_TEXT(back, "first!");
    io_file_unref(first);
}

static void check_directories(const struct place *place)
{
    AUTO(mem_freep) char *tree = at(place, "tree");
    AUTO(mem_freep) char *deep = at(place, "tree/x/y");
    AUTO(mem_freep) char *moved = at(place, "moved");
    AUTO(mem_freep) char *file = at(place, "tree/x/y/file");
    EXPECT_OK(io_fs_make_directories(place->fs, deep));
    EXPECT_OK(io_fs_make_directories(place->fs, deep));
    EXPECT_ERR(io_fs_make_directory(place->fs, deep), EEXIST);
    put_text(place, "tree/x/y/file", "deep");
    EXPECT_ERR(io_fs_make_directories(place->fs, file), ENOTDIR);
    EXPECT_ERR(io_fs_remove_directory(place->fs, deep), ENOTEMPTY);
    EXPECT_ERR(io_fs_remove_directory(place->fs, file), ENOTDIR);
    EXPECT_ERR(io_fs_unlink(place->fs, deep), EISDIR);
    EXPECT_ERR(io_fs_rename(place->fs, tree, deep), EINVAL); /* into itself */

    EXPECT_OK(io_fs_rename(place->fs, tree, moved));
    expect_text(place, "moved/x/y/file", "deep");
    put_text(place, "plain", "p");
    AUTO(mem_freep) char *plain = at(place, "plain");
    EXPECT_ERR(io_fs_rename(place->fs, plain, moved), EISDIR);
    EXPECT_ERR(io_fs_rename(place->fs, moved, plain), ENOTDIR);
    EXPECT_OK(io_fs_make_directories(place->fs, tree));
    EXPECT_ERR(io_fs_rename(place->fs, tree, moved), ENOTEMPTY);
    EXPECT_OK(io_fs_rename(place->fs, moved, tree)); /* onto an empty one */
    expect_text(place, "tree/x/y/file", "deep");

    EXPECT_OK(io_fs_sync_directory(place->fs, tree));
    EXPECT_ERR(io_fs_sync_directory(place->fs, moved), ENOENT);
    EXPECT_OK(io_fs_remove_tree(place->fs, tree));
    EXPECT_ERR(io_fs_remove_tree(place->fs, tree), ENOENT);
    struct io_names names;
    EXPECT_ERR(io_fs_list(place->fs, tree, 10, &names), ENOENT);
    EXPECT_ERR(io_fs_list(place->fs, plain, 10, &names), ENOTDIR);
}

static void check_list(const struct place *place)
{
    AUTO(mem_freep) char *list = at(place, "list");
    EXPECT_OK(io_fs_make_directory(place->fs, list));
    struct io_names names = { 0 };
    EXPECT_OK(io_fs_list(place->fs, list, 0, &names));
    EXPECT_EQ(names.count, 0);
    io_names_deinit(&names);

    static const char *const wanted[] = { "-", "00", "01.log", "B", "a", "a-b", "\xc3\xa9" };
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        AUTO(mem_freep) char *name = mem_printf("list/%s", wanted[(i * 3) % ARRAY_LEN(wanted)]);
        io_file_unref(open_file(place, name, IO_OPEN_WRITE | IO_OPEN_CREATE));
    }
    EXPECT_ERR(io_fs_list(place->fs, list, ARRAY_LEN(wanted) - 1, &names), ERR_LIMIT);
    EXPECT_OK(io_fs_list(place->fs, list, ARRAY_LEN(wanted), &names));
    EXPECT_EQ(names.count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        EXPECT_TEXT(names.items[i], wanted[i]);
    io_names_deinit(&names);
}

static void check_stat(const struct place *place)
{
    AUTO(mem_freep) char *path = at(place, "stat");
    struct io_stat st;
    EXPECT_ERR(io_fs_stat(place->fs, path, &st), ENOENT);
    EXPECT_ERR(io_fs_set_modified(place->fs, path, 1), ENOENT);
    put_text(place, "stat", "12345");
    EXPECT_OK(io_fs_set_modified(place->fs, path, INT64_C(1700000000123)));
    EXPECT_OK(io_fs_stat(place->fs, path, &st));
    EXPECT_EQ(st.size_bytes, 5);
    EXPECT_EQ(st.modified_ms, INT64_C(1700000000123));
    EXPECT(!st.is_directory);
    EXPECT_OK(io_fs_stat(place->fs, place->directory, &st));
    EXPECT(st.is_directory);

    const int64_t total = io_fs_total_bytes(place->fs, place->directory);
    const int64_t available = io_fs_free_bytes(place->fs, place->directory);
    EXPECT(total > 0 && available >= 0 && available <= total);
    AUTO(mem_freep) char *none = at(place, "none");
    EXPECT_ERR(io_fs_free_bytes(place->fs, none), ENOENT);
}

static void check_whole_files(const struct place *place)
{
    AUTO(mem_freep) char *path = at(place, "whole");
    uint8_t *data = NULL;
    size_t size = 0;
    EXPECT_ERR(io_fs_read_whole(place->fs, path, 10, &data, &size), ENOENT);
    EXPECT_ERR(io_fs_read_whole(place->fs, place->directory, 1 << 20, &data, &size), EISDIR);

    /* Every size around the first guess of the reader, and the limit at it. */
    AUTO(mem_freep) uint8_t *content = pattern_new();
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 8192, 8193, PATTERN_BYTES };
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        EXPECT_OK(io_fs_replace(place->fs, path, bytes_from(content, sizes[i])));
        EXPECT_OK(io_fs_read_whole(place->fs, path, sizes[i], &data, &size));
        EXPECT_BYTES(bytes_from(data, size), bytes_from(content, sizes[i]));
        EXPECT_EQ(data[size], 0);
        mem_free(data);
        if (sizes[i] > 0)
            EXPECT_ERR(io_fs_read_whole(place->fs, path, sizes[i] - 1, &data, &size), ERR_LIMIT);
    }
    AUTO(mem_freep) char *temporary = at(place, "whole.tmp");
    struct io_stat st;
    EXPECT_ERR(io_fs_stat(place->fs, temporary, &st), ENOENT);

    AUTO(mem_freep) char *nowhere = at(place, "no/such/directory");
    EXPECT_ERR(io_fs_replace(place->fs, nowhere, BYTES_LITERAL("x")), ENOENT);
}

/* Arguments that no disk can serve. */
static void check_nonsense(const struct place *place)
{
    uint8_t byte = 0;
    struct io_file *file = open_file(place, "nonsense", IO_OPEN_WRITE | IO_OPEN_CREATE);
    EXPECT_ERR(io_file_read(file, -1, &byte, 1), EINVAL);
    EXPECT_ERR(io_file_write(file, -1, &byte, 1), EINVAL);
    EXPECT(io_file_write(file, INT64_MAX - 5, "0123456789", 10) < 0);
    EXPECT(io_file_truncate(file, INT64_MAX) < 0);
    EXPECT(io_file_allocate(file, -1, 10) < 0);
    EXPECT(io_file_allocate(file, 0, 0) < 0);
    EXPECT_EQ(io_file_size(file), 0);
    io_file_unref(file);
    file = open_file(place, "nonsense", IO_OPEN_READ);
    EXPECT_ERR(io_file_truncate(file, 0), EINVAL);
    EXPECT(io_file_allocate(file, 0, 10) < 0);
    EXPECT_ERR(io_file_lock(file), EBADF);
    io_file_unref(file);

    char name[257];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    expect_open_fails(place, name, IO_OPEN_WRITE | IO_OPEN_CREATE, ENAMETOOLONG);
    struct io_file *none = NULL;
    EXPECT_ERR(io_file_open(place->fs, "", IO_OPEN_READ, &none), ENOENT);
    EXPECT(io_fs_remove_directory(place->fs, "/") < 0);
    EXPECT(io_fs_rename(place->fs, "/", "elsewhere") < 0);
    AUTO(mem_freep) char *sub = at(place, "sub/directory/");
    EXPECT_OK(io_fs_make_directories(place->fs, sub)); /* a slash at the end does no harm */
    put_text(place, "sub/./directory/../../sub//roundabout", "found");
    expect_text(place, "sub/roundabout", "found");
}

static void check_lock(const struct place *place)
{
    struct io_file *one = open_file(place, "lock", IO_OPEN_WRITE | IO_OPEN_CREATE);
    struct io_file *two = open_file(place, "lock", IO_OPEN_WRITE);
    EXPECT_OK(io_file_lock(one));
    EXPECT_OK(io_file_lock(one)); /* held already */
    EXPECT_ERR(io_file_lock(two), EWOULDBLOCK);
    io_file_unref(io_file_ref(one)); /* not the last reference */
    EXPECT_ERR(io_file_lock(two), EWOULDBLOCK);
    io_file_unref(one);
    EXPECT_OK(io_file_lock(two));
    io_file_unrefp(&two);
    EXPECT(two == NULL);
    io_file_unrefp(&two);
}

void fs_contract_check(struct io_fs *fs, const char *directory)
{
    const struct place place = { .fs = fs, .directory = directory };
    check_open_flags(&place);
    check_writev_of_many_parts(&place);
    check_reads_at_the_end(&place);
    check_sizes(&place);
    check_rename_and_unlink(&place);
    check_directories(&place);
    check_list(&place);
    check_stat(&place);
    check_whole_files(&place);
    check_nonsense(&place);
    check_lock(&place);
}
