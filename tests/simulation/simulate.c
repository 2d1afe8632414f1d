/* Runs histories: `simulate [--seed N] [--count N] [--verbose]`. Each seed has a process of its own, two run at once.
 * Prints `FAIL seed N` with what was said, and last `N passed, N failed`; with one seed, also what happened in it. Each tenth
 * seed runs twice: the two histories must be the same. */
#include "history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_ONCE     2
#define SECONDS_MAX 120

struct options {
    uint64_t seed;
    uint64_t count;
    bool is_verbose;
};

static void run_one(const struct options *options, uint64_t seed)
{
    const struct history_options history = { .seed = seed, .is_verbose = options->is_verbose };
    struct history_result result = { 0 };
    (void)alarm(SECONDS_MAX);
    history_run(&history, &result);
    if (options->count == 1)
        (void)printf("seed %llu: trace %016llx, %u crashes, %llu records acknowledged, %llu read\n",
                     (unsigned long long)seed, (unsigned long long)result.trace, result.crashes,
                     (unsigned long long)result.acknowledged, (unsigned long long)result.read);
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

int main(int argc, char **argv)
{
    struct options options = { .seed = 1, .count = 1 };
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            options.is_verbose = true;
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            options.seed = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            options.count = strtoull(argv[++i], NULL, 10);
        else {
            (void)fprintf(stderr, "usage: simulate [--seed N] [--count N] [--verbose]\n");
            return 2;
        }
    }
    uint64_t seeds[AT_ONCE] = { 0 };
    pid_t children[AT_ONCE] = { 0 };
    uint64_t passed = 0;
    uint64_t failed = 0;
    uint64_t started = 0;
    while (passed + failed < options.count) {
        int slot = -1;
        for (int i = 0; i < AT_ONCE; i++) {
            if (children[i] == 0)
                slot = i;
        }
        if (slot < 0 || started == options.count) {
            if (reap(seeds, children))
                passed++;
            else
                failed++;
            continue;
        }
        seeds[slot] = options.seed + started++;
        (void)fflush(stdout);
        children[slot] = fork();
        if (children[slot] == 0)
            run_one(&options, seeds[slot]);
        if (children[slot] < 0) {
            children[slot] = 0;
            failed++;
        }
    }
    (void)printf("%llu passed, %llu failed\n", (unsigned long long)passed,
                 (unsigned long long)failed);
    return failed == 0 ? 0 : 1;
}
