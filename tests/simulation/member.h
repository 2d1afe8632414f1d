/* A member of a classic group: joins, syncs, beats, commits, leaves, crashes, sleeps past its session; some are static. What they
 * are told is held against commits.h.
 */
#pragma once

#include "scene.h"

struct client;
struct member;

/* So long after a member has left without a word its group has changed: a session and a rebalance. */
#define MEMBER_MISSED_NS (14 * NS_PER_SECOND)

struct member *member_new(struct scene *scene, uint32_t group, uint32_t index);
void member_free(struct member *member);
struct client *member_client(struct member *member);

/* In a generation that goes on, with its partitions, having committed since then or having none. */
bool member_is_settled(const struct member *member);
bool member_is_committing(const struct member *member); /* and the outcome is not known yet */
uint32_t member_group(const struct member *member);
int32_t member_generation(const struct member *member);
uint32_t member_keys(const struct member *member); /* partitions it has: bits */
const char *member_words(const struct member *member);
