/* Replay: what each record does, what is refused, metadata transactions. */
#include "metadata/loader.h"

#include "base/mem.h"
#include "metadata/feature.h"
#include "metadata/sample_test.h"
#include "wire/messages/abort_transaction_record.h"
#include "wire/messages/access_control_entry_record.h"
#include "wire/messages/begin_transaction_record.h"
#include "wire/messages/broker_registration_change_record.h"
#include "wire/messages/clear_elr_record.h"
#include "wire/messages/client_quota_record.h"
#include "wire/messages/delegation_token_record.h"
#include "wire/messages/end_transaction_record.h"
#include "wire/messages/feature_level_record.h"
#include "wire/messages/fence_broker_record.h"
#include "wire/messages/no_op_record.h"
#include "wire/messages/partition_change_record.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/producer_ids_record.h"
#include "wire/messages/register_controller_record.h"
#include "wire/messages/remove_access_control_entry_record.h"
#include "wire/messages/remove_delegation_token_record.h"
#include "wire/messages/remove_topic_record.h"
#include "wire/messages/remove_user_scram_credential_record.h"
#include "wire/messages/topic_record.h"
#include "wire/messages/unfence_broker_record.h"
#include "wire/messages/unregister_broker_record.h"
#include "wire/messages/user_scram_credential_record.h"
#include "wire/messages/zk_migration_state_record.h"
#include "wire/record_frame.h"

#include <errno.h>
#include <string.h>

static const int32_t three[] = { 1, 2, 3 };

static const struct metadata_partition *partition(const struct metadata_loader *loader,
                                                  const char *topic, int32_t id)
{
    return metadata_partition_get(metadata_loader_working(loader), bytes_from_text(topic), id);
}

static struct metadata_loader *with_topic(void)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    sample_topic(loader, "t", sample_id(1));
    sample_partition(loader, sample_id(1), 0, three, 3);
    return loader;
}

TEST(metadata_replay, partition_change_touches_only_what_it_names)
{
    struct metadata_loader *loader = with_topic();
    struct partition_change_record change;
    partition_change_record_init(&change);
    change.topic_id = sample_id(1);
    change.partition_id = 0;
    int32_t isr[] = { 2 };
    change.isr = isr;
    change.isr_count = 1;
    sample_put(loader, &partition_change_record_message, 2, &change);
    const struct metadata_partition *p = partition(loader, "t", 0);
    EXPECT_EQ(p->isr_count, 1);
    EXPECT_EQ(metadata_partition_isr(p)[0], 2);
    EXPECT_EQ(p->replica_count, 3);
    EXPECT_EQ(p->leader, 1);
    EXPECT_EQ(p->leader_epoch, 0); /* no leader named: the epoch stays */
    EXPECT_EQ(p->partition_epoch, 1);

    partition_change_record_init(&change);
    change.topic_id = sample_id(1);
    change.partition_id = 0;
    change.leader = 1; /* the same leader: the epoch rises all the same */
    change.leader_recovery_state = METADATA_RECOVERING;
    change.eligible_leader_replicas = isr;
    change.eligible_leader_replicas_count = 1;
    change.last_known_elr = isr;
    change.last_known_elr_count = 1;
    sample_put(loader, &partition_change_record_message, 2, &change);
    p = partition(loader, "t", 0);
    EXPECT_EQ(p->leader_epoch, 1);
    EXPECT_EQ(p->partition_epoch, 2);
    EXPECT_EQ(p->leader_recovery, METADATA_RECOVERING);
    EXPECT(metadata_partition_is_in_elr(p, 2));
    EXPECT_EQ(metadata_partition_last_known_elr(p)[0], 2);
    EXPECT(uuid_equal(metadata_partition_directories(p)[2], sample_id(203)));
    metadata_loader_free(loader);
}

/* Records of old metadata versions tell new replicas without directories: who stays keeps his own. */
TEST(metadata_replay, new_replicas_without_directories_are_unassigned)
{
    struct metadata_loader *loader = with_topic();
    struct partition_change_record change;
    partition_change_record_init(&change);
    change.topic_id = sample_id(1);
    change.partition_id = 0;
    int32_t replicas[] = { 3, 4 };
    change.replicas = replicas;
    change.replicas_count = 2;
    change.adding_replicas = replicas;
    change.adding_replicas_count = 1;
    sample_put(loader, &partition_change_record_message, 0, &change);
    const struct metadata_partition *p = partition(loader, "t", 0);
    EXPECT(uuid_equal(metadata_partition_directories(p)[0], sample_id(203)));
    EXPECT(uuid_equal(metadata_partition_directories(p)[1], METADATA_DIRECTORY_UNASSIGNED));
    EXPECT_EQ(p->adding_count, 1);
    metadata_loader_free(loader);
}

TEST(metadata_replay, partition_of_an_old_version_has_migrating_directories)
{
    struct metadata_loader *loader = with_topic();
    struct partition_record record;
    partition_record_init(&record);
    record.topic_id = sample_id(1);
    record.partition_id = 1;
    int32_t replicas[] = { 1 };
    record.replicas = record.isr = replicas;
    record.replicas_count = record.isr_count = 1;
    sample_put(loader, &partition_record_message, 0, &record);
    EXPECT(uuid_equal(metadata_partition_directories(partition(loader, "t", 1))[0],
                      METADATA_DIRECTORY_MIGRATING));
    metadata_loader_free(loader);
}

TEST(metadata_replay, contradictions_are_refused_and_change_nothing)
{
    struct metadata_loader *loader = with_topic();
    struct topic_record topic;
    topic_record_init(&topic);
    topic.name = BYTES_LITERAL("t");
    topic.topic_id = sample_id(7);
    sample_refuse(loader, &topic_record_message, 0, &topic, ERR_MALFORMED);
    topic.name = BYTES_LITERAL("other");
    topic.topic_id = sample_id(1);
    sample_refuse(loader, &topic_record_message, 0, &topic, ERR_MALFORMED);

    struct partition_record p;
    partition_record_init(&p);
    p.topic_id = sample_id(7);
    p.partition_id = 0;
    sample_refuse(loader, &partition_record_message, 2, &p, ERR_MALFORMED);
    p.topic_id = sample_id(1);
    p.partition_id = -1;
    sample_refuse(loader, &partition_record_message, 2, &p, ERR_MALFORMED);
    p.partition_id = 0;
    int32_t replicas[] = { 1, 2 };
    struct uuid directory = sample_id(9);
    p.replicas = replicas;
    p.replicas_count = 2;
    p.directories = &directory;
    p.directories_count = 1;
    sample_refuse(loader, &partition_record_message, 2, &p, ERR_MALFORMED);
    AUTO(mem_freep) int32_t *many = MEM_NEW_ARRAY(int32_t, 65536);
    p.replicas = many;
    p.replicas_count = 65536;
    sample_refuse(loader, &partition_record_message, 2, &p, ERR_LIMIT);
    sample_refuse(loader, &partition_record_message, 3, &p, ERR_VERSION);

    struct partition_change_record change;
    partition_change_record_init(&change);
    change.topic_id = sample_id(1);
    change.partition_id = 5;
    sample_refuse(loader, &partition_change_record_message, 2, &change, ERR_MALFORMED);
    change.topic_id = sample_id(5);
    sample_refuse(loader, &partition_change_record_message, 2, &change, ERR_MALFORMED);

    struct remove_topic_record removal;
    remove_topic_record_init(&removal);
    removal.topic_id = sample_id(5);
    sample_refuse(loader, &remove_topic_record_message, 0, &removal, ERR_MALFORMED);
    struct remove_access_control_entry_record acl;
    remove_access_control_entry_record_init(&acl);
    sample_refuse(loader, &remove_access_control_entry_record_message, 0, &acl, ERR_MALFORMED);
    struct clear_elr_record clear;
    clear_elr_record_init(&clear);
    clear.topic_name = BYTES_LITERAL("nope");
    sample_refuse(loader, &clear_elr_record_message, 0, &clear, ERR_MALFORMED);
    struct feature_level_record feature;
    feature_level_record_init(&feature);
    feature.name = BYTES_LITERAL("metadata.version");
    feature.feature_level = METADATA_LEVEL_MAX + 1;
    sample_refuse(loader, &feature_level_record_message, 0, &feature, ERR_VERSION);
    feature.name = BYTES_LITERAL("group.version");
    feature.feature_level = -1;
    sample_refuse(loader, &feature_level_record_message, 0, &feature, ERR_MALFORMED);
    metadata_loader_free(loader);
}

TEST(metadata_replay, clear_elr_of_one_topic_or_of_all)
{
    struct metadata_loader *loader = with_topic();
    sample_topic(loader, "u", sample_id(2));
    sample_partition(loader, sample_id(2), 0, three, 3);
    sample_partition(loader, sample_id(2), 1, three, 3);
    int32_t ids[] = { 3 };
    for (uint8_t t = 1; t <= 2; t++) {
        struct partition_change_record change;
        partition_change_record_init(&change);
        change.topic_id = sample_id(t);
        change.partition_id = 0;
        change.eligible_leader_replicas = change.last_known_elr = ids;
        change.eligible_leader_replicas_count = change.last_known_elr_count = 1;
        sample_put(loader, &partition_change_record_message, 2, &change);
    }
    struct metadata_image *before = metadata_loader_publish(loader);
    struct clear_elr_record clear;
    clear_elr_record_init(&clear);
    clear.topic_name = BYTES_LITERAL("t");
    sample_put(loader, &clear_elr_record_message, 0, &clear);
    EXPECT_EQ(partition(loader, "t", 0)->elr_count, 0);
    EXPECT_EQ(partition(loader, "t", 0)->partition_epoch, 2);
    EXPECT_EQ(partition(loader, "u", 0)->elr_count, 1);
    clear.topic_name = BYTES_LITERAL("");
    sample_put(loader, &clear_elr_record_message, 0, &clear);
    EXPECT_EQ(partition(loader, "u", 0)->last_known_elr_count, 0);
    EXPECT_EQ(partition(loader, "u", 1)->partition_epoch, 0); /* had none: untouched */
    EXPECT_EQ(metadata_partition_get(before, BYTES_LITERAL("t"), 0)->elr_count, 1);
    metadata_image_unref(before);
    metadata_loader_free(loader);
}

TEST(metadata_replay, brokers_are_fenced_changed_and_unregistered_by_epoch)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    sample_broker(loader, 1, 10, true);
    const struct metadata_image *image = metadata_loader_working(loader);
    EXPECT(!metadata_broker_is_active(image, 1));
    struct broker_registration_change_record change;
    broker_registration_change_record_init(&change);
    change.broker_id = 1;
    change.broker_epoch = 9;
    change.fenced = -1;
    sample_refuse(loader, &broker_registration_change_record_message, 3, &change, ERR_MALFORMED);
    change.broker_epoch = 10;
    sample_put(loader, &broker_registration_change_record_message, 3, &change);
    EXPECT(metadata_broker_is_active(image, 1));
    EXPECT_EQ(
        metadata_broker_endpoint(metadata_broker_get(image, 1), BYTES_LITERAL("PLAINTEXT"))->port,
        9092);
    EXPECT(metadata_broker_endpoint(metadata_broker_get(image, 1), BYTES_LITERAL("X")) == NULL);

    broker_registration_change_record_init(&change);
    change.broker_id = 1;
    change.broker_epoch = 10;
    change.in_controlled_shutdown = 1;
    struct uuid directories[] = { sample_id(9), sample_id(8) };
    change.log_dirs = directories;
    change.log_dirs_count = 2;
    change.cordoned_log_dirs = directories;
    change.cordoned_log_dirs_count = 0;
    sample_put(loader, &broker_registration_change_record_message, 3, &change);
    const struct metadata_broker *broker = metadata_broker_get(image, 1);
    EXPECT(!broker->is_fenced && broker->is_in_controlled_shutdown);
    EXPECT(broker->has_cordoned_directories);
    EXPECT_EQ(broker->cordoned_directory_count, 0);
    EXPECT(uuid_equal(broker->directories[0], sample_id(8)) &&
           uuid_equal(broker->directories[1], sample_id(9)));
    change.fenced = 2;
    sample_refuse(loader, &broker_registration_change_record_message, 3, &change, ERR_MALFORMED);

    struct fence_broker_record fence = { .id = 1, .epoch = 10 };
    sample_put(loader, &fence_broker_record_message, 0, &fence);
    EXPECT(metadata_broker_get(image, 1)->is_fenced);
    struct unfence_broker_record unfence = { .id = 1, .epoch = 10 };
    sample_put(loader, &unfence_broker_record_message, 0, &unfence);
    EXPECT(!metadata_broker_get(image, 1)->is_fenced);
    fence.id = 2;
    sample_refuse(loader, &fence_broker_record_message, 0, &fence, ERR_MALFORMED);
    struct unregister_broker_record gone = { .broker_id = 1, .broker_epoch = 11 };
    sample_refuse(loader, &unregister_broker_record_message, 0, &gone, ERR_MALFORMED);
    gone.broker_epoch = 10;
    sample_put(loader, &unregister_broker_record_message, 0, &gone);
    EXPECT(metadata_broker_get(image, 1) == NULL);
    metadata_loader_free(loader);
}

/* One of everything: written out, read back, written out again. */
static void put_one_of_each(struct metadata_loader *loader)
{
    sample_feature(loader, FEATURE_METADATA_VERSION, 30);
    sample_feature(loader, FEATURE_GROUP_VERSION, 1);
    sample_feature(loader, "a.feature.of.the.future", 3);
    sample_broker(loader, 1, 4, false);
    sample_broker(loader, 2, 5, true);
    struct broker_registration_change_record cordon;
    broker_registration_change_record_init(&cordon);
    struct uuid directory = sample_id(201);
    cordon.broker_id = 1;
    cordon.broker_epoch = 4;
    cordon.cordoned_log_dirs = &directory;
    cordon.cordoned_log_dirs_count = 1;
    sample_put(loader, &broker_registration_change_record_message, 3, &cordon);
    struct register_controller_record controller;
    register_controller_record_init(&controller);
    controller.controller_id = 3000;
    struct register_controller_record_controller_endpoint endpoint = { .name = BYTES_LITERAL("C"),
                                                                       .host = BYTES_LITERAL("h"),
                                                                       .port = 1 };
    controller.end_points = &endpoint;
    controller.end_points_count = 1;
    sample_put(loader, &register_controller_record_message, 0, &controller);
    sample_topic(loader, "t", sample_id(1));
    sample_topic(loader, "empty", sample_id(2));
    for (int32_t p = 0; p < 3; p++)
        sample_partition(loader, sample_id(1), p, three, p + 1);
    int32_t ids[] = { 3, 2 };
    struct partition_change_record change;
    partition_change_record_init(&change);
    change.topic_id = sample_id(1);
    change.partition_id = 2;
    change.leader = -1;
    change.leader_recovery_state = METADATA_RECOVERING;
    change.isr = change.eligible_leader_replicas = change.last_known_elr = ids;
    change.removing_replicas = change.adding_replicas = ids;
    change.isr_count = 0;
    change.eligible_leader_replicas_count = change.removing_replicas_count = 2;
    change.last_known_elr_count = change.adding_replicas_count = 1;
    sample_put(loader, &partition_change_record_message, 2, &change);
    sample_config(loader, METADATA_CONFIG_TOPIC, "t", "b", "2");
    sample_config(loader, METADATA_CONFIG_TOPIC, "t", "a", "");
    sample_config(loader, METADATA_CONFIG_BROKER, "", "a", "1");
    sample_config(loader, METADATA_CONFIG_GROUP, "g", "a", "1");
    struct client_quota_record_entity_data entity[] = {
        { .entity_type = BYTES_LITERAL("user"), .entity_name = BYTES_LITERAL("u") },
        { .entity_type = BYTES_LITERAL("client-id"), .entity_name = BYTES_NULL },
    };
    struct client_quota_record quota;
    client_quota_record_init(&quota);
    quota.entity = entity;
    quota.entity_count = 2;
    quota.key = BYTES_LITERAL("rate");
    quota.value = 2.5;
    sample_put(loader, &client_quota_record_message, 0, &quota);
    quota.key = BYTES_LITERAL("other");
    sample_put(loader, &client_quota_record_message, 0, &quota);
    struct producer_ids_record ids_record = { .broker_id = 1,
                                              .broker_epoch = 4,
                                              .next_producer_id = 7000 };
    sample_put(loader, &producer_ids_record_message, 0, &ids_record);
    struct access_control_entry_record acl = { .id = sample_id(40),
                                               .resource_type = 2,
                                               .resource_name = BYTES_LITERAL("t"),
                                               .pattern_type = 3,
                                               .principal = BYTES_LITERAL("User:a"),
                                               .host = BYTES_LITERAL("*"),
                                               .operation = 4,
                                               .permission_type = 3 };
    sample_put(loader, &access_control_entry_record_message, 0, &acl);
    struct user_scram_credential_record scram = { .name = BYTES_LITERAL("u"),
                                                  .mechanism = 1,
                                                  .salt = BYTES_LITERAL("s"),
                                                  .stored_key = BYTES_LITERAL("k"),
                                                  .server_key = BYTES_LITERAL("v"),
                                                  .iterations = 4096 };
    sample_put(loader, &user_scram_credential_record_message, 0, &scram);
    scram.mechanism = 2;
    sample_put(loader, &user_scram_credential_record_message, 0, &scram);
    struct bytes renewers[] = { BYTES_LITERAL("User:r"), BYTES_LITERAL("") };
    struct delegation_token_record token = { .owner = BYTES_LITERAL("User:o"),
                                             .requester = BYTES_LITERAL("User:q"),
                                             .renewers = renewers,
                                             .renewers_count = 2,
                                             .issue_timestamp = 1,
                                             .max_timestamp = 3,
                                             .expiration_timestamp = 2,
                                             .token_id = BYTES_LITERAL("id") };
    sample_put(loader, &delegation_token_record_message, 0, &token);
    struct zk_migration_state_record zk = { .zk_migration_state = 0 };
    sample_put(loader, &zk_migration_state_record_message, 0, &zk);
}

/* A sink that feeds another loader through the bytes of each record. */
static int feed(void *context, const struct metadata_record *record)
{
    struct buf bytes;
    struct err_note note;
    buf_init(&bytes, 1 << 20);
    struct writer w = writer_to(&bytes);
    EXPECT_OK(record_frame_encode(record->message, record->version, record->value, &w, NULL));
    const struct metadata_provenance where = { .offset = 99, .epoch = 3, .timestamp_ms = 5 };
    const int r = metadata_loader_replay_bytes(context, where, buf_view(&bytes), &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
    buf_deinit(&bytes);
    return 0;
}

TEST(metadata_writer, what_is_written_loads_to_the_same_image)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    put_one_of_each(loader);
    struct metadata_image *image = metadata_loader_publish(loader);
    struct metadata_loader *copy = metadata_loader_new(NULL);
    EXPECT_OK(metadata_image_write(image, (struct metadata_sink){ .put = feed, .context = copy }));
    struct metadata_image *read_back = metadata_loader_publish(copy);
    AUTO(mem_freep) char *wanted = sample_dump(image);
    AUTO(mem_freep) char *got = sample_dump(read_back);
    EXPECT_TEXT(got, wanted);
    EXPECT_EQ(read_back->provenance.offset, 99);
    EXPECT_EQ(read_back->provenance.epoch, 3);
    EXPECT_EQ(read_back->partition_count, image->partition_count);
    EXPECT(!metadata_image_is_empty(read_back));
    metadata_image_unref(image);
    metadata_image_unref(read_back);
    metadata_loader_free(loader);
    metadata_loader_free(copy);
}

/* Levels below some features: what their records cannot tell is left out, and the rest can be encoded. */
TEST(metadata_writer, writes_at_every_metadata_version)
{
    for (int16_t level = METADATA_LEVEL_MIN; level <= METADATA_LEVEL_MAX; level++) {
        struct metadata_loader *loader = metadata_loader_new(NULL);
        put_one_of_each(loader);
        sample_feature(loader, FEATURE_METADATA_VERSION, level);
        struct metadata_loader *copy = metadata_loader_new(NULL);
        EXPECT_OK(metadata_image_write(metadata_loader_working(loader),
                                       (struct metadata_sink){ .put = feed, .context = copy }));
        const struct metadata_image *image = metadata_loader_working(copy);
        EXPECT_EQ(metadata_level(image), level);
        EXPECT_EQ(partition(copy, "t", 2)->elr_count, level >= METADATA_LEVEL_ELR ? 2 : 0);
        EXPECT_EQ(
            uuid_equal(metadata_partition_directories(partition(copy, "t", 0))[0], sample_id(201)),
            level >= METADATA_LEVEL_DIRECTORIES);
        EXPECT_EQ(metadata_broker_get(image, 1)->cordoned_directory_count,
                  level >= METADATA_LEVEL_CORDONED ? 1 : 0);
        EXPECT_EQ(metadata_controller_get(image, 3000) != NULL,
                  level >= METADATA_LEVEL_CONTROLLERS);
        metadata_loader_free(loader);
        metadata_loader_free(copy);
    }
}

static int fail_at(void *context, const struct metadata_record *record)
{
    (void)record;
    return --*(int *)context == 0 ? -ENOSPC : 0;
}

/* The disk may fill up at any record. */
TEST(metadata_writer, passes_on_what_the_sink_answers_at_every_record)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    put_one_of_each(loader);
    int failures = 0;
    for (int n = 1;; n++) {
        int countdown = n;
        const int r =
            metadata_image_write(metadata_loader_working(loader),
                                 (struct metadata_sink){ .put = fail_at, .context = &countdown });
        if (r == 0)
            break;
        EXPECT_EQ(r, -ENOSPC);
        failures++;
    }
    EXPECT_EQ(failures, 23);
    metadata_loader_free(loader);
}

TEST(metadata_replay, things_are_removed_again)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    AUTO(mem_freep) char *empty = sample_dump(metadata_loader_working(loader));
    put_one_of_each(loader);
    sample_feature(loader, FEATURE_GROUP_VERSION, 0);
    sample_feature(loader, "a.feature.of.the.future", 0);
    struct unregister_broker_record broker = { .broker_id = 1, .broker_epoch = 4 };
    sample_put(loader, &unregister_broker_record_message, 0, &broker);
    broker = (struct unregister_broker_record){ .broker_id = 2, .broker_epoch = 5 };
    sample_put(loader, &unregister_broker_record_message, 0, &broker);
    sample_remove_topic(loader, sample_id(1)); /* takes its configs along */
    sample_remove_topic(loader, sample_id(2));
    sample_config(loader, METADATA_CONFIG_BROKER, "", "a", NULL);
    sample_config(loader, METADATA_CONFIG_GROUP, "g", "a", NULL);
    sample_config(loader, METADATA_CONFIG_GROUP, "never", "a", NULL);
    struct client_quota_record_entity_data entity[] = {
        { .entity_type = BYTES_LITERAL("client-id"), .entity_name = BYTES_NULL }, /* any order */
        { .entity_type = BYTES_LITERAL("user"), .entity_name = BYTES_LITERAL("u") },
    };
    struct client_quota_record quota = {
        .entity = entity, .entity_count = 2, .key = BYTES_LITERAL("rate"), .remove = true
    };
    sample_put(loader, &client_quota_record_message, 0, &quota);
    quota.key = BYTES_LITERAL("other");
    sample_put(loader, &client_quota_record_message, 0, &quota);
    sample_put(loader, &client_quota_record_message, 0, &quota);
    struct remove_access_control_entry_record acl = { .id = sample_id(40) };
    sample_put(loader, &remove_access_control_entry_record_message, 0, &acl);
    struct remove_user_scram_credential_record scram = { .name = BYTES_LITERAL("u"),
                                                         .mechanism = 1 };
    sample_put(loader, &remove_user_scram_credential_record_message, 0, &scram);
    scram.mechanism = 2;
    sample_put(loader, &remove_user_scram_credential_record_message, 0, &scram);
    struct remove_delegation_token_record token = { .token_id = BYTES_LITERAL("id") };
    sample_put(loader, &remove_delegation_token_record_message, 0, &token);
    AUTO(mem_freep) char *left = sample_dump(metadata_loader_working(loader));
    EXPECT_TEXT(empty, "");
    EXPECT_TEXT(left,
                "FeatureLevelRecord 0 {\"name\":\"metadata.version\",\"featureLevel\":30}\n"
                "RegisterControllerRecord 0 "
                "{\"controllerId\":3000,\"incarnationId\":\"AAAAAAAAAAAAAAAAAAAAAA\","
                "\"zkMigrationReady\":false,\"endPoints\":[{\"name\":\"C\",\"host\":\"h\",\"port\":"
                "1,\"securityProtocol\":0}],"
                "\"features\":[]}\n"
                "ProducerIdsRecord 0 {\"brokerId\":1,\"brokerEpoch\":4,\"nextProducerId\":7000}\n"
                "ZkMigrationStateRecord 0 {\"zkMigrationState\":0}\n");
    EXPECT_EQ(metadata_loader_working(loader)->partition_count, 0);
    metadata_loader_free(loader);
}

/* ---- transactions and publication ---------------------------------------------------------------- */

static void begin(struct metadata_loader *loader)
{
    struct begin_transaction_record record;
    begin_transaction_record_init(&record);
    sample_put(loader, &begin_transaction_record_message, 0, &record);
}

TEST(metadata_loader, transactions_are_seen_whole_or_not_at_all)
{
    const struct end_transaction_record end = { .unknown_tags = { .count = 0 } };
    const struct abort_transaction_record aborted = abort_transaction_record_default;
    struct metadata_loader *loader = metadata_loader_new(NULL);
    sample_topic(loader, "a", sample_id(1));
    struct metadata_image *before = metadata_loader_publish(loader);
    begin(loader);
    EXPECT_EQ(metadata_loader_transaction_offset(loader), 1);
    struct begin_transaction_record again = begin_transaction_record_default;
    sample_refuse(loader, &begin_transaction_record_message, 0, &again, ERR_MALFORMED);
    sample_topic(loader, "b", sample_id(2));
    struct metadata_image *inside = metadata_loader_publish(loader);
    EXPECT(metadata_topic_by_name(inside, BYTES_LITERAL("b")) == NULL);
    EXPECT_EQ(inside->provenance.offset, 0); /* a snapshot of it ends before the transaction */
    EXPECT(metadata_topic_by_name(metadata_loader_working(loader), BYTES_LITERAL("b")) != NULL);
    sample_put(loader, &abort_transaction_record_message, 0, &aborted);
    EXPECT_EQ(metadata_loader_transaction_offset(loader), -1);
    struct metadata_image *dropped = metadata_loader_publish(loader);
    EXPECT(metadata_topic_by_name(dropped, BYTES_LITERAL("b")) == NULL);
    EXPECT_EQ(dropped->provenance.offset, 3);
    sample_refuse(loader, &abort_transaction_record_message, 0, &aborted, ERR_MALFORMED);
    sample_refuse(loader, &end_transaction_record_message, 0, &end, ERR_MALFORMED);

    begin(loader);
    sample_topic(loader, "c", sample_id(3));
    sample_put(loader, &end_transaction_record_message, 0, &end);
    struct metadata_image *ended = metadata_loader_publish(loader);
    EXPECT(metadata_topic_by_name(ended, BYTES_LITERAL("c")) != NULL);
    EXPECT(before->version < inside->version && dropped->version < ended->version);
    metadata_image_unref(before);
    metadata_image_unref(inside);
    metadata_image_unref(dropped);
    metadata_image_unref(ended);
    metadata_loader_free(loader);
}

TEST(metadata_loader, publishes_the_same_image_until_something_comes)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    struct metadata_image *a = metadata_loader_publish(loader);
    struct metadata_image *b = metadata_loader_publish(loader);
    EXPECT(a == b);
    EXPECT(metadata_image_is_empty(a));
    const struct no_op_record nothing = { .unknown_tags = { .count = 0 } };
    sample_put(loader, &no_op_record_message, 0, &nothing);
    struct metadata_image *c = metadata_loader_publish(loader);
    EXPECT(c != a);
    EXPECT_EQ(c->provenance.offset, 0);
    metadata_loader_skip(loader, (struct metadata_provenance){ .offset = 9, .epoch = 2 });
    struct metadata_image *d = metadata_loader_publish(loader);
    EXPECT_EQ(d->provenance.offset, 9);
    EXPECT_EQ(d->provenance.epoch, 2);
    metadata_image_unref(a);
    metadata_image_unref(b);
    metadata_image_unref(c);
    metadata_image_unref(d);
    metadata_loader_free(loader);
}

/* The controller's working state: begun on the committed image, thrown away without a trace. */
TEST(metadata_loader, a_working_copy_leaves_its_base_alone)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    put_one_of_each(loader);
    struct metadata_image *base = metadata_loader_publish(loader);
    AUTO(mem_freep) char *before = sample_dump(base);
    struct metadata_loader *working = metadata_loader_new(base);
    struct metadata_image *same = metadata_loader_publish(working);
    EXPECT(same == base);
    sample_remove_topic(working, sample_id(1));
    sample_config(working, METADATA_CONFIG_BROKER, "", "a", "changed");
    metadata_loader_free(working);
    AUTO(mem_freep) char *after = sample_dump(base);
    EXPECT_TEXT(after, before);
    metadata_image_unref(same);
    metadata_image_unref(base);
    metadata_loader_free(loader);
}

TEST(metadata_loader, unknown_types_and_broken_bytes_stop_with_a_line)
{
    struct metadata_loader *loader = metadata_loader_new(NULL);
    const struct metadata_provenance where = { .offset = 42, .epoch = 1 };
    struct err_note note;
    EXPECT_ERR(
        metadata_loader_replay_bytes(loader, where, BYTES_LITERAL("\x01\x63\x00\x00"), &note),
        ERR_UNKNOWN_RECORD);
    EXPECT(strstr(note.text, "offset 42") != NULL && strstr(note.text, "99") != NULL);
    EXPECT_ERR(metadata_loader_replay_bytes(loader, where, BYTES_LITERAL("\x02\x02\x00"), &note),
               ERR_VERSION);
    EXPECT_ERR(metadata_loader_replay_bytes(loader, where, BYTES_LITERAL("\x01\x02\x05"), &note),
               ERR_VERSION);
    EXPECT_ERR(
        metadata_loader_replay_bytes(loader, where, BYTES_LITERAL("\x01\x02\x00\x05"), &note),
        ERR_OVERRUN);
    EXPECT_ERR(metadata_loader_replay_bytes(loader, where, BYTES_LITERAL(""), &note), ERR_OVERRUN);
    EXPECT(metadata_image_is_empty(metadata_loader_working(loader)));
    metadata_loader_free(loader);
}
