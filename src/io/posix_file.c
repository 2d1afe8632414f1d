/* Files of the kernel: positioned reads and writes on descriptors. Stateless, so any thread may call. */
#include "io/posix_file.h"
#include "io/driver.h"
#include "io/epoll.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

struct posix_file {
    struct io_file base;
    int descriptor; /* owned */
};

static struct posix_file *self(struct io_file *file)
{
    return CONTAINER_OF(file, struct posix_file, base);
}

/* ---- one file -------------------------------------------------------------------------------- */

static int64_t read_some(int descriptor, int64_t position, void *out, size_t size_bytes)
{
    int64_t n;
    do {
        n = pread(descriptor, out, size_bytes, position);
        if (n < 0 && errno == ESPIPE) /* a pipe, as in `--config <(…)`: it has no positions */
            n = read(descriptor, out, size_bytes);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* Reads only what the page cache holds. Answers -EAGAIN for the rest, also where the kernel says "end of
 * file" in front of the end, as some versions did for pages still in flight. */
static int64_t read_some_cached(int descriptor, int64_t position, void *out, size_t size_bytes)
{
    const struct iovec part = { .iov_base = out, .iov_len = size_bytes };
    int64_t n;
    do {
        n = preadv2(descriptor, &part, 1, position, RWF_NOWAIT);
    } while (n < 0 && errno == EINTR);

    if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == ESPIPE))
        return read_some(descriptor, position, out, size_bytes);
    if (n < 0)
        return -errno;
    struct stat st;
    if (n == 0 && fstat(descriptor, &st) == 0 && st.st_size > position)
        return -EAGAIN;
    return n;
}

static int64_t posix_file_read(struct io_file *file, int64_t position, void *out, size_t size_bytes,
                               bool cached_only)
{
    const int descriptor = self(file)->descriptor;
    size_t done = 0;
    while (done < size_bytes) {
        uint8_t *to = (uint8_t *)out + done;
        const int64_t from = position + (int64_t)done;
        const int64_t n = cached_only ? read_some_cached(descriptor, from, to, size_bytes - done)
                                      : read_some(descriptor, from, to, size_bytes - done);
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (int64_t)done;
}

/* Writes the rest of a part whose first `done` bytes are there already. */
static int write_rest(int descriptor, int64_t position, const struct iovec *part, size_t done)
{
    while (done < part->iov_len) {
        const int64_t n = pwrite(descriptor, (const uint8_t *)part->iov_base + done,
                                 part->iov_len - done, position);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO;
        done += (size_t)n;
        position += n;
    }
    return 0;
}

static int posix_file_writev(struct io_file *file, int64_t position, const struct iovec *parts,
                             int count)
{
    const int descriptor = self(file)->descriptor;
    while (count > 0) {
        int64_t n = pwritev(descriptor, parts, MIN(count, IOV_MAX), position);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;

        while (count > 0 && (size_t)n >= parts->iov_len) {
            n -= (int64_t)parts->iov_len;
            position += (int64_t)parts->iov_len;
            parts++;
            count--;
        }
        if (n > 0) { /* the kernel stopped inside a part: rare, so the rest of it goes alone */
            const int r = write_rest(descriptor, position + n, parts, (size_t)n);
            if (r < 0)
                return r;
            position += (int64_t)parts->iov_len;
            parts++;
            count--;
        }
    }
    return 0;
}

static int posix_file_truncate(struct io_file *file, int64_t size_bytes)
{
    int r;
    do {
        r = ftruncate(self(file)->descriptor, size_bytes);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int posix_file_allocate(struct io_file *file, int64_t position, int64_t size_bytes)
{
    int r;
    do {
        r = fallocate(self(file)->descriptor, FALLOC_FL_KEEP_SIZE, position, size_bytes);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int posix_file_sync(struct io_file *file)
{
    int r;
    do {
        r = fdatasync(self(file)->descriptor);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int64_t posix_file_size(struct io_file *file)
{
    struct stat st;
    return fstat(self(file)->descriptor, &st) < 0 ? -errno : (int64_t)st.st_size;
}

static void posix_file_will_read(struct io_file *file, int64_t position, int64_t size_bytes)
{
    (void)posix_fadvise(self(file)->descriptor, position, size_bytes,
                        POSIX_FADV_WILLNEED); /* a hint */
}

static void posix_file_no_read_ahead(struct io_file *file)
{
    (void)posix_fadvise(self(file)->descriptor, 0, 0, POSIX_FADV_RANDOM); /* else it reads more */
}

/* ---- what is in memory ----------------------------------------------------------------------- */

/* cachestat(2), since Linux 6.5; older headers know neither number nor structs. */
#define CACHESTAT_NUMBER 451
struct cache_range {
    uint64_t position;
    uint64_t size_bytes;
};
struct cache_count {
    uint64_t cached; /* pages */
    uint64_t dirty;
    uint64_t written_back;
    uint64_t evicted;
    uint64_t evicted_lately;
};

#define PROBE_STEP_BYTES (64 << 10)

/* How many of the range's pages are in memory, of `*out_pages`. 0 may mean that the kernel cannot tell: some file systems keep
 * their pages under another file (overlays do). */
static int64_t count_cached(int descriptor, int64_t position, int64_t size_bytes,
                            int64_t *out_pages)
{
    const int64_t page_bytes = sysconf(_SC_PAGESIZE);
    struct cache_range range = { (uint64_t)position, (uint64_t)size_bytes };
    struct cache_count count = { 0 };
    *out_pages = (position + size_bytes - 1) / page_bytes - position / page_bytes + 1;
    return syscall(CACHESTAT_NUMBER, descriptor, &range, &count, 0) < 0 ? 0 : (int64_t)count.cached;
}

static bool posix_file_is_cached(struct io_file *file, int64_t position, int64_t size_bytes)
{
    const int descriptor = self(file)->descriptor;
    if (size_bytes <= 0)
        return true;
    int64_t pages;
    const int64_t cached = count_cached(descriptor, position, size_bytes, &pages);
    if (cached > 0)
        return cached >= pages;
    const int64_t last = position + size_bytes - 1;
    for (int64_t at = position;; at = MIN(at + PROBE_STEP_BYTES, last)) {
        uint8_t byte;
        if (read_some_cached(descriptor, at, &byte, 1) < 0)
            return false;
        if (at == last)
            return true;
    }
}

/* A lock of the open file description: unlike flock it meets the record locks that a JVM takes, so that
 * Apache Kafka and this broker keep each other out of one directory; unlike those it is not dropped
 * when some other descriptor of the same file is closed. */
static int posix_file_lock(struct io_file *file)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(self(file)->descriptor, F_OFD_SETLK, &whole) == 0)
        return 0;
    return errno == EACCES ? -EWOULDBLOCK : -errno;
}

static void posix_file_close(struct io_file *file)
{
    (void)close(
        self(file)->descriptor); /* what had to be on disk was synced; nobody is left to tell */
    mem_free(self(file));
}

static const struct io_file_ops posix_file_ops = {
    .read = posix_file_read,
    .writev = posix_file_writev,
    .truncate = posix_file_truncate,
    .allocate = posix_file_allocate,
    .sync = posix_file_sync,
    .size = posix_file_size,
    .will_read = posix_file_will_read,
    .is_cached = posix_file_is_cached,
    .no_read_ahead = posix_file_no_read_ahead,
    .lock = posix_file_lock,
    .close = posix_file_close,
};

int posix_file_descriptor(struct io_file *file)
{
    ASSERT(file->ops == &posix_file_ops);
    return self(file)->descriptor;
}

/* ---- names ----------------------------------------------------------------------------------- */

static int posix_open(struct io_fs *fs, const char *path, unsigned flags, struct io_file **out)
{
    (void)fs;
    int how = O_CLOEXEC | ((flags & IO_OPEN_WRITE) ? O_RDWR : O_RDONLY);
    how |= (flags & IO_OPEN_CREATE) ? O_CREAT : 0;
    how |= (flags & IO_OPEN_EXCLUSIVE) ? O_EXCL : 0;
    how |= (flags & IO_OPEN_TRUNCATE) ? O_TRUNC : 0;

    int descriptor;
    do {
        descriptor = open(path, how, 0644);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0)
        return -errno;

    struct posix_file *file = MEM_NEW(struct posix_file);
    file->base.ops = &posix_file_ops;
    file->base.reference_count = 1;
    file->descriptor = descriptor;
    *out = &file->base;
    return 0;
}

static int posix_stat(struct io_fs *fs, const char *path, struct io_stat *out)
{
    (void)fs;
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    *out = (struct io_stat){
        .size_bytes = st.st_size,
        .allocated_bytes = (int64_t)st.st_blocks * 512,
        .modified_ms = (int64_t)st.st_mtim.tv_sec * MS_PER_SECOND + st.st_mtim.tv_nsec / NS_PER_MS,
        .is_directory = S_ISDIR(st.st_mode),
    };
    return 0;
}

static int posix_rename(struct io_fs *fs, const char *from, const char *to)
{
    (void)fs;
    return rename(from, to) < 0 ? -errno : 0;
}

static int posix_unlink(struct io_fs *fs, const char *path)
{
    (void)fs;
    return unlink(path) < 0 ? -errno : 0;
}

static int posix_make_directory(struct io_fs *fs, const char *path)
{
    (void)fs;
    return mkdir(path, 0755) < 0 ? -errno : 0;
}

static int posix_remove_directory(struct io_fs *fs, const char *path)
{
    (void)fs;
    return rmdir(path) < 0 ? -errno : 0;
}

static int posix_sync_directory(struct io_fs *fs, const char *path)
{
    (void)fs;
    const int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -errno;
    int r;
    do {
        r = fsync(descriptor) < 0 ? -errno : 0;
    } while (r == -EINTR);
    (void)close(descriptor); /* a directory has nothing to flush at close */
    return r;
}

static int64_t posix_free_bytes(struct io_fs *fs, const char *path)
{
    (void)fs;
    struct statvfs st;
    return statvfs(path, &st) < 0 ? -errno : (int64_t)st.f_bavail * (int64_t)st.f_frsize;
}

static int64_t posix_total_bytes(struct io_fs *fs, const char *path)
{
    (void)fs;
    struct statvfs st;
    return statvfs(path, &st) < 0 ? -errno : (int64_t)st.f_blocks * (int64_t)st.f_frsize;
}

static int posix_set_modified(struct io_fs *fs, const char *path, int64_t modified_ms)
{
    (void)fs;
    const int64_t ms = (modified_ms % MS_PER_SECOND + MS_PER_SECOND) % MS_PER_SECOND;
    const struct timespec times[2] = {
        { .tv_nsec = UTIME_OMIT },
        { .tv_sec = (modified_ms - ms) / MS_PER_SECOND, .tv_nsec = ms * NS_PER_MS },
    };
    return utimensat(AT_FDCWD, path, times, 0) < 0 ? -errno : 0;
}

static int posix_list(struct io_fs *fs, const char *path, uint32_t count_max, struct io_names *out)
{
    (void)fs;
    DIR *directory = opendir(path);
    if (directory == NULL)
        return -errno;

    struct io_names_builder builder = { .count_max = count_max };
    int r = 0;
    while (r == 0) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (entry == NULL) {
            r = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = io_names_add(&builder, entry->d_name);
    }
    (void)closedir(directory); /* only read */
    return io_names_finish(&builder, r, out);
}

static const struct io_fs_ops posix_fs_ops = {
    .open = posix_open,
    .stat = posix_stat,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .make_directory = posix_make_directory,
    .remove_directory = posix_remove_directory,
    .sync_directory = posix_sync_directory,
    .free_bytes = posix_free_bytes,
    .total_bytes = posix_total_bytes,
    .set_modified = posix_set_modified,
    .list = posix_list,
};

struct io_fs *posix_fs(void)
{
    static const struct io_fs fs = { .ops = &posix_fs_ops };
    union {
        const struct io_fs *constant;
        struct io_fs *shown; /* as io.h has it; there is nothing in it to change */
    } pointer = { .constant = &fs };
    return pointer.shown;
}
