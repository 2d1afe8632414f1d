/* Records by short calls, for metadata's tests. */
#include "metadata/sample_test.h"

#include "base/mem.h"
#include "wire/messages/config_record.h"
#include "wire/messages/feature_level_record.h"
#include "wire/messages/partition_record.h"
#include "wire/messages/register_broker_record.h"
#include "wire/messages/remove_topic_record.h"
#include "wire/messages/topic_record.h"

#include <string.h>

static int dump_record(void *context, const struct metadata_record *record)
{
    struct buf *out = context;
    buf_printf(out, "%s %d ", record->message->name, record->version);
    wire_print(record->message, record->version, record->value, out);
    buf_put_text(out, "\n");
    return 0;
}

char *sample_dump(const struct metadata_image *image)
{
    struct buf out;
    buf_init(&out, 64 << 20);
    EXPECT_OK(
        metadata_image_write(image, (struct metadata_sink){ .put = dump_record, .context = &out }));
    buf_put_u8(&out, 0);
    EXPECT(buf_is_ok(&out));
    return (char *)buf_take(&out);
}

static struct metadata_provenance next_place(const struct metadata_loader *loader)
{
    return (struct metadata_provenance){
        .offset = metadata_loader_working(loader)->provenance.offset + 1,
        .epoch = 1,
        .timestamp_ms = 1000,
    };
}

void sample_put(struct metadata_loader *loader, const struct wire_message *message, int16_t version,
                const void *value)
{
    const struct metadata_record record = { .message = message,
                                            .version = version,
                                            .value = value };
    struct err_note note = { .text = "" };
    if (metadata_loader_replay(loader, next_place(loader), &record, &note) < 0)
        test_fail(__FILE__, __LINE__, "%s", note.text);
}

void sample_refuse(struct metadata_loader *loader, const struct wire_message *message,
                   int16_t version, const void *value, int code)
{
    const struct metadata_record record = { .message = message,
                                            .version = version,
                                            .value = value };
    const struct metadata_provenance before = metadata_loader_working(loader)->provenance;
    AUTO(mem_freep) char *text_before = sample_dump(metadata_loader_working(loader));
    struct err_note note = { .text = "" };
    EXPECT_ERR(metadata_loader_replay(loader, next_place(loader), &record, &note), code);
    EXPECT(strstr(note.text, message->name) != NULL); /* the line names what it is about */
    AUTO(mem_freep) char *text_after = sample_dump(metadata_loader_working(loader));
    EXPECT_TEXT(text_after, text_before);
    EXPECT_EQ(metadata_loader_working(loader)->provenance.offset, before.offset);
}

struct uuid sample_id(uint8_t number)
{
    struct uuid id = { .bytes = { [0] = 0x40, [6] = 0x40, [8] = 0x80, [15] = number } };
    return id;
}

void sample_topic(struct metadata_loader *loader, const char *name, struct uuid id)
{
    struct topic_record record;
    topic_record_init(&record);
    record.name = bytes_from_text(name);
    record.topic_id = id;
    sample_put(loader, &topic_record_message, 0, &record);
}

void sample_remove_topic(struct metadata_loader *loader, struct uuid id)
{
    struct remove_topic_record record;
    remove_topic_record_init(&record);
    record.topic_id = id;
    sample_put(loader, &remove_topic_record_message, 0, &record);
}

void sample_partition(struct metadata_loader *loader, struct uuid topic, int32_t partition,
                      const int32_t *replicas, int32_t replica_count)
{
    int32_t ids[16];
    struct uuid directories[16];
    ASSERT(replica_count <= 16);
    for (int32_t i = 0; i < replica_count; i++) {
        ids[i] = replicas[i];
        directories[i] = sample_id((uint8_t)(200 + replicas[i]));
    }
    struct partition_record record;
    partition_record_init(&record);
    record.partition_id = partition;
    record.topic_id = topic;
    record.replicas = record.isr = ids;
    record.replicas_count = record.isr_count = record.directories_count = replica_count;
    record.directories = directories;
    record.leader = replicas[0];
    record.leader_epoch = record.partition_epoch = 0;
    sample_put(loader, &partition_record_message, 2, &record);
}

void sample_config(struct metadata_loader *loader, int8_t type, const char *resource,
                   const char *name, const char *value)
{
    struct config_record record;
    config_record_init(&record);
    record.resource_type = type;
    record.resource_name = bytes_from_text(resource);
    record.name = bytes_from_text(name);
    record.value = bytes_from_text(value);
    sample_put(loader, &config_record_message, 0, &record);
}

void sample_broker(struct metadata_loader *loader, int32_t id, int64_t epoch, bool is_fenced)
{
    struct register_broker_record_broker_endpoint endpoint = { .name = BYTES_LITERAL("PLAINTEXT"),
                                                               .host = BYTES_LITERAL("host"),
                                                               .port = 9092 };
    struct register_broker_record_broker_feature feature = {
        .name = BYTES_LITERAL("metadata.version"),
        .min_supported_version = 7,
        .max_supported_version = 30,
    };
    struct uuid directories[] = { sample_id((uint8_t)(200 + id)) };
    struct register_broker_record record;
    register_broker_record_init(&record);
    record.broker_id = id;
    record.broker_epoch = epoch;
    record.incarnation_id = sample_id((uint8_t)(100 + id));
    record.end_points = &endpoint;
    record.features = &feature;
    record.end_points_count = record.features_count = record.log_dirs_count = 1;
    record.log_dirs = directories;
    record.fenced = is_fenced;
    sample_put(loader, &register_broker_record_message, 4, &record);
}

void sample_feature(struct metadata_loader *loader, const char *name, int16_t level)
{
    struct feature_level_record record;
    feature_level_record_init(&record);
    record.name = bytes_from_text(name);
    record.feature_level = level;
    sample_put(loader, &feature_level_record_message, 0, &record);
}
