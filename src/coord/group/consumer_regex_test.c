/* The expressions of a consumer group are resolved outside of steps, one after the other, and the group's epoch rises with the last. */
#include "base/test.h"
#include "coord/assignor/assignor.h"
#include "coord/group/rig_group_test.h"
#include "metadata/loader.h"
#include "wire/api.h"
#include "wire/messages/consumer_group_heartbeat_request.h"
#include "wire/messages/consumer_group_heartbeat_response.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/topic_record.h"

#include <stdio.h>

enum { MEMBERS = 3 };

static const char *const member_ids[MEMBERS] = { "one", "two", "three" };
static const char *const regexes[MEMBERS] = { "a.*", "[b-z]+", "c?" };

struct story {
    struct rig_group rig;
    struct metadata_loader *cluster;
    struct consumer_group_heartbeat_request requests[MEMBERS];
    int32_t told_topics; /* in the latest answer; -1: it had no assignment */
};

static void on_answer(void *context, const struct coord_answer *answer)
{
    struct story *s = context;
    const struct consumer_group_heartbeat_response *told = answer->message;
    s->told_topics = told->assignment == NULL ? -1 : told->assignment->topic_partitions_count;
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
    s->rig.context = s;
    s->cluster = metadata_loader_new(NULL);
    rig_group_begin(&s->rig);
}

static void replay(struct story *s, const struct wire_message *message, void *record)
{
    EXPECT_OK(metadata_loader_replay(
        s->cluster, (struct metadata_provenance){ .epoch = 1 },
        &(struct metadata_record){ .message = message, .value = record }, NULL));
}

static void add_topic(struct story *s, uint8_t number, struct bytes name)
{
    struct topic_record topic = topic_record_default;
    topic.name = name;
    topic.topic_id.bytes[0] = number;
    replay(s, &topic_record_message, &topic);
    struct partition_record partition = partition_record_default;
    int32_t replica = 0;
    partition.topic_id = topic.topic_id;
    partition.replicas = partition.isr = &replica;
    partition.replicas_count = partition.isr_count = 1;
    partition.partition_id = 0;
    replay(s, &partition_record_message, &partition);
}

static void load(struct story *s)
{
    struct metadata_image *image = metadata_loader_publish(s->cluster);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_IMAGE, .image = image });
    metadata_image_unref(image);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_LOADED });
    s->rig.holds_resolutions = true;
}

static void end(struct story *s)
{
    rig_group_end(&s->rig);
    metadata_loader_free(s->cluster);
}

static void beat_with(struct story *s, int member, int32_t epoch, const char *regex)
{
    struct consumer_group_heartbeat_request *m = &s->requests[member];
    consumer_group_heartbeat_request_init(m);
    m->group_id = BYTES_LITERAL("g");
    m->member_id = bytes_from_text(member_ids[member]);
    m->member_epoch = epoch;
    if (epoch == 0) {
        m->rebalance_timeout_ms = 5000;
        m->subscribed_topic_regex = bytes_from_text(regex);
        m->topic_partitions_count = 0;
    }
    uint64_t token;
    rig_group_ask(&s->rig, &token, API_CONSUMER_GROUP_HEARTBEAT, 1, m);
}

static void beat(struct story *s, int member, int32_t epoch)
{
    beat_with(s, member, epoch, regexes[member]);
}

static void end_writes(struct story *s)
{
    while (s->rig.log.writes.count > 0)
        rig_group_end_write(&s->rig, KAFKA_NONE);
}

/* The round begins with the timer. */
static void begin_round(struct story *s)
{
    EXPECT_EQ(s->rig.effects.deadline_ms, s->rig.now_ms);
    rig_group_step(&s->rig, (struct group_event){ .type = GROUP_ON_TIMER });
}

/* The one that is out comes back: how many records that writes. */
static size_t resolve_one(struct story *s)
{
    EXPECT_EQ(s->rig.log.writes.count, 0);
    EXPECT_EQ(s->rig.resolutions.count, 1);
    EXPECT(s->rig.effects.deadline_ms > s->rig.now_ms);
    rig_group_resolve(&s->rig);
    EXPECT_EQ(s->rig.log.writes.count, 1);
    const size_t count = s->rig.log.writes.items[0].records.count;
    end_writes(s);
    return count;
}

static void live(uint64_t seed, bool one_leaves)
{
    struct story s;
    begin(&s, seed);
    add_topic(&s, 1, BYTES_LITERAL("c"));
    load(&s);
    for (int i = 0; i < MEMBERS; i++)
        beat(&s, i, 0);
    end_writes(&s);
    begin_round(&s);
    EXPECT_EQ(resolve_one(&s), 1);
    if (one_leaves)
        beat(&s, MEMBERS - 2, -1); /* whose expression is out */
    end_writes(&s);
    if (!one_leaves)
        EXPECT_EQ(resolve_one(&s), 1);
    else
        rig_group_resolve(&s.rig); /* nobody has it any more */
    EXPECT_EQ(resolve_one(&s), 2); /* and the group's epoch */
    EXPECT_EQ(s.rig.resolutions.count, 0);
    EXPECT(s.rig.effects.deadline_ms > s.rig.now_ms);
    rig_group_expect_reloadable(&s.rig);
    end(&s);
}

TEST(consumer_regex, is_resolved_alone_and_the_epoch_rises_with_the_last)
{
    live(context->seed, false);
}

TEST(consumer_regex, that_nobody_has_any_more_is_not_waited_for)
{
    live(context->seed, true);
}

/* The group goes, and another of its name comes, while an expression is out: what comes back is not for that one. */
TEST(consumer_regex, comes_back_to_the_group_that_asked_alone)
{
    struct story s;
    begin(&s, context->seed);
    add_topic(&s, 1, BYTES_LITERAL("c"));
    load(&s);
    beat(&s, 2, 0);
    end_writes(&s);
    begin_round(&s);
    struct group_resolution *stale = s.rig.resolutions.items[0];
    s.rig.resolutions.count = 0;
    while (!group_resolution_work(stale))
        continue;
    rig_group_replace(&s.rig);
    load(&s);
    rig_group_step(&s.rig, (struct group_event){ .type = GROUP_ON_RESOLVED, .resolution = stale });
    group_resolution_free(stale);
    EXPECT_EQ(s.rig.log.writes.count, 0);
    end(&s);
}

enum { HARD_TOPICS = 100 };

/* Each name costs a hard expression hundreds of microseconds at least: the work is done part by part, members come meanwhile,
 * and none of them sees a topic before all are known. */
TEST(consumer_regex, that_is_hard_takes_many_parts_and_is_seen_whole)
{
    struct story s;
    char name[240];
    begin(&s, context->seed);
    for (int i = 0; i < HARD_TOPICS; i++) {
        const int size = snprintf(name, sizeof(name), "%0*d", (int)sizeof(name) - 1, i);
        add_topic(&s, (uint8_t)(i + 1), bytes_from(name, (size_t)size));
    }
    load(&s);
    beat_with(&s, 0, 0, "(0|[1-9])*0(0|[1-9]){100,1000}");
    end_writes(&s);
    begin_round(&s);
    int parts = 1;
    for (; !group_resolution_work(s.rig.resolutions.items[0]); parts++) {
        beat(&s, 0, 1);
        EXPECT_EQ(s.told_topics, -1);
    }
    EXPECT(parts > 3);
    rig_group_resolve(&s.rig); /* it is done */
    end_writes(&s);
    beat(&s, 0, 1);
    end_writes(&s);
    EXPECT_EQ(s.told_topics, HARD_TOPICS);
    end(&s);
}
