/* A disk that forgets: files as io.h shows them, and under them what a power loss would leave.
 *
 * Every file has two contents. Reads see the *volatile* one (the page cache). A sync makes the file's bytes and
 * size *stable*; sync_directory does the same for the names in a directory. What happens at the end of an
 * incarnation depends on its kind:
 *
 *   SIM_PROCESS_KILLED  the page cache survives; a write in progress may have stopped at any byte
 *   SIM_POWER_LOST      only what is stable surely survives. Of the rest, each sector (512 bytes) is there, is
 *                       as before, or is torn between the two; a size is any of those since the last sync; a
 *                       name that was made, moved or removed may or may not have been. Kept as a journalling
 *                       file system keeps it: a rename happens wholly or not at all, changes of one name in
 *                       their order, and nothing written after a cut is seen without the cut.
 *
 * After the end every call of that incarnation's view answers -EIO and changes nothing (its owner may be torn down
 * at leisure), and sim_disk_fs gives a new view. So a test of recovery needs no loop, threads or forks:
 *
 *     struct sim_disk *disk = sim_disk_new(seed);
 *     sim_disk_crash_at(disk, n, SIM_POWER_LOST);
 *     scenario(sim_disk_fs(disk));    // ends early with -EIO; closes what it opened
 *     check(sim_disk_fs(disk));       // what a restart finds
 *     sim_disk_free(disk);
 *
 * Everything is decided by the seed and the calls. Threads: one.
 */
#pragma once

#include "io/io.h"

struct sim_disk;

enum sim_crash { SIM_PROCESS_KILLED, SIM_POWER_LOST };

/* Empty but for the root directory; paths with and without a leading '/' mean the same. */
struct sim_disk *sim_disk_new(uint64_t seed);
/* NULL is fine. A file still open is a bug of its owner, also in a dead view. */
void sim_disk_free(struct sim_disk *disk);

/* The view of the incarnation that lives now. Owned by the disk; a dead one stays valid until sim_disk_free. */
struct io_fs *sim_disk_fs(struct sim_disk *disk);
uint32_t
sim_disk_open_count(const struct sim_disk *disk); /* files open in any view, dead ones included */

/* ---- the end of an incarnation --------------------------------------------------------------- */

void sim_disk_crash(struct sim_disk *disk, enum sim_crash kind);
/* An orderly end: the page cache stays, and so does a planned crash. */
void sim_disk_restart(struct sim_disk *disk);
/* In the middle of the nth change from now (1: the next one; 0: never). Changes are what the calls in
 * SIM_CHANGES do; the one in progress happens, happens in part (a write), or does not. */
void sim_disk_crash_at(struct sim_disk *disk, uint64_t nth_change, enum sim_crash kind);
uint64_t sim_disk_change_count(const struct sim_disk *disk); /* since the disk was made */
uint32_t sim_disk_crash_count(const struct sim_disk *disk);

/* ---- faults ---------------------------------------------------------------------------------- */

enum sim_call {
    SIM_OPEN = 1 << 0, /* of a file that is there */
    SIM_CREATE = 1 << 1,
    SIM_READ = 1 << 2,      /* from memory */
    SIM_READ_COLD = 1 << 3, /* some of it is not in memory */
    SIM_WRITE = 1 << 4,
    SIM_TRUNCATE = 1 << 5,
    SIM_ALLOCATE = 1 << 6,
    SIM_SYNC = 1 << 7,
    SIM_RENAME = 1 << 8,
    SIM_UNLINK = 1 << 9,
    SIM_MAKE_DIRECTORY = 1 << 10,
    SIM_REMOVE_DIRECTORY = 1 << 11,
    SIM_SYNC_DIRECTORY = 1 << 12,
    SIM_LIST = 1 << 13,
    SIM_STAT = 1 << 14, /* also size, free and total bytes, lock */
    SIM_SET_MODIFIED = 1 << 15,
    SIM_CHANGES = SIM_CREATE | SIM_WRITE | SIM_TRUNCATE | SIM_ALLOCATE | SIM_SYNC | SIM_RENAME |
                  SIM_UNLINK | SIM_MAKE_DIRECTORY | SIM_REMOVE_DIRECTORY | SIM_SYNC_DIRECTORY |
                  SIM_SET_MODIFIED,
    SIM_ANY = (1 << 16) - 1,
};

/* Calls that fail. A failed write may have written a part; a failed sync leaves bytes that no later sync will
 * write (as kernels do); all else fails without effect. */
struct sim_fault {
    unsigned calls; /* bits of enum sim_call */
    const char *
        path_part; /* only paths that contain it; NULL: all. Borrowed. For files: the path at open */
    uint64_t skip;         /* let so many pass first */
    uint64_t count;        /* then fail so many; 0: all that follow */
    uint32_t in_a_million; /* of the chance that each of them fails; 0: surely */
    int error;             /* negative errno */
};
void sim_disk_add_fault(struct sim_disk *disk, const struct sim_fault *fault);
void sim_disk_clear_faults(struct sim_disk *disk);

/* Writes fail with -ENOSPC beyond it, after what still fits; so does making files and directories when nothing fits. 0: 1 TB. May be below what is used. */
void sim_disk_set_capacity(struct sim_disk *disk, int64_t capacity_bytes);
int64_t sim_disk_used_bytes(const struct sim_disk *disk);

/* Flips one bit for good. -ENOENT, or -EINVAL beyond the end. */
MUST_CHECK int sim_disk_flip_bit(struct sim_disk *disk, const char *path, int64_t position,
                                 unsigned bit);
/* The same where the byte is not in memory: 1. 0: it is, and nothing has happened. */
MUST_CHECK int sim_disk_rot(struct sim_disk *disk, const char *path, int64_t position,
                            unsigned bit);
/* Every page (4096 bytes) that is read into memory has a bit flipped with this chance. */
void sim_disk_set_bit_rot(struct sim_disk *disk, uint32_t in_a_million);
/* Pages that are stable leave memory with this chance each: io_file_read_cached then answers -EAGAIN. */
void sim_disk_cool(struct sim_disk *disk, uint32_t in_a_million);

/* ---- looking on from outside ----------------------------------------------------------------- */

enum sim_view {
    SIM_VOLATILE, /* what calls see */
    SIM_STABLE, /* what a power loss would leave at least; a byte may also be newer, and there may be more */
};
/* Takes no time and is no call. The whole of a file (heap), or the names in a directory; -ENOENT, -EISDIR, -ENOTDIR. */
MUST_CHECK int sim_disk_look(const struct sim_disk *disk, enum sim_view view, const char *path,
                             uint8_t **out, size_t *out_size);
MUST_CHECK int sim_disk_look_in(const struct sim_disk *disk, enum sim_view view, const char *path,
                                struct io_names *out);

/* ---- for the world around it ----------------------------------------------------------------- */

/* All optional. Without now_ms, time stands still at the start of 2024. */
struct sim_disk_hooks {
    void *context;
    int64_t (*now_ms)(void *context);
    /* Before each call has any effect: time may pass, other code may run, the disk may crash. size_bytes: of reads
     * and writes. Answers 0, or the error that the call fails with. */
    int (*on_call)(void *context, enum sim_call call, const char *path, uint64_t size_bytes);
    /* Right before a power loss takes what is not stable. */
    void (*on_losing)(void *context);
    /* Right after a crash that sim_disk_crash_at planned. */
    void (*on_crash)(void *context, enum sim_crash kind);
};
void sim_disk_set_hooks(struct sim_disk *disk, const struct sim_disk_hooks *hooks);

/* Of all names, sizes and bytes, volatile and stable: equal digests mean equal disks. */
uint64_t sim_disk_digest(const struct sim_disk *disk);
