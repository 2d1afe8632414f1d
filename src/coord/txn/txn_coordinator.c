/* The public face of txn_coordinator.h: birth, loading, steps, figures. */
#include "base/mem.h"
#include "coord/java_string.h"
#include "coord/txn/txn_int.h"

#include <stdarg.h>

/* ---- birth and death -------------------------------------------------------------------------------- */

struct txn_coordinator *txn_coordinator_new(const struct txn_settings *settings, uint64_t hash_seed)
{
    struct txn_coordinator *c = MEM_NEW(struct txn_coordinator);
    c->settings = *settings;
    c->next_ending = 1;
    c->next_write_id = 1;
    c->next_want_id = 1;
    c->spare_producer_id = TXN_NO_PRODUCER_ID;
    names_init(&c->names, hash_seed);
    map_init(&c->txns, hash_seed);
    map_i64_init(&c->endings, hash_seed);
    list_init(&c->txn_list);
    list_init(&c->open);
    list_init(&c->writes);
    list_init(&c->wants);
    list_init(&c->listings);
    arena_init(&c->load_arena, SIZE_MAX);
    c->abort_deadline.kind = TXN_DEADLINE_ABORTS;
    c->expiry_deadline.kind = TXN_DEADLINE_EXPIRY;
    c->abort_at = &c->open;
    c->listing_deadline.kind = TXN_DEADLINE_LIST;
    c->expiry_at = &c->txn_list;
    return c;
}

void txn_coordinator_set_settings(struct txn_coordinator *c, const struct txn_settings *settings)
{
    c->settings = *settings;
}

static void forget_deadlines(struct txn_coordinator *c)
{
    while (c->deadlines.heap.count > 0)
        deadline_cancel(&c->deadlines, c->deadlines.heap.items[0]);
}

void txn_coordinator_free(struct txn_coordinator *c)
{
    if (c == NULL)
        return;
    forget_deadlines(c);
    while (!list_is_empty(&c->writes))
        coord__txn_write_free(c, LIST_ENTRY(c->writes.next, struct txn_write, link));
    for (struct list *link; (link = list_pop_front(&c->wants)) != NULL;)
        mem_free(LIST_ENTRY(link, struct txn_want, link));
    coord__txn_listings_end(c, false, KAFKA_NONE);
    while (!list_is_empty(&c->txn_list))
        coord__txn_remove(c, LIST_ENTRY(c->txn_list.next, struct txn, link));
    map_deinit(&c->txns);
    map_i64_deinit(&c->endings);
    names_deinit(&c->names);
    deadlines_deinit(&c->deadlines);
    arena_deinit(&c->load_arena);
    mem_free(c);
}

void txn_effects_init(struct txn_effects *effects)
{
    *effects = (struct txn_effects){ .deadline_ms = INT64_MAX };
    arena_init(&effects->arena, SIZE_MAX);
}

void txn_effects_clear(struct txn_effects *effects)
{
    effects->appends.count = 0;
    effects->answers.count = 0;
    effects->markers.count = 0;
    effects->id_wants.count = 0;
    coord_lines_clear(&effects->lines);
    arena_reset(&effects->arena);
}

void txn_effects_deinit(struct txn_effects *effects)
{
    VEC_DEINIT(&effects->appends);
    VEC_DEINIT(&effects->answers);
    VEC_DEINIT(&effects->markers);
    VEC_DEINIT(&effects->id_wants);
    coord_lines_deinit(&effects->lines);
    arena_deinit(&effects->arena);
}

void coord__txn_tell(struct txn_coordinator *c, enum coord_line_kind kind, const struct txn *txn,
                     const char *format, ...)
{
    va_list args;
    va_start(args, format);
    coord_lines_about(&c->effects->lines, &c->effects->arena, kind, "transactional id", txn_id(txn),
                      format, args);
    va_end(args);
}

/* ---- loading ------------------------------------------------------------------------------------------- */

/* Transactions that were decided go on to their end. */
static void on_loaded(struct txn_coordinator *c)
{
    if (c->state != COORDINATOR_LOADING)
        return;
    c->state = COORDINATOR_ACTIVE;
    arena_deinit(&c->load_arena);
    coord__txn_arm_rounds(c);
    LIST_FOR_EACH(&c->txn_list, link)
    {
        struct txn *txn = LIST_ENTRY(link, struct txn, link);
        if (txn->now.state == TXN_PREPARE_COMMIT || txn->now.state == TXN_PREPARE_ABORT)
            coord__txn_begin_marking(c, txn);
    }
}

static void unload(struct txn_coordinator *c)
{
    if (c->state == COORDINATOR_CLOSED)
        return;
    coord__txn_writes_abandon(c, KAFKA_NOT_COORDINATOR);
    for (struct list *link; (link = list_pop_front(&c->wants)) != NULL;) {
        struct txn_want *want = LIST_ENTRY(link, struct txn_want, link);
        if (want->request.api_key != -1)
            coord__txn_refuse(c, &want->request, KAFKA_NOT_COORDINATOR);
        mem_free(want);
    }
    c->has_overdue_want = false;
    coord__txn_listings_end(c, true, KAFKA_NOT_COORDINATOR);
    forget_deadlines(c);
    c->state = COORDINATOR_CLOSED;
}

/* ---- steps ---------------------------------------------------------------------------------------------- */

void coord__txn_handle(struct txn_coordinator *c, const struct txn_request *request)
{
    if (c->state != COORDINATOR_ACTIVE) {
        coord__txn_refuse(c, request,
                          c->state == COORDINATOR_LOADING ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS
                                                          : KAFKA_NOT_COORDINATOR);
        return;
    }
    switch (request->api_key) {
    case API_INIT_PRODUCER_ID:
        coord__txn_init_producer_id(c, request);
        break;
    case API_ADD_PARTITIONS_TO_TXN:
        coord__txn_add_partitions(c, request);
        break;
    case API_END_TXN:
        coord__txn_end(c, request);
        break;
    case API_DESCRIBE_TRANSACTIONS:
        coord__txn_describe(c, request);
        break;
    default:
        ASSERT(request->api_key == API_LIST_TRANSACTIONS);
        coord__txn_list(c, request);
        break;
    }
}

static void on_deadline(struct txn_coordinator *c, struct deadline *deadline)
{
    switch ((enum txn_deadline_kind)deadline->kind) {
    case TXN_DEADLINE_ABORTS:
        coord__txn_abort_overdue(c);
        break;
    case TXN_DEADLINE_EXPIRY:
        coord__txn_expire(c);
        break;
    case TXN_DEADLINE_WRITE:
        coord__txn_write_give_up(c, CONTAINER_OF(deadline, struct txn_write, give_up));
        break;
    case TXN_DEADLINE_RETRY:
        coord__txn_on_retry(c, CONTAINER_OF(deadline, struct txn, retry));
        break;
    case TXN_DEADLINE_LIST:
        coord__txn_list_more(c);
        break;
    }
}

#define DEADLINES_A_STEP 64

/* Those that were due when the step began, or the first of them: what is left, and what they arm for now, comes with the next
 * one. */
static void on_timer(struct txn_coordinator *c)
{
    const uint64_t sequence_end = c->deadlines.sequence;
    int left = DEADLINES_A_STEP;
    while (left-- > 0 && deadlines_next_ms(&c->deadlines) <= c->event->now_ms &&
           c->deadlines.heap.items[0]->sequence < sequence_end)
        on_deadline(c, deadlines_take_due(&c->deadlines, c->event->now_ms));
}

/* What concerns only a coordinator that serves. */
static void on_active(struct txn_coordinator *c)
{
    if (c->event->type == TXN_ON_APPENDED)
        coord__txn_write_done(c, c->event->appended.write_id, c->event->appended.error);
    else if (c->event->type == TXN_ON_PRODUCER_ID)
        coord__txn_on_producer_id(c);
    else if (c->event->type == TXN_ON_MARKERS)
        coord__txn_on_markers(c);
    else
        on_timer(c);
}

void txn_coordinator_step(struct txn_coordinator *c, const struct txn_event *event,
                          struct txn_effects *effects)
{
    ASSERT(effects->appends.count == 0 && effects->answers.count == 0 &&
           effects->markers.count == 0 && effects->id_wants.count == 0 &&
           effects->lines.items.count == 0);
    c->event = event;
    c->effects = effects;
    switch (event->type) {
    case TXN_ON_LOADED:
        on_loaded(c);
        break;
    case TXN_ON_LOAD_FAILED:
        if (c->state == COORDINATOR_LOADING)
            c->state = COORDINATOR_FAILED;
        break;
    case TXN_ON_UNLOAD:
        unload(c);
        break;
    case TXN_ON_REQUEST:
        coord__txn_handle(c, &event->request);
        break;
    case TXN_ON_APPENDED:
    case TXN_ON_PRODUCER_ID:
    case TXN_ON_MARKERS:
    case TXN_ON_TIMER:
        if (c->state == COORDINATOR_ACTIVE)
            on_active(c);
        break;
    }
    coord_lines_end(&effects->lines, &effects->arena);
    effects->deadline_ms = deadlines_next_ms(&c->deadlines);
    c->event = NULL;
    c->effects = NULL;
}

/* ---- what is told ------------------------------------------------------------------------------------------ */

int32_t txn_partition_for(struct bytes transactional_id, int32_t partition_count)
{
    return java_partition_for(transactional_id, partition_count);
}

void txn_coordinator_stats(const struct txn_coordinator *c, struct txn_stats *out)
{
    *out = c->stats;
    out->id_count = map_count(&c->txns);
    out->ending_count = map_i64_count(&c->endings);
    LIST_FOR_EACH(&c->open, link)
    out->open_count++;
    LIST_FOR_EACH(&c->writes, link)
    out->pending_write_count++;
}
