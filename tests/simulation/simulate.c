/* Runs histories: `simulate [--seed N] [--count N] [--kept FILE] [--verbose]`: those of the file, a number each line, and
 * then `count` from N on. Each seed has a process of its own, two run at once. Prints `FAIL seed N` with what was said, and
 * last `N passed, N failed`; with one seed, also what happened in it. Each tenth seed runs twice: the two histories must be
 * the same. */
#include "history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE     2
#define SECONDS_MAX 60 /* of the processor: what takes longer never ends */

#define KEPT_MAX 1000

struct options {
    uint64_t seed;
    uint64_t count;
    uint64_t kept[KEPT_MAX];
    uint64_t kept_count;
    bool is_verbose;
};

/* How many histories there are to be. */
static uint64_t count_all(const struct options *options)
{
    return options->kept_count + options->count;
}

static uint64_t seed_at(const struct options *options, uint64_t index)
{
    return index < options->kept_count ? options->kept[index]
                                       : options->seed + (index - options->kept_count);
}

/* Numbers, each at the beginning of a line; lines that begin otherwise are comments. False: it cannot be read. */
static bool read_kept(struct options *options, const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    char line[300];
    while (fgets(line, sizeof(line), file) != NULL) {
        char *end;
        const uint64_t seed = strtoull(line, &end, 10);
        if (end != line && options->kept_count < KEPT_MAX)
            options->kept[options->kept_count++] = seed;
    }
    return fclose(file) == 0;
}

static void run_one(const struct options *options, uint64_t seed)
{
    const struct history_options history = { .seed = seed, .is_verbose = options->is_verbose };
    struct history_result result = { 0 };
    const struct rlimit limit = { .rlim_cur = SECONDS_MAX, .rlim_max = SECONDS_MAX };
    (void)setrlimit(RLIMIT_CPU, &limit);
    history_run(&history, &result);
    if (count_all(options) == 1)
        (void)printf("seed %" PRIu64 ": trace %016" PRIx64 ", %" PRIu64 " lives, %" PRIu64
                     " power losses, %" PRIu64 " things acknowledged, %" PRIu64
                     " records read, %" PRIu64 " missed for compaction, %" PRIu64 " bits flipped\n",
                     seed, result.trace, result.lives, result.power_losses, result.acknowledged,
                     result.read, result.compacted, result.rotten);
    if (seed % 10 == 0 && !options->is_verbose) {
        struct history_result again = { 0 };
        history_run(&history, &again);
        if (again.trace != result.trace) {
            (void)fprintf(stderr, "two runs of one seed differ: %016llx, %016llx\n",
                          (unsigned long long)result.trace, (unsigned long long)again.trace);
            _exit(1);
        }
    }
    (void)fflush(stdout);
    _exit(0);
}

/* Waits for one child; answers whether it did well. */
static bool reap(uint64_t *seeds, pid_t *children)
{
    int status = 0;
    const pid_t child = wait(&status);
    for (int i = 0; i < AT_ONCE; i++) {
        if (children[i] != child)
            continue;
        children[i] = 0;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
            return true;
        (void)printf("FAIL seed %llu (%s %d)\n", (unsigned long long)seeds[i],
                     WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        (void)fflush(stdout);
    }
    return false;
}

/* The first that has no child, or -1. */
static int free_slot(const pid_t *children)
{
    for (int i = 0; i < AT_ONCE; i++) {
        if (children[i] == 0)
            return i;
    }
    return -1;
}

/* Answers how many failed. */
static uint64_t run_all(const struct options *options)
{
    uint64_t seeds[AT_ONCE] = { 0 };
    pid_t children[AT_ONCE] = { 0 };
    uint64_t started = 0;
    uint64_t failed = 0;
    for (uint64_t ended = 0; ended < count_all(options);) {
        const int slot = started < count_all(options) ? free_slot(children) : -1;
        if (slot < 0) {
            failed += !reap(seeds, children);
            ended++;
            continue;
        }
        seeds[slot] = seed_at(options, started++);
        (void)fflush(stdout);
        children[slot] = fork();
        if (children[slot] == 0)
            run_one(options, seeds[slot]);
        if (children[slot] < 0) {
            children[slot] = 0;
            failed++;
            ended++;
        }
    }
    return failed;
}

/* A number and nothing else. */
static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static bool parse_options(int argc, char **argv, struct options *out)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0) {
            out->is_verbose = true;
            continue;
        }
        const char *value = argv[i + 1]; /* NULL after the last */
        if (value == NULL)
            return false;
        const bool is_good = strcmp(argv[i], "--seed") == 0    ? parse_number(value, &out->seed)
                             : strcmp(argv[i], "--count") == 0 ? parse_number(value, &out->count)
                             : strcmp(argv[i], "--kept") == 0  ? read_kept(out, value)
                                                               : false;
        if (!is_good) {
            (void)fprintf(stderr, "simulate: %s %s: not known, or not so\n", argv[i], value);
            return false;
        }
        i++;
    }
    return true;
}

int main(int argc, char **argv)
{
    struct options options = { .seed = 1, .count = 1 };
    if (!parse_options(argc, argv, &options)) {
        (void)fprintf(stderr, "usage: simulate [--seed N] [--count N] [--kept FILE] [--verbose]\n");
        return 2;
    }
    const uint64_t failed = run_all(&options);
    (void)printf("%" PRIu64 " passed, %" PRIu64 " failed\n", count_all(&options) - failed, failed);
    return failed == 0 ? 0 : 1;
}
