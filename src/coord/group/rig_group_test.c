/* See rig_group_test.h. */
#include "coord/group/rig_group_test.h"

#include "base/test.h"

#include <string.h>

#define HASH_SEED   99
#define STATE_BYTES (1u << 20)

void rig_group_begin(struct rig_group *rig)
{
    group_effects_init(&rig->effects);
    rig->coordinator = rig_group_reload(rig, rng_u64(&rig->rng));
}

static void forget_resolutions(struct rig_group *rig)
{
    for (size_t i = 0; i < rig->resolutions.count; i++)
        group_resolution_free(rig->resolutions.items[i]);
    VEC_DEINIT(&rig->resolutions);
}

void rig_group_end(struct rig_group *rig)
{
    forget_resolutions(rig);
    rig_log_deinit(&rig->log);
    group_coordinator_free(rig->coordinator);
    group_effects_deinit(&rig->effects);
}

void rig_group_step(struct rig_group *rig, struct group_event event)
{
    event.now_ms = rig->now_ms;
    event.wall_ms = 1000000 + rig->now_ms;
    rng_fill(&rig->rng, event.random, sizeof(event.random));
    group_coordinator_step(rig->coordinator, &event, &rig->effects);
    for (size_t i = 0; i < rig->effects.appends.count; i++)
        (void)rig_log_append(&rig->log, &rig->effects.appends.items[i]);
    for (size_t i = 0; i < rig->effects.answers.count; i++)
        rig->on_answer(rig->context, &rig->effects.answers.items[i]);
    for (size_t i = 0; i < rig->effects.resolutions.count; i++)
        VEC_ADD(&rig->resolutions, rig->effects.resolutions.items[i]);
    group_effects_clear(&rig->effects);
    if (rig->on_stepped != NULL)
        rig->on_stepped(rig->context);
    while (!rig->holds_resolutions && rig->resolutions.count > 0)
        rig_group_resolve(rig);
}

void rig_group_resolve(struct rig_group *rig)
{
    struct group_resolution *resolution = rig->resolutions.items[0];
    VEC_REMOVE_AT(&rig->resolutions, 0);
    while (!group_resolution_work(resolution))
        continue;
    rig_group_step(rig,
                   (struct group_event){ .type = GROUP_ON_RESOLVED, .resolution = resolution });
    group_resolution_free(resolution);
}

void rig_group_ask(struct rig_group *rig, uint64_t *token, int16_t api_key, int16_t version,
                   const void *message)
{
    *token = rig->next_token++;
    rig_group_step(rig, (struct group_event){ .type = GROUP_ON_REQUEST,
                                              .request = { .token = *token,
                                                           .api_key = api_key,
                                                           .version = version,
                                                           .client_id = BYTES_LITERAL("c"),
                                                           .client_host = BYTES_LITERAL("/h"),
                                                           .message = message } });
}

void rig_group_end_write(struct rig_group *rig, enum kafka_error error)
{
    const uint64_t write_id = rig_log_end_write(&rig->log, error == KAFKA_NONE);
    rig_group_step(rig,
                   (struct group_event){ .type = GROUP_ON_APPENDED,
                                         .appended = { .write_id = write_id, .error = error } });
}

void rig_group_pass_time(struct rig_group *rig, int64_t ms)
{
    const int64_t end_ms = rig->now_ms + ms;
    while (rig->effects.deadline_ms <= end_ms) {
        rig->now_ms = MAX(rig->now_ms, rig->effects.deadline_ms);
        rig_group_step(rig, (struct group_event){ .type = GROUP_ON_TIMER });
    }
    rig->now_ms = end_ms;
}

struct group_coordinator *rig_group_reload(const struct rig_group *rig, uint64_t hash_seed)
{
    struct group_coordinator *coordinator = group_coordinator_new(&rig->settings, hash_seed);
    for (size_t i = 0; i < rig->log.records.count; i++) {
        const struct rig_record *record = &rig->log.records.items[i];
        if (bytes_is_null(record->key))
            group_coordinator_end_transaction(coordinator, record->producer_id, record->is_commit);
        else
            EXPECT_OK(group_coordinator_replay(coordinator, record->producer_id, record->key,
                                               record->value, NULL));
    }
    return coordinator;
}

void rig_group_replace(struct rig_group *rig)
{
    rig_log_forget_writes(&rig->log);
    forget_resolutions(rig);
    group_coordinator_free(rig->coordinator);
    rig->coordinator = rig_group_reload(rig, rng_u64(&rig->rng));
}

void rig_group_expect_reloadable(const struct rig_group *rig)
{
    struct buf live;
    struct buf loaded;
    buf_init(&live, STATE_BYTES);
    buf_init(&loaded, STATE_BYTES);
    struct group_coordinator *coordinator = rig_group_reload(rig, HASH_SEED);
    group_coordinator_print(rig->coordinator, &live);
    group_coordinator_print(coordinator, &loaded);
    EXPECT_BYTES(buf_view(&loaded), buf_view(&live));
    group_coordinator_free(coordinator);
    buf_deinit(&live);
    buf_deinit(&loaded);
}

struct bytes rig_take_line(struct bytes *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    const size_t size = (size_t)(end - text->data) + 1;
    const struct bytes line = bytes_slice(*text, 0, size);
    *text = bytes_slice(*text, size, SIZE_MAX);
    return line;
}
