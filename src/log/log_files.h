/* What all logs of one shard share: its loop, a bounded cache of open files, and a lane for the
 * jobs that rename and remove files.
 *
 * A log opens its files when it needs them and keeps them in this cache; the least recently used
 * are closed when the bound is passed, so that idle partitions hold no descriptor. Files are
 * counted: a region being sent keeps its file open whatever the cache does. Threads: the shard's.
 */
#pragma once

#include "base/list.h"
#include "io/io.h"

struct log_files;
struct codec_contexts;

#define LOG_FILES_OPEN_MIN 16

/* open_max: files the cache may hold open; at least LOG_FILES_OPEN_MIN. */
struct log_files *log_files_new(struct io *io, uint32_t open_max);

/* Every log that was attached is detached, or it is a bug; waits for nothing: the lane's jobs must
 * be through (log_files_is_idle). NULL is fine. */
void log_files_free(struct log_files *files);
bool log_files_is_idle(const struct log_files *files);
/* Nothing more is removed: what waits keeps its `.deleted` name, and the next open removes it. */
void log_files_end_removals(struct log_files *files);

uint32_t log_files_open_count(const struct log_files *files);
void log_files_set_open_max(struct log_files *files, uint32_t open_max);

/* Removes the named files after delay_ms, by a job; what is missing is fine. The paths are copied.
 * Errors end the attempt for that file only: a leftover `.deleted` file is removed at the next
 * open. */
void log_files_remove_later(struct log_files *files, const char *const *paths, uint32_t count,
                            int64_t delay_ms);
/* What waits goes now: its space is needed. Whoever reads such a file has it open. */
void log_files_hurry(struct log_files *files);

/* ---- for the logs themselves ----------------------------------------------------------------- */

struct io *log_files_io(const struct log_files *files);
struct codec_contexts *log_files_codecs(const struct log_files *files); /* of the shard's thread */

/* One file of a segment, open or not. Zeroed: closed. */
struct log_file {
    struct list link; /* in the cache's order of use, while attached to one */
    struct io_file *file;
};

/* Borrowed until the next call on the cache; opens the file when needed. files NULL (a detached
 * log): opens without the cache. Returns 0, or what io_file_open says. */
MUST_CHECK int log_file_get(struct log_files *files, struct log_file *slot, struct io_fs *fs,
                            const char *path, unsigned flags, struct io_file **out);
void log_file_close(struct log_files *files, struct log_file *slot); /* closed: fine */
/* Puts a file that was opened without the cache under its rule. Closed: fine. */
void log_file_adopt(struct log_files *files, struct log_file *slot);
