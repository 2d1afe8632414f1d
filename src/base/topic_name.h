/* What a topic may be called: Kafka's rule, the same for requests, for the controller and for directories. */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

#define TOPIC_NAME_BYTES_MAX 249 /* a directory's name is that, '-' and the partition's number */

/* 1 to 249 of [a-zA-Z0-9._-], not "." or "..". On false the note says why not, in Kafka's words. */
bool topic_name_is_legal(struct bytes name, struct err_note *note);
