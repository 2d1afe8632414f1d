/* See toy_test.h. */
#include "raft/toy_test.h"

#include "base/mem.h"
#include "raft/snapshot.h"

#include <errno.h>
#include <string.h>

void toy_init(struct toy *toy, const struct raft_settings *settings, uint64_t seed)
{
    *toy = (struct toy){ .settings = *settings,
                         .flushing_to = -1,
                         .committed = -1,
                         .lead_epoch = -1,
                         .lead_epoch_ever = -1,
                         .armed_ms = INT64_MAX,
                         .crash_after = UINT32_MAX,
                         .now_ms = 1000,
                         .rng = rng_from_seed(seed) };
    buf_init(&toy->checkpoint, 1 << 20);
}

void toy_deinit(struct toy *toy)
{
    raft_free(toy->raft);
    for (size_t i = 0; i < toy->log.count; i++)
        shared_unref(toy->log.items[i].bytes);
    VEC_DEINIT(&toy->log);
    VEC_DEINIT(&toy->outbox);
    shared_unref(toy->quorum_state);
    shared_unref(toy->quorum_state_coming);
    buf_deinit(&toy->checkpoint);
}

int64_t toy_log_end(const struct toy *toy)
{
    return toy->log.count == 0 ? 0 : toy->log.items[toy->log.count - 1].last_offset + 1;
}

static struct batch_view view_of(const struct toy_batch *b)
{
    struct batch_view view;
    EXPECT_EQ(batch_parse(bytes_from(b->bytes->data, b->bytes->size), &view), (int)b->bytes->size);
    return view;
}

void toy_check_log(const struct toy *toy)
{
    int64_t next = 0;
    int32_t epoch = 0;
    for (size_t i = 0; i < toy->log.count; i++) {
        const struct batch_view view = view_of(&toy->log.items[i]);
        EXPECT_OK(batch_check_crc(&view));
        EXPECT_EQ(view.base_offset, next);
        EXPECT(view.leader_epoch >= epoch);
        next = batch_last_offset(&view) + 1;
        epoch = view.leader_epoch;
    }
}

char *toy_value_at(const struct toy *toy, int64_t offset)
{
    for (size_t i = 0; i < toy->log.count; i++) {
        if (offset < toy->log.items[i].base_offset || offset > toy->log.items[i].last_offset)
            continue;
        const struct batch_view view = view_of(&toy->log.items[i]);
        if ((view.attributes & BATCH_CONTROL) != 0)
            return mem_strdup("");
        struct record_walk walk;
        struct record record;
        record_walk_init(&walk, &view, NULL, 1 << 20);
        char *value = NULL;
        while (value == NULL && record_walk_next(&walk, &record) > 0) {
            if (record.offset == offset)
                value = bytes_to_text(record.value);
        }
        record_walk_deinit(&walk);
        return value;
    }
    return NULL;
}

/* ---- effects ------------------------------------------------------------------------------------ */

static void cut_log(struct toy *toy, int64_t end)
{
    while (toy->log.count > 0 && toy->log.items[toy->log.count - 1].last_offset >= end)
        shared_unref(VEC_POP(&toy->log).bytes);
    EXPECT_EQ(toy_log_end(toy), end);
}

static void carry_out(struct toy *toy, struct raft_effect *effect)
{
    switch (effect->type) {
    case RAFT_DO_PERSIST:
        EXPECT(toy->quorum_state_coming == NULL); /* one at a time */
        toy->quorum_state_coming = shared_ref(effect->content);
        return;
    case RAFT_DO_APPEND:
        if (toy->are_appends_dropped)
            return;
        if (toy->fail_appends > 0) {
            toy->fail_appends--;
            toy->are_appends_dropped = true;
            return;
        }
        EXPECT_EQ(effect->append.base_offset, toy_log_end(toy));
        VEC_ADD(&toy->log, ((struct toy_batch){ .bytes = shared_ref(effect->append.batch),
                                                .base_offset = effect->append.base_offset,
                                                .last_offset = effect->append.last_offset,
                                                .epoch = effect->append.epoch }));
        return;
    case RAFT_DO_FLUSH:
        EXPECT_EQ(toy->flushing_to, -1);
        toy->flushing_to = effect->offset;
        return;
    case RAFT_DO_TRUNCATE:
        EXPECT(effect->offset >= toy->flushed_end);
        EXPECT(effect->offset >= toy->committed_ever);
        cut_log(toy, effect->offset);
        return;
    case RAFT_DO_COMMIT:
        EXPECT(effect->commit.to_offset <= toy->flushed_end); /* never before it is on the disk */
        EXPECT_EQ(effect->commit.from_offset, MAX(toy->committed, (int64_t)0));
        EXPECT(effect->commit.to_offset > effect->commit.from_offset);
        toy->committed = effect->commit.to_offset;
        toy->committed_ever = MAX(toy->committed_ever, toy->committed);
        return;
    case RAFT_DO_LEAD:
        EXPECT_EQ(toy->lead_epoch, -1);
        EXPECT(effect->leader.epoch > toy->lead_epoch_ever);
        EXPECT(toy->committed > effect->leader.epoch_start_offset);
        toy->lead_epoch = toy->lead_epoch_ever = effect->leader.epoch;
        return;
    case RAFT_DO_UNLEAD:
        EXPECT_EQ(toy->lead_epoch, effect->leader.epoch);
        toy->lead_epoch = -1;
        return;
    case RAFT_DO_ARM_TIMER:
        toy->armed_ms = effect->deadline_ms;
        return;
    case RAFT_DO_STOP:
        EXPECT(effect->note->text[0] != '\0');
        toy->is_stopped = true;
        return;
    case RAFT_DO_LEADER_CHANGED:
        return;
    case RAFT_DO_SEND_VOTE:
    case RAFT_DO_SEND_BEGIN_EPOCH:
    case RAFT_DO_SEND_END_EPOCH:
    case RAFT_DO_ANSWER_VOTE:
    case RAFT_DO_ANSWER_EPOCH:
        VEC_ADD(&toy->outbox, ((struct toy_message){ .effect = *effect }));
        return;
    }
}

int toy_step(struct toy *toy, struct raft_event event)
{
    if (toy->is_dead)
        return 0;
    struct raft_effects effects = { .count = 0 };
    event.now_ms = toy->now_ms;
    event.wall_ms = INT64_C(1700000000000) + toy->now_ms;
    event.random = rng_u64(&toy->rng);
    struct err_note note;
    const int r = raft_step(toy->raft, &event, &effects, &note);
    if (r < 0)
        EXPECT_EQ(effects.count, 0);
    for (uint32_t i = 0; i < effects.count && !toy->is_dead; i++) {
        if (toy->effect_count++ == toy->crash_after)
            toy->is_dead = true;
        else
            carry_out(toy, &effects.items[i]);
    }
    raft_effects_clear(&effects);
    if (toy->are_appends_dropped && !toy->is_dead) {
        toy->are_appends_dropped = false;
        return toy_step(toy, (struct raft_event){ .type = RAFT_ON_APPEND_FAILED,
                                                  .failed_offset = toy_log_end(toy) });
    }
    return r;
}

int toy_append(struct toy *toy, const char *value)
{
    const struct bytes bytes = bytes_from_text(value);
    return toy_step(toy, (struct raft_event){ .type = RAFT_ON_APPEND,
                                              .append = { .epoch = raft_epoch(toy->raft),
                                                          .values = &bytes,
                                                          .value_count = 1 } });
}

void toy_finish_persist(struct toy *toy, bool ok)
{
    if (toy->quorum_state_coming == NULL || toy->is_dead)
        return;
    if (ok) {
        shared_unref(toy->quorum_state);
        toy->quorum_state = TAKE(toy->quorum_state_coming);
    } else {
        shared_unref(toy->quorum_state_coming);
        toy->quorum_state_coming = NULL;
    }
    EXPECT_OK(toy_step(
        toy, (struct raft_event){ .type = ok ? RAFT_ON_PERSISTED : RAFT_ON_PERSIST_FAILED }));
}

void toy_finish_flush(struct toy *toy)
{
    if (toy->flushing_to < 0 || toy->is_dead)
        return;
    /* A cut may have come in between: what is synced is what is there. */
    toy->flushed_end = MIN(toy->flushing_to, toy_log_end(toy));
    toy->synced_end = MAX(toy->synced_end, toy->flushed_end);
    toy->flushing_to = -1;
    EXPECT_OK(toy_step(
        toy, (struct raft_event){ .type = RAFT_ON_FLUSHED, .flushed_offset = toy->flushed_end }));
}

void toy_fire(struct toy *toy)
{
    if (toy->armed_ms == INT64_MAX || toy->is_dead)
        return;
    toy->now_ms = MAX(toy->now_ms, toy->armed_ms);
    toy->armed_ms = INT64_MAX;
    EXPECT_OK(toy_step(toy, (struct raft_event){ .type = RAFT_ON_TIMER }));
}

void toy_settle(struct toy *toy)
{
    while (!toy->is_dead && (toy->quorum_state_coming != NULL || toy->flushing_to >= 0)) {
        toy_finish_persist(toy, true);
        toy_finish_flush(toy);
    }
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void feed_checkpoint(struct toy *toy)
{
    struct bytes file = buf_view(&toy->checkpoint);
    struct batch_view batch;
    int size;
    while (file.size > 0 && (size = batch_parse(file, &batch)) > 0) {
        EXPECT_OK(raft_load_batch(toy->raft, &batch, true, NULL));
        file = bytes_slice(file, (size_t)size, file.size);
    }
}

void toy_start(struct toy *toy, bool flushed_known)
{
    toy->raft = raft_new(&toy->settings);
    toy->committed = -1;
    toy->lead_epoch = -1;
    toy->armed_ms = INT64_MAX;
    toy->effect_count = 0;
    toy->is_dead = toy->is_stopped = false;
    feed_checkpoint(toy);
    for (size_t i = 0; i < toy->log.count; i++) {
        const struct batch_view view = view_of(&toy->log.items[i]);
        EXPECT_OK(raft_load_batch(toy->raft, &view, false, NULL));
    }
    toy->flushed_end = flushed_known ? toy->synced_end : 0;
    const struct raft_start start = {
        .quorum_state = toy->quorum_state == NULL
                            ? BYTES_NULL
                            : bytes_from(toy->quorum_state->data, toy->quorum_state->size),
        .log_end_offset = toy_log_end(toy),
        .log_end_epoch = toy->log.count == 0 ? 0 : toy->log.items[toy->log.count - 1].epoch,
        .flushed_end_offset = toy->flushed_end,
    };
    EXPECT_OK(toy_step(toy, (struct raft_event){ .type = RAFT_ON_START, .start = start }));
}

void toy_crash(struct toy *toy)
{
    raft_free(toy->raft);
    toy->raft = NULL;
    if (toy->quorum_state_coming != NULL && rng_chance(&toy->rng, 500000)) {
        shared_unref(toy->quorum_state);
        toy->quorum_state = TAKE(toy->quorum_state_coming);
    }
    shared_unref(toy->quorum_state_coming);
    toy->quorum_state_coming = NULL;
    const int64_t end = rng_between(&toy->rng, toy->synced_end, toy_log_end(toy));
    while (toy->log.count > 0 && toy->log.items[toy->log.count - 1].last_offset >= end &&
           toy->log.items[toy->log.count - 1].last_offset >= toy->synced_end)
        shared_unref(VEC_POP(&toy->log).bytes);
    toy->flushing_to = -1;
    toy->outbox.count = 0;
    toy->fail_appends = 0;
    toy->are_appends_dropped = false;
    toy->now_ms = 1000; /* monotonic time begins anew */
}
