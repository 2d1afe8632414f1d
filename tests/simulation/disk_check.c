/* See disk_check.h. */
#include "disk_check.h"

#include "base/mem.h"
#include "commits.h"
#include "disk_log.h"
#include "model.h"
#include "ownership.h"
#include "records.h"
#include "sim_broker.h"
#include "wire/batch.h"
#include "wire/messages/consumer_group_target_assignment_metadata_key.h"
#include "wire/messages/consumer_group_target_assignment_metadata_value.h"
#include "wire/messages/offset_commit_key.h"
#include "wire/messages/offset_commit_value.h"
#include "wire/record_frame.h"

#include <stdio.h>
#include <string.h>

#define OFFSETS_TOPIC    "__consumer_offsets"
#define TXN_TOPIC        "__transaction_state"
#define RECORD_BYTES_MAX (1u << 20)
#define ARENA_BYTES_MAX  (1u << 20)
#define PARTITIONS_MAX   8

static struct sim_disk *disk_of(struct scene *scene)
{
    return sim_node_disk(sim_broker_node(scene->broker));
}

/* ---- checkpoints ---------------------------------------------------------------------------------- */

/* The lines of a checkpoint after its version and count: `topic partition offset`, or `epoch offset`. */
struct checkpoint {
    char *text; /* owned, cut into words */
    char *next;
    int64_t left; /* lines */
};

static char *take_word(struct checkpoint *c, const char *path)
{
    char *word = c->next;
    const size_t size = strcspn(word, " \n");
    if (size == 0 || word[size] == '\0')
        model_fail("%s is not whole: '%.40s'", path, word);
    word[size] = '\0';
    c->next = word + size + 1;
    return word;
}

static int64_t take_number(struct checkpoint *c, const char *path)
{
    int64_t n = 0;
    const char *word = take_word(c, path);
    if (bytes_to_i64(bytes_from_text(word), &n) < 0)
        model_fail("%s has '%s' where a number is to be", path, word);
    return n;
}

/* False: the file is not there. */
static bool checkpoint_open(struct checkpoint *c, const struct sim_disk *disk, const char *path)
{
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size = 0;
    if (sim_disk_look(disk, SIM_VOLATILE, path, &data, &size) < 0)
        return false;
    *c = (struct checkpoint){ .text = mem_strndup((const char *)data, size) };
    c->next = c->text;
    const int64_t version = take_number(c, path);
    c->left = take_number(c, path);
    if (version != 0 || c->left < 0)
        model_fail("%s has version %" PRId64 " and %" PRId64 " lines", path, version, c->left);
    return true;
}

static void checkpoint_close(struct checkpoint *c, const char *path)
{
    if (c->next[0] != '\0')
        model_fail("%s has more lines than it says", path);
    mem_free(c->text);
}

/* Each line of a checkpoint of offsets. */
static void check_offsets(struct scene *scene, const char *name,
                          void (*check)(struct scene *scene, const char *topic, int32_t partition,
                                        int64_t offset))
{
    AUTO(mem_freep) char *path = mem_printf(SIM_BROKER_DIR "/%s", name);
    struct checkpoint c;
    if (!checkpoint_open(&c, disk_of(scene), path))
        return;
    for (; c.left > 0; c.left--) {
        const char *topic = take_word(&c, path);
        const int64_t partition = take_number(&c, path);
        const int64_t offset = take_number(&c, path);
        if (partition < 0 || offset < 0)
            model_fail("%s has offset %" PRId64 " for %s-%" PRId64, path, offset, topic, partition);
        check(scene, topic, (int32_t)partition, offset);
    }
    checkpoint_close(&c, path);
}

static void check_recovery_point(struct scene *scene, const char *topic, int32_t partition,
                                 int64_t offset)
{
    struct disk_log now = { .disk = disk_of(scene), .rot = scene->rot, .view = SIM_VOLATILE };
    struct disk_log stable = { .disk = disk_of(scene), .rot = scene->rot, .view = SIM_STABLE };
    disk_log_scan(&now, topic, partition);
    disk_log_scan(&stable, topic, partition);
    /* Of a log that is deleted a line may be left; and what is below the log is no claim. */
    if (now.directory != NULL && offset > now.start && stable.end < offset && stable.start < offset)
        model_fail("%s-%d is said to be flushed up to offset %" PRId64 ", and it is up to %" PRId64,
                   topic, partition, offset, stable.end);
    disk_log_deinit(&now);
    disk_log_deinit(&stable);
}

static void check_end(struct scene *scene, const char *topic, int32_t partition, int64_t offset)
{
    struct disk_log log = { .disk = disk_of(scene), .rot = scene->rot, .view = SIM_VOLATILE };
    disk_log_scan(&log, topic, partition);
    /* After a power loss a log may be shorter than it was: it is cut to that when it is opened. */
    if (log.directory != NULL && log.end < offset && scene->power_losses == 0)
        model_fail("a checkpoint has offset %" PRId64 " for %s-%d, whose log ends at %" PRId64,
                   offset, topic, partition, log.end);
    disk_log_deinit(&log);
}

static void check_epochs(struct scene *scene, const char *topic, int32_t partition)
{
    struct disk_log log = { .disk = disk_of(scene), .rot = scene->rot, .view = SIM_VOLATILE };
    disk_log_scan(&log, topic, partition);
    AUTO(mem_freep)
    char *path =
        mem_printf(SIM_BROKER_DIR "/%s-%" PRId32 "/leader-epoch-checkpoint", topic, partition);
    struct checkpoint c;
    /* It is not synced at an orderly end, and made anew from the batches where a power loss took it. */
    if (log.directory != NULL && scene->power_losses == 0 &&
        checkpoint_open(&c, disk_of(scene), path)) {
        int64_t last_epoch = -1;
        int64_t last_offset = -1;
        for (; c.left > 0; c.left--) {
            const int64_t epoch = take_number(&c, path);
            const int64_t offset = take_number(&c, path);
            if (epoch <= last_epoch || offset < last_offset || offset > log.end)
                model_fail("%s: epoch %" PRId64 " begins at offset %" PRId64
                           ", after epoch %" PRId64 " at %" PRId64
                           ", in a log that ends at %" PRId64,
                           path, epoch, offset, last_epoch, last_offset, log.end);
            last_epoch = epoch;
            last_offset = offset;
        }
        checkpoint_close(&c, path);
    }
    disk_log_deinit(&log);
}

void disk_check_claims(struct scene *scene)
{
    check_offsets(scene, "recovery-point-offset-checkpoint", check_recovery_point);
    check_offsets(scene, "replication-offset-checkpoint", check_end);
    check_offsets(scene, "log-start-offset-checkpoint", check_end);
    for (uint32_t i = 0; i < model_plan_count(scene->model); i++) {
        const struct model_plan *plan = model_plan(scene->model, i);
        for (uint32_t k = 0; k < plan->partition_count; k++)
            check_epochs(scene, plan->name, (int32_t)k);
    }
    for (int32_t k = 0; k < PARTITIONS_MAX; k++) {
        check_epochs(scene, OFFSETS_TOPIC, k);
        check_epochs(scene, TXN_TOPIC, k);
    }
}

/* ---- what a power loss leaves of the topics -------------------------------------------------------- */

/* Walks the stable part of a log beside what is known. */
struct stable_walk {
    struct codec_contexts *codecs;
    struct model_partition *partition;
    int64_t same_end; /* all known records below are as they are known */
    bool differs;
};

static bool is_another(const struct model_slot *slot, const struct batch_view *batch,
                       const struct record *record)
{
    const bool is_control = (batch->attributes & BATCH_CONTROL) != 0;
    if (is_control || slot->is_control)
        return is_control != slot->is_control;
    struct model_record of;
    return !records_parse(record, &of) || slot->record.client != of.client ||
           slot->record.number != of.number;
}

static void walk_stable(struct disk_log *log, const struct batch_view *batch)
{
    struct stable_walk *walk = log->context;
    AUTO(record_walk_deinit) struct record_walk records;
    struct record record;
    record_walk_init(&records, batch, walk->codecs, RECORD_BYTES_MAX);
    while (!walk->differs && record_walk_next(&records, &record) > 0) {
        const bool is_counted = record.offset < (int64_t)walk->partition->slots.count;
        const struct model_slot *slot =
            is_counted ? &walk->partition->slots.items[record.offset] : NULL;
        /* A write that failed and was cut off may be what is stable yet. */
        walk->differs = slot != NULL && slot->is_known && is_another(slot, batch, &record);
        if (!walk->differs)
            walk->same_end = record.offset + 1;
    }
}

static void lose_partition(struct scene *scene, struct model_partition *p)
{
    const struct model_plan *plan = p->topic->plan;
    struct stable_walk walk = { .codecs = scene->codecs, .partition = p };
    struct disk_log log = { .disk = disk_of(scene),
                            .rot = scene->rot,
                            .view = SIM_STABLE,
                            .on_batch = walk_stable,
                            .context = &walk };
    disk_log_scan(&log, plan->name, p->index);
    if (log.has_gaps && !walk.differs)
        walk.same_end = log.end;
    walk.same_end = MAX(walk.same_end, log.start);
    const bool is_present = p->topic->state == MODEL_TOPIC_PRESENT;
    if (is_present && plan->is_synced && walk.same_end < p->acknowledged_end)
        model_fail("%s-%d: offset %" PRId64 " was acknowledged, and only what is below %" PRId64
                   " is on stable storage",
                   plan->name, p->index, p->acknowledged_end - 1, walk.same_end);
    model_lose_from(scene->model, p, walk.same_end);
    disk_log_deinit(&log);
}

/* ---- and of the groups ------------------------------------------------------------------------------ */

/* Walks what is in a partition of the groups now; below stable_end it is sure to stay. */
struct group_walk {
    struct scene *scene;
    int64_t stable_end;
    struct arena arena;
};

static uint32_t get_group(const struct group_walk *walk, const struct record *record,
                          struct bytes name)
{
    const int group = commits_find_group(walk->scene->commits, name);
    if (group < 0)
        model_fail("the record at offset %" PRId64 " of " OFFSETS_TOPIC
                   " is of the group %.*s, which nobody made",
                   record->offset, BYTES_PRINTF(name));
    return (uint32_t)group;
}

static void lose_commit(struct group_walk *walk, const struct record *record,
                        const struct offset_commit_key *of, const struct offset_commit_value *told)
{
    struct commits *commits = walk->scene->commits;
    const int index = commits_find_key(commits, of->topic, of->partition);
    if (index < 0)
        model_fail("the record at offset %" PRId64 " of " OFFSETS_TOPIC
                   " is a commit that nobody sent",
                   record->offset);
    commits_lose_commit(commits, get_group(walk, record, of->group), (uint32_t)index,
                        commits_stamp_of(told->metadata), record->offset < walk->stable_end);
}

static void lose_record(struct group_walk *walk, const struct record *record)
{
    struct framed_record key;
    struct framed_record value;
    arena_reset(&walk->arena);
    int r = coordinator_key_decode(WIRE_KIND_GROUP_KEY, record->key, &walk->arena, &key, NULL);
    const bool is_commit = r == 0 && key.message == &offset_commit_key_message;
    const bool is_epoch =
        r == 0 && key.message == &consumer_group_target_assignment_metadata_key_message;
    if (r == 0 && ((!is_commit && !is_epoch) || bytes_is_null(record->value)))
        return;
    if (r == 0)
        r = coordinator_value_decode(&key, record->value, &walk->arena, &value, NULL);
    if (r < 0)
        model_fail("the record at offset %" PRId64 " of " OFFSETS_TOPIC " cannot be read: %s",
                   record->offset, err_name(r));
    if (is_commit) {
        lose_commit(walk, record, key.value, value.value);
        return;
    }
    const struct consumer_group_target_assignment_metadata_key *of = key.value;
    const struct consumer_group_target_assignment_metadata_value *told = value.value;
    ownership_lose_epoch(walk->scene->ownership, get_group(walk, record, of->group_id),
                         told->assignment_epoch, record->offset < walk->stable_end);
}

static void walk_groups(struct disk_log *log, const struct batch_view *batch)
{
    struct group_walk *walk = log->context;
    /* In transactions there are only offsets of groups that txns.h knows. */
    if ((batch->attributes & BATCH_TRANSACTIONAL) != 0)
        return;
    AUTO(record_walk_deinit) struct record_walk records;
    struct record record;
    record_walk_init(&records, batch, walk->scene->codecs, RECORD_BYTES_MAX);
    while (record_walk_next(&records, &record) > 0)
        lose_record(walk, &record);
}

static void lose_groups(struct scene *scene, int32_t partition)
{
    struct group_walk walk = { .scene = scene };
    struct disk_log stable = { .disk = disk_of(scene), .rot = scene->rot, .view = SIM_STABLE };
    disk_log_scan(&stable, OFFSETS_TOPIC, partition);
    walk.stable_end = stable.end;
    arena_init(&walk.arena, ARENA_BYTES_MAX);
    struct disk_log now = { .disk = disk_of(scene),
                            .rot = scene->rot,
                            .view = SIM_VOLATILE,
                            .on_batch = walk_groups,
                            .context = &walk };
    disk_log_scan(&now, OFFSETS_TOPIC, partition);
    arena_deinit(&walk.arena);
    disk_log_deinit(&stable);
    disk_log_deinit(&now);
}

void disk_check_losing(struct scene *scene)
{
    disk_check_claims(scene);
    for (uint32_t i = 0; i < model_plan_count(scene->model); i++) {
        struct model_topic *topic = model_plan(scene->model, i)->topic;
        for (uint32_t k = 0; topic != NULL && k < topic->plan->partition_count; k++)
            lose_partition(scene, &topic->partitions[k]);
    }
    commits_lose_begin(scene->commits);
    ownership_lose_begin(scene->ownership);
    for (int32_t k = 0; k < PARTITIONS_MAX; k++)
        lose_groups(scene, k);
}
