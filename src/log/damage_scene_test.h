/* A log to be damaged, the ways in which files are, and an owner who hears of it. */
#pragma once

#include "log/history_test.h"

enum damage { GONE, EMPTY, CUT_BY_1, CUT_IN_HALF, ZEROS, NOISE, ZERO_TAIL, NOISE_TAIL, DAMAGES };
extern const char *const damage_names[DAMAGES];
void damage_file(struct io_fs *fs, const char *path, enum damage damage);

struct damage_scene {
    struct sim_disk *disk;
    struct history history;
    struct log_offsets offsets;
    int32_t last_sequence;
};
/* Several segments, two epochs, a producer, an aborted transaction; closed well. */
void damage_scene_begin(struct damage_scene *scene);
void damage_scene_end(struct damage_scene *scene);

/* What the owner of an attached log hears. */
struct damage_heard {
    uint32_t mended;
    uint32_t damaged;
    struct err_note first_mended;
    struct err_note last_mended;
    struct err_note last_damaged;
};
void damage_listen(struct log *log, struct damage_heard *heard);

/* As a shard does: a read of one batch, or a look-up by the time SAMPLE_NOW_MS + offset, which has to find that. Both answer how many jobs had
 * to read a whole segment. */
uint32_t read_by_jobs(struct log *log, int64_t offset);
uint32_t find_by_jobs(struct log *log, int64_t offset);
