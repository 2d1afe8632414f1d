/* See node_config.h. */
#include "node/node_config.h"

#include "base/vec.h"
#include "config/config.h"
#include "metadata/image.h"

#include <stdio.h>

#define MEMORY_BYTES_MAX                                                                           \
    (256u << 20) /* received and not yet handled, where queued.max.request.bytes says nothing */
#define FRAME_MS_MAX            30000
#define SOCKET_BUFFER_BYTES_MIN 102400 /* the default of socket.send.buffer.bytes and of its twin */
/* Eight workers with at most four files each, listeners, the loop's own, and as many again. */
#define DESCRIPTORS_RESERVED    96

static uint32_t clamp_u32(int64_t value)
{
    return value < 0 || value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

struct node_descriptors node_config_descriptors(uint32_t open_files_max, uint32_t log_dir_count)
{
    const uint32_t reserve = MIN(DESCRIPTORS_RESERVED + log_dir_count,
                                 open_files_max / 4); /* a lock for each directory */
    const uint32_t left = open_files_max - reserve;
    return (struct node_descriptors){ .sockets = left - left / 2, .log_files = left / 2 };
}

/* A fixed size switches off the kernel's own tuning, which reaches Kafka's default of 100 KiB by itself: only a larger
 * one is taken to be meant. -1: the kernel's. */
static int socket_buffer_bytes(const struct config *config, enum setting_id setting)
{
    const int64_t size_bytes = config_i64(config, setting);
    return size_bytes > SOCKET_BUFFER_BYTES_MIN ? (int)size_bytes : -1;
}

struct server_limits node_config_server_limits(const struct config *config,
                                               const struct node_descriptors *descriptors)
{
    const int64_t queued_bytes = config_i64(config, SETTING_BROKER_QUEUED_MAX_REQUEST_BYTES);
    return (struct server_limits){
        .frame_bytes_max = clamp_u32(config_i64(config, SETTING_BROKER_SOCKET_REQUEST_MAX_BYTES)),
        .memory_bytes_max = queued_bytes > 0 ? (size_t)queued_bytes : MEMORY_BYTES_MAX,
        .idle_ms_max = config_i64(config, SETTING_BROKER_CONNECTIONS_MAX_IDLE_MS),
        .frame_ms_max = FRAME_MS_MAX,
        .connection_count_max = clamp_u32(config_i64(config, SETTING_BROKER_MAX_CONNECTIONS)),
        .socket_count_max = descriptors->sockets,
        .connection_count_max_per_ip =
            clamp_u32(config_i64(config, SETTING_BROKER_MAX_CONNECTIONS_PER_IP)),
        .send_buffer_bytes = socket_buffer_bytes(config, SETTING_BROKER_SOCKET_SEND_BUFFER_BYTES),
        .receive_buffer_bytes =
            socket_buffer_bytes(config, SETTING_BROKER_SOCKET_RECEIVE_BUFFER_BYTES),
        .backlog = (int)config_i64(config, SETTING_BROKER_SOCKET_LISTEN_BACKLOG_SIZE),
    };
}

static struct bytes broker_name(int32_t node_id, char space[12])
{
    const int size = snprintf(space, 12, "%d", node_id);
    return bytes_from(space, (size_t)size);
}

bool node_config_has_changed(const struct metadata_image *before,
                             const struct metadata_image *after, int32_t node_id)
{
    char space[12];
    const struct bytes own = broker_name(node_id, space);
    return metadata_config_get(before, METADATA_CONFIG_BROKER, own) !=
               metadata_config_get(after, METADATA_CONFIG_BROKER, own) ||
           metadata_config_get(before, METADATA_CONFIG_BROKER, BYTES_LITERAL("")) !=
               metadata_config_get(after, METADATA_CONFIG_BROKER, BYTES_LITERAL(""));
}

typedef VEC(struct config_override) override_vec;

static struct config_overrides gather(const struct metadata_image *image, struct bytes resource,
                                      override_vec *space)
{
    const struct metadata_config *stored =
        metadata_config_get(image, METADATA_CONFIG_BROKER, resource);
    if (stored != NULL) {
        struct metadata_walk walk;
        const struct metadata_config_entry *entry;
        for (metadata_walk_config_entries(&walk, stored);
             (entry = metadata_next_config_entry(&walk)) != NULL;)
            VEC_ADD(space,
                    ((struct config_override){ .name = entry->name, .value = entry->value }));
    }
    return (struct config_overrides){ .items = space->items, .count = space->count };
}

struct config *node_config_effective(const struct config *static_config,
                                     const struct metadata_image *image, int32_t node_id,
                                     const struct diag *diag)
{
    char name[12];
    override_vec all = { 0 };
    override_vec own = { 0 };
    struct config_problems problems = { 0 };
    struct config *config =
        config_with_dynamic(static_config, gather(image, BYTES_LITERAL(""), &all),
                            gather(image, broker_name(node_id, name), &own), &problems);
    for (size_t i = 0; i < problems.list.count; i++)
        DIAG_WARN(diag, "config", "dynamic setting: %s", problems.list.items[i].text);
    config_problems_deinit(&problems);
    VEC_DEINIT(&all);
    VEC_DEINIT(&own);
    return config;
}
