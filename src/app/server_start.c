/* See server_start.h. */
#include "app/server_start.h"

#include "app/background.h"
#include "app/line_sink.h"
#include "app/server_options.h"
#include "app/signals.h"
#include "base/mem.h"
#include "io/epoll.h"
#include "node/node.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SETTINGS_FILE_BYTES_MAX (16u << 20)
#define WORKERS_MAX             8

/* ---- settings -------------------------------------------------------------------------------- */

static struct config *load_config(const struct server_options *options, const struct diag *diag)
{
    uint8_t *text = NULL;
    size_t size = 0;
    int r = io_fs_read_whole(posix_fs(), options->path, SETTINGS_FILE_BYTES_MAX, &text, &size);
    if (r < 0) {
        DIAG_ERROR(diag, "config", "%s cannot be read: %s", options->path, err_sentence(r));
        return NULL;
    }
    struct config *config = NULL;
    struct config_problems problems = { 0 };
    const struct config_overrides overrides = { .items = options->overrides.items,
                                                .count = options->overrides.count };
    r = config_load(SETTING_KIND_BROKER, bytes_from(text, size), options->path, overrides, &config,
                    &problems);
    for (size_t i = 0; i < problems.list.count; i++)
        diag_print(diag, problems.list.items[i].severity == CONFIG_ERROR ? DIAG_ERROR : DIAG_WARN,
                   "config", "%s", problems.list.items[i].text);
    config_problems_deinit(&problems);
    mem_free(text);
    return r < 0 ? NULL : config;
}

/* ---- the process ----------------------------------------------------------------------------- */

struct process {
    struct io *io;
    struct node *node;
    const struct diag *diag;
    int exit_code;
    uint32_t signals_taken;
    int64_t started_ns;
};

static void on_ready(void *context)
{
    struct process *process = context;
    DIAG_INFO(process->diag, "node", "ready after %" PRId64 " ms",
              (io_monotonic_ns(process->io) - process->started_ns) / NS_PER_MS);
}

static void on_stopped(void *context)
{
    struct process *process = context;
    DIAG_INFO(process->diag, "node", "stopped");
    epoll_io_stop(process->io);
}

static void on_failed(void *context, const struct err_note *note)
{
    struct process *process = context;
    DIAG_ERROR(process->diag, "node", "cannot go on: %s", note->text);
    process->exit_code = 1;
    epoll_io_stop(process->io);
}

/* The first signal ends the node in good order, a second one at once. SIGQUIT, which makes a JVM print its threads, makes it
 * tell what it is about. */
static void on_signal(void *context, int signal_number)
{
    struct process *process = context;
    if (signal_number == SIGHUP)
        return;
    if (signal_number == SIGQUIT) {
        node_tell(process->node);
        return;
    }
    DIAG_INFO(process->diag, "node", "signal %d: stopping", signal_number);
    if (process->signals_taken++ == 0) {
        node_stop(process->node);
    } else {
        process->exit_code = 1; /* as after a kill: the next start recovers */
        epoll_io_stop(process->io);
    }
}

/* The soft limit of descriptors becomes the hard one: Kafka's logs and thousands of clients need them. */
static uint32_t raise_descriptor_limit(const struct diag *diag)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    const struct rlimit wanted = { .rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max };
    if (setrlimit(RLIMIT_NOFILE, &wanted) == 0)
        limit = wanted;
    else
        DIAG_WARN(diag, "node", "the limit of open files stays at %llu",
                  (unsigned long long)limit.rlim_cur);
    return limit.rlim_cur > UINT32_MAX ? UINT32_MAX : (uint32_t)limit.rlim_cur;
}

static int run(struct process *process, struct config *config)
{
    struct signals signals;
    signals_block(&signals);
    signals_block_more(&signals);
    struct epoll_workers *workers = epoll_workers_new(WORKERS_MAX);
    struct err_note note = { 0 };
    int r = epoll_io_new(workers, &process->io, &note);
    if (r == 0) {
        r = signals_start(&signals, process->io, on_signal, process);
        process->started_ns = io_monotonic_ns(process->io);
        const struct node_params params = {
            .io = process->io,
            .config = config,
            .diag = process->diag,
            .owner = { .on_ready = on_ready,
                       .on_stopped = on_stopped,
                       .on_failed = on_failed,
                       .context = process },
            .open_files_max = raise_descriptor_limit(process->diag),
        };
        if (r == 0)
            r = node_new(&params, &process->node, &note);
    }
    if (r < 0) {
        DIAG_ERROR(process->diag, "node", "cannot start: %s",
                   note.text[0] == '\0' ? err_sentence(r) : note.text);
        process->exit_code = 1;
    } else {
        node_start(process->node);
        if (process->exit_code == 0)
            r = epoll_io_run(process->io);
        if (r < 0)
            DIAG_ERROR(process->diag, "node", "cannot go on: the event loop: %s", err_sentence(r));
        epoll_io_end(process->io);
        /* The node's memory goes with the process: after a stop all that matters is on disk, and after a failure
         * nothing more may be written. */
    }
    signals_end(&signals);
    epoll_io_free(process->io);
    epoll_workers_free(workers);
    return r < 0 ? 1 : process->exit_code;
}

/* Before there are threads. */
static bool go_to_background(const char *program, const struct diag *diag)
{
    struct err_note note = { 0 };
    const int r = background_begin(program, getenv("LOG_DIR"), &note);
    if (r < 0)
        DIAG_ERROR(diag, "node", "-daemon: %s", note.text);
    return r == 0;
}

int server_start(int argc, char **argv)
{
    struct server_options options;
    struct line_sink sink;
    line_sink_init(&sink);
    int exit_code = server_options_parse(argc, argv, &options);
    if (exit_code < 0) {
        struct config *config = load_config(&options, &sink.diag);
        exit_code = 1;
        if (config != NULL && (!options.is_daemon || go_to_background(argv[0], &sink.diag))) {
            struct process process = { .diag = &sink.diag };
            exit_code = run(&process, config);
        }
        config_unref(config);
    }
    server_options_deinit(&options);
    return exit_code;
}
