/* The step: events in, effects out; durability, the log's ends, the high watermark. */
#include "raft/raft.h"

#include "base/mem.h"
#include "raft/control.h"
#include "raft/raft_int.h"
#include "wire/kafka_error.h"

#include <string.h>

/* ---- life ---------------------------------------------------------------------------------------- */

struct raft *raft_new(const struct raft_settings *settings)
{
    struct raft *r = MEM_NEW(struct raft);
    r->settings = *settings;
    r->settings.static_voters = NULL;
    if (settings->static_voters != NULL)
        raft_voters_copy(settings->static_voters, &r->static_voters);
    r->state = QUORUM_STATE_NONE;
    r->persist_retry_ms = r->deadline_ms = r->armed_ms = INT64_MAX;
    r->high_watermark = r->flushing_to = -1;
    r->told_leader_id = RAFT_NO_LEADER;
    r->told_epoch = -1;
    return r;
}

static void history_pop(struct raft *r)
{
    raft_voters_deinit(&VEC_POP(&r->history).voters);
}

void raft_free(struct raft *r)
{
    if (r == NULL)
        return;
    while (r->history.count > 0)
        history_pop(r);
    VEC_DEINIT(&r->history);
    VEC_DEINIT(&r->epochs);
    raft_voters_deinit(&r->static_voters);
    mem_free(r);
}

void raft_effects_clear(struct raft_effects *effects)
{
    for (uint32_t i = 0; i < effects->count; i++) {
        if (effects->items[i].type == RAFT_DO_PERSIST)
            shared_unref(effects->items[i].content);
        if (effects->items[i].type == RAFT_DO_APPEND)
            shared_unref(effects->items[i].append.batch);
    }
    effects->count = 0;
}

struct raft_effect *raft__do(struct raft *r, enum raft_effect_type type)
{
    ASSERT(r->out->count < RAFT_EFFECT_COUNT_MAX);
    struct raft_effect *effect = &r->out->items[r->out->count++];
    *effect = (struct raft_effect){ .type = type };
    return effect;
}

/* A full row gives up the oldest: requests are repeated, and who waits for an answer has a time-out. */
void raft__defer(struct raft *r, const struct raft_effect *effect)
{
    if (r->deferred_count == RAFT_DEFERRED_MAX) {
        r->deferred_count--;
        memmove(&r->deferred[0], &r->deferred[1], r->deferred_count * sizeof(r->deferred[0]));
    }
    r->deferred[r->deferred_count++] =
        (struct raft_deferred){ .serial = r->serial, .effect = *effect };
}

static struct shared *shared_copy(struct bytes bytes)
{
    struct shared *copy = shared_new(bytes.size);
    memcpy(copy->data, bytes.data, bytes.size);
    return copy;
}

/* ---- what the log has said ------------------------------------------------------------------------- */

const struct raft_voters *raft_voters(const struct raft *r)
{
    for (size_t i = r->history.count; i-- > 0;) {
        if (!r->history.items[i].is_version)
            return &r->history.items[i].voters;
    }
    return &r->static_voters;
}

int16_t raft_kraft_version(const struct raft *r)
{
    for (size_t i = r->history.count; i-- > 0;) {
        if (r->history.items[i].is_version)
            return r->history.items[i].kraft_version;
    }
    return 0;
}

bool raft__is_voter(const struct raft *r)
{
    return raft_voters_has(raft_voters(r), r->settings.node_id, r->settings.directory_id);
}

bool raft__is_sole_voter(const struct raft *r)
{
    return raft_voters(r)->count == 1 && raft__is_voter(r);
}

static int load_record(struct raft *r, const struct record *record, bool is_snapshot,
                       struct err_note *note)
{
    struct raft_control control;
    const int e = raft_control_parse(record, &control, note);
    if (e < 0)
        return e;
    const int64_t offset = is_snapshot ? -1 : record->offset;
    if (control.type == CONTROL_KRAFT_VERSION) {
        if (control.kraft_version < 0 || control.kraft_version > RAFT_KRAFT_VERSION_MAX) {
            return err_note(note, -ERR_VERSION, "kraft.version %d; this build supports 0 to %d",
                            control.kraft_version, RAFT_KRAFT_VERSION_MAX);
        }
        VEC_ADD(&r->history, ((struct raft_history){ .offset = offset,
                                                     .is_version = true,
                                                     .kraft_version = control.kraft_version }));
    } else if (control.type == CONTROL_KRAFT_VOTERS) {
        VEC_ADD(&r->history, ((struct raft_history){ .offset = offset, .voters = control.voters }));
    }
    return 0;
}

int raft_load_batch(struct raft *r, const struct batch_view *batch, bool is_snapshot,
                    struct err_note *note)
{
    ASSERT(!r->is_started);
    if ((batch->attributes & BATCH_CONTROL) == 0)
        return 0;
    AUTO(record_walk_deinit) struct record_walk walk;
    record_walk_init(&walk, batch, NULL, RAFT_BATCH_BYTES_MAX);
    struct record record;
    int e;
    while ((e = record_walk_next(&walk, &record)) > 0) {
        e = load_record(r, &record, is_snapshot, note);
        if (e < 0)
            return e;
    }
    if (e < 0)
        return err_note(note, -ERR_MALFORMED, "control batch %" PRId64 ": %s", batch->base_offset,
                        err_sentence(e));
    return 0;
}

int32_t raft__log_end_epoch(const struct raft *r)
{
    return r->epochs.count > 0 ? r->epochs.items[r->epochs.count - 1].epoch : r->base_epoch;
}

/* ---- the log's ends -------------------------------------------------------------------------------- */

void raft__append_batch(struct raft *r, struct bytes batch, uint32_t record_count)
{
    struct raft_effect *effect = raft__do(r, RAFT_DO_APPEND);
    effect->append.base_offset = r->log_end;
    effect->append.last_offset = r->log_end + record_count - 1;
    effect->append.epoch = r->state.leader_epoch;
    effect->append.batch = shared_copy(batch);
    r->log_end += record_count;
}

/* The log is cut to `end`: nothing that was told there holds any more. */
static void forget_from(struct raft *r, int64_t end)
{
    while (r->history.count > 0 && r->history.items[r->history.count - 1].offset >= end)
        history_pop(r);
    while (r->epochs.count > 0 && r->epochs.items[r->epochs.count - 1].offset >= end)
        (void)VEC_POP(&r->epochs);
    r->log_end = end;
    r->flushing_to =
        MIN(r->flushing_to, end); /* the flush in flight covers no more than there is */
}

static int64_t majority_end(const struct raft *r)
{
    int64_t ends[RAFT_VOTER_COUNT_MAX];
    for (uint32_t i = 0; i < r->peer_count; i++) {
        const int64_t end =
            r->peers[i].id == r->settings.node_id ? r->flushed_end : r->peers[i].end_offset;
        uint32_t at = i; /* insertion, highest first */
        while (at > 0 && ends[at - 1] < end) {
            ends[at] = ends[at - 1];
            at--;
        }
        ends[at] = end;
    }
    return r->peer_count == 0 ? -1 : ends[r->peer_count / 2];
}

static void advance_high_watermark(struct raft *r)
{
    if (r->role != RAFT_ROLE_LEADER || r->durable_serial < r->leader_serial)
        return;
    const int64_t end = majority_end(r);
    if (end <= r->epoch_start || end <= r->high_watermark)
        return;
    struct raft_effect *commit = raft__do(r, RAFT_DO_COMMIT);
    commit->commit.from_offset = r->high_watermark < 0 ? r->log_start : r->high_watermark;
    commit->commit.to_offset = end;
    r->high_watermark = end;
    if (!r->is_lead_told) {
        r->is_lead_told = true;
        struct raft_effect *lead = raft__do(r, RAFT_DO_LEAD);
        lead->leader.leader_id = r->settings.node_id;
        lead->leader.epoch = r->state.leader_epoch;
        lead->leader.epoch_start_offset = r->epoch_start;
    }
}

static void stop(struct raft *r, const char *why)
{
    (void)err_note(&r->stop_note, -EIO, "%s", why);
    raft__do(r, RAFT_DO_STOP)->note = &r->stop_note;
}

/* ---- events ---------------------------------------------------------------------------------------- */

static int on_start(struct raft *r, const struct raft_start *start, struct err_note *note)
{
    ASSERT(!r->is_started);
    ASSERT(start->flushed_end_offset <= start->log_end_offset);
    struct quorum_state state = QUORUM_STATE_NONE;
    if (!bytes_is_null(start->quorum_state)) {
        const int e = quorum_state_parse(start->quorum_state, &state, note);
        if (e < 0)
            return err_note_prefix(note, e, "%s", QUORUM_STATE_FILE);
    }
    r->is_started = true;
    r->log_start = start->log_start_offset;
    r->log_end = start->log_end_offset;
    r->flushed_end = start->flushed_end_offset;
    r->base_epoch = start->log_end_epoch;
    r->state = state;
    if (state.leader_epoch < start->log_end_epoch) {
        /* A crash after the first append of an epoch, before its file was replaced. */
        r->state = QUORUM_STATE_NONE;
        r->state.leader_epoch = start->log_end_epoch;
    }
    if (raft__is_sole_voter(r))
        raft__elect_alone(r);
    else if (r->state.leader_id == r->settings.node_id)
        raft__become_resigned(
            r, r->settings.election_timeout_ms); /* led before; may not go on in that epoch */
    else if (r->state.leader_id != RAFT_NO_LEADER)
        raft__become_follower(r, r->state.leader_epoch, r->state.leader_id);
    else
        raft__become_unattached(r, r->state.leader_epoch);
    return 0;
}

static int on_append(struct raft *r, const struct raft_append *append, struct err_note *note)
{
    if (!raft_is_leader(r) || append->epoch != r->state.leader_epoch)
        return err_note(note, -ERR_NOT_LEADER, "this node does not lead epoch %" PRId32,
                        append->epoch);
    ASSERT(append->value_count > 0);
    if (append->value_count > RAFT_BATCH_RECORDS_MAX) {
        return err_note(note, -ERR_LIMIT, "%" PRIu32 " records in one batch; at most %d",
                        append->value_count, RAFT_BATCH_RECORDS_MAX);
    }
    struct batch_options options = BATCH_OPTIONS_NONE;
    options.base_offset = r->log_end;
    options.leader_epoch = r->state.leader_epoch;
    options.size_bytes_max = RAFT_BATCH_BYTES_MAX;
    struct batch_builder b;
    batch_builder_init(&b, &options);
    int e = 0;
    for (uint32_t i = 0; i < append->value_count && e == 0; i++)
        e = batch_builder_add(&b, r->wall_ms, BYTES_NULL, append->values[i], NULL, 0);
    struct bytes batch;
    if (e == 0)
        e = batch_builder_finish(&b, &batch);
    if (e == 0)
        raft__append_batch(r, batch, append->value_count);
    batch_builder_deinit(&b);
    if (e < 0) {
        return err_note(note, -ERR_LIMIT,
                        "%" PRIu32 " records take more than %d bytes in one batch",
                        append->value_count, RAFT_BATCH_BYTES_MAX);
    }
    return 0;
}

static void on_flushed(struct raft *r, int64_t offset)
{
    r->flushed_end = MAX(r->flushed_end, MIN(offset, r->log_end));
    if (r->flushed_end >= r->flushing_to)
        r->flushing_to = -1;
}

static void on_append_failed(struct raft *r, int64_t offset)
{
    if (offset >= r->log_end)
        return; /* an earlier failure has cut it off already */
    ASSERT(offset >= r->flushed_end);
    forget_from(r, offset);
    raft__do(r, RAFT_DO_TRUNCATE)->offset = offset;
    if (r->role == RAFT_ROLE_LEADER)
        raft__become_resigned(r, RAFT_RETRY_MS);
}

static void on_resign(struct raft *r)
{
    if (r->role != RAFT_ROLE_LEADER)
        return;
    const struct raft_voters *voters = raft_voters(r);
    for (uint32_t i = 0; i < voters->count; i++) {
        if (voters->items[i].id == r->settings.node_id)
            continue;
        raft__do(r, RAFT_DO_SEND_END_EPOCH)->epoch_message =
            (struct raft_epoch_message){ .from_id = voters->items[i].id,
                                         .voter_directory_id = voters->items[i].directory_id,
                                         .epoch = r->state.leader_epoch,
                                         .leader_id = r->settings.node_id };
    }
    raft__become_resigned(r, raft__is_sole_voter(r) ? RAFT_RETRY_MS
                                                    : 2 * r->settings.election_timeout_ms);
}

static void on_replica_fetched(struct raft *r, const struct raft_replica_fetched *fetched)
{
    if (r->role != RAFT_ROLE_LEADER || fetched->replica_id == r->settings.node_id ||
        !raft_voters_has(raft_voters(r), fetched->replica_id, fetched->directory_id))
        return;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_peer *peer = &r->peers[i];
        if (peer->id != fetched->replica_id)
            continue;
        if (fetched->fetch_offset >= r->log_end)
            peer->last_caught_up_wall_ms = r->wall_ms;
        else if (peer->leader_end_at_fetch >= 0 &&
                 fetched->fetch_offset >= peer->leader_end_at_fetch)
            peer->last_caught_up_wall_ms =
                MAX(peer->last_caught_up_wall_ms, peer->last_fetch_wall_ms);
        peer->end_offset = MIN(MAX(peer->end_offset, fetched->fetch_offset), r->log_end);
        peer->leader_end_at_fetch = r->log_end;
        peer->last_fetch_wall_ms = r->wall_ms;
        peer->knows_epoch = true;
    }
}

static void on_timer(struct raft *r)
{
    r->armed_ms = INT64_MAX;
    if (r->now_ms >= r->persist_retry_ms)
        r->persist_retry_ms = INT64_MAX; /* settle writes again */
    if (r->now_ms >= r->deadline_ms)
        raft__on_deadline(r);
}

static int dispatch(struct raft *r, const struct raft_event *event, struct err_note *note)
{
    switch (event->type) {
    case RAFT_ON_START:
        return on_start(r, &event->start, note);
    case RAFT_ON_TIMER:
        on_timer(r);
        return 0;
    case RAFT_ON_APPEND:
        return on_append(r, &event->append, note);
    case RAFT_ON_PERSISTED:
        ASSERT(r->is_persisting);
        r->is_persisting = false;
        r->durable_serial = r->issued_serial;
        return 0;
    case RAFT_ON_PERSIST_FAILED:
        ASSERT(r->is_persisting);
        r->is_persisting = false;
        r->persist_retry_ms = r->now_ms + RAFT_RETRY_MS;
        return 0;
    case RAFT_ON_FLUSHED:
        on_flushed(r, event->flushed_offset);
        return 0;
    case RAFT_ON_APPEND_FAILED:
        on_append_failed(r, event->failed_offset);
        return 0;
    case RAFT_ON_FLUSH_FAILED:
        stop(r, "the metadata log could not be synced: what the disk holds is not known any more");
        return 0;
    case RAFT_ON_RESIGN:
        on_resign(r);
        return 0;
    case RAFT_ON_VOTE_REQUEST:
        raft__on_vote_request(r, &event->vote_request);
        return 0;
    case RAFT_ON_VOTE_ANSWER:
        raft__on_vote_answer(r, &event->vote_answer);
        return 0;
    case RAFT_ON_BEGIN_EPOCH:
        raft__on_begin_epoch(r, &event->epoch_message);
        return 0;
    case RAFT_ON_BEGIN_EPOCH_ANSWER:
        raft__on_begin_epoch_answer(r, &event->epoch_message);
        return 0;
    case RAFT_ON_END_EPOCH:
        raft__on_end_epoch(r, &event->epoch_message);
        return 0;
    case RAFT_ON_REPLICA_FETCHED:
        on_replica_fetched(r, &event->replica_fetched);
        return 0;
    }
    ASSERT(false);
    return 0;
}

/* ---- what follows from any event --------------------------------------------------------------------- */

/* One write of quorum-state at a time; whatever changed meanwhile is in the next one. */
static void settle_state(struct raft *r)
{
    if (r->is_persisting || r->serial == r->durable_serial || r->persist_retry_ms != INT64_MAX)
        return;
    struct buf text;
    buf_init(&text, QUORUM_STATE_SIZE_BYTES_MAX);
    quorum_state_print(&r->state, raft_kraft_version(r), raft_voters(r), &text);
    ASSERT(buf_is_ok(&text));
    raft__do(r, RAFT_DO_PERSIST)->content = shared_copy(buf_view(&text));
    buf_deinit(&text);
    r->issued_serial = r->serial;
    r->is_persisting = true;
}

static void settle_deferred(struct raft *r)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->deferred_count; i++) {
        if (r->deferred[i].serial <= r->durable_serial)
            *raft__do(r, r->deferred[i].effect.type) = r->deferred[i].effect;
        else
            r->deferred[kept++] = r->deferred[i];
    }
    r->deferred_count = kept;
}

static void settle_flush(struct raft *r)
{
    if (r->flushing_to >= 0 || r->flushed_end == r->log_end || !r->is_started)
        return;
    r->flushing_to = r->log_end;
    raft__do(r, RAFT_DO_FLUSH)->offset = r->log_end;
}

static void settle_leader(struct raft *r)
{
    if (r->told_leader_id == r->state.leader_id && r->told_epoch == r->state.leader_epoch)
        return;
    struct raft_effect *effect = raft__do(r, RAFT_DO_LEADER_CHANGED);
    effect->leader.leader_id = r->told_leader_id = r->state.leader_id;
    effect->leader.epoch = r->told_epoch = r->state.leader_epoch;
    effect->leader.epoch_start_offset = r->epoch_start;
}

static void settle_timer(struct raft *r)
{
    const int64_t deadline = MIN(r->deadline_ms, r->persist_retry_ms);
    if (deadline == INT64_MAX || deadline == r->armed_ms)
        return; /* a timer that fires for nothing does no harm */
    r->armed_ms = deadline;
    raft__do(r, RAFT_DO_ARM_TIMER)->deadline_ms = deadline;
}

static void check(const struct raft *r)
{
    ASSERT(r->flushed_end <= r->log_end);
    ASSERT(r->high_watermark <= r->log_end);
    ASSERT(r->flushing_to <= r->log_end);
    ASSERT(r->durable_serial <= r->issued_serial && r->issued_serial <= r->serial);
    ASSERT(r->role != RAFT_ROLE_LEADER || r->state.leader_id == r->settings.node_id);
    ASSERT(r->role == RAFT_ROLE_LEADER || !r->is_lead_told);
    ASSERT(raft__log_end_epoch(r) <= r->state.leader_epoch || !r->is_started);
}

int raft_step(struct raft *r, const struct raft_event *event, struct raft_effects *effects,
              struct err_note *note)
{
    ASSERT(effects->count == 0);
    ASSERT(r->is_started || event->type == RAFT_ON_START);
    check(r);
    r->now_ms = event->now_ms;
    r->wall_ms = event->wall_ms;
    r->random = event->random;
    r->out = effects;
    const int e = dispatch(r, event, note);
    if (e == 0) {
        settle_state(r);
        settle_flush(r);
        settle_deferred(r);
        settle_leader(r);
        advance_high_watermark(r);
        settle_timer(r);
    }
    r->out = NULL;
    check(r);
    return e;
}

/* ---- what is known now ------------------------------------------------------------------------------ */

enum raft_role raft_role(const struct raft *r)
{
    return r->role;
}

int32_t raft_epoch(const struct raft *r)
{
    return r->state.leader_epoch;
}

int32_t raft_leader_id(const struct raft *r)
{
    return r->role == RAFT_ROLE_RESIGNED ? RAFT_NO_LEADER : r->state.leader_id;
}

bool raft_is_leader(const struct raft *r)
{
    return r->role == RAFT_ROLE_LEADER;
}

int64_t raft_next_offset(const struct raft *r)
{
    return r->log_end;
}

int64_t raft_high_watermark(const struct raft *r)
{
    return r->high_watermark;
}
