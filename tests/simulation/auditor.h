/* A client that reads every log from its start to its end, again and again, and compares with what is known: each offset once
 * and in order, batches whole, epochs that only grow, ends that do not go back, offsets by time and by epoch.
 */
#pragma once

#include "scene.h"

struct client;
struct auditor;

struct auditor *auditor_new(struct scene *scene);
void auditor_free(struct auditor *reader);
struct client *auditor_client(struct auditor *reader);

/* Whole rounds over all topics, since the broker's incarnation began. */
uint32_t auditor_rounds(const struct auditor *reader);
/* Where it is, in words. */
const char *auditor_words(struct auditor *reader);
