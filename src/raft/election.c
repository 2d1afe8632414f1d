/* Roles of the quorum: who may stand, who is voted for, who leads (KIP-595, KIP-996). */
#include "base/mem.h"
#include "raft/control.h"
#include "raft/raft_int.h"
#include "wire/kafka_error.h"

/* How often a leader repeats BeginQuorumEpoch to voters that have not answered. */
#define BEGIN_EPOCH_INTERVAL_MS(r) MAX((r)->settings.election_timeout_ms / 2, (int64_t)1)
#define LEADER_CHANGE_BYTES_MAX    (1 << 20)

static int64_t jittered(const struct raft *r, int64_t timeout_ms)
{
    const uint64_t span = (uint64_t)MAX(timeout_ms, (int64_t)1);
    return timeout_ms + (int64_t)(r->random % span);
}

static int64_t backoff(const struct raft *r)
{
    const uint64_t span = (uint64_t)MAX(r->settings.election_backoff_max_ms, (int64_t)1);
    return 1 + (int64_t)(r->random % span);
}

/* Every change of what quorum-state holds goes through here. */
static void set_state(struct raft *r, const struct quorum_state *state)
{
    ASSERT(state->leader_epoch >= r->state.leader_epoch); /* epochs only grow */
    if (r->state.leader_epoch == state->leader_epoch && r->state.leader_id == state->leader_id &&
        r->state.voted_id == state->voted_id &&
        uuid_equal(r->state.voted_directory_id, state->voted_directory_id))
        return;
    r->state = *state;
    r->serial++;
}

static void set_role(struct raft *r, enum raft_role role)
{
    if (r->role == RAFT_ROLE_LEADER && role != RAFT_ROLE_LEADER && r->is_lead_told) {
        r->is_lead_told = false;
        raft__do(r, RAFT_DO_UNLEAD)->leader.epoch = r->state.leader_epoch;
    }
    r->role = role;
    r->has_fetched = false;
    r->deadline_ms = INT64_MAX;
}

static void reset_peers(struct raft *r)
{
    const struct raft_voters *voters = raft_voters(r);
    r->peer_count = voters->count;
    for (uint32_t i = 0; i < voters->count; i++) {
        r->peers[i] = (struct raft_peer){ .id = voters->items[i].id,
                                          .end_offset = -1,
                                          .leader_end_at_fetch = -1,
                                          .last_fetch_wall_ms = -1,
                                          .last_caught_up_wall_ms = -1 };
    }
}

static struct raft_peer *find_peer(struct raft *r, int32_t id)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == id)
            return &r->peers[i];
    }
    return NULL;
}

static void grant_own_vote(struct raft *r)
{
    struct raft_peer *self = find_peer(r, r->settings.node_id);
    ASSERT(self != NULL); /* only voters stand */
    self->vote = RAFT_VOTE_GRANTED;
}

static uint32_t count_votes(const struct raft *r, enum raft_vote vote)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->peer_count; i++)
        count += r->peers[i].vote == vote;
    return count;
}

static uint32_t majority(const struct raft *r)
{
    return r->peer_count / 2 + 1;
}

/* ---- roles -------------------------------------------------------------------------------------- */

void raft__become_unattached(struct raft *r, int32_t epoch)
{
    struct quorum_state state = r->state;
    if (epoch > state.leader_epoch)
        state = (struct quorum_state){ .leader_id = RAFT_NO_LEADER,
                                       .leader_epoch = epoch,
                                       .voted_id = -1 };
    set_role(r, RAFT_ROLE_UNATTACHED);
    set_state(r, &state);
    if (raft__is_voter(r))
        r->deadline_ms = r->now_ms + jittered(r, r->settings.election_timeout_ms);
}

void raft__become_follower(struct raft *r, int32_t epoch, int32_t leader_id)
{
    set_role(r, RAFT_ROLE_FOLLOWER);
    set_state(
        r, &(struct quorum_state){ .leader_id = leader_id, .leader_epoch = epoch, .voted_id = -1 });
    r->deadline_ms = r->now_ms + r->settings.fetch_timeout_ms;
}

void raft__become_resigned(struct raft *r, int64_t delay_ms)
{
    set_role(r, RAFT_ROLE_RESIGNED);
    r->deadline_ms = r->now_ms + delay_ms;
}

/* A request for votes to every other voter, when what it says is durable. */
static void ask_for_votes(struct raft *r, bool is_pre_vote)
{
    const struct raft_voters *voters = raft_voters(r);
    for (uint32_t i = 0; i < voters->count; i++) {
        if (voters->items[i].id == r->settings.node_id)
            continue;
        const struct raft_effect ask = {
            .type = RAFT_DO_SEND_VOTE,
            .vote = { .replica_id = r->settings.node_id,
                      .replica_directory_id = r->settings.directory_id,
                      .voter_id = voters->items[i].id,
                      .voter_directory_id = voters->items[i].directory_id,
                      .epoch = r->state.leader_epoch,
                      .last_offset = r->log_end,
                      .last_epoch = raft__log_end_epoch(r),
                      .is_pre_vote = is_pre_vote },
        };
        raft__defer(r, &ask);
    }
}

/* Asks whether an election could be won, before the epoch is raised and others are disturbed (KIP-996). */
static void become_prospective(struct raft *r)
{
    set_role(r, RAFT_ROLE_PROSPECTIVE);
    reset_peers(r);
    grant_own_vote(r);
    r->deadline_ms = r->now_ms + jittered(r, r->settings.election_timeout_ms);
    ask_for_votes(r, true);
}

static void become_candidate(struct raft *r)
{
    set_role(r, RAFT_ROLE_CANDIDATE);
    set_state(r, &(struct quorum_state){ .leader_id = RAFT_NO_LEADER,
                                         .leader_epoch = r->state.leader_epoch + 1,
                                         .voted_id = r->settings.node_id,
                                         .voted_directory_id = r->settings.directory_id });
    reset_peers(r);
    grant_own_vote(r);
    r->deadline_ms = r->now_ms + jittered(r, r->settings.election_timeout_ms);
    ask_for_votes(r, false);
}

/* Whether the voter set is known from the checkpoint of formatting alone: then it is repeated in the log, so that
 * replicas which never saw that file learn it (KIP-853). */
static bool must_write_voters(const struct raft *r)
{
    return r->log_end == 0 && raft_kraft_version(r) >= 1;
}

static void remember_voters_written(struct raft *r, int64_t version_offset)
{
    struct raft_history version = { .offset = version_offset,
                                    .is_version = true,
                                    .kraft_version = raft_kraft_version(r) };
    struct raft_history voters = { .offset = version_offset + 1 };
    raft_voters_copy(raft_voters(r), &voters.voters);
    VEC_ADD(&r->history, version);
    VEC_ADD(&r->history, voters);
}

/* The first batch of an epoch: who leads, who voted so; it carries everything before it over the high watermark. */
static void append_leader_change(struct raft *r)
{
    const struct raft_voters *voters = raft_voters(r);
    struct raft_voters granting = { .count = 0 };
    for (uint32_t i = 0; i < voters->count; i++) {
        if (r->peers[i].vote != RAFT_VOTE_GRANTED)
            continue;
        const int added = raft_voters_add(&granting, &voters->items[i], NULL);
        ASSERT(added == 0);
    }
    struct batch_builder b;
    control_batch_init(&b, r->log_end, r->state.leader_epoch, LEADER_CHANGE_BYTES_MAX);
    raft_control_put_leader_change(&b, r->wall_ms, r->settings.node_id, voters, &granting);
    const bool with_voters = must_write_voters(r);
    if (with_voters) {
        raft_control_put_kraft_version(&b, r->wall_ms, raft_kraft_version(r));
        raft_control_put_voters(&b, r->wall_ms, voters);
    }
    struct bytes batch;
    const int finished = batch_builder_finish(&b, &batch);
    ASSERT(finished == 0);
    if (with_voters)
        remember_voters_written(r, r->log_end + 1);
    raft__append_batch(r, batch, with_voters ? 3 : 1);
    batch_builder_deinit(&b);
    raft_voters_deinit(&granting);
}

static void send_begin_epoch(struct raft *r)
{
    const struct raft_voters *voters = raft_voters(r);
    bool is_anybody_left = false;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == r->settings.node_id || r->peers[i].knows_epoch)
            continue;
        is_anybody_left = true;
        raft__do(r, RAFT_DO_SEND_BEGIN_EPOCH)->epoch_message =
            (struct raft_epoch_message){ .from_id = r->peers[i].id,
                                         .voter_directory_id = voters->items[i].directory_id,
                                         .epoch = r->state.leader_epoch,
                                         .leader_id = r->settings.node_id };
    }
    r->deadline_ms = is_anybody_left ? r->now_ms + BEGIN_EPOCH_INTERVAL_MS(r) : INT64_MAX;
}

/* The role of the epoch in r->state, whose votes are in the peers. */
static void lead(struct raft *r)
{
    r->leader_serial = r->serial;
    r->epoch_start = r->log_end;
    VEC_ADD(&r->epochs,
            ((struct raft_epoch_start){ .epoch = r->state.leader_epoch, .offset = r->log_end }));
    append_leader_change(r);
    send_begin_epoch(r);
}

static void become_leader(struct raft *r)
{
    set_role(r, RAFT_ROLE_LEADER);
    set_state(r, &(struct quorum_state){ .leader_id = r->settings.node_id,
                                         .leader_epoch = r->state.leader_epoch,
                                         .voted_id = -1 });
    lead(r);
}

void raft__elect_alone(struct raft *r)
{
    ASSERT(raft__is_sole_voter(r));
    set_role(r, RAFT_ROLE_LEADER);
    set_state(r, &(struct quorum_state){ .leader_id = r->settings.node_id,
                                         .leader_epoch = r->state.leader_epoch + 1,
                                         .voted_id = -1 });
    reset_peers(r);
    grant_own_vote(r);
    lead(r);
}

void raft__on_deadline(struct raft *r)
{
    switch (r->role) {
    case RAFT_ROLE_UNATTACHED:
    case RAFT_ROLE_FOLLOWER:
    case RAFT_ROLE_RESIGNED:
    case RAFT_ROLE_PROSPECTIVE:
    case RAFT_ROLE_CANDIDATE:
        if (!raft__is_voter(r))
            raft__become_unattached(r, r->state.leader_epoch);
        else if (raft__is_sole_voter(r))
            raft__elect_alone(r);
        else
            become_prospective(r);
        return;
    case RAFT_ROLE_LEADER:
        send_begin_epoch(r);
        return;
    }
}

/* ---- votes --------------------------------------------------------------------------------------- */

/* A higher epoch than ours: whoever told it, ours is over. */
static void observe_epoch(struct raft *r, int32_t epoch)
{
    if (epoch > r->state.leader_epoch)
        raft__become_unattached(r, epoch);
}

static bool is_log_up_to_date(const struct raft *r, const struct raft_vote_request *request)
{
    const int32_t our_epoch = raft__log_end_epoch(r);
    return request->last_epoch > our_epoch ||
           (request->last_epoch == our_epoch && request->last_offset >= r->log_end);
}

static bool may_grant(const struct raft *r, const struct raft_vote_request *request)
{
    if (!is_log_up_to_date(r, request))
        return false;
    switch (r->role) {
    case RAFT_ROLE_UNATTACHED:
    case RAFT_ROLE_PROSPECTIVE:
        if (request->is_pre_vote)
            return true;
        if (r->state.leader_id != RAFT_NO_LEADER)
            return false;
        return r->state.voted_id == -1 ||
               (r->state.voted_id == request->replica_id &&
                (uuid_is_zero(r->state.voted_directory_id) || /* kraft.version 0 does not keep it */
                 uuid_equal(r->state.voted_directory_id, request->replica_directory_id)));
    case RAFT_ROLE_FOLLOWER: /* who has heard of a living leader does not help to depose it */
        return request->is_pre_vote && !r->has_fetched;
    case RAFT_ROLE_CANDIDATE:
    case RAFT_ROLE_RESIGNED:
        return request->is_pre_vote;
    case RAFT_ROLE_LEADER:
        return false;
    }
    return false;
}

static void vote_for(struct raft *r, const struct raft_vote_request *request)
{
    struct quorum_state state = r->state;
    if (state.voted_id == -1) {
        state.voted_id = request->replica_id;
        state.voted_directory_id = request->replica_directory_id;
    }
    set_role(r, RAFT_ROLE_UNATTACHED); /* a prospective voter gives up its own attempt */
    set_state(r, &state);
    r->deadline_ms = r->now_ms + jittered(r, r->settings.election_timeout_ms);
}

static enum kafka_error check_vote_request(const struct raft *r,
                                           const struct raft_vote_request *request)
{
    const bool is_meant_for_us =
        request->voter_id == -1 || request->voter_id == r->settings.node_id;
    const bool is_our_directory = uuid_is_zero(request->voter_directory_id) ||
                                  uuid_equal(request->voter_directory_id, r->settings.directory_id);
    if (!is_meant_for_us || !is_our_directory)
        return KAFKA_INVALID_VOTER_KEY;
    if (request->last_offset < 0 || request->last_epoch < 0 || request->epoch < 0 ||
        request->replica_id < 0 || request->last_epoch > request->epoch)
        return KAFKA_INVALID_REQUEST;
    return request->epoch < r->state.leader_epoch ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_NONE;
}

void raft__on_vote_request(struct raft *r, const struct raft_vote_request *request)
{
    struct raft_effect answer = {
        .type = RAFT_DO_ANSWER_VOTE,
        .vote_answer = { .correlation = request->correlation,
                         .answer = { .from_id = r->settings.node_id,
                                     .is_pre_vote = request->is_pre_vote,
                                     .asked_epoch = request->epoch } },
    };
    const enum kafka_error error = check_vote_request(r, request);
    if (error == KAFKA_NONE) {
        observe_epoch(r, request->epoch);
        const bool is_granted = may_grant(r, request);
        if (is_granted && !request->is_pre_vote)
            vote_for(r, request);
        answer.vote_answer.answer.is_granted = is_granted;
    }
    answer.vote_answer.answer.error = (int16_t)error;
    answer.vote_answer.answer.epoch = r->state.leader_epoch;
    answer.vote_answer.answer.leader_id = r->state.leader_id;
    raft__defer(r, &answer);
}

/* What an answer says of leader and epoch; true if it ended what we were doing. */
static bool learn_from(struct raft *r, int32_t epoch, int32_t leader_id)
{
    if (epoch < r->state.leader_epoch)
        return false;
    const bool is_news = epoch > r->state.leader_epoch ||
                         (leader_id != RAFT_NO_LEADER && r->state.leader_id == RAFT_NO_LEADER);
    if (!is_news)
        return false;
    if (leader_id == RAFT_NO_LEADER || leader_id == r->settings.node_id)
        observe_epoch(r, epoch);
    else
        raft__become_follower(r, epoch, leader_id);
    return true;
}

void raft__on_vote_answer(struct raft *r, const struct raft_vote_answer *answer)
{
    struct raft_peer *peer = find_peer(r, answer->from_id);
    if (learn_from(r, answer->epoch, answer->leader_id) || peer == NULL)
        return;
    const bool is_current =
        answer->asked_epoch == r->state.leader_epoch &&
        r->role == (answer->is_pre_vote ? RAFT_ROLE_PROSPECTIVE : RAFT_ROLE_CANDIDATE);
    if (!is_current || answer->error != KAFKA_NONE || peer->vote != RAFT_VOTE_NONE)
        return; /* late, failed, or said before: the deadline goes on */
    peer->vote = answer->is_granted ? RAFT_VOTE_GRANTED : RAFT_VOTE_REJECTED;
    if (count_votes(r, RAFT_VOTE_GRANTED) >= majority(r)) {
        if (answer->is_pre_vote)
            become_candidate(r);
        else
            become_leader(r);
    } else if (r->peer_count - count_votes(r, RAFT_VOTE_REJECTED) < majority(r)) {
        r->deadline_ms = r->now_ms + backoff(r); /* lost: try again a little later */
    }
}

/* ---- leaders that come and go ------------------------------------------------------------------- */

static void answer_epoch(struct raft *r, const struct raft_epoch_message *message,
                         enum kafka_error error)
{
    const struct raft_effect answer = {
        .type = RAFT_DO_ANSWER_EPOCH,
        .epoch_message = { .from_id = r->settings.node_id,
                           .epoch = r->state.leader_epoch,
                           .error = (int16_t)error,
                           .leader_id = r->state.leader_id,
                           .correlation = message->correlation },
    };
    raft__defer(r, &answer);
}

void raft__on_begin_epoch(struct raft *r, const struct raft_epoch_message *message)
{
    enum kafka_error error = KAFKA_NONE;
    const bool is_same_epoch = message->epoch == r->state.leader_epoch;
    if (message->epoch < r->state.leader_epoch)
        error = KAFKA_FENCED_LEADER_EPOCH;
    else if (message->from_id < 0 || message->from_id == r->settings.node_id ||
             (is_same_epoch && r->state.leader_id != RAFT_NO_LEADER &&
              r->state.leader_id != message->from_id))
        error = KAFKA_INVALID_REQUEST; /* two leaders in one epoch cannot be */
    else if (!is_same_epoch || r->role != RAFT_ROLE_FOLLOWER)
        raft__become_follower(r, message->epoch, message->from_id);
    answer_epoch(r, message, error);
}

void raft__on_begin_epoch_answer(struct raft *r, const struct raft_epoch_message *message)
{
    struct raft_peer *peer = find_peer(r, message->from_id);
    if (learn_from(r, message->epoch, message->leader_id) || peer == NULL ||
        r->role != RAFT_ROLE_LEADER || message->epoch != r->state.leader_epoch ||
        message->error != KAFKA_NONE)
        return;
    peer->knows_epoch = true;
}

void raft__on_end_epoch(struct raft *r, const struct raft_epoch_message *message)
{
    enum kafka_error error = KAFKA_NONE;
    if (message->epoch < r->state.leader_epoch) {
        error = KAFKA_FENCED_LEADER_EPOCH;
    } else if (message->epoch > r->state.leader_epoch) {
        observe_epoch(r, message->epoch);
    } else if (r->role == RAFT_ROLE_FOLLOWER && r->state.leader_id == message->from_id) {
        r->deadline_ms =
            r->now_ms + backoff(r); /* it has gone: do not wait for the fetch time-out */
    }
    answer_epoch(r, message, error);
}
