/* A quorum of one in a simulated world: what waits for what. */
#include "node/quorum.h"

#include "base/mem.h"
#include "base/test.h"
#include "config/config.h"
#include "log/log_files.h"
#include "metadata/bootstrap.h"
#include "metadata/feature.h"
#include "metadata/sample_test.h"
#include "raft/snapshot.h"
#include "sim/sim_world.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/messages/broker_registration_request.h"
#include "wire/messages/broker_registration_response.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/record_frame.h"

#include <string.h>

#define DIRECTORY           "/a"
#define NODE_ID             1
#define BOOTSTRAP_BYTES_MAX (1u << 20)

static const char settings[] =
    "process.roles=broker,controller\nnode.id=1\nlog.dirs=" DIRECTORY "\n"
    "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\ncontroller.listener.names=CONTROLLER\n"
    "controller.quorum.voters=1@broker:9093\n";

struct rig {
    struct sim_world *world;
    struct sim_node *machine;
    struct diag diag;
    struct config *config;
    struct log_files *files;
    struct quorum *quorum;
    bool is_active;
    bool is_closed;
    bool is_disk_stalled;  /* nothing is flushed */
    uint32_t fenced_count; /* images in which the broker is fenced */
    int64_t image_offset;  /* of the newest image told of */
};

/* One question, and what came of it. */
struct answer {
    bool has_come;
    enum kafka_error error;
    int16_t code; /* in the response */
    int64_t broker_epoch;
    bool is_fenced;
};

/* ---- a formatted directory ------------------------------------------------------------------- */

static void write_bootstrap(struct io_fs *fs)
{
    struct arena arena;
    arena_init(&arena, 1u << 20);
    struct metadata_record *records = NULL;
    uint32_t count = 0;
    EXPECT_OK(
        metadata_bootstrap_records(METADATA_LEVEL_MAX, NULL, 0, &arena, &records, &count, NULL));
    struct bytes *values = ARENA_NEW_ARRAY(&arena, struct bytes, count);
    for (uint32_t i = 0; i < count; i++) {
        struct buf buf;
        buf_init(&buf, BOOTSTRAP_BYTES_MAX);
        struct writer w = writer_to(&buf);
        EXPECT_OK(record_frame_encode(records[i].message, records[i].version, records[i].value, &w,
                                      NULL));
        values[i] = bytes_from(arena_dup(&arena, buf.data, buf.size), buf.size);
        buf_deinit(&buf);
    }
    struct buf out;
    buf_init(&out, BOOTSTRAP_BYTES_MAX);
    snapshot_print_bootstrap(values, count, 0, &out);
    EXPECT_OK(io_fs_make_directories(fs, DIRECTORY));
    EXPECT_OK(io_fs_replace(fs, DIRECTORY "/bootstrap.checkpoint", buf_view(&out)));
    buf_deinit(&out);
    arena_deinit(&arena);
}

/* ---- the rig --------------------------------------------------------------------------------- */

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    (void)context;
    (void)part;
    if (level == DIAG_ERROR)
        test_fail(__FILE__, __LINE__, "%s", text);
}

static void on_image(void *context, struct metadata_image *image)
{
    struct rig *rig = context;
    const struct metadata_broker *broker = metadata_broker_get(image, NODE_ID);
    rig->fenced_count += broker != NULL && broker->is_fenced;
    rig->image_offset = image->provenance.offset;
}

static void on_active(void *context)
{
    struct rig *rig = context;
    rig->is_active = true;
}

static void on_stop(void *context, const struct err_note *note)
{
    (void)context;
    test_fail(__FILE__, __LINE__, "%s", note->text);
}

static void on_turn_end(void *context)
{
    struct rig *rig = context;
    if (!rig->is_disk_stalled && rig->quorum != NULL)
        quorum_flush(rig->quorum);
}

static void on_crash(void *context)
{
    struct rig *rig = context;
    io_on_turn_end(sim_node_io(rig->machine), NULL, NULL);
    quorum_resign(rig->quorum);
    sim_node_end_jobs(rig->machine);
    quorum_free(TAKE(rig->quorum));
    log_files_free(TAKE(rig->files));
}

static int rig_open(struct rig *rig, struct err_note *note)
{
    const struct quorum_params params = {
        .io = sim_node_io(rig->machine),
        .diag = &rig->diag,
        .config = rig->config,
        .current_config = &rig->config,
        .files = rig->files,
        .log_dir = DIRECTORY,
        .cluster_id = "rigged",
        .node_id = NODE_ID,
        .directory_id = sample_id(50),
        .hash_seed = 7,
        .owner = { .on_image = on_image,
                   .on_active = on_active,
                   .on_stop = on_stop,
                   .context = rig },
    };
    return quorum_open(&params, &rig->quorum, note);
}

static void rig_begin(struct rig *rig, uint64_t seed)
{
    *rig = (struct rig){ .world = sim_world_new(seed), .image_offset = -1 };
    rig->machine = sim_node_new(rig->world, "broker");
    rig->diag = (struct diag){ .line = on_line, .context = rig };
    sim_node_set_on_crash(rig->machine, on_crash, rig);
    struct config_problems problems = { 0 };
    EXPECT_OK(config_load(SETTING_KIND_BROKER, bytes_from_text(settings), "rig",
                          CONFIG_OVERRIDES_NONE, &rig->config, &problems));
    config_problems_deinit(&problems);
    struct io *io = sim_node_io(rig->machine);
    write_bootstrap(io_get_fs(io));
    rig->files = log_files_new(io, LOG_FILES_OPEN_MIN);
    struct err_note note = { "" };
    if (rig_open(rig, &note) < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
    io_on_turn_end(io, on_turn_end, rig);
    quorum_start(rig->quorum);
}

static bool is_gone(void *context)
{
    const struct rig *rig = context;
    return rig->quorum == NULL;
}

static void until(struct rig *rig, bool (*is_true)(void *context), void *context)
{
    if (!sim_world_run_until_true(rig->world, 60 * NS_PER_SECOND, is_true, context))
        test_fail(__FILE__, __LINE__, "it does not come");
}

static void rig_end(struct rig *rig)
{
    sim_node_crash(rig->machine, SIM_PROCESS_KILLED);
    until(rig, is_gone, rig);
    config_unref(rig->config);
    sim_world_free(rig->world);
}

static bool is_active(void *context)
{
    const struct rig *rig = context;
    return rig->is_active;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool has_come(void *context)
{
    const struct answer *answer = context;
    return answer->has_come;
}

static void ask(struct rig *rig, int16_t api_key, int16_t version, const void *message,
                void (*done)(void *context, enum kafka_error error, const void *response),
                struct answer *out)
{
    *out = (struct answer){ 0 };
    const struct principal principal = PRINCIPAL_ANONYMOUS;
    struct controller_link *link = quorum_controller(rig->quorum);
    link->ask(link, api_key, version, message, &principal, done, out);
}

static void on_registered(void *context, enum kafka_error error, const void *response)
{
    struct answer *answer = context;
    const struct broker_registration_response *told = response;
    *answer = (struct answer){ .has_come = true,
                               .error = error,
                               .code = told->error_code,
                               .broker_epoch = told->broker_epoch };
}

static void on_heartbeat(void *context, enum kafka_error error, const void *response)
{
    struct answer *answer = context;
    const struct broker_heartbeat_response *told = response;
    *answer = (struct answer){
        .has_come = true, .error = error, .code = told->error_code, .is_fenced = told->is_fenced
    };
}

static void on_created(void *context, enum kafka_error error, const void *response)
{
    struct answer *answer = context;
    const struct create_topics_response *told = response;
    *answer =
        (struct answer){ .has_come = true, .error = error, .code = told->topics[0].error_code };
}

static void register_broker(struct rig *rig, struct answer *out)
{
    struct broker_registration_request_listener listener =
        broker_registration_request_listener_default;
    struct uuid directory = sample_id(50);
    struct broker_registration_request request = broker_registration_request_default;
    listener.name = BYTES_LITERAL("PLAINTEXT");
    listener.host = BYTES_LITERAL("broker");
    listener.port = 9092;
    request.broker_id = NODE_ID;
    request.cluster_id = BYTES_LITERAL("rigged");
    request.incarnation_id = sample_id(60);
    request.listeners = &listener;
    request.listeners_count = 1;
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    uint32_t count;
    const struct feature *known = features(&count);
    request.features = broker_registration_request_feature_array(&arena, count);
    request.features_count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        request.features[i].name = bytes_from_text(known[i].name);
        request.features[i].min_supported_version = known[i].min;
        request.features[i].max_supported_version = known[i].max;
    }
    request.log_dirs = &directory;
    request.log_dirs_count = 1;
    ask(rig, API_BROKER_REGISTRATION, 4, &request, on_registered, out);
    arena_deinit(&arena);
}

static void beat(struct rig *rig, int64_t broker_epoch, struct answer *out)
{
    struct broker_heartbeat_request request = broker_heartbeat_request_default;
    request.broker_id = NODE_ID;
    request.broker_epoch = broker_epoch;
    request.current_metadata_offset = rig->image_offset;
    ask(rig, API_BROKER_HEARTBEAT, 1, &request, on_heartbeat, out);
}

static void create_topic(struct rig *rig, struct answer *out)
{
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    struct create_topics_request request = create_topics_request_default;
    topic.name = BYTES_LITERAL("t");
    topic.num_partitions = 1;
    topic.replication_factor = 1;
    request.topics = &topic;
    request.topics_count = 1;
    ask(rig, API_CREATE_TOPICS, 5, &request, on_created, out);
}

static void expect_good(struct rig *rig, struct answer *answer)
{
    until(rig, has_come, answer);
    EXPECT_EQ(answer->error, KAFKA_NONE);
    EXPECT_EQ(answer->code, KAFKA_NONE);
}

/* The logs of a large topic may take longer to be made than a session lasts. A client hears of it when they are there;
 * a broker that hears nothing until then would not be heard of, and be fenced. */
TEST(quorum, answers_brokers_when_committed_and_clients_when_applied)
{
    struct rig rig;
    struct answer registered, beaten, created;
    rig_begin(&rig, context->seed);
    until(&rig, is_active, &rig);
    register_broker(&rig, &registered);
    expect_good(&rig, &registered); /* nobody has called quorum_applied so far */
    beat(&rig, registered.broker_epoch, &beaten);
    expect_good(&rig, &beaten);
    EXPECT(!beaten.is_fenced);

    create_topic(&rig, &created);
    for (int i = 0; i < 20; i++) {
        sim_world_run_for(rig.world, NS_PER_SECOND);
        beat(&rig, registered.broker_epoch, &beaten);
        expect_good(&rig, &beaten);
        EXPECT(!beaten.is_fenced);
    }
    EXPECT(!created.has_come);
    quorum_applied(rig.quorum, rig.image_offset);
    EXPECT(created.has_come);
    expect_good(&rig, &created);
    rig_end(&rig);
}

/* A disk that stalls for longer than a session keeps the answer back, and with it the next heartbeat. */
TEST(quorum, fences_no_broker_for_a_disk_that_stalls)
{
    struct rig rig;
    struct answer registered, beaten, created;
    rig_begin(&rig, context->seed);
    until(&rig, is_active, &rig);
    register_broker(&rig, &registered);
    expect_good(&rig, &registered);
    beat(&rig, registered.broker_epoch, &beaten);
    expect_good(&rig, &beaten);
    rig.fenced_count = 0;

    rig.is_disk_stalled = true;
    create_topic(&rig, &created);
    beat(&rig, registered.broker_epoch, &beaten);
    sim_world_run_for(rig.world, 60 * NS_PER_SECOND);
    EXPECT(!beaten.has_come);
    rig.is_disk_stalled = false;
    expect_good(&rig, &beaten);
    sim_world_run_for(rig.world, 5 * NS_PER_SECOND); /* less than a session */
    EXPECT_EQ(rig.fenced_count, 0);
    sim_world_run_for(rig.world, 60 * NS_PER_SECOND); /* silent now: for that it is fenced */
    EXPECT(rig.fenced_count > 0);
    quorum_applied(rig.quorum, rig.image_offset);
    EXPECT(created.has_come);
    rig_end(&rig);
}

/* ---- a metadata log that is not what it was ---------------------------------------------------- */

#define METADATA    DIRECTORY "/__cluster_metadata-0/"
#define LOG_FILE    METADATA "00000000000000000000.log"
#define SNAPSHOT_AT METADATA "00000000000000000002-0000000001.checkpoint"

static void on_closed(void *context)
{
    struct rig *rig = context;
    rig->is_closed = true;
}

static bool is_closed(void *context)
{
    const struct rig *rig = context;
    return rig->is_closed;
}

static void rig_live_on(struct rig *rig, uint64_t seed)
{
    struct answer registered;
    rig_begin(rig, seed);
    until(rig, is_active, rig);
    register_broker(rig, &registered);
    expect_good(rig, &registered);
}

/* A life that ends well. */
static void rig_live(struct rig *rig, uint64_t seed)
{
    rig_live_on(rig, seed);
    quorum_close(rig->quorum, on_closed, rig);
    until(rig, is_closed, rig);
    quorum_free(TAKE(rig->quorum));
}

/* A life that ends in a crash: nothing is written at its end. */
static void rig_live_and_die(struct rig *rig, uint64_t seed)
{
    rig_live_on(rig, seed);
    sim_node_crash(rig->machine, SIM_PROCESS_KILLED);
    until(rig, is_gone, rig);
    sim_node_restart(rig->machine);
    rig->files = log_files_new(sim_node_io(rig->machine), LOG_FILES_OPEN_MIN);
}

/* Where the last batch of the log begins. */
static int64_t last_batch(struct rig *rig)
{
    AUTO(mem_freep) uint8_t *data = NULL;
    size_t size;
    EXPECT_OK(
        io_fs_read_whole(io_get_fs(sim_node_io(rig->machine)), LOG_FILE, 1u << 20, &data, &size));
    struct bytes left = bytes_from(data, size);
    struct batch_view batch;
    int64_t position = 0;
    while (batch_parse(left, &batch) > 0) {
        position = (int64_t)(size - left.size);
        left = bytes_slice(left, batch.bytes.size, left.size - batch.bytes.size);
    }
    return position;
}

static void cut_log(struct rig *rig, int64_t size)
{
    AUTO(io_file_unrefp) struct io_file *file = NULL;
    EXPECT_OK(io_file_open(io_get_fs(sim_node_io(rig->machine)), LOG_FILE, IO_OPEN_WRITE, &file));
    EXPECT_OK(io_file_truncate(file, size));
}

/* Each start refuses; the files stay as they are. */
static void expect_refusals(struct rig *rig, const char *words)
{
    for (int i = 0; i < 3; i++) {
        struct err_note note = { "" };
        EXPECT_ERR(rig_open(rig, &note), ERR_CORRUPT);
        if (strncmp(note.text, LOG_FILE, strlen(LOG_FILE)) != 0 ||
            strstr(note.text, words) == NULL || strstr(note.text, " offset ") == NULL)
            test_fail(__FILE__, __LINE__, "%s", note.text);
    }
}

static void rig_end_closed(struct rig *rig)
{
    log_files_free(TAKE(rig->files));
    io_on_turn_end(sim_node_io(rig->machine), NULL, NULL);
    config_unref(rig->config);
    sim_world_free(rig->world);
}

/* No checkpoint tells how far the log was committed in any of these: all of it was lost once, with a warning. */
TEST(quorum, refuses_a_log_with_a_flipped_bit_that_had_been_closed_well)
{
    struct rig rig;
    rig_live(&rig, context->seed);
    EXPECT_OK(sim_disk_flip_bit(sim_node_disk(rig.machine), LOG_FILE, 70, 3));
    expect_refusals(&rig, " at byte 0, offset 0,");
    rig_end_closed(&rig);
}

TEST(quorum, refuses_a_log_that_had_been_closed_well_and_lacks_its_last_batch)
{
    struct rig rig;
    rig_live(&rig, context->seed);
    cut_log(&rig, last_batch(&rig));
    expect_refusals(&rig, "damaged or cut off at byte");
    rig_end_closed(&rig);
}

TEST(quorum, refuses_a_log_that_ends_before_its_snapshot)
{
    struct rig rig;
    rig_live_and_die(&rig, context->seed);
    AUTO(mem_freep) uint8_t *bootstrap = NULL;
    size_t size;
    struct io_fs *fs = io_get_fs(sim_node_io(rig.machine));
    EXPECT_OK(io_fs_read_whole(fs, DIRECTORY "/bootstrap.checkpoint", 1u << 20, &bootstrap, &size));
    EXPECT_OK(io_fs_replace(fs, SNAPSHOT_AT, bytes_from(bootstrap, size)));
    EXPECT_OK(sim_disk_flip_bit(sim_node_disk(rig.machine), LOG_FILE, 70, 3));
    expect_refusals(&rig, " at byte 0, offset 0,");
    rig_end_closed(&rig);
}

static void rig_start(struct rig *rig)
{
    struct err_note note = { "" };
    if (rig_open(rig, &note) < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
    rig->is_active = false;
    io_on_turn_end(sim_node_io(rig->machine), on_turn_end, rig);
    quorum_start(rig->quorum);
    until(rig, is_active, rig);
    sim_world_run_for(rig->world, NS_PER_SECOND);
}

/* A write that a crash cut short is no damage, though the log was closed well before. */
TEST(quorum, opens_a_log_that_a_crash_left_with_half_a_batch)
{
    struct rig rig;
    rig_live(&rig, context->seed);
    const int64_t closed_bytes = last_batch(&rig);
    rig_start(&rig);
    sim_node_crash(rig.machine, SIM_PROCESS_KILLED);
    until(&rig, is_gone, &rig);
    sim_node_restart(rig.machine);
    EXPECT(last_batch(&rig) > closed_bytes);
    cut_log(&rig, last_batch(&rig) + 30);
    rig.files = log_files_new(sim_node_io(rig.machine), LOG_FILES_OPEN_MIN);
    rig_start(&rig);
    rig_end(&rig);
}
