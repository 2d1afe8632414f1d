/* Finding and opening the logs of all directories at start. See log_dirs.h.
 *
 *   look     a job per directory lists it
 *   choose   on the loop: the owner says which are wanted, with what settings
 *   open     jobs per directory, each for a few logs, until all are open
 */
#include "log/dirs/log_dirs_int.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/topic_name.h"
#include "log/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOGS_PER_JOB       16u
#define PROGRESS_PERIOD_NS (2 * NS_PER_SECOND)

/* One directory of a partition. */
struct found {
    char topic[TOPIC_NAME_BYTES_MAX + 1];
    int32_t partition;
    struct uuid topic_id; /* as the owner knows it */
    bool is_wanted;       /* else it is renamed -stray */
    struct log_config config;
    struct uuid unique; /* for the name of one that is not wanted */
    struct log *log;    /* opened; its receiver's when told */
    int error;
    struct err_note note;
};

struct dir_load {
    struct io_job look;
    struct load *load;
    struct one_dir *dir;
    uint32_t index;
    VEC(struct found) found;
    VEC(char *) to_remove; /* paths of leftover -delete directories */
    VEC(char *) strange;   /* names that are no partition's */
    uint32_t stray_count;  /* partitions that an earlier start set aside */
    uint32_t next;         /* the first that no job has taken */
    uint32_t opened;
    int error; /* of the look */
    struct err_note note;
};

struct open_job {
    struct io_job job;
    struct dir_load *dir_load;
    uint32_t first;
    uint32_t count;
};

struct load {
    struct log_load params;
    struct io *io;
    struct io_fs *fs;
    uint32_t job_count;
    int64_t progress_ns;
    uint32_t dir_count;
    struct dir_load dirs[];
};

/* ---- look ------------------------------------------------------------------------------------ */

static void look_at_partition(struct dir_load *dl, const struct log_directory_name *parsed)
{
    if (strcmp(parsed->topic, LOG_METADATA_TOPIC) == 0)
        return;
    struct found *found = VEC_PUSH(&dl->found);
    memcpy(found->topic, parsed->topic, sizeof(found->topic));
    found->partition = parsed->partition;
}

static void look_at(struct dir_load *dl, const char *name)
{
    struct log_directory_name parsed;
    log_directory_name_parse(name, &parsed);
    if (parsed.kind == LOG_DIRECTORY_LIVE) {
        look_at_partition(dl, &parsed);
        return;
    }
    if (parsed.kind == LOG_DIRECTORY_DELETE) {
        VEC_ADD(&dl->to_remove, mem_printf("%s/%s", dl->dir->path, name));
        return;
    }
    if (parsed.kind == LOG_DIRECTORY_STRAY) {
        dl->stray_count++;
        return;
    }
    AUTO(mem_freep) char *path = mem_printf("%s/%s", dl->dir->path, name);
    struct io_stat st;
    if (strcmp(name, "remote-log-index-cache") != 0 && io_fs_stat(dl->load->fs, path, &st) == 0 &&
        st.is_directory)
        VEC_ADD(&dl->strange, mem_strdup(name));
}

static void look_run(struct io_job *job)
{
    struct dir_load *dl = CONTAINER_OF(job, struct dir_load, look);
    struct io_names names;
    dl->error = io_fs_list(dl->load->fs, dl->dir->path, LOG_DIR_NAMES_MAX, &names);
    if (dl->error < 0) {
        err_note(&dl->note, dl->error, "list log directory %s: %s", dl->dir->path,
                 err_sentence(dl->error));
        return;
    }
    for (uint32_t i = 0; i < names.count; i++)
        look_at(dl, names.items[i]);
    io_names_deinit(&names);
    if (dl->found.count == 0 && !dl->dir->has_recovery_points)
        dl->error = log_dir_begin(dl->load->fs, dl->dir->path, &dl->note);
    if (err_is_shortage(dl->error)) /* the first checkpoint says it */
        dl->error = 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void dir_load_deinit(struct dir_load *dl)
{
    for (size_t i = 0; i < dl->to_remove.count; i++)
        mem_free(dl->to_remove.items[i]);
    for (size_t i = 0; i < dl->strange.count; i++)
        mem_free(dl->strange.items[i]);
    VEC_DEINIT(&dl->to_remove);
    VEC_DEINIT(&dl->strange);
    VEC_DEINIT(&dl->found);
    log_dirs__checkpointed_clear(dl->dir, LOG_CHECKPOINT_RECOVERY_POINT);
    log_dirs__checkpointed_clear(dl->dir, LOG_CHECKPOINT_LOG_START);
    log_dirs__checkpointed_clear(dl->dir, LOG_CHECKPOINT_CLEANER);
}

/* Names in the checkpoints of which there is no log. */
static void tell_stale(const struct dir_load *dl)
{
    struct map held;
    map_init(&held, 0);
    char name[LOG_DIRECTORY_NAME_MAX + 1];
    for (size_t i = 0; i < dl->found.count; i++) {
        struct found *found = &dl->found.items[i];
        (void)snprintf(name, sizeof(name), "%s-%" PRId32, found->topic, found->partition);
        if (found->is_wanted)
            map_put(&held, bytes_from_text(name), found);
    }
    const struct log_load *params = &dl->load->params;
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        for (struct map_walk walk = { 0 }; map_next(&dl->dir->checkpointed[kind], &walk);) {
            if (map_get(&held, walk.key) != NULL)
                continue;
            AUTO(mem_freep) char *text = bytes_to_text(walk.key);
            struct log_directory_name parsed;
            log_directory_name_parse(text, &parsed);
            params->on_stale(params->context, dl->index, parsed.topic, parsed.partition);
        }
    }
    map_deinit(&held);
}

static void end_job(struct load *load)
{
    load->params.dirs->job_count--;
    if (--load->job_count > 0)
        return;
    for (uint32_t i = 0; i < load->dir_count && load->params.on_stale != NULL; i++) {
        if (load->dirs[i].dir->shown.is_online)
            tell_stale(&load->dirs[i]);
    }
    for (uint32_t i = 0; i < load->dir_count; i++)
        dir_load_deinit(&load->dirs[i]);
    const struct log_load params = load->params;
    mem_free(load);
    params.on_done(params.context);
}

static void begin_job(struct load *load, struct io_job *job)
{
    load->job_count++;
    load->params.dirs->job_count++;
    io_submit(load->io, NULL, job);
}

/* ---- open ------------------------------------------------------------------------------------ */

/* why: may be NULL. */
static void mark_stray(struct dir_load *dl, struct found *found, const char *why)
{
    AUTO(mem_freep)
    char *from = mem_printf("%s/%s-%" PRId32, dl->dir->path, found->topic, found->partition);
    AUTO(mem_freep)
    char *name =
        log_directory_name(found->topic, found->partition, found->unique, LOG_STRAY_SUFFIX);
    AUTO(mem_freep) char *to = mem_printf("%s/%s", dl->dir->path, name);
    found->error = io_fs_rename(dl->load->fs, from, to);
    if (found->error < 0)
        err_note(&found->note, found->error, "rename %s to %s: %s", from, to,
                 err_sentence(found->error));
    else if (why != NULL)
        err_note(&found->note, 0, "%s: it is set aside as %s", why, name);
    else
        err_note(&found->note, 0,
                 "%s is of no partition assigned to this node: it is set aside as %s", from, name);
}

static struct log_params params_of(const struct dir_load *dl, const struct found *found)
{
    const struct log_dirs *dirs = dl->load->params.dirs;
    return (struct log_params){
        .fs = dl->load->fs,
        .log_dir = dl->dir->path,
        .topic = found->topic,
        .partition = found->partition,
        .topic_id = found->topic_id,
        .config = &found->config,
        .had_clean_shutdown = dl->dir->shown.had_clean_shutdown,
        .recovery_point = log_dirs_checkpointed(dirs, dl->index, LOG_CHECKPOINT_RECOVERY_POINT,
                                                found->topic, found->partition),
        .is_recovery_point_known = dl->dir->has_recovery_points,
        .log_start_offset = log_dirs_checkpointed(dirs, dl->index, LOG_CHECKPOINT_LOG_START,
                                                  found->topic, found->partition),
        .cleaned_end = log_dirs_checkpointed(dirs, dl->index, LOG_CHECKPOINT_CLEANER, found->topic,
                                             found->partition),
        .now_ms = dl->load->params.now_ms,
        .seed = be_load_u64(found->unique.bytes),
    };
}

static void open_one(struct dir_load *dl, struct found *found)
{
    if (!found->is_wanted) {
        mark_stray(dl, found, NULL);
        return;
    }
    const struct log_params params = params_of(dl, found);
    found->error = log_open(&params, &found->log, &found->note);
    if (found->error == -ERR_EXISTS) { /* of a topic with this name that was deleted */
        found->is_wanted = false;
        const struct err_note why = found->note;
        mark_stray(dl, found, why.text);
    }
}

static void open_run(struct io_job *job)
{
    struct open_job *open = CONTAINER_OF(job, struct open_job, job);
    for (uint32_t i = 0; i < open->count; i++)
        open_one(open->dir_load, &open->dir_load->found.items[open->first + i]);
}

static void tell(struct dir_load *dl, struct found *found)
{
    const struct log_load *params = &dl->load->params;
    if (!found->is_wanted && found->error == 0) {
        DIAG_WARN(params->diag, "log", "%s", found->note.text);
    } else if (found->is_wanted && found->error < 0 && params->on_unopened != NULL) {
        const struct log_params again = params_of(dl, found);
        params->on_unopened(params->context, dl->index, &again, found->error, &found->note);
    } else {
        params->on_log(params->context, dl->index, found->log, found->error, &found->note);
    }
    found->log = NULL;
}

static void show_progress(struct load *load, const struct dir_load *dl)
{
    const int64_t now_ns = io_monotonic_ns(load->io);
    if (now_ns - load->progress_ns < PROGRESS_PERIOD_NS)
        return;
    load->progress_ns = now_ns;
    DIAG_INFO(load->params.diag, "log", "%s: %" PRIu32 " of %zu logs are open", dl->dir->path,
              dl->opened, dl->found.count);
}

static bool open_next(struct dir_load *dl, struct open_job *open);

static void open_done(struct io_job *job)
{
    struct open_job *open = CONTAINER_OF(job, struct open_job, job);
    struct dir_load *dl = open->dir_load;
    struct load *load = dl->load;
    for (uint32_t i = 0; i < open->count; i++)
        tell(dl, &dl->found.items[open->first + i]);
    dl->opened += open->count;
    show_progress(load, dl);
    if (!open_next(dl, open))
        mem_free(open);
    end_job(load);
}

/* Hands the next few logs of the directory to a worker; false when all are taken. */
static bool open_next(struct dir_load *dl, struct open_job *open)
{
    const uint32_t left = (uint32_t)dl->found.count - dl->next;
    if (left == 0)
        return false;
    open->first = dl->next;
    open->count = MIN(left, LOGS_PER_JOB);
    dl->next += open->count;
    begin_job(dl->load, &open->job);
    return true;
}

/* ---- choose ------------------------------------------------------------------------------------ */

static void announce(const struct dir_load *dl)
{
    const struct diag *diag = dl->load->params.diag;
    const char *path = dl->dir->path;
    if (dl->found.count > 0)
        DIAG_INFO(diag, "log", "%s: %s %zu logs%s", path,
                  dl->dir->shown.had_clean_shutdown ? "opening" : "recovering", dl->found.count,
                  dl->dir->shown.had_clean_shutdown ? "" : ", since it was not shut down cleanly");
    for (size_t i = 0; i < dl->strange.count; i++)
        DIAG_WARN(diag, "log", "%s/%s is not the directory of a partition: it is left alone", path,
                  dl->strange.items[i]);
    /* Each was told of when it was set aside. Apache Kafka tells of each again, at every start. */
    if (dl->stray_count > 0)
        DIAG_INFO(
            diag, "log",
            "%s: %" PRIu32
            " partitions that were set aside are kept under names that end in " LOG_STRAY_SUFFIX
            ", until somebody removes them",
            path, dl->stray_count);
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        if (dl->dir->checkpoint_notes[kind].text[0] != '\0')
            DIAG_WARN(diag, "log", "%s: it counts as absent", dl->dir->checkpoint_notes[kind].text);
    }
}

static void look_done(struct io_job *job)
{
    struct dir_load *dl = CONTAINER_OF(job, struct dir_load, look);
    struct load *load = dl->load;
    const struct log_load *params = &load->params;
    if (dl->error < 0) {
        params->on_log(params->context, dl->index, NULL, dl->error, &dl->note);
        end_job(load);
        return;
    }
    announce(dl);
    for (size_t i = 0; i < dl->to_remove.count; i++)
        log_dirs_remove_later(params->dirs, dl->index, dl->to_remove.items[i], 0);
    for (size_t i = 0; i < dl->found.count; i++) {
        struct found *found = &dl->found.items[i];
        found->is_wanted = params->want(params->context, found->topic, found->partition,
                                        &found->topic_id, &found->config);
        rng_fill(&params->dirs->rng, found->unique.bytes, sizeof(found->unique.bytes));
    }
    for (uint32_t i = 0; i < MAX(params->jobs_per_dir, 1u); i++) {
        struct open_job *open = MEM_NEW(struct open_job);
        open->job = (struct io_job){ .run = open_run, .done = open_done };
        open->dir_load = dl;
        if (!open_next(dl, open)) {
            mem_free(open);
            break;
        }
    }
    end_job(load);
}

void log_dirs_load(const struct log_load *params)
{
    struct log_dirs *dirs = params->dirs;
    struct load *load = mem_zalloc(sizeof(*load) + dirs->count * sizeof(struct dir_load));
    load->params = *params;
    load->io = dirs->io;
    load->fs = dirs->fs;
    load->progress_ns = io_monotonic_ns(dirs->io);
    load->dir_count = dirs->count;
    for (uint32_t i = 0; i < dirs->count; i++) {
        struct dir_load *dl = &load->dirs[i];
        dl->look = (struct io_job){ .run = look_run, .done = look_done };
        dl->load = load;
        dl->dir = &dirs->items[i];
        dl->index = i;
    }
    load->job_count++; /* so that the end comes last, even where nothing is online */
    dirs->job_count++;
    for (uint32_t i = 0; i < dirs->count; i++) {
        if (dirs->items[i].shown.is_online && !dirs->items[i].shown.is_for_metadata)
            begin_job(load, &load->dirs[i].look);
    }
    end_job(load);
}
