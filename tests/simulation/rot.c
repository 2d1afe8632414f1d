/* See rot.h. */
#include "rot.h"

#include "base/mem.h"
#include "base/vec.h"
#include "model.h"
#include "sim_broker.h"
#include "wire/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLIPS_MAX            6 /* of one history */
#define COORDINATOR_LOGS_MAX 3 /* partitions */
#define TRIES                20
#define LENGTH_AT            8 /* the first byte that is checked */
#define EPOCH_AT             12
#define MAGIC_AT             16
#define CHECKPOINT           SIM_BROKER_DIR "/recovery-point-offset-checkpoint"
#define DAMAGE_WORDS         "the batch at byte "
#define ASIDE_WORDS          " is not compacted any more until it is opened again: "
#define GROUPS_WORDS         " cannot be loaded, its groups are not served: "
#define TRANSACTIONS_WORDS   " cannot be loaded, its transactions are not served: "

/* A log that bits flip in. */
struct place {
    const struct model_partition *partition; /* NULL: of a coordinator */
    const char *topic;
    int32_t index;
    bool has_gaps; /* that compaction leaves */
};

struct flip {
    struct place in;
    char *path;       /* owned: of the file */
    size_t position;  /* of the batch */
    uint8_t *damaged; /* owned: the batch as it is now */
    size_t size_bytes;
    size_t byte; /* of the batch */
    unsigned bit;
    int64_t first_offset;
    int64_t last_offset;
    int64_t lowest;        /* behind the batch before it */
    int64_t behind;        /* the first of the batch behind it */
    uint64_t told_in_life; /* + 1: the node has said so; 0: it has not */
};

struct rot {
    struct scene *scene;
    VEC(struct flip) flips;
};

struct rot *rot_new(struct scene *scene)
{
    struct rot *rot = MEM_NEW(struct rot);
    rot->scene = scene;
    return rot;
}

void rot_free(struct rot *rot)
{
    for (size_t i = 0; i < rot->flips.count; i++) {
        mem_free(rot->flips.items[i].path);
        mem_free(rot->flips.items[i].damaged);
    }
    VEC_DEINIT(&rot->flips);
    mem_free(rot);
}

static struct sim_disk *disk_of(const struct rot *rot)
{
    return sim_node_disk(sim_broker_node(rot->scene->broker));
}

/* ---- what is damaged now ------------------------------------------------------------------------ */

static bool is_in(const struct flip *flip, const uint8_t *data, size_t size_bytes)
{
    return flip->position + flip->size_bytes <= size_bytes &&
           memcmp(data + flip->position, flip->damaged, flip->size_bytes) == 0;
}

/* Compaction may have written the file anew, deletion removed it. */
static bool is_there(const struct rot *rot, const struct flip *flip)
{
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    return sim_disk_look(disk_of(rot), SIM_VOLATILE, flip->path, &data, &size) == 0 &&
           is_in(flip, data, size);
}

static struct flip *find_at(const struct rot *rot, const struct model_partition *partition,
                            int64_t offset)
{
    for (size_t i = 0; i < rot->flips.count; i++) {
        struct flip *flip = &rot->flips.items[i];
        if (flip->in.partition == partition && flip->lowest <= offset && offset < flip->behind &&
            is_there(rot, flip))
            return flip;
    }
    return NULL;
}

bool rot_covers(const struct rot *rot, const struct model_partition *partition, int64_t offset,
                int64_t *out_next)
{
    const struct flip *flip = find_at(rot, partition, offset);
    if (flip != NULL)
        *out_next = flip->behind;
    return flip != NULL;
}

bool rot_has(const struct rot *rot, const struct model_partition *partition)
{
    for (size_t i = 0; i < rot->flips.count; i++) {
        if (rot->flips.items[i].in.partition == partition && is_there(rot, &rot->flips.items[i]))
            return true;
    }
    return false;
}

/* The flip's file, or the same one under the name that compaction gave it first: a power loss may bring that back. */
static bool is_of(const struct flip *flip, const char *path)
{
    const size_t size = strlen(flip->path);
    return strncmp(flip->path, path, size) == 0 &&
           (path[size] == '\0' || strcmp(path + size, ".swap") == 0);
}

void rot_heal(const struct rot *rot, const char *path, uint8_t *data, size_t size_bytes)
{
    for (size_t i = rot->flips.count;
         i-- > 0;) { /* the last first: of two in one batch it holds both */
        const struct flip *flip = &rot->flips.items[i];
        if (is_of(flip, path) && is_in(flip, data, size_bytes))
            data[flip->position + flip->byte] ^= (uint8_t)(1u << flip->bit);
    }
}

/* ---- what the node says of it -------------------------------------------------------------------- */

void rot_told(const struct rot *rot, const struct model_partition *partition, int64_t offset)
{
    const struct flip *flip = find_at(rot, partition, offset);
    if (flip != NULL && flip->told_in_life != rot->scene->life + 1)
        model_fail("%s-%d: offset %" PRId64
                   " is said to be damaged, and the node's log does not name the batch",
                   partition->topic->plan->name, partition->index, offset);
}

/* `… <path>: the batch at byte N, offsets from A to B, is damaged: …` */
static bool is_named(const struct flip *flip, const char *text)
{
    char words[200];
    (void)snprintf(words, sizeof(words), "%s-%d: %s: " DAMAGE_WORDS "%zu, offsets from ",
                   flip->in.topic, flip->in.index, flip->path, flip->position);
    if (strncmp(text, words, strlen(words)) != 0)
        return false;
    char *rest;
    const int64_t first = strtoll(text + strlen(words), &rest, 10);
    const int64_t last =
        strncmp(rest, " to ", 4) == 0 ? strtoll(rest + 4, &rest, 10) : flip->behind - 1;
    return strncmp(rest, ", is damaged: ", 14) == 0 || strncmp(rest, " on, is damaged: ", 17) == 0
               ? (flip->in.has_gaps ? first >= flip->lowest && first <= flip->first_offset &&
                                          last >= flip->last_offset && last < flip->behind
                                    : first == flip->first_offset && last == flip->last_offset)
               : false;
}

static bool explains_damage(struct rot *rot, const char *text)
{
    for (size_t i = 0; i < rot->flips.count; i++) {
        struct flip *flip = &rot->flips.items[i];
        if (!is_named(flip, text) || !is_there(rot, flip))
            continue;
        /* A topic's log that is opened again is another one, and so is a segment that compaction made. */
        if (flip->told_in_life == rot->scene->life + 1)
            model_fail("the broker says it twice: %s", text);
        flip->told_in_life = rot->scene->life + 1;
        return true;
    }
    return false;
}

/* What a damaged log is not used for any more. */
static bool explains_setting_aside(const struct rot *rot, const char *text, const char *of)
{
    for (size_t i = 0; i < rot->flips.count; i++) {
        char words[200];
        const struct flip *flip = &rot->flips.items[i];
        (void)snprintf(words, sizeof(words), "%s-%d%s", flip->in.topic, flip->in.index, of);
        if (strncmp(text, words, strlen(words)) == 0 && strstr(text, flip->path) != NULL &&
            is_there(rot, flip))
            return true;
    }
    return false;
}

bool rot_explains(struct rot *rot, const char *text)
{
    return explains_damage(rot, text) || explains_setting_aside(rot, text, ASIDE_WORDS) ||
           explains_setting_aside(rot, text, GROUPS_WORDS) ||
           explains_setting_aside(rot, text, TRANSACTIONS_WORDS);
}

/* ---- flips -------------------------------------------------------------------------------------- */

static struct place place_of(const struct model_partition *partition)
{
    const struct model_plan *plan = partition->topic->plan;
    return (struct place){ .partition = partition,
                           .topic = plan->name,
                           .index = partition->index,
                           .has_gaps = plan->is_compacted };
}

static char *directory_of(struct place place)
{
    return mem_printf(SIM_BROKER_DIR "/%s-%d", place.topic, place.index);
}

/* Where the log's checkpoint says that recovery would begin; -1: it has no line. */
static int64_t recovery_point(const struct rot *rot, struct place place)
{
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    if (sim_disk_look(disk_of(rot), SIM_STABLE, CHECKPOINT, &data, &size) < 0)
        return -1;
    AUTO(mem_freep) char *text = mem_strndup((const char *)data, size);
    AUTO(mem_freep) char *name = mem_printf("\n%s %d ", place.topic, place.index);
    const char *line = strstr(text, name);
    return line == NULL ? -1 : strtoll(line + strlen(name), NULL, 10);
}

/* A segment by chance that ends at or below it: its base, and that of the next. */
static bool choose_segment(const struct rot *rot, const char *directory, int64_t end,
                           struct rng *rng, int64_t *out_base, int64_t *out_next)
{
    struct io_names names;
    VEC(int64_t) bases = { 0 };
    if (sim_disk_look_in(disk_of(rot), SIM_VOLATILE, directory, &names) < 0)
        return false;
    for (uint32_t i = 0; i < names.count; i++) {
        if (strnlen(names.items[i], 30) == 24 && strcmp(names.items[i] + 20, ".log") == 0)
            VEC_ADD(&bases, strtoll(names.items[i], NULL, 10));
    }
    io_names_deinit(&names);
    size_t count = 0; /* of those that are followed by another below the end */
    while (count + 1 < bases.count && bases.items[count + 1] <= end)
        count++;
    if (count > 0) {
        const size_t chosen = (size_t)rng_below(rng, count);
        *out_base = bases.items[chosen];
        *out_next = bases.items[chosen + 1];
    }
    VEC_DEINIT(&bases);
    return count > 0;
}

/* A batch by chance, as a flip that is still to happen. */
static bool choose_batch(struct bytes file, int64_t base, int64_t next, struct rng *rng,
                         struct flip *out)
{
    struct batch_view batch;
    uint32_t count = 0;
    int64_t lowest = base;
    bool was_chosen = false;
    for (size_t at = 0; at < file.size; at += batch.bytes.size) {
        if (batch_parse(bytes_slice(file, at, SIZE_MAX), &batch) <= 0 ||
            batch_check_crc(&batch) < 0)
            return false; /* one is damaged already: that is enough */
        if (was_chosen)
            out->behind = batch.base_offset;
        was_chosen = rng_below(rng, ++count) == 0;
        if (was_chosen) {
            out->position = at;
            out->size_bytes = batch.bytes.size;
            out->first_offset = batch.base_offset;
            out->last_offset = batch_last_offset(&batch);
            out->lowest = lowest;
            out->behind = next;
        }
        lowest = batch_last_offset(&batch) + 1;
    }
    return count > 0;
}

static void choose_bit(struct flip *flip, struct rng *rng)
{
    do {
        flip->byte = (size_t)rng_between(rng, LENGTH_AT, (int64_t)flip->size_bytes - 1);
    } while (flip->byte >= EPOCH_AT && flip->byte < MAGIC_AT);
    flip->bit = (unsigned)rng_below(rng, 8);
}

/* Whether it has happened: the place was not in memory. */
static bool try_flip(struct rot *rot, struct place place, struct rng *rng)
{
    AUTO(mem_freep) char *directory = directory_of(place);
    struct flip flip = { .in = place };
    int64_t base;
    int64_t next;
    if (!choose_segment(rot, directory, recovery_point(rot, place), rng, &base, &next))
        return false;
    AUTO(mem_freep) char *path = mem_printf("%s/%020" PRId64 ".log", directory, base);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    if (sim_disk_look(disk_of(rot), SIM_VOLATILE, path, &data, &size) < 0 ||
        !choose_batch(bytes_from(data, size), base, next, rng, &flip))
        return false;
    choose_bit(&flip, rng);
    if (sim_disk_rot(disk_of(rot), path, (int64_t)(flip.position + flip.byte), flip.bit) <= 0)
        return false;
    flip.path = TAKE(path);
    flip.damaged = mem_dup(data + flip.position, flip.size_bytes);
    flip.damaged[flip.byte] ^= (uint8_t)(1u << flip.bit);
    VEC_ADD(&rot->flips, flip);
    return true;
}

/* Nobody needs to know of it: nothing may come of it. */
static bool try_flip_in_index(const struct rot *rot, struct place place, struct rng *rng)
{
    AUTO(mem_freep) char *directory = directory_of(place);
    int64_t base;
    int64_t next;
    if (!choose_segment(rot, directory, recovery_point(rot, place), rng, &base, &next))
        return false;
    const char *suffix = rng_chance(rng, 500000) ? "index" : "timeindex";
    AUTO(mem_freep) char *path = mem_printf("%s/%020" PRId64 ".%s", directory, base, suffix);
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    if (sim_disk_look(disk_of(rot), SIM_VOLATILE, path, &data, &size) < 0 || size == 0)
        return false;
    const int64_t byte = (int64_t)rng_below(rng, size);
    return sim_disk_rot(disk_of(rot), path, byte, (unsigned)rng_below(rng, 8)) > 0;
}

void rot_strike(struct rot *rot, struct rng *rng)
{
    const bool is_of_index = rng_chance(rng, 400000);
    for (int i = 0; i < TRIES && rot->flips.count < FLIPS_MAX; i++) {
        const struct model_partition *partition = model_choose_partition(rot->scene->model, rng);
        if (partition != NULL && partition->topic->state == MODEL_TOPIC_PRESENT &&
            (is_of_index ? try_flip_in_index(rot, place_of(partition), rng)
                         : try_flip(rot, place_of(partition), rng))) {
            rot->scene->rotten++;
            return;
        }
    }
}

bool rot_strike_coordinator(struct rot *rot, struct rng *rng)
{
    static const char *const topics[] = { "__consumer_offsets", "__transaction_state" };
    for (int i = 0; i < TRIES; i++) {
        const struct place place = { .topic = topics[rng_below(rng, ARRAY_LEN(topics))],
                                     .index = (int32_t)rng_below(rng, COORDINATOR_LOGS_MAX),
                                     .has_gaps = true };
        if (!try_flip(rot, place, rng))
            continue;
        rot->scene->rotten++;
        return true;
    }
    return false;
}

void rot_demand_words(const struct rot *rot)
{
    for (size_t i = 0; i < rot->flips.count; i++) {
        const struct flip *flip = &rot->flips.items[i];
        /* A compaction that had read it before may have replaced it. */
        if (flip->in.partition == NULL && flip->told_in_life != rot->scene->life + 1 &&
            is_there(rot, flip))
            model_fail(
                "%s-%d was loaded, and nothing is said of the damaged batch at byte %zu of %s",
                flip->in.topic, flip->in.index, flip->position, flip->path);
    }
}
