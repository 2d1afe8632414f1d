/* Numbers of a record are what anybody has written: they may lie at the ends of their range. */
#include "base/mem.h"
#include "base/test.h"
#include "coord/group/rig_group_test.h"
#include "coord/record.h"
#include "wire/api.h"
#include "wire/messages/group_metadata_key.h"
#include "wire/messages/group_metadata_value.h"
#include "wire/messages/join_group_request.h"
#include "wire/messages/join_group_response.h"
#include "wire/messages/offset_commit_key.h"
#include "wire/messages/offset_commit_value.h"

struct story {
    struct rig_group rig;
    int32_t generation; /* of the latest answer */
};

static void on_answer(void *context, const struct coord_answer *answer)
{
    struct story *s = context;
    const struct join_group_response *told = answer->message;
    EXPECT_EQ(told->error_code, KAFKA_NONE);
    s->generation = told->generation_id;
}

static void begin(struct story *s, uint64_t seed)
{
    *s = (struct story){ .rig = { .rng = rng_from_seed(seed), .on_answer = on_answer } };
    s->rig.context = s;
    s->rig.settings = (struct group_settings){ .session_timeout_ms_min = 1000,
                                               .session_timeout_ms_max = 60000,
                                               .member_count_max = 10,
                                               .metadata_length_max = 4096,
                                               .offsets_retention_ms = 100000,
                                               .retention_check_interval_ms = 1000,
                                               .commit_timeout_ms = 5000,
                                               .batch_bytes_max = 1 << 20 };
    rig_group_begin(&s->rig);
}

/* A record that is in the log, from before. */
static void put(struct story *s, const struct record *record)
{
    struct arena arena;
    struct coord_record bytes;
    arena_init(&arena, 1 << 16);
    EXPECT(coord__record_encode(record, 1 << 16, &arena, &bytes));
    VEC_ADD(&s->rig.log.records, rig_record_new(-1, bytes.key, bytes.value));
    arena_deinit(&arena);
}

static void load(struct story *s)
{
    rig_group_replace(&s->rig);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_LOADED });
}

TEST(group_numbers, generations_begin_anew_after_the_last)
{
    struct story s;
    begin(&s, context->seed);
    struct group_metadata_key key = group_metadata_key_default;
    struct group_metadata_value value = group_metadata_value_default;
    key.group = BYTES_LITERAL("g");
    value.protocol_type = BYTES_LITERAL("consumer");
    value.generation = INT32_MAX;
    put(&s, &(struct record){ .key_type = &group_metadata_key_message,
                              .key = &key,
                              .value_type = &group_metadata_value_message,
                              .value_version = 3,
                              .value = &value });
    load(&s);
    struct join_group_request asked = join_group_request_default;
    struct join_group_request_protocol protocol = join_group_request_protocol_default;
    protocol.name = BYTES_LITERAL("range");
    asked.group_id = BYTES_LITERAL("g");
    asked.session_timeout_ms = 10000;
    asked.rebalance_timeout_ms = 10000;
    asked.protocol_type = BYTES_LITERAL("consumer");
    asked.protocols = &protocol;
    asked.protocols_count = 1;
    uint64_t token;
    rig_group_ask(&s.rig, &token, API_JOIN_GROUP, 3, &asked);
    rig_group_pass_time(&s.rig, 100);
    EXPECT_EQ(s.generation, 1);
    rig_group_end(&s.rig);
}

TEST(group_numbers, offsets_committed_at_any_time_expire_in_theirs)
{
    static const int64_t times[] = { INT64_MIN, INT64_MAX };
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        struct story s;
        begin(&s, context->seed);
        struct offset_commit_key key = offset_commit_key_default;
        struct offset_commit_value value = offset_commit_value_default;
        key.group = BYTES_LITERAL("g");
        key.topic = BYTES_LITERAL("t");
        value.offset = 7;
        value.commit_timestamp = times[i];
        put(&s, &(struct record){ .key_type = &offset_commit_key_message,
                                  .key = &key,
                                  .value_type = &offset_commit_value_message,
                                  .value_version = 3,
                                  .value = &value });
        load(&s);
        rig_group_pass_time(&s.rig, 5000);
        EXPECT_EQ(s.rig.log.writes.count, times[i] < 0); /* tombstones */
        rig_group_end(&s.rig);
    }
}
