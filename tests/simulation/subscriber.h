/* A member of a group of the consumer protocol (KIP-848): joins, beats, takes and gives up what it is told to, sometimes too late,
 * subscribes otherwise, by names or by an expression, commits, leaves, crashes, sleeps past its session; some are static. What they are
 * told is held against ownership.h and commits.h.
 */
#pragma once

#include "scene.h"

struct client;
struct seat;
struct subscriber;

#define SUBSCRIBER_SESSION_MS 6000 /* group.consumer.session.timeout.ms */

/* The seat is borrowed. */
struct subscriber *subscriber_new(struct scene *scene, uint32_t group, uint32_t index,
                                  struct seat *seat);
void subscriber_free(struct subscriber *subscriber);
struct client *subscriber_client(struct subscriber *subscriber);

bool subscriber_is_away(const struct subscriber *subscriber); /* for it is not its turn */
/* It has what it is to have, having committed since then or having nothing. */
bool subscriber_is_settled(const struct subscriber *subscriber);
bool subscriber_is_committing(const struct subscriber *subscriber);
uint32_t subscriber_group(const struct subscriber *subscriber);
int32_t subscriber_epoch(const struct subscriber *subscriber);
uint32_t
subscriber_wants(const struct subscriber *subscriber); /* partitions it subscribes to: bits */
uint32_t subscriber_owned(const struct subscriber *subscriber);
const char *subscriber_words(const struct subscriber *subscriber);
