/* ListTransactions (KIP-664, KIP-994): ids are looked at in slices, since a coordinator may have very many. An id that comes or goes
 * meanwhile is told of or not. The pattern of KIP-1152 is for who asked all coordinators: a hard one takes too long for a step. */
#include "base/mem.h"
#include "coord/txn/txn_int.h"
#include "wire/messages/list_transactions_request.h"
#include "wire/messages/list_transactions_response.h"

#include <stdlib.h>

#define SLICE_IDS_MAX 1000

/* One that is asked for. */
struct found {
    struct bytes id; /* in the arena */
    int64_t producer_id;
    enum txn_state state;
};

struct txn_listing {
    struct list link; /* oldest first */
    struct txn_request request;
    struct list *at; /* the id that is looked at next; the list's head: all were */
    VEC(struct found) found;
    struct arena arena;
};

/* ---- what is asked for ----------------------------------------------------------------------------------- */

void txn_tell_unknown_states(const struct list_transactions_request *asked, struct arena *arena,
                             struct list_transactions_response *out)
{
    out->unknown_state_filters =
        ARENA_NEW_ARRAY(arena, struct bytes, (size_t)asked->state_filters_count);
    out->unknown_state_filters_count = 0;
    for (int32_t i = 0; i < asked->state_filters_count; i++) {
        enum txn_state state;
        if (!txn_state_from_name(asked->state_filters[i], &state))
            out->unknown_state_filters[out->unknown_state_filters_count++] =
                asked->state_filters[i];
    }
}

static int compare_ids(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void txn_filter_init(struct txn_filter *filter, struct list_transactions_request *asked)
{
    *filter = (struct txn_filter){ .states = asked->state_filters_count == 0 ? UINT32_MAX : 0,
                                   .producer_ids = asked->producer_id_filters,
                                   .producer_id_count = asked->producer_id_filters_count };
    for (int32_t i = 0; i < asked->state_filters_count; i++) {
        enum txn_state state;
        if (txn_state_from_name(asked->state_filters[i], &state))
            filter->states |= 1u << state;
    }
    if (filter->producer_id_count > 1)
        qsort(asked->producer_id_filters, (size_t)filter->producer_id_count, sizeof(int64_t),
              compare_ids);
}

static bool is_producer_wanted(const struct txn_filter *filter, int64_t producer_id)
{
    return filter->producer_id_count == 0 ||
           bsearch(&producer_id, filter->producer_ids, (size_t)filter->producer_id_count,
                   sizeof(int64_t), compare_ids) != NULL;
}

/* As in Kafka, an id without a transaction counts as open since before 1970. */
static bool is_wanted(const struct txn_coordinator *c, const struct txn_request *request,
                      const struct txn *txn)
{
    const struct list_transactions_request *asked = request->message;
    if (!coord__txn_is_there(txn) || (request->filter->states & 1u << txn->now.state) == 0 ||
        !is_producer_wanted(request->filter, txn->now.producer_id))
        return false;
    return asked->duration_filter < 0 ||
           (int64_t)((uint64_t)c->event->wall_ms - (uint64_t)txn->now.start_ms) >
               asked->duration_filter; /* wraps, as Java's: a record may say any time */
}

/* ---- slices ------------------------------------------------------------------------------------------------ */

static void listing_free(struct txn_listing *listing)
{
    list_remove(&listing->link);
    VEC_DEINIT(&listing->found);
    arena_deinit(&listing->arena);
    mem_free(listing);
}

static void look_at_slice(struct txn_coordinator *c, struct txn_listing *listing)
{
    for (uint32_t i = 0; i < SLICE_IDS_MAX && listing->at != &c->txn_list; i++) {
        const struct txn *txn = LIST_ENTRY(listing->at, struct txn, link);
        listing->at = listing->at->next;
        if (!is_wanted(c, &listing->request, txn))
            continue;
        const struct bytes id = txn_id(txn);
        VEC_ADD(&listing->found,
                ((struct found){
                    .id = bytes_from(arena_dup(&listing->arena, id.data, id.size), id.size),
                    .producer_id = txn->now.producer_id,
                    .state = txn->now.state }));
    }
}

static void tell(struct txn_coordinator *c, const struct txn_listing *listing)
{
    struct arena *arena = &c->effects->arena;
    const size_t count = listing->found.count;
    struct list_transactions_response *out = ARENA_NEW(arena, struct list_transactions_response);
    list_transactions_response_init(out);
    out->transaction_states = list_transactions_response_transaction_state_array(arena, count);
    out->transaction_states_count = (int32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct found *found = &listing->found.items[i];
        out->transaction_states[i].transactional_id =
            bytes_from(arena_dup(arena, found->id.data, found->id.size), found->id.size);
        out->transaction_states[i].producer_id = found->producer_id;
        out->transaction_states[i].transaction_state =
            bytes_from_text(txn_state_name(found->state));
    }
    coord__txn_answer(c, &listing->request, out);
}

static void go_on(struct txn_coordinator *c, struct txn_listing *listing)
{
    look_at_slice(c, listing);
    if (listing->at == &c->txn_list) {
        tell(c, listing);
        listing_free(listing);
    }
    if (!list_is_empty(&c->listings))
        deadline_arm(&c->deadlines, &c->listing_deadline, c->event->now_ms);
}

void coord__txn_list(struct txn_coordinator *c, const struct txn_request *request)
{
    struct txn_listing *listing = MEM_NEW(struct txn_listing);
    listing->request = *request;
    listing->at = c->txn_list.next;
    arena_init(&listing->arena, SIZE_MAX);
    list_push_back(&c->listings, &listing->link);
    go_on(c, listing);
}

void coord__txn_list_more(struct txn_coordinator *c)
{
    ASSERT(!list_is_empty(&c->listings));
    go_on(c, LIST_ENTRY(c->listings.next, struct txn_listing, link));
}

void coord__txn_listings_pass(struct txn_coordinator *c, const struct txn *txn)
{
    LIST_FOR_EACH(&c->listings, link)
    {
        struct txn_listing *listing = LIST_ENTRY(link, struct txn_listing, link);
        if (listing->at == &txn->link)
            listing->at = txn->link.next;
    }
}

void coord__txn_listings_end(struct txn_coordinator *c, bool refuses, enum kafka_error error)
{
    while (!list_is_empty(&c->listings)) {
        struct txn_listing *listing = LIST_ENTRY(c->listings.next, struct txn_listing, link);
        if (refuses)
            coord__txn_refuse(c, &listing->request, error);
        listing_free(listing);
    }
}
