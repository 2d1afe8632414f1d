/* What the controller asks about settings, answered from src/config. */
#pragma once

#include "controller/controller.h"

struct config;

/* Lives as long as the controller that was given its rules. */
struct controller_rules {
    struct config *const
        *broker;          /* where the current broker snapshot is found; read at each call */
    struct config *topic; /* holds what default_value answered last */
};

struct controller_config_rules controller_rules_face(struct controller_rules *rules);
void controller_rules_deinit(struct controller_rules *rules);
