/* The life of a member: joining, sharing, committing, leaving; and what a refused or lost coordinator does to it. */
#include "client/rig_eater_test.h"

#include "wire/kafka_error.h"

#include <string.h>

#define GROUP "group.id=g\n"

static void subscribe(struct eater *e)
{
    consumer_subscribe(e->consumer, BYTES_LITERAL("t"));
}

/* Another member, with the same settings. */
static void join(struct scene *s, struct eater *other)
{
    eater_open(&s->rig, other);
    subscribe(other);
}

TEST(consumer_group, reads_on_where_it_was_committed)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP);
    scene_fill(&s, 100);
    subscribe(&s.eater);
    eater_eat(&s.eater, 200);
    EXPECT_EQ(s.eater.assigned, 1);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    struct eater next;
    consumer_free(TAKE(s.eater.consumer)); /* commits and leaves */
    EXPECT_EQ(rig_group_members(&s.rig), 0);
    for (int32_t i = 0; i < PARTITIONS; i++)
        EXPECT_EQ(MAX(rig_group_committed(&s.rig, "t", i), 0), s.eater.next[i]);
    join(&s, &next);
    memcpy(next.next, s.eater.next, sizeof(next.next));
    eater_eat(&next, 100);
    eater_expect_nothing(&next, 2000);
    consumer_free(next.consumer);
    scene_end(&s);
}

/* Both get their share, and all of it is read; who leaves leaves it to the other. */
TEST(consumer_group, shares_with_others)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "auto.commit.interval.ms=100");
    subscribe(&s.eater);
    eater_expect_nothing(&s.eater, 2000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    struct eater other;
    join(&s, &other);
    for (int i = 0; i < 100; i++) {
        eater_expect_nothing(&s.eater, 50);
        eater_expect_nothing(&other, 50);
    }
    EXPECT_EQ(s.eater.share + other.share, PARTITIONS);
    EXPECT(s.eater.share > 0 && other.share > 0);
    EXPECT_EQ(s.eater.revoked, 1);
    EXPECT_EQ(rig_group_members(&s.rig), 2);
    scene_fill(&s, 10);
    eater_eat(&s.eater, 10 * (int64_t)s.eater.share);
    eater_eat(&other, 10 * (int64_t)other.share);
    eater_expect_nothing(&s.eater, 100);
    consumer_free(other.consumer);
    for (int32_t i = 0; i < PARTITIONS; i++)
        s.eater.next[i] = MAX(s.eater.next[i], other.next[i]);
    eater_expect_nothing(&s.eater, 10000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    scene_fill(&s, 10);
    eater_eat(&s.eater, 30);
    scene_end(&s);
}

/* However much there is to poll and however slowly it is worked on, the loop has its turns, and the member says that it lives. */
TEST(consumer_group, lives_while_there_is_much_to_poll)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP);
    scene_fill(&s, 100);
    subscribe(&s.eater);
    eater_eat(&s.eater, 1);
    for (int i = 0; i < 200; i++) {
        const int64_t before_ns = s.eater.consumer->turned_ns;
        client_rig_run_ms(&s.rig, 100);
        eater_eat(&s.eater, 1);
        EXPECT(s.eater.consumer->turned_ns > before_ns);
    }
    scene_end(&s);
}

/* A record that is being worked on is not committed behind one's back, whoever turns the loop meanwhile. */
TEST(consumer_group, commits_what_is_done)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "auto.commit.interval.ms=100");
    rig_append_numbers(&s.topic->partitions[0], 0, 10);
    subscribe(&s.eater);
    eater_eat(&s.eater, 4);
    client_rig_run_ms(&s.rig, 5000);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 3);
    eater_eat(&s.eater, 1);
    client_rig_run_ms(&s.rig, 5000);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 4);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note)); /* says that it is done */
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 5);
    scene_end(&s);
}

TEST(consumer_commit, is_tried_again_and_tells_when_it_failed)
{
    static const int16_t passing[] = { KAFKA_COORDINATOR_LOAD_IN_PROGRESS, KAFKA_NOT_COORDINATOR,
                                       KAFKA_COORDINATOR_NOT_AVAILABLE, KAFKA_REQUEST_TIMED_OUT };
    for (size_t i = 0; i < ARRAY_LEN(passing); i++) {
        struct scene s;
        scene_begin(&s, context->seed, GROUP "enable.auto.commit=false");
        scene_fill(&s, 10);
        subscribe(&s.eater);
        eater_eat(&s.eater, 30);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                                   .deed = RIG_REFUSE,
                                                   .error = passing[i] });
        EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
        EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 10);
        EXPECT_EQ(s.eater.revoked, 0);
        scene_end(&s);
    }
    static const int16_t final[] = { KAFKA_UNKNOWN_MEMBER_ID, KAFKA_ILLEGAL_GENERATION,
                                     KAFKA_REBALANCE_IN_PROGRESS, KAFKA_OFFSET_METADATA_TOO_LARGE,
                                     KAFKA_GROUP_AUTHORIZATION_FAILED };
    for (size_t i = 0; i < ARRAY_LEN(final); i++) {
        struct scene s;
        scene_begin(&s, context->seed, GROUP "enable.auto.commit=false");
        scene_fill(&s, 10);
        subscribe(&s.eater);
        eater_eat(&s.eater, 30);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                                   .deed = RIG_REFUSE,
                                                   .error = final[i] });
        EXPECT_ERR(consumer_commit(s.eater.consumer, &s.eater.note), ERR_PROTOCOL);
        EXPECT(strstr(s.eater.note.text, kafka_error_sentence(final[i])) != NULL);
        EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), -1);
        if (final[i] == KAFKA_UNKNOWN_MEMBER_ID)
            rig_group_forget_members(&s.rig);
        for (int32_t k = 0; k < PARTITIONS && i < 3; k++)
            s.eater.next[k] = 0; /* begins anew: nothing was committed */
        if (i < 3)
            eater_eat(&s.eater, 30);
        EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
        EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 10);
        scene_end(&s);
    }
}

/* Partitions of one's own choice, offsets of a group: the coordinator is found when it is needed. */
TEST(consumer_commit, needs_no_membership)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP);
    scene_fill(&s, 10);
    scene_assign(&s, 0, 5);
    s.eater.next[0] = 5;
    eater_eat(&s.eater, 2);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 7);
    eater_eat(&s.eater, 2);
    consumer_free(TAKE(s.eater.consumer));
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 9);
    eater_open(&s.rig, &s.eater);
    scene_assign(&s, 0, CONSUMER_OFFSET_GROUP);
    s.eater.next[0] = 9;
    eater_eat(&s.eater, 1);
    scene_end(&s);
}

/* KIP-320: with an offset goes the epoch of what is before it, that a leader may be asked later where that one ended. */
TEST(consumer_commit, tells_the_epoch_of_what_was_read)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "enable.auto.commit=false");
    subscribe(&s.eater);
    scene_fill(&s, 2);
    client_rig_lead(s.topic, 0, 2);
    rig_append_numbers(&s.topic->partitions[0], 2, 2);
    eater_eat(&s.eater, 2 * PARTITIONS + 2);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    EXPECT_EQ(rig_group_committed_epoch(&s.rig, "t", 0), 6);
    EXPECT_EQ(rig_group_committed_epoch(&s.rig, "t", 1), 5);
    consumer_free(TAKE(s.eater.consumer));
    client_rig_lead(s.topic, 0, 3);
    eater_open(&s.rig, &s.eater); /* one that has read nothing knows it from the group */
    subscribe(&s.eater);
    eater_expect_nothing(&s.eater, 1000);
    scene_fill(&s, 1);
    for (int32_t i = 0; i < PARTITIONS; i++)
        s.eater.next[i] = s.topic->partitions[i].end_offset - 1;
    eater_eat(&s.eater, PARTITIONS);
    consumer__commit(s.eater.consumer); /* what was polled last is not done with */
    client_rig_run_ms(&s.rig, 1000);
    int32_t sum = 0;
    for (int32_t i = 0; i < PARTITIONS; i++)
        sum += rig_group_committed_epoch(&s.rig, "t", i);
    EXPECT_EQ(sum, s.eater.consumer->given->partition == 0 ? 6 + 5 + 5 : 7 + 5 + 5);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    EXPECT_EQ(rig_group_committed_epoch(&s.rig, "t", 0), 7);
    scene_end(&s);
}

TEST(consumer_group, finds_a_coordinator_that_moves)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "auto.commit.interval.ms=100\nheartbeat.interval.ms=300");
    scene_fill(&s, 10);
    subscribe(&s.eater);
    eater_eat(&s.eater, 30);
    s.rig.coordinator = 3;
    eater_expect_nothing(&s.eater, 5000);
    client_rig_stop(&s.rig, 3);
    eater_expect_nothing(&s.eater, 5000);
    client_rig_start(&s.rig, 3);
    scene_fill(&s, 10);
    for (int32_t i = 0; i < PARTITIONS; i++) { /* nobody may be led by who is down */
        if (s.topic->partitions[i].leader == 3)
            client_rig_lead(s.topic, i, 1);
    }
    eater_eat(&s.eater, 30);
    eater_expect_nothing(&s.eater, 2000);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), 20);
    EXPECT_EQ(s.eater.assigned, 1); /* still the same membership */
    EXPECT_EQ(s.eater.revoked, 0);
    scene_end(&s);
}

/* A coordinator that knows the member no more gives it a new id and its share. */
TEST(consumer_group, joins_again_when_it_is_forgotten)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "enable.auto.commit=false\nheartbeat.interval.ms=300");
    scene_fill(&s, 10);
    subscribe(&s.eater);
    eater_eat(&s.eater, 30);
    EXPECT_OK(consumer_commit(s.eater.consumer, &s.eater.note));
    rig_group_forget_members(&s.rig);
    eater_expect_nothing(&s.eater, 3000);
    EXPECT_EQ(rig_group_members(&s.rig), 1);
    EXPECT_EQ(s.eater.assigned, 2);
    EXPECT_EQ(s.eater.revoked, 1);
    scene_fill(&s, 10);
    eater_eat(&s.eater, 30);
    scene_end(&s);
}

/* Each step of joining may be refused or lost, for a while or for good. */
TEST(consumer_group, joins_in_the_end)
{
    static const int16_t apis[] = { API_FIND_COORDINATOR, API_JOIN_GROUP, API_SYNC_GROUP,
                                    API_OFFSET_FETCH };
    static const struct rig_rule troubles[] = {
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_NOT_AVAILABLE },
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS },
        { .deed = RIG_LOSE },
        { .deed = RIG_DO_AND_LOSE },
        { .deed = RIG_GARBLE },
    };
    for (size_t i = 0; i < ARRAY_LEN(apis); i++) {
        for (size_t k = 0; k < ARRAY_LEN(troubles); k++) {
            struct scene s;
            scene_begin(&s, context->seed, GROUP);
            scene_fill(&s, 10);
            struct rig_rule rule = troubles[k];
            rule.api_key = apis[i];
            rule.times = 2;
            client_rig_rule(&s.rig, rule);
            subscribe(&s.eater);
            eater_eat(&s.eater, 30);
            scene_end(&s);
        }
        struct scene s;
        scene_begin(&s, context->seed, GROUP);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = apis[i],
                                                   .deed = RIG_REFUSE,
                                                   .error = KAFKA_GROUP_AUTHORIZATION_FAILED });
        subscribe(&s.eater);
        eater_expect_failure(&s.eater, ERR_PROTOCOL, "Group g: ");
        scene_end(&s);
    }
}

enum moment { BEFORE_JOINING, AS_MEMBER, WHILE_OTHERS_JOIN, BEFORE_LEAVING, MOMENT_COUNT };

static void trouble_at(struct scene *s, enum moment now, enum moment due,
                       const struct rig_rule *rule)
{
    if (now == due)
        client_rig_rule(&s->rig, *rule);
}

static void poll_both(struct scene *s, struct eater *other, int64_t ms)
{
    for (int64_t i = 0; i < ms; i += 100) {
        eater_expect_nothing(&s->eater, 50);
        eater_expect_nothing(other, 50);
    }
}

/* A member's life, with one trouble in it: each record is read once, and committed. */
static void live(struct scene *s, enum moment due, const struct rig_rule *rule)
{
    struct eater other;
    trouble_at(s, BEFORE_JOINING, due, rule);
    scene_fill(s, 10);
    subscribe(&s->eater);
    eater_eat(&s->eater, 30);
    trouble_at(s, AS_MEMBER, due, rule);
    eater_expect_nothing(&s->eater, 6000);
    trouble_at(s, WHILE_OTHERS_JOIN, due, rule);
    join(s, &other);
    poll_both(s, &other, 12000);
    EXPECT_EQ(s->eater.share + other.share, PARTITIONS);
    EXPECT(s->eater.share > 0 && other.share > 0);
    EXPECT_EQ(rig_group_members(&s->rig), 2);
    memcpy(other.next, s->eater.next, sizeof(other.next));
    scene_fill(s, 10);
    eater_eat(&s->eater, 10 * (int64_t)s->eater.share);
    eater_eat(&other, 10 * (int64_t)other.share);
    poll_both(s, &other, 6000);
    trouble_at(s, BEFORE_LEAVING, due, rule);
    consumer_free(other.consumer);
    consumer_free(TAKE(s->eater.consumer));
    for (int32_t i = 0; i < PARTITIONS; i++)
        EXPECT_EQ(rig_group_committed(&s->rig, "t", i), 20);
    /* A good-bye that is lost is not said again: the session ends by itself. */
    if (due != BEFORE_LEAVING && rule->api_key != API_LEAVE_GROUP)
        EXPECT_EQ(rig_group_members(&s->rig), 0);
}

/* Each API x each trouble x each moment of a member's life. */
TEST(consumer_group, lives_through_any_trouble)
{
    static const int16_t apis[] = { API_FIND_COORDINATOR, API_JOIN_GROUP,   API_SYNC_GROUP,
                                    API_HEARTBEAT,        API_OFFSET_FETCH, API_OFFSET_COMMIT,
                                    API_LEAVE_GROUP };
    static const struct rig_rule troubles[] = {
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_NOT_AVAILABLE },
        { .deed = RIG_REFUSE, .error = KAFKA_NOT_COORDINATOR },
        { .deed = RIG_REFUSE, .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS },
        { .deed = RIG_LOSE },
        { .deed = RIG_DO_AND_LOSE },
        { .deed = RIG_HOLD },
        { .deed = RIG_GARBLE },
        { .deed = RIG_BABBLE },
    };
    for (size_t i = 0; i < ARRAY_LEN(apis) * ARRAY_LEN(troubles); i++) {
        struct rig_rule rule = troubles[i % ARRAY_LEN(troubles)];
        rule.api_key = apis[i / ARRAY_LEN(troubles)];
        for (enum moment due = BEFORE_JOINING; due < MOMENT_COUNT; due++) {
            struct scene s;
            scene_begin(&s, context->seed + i,
                        GROUP
                        "auto.commit.interval.ms=200\nheartbeat.interval.ms=300\nmax.poll.interval."
                        "ms=1000");
            live(&s, due, &rule);
            scene_end(&s);
        }
    }
}

/* The answer to one call says that the coordinator is another one, while a join is under way. */
TEST(consumer_group, loses_its_coordinator_while_it_joins)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "metadata.max.age.ms=1000");
    scene_fill(&s, 10);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_FETCH, .deed = RIG_HOLD });
    subscribe(&s.eater);
    client_rig_run_ms(&s.rig, 800);
    EXPECT_EQ(client_rig_held(&s.rig), 1);
    rig_group_end(
        &s.rig); /* another topic: the member joins again, behind the look-up that waits */
    rig_group_begin(&s.rig);
    (void)client_rig_topic(&s.rig, "u", 1);
    consumer_subscribe(s.eater.consumer, BYTES_LITERAL("u"));
    client_rig_run_ms(&s.rig, 500);
    s.rig.coordinator = 3;
    client_rig_release(&s.rig);
    eater_eat(&s.eater, 30);
    scene_end(&s);
}

/* The same of one that does not lead: the commit before it joins again is refused, and the join is not. */
TEST(consumer_group, loses_its_coordinator_by_a_commit_before_it_joins)
{
    struct scene s;
    struct eater other;
    struct eater third;
    scene_begin(&s, context->seed,
                GROUP "auto.commit.interval.ms=1000000\nheartbeat.interval.ms=300");
    subscribe(&s.eater);
    eater_expect_nothing(&s.eater, 1000);
    join(&s, &other);
    poll_both(&s, &other, 3000);
    EXPECT(other.share > 0);
    scene_fill(&s, 10);
    eater_eat(&other, 10 * (int64_t)other.share);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_COORDINATOR_NOT_AVAILABLE,
                                               .times = 2 });
    join(&s, &third);
    client_rig_run_ms(&s.rig, 10000);
    EXPECT(s.eater.share == 1 && other.share == 1 && third.share == 1);
    consumer_free(third.consumer);
    consumer_free(other.consumer);
    scene_end(&s);
}

/* Who subscribes to more joins again, and has all of it. */
TEST(consumer_group, takes_on_another_topic)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP);
    (void)client_rig_topic(&s.rig, "u", 2);
    scene_fill(&s, 10);
    subscribe(&s.eater);
    eater_eat(&s.eater, 30);
    consumer_subscribe(s.eater.consumer, BYTES_LITERAL("u"));
    eater_expect_nothing(&s.eater, 2000);
    EXPECT_EQ(s.eater.share, PARTITIONS + 2);
    EXPECT_EQ(s.eater.assigned, 2);
    EXPECT_EQ(s.eater.revoked, 1);
    scene_fill(&s, 10);
    eater_eat(&s.eater, 30);
    scene_end(&s);
}

/* The leader knows nothing of a topic that another member wants, and learns of it before it shares out. */
TEST(consumer_group, shares_out_topics_that_it_does_not_want_itself)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "heartbeat.interval.ms=300");
    struct rig_topic *other_topic = client_rig_topic(&s.rig, "u", 4);
    subscribe(&s.eater);
    eater_expect_nothing(&s.eater, 1000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    struct eater other;
    eater_open(&s.rig, &other);
    consumer_subscribe(other.consumer, BYTES_LITERAL("u"));
    for (int i = 0; i < 50; i++) {
        eater_expect_nothing(&s.eater, 50);
        eater_expect_nothing(&other, 50);
    }
    EXPECT_EQ(s.eater.share, PARTITIONS);
    EXPECT_EQ(other.share, other_topic->count);
    consumer_free(other.consumer);
    scene_end(&s);
}

/* A broker tells the leader of more than there can be: of members of hardly a byte, which are more than an answer of that size may
 * take, or of more topics than it has bytes for. */
TEST(consumer_group, shares_out_no_more_than_it_has_memory_for)
{
    struct buf topics; /* version 0, then an array of empty names */
    buf_init(&topics, 1u << 20);
    buf_put_i16(&topics, 0);
    buf_put_i32(&topics, 100000);
    for (int i = 0; i < 100000 + 2; i++)
        buf_put_i16(&topics, 0);
    const struct {
        uint32_t count;
        struct bytes subscription;
        int code;
        const char *words;
    } ghosts[] = {
        { 300000, BYTES_LITERAL(""), ERR_LIMIT, "the answer to JoinGroup" },
        { 50, buf_view(&topics), ERR_PROTOCOL, "are more than this client shares out" },
    };
    for (size_t i = 0; i < ARRAY_LEN(ghosts); i++) {
        struct scene s;
        scene_begin(&s, context->seed, GROUP);
        s.rig.ghost_count = ghosts[i].count;
        s.rig.ghost_subscription = ghosts[i].subscription;
        subscribe(&s.eater);
        eater_expect_failure(&s.eater, ghosts[i].code, ghosts[i].words);
        scene_end(&s);
    }
    buf_deinit(&topics);
}

static bool begins_with_t(void *context, struct bytes topic)
{
    (void)context;
    return topic.size > 0 && topic.data[0] == 't';
}

TEST(consumer_subscribe_matching, follows_topics_that_come)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "metadata.max.age.ms=1000");
    client_rig_topic(&s.rig, "t-internal", 2)->is_internal = true;
    (void)client_rig_topic(&s.rig, "other", 2);
    const struct consumer_filter filter = { .matches = begins_with_t };
    consumer_subscribe_matching(s.eater.consumer, &filter);
    eater_expect_nothing(&s.eater, 3000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    (void)client_rig_topic(&s.rig, "t2", 5);
    eater_expect_nothing(&s.eater, 3000);
    EXPECT_EQ(s.eater.share, PARTITIONS + 5);
    EXPECT_EQ(s.eater.revoked, 1);
    scene_end(&s);
}

/* Without a place of the group and without a rule where to begin. */
TEST(consumer_group, has_to_know_where_to_begin)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "auto.offset.reset=none");
    subscribe(&s.eater);
    eater_expect_failure(&s.eater, ERR_NOT_FOUND,
                         "Undefined offset with no reset policy for partition t-");
    scene_end(&s);

    scene_begin(&s, context->seed, "");
    subscribe(&s.eater);
    eater_expect_failure(&s.eater, ERR_INVALID_SETTING, "group.id");
    scene_end(&s);

    scene_begin(&s, context->seed,
                GROUP
                "partition.assignment.strategy=org.apache.kafka.clients.consumer.StickyAssignor");
    subscribe(&s.eater);
    eater_expect_failure(&s.eater, ERR_UNSUPPORTED, "partition.assignment.strategy");
    scene_end(&s);
}

/* Whoever wants the other protocol hears of it, and reads all the same. */
TEST(consumer_group, tells_that_it_speaks_the_classic_protocol)
{
    for (int wants_other = 0; wants_other < 2; wants_other++) {
        struct scene s;
        scene_begin(&s, context->seed, wants_other ? GROUP "group.protocol=Consumer" : GROUP);
        scene_fill(&s, 10);
        subscribe(&s.eater);
        EXPECT_TEXT(s.rig.last_line,
                    wants_other ? "group.protocol=consumer is not possible yet: group g is joined "
                                  "in the classic protocol"
                                : "");
        eater_eat(&s.eater, 30);
        scene_end(&s);
    }
}

TEST(consumer_new, refuses_what_it_cannot_do)
{
    struct client_rig rig;
    client_rig_begin(&rig, context->seed, SETTING_KIND_CONSUMER,
                     "auto.offset.reset=by_duration:PT1H");
    struct consumer *consumer;
    struct err_note note = { 0 };
    EXPECT_ERR(consumer_new(&rig.loop, rig.config, &rig.diag, NULL, &consumer, &note),
               ERR_UNSUPPORTED);
    EXPECT(strstr(note.text, "auto.offset.reset") != NULL);
    client_rig_end(&rig);
}

/* At any time: right away, while anything is asked, with records left. A static member says no good-bye. */
TEST(consumer_free, lets_go_at_any_time)
{
    static const int16_t held[] = { API_METADATA,   API_FIND_COORDINATOR, API_JOIN_GROUP,
                                    API_SYNC_GROUP, API_OFFSET_FETCH,     API_LIST_OFFSETS,
                                    API_FETCH,      API_HEARTBEAT,        API_OFFSET_COMMIT,
                                    API_LEAVE_GROUP };
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        struct scene s;
        scene_begin(&s, context->seed,
                    GROUP "auto.commit.interval.ms=100\nheartbeat.interval.ms=100");
        scene_fill(&s, 10);
        client_rig_rule(&s.rig, (struct rig_rule){ .api_key = held[i], .deed = RIG_HOLD });
        subscribe(&s.eater);
        for (int k = 0; k < 5; k++) {
            struct consumer_record record;
            EXPECT(consumer_poll(s.eater.consumer, 300, &record, &s.eater.note) >= 0);
        }
        scene_end(&s);
    }
    struct scene s;
    scene_begin(&s, context->seed, GROUP);
    scene_end(&s);
    scene_begin(&s, context->seed, GROUP "group.instance.id=i");
    scene_fill(&s, 10);
    subscribe(&s.eater);
    eater_eat(&s.eater, 5);
    consumer_free(TAKE(s.eater.consumer));
    EXPECT_EQ(s.rig.counts[API_LEAVE_GROUP], 0);
    EXPECT_EQ(rig_group_members(&s.rig), 1);
    scene_end(&s);
}

/* Not the broker alone forgets: who goes while it joins, with others to wait for, says so. */
TEST(consumer_free, leaves_while_it_joins)
{
    static const int16_t held[] = { API_JOIN_GROUP, API_SYNC_GROUP, API_OFFSET_FETCH };
    for (size_t i = 0; i < ARRAY_LEN(held); i++) {
        struct scene s;
        scene_begin(&s, context->seed, GROUP "heartbeat.interval.ms=1000000");
        subscribe(&s.eater);
        eater_expect_nothing(&s.eater, 1000);
        EXPECT_EQ(rig_group_members(&s.rig), 1);
        struct eater other;
        join(&s, &other); /* waits for the first member, who does not know yet */
        client_rig_run_ms(&s.rig, 1000);
        EXPECT_EQ(rig_group_members(&s.rig), 2);
        EXPECT_EQ(other.consumer->group, GROUP_JOINING);
        if (held[i] != API_JOIN_GROUP) {
            client_rig_rule(&s.rig, (struct rig_rule){ .api_key = held[i], .deed = RIG_HOLD });
            consumer_free(TAKE(s.eater.consumer));
            client_rig_run_ms(&s.rig, 1000);
            EXPECT_EQ(client_rig_held(&s.rig), 1);
            EXPECT_EQ(rig_group_members(&s.rig), 1);
        }
        consumer_free(other.consumer);
        EXPECT_EQ(rig_group_members(&s.rig), held[i] == API_JOIN_GROUP ? 1 : 0);
        scene_end(&s);
    }
}

/* A commit that waits for a coordinator while the group moves on has not happened, and one of a client that failed is not waited for. */
TEST(consumer_commit, tells_that_it_came_too_late)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "enable.auto.commit=false\nheartbeat.interval.ms=300");
    scene_fill(&s, 10);
    subscribe(&s.eater);
    eater_eat(&s.eater, 30);
    rig_group_forget_members(&s.rig);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_OFFSET_COMMIT,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                                               .times = 100 });
    EXPECT_ERR(consumer_commit(s.eater.consumer, &s.eater.note), ERR_PROTOCOL);
    EXPECT(strstr(s.eater.note.text, "rebalancing") != NULL);
    EXPECT_EQ(s.eater.revoked, 1);
    EXPECT_EQ(rig_group_committed(&s.rig, "t", 0), -1);
    scene_end(&s);

    scene_begin(&s, context->seed, GROUP "enable.auto.commit=false");
    scene_fill(&s, 10);
    scene_assign(&s, 0, 0);
    eater_eat(&s.eater, 10);
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_FIND_COORDINATOR,
                                               .deed = RIG_REFUSE,
                                               .error = KAFKA_GROUP_AUTHORIZATION_FAILED });
    const int64_t begun_ns = sim_world_now_ns(s.rig.world);
    EXPECT_ERR(consumer_commit(s.eater.consumer, &s.eater.note), ERR_PROTOCOL);
    EXPECT(strstr(s.eater.note.text, kafka_error_sentence(KAFKA_GROUP_AUTHORIZATION_FAILED)) !=
           NULL);
    EXPECT(sim_world_now_ns(s.rig.world) - begun_ns < NS_PER_SECOND);
    scene_end(&s);
}

/* The longest interval between polls there is leaves joins and syncs all the time they need. */
TEST(consumer_group, waits_for_others_as_long_as_it_may)
{
    struct scene s;
    scene_begin(&s, context->seed, GROUP "max.poll.interval.ms=2147483647");
    client_rig_rule(&s.rig, (struct rig_rule){ .api_key = API_SYNC_GROUP, .deed = RIG_HOLD });
    subscribe(&s.eater);
    eater_expect_nothing(&s.eater, 60000);
    client_rig_release(&s.rig);
    eater_expect_nothing(&s.eater, 1000);
    EXPECT_EQ(s.eater.share, PARTITIONS);
    EXPECT_EQ(s.rig.counts[API_SYNC_GROUP], 1);
    scene_end(&s);
}
