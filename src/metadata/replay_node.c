/* Replay of broker and controller registrations. */
#include "base/mem.h"
#include "metadata/item_int.h"
#include "metadata/replay_int.h"
#include "wire/messages/broker_registration_change_record.h"
#include "wire/messages/fence_broker_record.h"
#include "wire/messages/register_broker_record.h"
#include "wire/messages/register_controller_record.h"
#include "wire/messages/unfence_broker_record.h"
#include "wire/messages/unregister_broker_record.h"

#include <stdlib.h>
#include <string.h>

static int compare_uuids(const void *a, const void *b)
{
    return uuid_compare(*(const struct uuid *)a, *(const struct uuid *)b);
}

static struct uuid *sorted_uuids(const struct uuid *ids, int32_t count)
{
    if (count <= 0)
        return NULL;
    struct uuid *copy = mem_dup(ids, (size_t)count * sizeof(*ids));
    qsort(copy, (size_t)count, sizeof(*copy), compare_uuids);
    return copy;
}

static void put_broker(struct metadata_image *image, const struct metadata_broker *content)
{
    struct metadata_broker *broker = metadata__broker_new(content);
    metadata_tree_put(&image->brokers, metadata__by_broker_id, &broker->id, &broker->item);
}

static uint32_t count_of(int32_t count)
{
    return count < 0 ? 0 : (uint32_t)count;
}

static int compare_ranges(const void *a, const void *b)
{
    return bytes_compare(((const struct metadata_feature_range *)a)->name,
                         ((const struct metadata_feature_range *)b)->name);
}

/* By name: the order in which a node lists its features means nothing. */
static void sort_features(struct metadata_feature_range *features, uint32_t count)
{
    if (count > 1)
        qsort(features, count, sizeof(*features), compare_ranges);
}

static int replay_register_broker(struct metadata_image *image,
                                  const struct register_broker_record *r)
{
    const uint32_t endpoint_count = count_of(r->end_points_count);
    const uint32_t feature_count = count_of(r->features_count);
    AUTO(mem_freep)
    struct metadata_endpoint *endpoints = MEM_NEW_ARRAY(struct metadata_endpoint, endpoint_count);
    AUTO(mem_freep)
    struct metadata_feature_range *features =
        MEM_NEW_ARRAY(struct metadata_feature_range, feature_count);
    AUTO(mem_freep) struct uuid *directories = sorted_uuids(r->log_dirs, r->log_dirs_count);
    AUTO(mem_freep)
    struct uuid *cordoned = sorted_uuids(r->cordoned_log_dirs, r->cordoned_log_dirs_count);
    for (uint32_t i = 0; i < endpoint_count; i++) {
        endpoints[i] =
            (struct metadata_endpoint){ .name = r->end_points[i].name,
                                        .host = r->end_points[i].host,
                                        .port = r->end_points[i].port,
                                        .security_protocol = r->end_points[i].security_protocol };
    }
    for (uint32_t i = 0; i < feature_count; i++) {
        features[i] =
            (struct metadata_feature_range){ .name = r->features[i].name,
                                             .min = r->features[i].min_supported_version,
                                             .max = r->features[i].max_supported_version };
    }
    sort_features(features, feature_count);
    const struct metadata_broker content = {
        .id = r->broker_id,
        .epoch = r->broker_epoch,
        .incarnation_id = r->incarnation_id,
        .rack = r->rack,
        .is_fenced = r->fenced,
        .is_in_controlled_shutdown = r->in_controlled_shutdown,
        .is_migrating_zk_broker = r->is_migrating_zk_broker,
        .has_cordoned_directories = r->cordoned_log_dirs_count >= 0,
        .endpoints = endpoints,
        .features = features,
        .directories = directories,
        .cordoned_directories = cordoned,
        .endpoint_count = endpoint_count,
        .feature_count = feature_count,
        .directory_count = count_of(r->log_dirs_count),
        .cordoned_directory_count = count_of(r->cordoned_log_dirs_count),
    };
    put_broker(image, &content);
    return 0;
}

static int find_broker(const struct metadata_image *image, int32_t id, int64_t epoch,
                       const struct metadata_broker **out, struct err_note *note)
{
    const struct metadata_broker *broker = metadata_broker_get(image, id);
    if (broker == NULL)
        return err_note(note, -ERR_MALFORMED, "broker %" PRId32 " is not registered", id);
    if (broker->epoch != epoch) {
        return err_note(note, -ERR_MALFORMED,
                        "broker %" PRId32 " has epoch %" PRId64 ", not %" PRId64, id, broker->epoch,
                        epoch);
    }
    *out = broker;
    return 0;
}

static int replay_fencing(struct metadata_image *image, int32_t id, int64_t epoch, bool is_fenced,
                          struct err_note *note)
{
    const struct metadata_broker *broker;
    const int r = find_broker(image, id, epoch, &broker, note);
    if (r < 0)
        return r;
    struct metadata_broker content = *broker;
    content.is_fenced = is_fenced;
    put_broker(image, &content);
    return 0;
}

static int replay_broker_change(struct metadata_image *image,
                                const struct broker_registration_change_record *change,
                                struct err_note *note)
{
    const struct metadata_broker *broker;
    const int r = find_broker(image, change->broker_id, change->broker_epoch, &broker, note);
    if (r < 0)
        return r;
    if (change->fenced < -1 || change->fenced > 1)
        return err_note(note, -ERR_MALFORMED, "fenced is %d, not -1, 0 or 1", change->fenced);
    if (change->in_controlled_shutdown < 0 || change->in_controlled_shutdown > 1) {
        return err_note(note, -ERR_MALFORMED, "inControlledShutdown is %d, not 0 or 1",
                        change->in_controlled_shutdown);
    }
    AUTO(mem_freep)
    struct uuid *directories = sorted_uuids(change->log_dirs, change->log_dirs_count);
    AUTO(mem_freep)
    struct uuid *cordoned =
        sorted_uuids(change->cordoned_log_dirs, change->cordoned_log_dirs_count);
    struct metadata_broker content = *broker;
    if (change->fenced != 0)
        content.is_fenced = change->fenced == 1;
    if (change->in_controlled_shutdown == 1)
        content.is_in_controlled_shutdown = true;
    if (change->log_dirs_count > 0) {
        content.directories = directories;
        content.directory_count = (uint32_t)change->log_dirs_count;
    }
    if (change->cordoned_log_dirs_count >= 0) {
        content.has_cordoned_directories = true;
        content.cordoned_directories = cordoned;
        content.cordoned_directory_count = (uint32_t)change->cordoned_log_dirs_count;
    }
    put_broker(image, &content);
    return 0;
}

static int replay_unregister_broker(struct metadata_image *image,
                                    const struct unregister_broker_record *record,
                                    struct err_note *note)
{
    const struct metadata_broker *broker;
    const int r = find_broker(image, record->broker_id, record->broker_epoch, &broker, note);
    if (r < 0)
        return r;
    metadata_tree_remove(&image->brokers, metadata__by_broker_id, &record->broker_id);
    return 0;
}

static int replay_register_controller(struct metadata_image *image,
                                      const struct register_controller_record *r)
{
    const uint32_t endpoint_count = count_of(r->end_points_count);
    const uint32_t feature_count = count_of(r->features_count);
    AUTO(mem_freep)
    struct metadata_endpoint *endpoints = MEM_NEW_ARRAY(struct metadata_endpoint, endpoint_count);
    AUTO(mem_freep)
    struct metadata_feature_range *features =
        MEM_NEW_ARRAY(struct metadata_feature_range, feature_count);
    for (uint32_t i = 0; i < endpoint_count; i++) {
        endpoints[i] =
            (struct metadata_endpoint){ .name = r->end_points[i].name,
                                        .host = r->end_points[i].host,
                                        .port = r->end_points[i].port,
                                        .security_protocol = r->end_points[i].security_protocol };
    }
    for (uint32_t i = 0; i < feature_count; i++) {
        features[i] =
            (struct metadata_feature_range){ .name = r->features[i].name,
                                             .min = r->features[i].min_supported_version,
                                             .max = r->features[i].max_supported_version };
    }
    sort_features(features, feature_count);
    const struct metadata_controller content = { .id = r->controller_id,
                                                 .incarnation_id = r->incarnation_id,
                                                 .is_zk_migration_ready = r->zk_migration_ready,
                                                 .endpoints = endpoints,
                                                 .features = features,
                                                 .endpoint_count = endpoint_count,
                                                 .feature_count = feature_count };
    struct metadata_controller *controller = metadata__controller_new(&content);
    metadata_tree_put(&image->controllers, metadata__by_controller_id, &controller->id,
                      &controller->item);
    return 0;
}

int metadata__replay_node(struct metadata_image *image, const struct metadata_record *record,
                          struct err_note *note)
{
    switch (record->message->id) {
    case METADATA_REGISTER_BROKER:
        return replay_register_broker(image, record->value);
    case METADATA_UNREGISTER_BROKER:
        return replay_unregister_broker(image, record->value, note);
    case METADATA_FENCE_BROKER: {
        const struct fence_broker_record *fence = record->value;
        return replay_fencing(image, fence->id, fence->epoch, true, note);
    }
    case METADATA_UNFENCE_BROKER: {
        const struct unfence_broker_record *unfence = record->value;
        return replay_fencing(image, unfence->id, unfence->epoch, false, note);
    }
    case METADATA_BROKER_REGISTRATION_CHANGE:
        return replay_broker_change(image, record->value, note);
    case METADATA_REGISTER_CONTROLLER:
        return replay_register_controller(image, record->value);
    default:
        return -ERR_UNKNOWN_RECORD;
    }
}
