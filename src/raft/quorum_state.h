/* The file `quorum-state`: what a voter must not forget, one line of JSON (Kafka's QuorumStateData).
 *
 * Version 1 (kraft.version 1), exactly as Apache Kafka 4.3.1 writes it:
 *   {"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}
 * Version 0 (kraft.version 0):
 *   {"clusterId":"","leaderId":1,"leaderEpoch":1,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}
 * No newline at the end. The file is replaced whole: written aside, synced, renamed.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/uuid.h"

#define QUORUM_STATE_FILE           "quorum-state"
#define QUORUM_STATE_SIZE_BYTES_MAX 65536

struct raft_voters;

struct quorum_state {
    int32_t leader_id; /* -1: not known */
    int32_t leader_epoch;
    int32_t voted_id; /* -1: no vote in this epoch */
    struct uuid voted_directory_id;
};

#define QUORUM_STATE_NONE                                                                          \
    ((struct quorum_state){ .leader_id = -1, .leader_epoch = 0, .voted_id = -1 })

/* -ERR_MALFORMED (the note names what is wrong), -ERR_VERSION for a data_version above 1. Unknown members are
 * passed over. */
MUST_CHECK int quorum_state_parse(struct bytes text, struct quorum_state *out,
                                  struct err_note *note);

/* voters: written with data version 0 (kraft_version 0) only. */
void quorum_state_print(const struct quorum_state *state, int16_t kraft_version,
                        const struct raft_voters *voters, struct buf *out);
