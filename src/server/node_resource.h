/* Resources of settings that are named by a node's id: brokers and broker loggers. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"
#include "wire/kafka_error.h"

struct request;

/* Whether a change of this resource is for this node to take up. NONE also for resources that are not named by ids, for the
 * default of all brokers, and for brokers when a controller is asked, which changes any; else INVALID_REQUEST
 * with a note. */
enum kafka_error node_resource_check(const struct request *request, int8_t resource_type,
                                     struct bytes resource_name, struct err_note *note);
