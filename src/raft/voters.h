/* The voter set of the metadata quorum: who may elect and be elected (KIP-853).
 *
 * kraft.version 0: the set comes from controller.quorum.voters and voters are known by id alone (their
 * directory id is zero). kraft.version 1: it comes from VotersRecord in the log or a snapshot, and a voter is
 * an id together with the directory it stores the log in, so that a node with a new disk is no old voter.
 * Plain data, sorted by id. Threads: the shard of raft.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/uuid.h"

#define RAFT_VOTER_COUNT_MAX    32
#define RAFT_ENDPOINT_COUNT_MAX 16

struct voters_record; /* wire/messages/voters_record.h */

struct raft_endpoint {
    char *name; /* of the listener; owned */
    char *host; /* owned */
    uint16_t port;
};

struct raft_voter {
    int32_t id;
    struct uuid directory_id;        /* zero: unknown, matches any (kraft.version 0) */
    struct raft_endpoint *endpoints; /* owned */
    uint32_t endpoint_count;
    int16_t kraft_version_min; /* range of kraft.version that the voter's software supports */
    int16_t kraft_version_max;
};

struct raft_voters {
    struct raft_voter items[RAFT_VOTER_COUNT_MAX]; /* ascending ids */
    uint32_t count;
};

void raft_voters_deinit(struct raft_voters *voters); /* zeroed or released: fine */

/* Strings are copied. -ERR_EXISTS for an id that is there, -ERR_LIMIT for too many voters or endpoints. */
MUST_CHECK int raft_voters_add(struct raft_voters *voters, const struct raft_voter *voter,
                               struct err_note *note);
void raft_voters_copy(const struct raft_voters *from,
                      struct raft_voters *out); /* out: zeroed or released */
bool raft_voters_equal(const struct raft_voters *a, const struct raft_voters *b);

const struct raft_voter *raft_voters_get(const struct raft_voters *voters, int32_t id); /* NULL */
/* Whether this replica is a voter: ids are equal, and directory ids too unless the set does not know it. */
bool raft_voters_has(const struct raft_voters *voters, int32_t id, struct uuid directory_id);

/* controller.quorum.voters: "1@host:9093,2@[::1]:9093". -ERR_INVALID_SETTING. An empty text is no voter.
 * listener: the name that the endpoints get, the first of controller.listener.names. */
MUST_CHECK int raft_voters_from_setting(struct bytes text, struct bytes listener,
                                        struct raft_voters *out, struct err_note *note);
/* --initial-controllers of kafka-storage format: "1@host:9093:directory id,…". -ERR_INVALID_ARGUMENT. */
MUST_CHECK int raft_voters_from_initial(struct bytes text, struct bytes listener,
                                        struct raft_voters *out, struct err_note *note);

/* To and from the control record. `to`: arrays live in the arena, strings are borrowed from voters. */
void raft_voters_to_record(const struct raft_voters *voters, struct arena *arena,
                           struct voters_record *out);
MUST_CHECK int raft_voters_from_record(const struct voters_record *record, struct raft_voters *out,
                                       struct err_note *note); /* -ERR_LIMIT, -ERR_MALFORMED */
