/* The state behind raft.h. Inside raft only. */
#pragma once

#include "base/vec.h"
#include "raft/raft.h"

enum raft_vote { RAFT_VOTE_NONE, RAFT_VOTE_GRANTED, RAFT_VOTE_REJECTED };

/* What a candidate or leader knows of one voter; slots follow the voter set. */
struct raft_peer {
    int32_t id;
    enum raft_vote vote;
    bool knows_epoch;   /* it has answered BeginQuorumEpoch, or fetched */
    int64_t end_offset; /* flushed there, exclusive; -1: not heard of */
    int64_t leader_end_at_fetch;
    int64_t last_fetch_wall_ms;     /* -1: never */
    int64_t last_caught_up_wall_ms; /* -1: never */
};

/* What control records have said, by offset: the last of each kind counts. */
struct raft_history {
    int64_t offset; /* -1: said by a snapshot */
    bool is_version;
    int16_t kraft_version;
    struct raft_voters voters; /* owned; empty when is_version */
};

struct raft_epoch_start {
    int32_t epoch;
    int64_t offset;
};

/* An answer or request that may leave when the state of `serial` is durable. */
struct raft_deferred {
    uint64_t serial;
    struct raft_effect effect;
};
#define RAFT_DEFERRED_MAX (2 * RAFT_VOTER_COUNT_MAX)

struct raft {
    struct raft_settings settings;
    struct raft_voters static_voters;
    bool is_started;

    /* From the event being stepped. */
    int64_t now_ms;
    int64_t wall_ms;
    uint64_t random;
    struct raft_effects *out;

    /* What is remembered in quorum-state. `serial` counts its versions. */
    enum raft_role role;
    struct quorum_state state; /* leader_epoch is the epoch */
    uint64_t serial;
    uint64_t issued_serial; /* of the write under way, or the last one */
    uint64_t durable_serial;
    bool is_persisting;
    int64_t persist_retry_ms; /* INT64_MAX: none is due */
    struct raft_deferred deferred[RAFT_DEFERRED_MAX];
    uint32_t deferred_count;

    /* The log. */
    VEC(struct raft_history) history;
    VEC(struct raft_epoch_start) epochs; /* begun here, above base_epoch */
    int32_t base_epoch;                  /* of the log's last batch at the start */
    int64_t log_start;
    int64_t log_end; /* planned */
    int64_t flushed_end;
    int64_t flushing_to;    /* target of the flush in flight; -1: none */
    int64_t high_watermark; /* -1: not known */

    /* Of the current role. */
    struct raft_peer peers[RAFT_VOTER_COUNT_MAX];
    uint32_t peer_count;
    int64_t deadline_ms; /* INT64_MAX: none */
    bool has_fetched;    /* follower: from this leader */
    /* Leader. */
    uint64_t leader_serial;
    int64_t epoch_start;
    bool is_lead_told;

    /* What was told last. */
    int32_t told_leader_id;
    int32_t told_epoch;
    int64_t armed_ms; /* INT64_MAX: not armed */
    struct err_note stop_note;
};

#define RAFT_NO_LEADER (-1)

/* Effects. */
struct raft_effect *raft__do(struct raft *r, enum raft_effect_type type);
/* Kept until the state as it is now is durable. */
void raft__defer(struct raft *r, const struct raft_effect *effect);

/* The log (raft.c). */
int32_t raft__log_end_epoch(const struct raft *r);
void raft__append_batch(struct raft *r, struct bytes batch, uint32_t record_count);
bool raft__is_voter(const struct raft *r);
bool raft__is_sole_voter(const struct raft *r);

/* Roles (election.c). Each sets epoch, leader and vote, and the deadline of the role. */
void raft__become_unattached(struct raft *r, int32_t epoch);
void raft__become_follower(struct raft *r, int32_t epoch, int32_t leader_id);
void raft__become_resigned(struct raft *r, int64_t delay_ms);
void raft__elect_alone(struct raft *r); /* a sole voter leads the next epoch */
void raft__on_deadline(struct raft *r);
void raft__on_vote_request(struct raft *r, const struct raft_vote_request *request);
void raft__on_vote_answer(struct raft *r, const struct raft_vote_answer *answer);
void raft__on_begin_epoch(struct raft *r, const struct raft_epoch_message *message);
void raft__on_begin_epoch_answer(struct raft *r, const struct raft_epoch_message *message);
void raft__on_end_epoch(struct raft *r, const struct raft_epoch_message *message);
