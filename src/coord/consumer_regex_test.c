/* The expressions of a consumer group are resolved one a step, and the group's epoch rises with the last of them. */
#include "base/test.h"
#include "coord/assignor.h"
#include "coord/rig_group_test.h"
#include "metadata/loader.h"
#include "wire/api.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/topic_record.h"

enum { MEMBERS = 3 };

static const char *const member_ids[MEMBERS] = { "one", "two", "three" };
static const char *const regexes[MEMBERS] = { "a.*", "[b-z]+", "c?" };

struct story {
    struct rig_group rig;
    struct metadata_loader *cluster;
    struct consumer_group_heartbeat_request requests[MEMBERS];
};

static void on_answer(void *context, const struct coord_answer *answer)
{
    (void)context;
    (void)answer;
}

static void begin(struct story *s, uint64_t seed)
{
    *s = (struct story){ .rig = { .rng = rng_from_seed(seed), .on_answer = on_answer } };
    s->rig.settings = (struct group_settings){
        .session_timeout_ms_max = 1800000,
        .member_count_max = INT32_MAX,
        .offsets_retention_ms = INT64_C(1) << 40,
        .retention_check_interval_ms = 1000000,
        .commit_timeout_ms = 5000,
        .batch_bytes_max = 1 << 20,
        .consumer_session_timeout_ms = { SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS, 45000, 1,
                                         60000 },
        .consumer_heartbeat_interval_ms = { SETTING_GROUP_CONSUMER_HEARTBEAT_INTERVAL_MS, 5000, 1,
                                            60000 },
        .consumer_count_max = INT32_MAX,
        .regex_refresh_interval_ms = 600000,
        .assignors = { ASSIGNOR_UNIFORM },
        .assignor_count = 1
    };
    s->cluster = metadata_loader_new(NULL);
    struct topic_record record = topic_record_default;
    record.name = BYTES_LITERAL("c");
    record.topic_id.bytes[0] = 1;
    EXPECT_OK(metadata_loader_replay(
        s->cluster, (struct metadata_provenance){ .epoch = 1 },
        &(struct metadata_record){ .message = &topic_record_message, .value = &record }, NULL));
    rig_group_begin(&s->rig);
    struct metadata_image *image = metadata_loader_publish(s->cluster);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_IMAGE, .image = image });
    metadata_image_unref(image);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_LOADED });
}

static void beat(struct story *s, int member, int32_t epoch)
{
    struct consumer_group_heartbeat_request *m = &s->requests[member];
    consumer_group_heartbeat_request_init(m);
    m->group_id = BYTES_LITERAL("g");
    m->member_id = bytes_from_text(member_ids[member]);
    m->member_epoch = epoch;
    if (epoch == 0) {
        m->rebalance_timeout_ms = 5000;
        m->subscribed_topic_regex = bytes_from_text(regexes[member]);
        m->topic_partitions_count = 0;
    }
    uint64_t token;
    rig_group_ask(&s->rig, &token, API_CONSUMER_GROUP_HEARTBEAT, 1, m);
}

static void end_writes(struct story *s)
{
    while (s->rig.log.writes.count > 0)
        rig_group_end_write(&s->rig, KAFKA_NONE);
}

/* One step of the timer: how many records it writes. */
static size_t resolve_one(struct story *s)
{
    EXPECT_EQ(s->rig.log.writes.count, 0);
    EXPECT_EQ(s->rig.effects.deadline_ms, s->rig.now_ms);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_TIMER });
    EXPECT_EQ(s->rig.log.writes.count, 1);
    const size_t count = s->rig.log.writes.items[0].records.count;
    end_writes(s);
    return count;
}

static void live(uint64_t seed, bool one_leaves)
{
    struct story s;
    begin(&s, seed);
    for (int i = 0; i < MEMBERS; i++)
        beat(&s, i, 0);
    end_writes(&s);
    EXPECT_EQ(resolve_one(&s), 1);
    if (one_leaves)
        beat(&s, MEMBERS - 1, -1);
    else
        EXPECT_EQ(resolve_one(&s), 1);
    end_writes(&s);
    EXPECT_EQ(resolve_one(&s), 2); /* and the group's epoch */
    EXPECT(s.rig.effects.deadline_ms > s.rig.now_ms);
    rig_group_expect_reloadable(&s.rig);
    rig_group_end(&s.rig);
    metadata_loader_free(s.cluster);
}

TEST(consumer_regex, is_resolved_alone_and_the_epoch_rises_with_the_last)
{
    live(context->seed, false);
}

TEST(consumer_regex, that_nobody_has_any_more_is_not_waited_for)
{
    live(context->seed, true);
}
