/* See re2_int.h. C++ because RE2 is; it knows nothing of the other rooms. */
#include "pattern/re2_int.h"

#include <re2/re2.h>

#include <memory>

struct pattern {
    re2::RE2 re2;

    pattern(re2::StringPiece text, const re2::RE2::Options &options) : re2(text, options)
    {
    }
};

/* RE2 lets two groups have one name. */
static bool has_same_names(const re2::RE2 &re2)
{
    return re2.CapturingGroupNames().size() != re2.NamedCapturingGroups().size();
}

static enum pattern__fault fault_of(const re2::RE2 &re2)
{
    switch (re2.error_code()) {
    case re2::RE2::NoError:
        return has_same_names(re2) ? PATTERN__FAULT_SAME_NAME : PATTERN__FAULT_NONE;
    case re2::RE2::ErrorInternal:
        return PATTERN__FAULT_INTERNAL;
    case re2::RE2::ErrorBadEscape:
        return PATTERN__FAULT_ESCAPE;
    case re2::RE2::ErrorBadCharClass:
        return PATTERN__FAULT_CLASS;
    case re2::RE2::ErrorBadCharRange:
        return PATTERN__FAULT_RANGE;
    case re2::RE2::ErrorMissingBracket:
        return PATTERN__FAULT_BRACKET;
    case re2::RE2::ErrorMissingParen:
        return PATTERN__FAULT_PAREN;
    case re2::RE2::ErrorUnexpectedParen:
        return PATTERN__FAULT_EXTRA_PAREN;
    case re2::RE2::ErrorTrailingBackslash:
        return PATTERN__FAULT_BACKSLASH;
    case re2::RE2::ErrorRepeatArgument:
        return PATTERN__FAULT_REPEAT_ARGUMENT;
    case re2::RE2::ErrorRepeatSize:
        return PATTERN__FAULT_REPEAT_SIZE;
    case re2::RE2::ErrorRepeatOp:
        return PATTERN__FAULT_REPEAT_OPERATOR;
    case re2::RE2::ErrorBadPerlOp:
        return PATTERN__FAULT_PERL;
    case re2::RE2::ErrorBadUTF8:
        return PATTERN__FAULT_UTF8;
    case re2::RE2::ErrorBadNamedCapture:
        return PATTERN__FAULT_NAME;
    case re2::RE2::ErrorPatternTooLarge:
        return PATTERN__FAULT_MEMORY;
    }
    return PATTERN__FAULT_INTERNAL;
}

enum pattern__fault pattern__re2_new(const char *text, size_t size, int64_t memory_max,
                                     struct pattern **out) noexcept
{
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(memory_max);
    auto made = std::make_unique<struct pattern>(re2::StringPiece(text, size), options);
    const enum pattern__fault fault = fault_of(made->re2);
    if (fault == PATTERN__FAULT_NONE)
        *out = made.release();
    return fault;
}

bool pattern__re2_matches(const struct pattern *pattern, const char *text, size_t size) noexcept
{
    return re2::RE2::FullMatch(re2::StringPiece(text, size), pattern->re2);
}

uint32_t pattern__re2_program_size(const struct pattern *pattern) noexcept
{
    return static_cast<uint32_t>(pattern->re2.ProgramSize());
}

void pattern__re2_free(struct pattern *pattern) noexcept
{
    delete pattern;
}
