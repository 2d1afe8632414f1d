/* From records to writes, and what happens when a write is done or has failed. */
#include "coord/group/group_int.h"

#include "base/mem.h"

/* ---- encoding ------------------------------------------------------------------------------------ */

/* It fits in a batch of its own. */
static bool encode_one(struct group_coordinator *c, const struct record *record,
                       struct coord_record *out)
{
    return coord__record_encode(record, c->settings.batch_bytes_max, &c->effects->arena, out) &&
           BATCH_OVERHEAD_BYTES + coord__record_bytes(out) <= c->settings.batch_bytes_max;
}

/* All or nothing, and together in one batch if they must; of a round of expiry those that can be. */
static bool encode_all(struct group_coordinator *c, unsigned flags, struct coord_record *out)
{
    size_t total_bytes = BATCH_OVERHEAD_BYTES;
    size_t kept = 0;
    for (size_t i = 0; i < c->records.count; i++) {
        if (encode_one(c, &c->records.items[i], &out[kept])) {
            total_bytes += coord__record_bytes(&out[kept]);
            c->records.items[kept++] = c->records.items[i];
        } else if ((flags & APPEND_EXPIRY) == 0) {
            return false;
        }
        if ((flags & APPEND_AS_ONE) != 0 && total_bytes > c->settings.batch_bytes_max)
            return false;
    }
    c->records.count = kept;
    return true;
}

/* ---- appending ------------------------------------------------------------------------------------ */

static void number(struct group_coordinator *c, struct write *write)
{
    write->id = c->next_write_id++;
    write->give_up_ms = c->event->now_ms + c->settings.commit_timeout_ms;
    list_push_back(&c->writes, &write->link);
}

static struct write *write_begin(struct group_coordinator *c)
{
    struct write *write = write_new();
    number(c, write);
    return write;
}

/* How many of the records from `first` on go into one batch. */
static uint32_t batch_count(const struct group_coordinator *c, const struct coord_record *records,
                            size_t first, size_t end)
{
    size_t bytes = BATCH_OVERHEAD_BYTES;
    size_t at = first;
    while (at < end && bytes + coord__record_bytes(&records[at]) <= c->settings.batch_bytes_max)
        bytes += coord__record_bytes(&records[at++]);
    return (uint32_t)(at - first);
}

enum kafka_error coord__append(struct group_coordinator *c, unsigned flags, struct write **out)
{
    return coord__append_in(c, flags, NULL, out);
}

/* A marker is a batch of its own. */
static void append_end(struct group_coordinator *c, const struct coord_transaction *transaction,
                       struct write **out)
{
    struct write *write = write_begin(c);
    VEC_ADD(&c->effects->appends,
            ((struct coord_append){ .write_id = write->id, .transaction = transaction }));
    coord__replay_end(c, transaction->producer_id, transaction->is_commit, write);
    *out = write;
}

enum kafka_error coord__append_in(struct group_coordinator *c, unsigned flags,
                                  const struct coord_transaction *transaction, struct write **out)
{
    if (transaction != NULL) {
        transaction = arena_dup(&c->effects->arena, transaction, sizeof(*transaction));
        if (transaction->is_end) {
            append_end(c, transaction, out);
            return KAFKA_NONE;
        }
    }
    const int64_t producer_id = transaction == NULL ? -1 : transaction->producer_id;
    struct coord_record *encoded =
        ARENA_NEW_ARRAY(&c->effects->arena, struct coord_record, c->records.count);
    *out = NULL;
    if (!encode_all(c, flags, encoded)) {
        c->records.count = 0;
        return KAFKA_UNKNOWN_SERVER_ERROR;
    }
    const size_t count = c->records.count;
    for (size_t first = 0; first < count;) {
        struct write *write = write_begin(c);
        write->is_of_expiry = (flags & APPEND_EXPIRY) != 0;
        const struct coord_append append = { .write_id = write->id,
                                             .records = &encoded[first],
                                             .record_count = batch_count(c, encoded, first, count),
                                             .transaction = transaction };
        VEC_ADD(&c->effects->appends, append);
        for (uint32_t i = 0; (flags & APPEND_REPLAY) != 0 && i < append.record_count; i++)
            coord__replay(c, producer_id, &c->records.items[first + i], write);
        first += append.record_count;
        *out = write;
    }
    c->records.count = 0;
    return KAFKA_NONE;
}

/* ---- the end of a write --------------------------------------------------------------------------- */

static void release_answers(struct group_coordinator *c, struct write *write,
                            enum kafka_error error)
{
    for (size_t i = 0; i < write->answers.count; i++) {
        const struct deferred_answer *answer = &write->answers.items[i];
        if (error != KAFKA_NONE)
            refusal_from_answer(answer->api_key, answer->message, error);
        coord__answer_now(c, answer->token, answer->api_key, answer->message);
    }
    write->answers.count = 0;
}

/* Answers, and what else waited for the write. Once. */
static void conclude(struct group_coordinator *c, struct write *write, enum kafka_error error)
{
    const enum kafka_error told = group_error_of_append(error);
    release_answers(c, write, told);
    const struct sequel sequel = write->sequel;
    write->sequel.kind = SEQUEL_NONE;
    if (sequel.kind == SEQUEL_ASSIGNMENT)
        coord__assignment_stored(c, &sequel, write->id, told);
    else if (sequel.kind == SEQUEL_STATIC_MEMBER)
        coord__static_member_stored(c, &sequel, told);
}

/* The answers live in the write's arena, which the effects keep until they are carried out. */
static void finish(struct group_coordinator *c, struct write *write)
{
    list_remove(&write->link);
    VEC_ADD(&c->effects->spent, write->arena);
    arena_init(&write->arena, 0);
    write_free(write, &c->names);
}

static void undo_one(struct group_coordinator *c, struct undo *undo, struct list *failed,
                     enum kafka_error error)
{
    struct group *group = undo->group;
    switch (undo->kind) {
    case UNDO_CREATED:
        LIST_FOR_EACH(failed, link)
        {
            struct write *write = LIST_ENTRY(link, struct write, link);
            if (write->sequel.group == group)
                write->sequel.kind = SEQUEL_NONE; /* who waited for it is answered here */
        }
        coord__disperse(c, group, group_error_of_append(error));
        coord__remove(c, group, NULL);
        break;
    case UNDO_REMOVED:
        group->is_listed = true;
        list_push_back(&c->group_list, &group->link);
        (void)map_put(&c->groups, group_id(group), group); /* it had been removed */
        undo->kind = UNDO_CREATED;                         /* nothing owned any more */
        break;
    case UNDO_OFFSET:
        offsets_restore(&group->offsets, &c->names, &undo->offset);
        break;
    case UNDO_FOREIGN:
        (void)foreign_set(group, undo->foreign.key, true, c->hash_seed); /* it had died */
        group->kind = undo->foreign.group_kind;
        break;
    case UNDO_PENDING:
        pending_change_undo(&c->pending, &c->names, &undo->pending);
        break;
    case UNDO_CONSUMER:
        coord__undo_consumer(c, group, &undo->consumer);
        break;
    case UNDO_CONVERTED:
        if (!list_is_empty(failed) && group->kind != undo->past.kind) /* not only a draft */
            coord__tell(c, COORD_LINE_WARN, group,
                        "it is again what it was before it turned into one of the %s protocol, "
                        "because that could not be written (%s)",
                        group_kind_name((enum group_kind)group->kind),
                        kafka_error_name((int16_t)error));
        coord__undo_conversion(c, group, &undo->past, group_error_of_append(error));
        break;
    }
}

/* Newest first. */
static void undo_all(struct group_coordinator *c, struct write *write, struct list *failed,
                     enum kafka_error error)
{
    while (write->undos.count > 0) {
        struct undo undo = VEC_POP(&write->undos);
        undo_one(c, &undo, failed, error);
        if (undo.kind == UNDO_FOREIGN)
            bytes_free(undo.foreign.key);
        else if (undo.kind == UNDO_CONSUMER)
            consumer_change_deinit(&undo.consumer, true);
    }
}

/* This write and all after it have failed: undone newest first, told oldest first. */
static void fail_from(struct group_coordinator *c, struct write *first, enum kafka_error error)
{
    struct list failed;
    bool has_expiry = false;
    list_init(&failed);
    for (;;) {
        struct write *last = LIST_ENTRY(c->writes.prev, struct write, link);
        has_expiry |= last->is_of_expiry;
        list_remove(&last->link);
        list_push_front(&failed, &last->link);
        if (last == first)
            break;
    }
    for (struct list *link = failed.prev; link != &failed; link = link->prev)
        undo_all(c, LIST_ENTRY(link, struct write, link), &failed, error);
    for (struct list *link; (link = list_pop_front(&failed)) != NULL;) {
        struct write *write = LIST_ENTRY(link, struct write, link);
        conclude(c, write, error);
        finish(c, write);
    }
    if (has_expiry)
        coord__end_expiry_round(c); /* its tombstones would fail again */
}

/* ---- drafts ------------------------------------------------------------------------------------------ */

void coord__draft_begin(struct group_coordinator *c)
{
    ASSERT(c->draft.write == NULL && c->draft.records.count == 0 && c->records.count == 0);
    c->draft.write = write_new();
    c->draft.bytes = BATCH_OVERHEAD_BYTES;
    c->draft.told = coord_lines_mark(&c->effects->lines);
}

static void encode_record(struct group_coordinator *c, const struct record *record)
{
    struct coord_record encoded = { 0 };
    if (!coord__record_encode(record, c->settings.batch_bytes_max, &c->effects->arena, &encoded))
        c->draft.bytes = SIZE_MAX / 2; /* no batch will hold it */
    c->draft.bytes += coord__record_bytes(&encoded);
    VEC_ADD(&c->draft.records, encoded);
}

void coord__draft_put(struct group_coordinator *c, const struct record *record)
{
    encode_record(c, record);
    coord__replay(c, -1, record, c->draft.write);
}

void coord__draft_take_records(struct group_coordinator *c)
{
    for (size_t i = 0; i < c->records.count; i++)
        encode_record(c, &c->records.items[i]);
    c->records.count = 0;
}

struct write *coord__draft_write(struct group_coordinator *c)
{
    return c->draft.write;
}

void coord__draft_undo(struct group_coordinator *c)
{
    struct list nothing_failed;
    list_init(&nothing_failed);
    struct write *write = TAKE(c->draft.write);
    c->draft.records.count = 0;
    coord_lines_forget(&c->effects->lines, c->draft.told);
    undo_all(c, write, &nothing_failed, KAFKA_UNKNOWN_SERVER_ERROR);
    write_free(write, &c->names);
}

bool coord__draft_fits(const struct group_coordinator *c)
{
    return c->draft.bytes <= c->settings.batch_bytes_max;
}

static void warn_of_size(struct group_coordinator *c)
{
    const struct write *write = c->draft.write;
    if (write->undos.count > 0)
        coord__tell(c, COORD_LINE_WARN, write->undos.items[0].group,
                    "%zu records that belong together do not fit in a batch of %" PRIu32 " bytes",
                    c->draft.records.count, c->settings.batch_bytes_max);
}

enum kafka_error coord__draft_append(struct group_coordinator *c, struct write **out)
{
    *out = NULL;
    const size_t count = c->draft.records.count;
    if (count == 0 || !coord__draft_fits(c)) {
        if (count > 0)
            warn_of_size(c);
        coord__draft_undo(c);
        return count == 0 ? KAFKA_NONE : KAFKA_UNKNOWN_SERVER_ERROR;
    }
    struct write *write = TAKE(c->draft.write);
    const struct coord_record *records =
        arena_dup(&c->effects->arena, c->draft.records.items, count * sizeof(*records));
    c->draft.records.count = 0;
    number(c, write);
    coord__quiesce_set_aside(c, write);
    VEC_ADD(&c->effects->appends,
            ((struct coord_append){
                .write_id = write->id, .records = records, .record_count = (uint32_t)count }));
    *out = write;
    return KAFKA_NONE;
}

/* ---- what becomes of writes --------------------------------------------------------------------------- */

static struct write *find_write(struct group_coordinator *c, uint64_t write_id)
{
    LIST_FOR_EACH(&c->writes, link)
    {
        struct write *write = LIST_ENTRY(link, struct write, link);
        if (write->id == write_id)
            return write;
    }
    return NULL;
}

void coord__write_done(struct group_coordinator *c, uint64_t write_id, enum kafka_error error)
{
    struct write *write = find_write(c, write_id);
    if (write == NULL)
        return; /* it failed with an earlier one */
    if (error != KAFKA_NONE) {
        fail_from(c, write, error);
        return;
    }
    ASSERT(c->writes.next == &write->link);
    conclude(c, write, KAFKA_NONE);
    finish(c, write);
}

void coord__writes_give_up(struct group_coordinator *c)
{
    LIST_FOR_EACH(&c->writes, link)
    {
        struct write *write = LIST_ENTRY(link, struct write, link);
        if (write->was_given_up || write->give_up_ms > c->event->now_ms)
            continue;
        write->was_given_up = true;
        conclude(c, write, KAFKA_REQUEST_TIMED_OUT);
    }
}

void coord__writes_abandon(struct group_coordinator *c, enum kafka_error error)
{
    LIST_FOR_EACH(&c->writes, link)
    {
        struct write *write = LIST_ENTRY(link, struct write, link);
        release_answers(c, write, error);
        finish(c, write);
    }
}
