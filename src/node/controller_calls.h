/* Which function of the controller an API's request goes to. */
#pragma once

#include "controller/controller.h"

/* 0 with *out set, or -ERR_NOT_LEADER. The API must be one of the controller's, or it is a bug. */
MUST_CHECK int controller_call(struct controller *controller, const struct controller_call *call,
                               int16_t api_key, int16_t version, const void *message,
                               struct controller_result *out);
