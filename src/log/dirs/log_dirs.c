/* The log directories of a node: locks, identity, placement, checkpoints. See log_dirs.h. */
#include "log/dirs/log_dirs_int.h"

#include "log/small_files.h"

#include "base/mem.h"
#include "base/topic_name.h"
#include "log/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOCK_NAME ".lock"

const char *log_checkpoint_file_name(enum log_checkpoint_kind kind)
{
    switch (kind) {
    case LOG_CHECKPOINT_RECOVERY_POINT:
        return "recovery-point-offset-checkpoint";
    case LOG_CHECKPOINT_LOG_START:
        return "log-start-offset-checkpoint";
    case LOG_CHECKPOINT_HIGH_WATERMARK:
        return "replication-offset-checkpoint";
    case LOG_CHECKPOINT_CLEANER:
        return "cleaner-offset-checkpoint";
    }
    ASSERT(false);
    return NULL;
}

/* ---- opening one ----------------------------------------------------------------------------- */

static int lock(struct log_dirs *dirs, struct one_dir *dir, struct err_note *note)
{
    AUTO(mem_freep) char *path = mem_printf("%s/%s", dir->path, LOCK_NAME);
    int r = io_file_open(dirs->fs, path, IO_OPEN_WRITE | IO_OPEN_CREATE, &dir->lock);
    if (r < 0)
        return err_note(note, r, "open %s: %s", path, err_sentence(r));
    r = io_file_lock(dir->lock);
    if (r == 0)
        return 0;
    if (r != -EWOULDBLOCK)
        return err_note(note, r, "lock %s: %s", path, err_sentence(r));
    return err_note(
        note, -ERR_LOCKED,
        "log directory %s is in use by another process (%s is locked): stop it, or give "
        "this node log.dirs of its own",
        dir->path, path);
}

/* A checkpoint that cannot be read counts as none: recovery reads more, and nothing is lost. */
static void read_checkpoints(struct log_dirs *dirs, struct one_dir *dir)
{
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
        AUTO(mem_freep)
        char *path = mem_printf("%s/%s", dir->path,
                                log_checkpoint_file_name((enum log_checkpoint_kind)kind));
        struct offset_checkpoint checkpoint;
        if (offset_checkpoint_read(dirs->fs, path, &checkpoint, &dir->checkpoint_notes[kind]) < 0)
            continue;
        struct io_stat st;
        if (kind == LOG_CHECKPOINT_RECOVERY_POINT)
            dir->has_recovery_points = io_fs_stat(dirs->fs, path, &st) == 0 && st.size_bytes > 0;
        for (size_t i = 0; i < checkpoint.entries.count; i++) {
            const struct offset_checkpoint_entry *entry = &checkpoint.entries.items[i];
            log_dirs__checkpointed_put(dir, (enum log_checkpoint_kind)kind, entry->topic,
                                       entry->partition, entry->offset);
        }
        offset_checkpoint_deinit(&checkpoint);
    }
}

/* Whose it is. Nothing is made or changed before all of them have been asked: a path may be mistyped, or its disk not
 * mounted. */
static int identify(struct log_dirs *dirs, struct one_dir *dir, struct err_note *note)
{
    const int r = meta_properties_read(dirs->fs, dir->path, &dir->meta, note);
    dir->is_formatted = r == 0;
    return r == -ENOENT ? 0 : r;
}

static int open_one(struct log_dirs *dirs, struct one_dir *dir, struct err_note *note)
{
    const int r = clean_shutdown_take(dirs->fs, dir->path, &dir->shown.previous_broker_epoch, note);
    if (r < 0)
        return r;
    dir->shown.had_clean_shutdown = r > 0;
    read_checkpoints(dirs, dir);
    return 0;
}

/* ---- agreement ------------------------------------------------------------------------------- */

static int check_against(const struct log_dirs_params *params, const struct one_dir *dir,
                         const struct one_dir *first, struct err_note *note)
{
    const struct meta_properties *meta = &dir->meta;
    AUTO(mem_freep) char *expected_cluster = bytes_to_text(params->cluster_id);
    const char *cluster_id = expected_cluster != NULL ? expected_cluster : first->meta.cluster_id;
    if (meta->cluster_id[0] != '\0' && strcmp(meta->cluster_id, cluster_id) != 0) {
        return err_note(
            note, -ERR_WRONG_CLUSTER,
            "%s/%s belongs to cluster %s, not %s: every log directory of a node belongs "
            "to one cluster",
            dir->path, META_PROPERTIES_NAME, meta->cluster_id, cluster_id);
    }
    const int32_t node_id = params->node_id >= 0 ? params->node_id : first->meta.node_id;
    if (meta->node_id >= 0 && meta->node_id != node_id) {
        return err_note(note, -ERR_WRONG_CLUSTER,
                        "%s/%s belongs to node %" PRId32 ", not %" PRId32
                        ": set node.id to %" PRId32 ", or give this node log.dirs of its own",
                        dir->path, META_PROPERTIES_NAME, meta->node_id, node_id, meta->node_id);
    }
    return 0;
}

/* An empty directory beside formatted ones is more often a disk that is not mounted than a new one, and what lay there
 * would begin anew. As Apache Kafka 4.3.1. */
static int check_formatted(const struct log_dirs *dirs, struct err_note *note)
{
    for (uint32_t i = 0; i < dirs->count; i++) {
        const struct one_dir *dir = &dirs->items[i];
        if (dir->shown.is_online && !dir->is_formatted)
            return err_note(
                note, -ERR_NOT_FORMATTED,
                "no %s in %s, beside formatted directories: mount its disk, or give a new "
                "one to kafka-storage.sh format --ignore-formatted",
                META_PROPERTIES_NAME, dir->path);
    }
    return 0;
}

static int check_agreement(struct log_dirs *dirs, const struct log_dirs_params *params,
                           struct err_note *note)
{
    const struct one_dir *first = NULL;
    for (uint32_t i = 0; i < dirs->count; i++) {
        const struct one_dir *dir = &dirs->items[i];
        if (!dir->shown.is_online || !dir->is_formatted)
            continue;
        first = first == NULL ? dir : first;
        const int r = check_against(params, dir, first, note);
        if (r < 0)
            return r;
        for (uint32_t j = 0; j < i; j++) {
            if (!uuid_is_zero(dir->meta.directory_id) &&
                uuid_equal(dir->meta.directory_id, dirs->items[j].meta.directory_id)) {
                return err_note(note, -ERR_EXISTS,
                                "%s and %s have the same directory.id: one is a copy of the other",
                                dirs->items[j].path, dir->path);
            }
        }
    }
    if (first == NULL) {
        return err_note(note, -ERR_NOT_FORMATTED,
                        "no %s in %s: format the log directories with kafka-storage.sh format",
                        META_PROPERTIES_NAME, dirs->items[0].path);
    }
    dirs->meta = first->meta;
    return check_formatted(dirs, note);
}

/* A directory without a directory.id gets one (KIP-858). */
static int complete_identity(struct log_dirs *dirs, struct one_dir *dir, struct err_note *note)
{
    if (!uuid_is_zero(dir->meta.directory_id))
        return 0;
    if (dir->meta.version == 0)
        return 0; /* left as it is: an upgrade from ZooKeeper days is kafka-storage's */
    dir->meta.directory_id = io_random_uuid(dirs->io);
    return meta_properties_write(dirs->fs, dir->path, &dir->meta, io_now_ms(dirs->io), note);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void take_offline(struct one_dir *dir)
{
    dir->shown.is_online = false;
    io_file_unref(TAKE(dir->lock));
}

/* Problems of the device take one directory offline; problems of what it says, or of who uses it,
 * end the start. */
static bool is_of_device(int error)
{
    return error > -ERR_FIRST_;
}

/* One step, for each directory that is online. */
static int for_all(struct log_dirs *dirs,
                   int (*step)(struct log_dirs *dirs, struct one_dir *dir, struct err_note *note),
                   struct err_note *note)
{
    int last_error = 0;
    uint32_t online = 0;
    for (uint32_t i = 0; i < dirs->count; i++) {
        struct one_dir *dir = &dirs->items[i];
        if (!dir->shown.is_online)
            continue;
        struct err_note own = { "" };
        const int r = step(dirs, dir, &own);
        if (r == 0) {
            online += !dir->shown.is_for_metadata;
            continue;
        }
        dir->failure = own;
        if (note != NULL)
            *note = own;
        if (!is_of_device(r))
            return r;
        take_offline(dir);
        last_error = r;
    }
    return online > 0 ? 0 : last_error;
}

static int check_paths(const struct log_dirs_params *params, struct err_note *note)
{
    if (params->path_count == 0 || params->path_count > LOG_DIRS_MAX) {
        return err_note(note, -ERR_LIMIT, "log.dirs names %" PRIu32 " directories, not 1 to %d",
                        params->path_count, LOG_DIRS_MAX);
    }
    for (uint32_t i = 0; i < params->path_count; i++) {
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(params->paths[i], params->paths[j]) == 0)
                return err_note(note, -ERR_EXISTS, "log.dirs names %s twice", params->paths[i]);
        }
    }
    return 0;
}

static bool has_metadata_apart(const struct log_dirs_params *params)
{
    bool is_known = params->metadata_path == NULL;
    for (uint32_t i = 0; i < params->path_count; i++)
        is_known |= !is_known && strcmp(params->paths[i], params->metadata_path) == 0;
    return !is_known;
}

static void init_one(struct log_dirs *dirs, struct one_dir *dir, const char *path)
{
    dir->path = mem_strdup(path);
    dir->shown =
        (struct log_dir){ .path = dir->path, .is_online = true, .previous_broker_epoch = -1 };
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++)
        map_init(&dir->checkpointed[kind], rng_u64(&dirs->rng));
}

int log_dirs_open(const struct log_dirs_params *params, struct log_dirs **out,
                  struct err_note *note)
{
    int r = check_paths(params, note);
    if (r < 0)
        return r;
    struct log_dirs *dirs = MEM_NEW(struct log_dirs);
    dirs->io = params->io;
    dirs->fs = io_get_fs(params->io);
    dirs->rng = rng_from_seed(params->seed);
    const bool has_extra = has_metadata_apart(params);
    dirs->count = params->path_count + has_extra;
    list_init(&dirs->removals);
    dirs->items = MEM_NEW_ARRAY(struct one_dir, dirs->count);
    for (uint32_t i = 0; i < params->path_count; i++)
        init_one(dirs, &dirs->items[i], params->paths[i]);
    if (has_extra) {
        init_one(dirs, &dirs->items[params->path_count], params->metadata_path);
        dirs->items[params->path_count].shown.is_for_metadata = true;
    }

    r = for_all(dirs, identify, note);
    if (r == 0)
        r = check_agreement(dirs, params, note);
    if (r == 0)
        r = for_all(dirs, lock, note);
    if (r == 0)
        r = for_all(dirs, open_one, note);
    for (uint32_t i = 0; i < dirs->count && r == 0; i++) {
        struct one_dir *dir = &dirs->items[i];
        if (dir->shown.is_online)
            r = complete_identity(dirs, dir, note);
        dir->shown.id = dir->meta.directory_id;
    }
    if (r < 0) {
        log_dirs_free(dirs);
        return r;
    }
    *out = dirs;
    return 0;
}

/* ---- what there is --------------------------------------------------------------------------- */

uint32_t log_dirs_count(const struct log_dirs *dirs)
{
    return dirs->count;
}

const struct log_dir *log_dirs_at(const struct log_dirs *dirs, uint32_t index)
{
    ASSERT(index < dirs->count);
    return &dirs->items[index].shown;
}

const struct err_note *log_dirs_failure(const struct log_dirs *dirs, uint32_t index)
{
    ASSERT(index < dirs->count);
    return &dirs->items[index].failure;
}

int log_dirs_find(const struct log_dirs *dirs, const char *path)
{
    for (uint32_t i = 0; i < dirs->count; i++) {
        if (strcmp(dirs->items[i].path, path) == 0)
            return (int)i;
    }
    return -ERR_NOT_FOUND;
}

const struct meta_properties *log_dirs_meta(const struct log_dirs *dirs)
{
    return &dirs->meta;
}

static char *find_partition_in(const struct log_dirs *dirs, const char *path)
{
    struct io_names names;
    char *found = NULL;
    if (io_fs_list(dirs->fs, path, LOG_DIR_NAMES_MAX, &names) < 0)
        return NULL; /* loading will say more */
    for (uint32_t i = 0; i < names.count && found == NULL; i++) {
        struct log_directory_name parsed;
        log_directory_name_parse(names.items[i], &parsed);
        if (parsed.kind == LOG_DIRECTORY_LIVE && strcmp(parsed.topic, LOG_METADATA_TOPIC) != 0)
            found = mem_printf("%s/%s", path, names.items[i]);
    }
    io_names_deinit(&names);
    return found;
}

char *log_dirs_find_partition(const struct log_dirs *dirs)
{
    char *found = NULL;
    for (uint32_t i = 0; i < dirs->count && found == NULL; i++) {
        if (dirs->items[i].shown.is_online)
            found = find_partition_in(dirs, dirs->items[i].path);
    }
    return found;
}

int log_dirs_choose(const struct log_dirs *dirs)
{
    int best = -ERR_NOT_FOUND;
    for (uint32_t i = 0; i < dirs->count; i++) {
        const struct log_dir *dir = &dirs->items[i].shown;
        if (dir->is_online && !dir->is_for_metadata &&
            (best < 0 || dir->log_count < dirs->items[best].shown.log_count))
            best = (int)i;
    }
    return best;
}

void log_dirs_place(struct log_dirs *dirs, uint32_t index)
{
    ASSERT(index < dirs->count);
    dirs->items[index].shown.log_count++;
}

void log_dirs_unplace(struct log_dirs *dirs, uint32_t index)
{
    ASSERT(index < dirs->count && dirs->items[index].shown.log_count > 0);
    dirs->items[index].shown.log_count--;
}

uint32_t log_dirs_fail(struct log_dirs *dirs, uint32_t index)
{
    ASSERT(index < dirs->count);
    take_offline(&dirs->items[index]);
    uint32_t left = 0;
    for (uint32_t i = 0; i < dirs->count; i++)
        left += dirs->items[i].shown.is_online && !dirs->items[i].shown.is_for_metadata;
    return left;
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* "<topic>-<partition>": as a directory's name, which no other partition shares. */
static struct bytes key_of(char *buffer, size_t size, const char *topic, int32_t partition)
{
    const int n = snprintf(buffer, size, "%s-%" PRId32, topic, partition);
    return bytes_from(buffer, MIN((size_t)n, size - 1));
}

void log_dirs__checkpointed_put(struct one_dir *dir, enum log_checkpoint_kind kind,
                                const char *topic, int32_t partition, int64_t offset)
{
    char buffer[TOPIC_NAME_BYTES_MAX + 16];
    mem_free(map_put(&dir->checkpointed[kind], key_of(buffer, sizeof(buffer), topic, partition),
                     mem_dup(&offset, sizeof(offset))));
}

void log_dirs__checkpointed_clear(struct one_dir *dir, enum log_checkpoint_kind kind)
{
    for (struct map_walk walk = { 0 }; map_next(&dir->checkpointed[kind], &walk);)
        mem_free(walk.value);
    map_clear(&dir->checkpointed[kind]);
}

int64_t log_dirs_checkpointed(const struct log_dirs *dirs, uint32_t index,
                              enum log_checkpoint_kind kind, const char *topic, int32_t partition)
{
    ASSERT(index < dirs->count);
    char buffer[TOPIC_NAME_BYTES_MAX + 16];
    const int64_t *offset = map_get(&dirs->items[index].checkpointed[kind],
                                    key_of(buffer, sizeof(buffer), topic, partition));
    return offset == NULL ? 0 : *offset;
}

/* One replacement of a file. Later requests for the same file wait, the newest of them wins; those that it has overtaken
 * hear what became of it. */
struct checkpoint_job {
    struct checkpoint_job *overtaken; /* owned; the one before, which has others in turn */
    struct io_job job;
    struct log_dirs *dirs;
    uint32_t index;
    enum log_checkpoint_kind kind;
    struct offset_checkpoint entries; /* owned */
    char *path;                       /* owned */
    void (*done)(void *context, uint32_t index, int error);
    void *context;
    int result;
};

static void checkpoint_run(struct io_job *job)
{
    struct checkpoint_job *write = CONTAINER_OF(job, struct checkpoint_job, job);
    struct one_dir *dir = &write->dirs->items[write->index];
    write->result = offset_checkpoint_write(write->dirs->fs, write->path, &write->entries,
                                            &dir->checkpoint_written[write->kind], NULL);
}

/* Tells the result to all that have asked, and frees what they have asked with. */
static void checkpoint_free(struct checkpoint_job *write, int result)
{
    while (write != NULL) {
        struct checkpoint_job *overtaken = write->overtaken;
        if (write->done != NULL)
            write->done(write->context, write->index, result);
        offset_checkpoint_deinit(&write->entries);
        mem_free(write->path);
        mem_free(write);
        write = overtaken;
    }
}

static void checkpoint_done(struct io_job *job)
{
    struct checkpoint_job *write = CONTAINER_OF(job, struct checkpoint_job, job);
    struct log_dirs *dirs = write->dirs;
    struct one_dir *dir = &dirs->items[write->index];
    struct checkpoint_job *next = dir->next_checkpoint[write->kind];
    dir->is_checkpointing[write->kind] = next != NULL;
    dir->next_checkpoint[write->kind] = NULL;
    if (next != NULL)
        io_submit(dirs->io, NULL, &next->job);
    dirs->job_count--;
    checkpoint_free(write, write->result);
}

void log_dirs_checkpoint(struct log_dirs *dirs, uint32_t index, enum log_checkpoint_kind kind,
                         struct offset_checkpoint *entries,
                         void (*done)(void *context, uint32_t index, int error), void *context)
{
    ASSERT(index < dirs->count);
    struct one_dir *dir = &dirs->items[index];
    struct checkpoint_job *write = MEM_NEW(struct checkpoint_job);
    write->job = (struct io_job){ .run = checkpoint_run, .done = checkpoint_done };
    write->dirs = dirs;
    write->index = index;
    write->kind = kind;
    write->entries = *entries;
    *entries = (struct offset_checkpoint){ 0 };
    write->path = mem_printf("%s/%s", dir->path, log_checkpoint_file_name(kind));
    write->done = done;
    write->context = context;
    if (!dir->is_checkpointing[kind]) {
        dir->is_checkpointing[kind] = true;
        dirs->job_count++;
        io_submit(dirs->io, NULL, &write->job);
        return;
    }
    /* What was to follow is overtaken before it began: what it would have said is said by this
     * one. */
    write->overtaken = dir->next_checkpoint[kind];
    dirs->job_count += write->overtaken == NULL;
    dir->next_checkpoint[kind] = write;
}

int log_dir_begin(struct io_fs *fs, const char *path, struct err_note *note)
{
    const struct offset_checkpoint none = { 0 };
    AUTO(mem_freep)
    char *file = mem_printf("%s/%s", path, log_checkpoint_file_name(LOG_CHECKPOINT_RECOVERY_POINT));
    return offset_checkpoint_write(fs, file, &none, NULL, note);
}

int log_dir_mark_clean(struct io_fs *fs, const char *path, int64_t broker_epoch,
                       struct err_note *note)
{
    return clean_shutdown_leave(fs, path, broker_epoch, note);
}

/* ---- removal --------------------------------------------------------------------------------- */

struct tree_removal {
    struct list link; /* while its time has not come */
    struct io_job job;
    struct io_timer timer;
    struct log_dirs *dirs;
    struct one_dir *dir; /* that it is in */
    uint64_t rename;     /* which of the directory's */
    uint64_t synced;     /* so many of them, by the job; 0: none, or they could not be */
    char *path;          /* owned */
};

static void tree_removal_free(struct tree_removal *removal)
{
    mem_free(removal->path);
    mem_free(removal);
}

static void tree_removal_run(struct io_job *job)
{
    struct tree_removal *removal = CONTAINER_OF(job, struct tree_removal, job);
    /* A power loss must not bring a part of it back under its old name, which may be another topic's by now. What stays
     * is found by its -delete name at the next start. */
    if (removal->synced > 0 && io_fs_sync_directory(removal->dirs->fs, removal->dir->path) < 0) {
        removal->synced = 0;
        return;
    }
    IGNORE_RESULT(io_fs_remove_tree(removal->dirs->fs, removal->path));
}

static void tree_removal_done(struct io_job *job)
{
    struct tree_removal *removal = CONTAINER_OF(job, struct tree_removal, job);
    removal->dir->renames_synced = MAX(removal->dir->renames_synced, removal->synced);
    removal->dirs->job_count--;
    tree_removal_free(removal);
}

static void tree_removal_due(struct io_timer *timer)
{
    struct tree_removal *removal = CONTAINER_OF(timer, struct tree_removal, timer);
    list_remove(&removal->link);
    removal->dirs->job_count++;
    if (removal->dir->renames_synced < removal->rename)
        removal->synced = removal->dir->renamed;
    io_submit(removal->dirs->io, NULL, &removal->job);
}

void log_dirs_remove_later(struct log_dirs *dirs, uint32_t index, const char *path,
                           int64_t delay_ms)
{
    ASSERT(index < dirs->count);
    struct tree_removal *removal = MEM_NEW(struct tree_removal);
    removal->job = (struct io_job){ .run = tree_removal_run, .done = tree_removal_done };
    removal->timer.fire = tree_removal_due;
    removal->dirs = dirs;
    removal->dir = &dirs->items[index];
    removal->rename = ++removal->dir->renamed;
    removal->path = mem_strdup(path);
    list_push_back(&dirs->removals, &removal->link);
    io_timer_arm_after(dirs->io, &removal->timer, MAX(delay_ms, INT64_C(0)));
}

void log_dirs_hurry_removals(struct log_dirs *dirs)
{
    while (!list_is_empty(&dirs->removals)) {
        struct tree_removal *removal = LIST_ENTRY(dirs->removals.next, struct tree_removal, link);
        io_timer_cancel(dirs->io, &removal->timer);
        tree_removal_due(&removal->timer);
    }
}

void log_dirs_end_removals(struct log_dirs *dirs)
{
    while (!list_is_empty(&dirs->removals)) {
        struct tree_removal *removal =
            LIST_ENTRY(list_pop_front(&dirs->removals), struct tree_removal, link);
        io_timer_cancel(dirs->io, &removal->timer);
        tree_removal_free(removal);
    }
}

/* ---- the end --------------------------------------------------------------------------------- */

bool log_dirs_is_idle(const struct log_dirs *dirs)
{
    return dirs->job_count == 0;
}

void log_dirs_free(struct log_dirs *dirs)
{
    if (dirs == NULL)
        return;
    ASSERT(dirs->job_count == 0);
    log_dirs_end_removals(dirs);
    for (uint32_t i = 0; i < dirs->count; i++) {
        struct one_dir *dir = &dirs->items[i];
        io_file_unref(dir->lock);
        for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++) {
            log_dirs__checkpointed_clear(dir, (enum log_checkpoint_kind)kind);
            map_deinit(&dir->checkpointed[kind]);
        }
        mem_free(dir->path);
    }
    mem_free(dirs->items);
    mem_free(dirs);
}
