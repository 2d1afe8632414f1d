/* RE2 in C's words: the C face of re2.cc, the only C++ of this tree. No exception passes it; where memory is gone the process
 * stops, as everywhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#    define PATTERN__NOEXCEPT noexcept
extern "C" {
#else
#    define PATTERN__NOEXCEPT
#endif

/* Why RE2 takes a text for no pattern. */
enum pattern__fault {
    PATTERN__FAULT_NONE,
    PATTERN__FAULT_INTERNAL,
    PATTERN__FAULT_ESCAPE,
    PATTERN__FAULT_CLASS,
    PATTERN__FAULT_RANGE,
    PATTERN__FAULT_BRACKET,
    PATTERN__FAULT_PAREN,
    PATTERN__FAULT_EXTRA_PAREN,
    PATTERN__FAULT_BACKSLASH,
    PATTERN__FAULT_REPEAT_ARGUMENT,
    PATTERN__FAULT_REPEAT_SIZE,
    PATTERN__FAULT_REPEAT_OPERATOR,
    PATTERN__FAULT_PERL,
    PATTERN__FAULT_UTF8,
    PATTERN__FAULT_NAME,
    PATTERN__FAULT_SAME_NAME,
    PATTERN__FAULT_MEMORY,
    PATTERN__FAULT_COUNT,
};

struct pattern; /* an RE2 */

/* out is set where it answers PATTERN__FAULT_NONE. */
enum pattern__fault pattern__re2_new(const char *text, size_t size, int64_t memory_max,
                                     struct pattern **out) PATTERN__NOEXCEPT;
bool pattern__re2_matches(const struct pattern *pattern, const char *text,
                          size_t size) PATTERN__NOEXCEPT;
/* Instructions; each is done at most once for a byte. */
uint32_t pattern__re2_program_size(const struct pattern *pattern) PATTERN__NOEXCEPT;
void pattern__re2_free(struct pattern *pattern) PATTERN__NOEXCEPT;

#ifdef __cplusplus
}
#endif
