/* Where a log's files are, and through what they are opened. Inside this folder only. */
#pragma once

#include "log/log_files.h"
#include "log/names.h"

struct segment_build;

struct log_place {
    struct io_fs *fs;
    struct log_files *files; /* NULL while the log is detached */
    char *directory;         /* owned by the log */
    bool may_sleep;          /* for the call at hand: reads may go to the disk */
    struct segment_build
        *built; /* for the call at hand: what a job has made for it; borrowed; NULL */
};

/* As log_file_get, of a file of the log. One that is on its way to its name (is_swapping) is sought under its .swap name first:
 * what has the other one already, when this one is gone, is that file, too. */
MUST_CHECK int log_place_file(const struct log_place *place, struct log_file *slot,
                              struct log_name name, bool is_swapping, unsigned flags,
                              struct io_file **out);
