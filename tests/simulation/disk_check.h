/* The broker's disk, looked at from outside when an incarnation ends, and held against what was told: a second opinion on the
 * files, which reads them with nothing of the code under test but the forms of batches and records.
 *
 * Promises that are checked here:
 *   - what the broker claims to have flushed (recovery points) is on stable storage, as whole batches without a gap
 *   - what was acknowledged under flush.messages=1 or ottla.flush.before.ack is on stable storage
 *   - checkpoints are whole at any time, and tell offsets that the logs have
 */
#pragma once

#include "scene.h"

/* At the end of any incarnation, before anything is lost: what was claimed. */
void disk_check_claims(struct scene *scene);
/* Right before a power loss: tells the model what may be gone after it. */
void disk_check_losing(struct scene *scene);
