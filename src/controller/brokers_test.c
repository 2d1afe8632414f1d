/* Brokers: registered, heard from, fenced, let go; what that does to partitions; and blocks of producer ids. */
#include "controller/rig_test.h"

#include "base/mem.h"
#include "metadata/bootstrap.h"
#include "metadata/feature.h"
#include "wire/messages/allocate_producer_ids_request.h"
#include "wire/messages/allocate_producer_ids_response.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/messages/broker_registration_request.h"
#include "wire/messages/broker_registration_response.h"
#include "wire/messages/controller_registration_request.h"
#include "wire/messages/controller_registration_response.h"
#include "wire/messages/unregister_broker_request.h"
#include "wire/messages/unregister_broker_response.h"

#define FEATURES_MAX 16

/* A registration that is taken: a test spoils one thing at a time. */
struct registration {
    struct broker_registration_request request;
    struct broker_registration_request_listener listener;
    struct broker_registration_request_feature features[FEATURES_MAX];
    struct uuid log_dirs[2];
};

static void fill(struct registration *r, int32_t id, uint8_t incarnation)
{
    uint32_t count;
    const struct feature *all = features(&count);
    *r = (struct registration){ .request = broker_registration_request_default };
    ASSERT(count <= FEATURES_MAX);
    for (uint32_t i = 0; i < count; i++)
        r->features[i] = (struct broker_registration_request_feature){
            .name = bytes_from_text(all[i].name),
            .min_supported_version = all[i].min,
            .max_supported_version = all[i].max,
        };
    r->listener = (struct broker_registration_request_listener){ .name = BYTES_LITERAL("PLAINTEXT"),
                                                                 .host = BYTES_LITERAL("h"),
                                                                 .port = 9092 };
    r->log_dirs[0] = sample_id(31);
    r->log_dirs[1] = sample_id(32);
    r->request.broker_id = id;
    r->request.cluster_id = BYTES_LITERAL(RIG_CLUSTER);
    r->request.incarnation_id = sample_id(incarnation);
    r->request.listeners = &r->listener;
    r->request.listeners_count = 1;
    r->request.features = r->features;
    r->request.features_count = (int32_t)count;
    r->request.log_dirs = r->log_dirs;
    r->request.log_dirs_count = 2;
    r->request.rack = BYTES_LITERAL("here");
}

static struct broker_registration_response send(struct controller_rig *rig,
                                                const struct registration *r)
{
    EXPECT_OK(controller_register_broker(rig->controller, controller_rig_call(rig), &r->request, 4,
                                         &rig->result));
    const struct broker_registration_response *response =
        controller_rig_take(rig, &broker_registration_response_message);
    return *response;
}

static const struct metadata_broker *broker(const struct controller_rig *rig, int32_t id)
{
    return metadata_broker_get(controller_working(rig->controller), id);
}

/* Fenced at first, with an epoch that is the offset of its record. */
TEST(controller_register_broker, begins_a_fenced_life)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct registration r;
    fill(&r, 5, 50);
    const int64_t offset = controller_working(rig.controller)->provenance.offset + 1;
    struct broker_registration_response answer = send(&rig, &r);
    EXPECT_EQ(answer.error_code, KAFKA_NONE);
    EXPECT_EQ(answer.broker_epoch, offset);
    EXPECT(controller_rig_has(&rig, "RegisterBrokerRecord", "\"here\""));
    EXPECT(broker(&rig, 5)->is_fenced);
    EXPECT_EQ(broker(&rig, 5)->epoch, offset);
    EXPECT_EQ(broker(&rig, 5)->directory_count, 2);
    /* The answer was lost: asked again, it is the same life. */
    answer = send(&rig, &r);
    EXPECT_EQ(answer.broker_epoch, offset);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_rig_end(&rig);
}

TEST(controller_register_broker, refuses_each_kind_of_nonsense)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct registration r;
    fill(&r, 5, 50);
    r.request.cluster_id = BYTES_LITERAL("another");
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_INCONSISTENT_CLUSTER_ID);
    fill(&r, 5, 50);
    r.request.listeners_count = 0;
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_INVALID_REGISTRATION);
    fill(&r, -1, 50);
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_INVALID_REGISTRATION);
    fill(&r, 5, 50);
    r.log_dirs[1] = r.log_dirs[0];
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_INVALID_REGISTRATION);
    /* It must support every level that the cluster has. */
    for (uint32_t i = 0; i < (uint32_t)r.request.features_count; i++) {
        fill(&r, 5, 50);
        const int16_t level =
            metadata_feature_level(controller_working(rig.controller), r.features[i].name);
        if (level <= 0)
            continue;
        r.features[i].max_supported_version = (int16_t)(level - 1);
        EXPECT_EQ(send(&rig, &r).error_code, KAFKA_UNSUPPORTED_VERSION);
        fill(&r, 5, 50);
        r.features[i].min_supported_version = (int16_t)(level + 1);
        EXPECT_EQ(send(&rig, &r).error_code, KAFKA_UNSUPPORTED_VERSION);
        fill(&r, 5, 50);
        r.features[i].name = BYTES_LITERAL("another");
        EXPECT_EQ(send(&rig, &r).error_code, KAFKA_UNSUPPORTED_VERSION);
    }
    EXPECT(broker(&rig, 5) == NULL);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_rig_end(&rig);
}

/* Two with one number: the first keeps it as long as it is heard from, unless it is leaving; this node's own can only be an
 * earlier life. */
TEST(controller_register_broker, lets_nobody_take_the_number_of_a_living_broker)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    struct registration r;
    fill(&r, 2, 77);
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_DUPLICATE_BROKER_REGISTRATION);
    rig.now_ms += RIG_SESSION_MS - 1;
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_DUPLICATE_BROKER_REGISTRATION);
    rig.now_ms += 1;
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_NONE);
    EXPECT(uuid_equal(broker(&rig, 2)->incarnation_id, sample_id(77)));
    fill(&r, RIG_NODE, 78);
    EXPECT_EQ(send(&rig, &r).error_code, KAFKA_NONE);
    controller_rig_end(&rig);
}

/* ---- heartbeats -------------------------------------------------------------------------------- */

static struct broker_heartbeat_response beat(struct controller_rig *rig, int32_t id, int64_t epoch,
                                             int64_t offset, bool wants_fence)
{
    struct broker_heartbeat_request request = broker_heartbeat_request_default;
    request.broker_id = id;
    request.broker_epoch = epoch;
    request.current_metadata_offset = offset;
    request.want_fence = wants_fence;
    EXPECT_OK(controller_broker_heartbeat(rig->controller, controller_rig_call(rig), &request, 2,
                                          &rig->result));
    const struct broker_heartbeat_response *response =
        controller_rig_take(rig, &broker_heartbeat_response_message);
    return *response;
}

TEST(controller_broker_heartbeat, knows_who_speaks)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    const int64_t epoch = broker(&rig, 1)->epoch;
    EXPECT_EQ(beat(&rig, 9, epoch, 0, false).error_code, KAFKA_BROKER_ID_NOT_REGISTERED);
    EXPECT_EQ(beat(&rig, 1, epoch - 1, 0, false).error_code, KAFKA_STALE_BROKER_EPOCH);
    EXPECT_EQ(beat(&rig, 1, epoch + 1, 0, false).error_code, KAFKA_STALE_BROKER_EPOCH);
    EXPECT_EQ(beat(&rig, 1, epoch, 1000, false).error_code, KAFKA_NONE);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_rig_end(&rig);
}

/* Unfenced when it wants to be and has caught up with its own registration, not earlier. */
TEST(controller_broker_heartbeat, unfences_who_has_caught_up)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct registration r;
    fill(&r, 5, 50);
    const int64_t epoch = send(&rig, &r).broker_epoch;
    struct broker_heartbeat_response told = beat(&rig, 5, epoch, epoch - 1, false);
    EXPECT(told.is_fenced && !told.is_caught_up);
    told = beat(&rig, 5, epoch, epoch, true);
    EXPECT(told.is_fenced && told.is_caught_up);
    told = beat(&rig, 5, epoch, epoch, false);
    EXPECT(!told.is_fenced && !told.should_shut_down);
    EXPECT(!broker(&rig, 5)->is_fenced);
    EXPECT_EQ(rig.result.record_count, 1);
    told = beat(&rig, 5, epoch, epoch, true); /* and fenced at its own wish */
    EXPECT(told.is_fenced);
    EXPECT(broker(&rig, 5)->is_fenced);
    controller_rig_end(&rig);
}

/* Silence for a session fences, exactly then; a word in between begins a new one. */
TEST(controller_on_timer, fences_who_was_not_heard_from)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    const int64_t begun_ms = rig.now_ms;
    rig.now_ms = begun_ms + 5000;
    (void)controller_rig_beat(&rig, 2, false, false);
    rig.now_ms = begun_ms + RIG_SESSION_MS - 1;
    controller_rig_timer(&rig);
    EXPECT(!broker(&rig, 1)->is_fenced && !broker(&rig, 3)->is_fenced);
    rig.now_ms += 1;
    controller_rig_timer(&rig);
    EXPECT(broker(&rig, 1)->is_fenced && broker(&rig, 3)->is_fenced && !broker(&rig, 2)->is_fenced);
    rig.now_ms = begun_ms + 5000 + RIG_SESSION_MS;
    controller_rig_timer(&rig);
    EXPECT(broker(&rig, 2)->is_fenced);
    controller_rig_end(&rig);
}

/* A disk that stalls for longer than a session keeps back the answer that the next heartbeat waits for. */
TEST(controller_on_timer, fences_nobody_who_waits_for_an_answer)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    controller_hold_session(rig.controller, 1);
    controller_hold_session(rig.controller, 1);
    rig.now_ms += 10 * RIG_SESSION_MS;
    controller_rig_timer(&rig);
    EXPECT(!broker(&rig, 1)->is_fenced && broker(&rig, 2)->is_fenced);
    controller_release_session(rig.controller, 1, rig.now_ms);
    rig.now_ms += 10 * RIG_SESSION_MS;
    controller_rig_timer(&rig);
    EXPECT(!broker(&rig, 1)->is_fenced);

    controller_release_session(rig.controller, 1,
                               rig.now_ms); /* the last: from here on it counts */
    rig.now_ms += RIG_SESSION_MS - 1;
    controller_rig_timer(&rig);
    EXPECT(!broker(&rig, 1)->is_fenced);
    rig.now_ms += 1;
    controller_rig_timer(&rig);
    EXPECT(broker(&rig, 1)->is_fenced);

    controller_hold_session(rig.controller, 99); /* unknown: nothing */
    controller_release_session(rig.controller, 99, rig.now_ms);
    controller_rig_end(&rig);
}

/* Nothing was written for a while: a NoOpRecord, so that everyone sees that the log lives. */
TEST(controller_on_timer, writes_something_now_and_then)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    EXPECT_EQ(controller_deadline_ms(rig.controller), rig.now_ms + RIG_IDLE_MS);
    rig.now_ms += RIG_IDLE_MS - 1;
    controller_on_timer(rig.controller, controller_rig_call(&rig), &rig.result);
    (void)controller_rig_take(&rig, NULL);
    EXPECT_EQ(rig.result.record_count, 0);
    rig.now_ms += 1;
    controller_on_timer(rig.controller, controller_rig_call(&rig), &rig.result);
    (void)controller_rig_take(&rig, NULL);
    EXPECT_EQ(controller_rig_count(&rig, "NoOpRecord"), 1);
    EXPECT_EQ(controller_deadline_ms(rig.controller), rig.now_ms + RIG_IDLE_MS);
    controller_rig_end(&rig);
}

/* ---- partitions -------------------------------------------------------------------------------- */

/* The leader goes: the next replica in order that is in sync leads, and the one that went is out of the ISR. */
TEST(partition_changes, move_leadership_when_a_broker_goes)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 3);
    (void)controller_rig_topic(&rig, "t", 30, 3);
    (void)controller_rig_beat(&rig, 2, true, false);
    for (int32_t i = 0; i < 30; i++) {
        const struct metadata_partition *p = controller_rig_partition(&rig, "t", i);
        EXPECT(p->leader != 2 && p->leader > 0);
        EXPECT_EQ(p->isr_count, 2);
    }
    (void)controller_rig_beat(&rig, 2, false,
                              false); /* it rejoins by catching up, not by being there */
    EXPECT_EQ(controller_rig_partition(&rig, "t", 0)->isr_count, 2);
    controller_rig_end(&rig);
}

/* KIP-966: the last of the ISR goes, and is eligible; nobody leads until it comes back, and then it does, alone in sync. */
TEST(partition_changes, remember_who_may_lead_again)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    (void)controller_rig_topic(&rig, "t", 1, 2);
    (void)controller_rig_beat(&rig, 1, true, false);
    EXPECT_EQ(controller_rig_partition(&rig, "t", 0)->leader, 2);
    (void)controller_rig_beat(&rig, 2, true, false);
    const struct metadata_partition *p = controller_rig_partition(&rig, "t", 0);
    EXPECT_EQ(p->leader, METADATA_LEADER_NONE);
    EXPECT_EQ(p->isr_count, 0);
    EXPECT_EQ(p->elr_count, 1);
    EXPECT_EQ(metadata_partition_elr(p)[0], 2);
    EXPECT_EQ(p->last_known_elr_count, 1);
    const int32_t epoch = p->leader_epoch;
    (void)controller_rig_beat(&rig, 1, false, false); /* not eligible: it may lack records */
    EXPECT_EQ(controller_rig_partition(&rig, "t", 0)->leader, METADATA_LEADER_NONE);
    (void)controller_rig_beat(&rig, 2, false, false);
    p = controller_rig_partition(&rig, "t", 0);
    EXPECT_EQ(p->leader, 2);
    EXPECT_EQ(p->isr_count, 1);
    EXPECT_EQ(p->elr_count, 0);
    EXPECT_EQ(p->last_known_elr_count, 0);
    EXPECT(p->leader_epoch > epoch);
    controller_rig_end(&rig);
}

/* Controlled shutdown: first its partitions go to others, then it may. Where there are no others it need not wait. */
TEST(controller_broker_heartbeat, lets_a_broker_go_when_it_leads_nothing)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    (void)controller_rig_topic(&rig, "t", 10, 2);
    const struct broker_heartbeat_response *told = controller_rig_beat(&rig, 1, false, true);
    EXPECT(!told->should_shut_down);
    EXPECT(broker(&rig, 1)->is_in_controlled_shutdown);
    for (int32_t i = 0; i < 10; i++)
        EXPECT_EQ(controller_rig_partition(&rig, "t", i)->leader, 2);
    told = controller_rig_beat(&rig, 1, false, true);
    EXPECT(told->should_shut_down && told->is_fenced);
    told = controller_rig_beat(&rig, 1, false, true); /* the answer was lost */
    EXPECT(told->should_shut_down);
    EXPECT_EQ(rig.result.record_count, 0);
    for (int attempt = 0; attempt < 3; attempt++) {
        told = controller_rig_beat(&rig, 2, false, true);
        if (told->should_shut_down)
            break;
    }
    EXPECT(told->should_shut_down);
    controller_rig_end(&rig);
}

TEST(controller_unregister_broker, takes_it_out_of_the_cluster)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    (void)controller_rig_topic(&rig, "t", 4, 2);
    struct unregister_broker_request request = unregister_broker_request_default;
    for (int32_t round = 0; round < 2; round++) {
        request.broker_id = 2;
        EXPECT_OK(controller_unregister_broker(rig.controller, controller_rig_call(&rig), &request,
                                               0, &rig.result));
        const struct unregister_broker_response *response =
            controller_rig_take(&rig, &unregister_broker_response_message);
        EXPECT_EQ(response->error_code, round == 0 ? KAFKA_NONE : KAFKA_BROKER_ID_NOT_REGISTERED);
    }
    EXPECT(broker(&rig, 2) == NULL);
    for (int32_t i = 0; i < 4; i++)
        EXPECT_EQ(controller_rig_partition(&rig, "t", i)->leader, 1);
    controller_rig_end(&rig);
}

/* As Apache Kafka's ControllerResult.of: else a broker with so many partitions could neither stop, be fenced nor start. */
#define BATCH_RECORDS_MAX 10000 /* raft's: a larger decision must allow that it is split */

static void begin_wide(struct controller_rig *rig, uint64_t seed)
{
    controller_rig_begin(rig, seed, 1);
    (void)controller_rig_topic(rig, "wide", BATCH_RECORDS_MAX / 2, 1);
    (void)controller_rig_topic(rig, "wider", BATCH_RECORDS_MAX / 2 + 1, 1);
}

static void expect_divisible(const struct controller_rig *rig)
{
    EXPECT(rig->result.record_count > BATCH_RECORDS_MAX);
    EXPECT(!rig->result.is_atomic);
}

TEST(controller_brokers, let_a_decision_be_split_that_no_batch_can_hold)
{
    struct controller_rig rig;
    begin_wide(&rig, context->seed);
    (void)controller_rig_beat(&rig, 1, false, true);
    expect_divisible(&rig);
    /* And back: what the split shutdown left is led again in one decision. */
    (void)controller_rig_beat(&rig, 1, false,
                              true); /* leads nothing now: it may go, and is fenced */
    (void)controller_rig_beat(&rig, 1, false, false);
    expect_divisible(&rig);
    controller_rig_end(&rig);

    begin_wide(&rig, context->seed);
    rig.now_ms += RIG_SESSION_MS; /* not heard from */
    controller_on_timer(rig.controller, controller_rig_call(&rig), &rig.result);
    expect_divisible(&rig);
    controller_rig_end(&rig);

    begin_wide(&rig, context->seed);
    struct unregister_broker_request request = unregister_broker_request_default;
    request.broker_id = 1;
    EXPECT_OK(controller_unregister_broker(rig.controller, controller_rig_call(&rig), &request, 0,
                                           &rig.result));
    expect_divisible(&rig);
    controller_rig_end(&rig);
}

/* ---- controllers and producer ids -------------------------------------------------------------- */

TEST(controller_register_controller, remembers_where_it_is)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct controller_registration_request_listener listener = {
        .name = BYTES_LITERAL("CONTROLLER"), .host = BYTES_LITERAL("h"), .port = 9093
    };
    struct controller_registration_request request = controller_registration_request_default;
    request.controller_id = 1;
    request.incarnation_id = sample_id(5);
    request.listeners = &listener;
    request.listeners_count = 1;
    EXPECT_OK(controller_register_controller(rig.controller, controller_rig_call(&rig), &request, 0,
                                             &rig.result));
    const struct controller_registration_response *response =
        controller_rig_take(&rig, &controller_registration_response_message);
    EXPECT_EQ(response->error_code, KAFKA_NONE);
    EXPECT(controller_rig_has(&rig, "RegisterControllerRecord", "\"CONTROLLER\""));
    controller_rig_end(&rig);
}

static struct allocate_producer_ids_response allocate(struct controller_rig *rig, int32_t id,
                                                      int64_t epoch)
{
    struct allocate_producer_ids_request request = allocate_producer_ids_request_default;
    request.broker_id = id;
    request.broker_epoch = epoch;
    EXPECT_OK(controller_allocate_producer_ids(rig->controller, controller_rig_call(rig), &request,
                                               0, &rig->result));
    const struct allocate_producer_ids_response *response =
        controller_rig_take(rig, &allocate_producer_ids_response_message);
    return *response;
}

/* Block after block, and none twice, also when nothing is committed in between. */
TEST(controller_allocate_producer_ids, gives_every_block_once)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 2);
    int64_t next = 0;
    for (int i = 0; i < 5; i++) {
        const int32_t id = 1 + i % 2;
        const struct allocate_producer_ids_response told =
            allocate(&rig, id, broker(&rig, id)->epoch);
        EXPECT_EQ(told.error_code, KAFKA_NONE);
        EXPECT_EQ(told.producer_id_start, next);
        EXPECT_EQ(told.producer_id_len, CONTROLLER_PRODUCER_ID_BLOCK);
        next += told.producer_id_len;
    }
    EXPECT_EQ(allocate(&rig, 9, 1).error_code, KAFKA_BROKER_ID_NOT_REGISTERED);
    EXPECT_EQ(allocate(&rig, 1, broker(&rig, 1)->epoch + 1).error_code, KAFKA_STALE_BROKER_EPOCH);
    EXPECT_EQ(rig.result.record_count, 0);
    controller_rig_end(&rig);
}

/* ---- leading ----------------------------------------------------------------------------------- */

/* Who does not lead decides nothing. */
TEST(controller, decides_nothing_when_it_does_not_lead)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    EXPECT_EQ(controller_epoch(rig.controller), 3);
    controller_deactivate(rig.controller);
    controller_deactivate(rig.controller); /* twice is fine */
    EXPECT_EQ(controller_epoch(rig.controller), -1);
    EXPECT(!controller_is_active(rig.controller));
    EXPECT_EQ(controller_deadline_ms(rig.controller), INT64_MAX);
    controller_on_timer(rig.controller, controller_rig_call(&rig), &rig.result);
    EXPECT_EQ(rig.result.record_count, 0);
    const struct allocate_producer_ids_request ids = allocate_producer_ids_request_default;
    EXPECT_ERR(controller_allocate_producer_ids(rig.controller, controller_rig_call(&rig), &ids, 0,
                                                &rig.result),
               ERR_NOT_LEADER);
    const struct broker_heartbeat_request heartbeat = broker_heartbeat_request_default;
    EXPECT_ERR(controller_broker_heartbeat(rig.controller, controller_rig_call(&rig), &heartbeat, 2,
                                           &rig.result),
               ERR_NOT_LEADER);
    controller_rig_end(&rig);
}

/* A new cluster begins with the bootstrap records, in one transaction, and what ELR demands beside them; a transaction that a
 * former leader left open is ended. */
TEST(controller_activate, begins_a_cluster_or_ends_what_was_begun)
{
    struct controller_rig rig;
    controller_rig_begin(&rig, context->seed, 1);
    struct metadata_image *empty = metadata_image_new();
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct metadata_record *records;
    uint32_t count;
    EXPECT_OK(
        metadata_bootstrap_records(METADATA_LEVEL_MAX, NULL, 0, &arena, &records, &count, NULL));
    controller_activate(rig.controller, controller_rig_call(&rig), 4, empty, -1, records, count,
                        &rig.result);
    (void)controller_rig_take(&rig, NULL);
    EXPECT(rig.result.is_atomic);
    EXPECT_EQ(rig.result.record_count, count + 3);
    EXPECT_EQ(controller_rig_count(&rig, "BeginTransactionRecord"), 1);
    EXPECT_EQ(controller_rig_count(&rig, "EndTransactionRecord"), 1);
    EXPECT(controller_rig_has(&rig, "ConfigRecord", "min.insync.replicas"));
    EXPECT_EQ(metadata_feature_level(controller_working(rig.controller),
                                     BYTES_LITERAL(FEATURE_METADATA_VERSION)),
              METADATA_LEVEL_MAX);
    controller_activate(rig.controller, controller_rig_call(&rig), 5, empty, 17, records, count,
                        &rig.result);
    EXPECT_EQ(rig.result.record_count, 1);
    EXPECT_EQ(controller_rig_count(&rig, "AbortTransactionRecord"), 1);
    metadata_image_unref(empty);
    arena_deinit(&arena);
    controller_rig_end(&rig);
}
