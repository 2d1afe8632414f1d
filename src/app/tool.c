/* See tool.h. */
#include "app/tool.h"

#include "app/signals.h"
#include "cli/cli.h"
#include "io/epoll.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX  2
#define READ_LOOK_MS 100 /* a worker that waits for input notices an interruption this soon */

struct tool {
    bool is_interrupted;
};

static void write_text(void *context, bool is_error, struct bytes text)
{
    (void)context;
    FILE *out = is_error ? stderr : stdout;
    (void)fwrite(text.data, 1, text.size,
                 out); /* a closed pipe ends the tool by is_interrupted at the next look */
    if (is_error)
        (void)fflush(out);
}

static void flush_text(void *context)
{
    (void)context;
    (void)fflush(stdout);
}

static int64_t read_input(void *context, void *out, size_t size_bytes)
{
    const struct tool *tool = context;
    for (;;) {
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        if (poll(&input, 1, READ_LOOK_MS) == 0) {
            if (__atomic_load_n(&tool->is_interrupted, __ATOMIC_RELAXED))
                return -EINTR;
            continue;
        }
        const ssize_t n = read(STDIN_FILENO, out, size_bytes);
        if (n >= 0)
            return n;
        if (errno != EINTR || tool->is_interrupted)
            return -errno;
    }
}

/* $SIGNAL names another one than TERM, as for Kafka's script; negative: there is none of that name. */
static int stop_signal(void)
{
    const char *name = getenv("SIGNAL");
    if (name == NULL || name[0] == '\0')
        return SIGTERM;
    if (strncasecmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NSIG; i++) {
        const char *known = sigabbrev_np(i);
        if (known != NULL && strcasecmp(known, name) == 0)
            return i;
    }
    return -EINVAL;
}

static int stop_process(void *context, int64_t pid)
{
    (void)context;
    const int signal_number = stop_signal();
    if (signal_number < 0)
        return signal_number;
    return kill((pid_t)pid, signal_number) == 0 ? 0 : -errno;
}

static void local_time(void *context, int64_t wall_ms, char out[32])
{
    (void)context;
    const time_t seconds = (time_t)(wall_ms / MS_PER_SECOND);
    struct tm local;
    out[0] = '\0';
    if (localtime_r(&seconds, &local) != NULL)
        (void)strftime(out, 32, "%Y-%m-%d %H:%M:%S", &local);
}

static bool is_interrupted(void *context)
{
    const struct tool *tool = context;
    return tool->is_interrupted || ferror(stdout) != 0;
}

static void on_signal(void *context, int signal_number)
{
    struct tool *tool = context;
    (void)signal_number;
    if (tool->is_interrupted)
        _exit(130); /* asked twice: the tool is not finishing */
    __atomic_store_n(&tool->is_interrupted, true, __ATOMIC_RELAXED);
}

int tool_run(const char *name, int argc, char **argv)
{
    const struct cli_tool *found = cli_find(name);
    if (found == NULL) {
        (void)fprintf(stderr, "ottla: there is no tool '%s'\n", name);
        tool_list(stderr);
        return 1;
    }
    struct tool tool = { 0 };
    struct signals signals;
    signals_block(&signals);
    struct epoll_workers *workers = epoll_workers_new(WORKERS_MAX);
    struct io *io = NULL;
    struct err_note note = { 0 };
    int exit_code = 1;
    int r = epoll_io_new(workers, &io, &note);
    if (r == 0)
        r = signals_start(&signals, io, on_signal, &tool);
    if (r < 0) {
        (void)fprintf(stderr, "%s: %s: %s\n", name, err_sentence(r), note.text);
    } else {
        const struct cli_context context = {
            .io = io,
            .turn = epoll_io_turn,
            .write = write_text,
            .flush = flush_text,
            .read = read_input,
            .context = &tool,
            .is_interrupted = is_interrupted,
            .stop_process = stop_process,
            .local_time = local_time,
            .is_terminal = isatty(STDOUT_FILENO) == 1,
        };
        exit_code = found->run(&context, argc, argv);
    }
    (void)fflush(stdout);
    signals_end(&signals);
    epoll_io_free(io);
    epoll_workers_free(workers);
    return exit_code;
}

void tool_list(FILE *out)
{
    size_t count;
    const struct cli_tool *const *tools = cli_tools(&count);
    (void)fputs("usage: ottla TOOL ARGUMENTS\n\n  server-start             runs a node\n", out);
    for (size_t i = 0; i < count; i++)
        (void)fprintf(out, "  %-24s %s\n", tools[i]->name + sizeof("kafka-") - 1, tools[i]->words);
}
