/* The group coordinator fed with whatever a partition of __consumer_offsets may hold, and asked about it afterwards.
 *
 * Input, again and again: u8 what is done, then
 *   0 … 199    u8 size of the key, the key, u16 size of the value (65535: a tombstone), the value; a record,
 *              transactional if what is done is odd
 *   200 … 219  a marker: the transaction commits if what is done is odd
 *   from 220 on the log is at its end; every following byte is an event: a request of its own, a timer, a write's end
 * Properties: no overrun, no stop; every request is answered by the time the coordinator closes; what it would append
 * can be replayed.
 */
#include "fuzz.h"

#include "base/mem.h"
#include "coord/group/group_coordinator.h"
#include "coord_rig.h"
#include "wire/api.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/describe_groups_request.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/leave_group_request.h"
#include "wire/messages/list_groups_request.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_delete_request.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/sync_group_request.h"

#define GROUP_COUNT 4

struct run {
    struct group_coordinator *coordinator;
    struct group_effects effects;
    struct arena arena;
    struct group_coordinator *shadow; /* replays what is appended */
    int64_t now_ms;
    uint64_t next_token;
    uint64_t answered;
    uint64_t writes_end; /* ids that were appended */
    uint64_t writes_done;
};

static void step(struct run *run, struct group_event event)
{
    event.now_ms = run->now_ms;
    event.wall_ms = INT64_C(1700000000000) + run->now_ms;
    event.random[0] = (uint8_t)run->next_token;
    group_coordinator_step(run->coordinator, &event, &run->effects);
    for (size_t i = 0; i < run->effects.appends.count; i++) {
        const struct coord_append *append = &run->effects.appends.items[i];
        run->writes_end = append->write_id;
        for (uint32_t j = 0; j < append->record_count; j++)
            ASSERT(group_coordinator_replay(run->shadow, -1, append->records[j].key,
                                            append->records[j].value, NULL) == 0);
    }
    run->answered += run->effects.answers.count;
    ASSERT(run->effects.resolutions.count == 0); /* there is no image */
    group_effects_clear(&run->effects);
}

static void load_record(struct run *run, struct reader *r, bool is_transactional)
{
    struct bytes key, value;
    if (!coord_rig_read_record(r, &key, &value))
        return;
    struct err_note note = { "" };
    const int result =
        group_coordinator_replay(run->coordinator, is_transactional ? 7 : -1, key, value, &note);
    ASSERT(result == 0 || note.text[0] != '\0');
}

static void load(struct run *run, struct reader *r)
{
    while (reader_left(r) > 0 && reader_is_ok(r)) {
        const uint8_t what = (uint8_t)read_i8(r);
        if (what >= 220)
            return;
        if (what >= 200)
            group_coordinator_end_transaction(run->coordinator, 7, what % 2 == 1);
        else
            load_record(run, r, what % 2 == 1);
    }
}

/* Groups and members by the names that the corpus uses. */
static struct bytes name_of(uint8_t number)
{
    static const char *const names[GROUP_COUNT] = { "", "g", "simple", "cg" };
    return bytes_from_text(names[number % GROUP_COUNT]);
}

static const void *make_request(struct arena *arena, uint8_t what, struct bytes group,
                                int16_t *out_api_key)
{
    switch (what % 8) {
    case 0: {
        struct join_group_request *m = ARENA_NEW(arena, struct join_group_request);
        join_group_request_init(m);
        m->group_id = group;
        m->session_timeout_ms = 10000;
        m->protocol_type = BYTES_LITERAL("consumer");
        m->group_instance_id = what % 16 == 0 ? BYTES_LITERAL("i") : BYTES_NULL;
        m->protocols = join_group_request_protocol_array(arena, 1);
        m->protocols_count = 1;
        m->protocols[0].name = BYTES_LITERAL("range");
        *out_api_key = API_JOIN_GROUP;
        return m;
    }
    case 1: {
        struct sync_group_request *m = ARENA_NEW(arena, struct sync_group_request);
        sync_group_request_init(m);
        m->group_id = group;
        m->generation_id = 1;
        m->member_id = BYTES_LITERAL("m");
        *out_api_key = API_SYNC_GROUP;
        return m;
    }
    case 2: {
        struct leave_group_request *m = ARENA_NEW(arena, struct leave_group_request);
        leave_group_request_init(m);
        m->group_id = group;
        m->members = leave_group_request_member_identity_array(arena, 1);
        m->members_count = 1;
        m->members[0].member_id = BYTES_LITERAL("m");
        *out_api_key = API_LEAVE_GROUP;
        return m;
    }
    case 3: {
        struct offset_commit_request *m = ARENA_NEW(arena, struct offset_commit_request);
        offset_commit_request_init(m);
        m->group_id = group;
        m->topics = offset_commit_request_topic_array(arena, 1);
        m->topics_count = 1;
        m->topics[0].name = BYTES_LITERAL("t");
        m->topics[0].partitions = offset_commit_request_partition_array(arena, 1);
        m->topics[0].partitions_count = 1;
        *out_api_key = API_OFFSET_COMMIT;
        return m;
    }
    case 4: {
        struct offset_fetch_request *m = ARENA_NEW(arena, struct offset_fetch_request);
        offset_fetch_request_init(m);
        m->require_stable = what % 16 == 4;
        m->groups = offset_fetch_request_group_array(arena, 1);
        m->groups_count = 1;
        m->groups[0].group_id = group;
        m->groups[0].topics_count = -1;
        *out_api_key = API_OFFSET_FETCH;
        return m;
    }
    case 5: {
        struct offset_delete_request *m = ARENA_NEW(arena, struct offset_delete_request);
        offset_delete_request_init(m);
        m->group_id = group;
        m->topics = offset_delete_request_topic_array(arena, 1);
        m->topics_count = 1;
        m->topics[0].name = BYTES_LITERAL("t");
        m->topics[0].partitions = offset_delete_request_partition_array(arena, 1);
        m->topics[0].partitions_count = 1;
        *out_api_key = API_OFFSET_DELETE;
        return m;
    }
    case 6: {
        struct describe_groups_request *m = ARENA_NEW(arena, struct describe_groups_request);
        describe_groups_request_init(m);
        m->groups = ARENA_NEW(arena, struct bytes);
        m->groups[0] = group;
        m->groups_count = 1;
        *out_api_key = API_DESCRIBE_GROUPS;
        return m;
    }
    default: {
        struct delete_groups_request *m = ARENA_NEW(arena, struct delete_groups_request);
        delete_groups_request_init(m);
        m->groups_names = ARENA_NEW(arena, struct bytes);
        m->groups_names[0] = group;
        m->groups_names_count = 1;
        *out_api_key = API_DELETE_GROUPS;
        return m;
    }
    }
}

static void ask(struct run *run, uint8_t what)
{
    struct group_event event = { .type = GROUP_ON_REQUEST };
    event.request.message =
        make_request(&run->arena, what, name_of(what / 16), &event.request.api_key);
    event.request.version = api_get(event.request.api_key)->version_max_stable;
    event.request.token = run->next_token++;
    step(run, event);
}

static void live(struct run *run, struct reader *r)
{
    step(run, (struct group_event){ .type = GROUP_ON_LOADED });
    while (reader_left(r) > 0) {
        const uint8_t what = (uint8_t)read_i8(r);
        if (what < 128) {
            ask(run, what);
        } else if (what < 192) {
            run->now_ms += INT64_C(1000) << (what % 24);
            step(run, (struct group_event){ .type = GROUP_ON_TIMER });
        } else if (run->writes_done < run->writes_end) {
            const enum kafka_error error = what % 4 == 0 ? KAFKA_KAFKA_STORAGE_ERROR : KAFKA_NONE;
            const uint64_t id = ++run->writes_done;
            if (error != KAFKA_NONE)
                run->writes_done = run->writes_end;
            step(run, (struct group_event){ .type = GROUP_ON_APPENDED,
                                            .appended = { .write_id = id, .error = error } });
        }
    }
    step(run, (struct group_event){ .type = GROUP_ON_UNLOAD });
    ASSERT(run->answered == run->next_token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct group_settings settings = { .session_timeout_ms_max = 1800000,
                                             .initial_rebalance_delay_ms = 3000,
                                             .member_count_max = 3,
                                             .metadata_length_max = 100,
                                             .offsets_retention_ms = 100000,
                                             .retention_check_interval_ms = 10000,
                                             .commit_timeout_ms = 5000,
                                             .batch_bytes_max = 10000 };
    struct run run = { .coordinator = group_coordinator_new(&settings, 1),
                       .shadow = group_coordinator_new(&settings, 2) };
    group_effects_init(&run.effects);
    arena_init(&run.arena, SIZE_MAX);
    struct reader r = reader_from(bytes_from(data, size));
    load(&run, &r);
    if (reader_is_ok(&r))
        live(&run, &r);
    group_coordinator_free(run.coordinator);
    group_coordinator_free(run.shadow);
    group_effects_deinit(&run.effects);
    arena_deinit(&run.arena);
    return 0;
}
