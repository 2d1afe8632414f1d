/* A client that paints portraits: when it is asked to, and while the others rest, it asks the broker about everything that it
 * answers for (portrait.h).
 */
#pragma once

#include "scene.h"

struct painter;
struct portrait;

struct painter *painter_new(struct scene *scene);
void painter_free(struct painter *painter);
void painter_begin(struct painter *painter);
/* NULL: not done yet. Else the caller's. */
struct portrait *painter_take(struct painter *painter);
