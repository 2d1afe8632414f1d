/* See fetch_session.h. */
#include "server/fetch_session.h"

#include "base/be.h"
#include "base/mem.h"
#include "base/topic_name.h"

#include <string.h>

enum { EPOCH_FINAL = -1, EPOCH_INITIAL = 0 };

#define KEY_BYTES_MAX (TOPIC_NAME_BYTES_MAX + 4)

/* ---- partitions ------------------------------------------------------------------------------ */

/* By id where the request has one, else by name; then the partition's number. */
static struct bytes key_of(struct uuid topic_id, struct bytes topic, int32_t index, uint8_t *space)
{
    size_t size = 0;
    if (!uuid_is_zero(topic_id)) {
        memcpy(space, topic_id.bytes, sizeof(topic_id.bytes));
        size = sizeof(topic_id.bytes);
    } else if (topic.size > 0) {
        size = MIN(topic.size, (size_t)TOPIC_NAME_BYTES_MAX); /* longer ones are in no session */
        memcpy(space, topic.data, size);
    }
    be_store_u32(space + size, (uint32_t)index);
    return bytes_from(space, size + 4);
}

static void partition_set(struct fetch_partition *p, const struct fetch_request_partition *asked)
{
    p->current_leader_epoch = asked->current_leader_epoch;
    p->last_fetched_epoch = asked->last_fetched_epoch;
    p->fetch_offset = asked->fetch_offset;
    p->log_start_offset = asked->log_start_offset;
    p->max_bytes = asked->partition_max_bytes;
}

static void partition_init(struct fetch_partition *p, struct bytes topic, struct uuid topic_id,
                           const struct fetch_request_partition *asked)
{
    *p = (struct fetch_partition){
        .topic = topic,
        .topic_id = topic_id,
        .index = asked->partition,
        .is_new = true,
        .told_high_watermark = -1,
        .told_log_start_offset = -1,
    };
    partition_set(p, asked);
}

static void session_put(struct fetch_sessions *sessions, struct fetch_session *session,
                        const struct fetch_request_topic *topic,
                        const struct fetch_request_partition *asked)
{
    uint8_t space[KEY_BYTES_MAX];
    const struct bytes key = key_of(topic->topic_id, topic->topic, asked->partition, space);
    struct fetch_partition *p = map_get(&session->by_key, key);
    if (p != NULL) {
        partition_set(p, asked);
        return;
    }
    p = MEM_NEW(struct fetch_partition);
    const struct bytes name = session->uses_topic_ids ? BYTES_NULL : bytes_dup(topic->topic);
    partition_init(p, name, topic->topic_id, asked);
    map_put(&session->by_key, key, p);
    list_push_back(&session->partitions, &p->link);
    sessions->partition_count++;
}

static void partition_free(struct fetch_sessions *sessions, struct fetch_partition *p)
{
    sessions->partition_count--;
    list_remove(&p->link);
    bytes_free(p->topic);
    mem_free(p);
}

static void session_forget(struct fetch_sessions *sessions, struct fetch_session *session,
                           const struct fetch_request_forgotten_topic *topic)
{
    uint8_t space[KEY_BYTES_MAX];
    for (int32_t i = 0; i < topic->partitions_count; i++) {
        struct fetch_partition *p = map_remove(
            &session->by_key, key_of(topic->topic_id, topic->topic, topic->partitions[i], space));
        if (p != NULL)
            partition_free(sessions, p);
    }
}

static void session_put_all(struct fetch_sessions *sessions, struct fetch_session *session,
                            const struct fetch_request *request)
{
    for (int32_t t = 0; t < request->topics_count; t++) {
        for (int32_t i = 0; i < request->topics[t].partitions_count; i++)
            session_put(sessions, session, &request->topics[t], &request->topics[t].partitions[i]);
    }
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void session_free(struct fetch_sessions *sessions, struct fetch_session *session)
{
    map_i64_remove(&sessions->by_id, session->id);
    while (!list_is_empty(&session->partitions))
        partition_free(sessions,
                       LIST_ENTRY(session->partitions.next, struct fetch_partition, link));
    map_deinit(&session->by_key);
    mem_free(session);
}

void fetch_sessions_init(struct fetch_sessions *sessions, uint32_t count_max, uint64_t hash_seed)
{
    *sessions = (struct fetch_sessions){ .count_max = count_max, .hash_seed = hash_seed };
    map_i64_init(&sessions->by_id, hash_seed);
}

void fetch_sessions_deinit(struct fetch_sessions *sessions)
{
    struct map_i64_walk walk = { 0 };
    while (map_i64_next(&sessions->by_id, &walk))
        session_free(sessions, walk.value);
    map_i64_deinit(&sessions->by_id);
}

/* A place for a session of `size` partitions: a free one, or that of a session not used for a while, or, if
 * every one is in use, of a smaller consumer session that has had its place for a while. */
static bool make_place(struct fetch_sessions *sessions, uint32_t size, bool is_privileged,
                       int64_t now_ms)
{
    if (map_i64_count(&sessions->by_id) < sessions->count_max)
        return true;
    struct fetch_session *oldest = NULL;
    struct fetch_session *smallest = NULL;
    struct map_i64_walk walk = { 0 };
    while (map_i64_next(&sessions->by_id, &walk)) {
        struct fetch_session *s = walk.value;
        if (s->is_busy)
            continue;
        if (oldest == NULL || s->used_ms < oldest->used_ms)
            oldest = s;
        if (now_ms - s->created_ms < FETCH_SESSION_EVICT_AGE_MS ||
            (s->is_privileged && !is_privileged))
            continue;
        if (smallest == NULL || map_count(&s->by_key) < map_count(&smallest->by_key))
            smallest = s;
    }
    struct fetch_session *victim = NULL;
    if (oldest != NULL && now_ms - oldest->used_ms >= FETCH_SESSION_EVICT_AGE_MS)
        victim = oldest;
    else if (smallest != NULL &&
             (map_count(&smallest->by_key) < size || (is_privileged && !smallest->is_privileged)))
        victim = smallest;
    if (victim == NULL)
        return false;
    session_free(sessions, victim);
    sessions->evictions++;
    return true;
}

static struct fetch_session *session_new(struct fetch_sessions *sessions, bool uses_topic_ids,
                                         bool is_privileged, int64_t now_ms, uint32_t random)
{
    int32_t id = (int32_t)(random & INT32_MAX);
    while (id == 0 || map_i64_get(&sessions->by_id, id) != NULL)
        id = (int32_t)(((uint32_t)id + 1) & INT32_MAX);

    struct fetch_session *session = MEM_NEW(struct fetch_session);
    *session = (struct fetch_session){
        .id = id,
        .epoch = EPOCH_INITIAL + 1,
        .uses_topic_ids = uses_topic_ids,
        .is_privileged = is_privileged,
        .created_ms = now_ms,
        .used_ms = now_ms,
    };
    list_init(&session->partitions);
    map_init(&session->by_key, sessions->hash_seed);
    map_i64_put(&sessions->by_id, id, session);
    return session;
}

/* ---- one request ----------------------------------------------------------------------------- */

static uint32_t asked_count(const struct fetch_request *request)
{
    uint32_t count = 0;
    for (int32_t t = 0; t < request->topics_count; t++)
        count += (uint32_t)request->topics[t].partitions_count;
    return count;
}

/* Whether what it asks for may be remembered. */
static bool may_remember(const struct fetch_sessions *sessions, const struct fetch_request *request)
{
    for (int32_t t = 0; t < request->topics_count; t++) {
        if (request->topics[t].topic.size > TOPIC_NAME_BYTES_MAX)
            return false;
    }
    return (uint64_t)sessions->partition_count + asked_count(request) <=
           FETCH_SESSION_PARTITIONS_MAX;
}

static void use_without_session(struct fetch_context *context, const struct fetch_request *request,
                                struct arena *arena)
{
    for (int32_t t = 0; t < request->topics_count; t++) {
        const struct fetch_request_topic *topic = &request->topics[t];
        for (int32_t i = 0; i < topic->partitions_count; i++) {
            struct fetch_partition *p = ARENA_NEW(arena, struct fetch_partition);
            partition_init(p, topic->topic, topic->topic_id, &topic->partitions[i]);
            list_push_back(&context->full, &p->link);
        }
    }
    context->partitions = &context->full;
}

static void use_session(struct fetch_context *context, struct fetch_session *session,
                        int64_t now_ms)
{
    session->used_ms = now_ms;
    session->is_busy = true;
    context->session = session;
    context->partitions = &session->partitions;
}

static void full_fetch(struct fetch_context *context, struct fetch_sessions *sessions,
                       const struct fetch_request *request, int16_t version, int64_t now_ms,
                       uint32_t random, struct arena *arena)
{
    struct fetch_session *old =
        request->session_id == 0 ? NULL : map_i64_get(&sessions->by_id, request->session_id);
    if (old != NULL && !old->is_busy)
        session_free(sessions, old);

    const uint32_t count = asked_count(request);
    const bool is_follower = request->replica_id >= 0 || request->replica_state.replica_id >= 0;
    if (request->session_epoch != EPOCH_INITIAL || !may_remember(sessions, request) ||
        !make_place(sessions, count, is_follower, now_ms)) {
        use_without_session(context, request, arena);
        return;
    }
    struct fetch_session *session =
        session_new(sessions, version >= 13, is_follower, now_ms, random);
    session_put_all(sessions, session, request);
    use_session(context, session, now_ms);
}

void fetch_context_init(struct fetch_context *context, struct fetch_sessions *sessions,
                        const struct fetch_request *request, int16_t version, int64_t now_ms,
                        uint32_t random, struct arena *arena)
{
    *context = (struct fetch_context){ .error = KAFKA_NONE };
    list_init(&context->full);
    context->partitions = &context->full;

    if (request->session_epoch == EPOCH_FINAL || request->session_epoch == EPOCH_INITIAL) {
        full_fetch(context, sessions, request, version, now_ms, random, arena);
        return;
    }
    struct fetch_session *session = map_i64_get(&sessions->by_id, request->session_id);
    if (session == NULL) {
        context->error = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        return;
    }
    if (session->epoch != request->session_epoch || session->is_busy) {
        context->error = KAFKA_INVALID_FETCH_SESSION_EPOCH;
        return;
    }
    if (session->uses_topic_ids != (version >= 13)) {
        context->error = KAFKA_FETCH_SESSION_TOPIC_ID_ERROR;
        return;
    }
    if (!may_remember(sessions, request)) {
        session_free(sessions, session); /* the client comes back with a whole fetch */
        context->error = KAFKA_FETCH_SESSION_ID_NOT_FOUND;
        return;
    }
    for (int32_t i = 0; i < request->forgotten_topics_data_count; i++)
        session_forget(sessions, session, &request->forgotten_topics_data[i]);
    session_put_all(sessions, session, request);
    if (list_is_empty(&session->partitions)) {
        session_free(
            sessions,
            session); /* nothing is left to follow: the session ends with an empty answer */
        return;
    }
    session->epoch = session->epoch == INT32_MAX ? 1 : session->epoch + 1;
    context->is_incremental = true;
    use_session(context, session, now_ms);
}

bool fetch_context_tells(const struct fetch_context *context, struct fetch_partition *p,
                         enum kafka_error error, int64_t high_watermark, int64_t log_start_offset,
                         bool has_records, bool has_more)
{
    const bool is_changed = p->is_new || has_records || has_more || error != KAFKA_NONE ||
                            p->had_error || p->told_high_watermark != high_watermark ||
                            p->told_log_start_offset != log_start_offset;
    p->is_new = false;
    p->had_error = error != KAFKA_NONE;
    p->told_high_watermark = high_watermark;
    p->told_log_start_offset = log_start_offset;
    if (context->session != NULL && has_records) {
        list_remove(&p->link);
        list_push_back(&context->session->partitions, &p->link);
    }
    return !context->is_incremental || is_changed;
}

int32_t fetch_context_finish(struct fetch_context *context)
{
    if (context->session == NULL)
        return 0;
    context->session->is_busy = false;
    return context->session->id;
}
