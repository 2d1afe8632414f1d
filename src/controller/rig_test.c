/* See rig_test.h. */
#include "controller/rig_test.h"

#include "base/mem.h"
#include "metadata/bootstrap.h"
#include "wire/messages/broker_heartbeat_request.h"
#include "wire/messages/broker_heartbeat_response.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/feature_level_record.h"
#include "wire/messages/register_broker_record.h"

#include <string.h>

#define ARENA_MAX (256u << 20)

/* ---- rules: three settings, each of another kind ------------------------------------------------ */

static bool is_known(struct bytes name)
{
    return bytes_equal_text(name, RULES_LIST) || bytes_equal_text(name, RULES_NUMBER) ||
           bytes_equal_text(name, RULES_MIN_ISR);
}

static int validate(void *context, enum metadata_config_type type, struct bytes resource,
                    const struct controller_config_entry *entries, uint32_t count,
                    struct err_note *note)
{
    (void)context;
    (void)type;
    (void)resource;
    for (uint32_t i = 0; i < count; i++) {
        int64_t number;
        if (!is_known(entries[i].name))
            return err_note(note, -ERR_INVALID_SETTING, "Unknown config name: %.*s",
                            BYTES_PRINTF(entries[i].name));
        if (!bytes_equal_text(entries[i].name, RULES_LIST) &&
            bytes_to_i64(entries[i].value, &number) < 0)
            return err_note(note, -ERR_INVALID_SETTING, "Invalid value %.*s",
                            BYTES_PRINTF(entries[i].value));
    }
    return 0;
}

static bool is_list(void *context, enum metadata_config_type type, struct bytes name)
{
    (void)context;
    (void)type;
    return bytes_equal_text(name, RULES_LIST);
}

static struct bytes default_value(void *context, enum metadata_config_type type, struct bytes name)
{
    (void)context;
    (void)type;
    return bytes_equal_text(name, RULES_LIST) ? BYTES_LITERAL("delete") : BYTES_NULL;
}

static uint32_t describe_topic(void *context, const struct controller_config_entry *entries,
                               uint32_t count, struct arena *arena,
                               struct controller_config_description **out)
{
    (void)context;
    *out = ARENA_NEW_ARRAY(arena, struct controller_config_description, (size_t)count + 1);
    (*out)[0] = (struct controller_config_description){ .name = BYTES_LITERAL(RULES_LIST),
                                                        .value = BYTES_LITERAL("delete"),
                                                        .source = 5 };
    for (uint32_t i = 0; i < count; i++)
        (*out)[i + 1] = (struct controller_config_description){ .name = entries[i].name,
                                                                .value = entries[i].value,
                                                                .source = 1 };
    return count + 1;
}

/* ---- the image --------------------------------------------------------------------------------- */

static void put_features(struct metadata_loader *loader)
{
    struct arena arena;
    arena_init(&arena, ARENA_MAX);
    struct metadata_record *records;
    uint32_t count;
    EXPECT_OK(
        metadata_bootstrap_records(METADATA_LEVEL_MAX, NULL, 0, &arena, &records, &count, NULL));
    for (uint32_t i = 0; i < count; i++)
        sample_put(loader, records[i].message, records[i].version, records[i].value);
    arena_deinit(&arena);
}

static void put_broker(struct metadata_loader *loader, int32_t id)
{
    char rack[2] = { (char)('a' + id), '\0' };
    struct register_broker_record_broker_endpoint endpoint = { .name = BYTES_LITERAL("PLAINTEXT"),
                                                               .host = BYTES_LITERAL("host"),
                                                               .port = 9092 };
    struct uuid directory = sample_id((uint8_t)(200 + id));
    struct register_broker_record record;
    register_broker_record_init(&record);
    record.broker_id = id;
    record.broker_epoch = metadata_loader_working(loader)->provenance.offset + 1;
    record.incarnation_id = sample_id((uint8_t)(100 + id));
    record.end_points = &endpoint;
    record.end_points_count = record.log_dirs_count = 1;
    record.log_dirs = &directory;
    record.rack = bytes_from_text(rack);
    record.fenced = false;
    sample_put(loader, &register_broker_record_message, 4, &record);
}

void controller_rig_begin(struct controller_rig *rig, uint64_t seed, int32_t broker_count)
{
    *rig = (struct controller_rig){ .rng = rng_from_seed(seed), .now_ms = 1000000 };
    arena_init(&rig->arena, ARENA_MAX);
    const struct controller_settings settings = {
        .node_id = RIG_NODE,
        .cluster_id = BYTES_LITERAL(RIG_CLUSTER),
        .default_replication_factor = 1,
        .num_partitions = 3,
        .min_insync_replicas = 1,
        .broker_session_timeout_ms = RIG_SESSION_MS,
        .max_idle_interval_ms = RIG_IDLE_MS,
        .rules = { .validate = validate,
                   .is_list = is_list,
                   .default_value = default_value,
                   .describe_topic = describe_topic },
    };
    rig->controller = controller_new(&settings);
    struct metadata_loader *loader = metadata_loader_new(NULL);
    put_features(loader);
    for (int32_t id = 1; id <= broker_count; id++)
        put_broker(loader, id);
    struct metadata_image *image = metadata_loader_publish(loader);
    controller_activate(rig->controller, controller_rig_call(rig), 3, image, -1, NULL, 0,
                        &rig->result);
    EXPECT_EQ(rig->result.record_count, 0);
    metadata_image_unref(image);
    metadata_loader_free(loader);
}

void controller_rig_end(struct controller_rig *rig)
{
    controller_free(rig->controller);
    arena_deinit(&rig->arena);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static bool is_allowed(void *context, enum controller_action action, struct bytes topic)
{
    const struct controller_rig *rig = context;
    (void)action;
    return !bytes_equal(topic, rig->forbidden);
}

const struct controller_call *controller_rig_call(struct controller_rig *rig)
{
    arena_reset(&rig->arena);
    struct controller_call *call = ARENA_NEW(&rig->arena, struct controller_call);
    *call = (struct controller_call){
        .now_ms = rig->now_ms,
        .wall_ms = 1700000000000 + rig->now_ms,
        .next_offset = controller_is_active(rig->controller)
                           ? controller_working(rig->controller)->provenance.offset + 1
                           : 0,
        .rng = &rig->rng,
        .arena = &rig->arena,
        .is_allowed = bytes_is_null(rig->forbidden) ? NULL : is_allowed,
        .allowed_context = rig,
    };
    rig->result = (struct controller_result){ 0 };
    return call;
}

static void print_records(struct controller_rig *rig)
{
    struct buf out;
    buf_init(&out, 16u << 20);
    for (uint32_t i = 0; i < rig->result.record_count; i++) {
        const struct metadata_record *record = &rig->result.records[i];
        buf_printf(&out, "%s ", record->message->name);
        wire_print(record->message, record->version, record->value, &out);
        buf_put_text(&out, "\n");
    }
    const size_t size = MIN(out.size, sizeof(rig->text) - 1);
    if (size > 0)
        memcpy(rig->text, out.data, size);
    rig->text[size] = '\0';
    buf_deinit(&out);
}

const void *controller_rig_take(struct controller_rig *rig, const struct wire_message *message)
{
    EXPECT(rig->result.response_message == message);
    print_records(rig);
    controller_replay(rig->controller, controller_working(rig->controller)->provenance.offset + 1,
                      rig->result.records, rig->result.record_count, rig->now_ms);
    return rig->result.response;
}

uint32_t controller_rig_count(const struct controller_rig *rig, const char *message)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < rig->result.record_count; i++)
        count += strcmp(rig->result.records[i].message->name, message) == 0;
    return count;
}

bool controller_rig_has(const struct controller_rig *rig, const char *message, const char *part)
{
    const size_t size = strlen(message);
    for (const char *line = rig->text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        const char *found = part == NULL ? line : strstr(line, part);
        if (strncmp(line, message, size) == 0 && line[size] == ' ' && found != NULL &&
            (end == NULL || found < end))
            return true;
        if (end == NULL)
            return false;
        line = end + 1;
    }
    return false;
}

struct uuid controller_rig_topic(struct controller_rig *rig, const char *name, int32_t partitions,
                                 int16_t replication_factor)
{
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    struct create_topics_request request = create_topics_request_default;
    topic.name = bytes_from_text(name);
    topic.num_partitions = partitions;
    topic.replication_factor = replication_factor;
    request.topics = &topic;
    request.topics_count = 1;
    EXPECT_OK(controller_create_topics(rig->controller, controller_rig_call(rig), &request, 7,
                                       &rig->result));
    const struct create_topics_response *response =
        controller_rig_take(rig, &create_topics_response_message);
    EXPECT_EQ(response->topics[0].error_code, KAFKA_NONE);
    return response->topics[0].topic_id;
}

const struct metadata_partition *controller_rig_partition(const struct controller_rig *rig,
                                                          const char *topic, int32_t index)
{
    const struct metadata_topic *found =
        metadata_topic_by_name(controller_working(rig->controller), bytes_from_text(topic));
    return found == NULL ? NULL : metadata_topic_partition(found, index);
}

const struct broker_heartbeat_response *controller_rig_beat(struct controller_rig *rig, int32_t id,
                                                            bool wants_fence, bool wants_shut_down)
{
    const struct metadata_image *image = controller_working(rig->controller);
    struct broker_heartbeat_request request = broker_heartbeat_request_default;
    request.broker_id = id;
    request.broker_epoch = metadata_broker_get(image, id)->epoch;
    request.current_metadata_offset = image->provenance.offset;
    request.want_fence = wants_fence;
    request.want_shut_down = wants_shut_down;
    EXPECT_OK(controller_broker_heartbeat(rig->controller, controller_rig_call(rig), &request, 2,
                                          &rig->result));
    return controller_rig_take(rig, &broker_heartbeat_response_message);
}

void controller_rig_timer(struct controller_rig *rig)
{
    for (int i = 0; i < 100 && controller_deadline_ms(rig->controller) <= rig->now_ms; i++) {
        controller_on_timer(rig->controller, controller_rig_call(rig), &rig->result);
        (void)controller_rig_take(rig, NULL);
    }
    EXPECT(controller_deadline_ms(rig->controller) > rig->now_ms);
}
