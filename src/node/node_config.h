/* From settings to what the rooms of a node work with, and dynamic settings out of the image (KIP-226). */
#pragma once

#include "base/diag.h"
#include "server/server.h"

struct config;
struct metadata_image;

/* How the descriptors of a process are divided: so many for connections and for files of logs; the rest is for what
 * must always be possible (jobs, checkpoints, the metadata log, accepting). */
struct node_descriptors {
    uint32_t sockets;
    uint32_t log_files;
};
struct node_descriptors node_config_descriptors(uint32_t open_files_max, uint32_t log_dir_count);

struct server_limits node_config_server_limits(const struct config *config,
                                               const struct node_descriptors *descriptors);

/* Whether the broker settings stored in the image (this broker's, or all brokers') differ. */
bool node_config_has_changed(const struct metadata_image *before,
                             const struct metadata_image *after, int32_t node_id);

/* The static settings with the image's over them; count 1. What is wrong among them gets a line. */
struct config *node_config_effective(const struct config *static_config,
                                     const struct metadata_image *image, int32_t node_id,
                                     const struct diag *diag);
