/* Clients that produce. Plain ones send each batch once. Idempotent ones send a batch until it is acknowledged, several at a time,
 * and again after whatever happened: each is to be in the log once, and the next sequence is to be taken after any restart that
 * lost nothing.
 */
#pragma once

#include "model.h"
#include "scene.h"

struct client;
struct producer;

struct producer *producer_new(struct scene *scene, uint32_t index);
void producer_free(struct producer *producer);
struct client *producer_client(struct producer *producer);
