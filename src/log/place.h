/* Where a log's files are, and through what they are opened. Inside this folder only. */
#pragma once

#include "log/log_files.h"

struct log_place {
    struct io_fs *fs;
    struct log_files *files; /* NULL while the log is detached */
    char *directory;         /* owned by the log */
    bool may_sleep;          /* for the call at hand: reads may go to the disk */
};
