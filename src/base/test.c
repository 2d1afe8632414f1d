/* What a failing expectation says. See test.h. */
#include "base/test.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BYTES_SHOWN 16

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    printf("    %s:%d: ", file, line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    fflush(NULL);
    _exit(TEST_EXIT_FAILED); /* not exit: leaks of a test cut short are no news */
}

void test_expect_text(const char *file, int line, const char *what, const char *actual,
                      const char *wanted)
{
    if (actual == NULL || wanted == NULL) {
        if (actual != wanted)
            test_fail(file, line, "%s is %s, not %s", what, actual == NULL ? "NULL" : actual,
                      wanted == NULL ? "NULL" : wanted);
        return;
    }
    if (strcmp(actual, wanted) != 0)
        test_fail(file, line, "%s is \"%s\", not \"%s\"", what, actual, wanted);
}

static void print_hex(const char *name, struct bytes b, size_t from)
{
    printf("    %s:", name);
    for (size_t i = from; i < b.size && i < from + BYTES_SHOWN; i++)
        printf(" %02x", b.data[i]);
    printf("%s\n", b.size > from + BYTES_SHOWN ? " ..." : "");
}

void test_expect_bytes(const char *file, int line, const char *what, struct bytes actual,
                       struct bytes wanted)
{
    if (bytes_equal(actual, wanted))
        return;
    if (bytes_is_null(actual) || bytes_is_null(wanted))
        test_fail(file, line, "%s is %s, not %s", what, bytes_is_null(actual) ? "null" : "not null",
                  bytes_is_null(wanted) ? "null" : "so");
    size_t at = 0;
    while (at < actual.size && at < wanted.size && actual.data[at] == wanted.data[at])
        at++;
    print_hex("is    ", actual, at);
    print_hex("wanted", wanted, at);
    test_fail(file, line, "%s has %zu bytes, wanted %zu; they differ from byte %zu", what,
              actual.size, wanted.size, at);
}

bool test_child_begin(void)
{
    fflush(NULL);
    const pid_t child = fork();
    if (child != 0)
        return false; /* a failed fork shows as a child that did not stop */
    const struct rlimit no_core = { 0, 0 };
    (void)setrlimit(RLIMIT_CORE, &no_core); /* a core file would only be litter */
    if (freopen("/dev/null", "w", stderr) == NULL)
        _exit(TEST_EXIT_FAILED);
    return true;
}

void test_child_end(void)
{
    _exit(0);
}

bool test_child_stopped(void)
{
    int status = 0;
    return wait(&status) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
