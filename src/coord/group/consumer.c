/* See consumer.h. */
#include "coord/group/consumer.h"

#include <stdlib.h>
#include <string.h>

/* ---- profiles ------------------------------------------------------------------------------------- */

const struct consumer_profile consumer_profile_default = {
    .client_id = { (const uint8_t *)"", 0 },
    .client_host = { (const uint8_t *)"", 0 },
    .regex = { (const uint8_t *)"", 0 },
    .rebalance_timeout_ms = -1,
};

_Static_assert(offsetof(struct consumer_profile, rebalance_timeout_ms) ==
                   sizeof(((struct consumer_profile *)NULL)->texts),
               "its texts are all among them");

static size_t profile_bytes(const struct consumer_profile *p)
{
    size_t size = sizeof(*p) + p->topic_count * sizeof(p->topics[0]) +
                  p->protocol_count * sizeof(p->protocols[0]);
    for (size_t i = 0; i < ARRAY_LEN(p->texts); i++)
        size += p->texts[i].size;
    for (uint32_t i = 0; i < p->topic_count; i++)
        size += p->topics[i].size;
    for (uint32_t i = 0; i < p->protocol_count; i++)
        size += p->protocols[i].name.size + p->protocols[i].metadata.size;
    return size;
}

/* The struct, the arrays, then all texts. */
struct consumer_profile *consumer_profile_copy(const struct consumer_profile *profile)
{
    struct consumer_profile *out =
        mem_alloc(profile_bytes(profile) + 1); /* so that an empty text points inside */
    *out = *profile;
    struct bytes *topics = (struct bytes *)(out + 1);
    struct member_protocol *protocols = (struct member_protocol *)(topics + profile->topic_count);
    uint8_t *at = (uint8_t *)(protocols + profile->protocol_count);
    for (size_t i = 0; i < ARRAY_LEN(profile->texts); i++)
        out->texts[i] = bytes_append(&at, profile->texts[i]);
    for (uint32_t i = 0; i < profile->topic_count; i++)
        topics[i] = bytes_append(&at, profile->topics[i]);
    for (uint32_t i = 0; i < profile->protocol_count; i++) {
        protocols[i].name = bytes_append(&at, profile->protocols[i].name);
        protocols[i].metadata = bytes_append(&at, profile->protocols[i].metadata);
    }
    out->topics = topics;
    out->protocols = protocols;
    return out;
}

static bool same_items(const struct bytes *a, const struct bytes *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal(a[i], b[i]))
            return false;
    }
    return true;
}

bool consumer_profile_same_topics(const struct consumer_profile *a,
                                  const struct consumer_profile *b)
{
    return a->topic_count == b->topic_count && same_items(a->topics, b->topics, a->topic_count);
}

bool consumer_profile_equal(const struct consumer_profile *a, const struct consumer_profile *b)
{
    return same_items(a->texts, b->texts, ARRAY_LEN(a->texts)) &&
           a->rebalance_timeout_ms == b->rebalance_timeout_ms &&
           consumer_profile_same_topics(a, b) && a->is_classic == b->is_classic &&
           a->session_timeout_ms == b->session_timeout_ms &&
           member_protocol_same(a->protocols, a->protocol_count, b->protocols, b->protocol_count);
}

void consumer_profile_set_topics(struct consumer_profile *profile, struct arena *arena,
                                 const struct bytes *names, int32_t count)
{
    const size_t name_count = count < 0 ? 0 : (size_t)count;
    struct bytes *sorted = ARENA_NEW_ARRAY(arena, struct bytes, name_count);
    for (size_t i = 0; i < name_count; i++)
        sorted[i] = names[i];
    if (name_count > 0)
        qsort(sorted, name_count, sizeof(*sorted), bytes_compare_items);
    uint32_t kept = 0;
    for (size_t i = 0; i < name_count; i++) {
        if (kept == 0 || !bytes_equal(sorted[kept - 1], sorted[i]))
            sorted[kept++] = sorted[i];
    }
    profile->topics = sorted;
    profile->topic_count = kept;
}

struct protocol_name {
    struct bytes name;
    uint32_t at;
};

static int by_name_and_place(const void *a, const void *b)
{
    const struct protocol_name *one = a;
    const struct protocol_name *other = b;
    const int order = bytes_compare(one->name, other->name);
    return order != 0 ? order : (one->at > other->at) - (one->at < other->at);
}

void consumer_profile_set_protocols(struct consumer_profile *profile, struct arena *arena,
                                    struct member_protocol *items, uint32_t count)
{
    struct protocol_name *sorted = ARENA_NEW_ARRAY(arena, struct protocol_name, count);
    bool *is_again = ARENA_NEW_ARRAY(arena, bool, count);
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = (struct protocol_name){ .name = items[i].name, .at = i };
    if (count > 0)
        qsort(sorted, count, sizeof(*sorted), by_name_and_place);
    for (uint32_t i = 0; i < count; i++)
        is_again[sorted[i].at] = i > 0 && bytes_equal(sorted[i - 1].name, sorted[i].name);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_again[i])
            items[kept++] = items[i];
    }
    profile->protocols = items;
    profile->protocol_count = kept;
}

/* ---- states ------------------------------------------------------------------------------------------ */

const struct consumer_state consumer_state_default = { .previous_epoch = -1 };

struct consumer_state *consumer_state_new(struct consumer_state value)
{
    struct consumer_state *state = MEM_NEW(struct consumer_state);
    *state = value;
    return state;
}

void consumer_state_free(struct consumer_state *state)
{
    if (state == NULL)
        return;
    mem_free(state->assigned);
    mem_free(state->revoking);
    mem_free(state);
}

bool consumer_state_equal(const struct consumer_state *a, const struct consumer_state *b)
{
    return a->epoch == b->epoch && a->previous_epoch == b->previous_epoch && a->step == b->step &&
           assignment_equal(a->assigned, b->assigned) && assignment_equal(a->revoking, b->revoking);
}

/* ---- members ------------------------------------------------------------------------------------------- */

struct consumer *group_consumer_new(struct group *group, struct bytes id)
{
    struct consumer *consumer = mem_zalloc(sizeof(*consumer) + id.size);
    consumer->group = group;
    consumer->id_size = (uint32_t)id.size;
    if (id.size > 0)
        memcpy(consumer->id, id.data, id.size);
    return consumer;
}

void group_consumer_disarm(struct consumer *consumer, struct deadlines *deadlines)
{
    deadline_cancel(deadlines, &consumer->session);
    deadline_cancel(deadlines, &consumer->revocation);
    deadline_cancel(deadlines, &consumer->join);
    deadline_cancel(deadlines, &consumer->sync);
}

void group_consumer_free(struct consumer *consumer)
{
    ASSERT(!deadline_is_armed(&consumer->session) && !deadline_is_armed(&consumer->revocation) &&
           !deadline_is_armed(&consumer->join) && !deadline_is_armed(&consumer->sync));
    mem_free(consumer->profile);
    consumer_state_free(consumer->state);
    mem_free(consumer->target);
    mem_free(consumer);
}

struct bytes group_consumer_id(const struct consumer *consumer)
{
    return bytes_from(consumer->id, consumer->id_size);
}

bool group_consumer_is_member(const struct consumer *consumer)
{
    return consumer != NULL && consumer->profile != NULL;
}

const struct consumer_state *group_consumer_now(const struct consumer *consumer)
{
    return consumer->state == NULL ? &consumer_state_default : consumer->state;
}
