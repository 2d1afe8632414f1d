/* A toy node around a raft: a disk that remembers what was synced, and an owner that carries out effects.
 *
 * Work is queued as the real owner does it and finished by the test when it likes: one quorum-state write and one flush at
 * a time. A crash keeps what was synced, and of the rest any whole batches from the front.
 */
#pragma once

#include "base/rng.h"
#include "base/test.h"
#include "base/vec.h"
#include "raft/raft.h"

struct toy_batch {
    struct shared *bytes;
    int64_t base_offset;
    int64_t last_offset;
    int32_t epoch;
};

struct toy_message { /* to another node, or an answer */
    struct raft_effect effect;
};

struct toy {
    struct raft_settings settings;
    struct raft *raft;
    /* disk */
    struct shared *quorum_state;        /* durable; NULL: no file */
    struct shared *quorum_state_coming; /* being written; NULL: none */
    VEC(struct toy_batch) log;
    int64_t synced_end;       /* what the power cannot take */
    int64_t flushed_end;      /* as told to raft; a start may know less */
    int64_t flushing_to;      /* -1: none under way */
    struct buf checkpoint;    /* a snapshot fed before the log; empty: none */
    uint32_t fail_appends;    /* so many of the next appends fail */
    bool are_appends_dropped; /* after a failed one, until it is told */
    /* what was told */
    int64_t committed; /* high watermark told in this life; -1 */
    int64_t committed_ever;
    int32_t lead_epoch; /* of RAFT_DO_LEAD; -1: not leading */
    int32_t lead_epoch_ever;
    int64_t armed_ms;
    bool is_stopped;
    VEC(struct toy_message) outbox;
    uint32_t effect_count; /* of this life */
    uint32_t crash_after;  /* effects to carry out before the power goes; UINT32_MAX: none */
    bool is_dead;
    int64_t now_ms;
    struct rng rng;
};

void toy_init(struct toy *toy, const struct raft_settings *settings, uint64_t seed);
void toy_deinit(struct toy *toy);

/* Starts on what the disk holds. flushed_known: whether the log's flushed end survived (else: nothing is known). */
void toy_start(struct toy *toy, bool flushed_known);
/* The power goes: what is not synced is kept or lost as the generator says. */
void toy_crash(struct toy *toy);

/* One event; effects are carried out. Answers what raft_step does. */
int toy_step(struct toy *toy, struct raft_event event);
int toy_append(struct toy *toy, const char *value);
void toy_finish_persist(struct toy *toy, bool ok);
void toy_finish_flush(struct toy *toy);
void toy_fire(struct toy *toy); /* time passes to the armed deadline */
/* Finishes everything that is under way, again and again, until nothing is. */
void toy_settle(struct toy *toy);

/* The value of the record at an offset ("" for control records); NULL if there is none. Heap. */
char *toy_value_at(const struct toy *toy, int64_t offset);
int64_t toy_log_end(const struct toy *toy);
/* Offsets run without gaps, epochs never fall, every CRC holds. */
void toy_check_log(const struct toy *toy);
