/* The cache of open files in order of use, and the lane of files to be removed: see log_files.h. */
#include "log/log_files.h"

#include "base/mem.h"
#include "wire/compress.h"

#include <errno.h>

/* Files to be unlinked once a time has come. */
struct removal {
    struct list link; /* among the waiting, by deadline */
    struct io_job job;
    struct log_files *files;
    int64_t deadline_ns;
    uint32_t count;
    char *paths[]; /* owned */
};

struct log_files {
    struct io *io;
    struct io_fs *fs;
    struct io_job_queue *lane; /* removals run in order, one at a time */
    struct list used;          /* struct log_file, least recently used first */
    uint32_t open_count;
    uint32_t open_max;
    struct list waiting; /* struct removal, by deadline */
    struct io_timer timer;
    uint32_t job_count; /* removals handed to workers */
    struct codec_contexts *codecs;
};

static void on_timer(struct io_timer *timer);

struct log_files *log_files_new(struct io *io, uint32_t open_max)
{
    struct log_files *files = MEM_NEW(struct log_files);
    files->io = io;
    files->fs = io_get_fs(io);
    files->lane = io_job_queue_new(io);
    files->open_max = MAX(open_max, (uint32_t)LOG_FILES_OPEN_MIN);
    list_init(&files->used);
    list_init(&files->waiting);
    files->timer.fire = on_timer;
    files->codecs = codec_contexts_new();
    return files;
}

static void removal_free(struct removal *removal)
{
    for (uint32_t i = 0; i < removal->count; i++)
        mem_free(removal->paths[i]);
    mem_free(removal);
}

void log_files_end_removals(struct log_files *files)
{
    while (!list_is_empty(&files->waiting))
        removal_free(LIST_ENTRY(list_pop_front(&files->waiting), struct removal, link));
    io_timer_cancel(files->io, &files->timer);
}

void log_files_free(struct log_files *files)
{
    if (files == NULL)
        return;
    ASSERT(list_is_empty(&files->used));
    ASSERT(files->job_count == 0);
    log_files_end_removals(files);
    io_job_queue_free(files->io, files->lane);
    codec_contexts_free(files->codecs);
    mem_free(files);
}

bool log_files_is_idle(const struct log_files *files)
{
    return files->job_count == 0;
}

struct codec_contexts *log_files_codecs(const struct log_files *files)
{
    return files->codecs;
}

struct io *log_files_io(const struct log_files *files)
{
    return files->io;
}

/* ---- open files ------------------------------------------------------------------------------ */

uint32_t log_files_open_count(const struct log_files *files)
{
    return files->open_count;
}

void log_file_close(struct log_files *files, struct log_file *slot)
{
    if (slot->file == NULL)
        return;
    if (list_is_linked(&slot->link)) {
        ASSERT(files != NULL && files->open_count > 0);
        list_remove(&slot->link);
        files->open_count--;
    }
    io_file_unref(TAKE(slot->file));
}

static void close_surplus(struct log_files *files, uint32_t open_max)
{
    while (files->open_count > open_max)
        log_file_close(files, LIST_ENTRY(files->used.next, struct log_file, link));
}

void log_files_set_open_max(struct log_files *files, uint32_t open_max)
{
    files->open_max = MAX(open_max, (uint32_t)LOG_FILES_OPEN_MIN);
    close_surplus(files, files->open_max);
}

void log_file_adopt(struct log_files *files, struct log_file *slot)
{
    if (slot->file == NULL || files == NULL)
        return;
    close_surplus(files, files->open_max - 1);
    list_push_back(&files->used, &slot->link);
    files->open_count++;
}

int log_file_get(struct log_files *files, struct log_file *slot, struct io_fs *fs, const char *path,
                 unsigned flags, struct io_file **out)
{
    if (slot->file != NULL) {
        if (files != NULL && files->used.prev != &slot->link) {
            list_remove(&slot->link);
            list_push_back(&files->used, &slot->link);
        }
        *out = slot->file;
        return 0;
    }
    int r = io_file_open(fs, path, flags, &slot->file);
    if ((r == -EMFILE || r == -ENFILE) && files != NULL && files->open_count > 0) {
        /* Others of the process used up what was meant for logs: make room and try once more. */
        close_surplus(files, files->open_count / 2);
        r = io_file_open(fs, path, flags, &slot->file);
    }
    if (r < 0)
        return r;
    log_file_adopt(files, slot);
    *out = slot->file;
    return 0;
}

/* ---- removal --------------------------------------------------------------------------------- */

static void removal_run(struct io_job *job)
{
    struct removal *removal = CONTAINER_OF(job, struct removal, job);
    for (uint32_t i = 0; i < removal->count; i++) {
        /* What cannot be removed now is found by its name at the next open. */
        IGNORE_RESULT(io_fs_unlink(removal->files->fs, removal->paths[i]));
    }
}

static void removal_done(struct io_job *job)
{
    struct removal *removal = CONTAINER_OF(job, struct removal, job);
    removal->files->job_count--;
    removal_free(removal);
}

static void submit(struct removal *removal)
{
    list_remove(&removal->link);
    removal->files->job_count++;
    io_submit(removal->files->io, removal->files->lane, &removal->job);
}

static void on_timer(struct io_timer *timer)
{
    struct log_files *files = CONTAINER_OF(timer, struct log_files, timer);
    const int64_t now_ns = io_monotonic_ns(files->io);
    while (!list_is_empty(&files->waiting)) {
        struct removal *first = LIST_ENTRY(files->waiting.next, struct removal, link);
        if (first->deadline_ns > now_ns) {
            io_timer_arm(files->io, timer, first->deadline_ns);
            return;
        }
        submit(first);
    }
}

void log_files_hurry(struct log_files *files)
{
    io_timer_cancel(files->io, &files->timer);
    while (!list_is_empty(&files->waiting))
        submit(LIST_ENTRY(files->waiting.next, struct removal, link));
}

/* Behind all that are due no later: delays differ by topic, so the place is sought from the end. */
static void add_waiting(struct log_files *files, struct removal *removal)
{
    struct list *before = files->waiting.prev;
    while (before != &files->waiting &&
           LIST_ENTRY(before, struct removal, link)->deadline_ns > removal->deadline_ns)
        before = before->prev;
    list_add_between_(&removal->link, before, before->next);
    if (files->waiting.next == &removal->link)
        io_timer_arm(files->io, &files->timer, removal->deadline_ns);
}

void log_files_remove_later(struct log_files *files, const char *const *paths, uint32_t count,
                            int64_t delay_ms)
{
    if (count == 0)
        return;
    struct removal *removal = mem_zalloc(sizeof(*removal) + count * sizeof(char *));
    removal->files = files;
    removal->job.run = removal_run;
    removal->job.done = removal_done;
    removal->count = count;
    for (uint32_t i = 0; i < count; i++)
        removal->paths[i] = mem_strdup(paths[i]);
    const int64_t delay_bounded_ms = MIN(MAX(delay_ms, INT64_C(0)), INT64_MAX / 2 / NS_PER_MS);
    removal->deadline_ns = io_monotonic_ns(files->io) + delay_bounded_ms * NS_PER_MS;
    add_waiting(files, removal);
}
