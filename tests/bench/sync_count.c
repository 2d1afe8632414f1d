/* Counts the syncs of a process, whatever it is written in, without slowing it down as a tracer would:
 *
 *     LD_PRELOAD=libbench_sync_count.so BENCH_SYNC_COUNT=FILE program
 *
 * FILE, eight bytes of zeros before, holds the number of calls of fsync and fdatasync that have begun.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Atomic int64_t *counter;

__attribute__((constructor)) static void map_counter(void)
{
    const char *path = getenv("BENCH_SYNC_COUNT");
    const int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof(*counter), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map != MAP_FAILED)
        counter = map;
    (void)close(fd); /* the mapping stays */
}

static int counted(long call, int fd)
{
    if (counter != NULL)
        atomic_fetch_add(counter, 1);
    return (int)syscall(call, fd);
}

int fsync(int fd)
{
    return counted(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return counted(SYS_fdatasync, fd);
}
