/* Names of logs that have gone.
 *
 *   LEAVING ── its directory is renamed ──► GONE ── a checkpoint begins ──► FORGOTTEN ── it is written ──► (no more)
 *
 * Checkpoints know logs by their names alone. Until those that tell of a deleted log are written anew, a topic that is made
 * again under its name must not get a log: after a crash it would be believed to be flushed, or to begin, where the other did.
 * Nor before the directory of the other has left its place. A partition that comes in between waits (is_held).
 */
#include "replica/replicas_int.h"

#include "base/mem.h"
#include "base/topic_name.h"

#include <stdio.h>

enum departed_state { DEPARTED_LEAVING, DEPARTED_GONE, DEPARTED_FORGOTTEN };

struct departed {
    char name[TOPIC_NAME_BYTES_MAX + 16]; /* "<topic>-<partition>" */
    uint32_t log_dir_index;
    enum departed_state state;
};

static void print_name(char *out, size_t size, const char *topic, int32_t index)
{
    (void)snprintf(out, size, "%s-%" PRId32, topic,
                   index); /* topics are not longer than Kafka's limit */
}

static struct departed *find(const struct replicas *r, uint32_t log_dir_index, const char *topic,
                             int32_t index)
{
    char name[TOPIC_NAME_BYTES_MAX + 16];
    print_name(name, sizeof(name), topic, index);
    return map_get(&r->dir_states[log_dir_index].departed, bytes_from_text(name));
}

static struct departed *add(struct replicas *r, uint32_t log_dir_index, const char *topic,
                            int32_t index)
{
    struct departed *d = find(r, log_dir_index, topic, index);
    if (d != NULL)
        return d;
    d = MEM_NEW(struct departed);
    print_name(d->name, sizeof(d->name), topic, index);
    d->log_dir_index = log_dir_index;
    map_put(&r->dir_states[log_dir_index].departed, bytes_from_text(d->name), d);
    return d;
}

void replicas__leaving(struct replicas *r, uint32_t log_dir_index, const char *topic, int32_t index)
{
    add(r, log_dir_index, topic, index)->state = DEPARTED_LEAVING;
}

void replicas__gone(struct replicas *r, uint32_t log_dir_index, const char *topic, int32_t index)
{
    add(r, log_dir_index, topic, index)->state = DEPARTED_GONE;
    r->dir_states[log_dir_index].has_gone = true;
}

bool replicas__is_departing(const struct replicas *r, const char *topic, int32_t index)
{
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++) {
        if (log_dirs_at(r->dirs, dir)->is_online && find(r, dir, topic, index) != NULL)
            return true;
    }
    return false;
}

/* The checkpoints of a directory say nothing of the forgotten any more; or they could not be written. */
static void settle(struct replicas *r, uint32_t log_dir_index, bool is_written)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    for (struct map_walk walk = { 0 }; map_next(&dir->departed, &walk);) {
        struct departed *d = walk.value;
        if (d->state != DEPARTED_FORGOTTEN)
            continue;
        if (!is_written) {
            d->state = DEPARTED_GONE; /* the next checkpoint has it again */
            continue;
        }
        map_remove(&dir->departed, walk.key);
        mem_free(d);
    }
    if (is_written)
        replicas__open_held(r);
}

static void on_renewed(void *context, uint32_t log_dir_index, int error)
{
    struct replicas *r = context;
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    dir->renewal_error = error < 0 ? error : dir->renewal_error;
    if (--dir->renewing_count > 0)
        return;
    settle(r, log_dir_index, dir->renewal_error == 0);
    replicas__checkpointed(r, log_dir_index, dir->renewal_error);
}

void replicas__checkpoint_dir(struct replicas *r, uint32_t log_dir_index)
{
    struct replicas_dir *dir = &r->dir_states[log_dir_index];
    if (dir->renewing_count > 0)
        return; /* what has changed since waits for the next one */
    dir->has_gone = false;
    for (struct map_walk walk = { 0 }; map_next(&dir->departed, &walk);) {
        struct departed *d = walk.value;
        if (d->state == DEPARTED_GONE)
            d->state = DEPARTED_FORGOTTEN;
    }
    struct offset_checkpoint kinds[LOG_CHECKPOINT_KINDS] = { 0 };
    replicas__gather(r, log_dir_index, kinds);
    add_foreign_recovery_points(r, log_dir_index, &kinds[LOG_CHECKPOINT_RECOVERY_POINT]);
    dir->renewing_count = LOG_CHECKPOINT_KINDS;
    dir->renewal_error = 0;
    for (int kind = 0; kind < LOG_CHECKPOINT_KINDS; kind++)
        log_dirs_checkpoint(r->dirs, log_dir_index, (enum log_checkpoint_kind)kind, &kinds[kind],
                            on_renewed, r);
}

void replicas__forget_gone(struct replicas *r)
{
    if (!r->is_loaded)
        return; /* as replicas_checkpoint */
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs) && !r->is_closing; dir++) {
        if (r->dir_states[dir].has_gone && r->dir_states[dir].renewing_count == 0 &&
            log_dirs_at(r->dirs, dir)->is_online)
            replicas__checkpoint_dir(r, dir);
    }
}

void replicas__departed_deinit(struct replicas *r)
{
    for (uint32_t dir = 0; dir < log_dirs_count(r->dirs); dir++) {
        for (struct map_walk walk = { 0 }; map_next(&r->dir_states[dir].departed, &walk);)
            mem_free(walk.value);
        map_deinit(&r->dir_states[dir].departed);
    }
}
