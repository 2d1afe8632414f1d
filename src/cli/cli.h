/* The command-line tools: one file each, found by the name they are called by.
 *
 * `kafka-topics.sh`, `kafka-topics` and `ottla topics` are the same tool. A tool gets everything from the world
 * through its context, so that tests can run it against a node in the same process.
 */
#pragma once

#include "base/base.h"
#include "base/buf.h"
#include "io/io.h"

struct cli_context {
    struct io *io; /* a loop of the tool's own; files through io_get_fs */
    int (*turn)(struct io *io,
                int64_t timeout_ms); /* runs one turn of it: blocking faces are built on this */
    void (*write)(void *context, bool is_error,
                  struct bytes text); /* standard output and standard error */
    void (*flush)(void *context); /* what was written to standard output is there for its reader */
    int64_t (*read)(
        void *context, void *out,
        size_t
            size_bytes); /* standard input: a count, 0 at the end, or negative errno, of which -EINTR
                                says that an interruption came; also from a worker's job */
    void *context;
    bool (*is_interrupted)(void *context);           /* SIGINT or SIGTERM has come: finish soon */
    int (*stop_process)(void *context, int64_t pid); /* by a signal; 0 or negative errno */
    /* "2026-01-31 12:00:00" where the user lives */
    void (*local_time)(void *context, int64_t wall_ms, char out[32]);
    bool is_terminal; /* standard output is one */
};

struct cli_tool {
    const char *name;  /* "kafka-topics" */
    const char *words; /* what it is for, in a line */
    int (*run)(const struct cli_context *context, int argc,
               char **argv); /* argv[0] is the tool's name; answers the exit code */
};

/* "kafka-topics.sh", "kafka-topics" or "topics"; NULL if there is none. */
const struct cli_tool *cli_find(const char *name);
const struct cli_tool *const *cli_tools(size_t *out_count); /* in order of names */

void cli_out(const struct cli_context *context, const char *format, ...) PRINTF_LIKE(2, 3);
void cli_err(const struct cli_context *context, const char *format, ...) PRINTF_LIKE(2, 3);
