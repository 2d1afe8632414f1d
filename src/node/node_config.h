/* From settings to what the rooms of a node work with, and dynamic settings out of the image (KIP-226). */
#pragma once

#include "base/diag.h"
#include "server/server.h"

struct config;
struct metadata_image;

struct server_limits node_config_server_limits(const struct config *config);

/* Whether the broker settings stored in the image (this broker's, or all brokers') differ. */
bool node_config_has_changed(const struct metadata_image *before,
                             const struct metadata_image *after, int32_t node_id);

/* The static settings with the image's over them; count 1. What is wrong among them gets a line. */
struct config *node_config_effective(const struct config *static_config,
                                     const struct metadata_image *image, int32_t node_id,
                                     const struct diag *diag);
