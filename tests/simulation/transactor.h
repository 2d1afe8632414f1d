/* A producer that writes in transactions: it takes its transactional id over, begins, sends records to several topics, consumes
 * and commits offsets for a group of its own, commits or aborts, and so on; it dies anywhere, and sleeps past its timeout.
 *
 * Two share each transactional id. Whoever takes it over makes a zombie of the other, which goes on until it is told so. What they
 * are told is held against txns.h.
 */
#pragma once

#include "scene.h"

struct client;
struct transactor;

#define TRANSACTORS_OF_AN_ID      2
/* So long after the last of them has gone no transaction is open: the longest timeout, and until it is looked at. */
#define TRANSACTOR_TIMEOUT_MAX_MS 6000

struct transactor *transactor_new(struct scene *scene, uint32_t id, uint32_t index);
/* Both of an id: each knows what the other has begun. */
void transactor_pair(struct transactor *a, struct transactor *b);
void transactor_free(struct transactor *transactor);
struct client *transactor_client(struct transactor *transactor);

bool transactor_is_busy(const struct transactor *transactor); /* in a transaction */
const char *transactor_words(struct transactor *transactor);
