/* A member of the classic protocol: joins, syncs, beats, commits, leaves, crashes, sleeps past its session; some are static. What they
 * are told is held against generations.h, ownership.h and commits.h.
 */
#pragma once

#include "scene.h"

struct client;
struct member;
struct seat;

/* So long after a member has left without a word its group has changed: a session and a rebalance. */
#define MEMBER_MISSED_NS (14 * NS_PER_SECOND)

/* The seat is borrowed. */
struct member *member_new(struct scene *scene, uint32_t group, uint32_t index, struct seat *seat);
void member_free(struct member *member);
struct client *member_client(struct member *member);

bool member_is_away(const struct member *member); /* for it is not its turn */
/* In a generation that goes on, with its partitions, having committed since then or having none. */
bool member_is_settled(const struct member *member);
bool member_is_committing(const struct member *member); /* and the outcome is not known yet */
uint32_t member_group(const struct member *member);
int32_t member_generation(const struct member *member);
uint32_t member_wants(const struct member *member); /* partitions it subscribes to: bits */
uint32_t member_keys(const struct member *member);  /* and those it has */
const char *member_words(const struct member *member);
