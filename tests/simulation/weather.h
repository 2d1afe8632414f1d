/* The faults of a history, drawn once as a climate and then as they come: kills at any file change, power losses, orderly stops,
 * a full disk, a slow one, a cold page cache, bits that flip, sends cut short, connections that break, clients that hang up.
 */
#pragma once

#include "scene.h"

struct client;
struct weather;

struct weather *weather_new(struct scene *scene);
void weather_free(struct weather *weather);
/* One of those that may hang up. */
void weather_add_client(struct weather *weather, struct client *client);
/* The faults are over; effects of the last may be seen for a while. */
void weather_end(struct weather *weather);
