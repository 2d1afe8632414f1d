/* Incremental fetch sessions (KIP-227): the broker remembers which partitions a client follows, so
 * that requests and answers carry only what changed.
 *
 * A session belongs to the shard of its connection. Partitions keep their place in a row; those that were
 * answered with data go to its end, so that no partition starves behind a full answer. The cache has
 * a fixed number of places (max.incremental.fetch.session.cache.slots): a new session takes the place
 * of one unused for EVICT_AGE_MS, or of a smaller consumer session of that age; else the client is
 * served without a session. So it is when all sessions together would remember more than
 * FETCH_SESSION_PARTITIONS_MAX, or names that no topic can have.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "base/uuid.h"
#include "wire/kafka_error.h"
#include "wire/messages/fetch_request.h"

#define FETCH_SESSION_EVICT_AGE_MS   (120 * MS_PER_SECOND)
#define FETCH_SESSION_PARTITIONS_MAX 500000 /* some 200 bytes each */

/* One partition a fetch asks for; in a session, also what the client was told last. */
struct fetch_partition {
    struct list link;     /* in the session's row, or in the request's when there is no session */
    struct bytes topic;   /* name; null when the request used an id and it is not known (yet) */
    struct uuid topic_id; /* zero when the request used a name */
    int32_t index;
    int32_t current_leader_epoch;
    int32_t last_fetched_epoch;
    int64_t fetch_offset;
    int64_t log_start_offset; /* the follower's, or -1 */
    int32_t max_bytes;
    bool is_new; /* not yet answered: the next answer tells it whatever it says */
    bool had_error;
    int64_t told_high_watermark;
    int64_t told_log_start_offset;
};

struct fetch_session {
    int32_t id;
    int32_t epoch; /* of the next request */
    bool uses_topic_ids;
    bool is_privileged; /* a follower's */
    struct list partitions;
    struct map by_key; /* topic id or name, and index → struct fetch_partition */
    int64_t used_ms;
    int64_t created_ms;
    bool is_busy; /* a fetch of it is being answered: not evicted */
};

struct fetch_sessions {
    struct map_i64 by_id;
    uint32_t count_max;
    uint32_t partition_count; /* of all of them */
    uint64_t hash_seed;
    uint64_t evictions;
};

void fetch_sessions_init(struct fetch_sessions *sessions, uint32_t count_max, uint64_t hash_seed);
void fetch_sessions_deinit(struct fetch_sessions *sessions);

/* What one request is about: all partitions of it or of its session, in the order to serve them. */
struct fetch_context {
    enum kafka_error error;        /* answer this alone when not NONE */
    struct fetch_session *session; /* NULL: without one */
    bool is_incremental;           /* answer changes only */
    struct list full;              /* the partitions, without a session (in the arena) */
    struct list *partitions;       /* the row to serve */
};

/* Reads the session part of a request. `random` chooses the id of a new session. The request's bytes need not
 * outlive the call for a session; without one the context borrows them. */
void fetch_context_init(struct fetch_context *context, struct fetch_sessions *sessions,
                        const struct fetch_request *request, int16_t version, int64_t now_ms,
                        uint32_t random, struct arena *arena);

/* Whether the answer must name this partition, given what it is about to say; remembers that it said it. */
bool fetch_context_tells(const struct fetch_context *context, struct fetch_partition *partition,
                         enum kafka_error error, int64_t high_watermark, int64_t log_start_offset,
                         bool has_records, bool has_more);

/* The session's id for the answer (0: none), and the end of its use by this request. */
int32_t fetch_context_finish(struct fetch_context *context);
