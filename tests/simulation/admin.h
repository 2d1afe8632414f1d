/* An administrator: creates the topics of the plan, deletes and creates anew those that are brief, deletes records, and alters a
 * setting of topics; what was acknowledged must be there, or away, from then on.
 */
#pragma once

#include "scene.h"

struct admin;
struct client;

struct admin *admin_new(struct scene *scene);
void admin_free(struct admin *admin);
struct client *admin_client(struct admin *admin);
/* Every topic of the plan is there. */
bool admin_is_settled(const struct admin *admin);
