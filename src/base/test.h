/* The unit test harness.
 *
 *     TEST(log_segment_open, keeps_whole_batches_at_every_cut) { EXPECT_EQ(a, b); }
 *
 * Tests place a constant descriptor in a linker section, so nothing registers at run time and no
 * state is global. The program (base/test_main.c) runs each test in a child process with a deadline, so
 * that a crash, a hang, a leak or a sanitizer report fails one test only:
 *
 *     unit_log [-v] [--list] [--no-fork] [--seed N] [--deadline SECONDS] [substring...]
 *
 * It prints `FAIL subject: words of the name` with file, line and values, with -v also `ok ...`, and last
 * `N passed, N failed`; a run of no test is a failure. A failed EXPECT ends the test.
 */
#pragma once

#include "base/base.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/rng.h"

struct test_context {
    const char *directory; /* an empty directory of this test's own, removed afterwards */
    uint64_t seed; /* from --seed, else fixed: a test that draws from it says so in its failure */
};

struct test_case {
    const char *subject;
    const char *name;
    const char *file;
    int line;
    void (*run)(const struct test_context *context);
};

#define TEST(subject_, name_)                                                                      \
    static void test_##subject_##_##name_(const struct test_context *context);                     \
    static const struct test_case test_case_##subject_##_##name_                                   \
        __attribute__((used, section("test_cases"), aligned(8))) = {                               \
            .subject = #subject_,                                                                  \
            .name = #name_,                                                                        \
            .file = __FILE__,                                                                      \
            .line = __LINE__,                                                                      \
            .run = test_##subject_##_##name_,                                                      \
        };                                                                                         \
    static void test_##subject_##_##name_(__attribute__((unused))                                  \
                                          const struct test_context *context)

#define TEST_EXIT_FAILED 99 /* of a child whose expectation failed and was printed */

NORETURN void test_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);

#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            test_fail(__FILE__, __LINE__, "%s is false", #condition);                              \
    } while (0)
#define EXPECT_EQ(a, b)                                                                            \
    do {                                                                                           \
        const int64_t expect_a_ = (int64_t)(a);                                                    \
        const int64_t expect_b_ = (int64_t)(b);                                                    \
        if (expect_a_ != expect_b_)                                                                \
            test_fail(__FILE__, __LINE__, "%s is %" PRId64 ", %s is %" PRId64, #a, expect_a_, #b,  \
                      expect_b_);                                                                  \
    } while (0)
#define EXPECT_OK(call)                                                                            \
    do {                                                                                           \
        const int expect_r_ = (int)(call);                                                         \
        if (expect_r_ < 0)                                                                         \
            test_fail(__FILE__, __LINE__, "%s is %s", #call, err_name(expect_r_));                 \
    } while (0)
#define EXPECT_ERR(call, code)                                                                     \
    do {                                                                                           \
        const int expect_r_ = (int)(call);                                                         \
        if (expect_r_ != -(code))                                                                  \
            test_fail(__FILE__, __LINE__, "%s is %s, not %s", #call,                               \
                      expect_r_ < 0 ? err_name(expect_r_) : "a success", err_name(-(code)));       \
    } while (0)
#define EXPECT_TEXT(actual, wanted)                                                                \
    test_expect_text(__FILE__, __LINE__, #actual, (actual), (wanted))
#define EXPECT_BYTES(actual, wanted)                                                               \
    test_expect_bytes(__FILE__, __LINE__, #actual, (actual), (wanted))

/* That the statement stops the process as ASSERT does. It runs in a child process, where a return of
 * the statement is the failure. */
#define EXPECT_STOPS(statement)                                                                    \
    do {                                                                                           \
        if (test_child_begin()) {                                                                  \
            statement;                                                                             \
            test_child_end();                                                                      \
        }                                                                                          \
        if (!test_child_stopped())                                                                 \
            test_fail(__FILE__, __LINE__, "%s does not stop", #statement);                         \
    } while (0)

bool test_child_begin(void); /* true in the child, whose standard error is silent */
NORETURN void test_child_end(void);
bool test_child_stopped(void); /* in the parent: whether the child ended by abort() */

void test_expect_text(const char *file, int line, const char *what, const char *actual,
                      const char *wanted);
void test_expect_bytes(const char *file, int line, const char *what, struct bytes actual,
                       struct bytes wanted);
