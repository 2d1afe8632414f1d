/* The program that runs unit tests: finds them in the linker section, each in a child process with an
 * empty directory and a deadline. See test.h. */
#include "base/test.h"

#include "base/mem.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEED_DEFAULT         1
#define DEADLINE_SECONDS     300 /* a test that hangs fails alone; 1 to a day by --deadline */
#define DEADLINE_SECONDS_MAX 86400

/* Placed by the linker around the section; weak, so that a program without tests links and says so. */
extern const struct test_case __start_test_cases[] __attribute__((weak));
extern const struct test_case __stop_test_cases[] __attribute__((weak));

struct options {
    bool verbose;
    bool no_fork;
    bool list;
    int64_t seed;
    int64_t deadline_seconds;
    char **wanted; /* substrings of "subject: words of the name" */
    int wanted_count;
};

static int usage(const char *program)
{
    printf("usage: %s [-v] [--list] [--no-fork] [--seed N] [--deadline SECONDS] [substring...]\n",
           program);
    return 2;
}

static bool number_parse(const char *text, int64_t low, int64_t high, int64_t *out)
{
    return text != NULL && bytes_to_i64(bytes_from_text(text), out) == 0 && *out >= low &&
           *out <= high;
}

static bool options_parse(int argc, char **argv, struct options *out)
{
    *out = (struct options){ .seed = SEED_DEFAULT, .deadline_seconds = DEADLINE_SECONDS };
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        bool good = true;
        if (strcmp(argv[i], "-v") == 0)
            out->verbose = true;
        else if (strcmp(argv[i], "--list") == 0)
            out->list = true;
        else if (strcmp(argv[i], "--no-fork") == 0)
            out->no_fork = true;
        else if (strcmp(argv[i], "--seed") == 0)
            good = number_parse(argv[++i], 0, INT64_MAX, &out->seed);
        else if (strcmp(argv[i], "--deadline") == 0)
            good = number_parse(argv[++i], 1, DEADLINE_SECONDS_MAX, &out->deadline_seconds);
        else
            good = false;
        if (!good)
            return false;
    }
    out->wanted = argv + i;
    out->wanted_count = argc - i;
    return true;
}

/* "log_segment_open", "keeps_whole_batches" -> "log_segment_open: keeps whole batches". */
static char *title_of(const struct test_case *test)
{
    char *title = mem_printf("%s: %s", test->subject, test->name);
    for (char *c = title + strlen(test->subject); *c != '\0'; c++) {
        if (*c == '_')
            *c = ' ';
    }
    return title;
}

static bool is_meant(const struct test_case *test, const char *title, const char *part)
{
    return strstr(title, part) != NULL || strstr(test->name, part) != NULL;
}

static bool is_wanted(const struct options *options, const struct test_case *test,
                      const char *title)
{
    for (int i = 0; i < options->wanted_count; i++) {
        if (is_meant(test, title, options->wanted[i]))
            return true;
    }
    return options->wanted_count == 0;
}

static bool means_any(const char *part)
{
    for (const struct test_case *test = __start_test_cases; test < __stop_test_cases; test++) {
        AUTO(mem_freep) char *title = title_of(test);
        if (is_meant(test, title, part))
            return true;
    }
    return false;
}

/* Who names a test that is not there learns it, and not that nothing has failed. Answers how many such names there are. */
static int report_unknown(const struct options *options)
{
    int count = 0;
    for (int i = 0; i < options->wanted_count; i++) {
        if (means_any(options->wanted[i]))
            continue;
        printf("FAIL no test has '%s' in its name; --list tells the names\n", options->wanted[i]);
        count++;
    }
    return count;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info;
    (void)type;
    (void)where;
    return remove(path);
}

static void directory_remove(const char *path)
{
    /* Depth first, links not followed. What cannot be removed stays, in the temporary directory. */
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static char *directory_make(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = mem_printf("%s/ottla-test-XXXXXX", parent == NULL ? "/tmp" : parent);
    if (mkdtemp(path) == NULL) {
        fprintf(stderr, "cannot make %s: %s\n", path, strerror(errno));
        exit(2);
    }
    return path;
}

/* Text for a way to end that is not success; empty where the child has said enough itself. */
static void describe_end(const struct options *options, int status, char *out, size_t size)
{
    out[0] = '\0';
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        (void)snprintf(out, size, ", no end within %" PRId64 " s", options->deadline_seconds);
    else if (WIFSIGNALED(status))
        (void)snprintf(out, size, ", killed by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    else if (WIFEXITED(status) && WEXITSTATUS(status) != TEST_EXIT_FAILED)
        (void)snprintf(out, size, ", exit status %d", WEXITSTATUS(status));
}

/* Answers the wait status. */
static int run_in_child(const struct options *options, const struct test_case *test,
                        const struct test_context *context)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "fork: %s\n", strerror(errno));
        exit(2);
    }
    if (child == 0) {
        alarm((unsigned)options->deadline_seconds);
        test->run(context);
        exit(0); /* not _exit: the leak check runs at exit */
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

static bool run_one(const struct options *options, const struct test_case *test, const char *title)
{
    AUTO(mem_freep) char *directory = directory_make();
    const struct test_context context = { .directory = directory, .seed = (uint64_t)options->seed };
    int status = 0;
    if (options->no_fork)
        test->run(&context); /* a failure ends the program here */
    else
        status = run_in_child(options, test, &context);
    directory_remove(directory);
    if (status == 0) {
        if (options->verbose)
            printf("ok   %s\n", title);
        return true;
    }
    char end[128];
    describe_end(options, status, end, sizeof(end));
    printf("FAIL %s (%s:%d, seed %" PRIu64 "%s)\n", title, test->file, test->line, options->seed,
           end);
    return false;
}

int main(int argc, char **argv)
{
    struct options options;
    if (!options_parse(argc, argv, &options))
        return usage(argv[0]);

    int passed = 0;
    int failed = 0;
    for (const struct test_case *test = __start_test_cases; test < __stop_test_cases; test++) {
        AUTO(mem_freep) char *title = title_of(test);
        if (!is_wanted(&options, test, title))
            continue;
        if (options.list)
            printf("%s\n", title);
        else if (run_one(&options, test, title))
            passed++;
        else
            failed++;
    }
    failed += report_unknown(&options);
    if (options.list)
        return failed > 0 ? 1 : 0;
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0 ? 1 : 0;
}
