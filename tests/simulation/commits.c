/* See commits.h. */
#include "commits.h"

#include "base/mem.h"
#include "model.h"

#include <stdio.h>

#define METADATA_PREFIX "stamp "

/* A commit whose outcome is not known. */
struct open_commit {
    int64_t stamp;
    uint64_t life; /* of the broker, when it was sent */
    /* Found in the log at a power loss: what its client is told does not count any more. */
    bool is_of_log;
};

struct committed {
    int64_t done; /* stamp of the newest that was acknowledged; 0: none */
    VEC(struct open_commit) open;
};

struct group {
    char name[16];
    bool has_subscribers;
    bool has_classics;
    bool is_cooperative;
    struct committed committed[COMMITS_KEYS_MAX];
};

struct commits {
    const struct scene *scene;
    struct group groups[COMMITS_GROUPS_MAX];
    uint32_t group_count;
    struct commits_key keys[COMMITS_KEYS_MAX];
    uint32_t key_count;
    VEC(int64_t) offsets; /* by stamp; there is no stamp 0 */
};

struct commits *commits_new(const struct scene *scene)
{
    struct commits *c = MEM_NEW(struct commits);
    struct rng rng = scene_rng(scene, "commits");
    struct rng mixed = scene_rng(scene, "mixed");
    c->scene = scene;
    c->group_count = 1 + (uint32_t)rng_below(&rng, COMMITS_GROUPS_MAX);
    for (uint32_t i = 0; i < c->group_count; i++) {
        struct group *group = &c->groups[i];
        (void)snprintf(group->name, sizeof(group->name), "group%u", i);
        const bool is_of_subscribers = rng_chance(&rng, 400000);
        const bool is_mixed = rng_chance(&mixed, 350000);
        group->has_subscribers = is_of_subscribers || is_mixed;
        group->has_classics = !is_of_subscribers || is_mixed;
        group->is_cooperative = rng_chance(&mixed, 500000);
    }
    (void)VEC_PUSH(&c->offsets);
    for (uint32_t i = 0; i < model_plan_count(scene->model); i++) {
        const struct model_plan *plan = model_plan(scene->model, i);
        for (uint32_t k = 0; k < plan->partition_count && !plan->is_brief; k++) {
            if (c->key_count < COMMITS_KEYS_MAX)
                c->keys[c->key_count++] =
                    (struct commits_key){ .topic = plan->name, .partition = (int32_t)k };
        }
    }
    return c;
}

void commits_free(struct commits *c)
{
    for (uint32_t i = 0; i < COMMITS_GROUPS_MAX; i++) {
        for (uint32_t k = 0; k < COMMITS_KEYS_MAX; k++)
            VEC_DEINIT(&c->groups[i].committed[k].open);
    }
    VEC_DEINIT(&c->offsets);
    mem_free(c);
}

uint32_t commits_group_count(const struct commits *c)
{
    return c->group_count;
}

const char *commits_group_name(const struct commits *c, uint32_t group)
{
    return c->groups[group].name;
}

int commits_find_group(const struct commits *c, struct bytes name)
{
    for (uint32_t i = 0; i < c->group_count; i++) {
        if (bytes_equal_text(name, c->groups[i].name))
            return (int)i;
    }
    return -ERR_NOT_FOUND;
}

bool commits_has_subscribers(const struct commits *c, uint32_t group)
{
    return c->groups[group].has_subscribers;
}

bool commits_has_classics(const struct commits *c, uint32_t group)
{
    return c->groups[group].has_classics;
}

bool commits_is_mixed(const struct commits *c, uint32_t group)
{
    return c->groups[group].has_subscribers && c->groups[group].has_classics;
}

bool commits_is_cooperative(const struct commits *c, uint32_t group)
{
    return c->groups[group].is_cooperative;
}

uint32_t commits_key_count(const struct commits *c)
{
    return c->key_count;
}

struct commits_key commits_key(const struct commits *c, uint32_t key)
{
    return c->keys[key];
}

int commits_find_key(const struct commits *c, struct bytes topic, int32_t partition)
{
    for (uint32_t i = 0; i < c->key_count; i++) {
        if (c->keys[i].partition == partition && bytes_equal_text(topic, c->keys[i].topic))
            return (int)i;
    }
    return -ERR_NOT_FOUND;
}

/* ---- offsets --------------------------------------------------------------------------------- */

char *commits_metadata(int64_t stamp)
{
    return mem_printf(METADATA_PREFIX "%" PRId64, stamp);
}

int64_t commits_stamp_of(struct bytes metadata)
{
    const struct bytes prefix = BYTES_LITERAL(METADATA_PREFIX);
    int64_t stamp = 0;
    if (!bytes_starts_with(metadata, prefix) ||
        bytes_to_i64(bytes_slice(metadata, prefix.size, metadata.size), &stamp) < 0)
        model_fail("a committed offset has the metadata '%.*s'", BYTES_PRINTF(metadata));
    return stamp;
}

int64_t commits_begin(struct commits *c, uint32_t group, uint32_t key, int64_t offset)
{
    const int64_t stamp = (int64_t)c->offsets.count;
    VEC_ADD(&c->offsets, offset);
    VEC_ADD(&c->groups[group].committed[key].open,
            ((struct open_commit){ .stamp = stamp, .life = c->scene->life }));
    return stamp;
}

static struct open_commit *find_open(const struct committed *at, int64_t stamp)
{
    for (size_t i = 0; i < at->open.count; i++) {
        if (at->open.items[i].stamp == stamp)
            return &at->open.items[i];
    }
    return NULL;
}

static void remove_open(struct committed *at, const struct open_commit *open)
{
    VEC_REMOVE_AT(&at->open, (size_t)(open - at->open.items));
}

/* Something is known of this life of the broker: what was asked for in an earlier one has had its effect or never will. */
static void forget_earlier(struct committed *at, uint64_t life)
{
    size_t kept = 0;
    for (size_t i = 0; i < at->open.count; i++) {
        if (at->open.items[i].life == life)
            at->open.items[kept++] = at->open.items[i];
    }
    at->open.count = kept;
}

void commits_end(struct commits *c, uint32_t group, uint32_t key, int64_t stamp,
                 enum commits_outcome outcome)
{
    struct committed *at = &c->groups[group].committed[key];
    struct open_commit *open = find_open(at, stamp);
    if (open == NULL || open->is_of_log || outcome == COMMITS_UNKNOWN)
        return;
    const uint64_t life = open->life;
    remove_open(at, open);
    if (outcome == COMMITS_REFUSED)
        return;
    at->done = MAX(at->done, stamp);
    if (life == c->scene->life)
        forget_earlier(at, life);
}

struct commits_look commits_look(const struct commits *c, uint32_t group)
{
    struct commits_look look = { .life = c->scene->life };
    for (uint32_t i = 0; i < c->key_count; i++)
        look.done[i] = c->groups[group].committed[i].done;
    return look;
}

void commits_told(struct commits *c, uint32_t group, uint32_t key, const struct commits_look *look,
                  int64_t offset, struct bytes metadata)
{
    struct committed *at = &c->groups[group].committed[key];
    const char *topic = c->keys[key].topic;
    const int32_t partition = c->keys[key].partition;
    const int64_t done = look->done[key];
    if (look->life != c->scene->life)
        return;
    if (offset < 0) {
        if (done != 0)
            model_fail("%s has no committed offset for %s-%d, and commit %" PRId64
                       " was acknowledged",
                       c->groups[group].name, topic, partition, done);
        return;
    }
    const int64_t stamp = commits_stamp_of(metadata);
    if (stamp <= 0 || stamp >= (int64_t)c->offsets.count || c->offsets.items[stamp] != offset)
        model_fail("%s has offset %" PRId64 " for %s-%d with commit %" PRId64
                   ", which was of another offset",
                   c->groups[group].name, offset, topic, partition, stamp);
    const struct open_commit *open = find_open(at, stamp);
    if (stamp != done && open == NULL && !(stamp > done && stamp <= at->done))
        model_fail("%s has commit %" PRId64 " for %s-%d, but commit %" PRId64
                   " was acknowledged last, and %s",
                   c->groups[group].name, stamp, topic, partition, done,
                   stamp < done ? "the other is older" : "the other was refused");
    if (open != NULL) {
        /* What is told is written, whatever its client is told later. One of an earlier life came into effect before that
         * ended, and so after all that was acknowledged in it. */
        at->done = open->life == c->scene->life ? MAX(at->done, stamp) : stamp;
        remove_open(at, open);
    }
    forget_earlier(at, c->scene->life);
}

void commits_lose_begin(struct commits *c)
{
    for (uint32_t i = 0; i < c->group_count; i++) {
        for (uint32_t k = 0; k < c->key_count; k++) {
            c->groups[i].committed[k].done = 0;
            c->groups[i].committed[k].open.count = 0;
        }
    }
}

void commits_lose_commit(struct commits *c, uint32_t group, uint32_t key, int64_t stamp,
                         bool is_flushed)
{
    struct committed *at = &c->groups[group].committed[key];
    if (is_flushed) {
        at->open.count = 0;
        at->done = stamp;
    } else {
        VEC_ADD(&at->open, ((struct open_commit){
                               .stamp = stamp, .life = c->scene->life, .is_of_log = true }));
    }
}
