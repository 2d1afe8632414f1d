/* The kernel's files behind io.h. */
#include "io/epoll.h"
#include "io/fs_contract.h"

#include "base/mem.h"
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(posix_fs, keeps_the_contract)
{
    fs_contract_check(posix_fs(), context->directory);
}

TEST(posix_fs, removes_trees_without_following_links)
{
    struct io_fs *fs = posix_fs();
    AUTO(mem_freep) char *outside = mem_printf("%s/outside", context->directory);
    AUTO(mem_freep) char *precious = mem_printf("%s/outside/precious", context->directory);
    AUTO(mem_freep) char *tree = mem_printf("%s/tree", context->directory);
    AUTO(mem_freep) char *link = mem_printf("%s/tree/link", context->directory);
    EXPECT_OK(io_fs_make_directories(fs, outside));
    EXPECT_OK(io_fs_make_directories(fs, tree));
    EXPECT_OK(io_fs_replace(fs, precious, BYTES_LITERAL("x")));
    EXPECT_OK(symlink(outside, link));
    EXPECT_OK(io_fs_remove_tree(fs, tree));
    struct io_stat st;
    EXPECT_ERR(io_fs_stat(fs, tree, &st), ENOENT);
    EXPECT_OK(io_fs_stat(fs, precious, &st));
}

/* People pass settings by `<(…)`: a pipe has neither size nor positions. */
TEST(posix_fs, reads_a_pipe_to_its_end)
{
    int ends[2];
    EXPECT_OK(pipe(ends));
    static const char text[] = "a=1\nb=2\n";
    EXPECT_EQ(write(ends[1], text, strlen(text)), strlen(text));
    EXPECT_OK(close(ends[1]));
    AUTO(mem_freep) char *path = mem_printf("/proc/self/fd/%d", ends[0]);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    EXPECT_OK(io_fs_read_whole(posix_fs(), path, 1000, &data, &size));
    EXPECT_TEXT((const char *)data, text);
    EXPECT_OK(close(ends[0]));
}

/* Its size is not known beforehand, and still there is a limit. */
TEST(posix_fs, bounds_what_it_reads_from_a_pipe)
{
    enum { SIZE = 30000 };
    AUTO(mem_freep) uint8_t *bytes = mem_zalloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)(i % 251);
    for (int limit = SIZE - 1; limit <= SIZE; limit++) {
        int ends[2];
        EXPECT_OK(pipe(ends));
        EXPECT_EQ(write(ends[1], bytes, SIZE), SIZE);
        EXPECT_OK(close(ends[1]));
        AUTO(mem_freep) char *path = mem_printf("/proc/self/fd/%d", ends[0]);
        AUTO(mem_freep) uint8_t *data = NULL;
        size_t size = 0;
        const int r = io_fs_read_whole(posix_fs(), path, (size_t)limit, &data, &size);
        EXPECT_EQ(r, limit < SIZE ? -ERR_LIMIT : 0);
        if (r == 0)
            EXPECT_BYTES(bytes_from(data, size), bytes_from(bytes, SIZE));
        EXPECT_OK(close(ends[0]));
    }
}

/* A JVM locks whole files by fcntl record locks; so Apache Kafka on the same directory is noticed. */
TEST(posix_fs, sees_record_locks_of_other_processes)
{
    AUTO(mem_freep) char *path = mem_printf("%s/.lock", context->directory);
    int to_child[2];
    int to_parent[2];
    EXPECT_OK(pipe(to_child));
    EXPECT_OK(pipe(to_parent));
    const pid_t child = fork();
    if (child == 0) {
        const int descriptor = open(path, O_RDWR | O_CREAT, 0644);
        struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
        const bool locked = descriptor >= 0 && fcntl(descriptor, F_SETLK, &whole) == 0;
        char byte = locked ? 'y' : 'n';
        const bool told = write(to_parent[1], &byte, 1) == 1 && read(to_child[0], &byte, 1) == 1;
        _exit(told ? 0 : 1);
    }
    EXPECT(child > 0);
    char byte = 0;
    EXPECT_EQ(read(to_parent[0], &byte, 1), 1);
    EXPECT_EQ(byte, 'y');

    struct io_file *file;
    EXPECT_OK(io_file_open(posix_fs(), path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    EXPECT_ERR(io_file_lock(file), EWOULDBLOCK);
    EXPECT_EQ(write(to_child[1], "x", 1), 1);
    int status;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_OK(io_file_lock(file));
    io_file_unref(file);
}

/* Bytes that were dropped from memory: the cached read says so, an ordinary one brings them back. */
TEST(posix_fs, tells_cold_bytes_from_warm_ones)
{
    AUTO(mem_freep) char *path = mem_printf("%s/cold", context->directory);
    enum { SIZE = 1 << 20 };
    AUTO(mem_freep) uint8_t *bytes = mem_zalloc(SIZE);
    struct io_file *file;
    EXPECT_OK(io_file_open(posix_fs(), path, IO_OPEN_WRITE | IO_OPEN_CREATE, &file));
    EXPECT_OK(io_file_write(file, 0, bytes, SIZE));
    EXPECT_OK(io_file_sync(file));
    EXPECT_EQ(io_file_read_cached(file, 0, bytes, SIZE), SIZE);

    const int descriptor = open(path, O_RDONLY);
    EXPECT_OK(
        posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)); /* some file systems keep them */
    EXPECT_OK(close(descriptor));
    const int64_t n = io_file_read_cached(file, 0, bytes, SIZE);
    EXPECT(n == SIZE || n == -EAGAIN);
    EXPECT_EQ(io_file_read(file, 0, bytes, SIZE), SIZE);
    EXPECT_EQ(io_file_read_cached(file, 0, bytes, SIZE), SIZE);
    io_file_unref(file);
}
