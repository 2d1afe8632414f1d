/* KRaft: the quorum that keeps the metadata log (KIP-595; pre-vote KIP-996; snapshots KIP-630; voters KIP-853).
 *
 * A pure state machine, raft_step(raft, event, effects): it decides, its owner does. The owner (node, shard 0)
 * feeds the log's history, then RAFT_ON_START, then carries out effects *in their order* and brings completions
 * back as events. No clock, no chance, no files: events carry both times and a random word.
 *
 *   role         meaning                                           leaves by
 *   UNATTACHED   epoch known, leader not                           election time-out (voters), a leader's message
 *   PROSPECTIVE  asks whether an election could be won (KIP-996)   majority, time-out
 *   CANDIDATE    epoch raised, own vote durable, asks for votes    majority, time-out, a higher epoch
 *   LEADER       plans appends, moves the high watermark           resign, failed append, a higher epoch
 *   FOLLOWER     knows the leader                                  fetch time-out, a higher epoch
 *   RESIGNED     was leader in this epoch and gave up              election time-out
 *
 * Order and durability
 * - Nothing leaves the node (vote, answer, high watermark) before the state it rests on is durable: the
 *   quorum-state file for epochs and votes, the flushed log for records. Metadata is fsynced before it is
 *   acknowledged, always.
 * - A planned batch is in the log as far as raft is concerned (its end moves at once), so that the controller can
 *   decide on top of it. It is committed when flushed here and on a majority of voters, and never before this
 *   epoch's own first batch is (raft paper 5.4.2).
 * - One flush is in flight at a time; what is appended meanwhile shares the next one.
 * - A sole voter elects itself in RAFT_ON_START. Its quorum-state write and first append may then be under way
 *   together: a crash between them leaves a log whose epoch is above the file's, which a start allows for. Nobody
 *   else may be served from the log before RAFT_DO_LEAD: until then a crash may hand the epoch out again.
 * - A failed append: the leader resigns, the log is cut to where the failed batch began (what was written before it
 *   stays), and it stands again after RAFT_RETRY_MS, in a new epoch, since offsets may not be handed out twice within
 *   one. A failed flush or cut leaves the disk's content unknown: RAFT_DO_STOP.
 *
 * What is here: elections and votes for any number of voters, and everything for one voter. Not yet: fetching by
 * followers and observers, FetchSnapshot, voter changes, resigning when a majority stops fetching. Their doors:
 * RAFT_ON_REPLICA_FETCHED, raft_load_batch, RAFT_ON_END_EPOCH.
 * Threads: one, the shard of raft.
 */
#pragma once

#include "base/arena.h"
#include "base/shared.h"
#include "raft/quorum_state.h"
#include "raft/voters.h"
#include "wire/batch.h"

/* As Apache Kafka; a batch is a unit of atomicity, so larger sets of records are refused. */
#define RAFT_BATCH_BYTES_MAX   (8 * 1024 * 1024)
#define RAFT_BATCH_RECORDS_MAX 10000
#define RAFT_RETRY_MS          1000
#define RAFT_EFFECT_COUNT_MAX  (16 + RAFT_VOTER_COUNT_MAX)
#define RAFT_KRAFT_VERSION_MAX 1 /* kraft.version that this build supports: 0 and 1 */

struct raft;
struct describe_quorum_request;
struct describe_quorum_response;

enum raft_role {
    RAFT_ROLE_UNATTACHED,
    RAFT_ROLE_PROSPECTIVE,
    RAFT_ROLE_CANDIDATE,
    RAFT_ROLE_LEADER,
    RAFT_ROLE_FOLLOWER,
    RAFT_ROLE_RESIGNED,
};

struct raft_settings {
    int32_t node_id;
    struct uuid directory_id; /* of the metadata log directory, from meta.properties */
    const struct raft_voters *static_voters; /* controller.quorum.voters, or NULL; copied */
    int64_t election_timeout_ms; /* controller.quorum.election.timeout.ms; jittered to 1…2 times */
    int64_t election_backoff_max_ms; /* controller.quorum.election.backoff.max.ms */
    int64_t fetch_timeout_ms;        /* controller.quorum.fetch.timeout.ms */
};

/* A time-stamped happening. now_ms is monotonic (deadlines), wall_ms Unix time (timestamps in records and
 * answers); they are never compared with each other. */
enum raft_event_type {
    RAFT_ON_START,     /* once, after the history was fed */
    RAFT_ON_TIMER,     /* the deadline of RAFT_DO_ARM_TIMER has come; early or late does no harm */
    RAFT_ON_APPEND,    /* records to write as one batch */
    RAFT_ON_PERSISTED, /* a RAFT_DO_PERSIST is durable (oldest first) */
    RAFT_ON_PERSIST_FAILED, /* it is not, or it is unknown; it is tried again */
    RAFT_ON_FLUSHED,        /* a RAFT_DO_FLUSH is done */
    RAFT_ON_APPEND_FAILED, /* a RAFT_DO_APPEND did not reach the log; later ones must be dropped by the owner */
    RAFT_ON_FLUSH_FAILED,
    RAFT_ON_RESIGN, /* the node stops, or the controller failed: lead no longer in this epoch */
    RAFT_ON_VOTE_REQUEST,
    RAFT_ON_VOTE_ANSWER,
    RAFT_ON_BEGIN_EPOCH, /* BeginQuorumEpoch: a leader says that it is one */
    RAFT_ON_BEGIN_EPOCH_ANSWER,
    RAFT_ON_END_EPOCH,       /* EndQuorumEpoch: a leader says that it resigns */
    RAFT_ON_REPLICA_FETCHED, /* a replica's fetch tells how far its flushed log reaches */
};

struct raft_start {
    struct bytes quorum_state; /* the file's content; null: there is none */
    int64_t log_start_offset;
    int64_t log_end_offset; /* next offset; whole batches only, after recovery */
    int32_t
        log_end_epoch; /* epoch of the last batch, or of the newest snapshot when the log is empty; 0 */
    int64_t flushed_end_offset; /* at most log_end_offset; the rest is flushed before it counts */
};

struct raft_append {
    int32_t epoch; /* that the decision was made in */
    const struct bytes
        *values;          /* encoded record values (wire/record_frame.h); borrowed for the call */
    uint32_t value_count; /* 1 … RAFT_BATCH_RECORDS_MAX */
};

struct raft_vote_request {
    int32_t replica_id; /* who stands */
    struct uuid replica_directory_id;
    int32_t voter_id; /* who is asked: -1 from old peers */
    struct uuid voter_directory_id;
    int32_t epoch;
    int64_t last_offset; /* end of the candidate's log */
    int32_t last_epoch;
    bool is_pre_vote;
    uint64_t correlation; /* the owner's; comes back in the answer's effect */
};

struct raft_vote_answer {
    int32_t from_id;
    int16_t error; /* enum kafka_error; NETWORK_EXCEPTION when no answer came */
    int32_t epoch;
    int32_t leader_id; /* -1 */
    bool is_pre_vote;
    bool is_granted;
    int32_t asked_epoch; /* of the request */
};

struct raft_epoch_message { /* BeginQuorumEpoch, EndQuorumEpoch and their answers */
    int32_t from_id;        /* request: the leader */
    struct uuid voter_directory_id;
    int32_t epoch;
    int16_t error;     /* answers */
    int32_t leader_id; /* answers: whom the other side knows */
    uint64_t correlation;
};

struct raft_replica_fetched {
    int32_t replica_id;
    struct uuid directory_id;
    int64_t fetch_offset; /* everything below is flushed there */
};

struct raft_event {
    enum raft_event_type type;
    int64_t now_ms;
    int64_t wall_ms;
    uint64_t random;
    union {
        struct raft_start start;
        struct raft_append append;
        int64_t flushed_offset; /* RAFT_ON_FLUSHED: everything below is on stable storage */
        int64_t failed_offset;  /* RAFT_ON_APPEND_FAILED: base offset of the batch */
        struct raft_vote_request vote_request;
        struct raft_vote_answer vote_answer;
        struct raft_epoch_message epoch_message;
        struct raft_replica_fetched replica_fetched;
    };
};

enum raft_effect_type {
    RAFT_DO_PERSIST, /* replace the quorum-state file durably → PERSISTED or PERSIST_FAILED */
    RAFT_DO_APPEND,  /* write a whole batch at the log's end → APPEND_FAILED, or nothing */
    /* Sync the log to an offset, after the appends before it → FLUSHED or FLUSH_FAILED, in any case: also when those appends
     * failed (then to where the log ends). */
    RAFT_DO_FLUSH,
    RAFT_DO_TRUNCATE,       /* drop everything at and above an offset; failing: the node stops */
    RAFT_DO_COMMIT,         /* [from, to) is committed: apply it to the image, release answers */
    RAFT_DO_LEADER_CHANGED, /* the leader or epoch known here is another (also -1: none) */
    RAFT_DO_LEAD, /* this node leads and everything before its epoch is committed: activate the controller */
    RAFT_DO_UNLEAD,    /* it leads no longer: answers that wait fail with NOT_CONTROLLER */
    RAFT_DO_ARM_TIMER, /* one timer; a later arming replaces it */
    RAFT_DO_SEND_VOTE, /* to one voter */
    RAFT_DO_SEND_BEGIN_EPOCH,
    RAFT_DO_SEND_END_EPOCH,
    RAFT_DO_ANSWER_VOTE,
    RAFT_DO_ANSWER_EPOCH, /* to BeginQuorumEpoch or EndQuorumEpoch */
    RAFT_DO_STOP, /* the log cannot be trusted any more: stop the node at once; see `note` */
};

struct raft_effect {
    enum raft_effect_type type;
    union {
        struct shared *
            content; /* PERSIST: the file's text; a reference that the owner of the effects gives back */
        struct {
            int64_t base_offset;
            int64_t last_offset;
            int32_t epoch;
            struct shared *batch; /* sealed; a reference, as content */
        } append;
        int64_t offset; /* FLUSH (exclusive), TRUNCATE (new end) */
        struct {
            int64_t from_offset;
            int64_t to_offset; /* exclusive: the high watermark */
        } commit;
        struct {
            int32_t leader_id; /* -1: none known */
            int32_t epoch;
            int64_t epoch_start_offset; /* LEAD */
        } leader;
        int64_t deadline_ms;
        struct raft_vote_request vote; /* SEND_VOTE; voter_id says whom */
        struct raft_epoch_message
            epoch_message; /* SEND_*_EPOCH: from_id says to whom; ANSWER_EPOCH */
        struct {
            uint64_t correlation;
            struct raft_vote_answer answer;
        } vote_answer;
        struct err_note *note; /* STOP: valid as long as raft */
    };
};

struct raft_effects {
    struct raft_effect items[RAFT_EFFECT_COUNT_MAX];
    uint32_t count;
};
/* Gives back the references and sets count to 0. Call it after the effects were carried out (which took
 * references of their own for what lasts longer). */
void raft_effects_clear(struct raft_effects *effects);

struct raft *raft_new(const struct raft_settings *settings);
void raft_free(struct raft *raft); /* NULL is fine */

/* Feeds one batch of the newest snapshot, or of the log above it, in order, before RAFT_ON_START: voter set and
 * kraft.version are in their control records. Data batches are passed over cheaply. `is_snapshot`: offsets in
 * it are not the log's. -ERR_MALFORMED, -ERR_LIMIT, -ERR_VERSION (a kraft.version above RAFT_KRAFT_VERSION_MAX). */
MUST_CHECK int raft_load_batch(struct raft *raft, const struct batch_view *batch, bool is_snapshot,
                               struct err_note *note);

/* One event. `effects` is empty on entry. Returns 0, or with nothing changed and no effects:
 *   -ERR_NOT_LEADER  append: not leader, or of another epoch
 *   -ERR_LIMIT       append: more than RAFT_BATCH_RECORDS_MAX records or RAFT_BATCH_BYTES_MAX bytes
 *   -ERR_MALFORMED, -ERR_VERSION  start: the quorum-state file; note says why
 *   -ERR_WRONG_CLUSTER            start: the file names a vote of this node in a way that cannot be */
MUST_CHECK int raft_step(struct raft *raft, const struct raft_event *event,
                         struct raft_effects *effects, struct err_note *note);

/* What is known now. */
enum raft_role raft_role(const struct raft *raft);
int32_t raft_epoch(const struct raft *raft);
int32_t raft_leader_id(const struct raft *raft); /* -1 */
bool raft_is_leader(const struct raft *raft);    /* may append in raft_epoch() */
int64_t
raft_next_offset(const struct raft *raft); /* that the next append's first record will have */
int64_t raft_high_watermark(const struct raft *raft); /* exclusive; -1: not known yet */
int16_t raft_kraft_version(const struct raft *raft);
const struct raft_voters *raft_voters(const struct raft *raft); /* borrowed until the next step */

/* Answers DescribeQuorum in the request's version: the whole response in the arena. NOT_LEADER_OR_FOLLOWER where this node
 * does not lead, UNKNOWN_TOPIC_OR_PARTITION or INVALID_REQUEST for other partitions than __cluster_metadata-0. */
void raft_describe_quorum(const struct raft *raft, const struct describe_quorum_request *request,
                          int16_t version, int64_t wall_ms, struct arena *arena,
                          struct describe_quorum_response *out);
