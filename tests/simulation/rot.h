/* Bits that flip on the disk while nobody looks, and what may be seen of them.
 *
 * One at a time, in a batch of a topic: on a page that is not in memory, in a segment that lies below the recovery point, since what
 * a crash leaves at the end of a log is cut off at its first bad byte. Bits of the base offset and the leader epoch are left alone: no CRC
 * covers them. From then on
 *   - nobody is served the batch; who asks for one of its offsets is told CORRUPT_MESSAGE (auditor.c), and all others are served
 *   - the node says so in one line that names partition, file, byte and offsets, and says it of no other batch
 *   - who looks at the disk from outside sees the batch as it was: what is checked of the rest goes on (disk_check.c)
 * Bits flip in the indexes of such segments, too: nothing comes of it, since what an index says is not believed before the batch that it
 * leads to was looked at.
 */
#pragma once

#include "scene.h"

struct model_partition;
struct rot;

struct rot *rot_new(struct scene *scene);
void rot_free(struct rot *rot);

/* A bit flips, where one can. */
void rot_strike(struct rot *rot, struct rng *rng);
/* One flips in a log of a coordinator; false: there is none where one can. */
bool rot_strike_coordinator(struct rot *rot, struct rng *rng);
/* Such logs were loaded: the node must have said what it found. */
void rot_demand_words(const struct rot *rot);

/* Whether the offset belongs to a batch that is damaged now, or lies in a gap beside it; then the first offset behind. */
bool rot_covers(const struct rot *rot, const struct model_partition *partition, int64_t offset,
                int64_t *out_next);
/* Whether a batch of the partition is damaged now. */
bool rot_has(const struct rot *rot, const struct model_partition *partition);
/* A line of level ERROR: whether it tells of damage, and is right. */
bool rot_explains(struct rot *rot, const char *text);
/* The node has told a client of that batch: it must have said so in a line. */
void rot_told(const struct rot *rot, const struct model_partition *partition, int64_t offset);
/* A file as it would be without. */
void rot_heal(const struct rot *rot, const char *path, uint8_t *data, size_t size_bytes);
