/* From a topic's effective settings to the plain numbers a log works with. */
#pragma once

#include "config/config.h"
#include "log/log_config.h"

/* topic: of config_for_topic; broker: what it was made over (settings that only the broker has). */
struct log_config log_settings(const struct config *broker, const struct config *topic);

struct metadata_image;

/* A topic's config out of the image's overrides; count 1. */
struct config *log_settings_topic(const struct config *broker, const struct metadata_image *image,
                                  struct bytes topic);
