/* What patterns match, and what they refuse. */
#include "pattern/pattern.h"

#include "base/mem.h"
#include "base/test.h"

#include <string.h>

static void expect_match(const char *text, const char *subject, bool is_match)
{
    struct pattern *pattern = NULL;
    struct err_note note = { .text = "" };
    const int r = pattern_compile(bytes_from_text(text), &pattern, &note);
    if (r < 0)
        test_fail(__FILE__, __LINE__, "%s is refused: %s", text, note.text);
    if (pattern_matches(pattern, bytes_from_text(subject)) != is_match)
        test_fail(__FILE__, __LINE__, "%s %s %s", text, is_match ? "does not match" : "matches",
                  subject);
    pattern_free(pattern);
}

static void expect_refusal(const char *text, int code, const char *words)
{
    struct pattern *pattern = NULL;
    struct err_note note = { .text = "" };
    const int r = pattern_compile(bytes_from_text(text), &pattern, &note);
    if (r != code)
        test_fail(__FILE__, __LINE__, "%s gives %d", text, r);
    EXPECT(pattern == NULL);
    EXPECT_TEXT(note.text, words);
}

TEST(pattern_matches, the_whole_text)
{
    expect_match("a+", "aaa", true);
    expect_match("a+", "aaab", false);
    expect_match("a+", "baaa", false);
    expect_match("a|ab", "ab", true);
    expect_match("^a$", "a", true);
    expect_match("a$", "a\n", false);
    expect_match("", "", true);
    expect_match("", "a", false);
    expect_match("(?i)ORDERS-\\d{2}", "orders-17", true);
    expect_match("[[:alpha:]]*", "orders", true);
    expect_match("\\pL+", "\xc3\xb6re", true);
    expect_match(".", "\xc3\xb6", true);
    expect_match(".", "\n", false);
}

/* Java's library knows this form of a named group, the original does not; where the same bytes are no group, they stay. */
TEST(pattern_compile, reads_named_groups_as_java_does)
{
    expect_match("(?<name>a)b", "ab", true);
    expect_match("(?P<name>a)b", "ab", true);
    expect_match("\\Q(?<name>\\Ea", "(?<name>a", true);
    expect_match("[(?<n]+", "(?<", true);
    expect_match("[](?<]+", "](?<", true);
    expect_match("[^](?<]", "P", true);
    expect_match("[[:alpha:](?<n]+", "(?<", true);
    expect_match("\\((?<n>a)", "(a", true);
    expect_match("\\(?<n>", "(<n>", true);
    expect_match("[\\](?<n]+", "](?<", true);
    expect_match("[[:](?<n>a)", ":a", true);
}

TEST(pattern_compile, refuses_in_the_words_of_java)
{
    expect_refusal("(", -ERR_MALFORMED, "missing closing )");
    expect_refusal("a)", -ERR_MALFORMED, "unexpected )");
    expect_refusal("[", -ERR_MALFORMED, "missing closing ]");
    expect_refusal("[z-a]", -ERR_MALFORMED, "invalid character class range");
    expect_refusal("[[:foo:]]", -ERR_MALFORMED, "invalid character class range");
    expect_refusal("\\pX", -ERR_MALFORMED, "invalid character class range");
    expect_refusal("a**", -ERR_MALFORMED, "invalid nested repetition operator");
    expect_refusal("*", -ERR_MALFORMED, "missing argument to repetition operator");
    expect_refusal("a{1001}", -ERR_MALFORMED, "invalid repeat count");
    expect_refusal("\\", -ERR_MALFORMED, "trailing backslash at end of expression");
    expect_refusal("\\C", -ERR_MALFORMED, "invalid escape sequence");
    expect_refusal("\\8", -ERR_MALFORMED, "invalid escape sequence");
    expect_refusal("(?P<n", -ERR_MALFORMED, "invalid named capture");
    expect_refusal("(?<n", -ERR_MALFORMED, "invalid named capture");
    expect_refusal("(?P<n>a)(?<n>b)", -ERR_MALFORMED, "duplicate capture group name");
    expect_refusal("(?=a)", -ERR_MALFORMED, "invalid or unsupported Perl syntax");
    expect_refusal("\xff", -ERR_MALFORMED, "invalid UTF-8");
}

TEST(pattern_compile, holds_the_longest_text_and_refuses_a_longer_one)
{
    char *text = mem_zalloc(PATTERN_TEXT_MAX + 2);
    memset(text, 'a', PATTERN_TEXT_MAX);
    expect_match(text, text, true);
    text[PATTERN_TEXT_MAX] = 'a';
    expect_refusal(text, -ERR_LIMIT, "16385 bytes are more than the 16384 that a pattern may have");
    mem_free(text);
}

TEST(pattern_compile, refuses_what_needs_too_much_memory)
{
    expect_refusal("\\pL{1000}", -ERR_LIMIT,
                   "it needs more than the 4194304 bytes that a pattern may hold");
    expect_refusal("(a{100}){100}", -ERR_MALFORMED, "invalid repeat count");
}

/* Where the automaton of all states at once would be too large, matching still ends in linear time and stays right. */
TEST(pattern_matches, patterns_whose_automaton_does_not_fit)
{
    char subject[1001] = "";
    memset(subject, 'a', 1000);
    expect_match("(a|b)*a(a|b){500}", subject, true);
    subject[499] = 'b';
    expect_match("(a|b)*a(a|b){500}", subject, false);
    expect_match("(x+x+)+y", subject, false);
}
