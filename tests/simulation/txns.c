/* See txns.h. */
#include "txns.h"

#include "base/mem.h"
#include "model.h"

#include <stdio.h>

#define METADATA_PREFIX "transaction "
#define OFFSETS_MAX     4 /* of one transaction */

/* What its group consumed of one partition in a transaction. */
struct consumed {
    uint32_t key;
    uint32_t after; /* the transaction that left `from`; 0: none */
    int64_t from;
    int64_t to;
};

struct txn {
    uint32_t id;
    bool may_commit;
    bool has_ended; /* and it is known how */
    enum txns_end end;
    char how[120]; /* that is known */
    struct consumed consumed[OFFSETS_MAX];
    uint32_t consumed_count;
};

struct id {
    char name[16];
    char group[16];
    struct txns_epoch newest;
    uint32_t done[COMMITS_KEYS_MAX];
    uint64_t committed_count;
};

/* Transactions of a client's records, by their numbers; 0: none. */
struct author {
    VEC(uint32_t) txns;
};

struct txns {
    const struct scene *scene;
    struct id ids[TXNS_IDS_MAX];
    uint32_t id_count;
    VEC(struct txn) all; /* by number; there is no number 0 */
    VEC(struct author) authors;
};

struct txns *txns_new(const struct scene *scene)
{
    struct txns *t = MEM_NEW(struct txns);
    struct rng rng = scene_rng(scene, "transactions");
    t->scene = scene;
    t->id_count = rng_chance(&rng, 500000) ? 1 + (uint32_t)rng_below(&rng, TXNS_IDS_MAX) : 0;
    for (uint32_t i = 0; i < t->id_count; i++) {
        (void)snprintf(t->ids[i].name, sizeof(t->ids[i].name), "id%u", i);
        (void)snprintf(t->ids[i].group, sizeof(t->ids[i].group), "pipe%u", i);
        t->ids[i].newest = (struct txns_epoch){ .producer_id = -1, .epoch = -1 };
    }
    (void)VEC_PUSH(&t->all);
    return t;
}

void txns_free(struct txns *t)
{
    for (size_t i = 0; i < t->authors.count; i++)
        VEC_DEINIT(&t->authors.items[i].txns);
    VEC_DEINIT(&t->authors);
    VEC_DEINIT(&t->all);
    mem_free(t);
}

uint32_t txns_id_count(const struct txns *t)
{
    return t->id_count;
}

const char *txns_id_name(const struct txns *t, uint32_t id)
{
    return t->ids[id].name;
}

const char *txns_group_name(const struct txns *t, uint32_t id)
{
    return t->ids[id].group;
}

bool txns_are_whole(const struct txns *t)
{
    return t->scene->is_flushed || t->scene->power_losses == 0;
}

/* ---- epochs ---------------------------------------------------------------------------------- */

bool txns_epoch_is_before(struct txns_epoch a, struct txns_epoch b)
{
    return a.producer_id != b.producer_id ? a.producer_id < b.producer_id : a.epoch < b.epoch;
}

struct txns_epoch txns_newest(const struct txns *t, uint32_t id)
{
    return t->ids[id].newest;
}

void txns_told_epoch(struct txns *t, uint32_t id, struct txns_epoch epoch, bool is_new)
{
    struct id *of = &t->ids[id];
    const bool is_older = txns_epoch_is_before(epoch, of->newest);
    const bool is_same =
        epoch.producer_id == of->newest.producer_id && epoch.epoch == of->newest.epoch;
    if (is_new && is_same && txns_are_whole(t))
        model_fail("epoch %d of producer %" PRId64 ", which is %s, is given out twice", epoch.epoch,
                   epoch.producer_id, of->name);
    if (!is_older)
        of->newest = epoch;
}

void txns_taken(const struct txns *t, uint32_t id, struct txns_epoch epoch,
                struct txns_epoch newest, const char *what)
{
    if (txns_epoch_is_before(epoch, newest) && txns_are_whole(t))
        model_fail("%s of epoch %d of producer %" PRId64
                   ", which is %s, was taken, after epoch %d of producer %" PRId64
                   " had been given out",
                   what, epoch.epoch, epoch.producer_id, t->ids[id].name, newest.epoch,
                   newest.producer_id);
}

/* ---- transactions ---------------------------------------------------------------------------- */

uint32_t txns_begin(struct txns *t, uint32_t id)
{
    struct txn *txn = VEC_PUSH(&t->all);
    *txn = (struct txn){ .id = id };
    return (uint32_t)t->all.count - 1;
}

void txns_add_record(struct txns *t, uint32_t txn, struct model_record record)
{
    while (t->authors.count <= record.client)
        (void)VEC_PUSH(&t->authors);
    struct author *author = &t->authors.items[record.client];
    while (author->txns.count <= record.number)
        VEC_ADD(&author->txns, 0);
    author->txns.items[record.number] = txn;
}

void txns_add_offset(struct txns *t, uint32_t txn, uint32_t key, uint32_t after, int64_t from,
                     int64_t to)
{
    struct txn *of = &t->all.items[txn];
    ASSERT(of->consumed_count < OFFSETS_MAX);
    of->consumed[of->consumed_count++] =
        (struct consumed){ .key = key, .after = after, .from = from, .to = to };
}

bool txns_can_add_offset(const struct txns *t, uint32_t txn)
{
    return t->all.items[txn].consumed_count < OFFSETS_MAX;
}

void txns_may_commit(struct txns *t, uint32_t txn)
{
    t->all.items[txn].may_commit = true;
}

static const struct consumed *find_consumed(const struct txn *txn, uint32_t key)
{
    for (uint32_t i = 0; i < txn->consumed_count; i++) {
        if (txn->consumed[i].key == key)
            return &txn->consumed[i];
    }
    return NULL;
}

/* Both are committed; the one of that number left what the other did not begin with. */
static void check_once(const struct txns *t, uint32_t number, uint32_t other, uint32_t key)
{
    const struct txn *txn = &t->all.items[number];
    const struct txn *later = &t->all.items[other];
    const struct consumed *mine = find_consumed(txn, key);
    const struct consumed *its = find_consumed(later, key);
    if (its == NULL || later->id != txn->id || other < number || its->after >= number)
        return;
    const struct commits_key of = commits_key(t->scene->commits, key);
    model_fail("%s consumed %s-%d from offset %" PRId64 " in transaction %u, and from %" PRId64
               " in transaction %u, which knew nothing of it",
               t->ids[txn->id].group, of.topic, of.partition, mine->from, number, its->from, other);
}

static void check_all_once(const struct txns *t, uint32_t number)
{
    const struct txn *txn = &t->all.items[number];
    for (uint32_t i = 0; i < txn->consumed_count; i++) {
        for (uint32_t k = 1; k < t->all.count; k++) {
            const struct txn *other = &t->all.items[k];
            if (k == number || other->id != txn->id || !other->has_ended ||
                other->end != TXNS_COMMITTED || find_consumed(other, txn->consumed[i].key) == NULL)
                continue;
            check_once(t, MIN(k, number), MAX(k, number), txn->consumed[i].key);
        }
    }
}

void txns_ended(struct txns *t, uint32_t number, enum txns_end end, const char *how)
{
    struct txn *txn = &t->all.items[number];
    struct id *id = &t->ids[txn->id];
    if (!txns_are_whole(t))
        return;
    if (end == TXNS_COMMITTED && !txn->may_commit)
        model_fail("transaction %u of %s was not to be committed, and %s", number, id->name, how);
    if (txn->has_ended && txn->end != end)
        model_fail("transaction %u of %s: %s, and %s", number, id->name, txn->how, how);
    if (txn->has_ended)
        return;
    txn->has_ended = true;
    txn->end = end;
    (void)snprintf(txn->how, sizeof(txn->how), "%s", how);
    if (end != TXNS_COMMITTED)
        return;
    id->committed_count++;
    for (uint32_t i = 0; i < txn->consumed_count; i++)
        id->done[txn->consumed[i].key] = MAX(id->done[txn->consumed[i].key], number);
    check_all_once(t, number);
}

uint64_t txns_committed_count(const struct txns *t, uint32_t id)
{
    return t->ids[id].committed_count;
}

/* ---- what is seen of them -------------------------------------------------------------------- */

/* 0: it is in none. */
static uint32_t txn_of_record(const struct txns *t, struct model_record record)
{
    const struct author *author =
        record.client < t->authors.count ? &t->authors.items[record.client] : NULL;
    return author != NULL && record.number < author->txns.count ? author->txns.items[record.number]
                                                                : 0;
}

int txns_is_in_force(void *context, struct model_record record)
{
    const struct txns *t = context;
    const uint32_t number = txn_of_record(t, record);
    if (number == 0)
        return 1;
    const struct txn *txn = &t->all.items[number];
    if (!txn->has_ended || !txns_are_whole(t))
        return -1;
    return txn->end == TXNS_COMMITTED;
}

void txns_passed(struct txns *t, struct model_record record, bool is_seen,
                 const struct model_partition *partition, int64_t offset)
{
    const uint32_t txn = txn_of_record(t, record);
    char how[120];
    (void)snprintf(how, sizeof(how), "its record at offset %" PRId64 " of %s-%d is %s", offset,
                   partition->topic->plan->name, partition->index, is_seen ? "seen" : "left out");
    if (txn != 0)
        txns_ended(t, txn, is_seen ? TXNS_COMMITTED : TXNS_ABORTED, how);
    else if (!is_seen)
        model_fail("record %u of client %u was in no transaction: %s", record.number, record.client,
                   how);
}

struct txns_look txns_look(const struct txns *t, uint32_t id, uint32_t key)
{
    return (struct txns_look){ .done = t->ids[id].done[key] };
}

char *txns_metadata(uint32_t txn)
{
    return mem_printf(METADATA_PREFIX "%u", txn);
}

static uint32_t txn_of(const struct txns *t, struct bytes metadata)
{
    const struct bytes prefix = BYTES_LITERAL(METADATA_PREFIX);
    int64_t number = 0;
    if (!bytes_starts_with(metadata, prefix) ||
        bytes_to_i64(bytes_slice(metadata, prefix.size, metadata.size), &number) < 0 ||
        number <= 0 || number >= (int64_t)t->all.count)
        model_fail("an offset that was committed in a transaction has the metadata '%.*s'",
                   BYTES_PRINTF(metadata));
    return (uint32_t)number;
}

uint32_t txns_told_offset(struct txns *t, uint32_t id, uint32_t key, const struct txns_look *look,
                          int64_t offset, struct bytes metadata)
{
    const struct commits_key of = commits_key(t->scene->commits, key);
    const char *group = t->ids[id].group;
    const bool is_held = txns_are_whole(t);
    if (offset < 0) {
        if (look->done != 0 && is_held)
            model_fail("%s has no committed offset for %s-%d, and transaction %u was committed",
                       group, of.topic, of.partition, look->done);
        return 0;
    }
    const uint32_t number = txn_of(t, metadata);
    const struct txn *txn = &t->all.items[number];
    const struct consumed *consumed = find_consumed(txn, key);
    if (txn->id != id || consumed == NULL || consumed->to != offset)
        model_fail("%s has offset %" PRId64 " for %s-%d of transaction %u, which left another",
                   group, offset, of.topic, of.partition, number);
    if (number < look->done && is_held)
        model_fail("%s has the offset of transaction %u for %s-%d, but transaction %u was "
                   "committed after it",
                   group, number, of.topic, of.partition, look->done);
    char how[120];
    (void)snprintf(how, sizeof(how), "its offset for %s-%d is there", of.topic, of.partition);
    txns_ended(t, number, TXNS_COMMITTED, how);
    return number;
}
