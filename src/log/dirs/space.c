/* The space of the log directories: how much is free, and a file that keeps some of it back. See log_dirs.h. */
#include "log/dirs/log_dirs_int.h"

#include "base/mem.h"

#include <errno.h>

#define BLOCK_BYTES_MAX                                                                            \
    16384 /* a file system rounds up to its blocks; where those are larger, the reserve is made anew */

struct space_job {
    struct io_job job;
    struct log_dirs *dirs;
    uint32_t index;
    char *path; /* owned */
    struct log_dir_space found;
    int64_t reserve_bytes;
    int result;
    void (*measured)(void *context, uint32_t index, const struct log_dir_space *space);
    void (*reserved)(void *context, uint32_t index, int error);
    void *context;
};

static struct space_job *job_new(struct log_dirs *dirs, uint32_t index,
                                 void (*run)(struct io_job *job), void (*done)(struct io_job *job),
                                 char *path)
{
    struct space_job *space = MEM_NEW(struct space_job);
    *space = (struct space_job){
        .job = { .run = run, .done = done }, .dirs = dirs, .index = index, .path = path
    };
    dirs->job_count++;
    return space;
}

static void job_free(struct space_job *space)
{
    space->dirs->job_count--;
    mem_free(space->path);
    mem_free(space);
}

/* ---- how much -------------------------------------------------------------------------------- */

static void measure_run(struct io_job *job)
{
    struct space_job *space = CONTAINER_OF(job, struct space_job, job);
    space->found.free_bytes = io_fs_free_bytes(space->dirs->fs, space->path);
    space->found.total_bytes = io_fs_total_bytes(space->dirs->fs, space->path);
    AUTO(mem_freep) char *reserve = mem_printf("%s/%s", space->path, LOG_RESERVE_NAME);
    struct io_stat st = { 0 };
    if (io_fs_stat(space->dirs->fs, reserve, &st) == 0)
        space->found.reserve_bytes = st.allocated_bytes;
}

static void measure_done(struct io_job *job)
{
    struct space_job *space = CONTAINER_OF(job, struct space_job, job);
    space->measured(space->context, space->index, &space->found);
    job_free(space);
}

void log_dirs_measure(struct log_dirs *dirs, uint32_t index,
                      void (*done)(void *context, uint32_t index,
                                   const struct log_dir_space *space),
                      void *context)
{
    ASSERT(index < dirs->count && done != NULL);
    struct space_job *space =
        job_new(dirs, index, measure_run, measure_done, mem_strdup(dirs->items[index].path));
    space->measured = done;
    space->context = context;
    io_submit(dirs->io, NULL, &space->job);
}

/* ---- what is kept back ----------------------------------------------------------------------- */

static char *reserve_path(const struct log_dirs *dirs, uint32_t index)
{
    return mem_printf("%s/%s", dirs->items[index].path, LOG_RESERVE_NAME);
}

/* Blocks without content: nothing is written, and the file stays empty. */
static int allocate(struct io_fs *fs, const char *path, int64_t bytes)
{
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    int r = io_file_open(fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE | IO_OPEN_TRUNCATE, &file);
    if (r == 0)
        r = io_file_allocate(file, 0, bytes);
    return r;
}

static void reserve_run(struct io_job *job)
{
    struct space_job *space = CONTAINER_OF(job, struct space_job, job);
    struct io_fs *fs = space->dirs->fs;
    struct io_stat st = { 0 };
    if (io_fs_stat(fs, space->path, &st) == 0) {
        if (space->reserve_bytes > 0 && st.allocated_bytes >= space->reserve_bytes &&
            st.allocated_bytes - space->reserve_bytes < BLOCK_BYTES_MAX)
            return;
        space->result = io_fs_unlink(fs, space->path);
    }
    if (space->result < 0 || space->reserve_bytes == 0)
        return;
    space->result = allocate(fs, space->path, space->reserve_bytes);
    if (space->result < 0)
        IGNORE_RESULT(io_fs_unlink(fs, space->path)); /* a part of it helps nobody */
}

static void reserve_done(struct io_job *job)
{
    struct space_job *space = CONTAINER_OF(job, struct space_job, job);
    space->reserved(space->context, space->index, space->result);
    job_free(space);
}

void log_dirs_reserve(struct log_dirs *dirs, uint32_t index, int64_t bytes,
                      void (*done)(void *context, uint32_t index, int error), void *context)
{
    ASSERT(index < dirs->count && bytes >= 0 && done != NULL);
    struct space_job *space =
        job_new(dirs, index, reserve_run, reserve_done, reserve_path(dirs, index));
    space->reserve_bytes = bytes;
    space->reserved = done;
    space->context = context;
    io_submit(dirs->io, NULL, &space->job);
}

bool log_dirs_release_reserve(struct log_dirs *dirs, uint32_t index)
{
    ASSERT(index < dirs->count);
    AUTO(mem_freep) char *path = reserve_path(dirs, index);
    return io_fs_unlink(dirs->fs, path) == 0;
}
