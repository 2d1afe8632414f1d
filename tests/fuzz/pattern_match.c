/* Regular expressions and what they match.
 *
 * Input: a pattern, a zero byte, a subject. Properties: a pattern is made or refused with words; the longest one that is taken, and
 * any subject, end; of two equal questions the answers are equal; a pattern of one plain text matches itself and nothing longer.
 */
#include "fuzz.h"

#include "pattern/pattern.h"

#include <string.h>

/* Letters and digits stand for themselves. */
static bool is_plain(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *zero = size == 0 ? NULL : memchr(data, 0, size);
    const size_t text_size = zero == NULL ? size : (size_t)(zero - data);
    const struct bytes text = bytes_from(text_size == 0 ? (const uint8_t *)"" : data, text_size);
    const struct bytes subject =
        zero == NULL ? BYTES_LITERAL("") : bytes_from(zero + 1, size - text_size - 1);
    struct pattern *pattern = NULL;
    struct err_note note = { .text = "" };
    const int r = pattern_compile(text, &pattern, &note);
    if (r != 0) {
        ASSERT((r == -ERR_MALFORMED || r == -ERR_LIMIT) && note.text[0] != '\0' && pattern == NULL);
        ASSERT(!is_plain(text) || text.size > PATTERN_TEXT_MAX);
        return 0;
    }
    ASSERT(pattern_matches(pattern, subject) == pattern_matches(pattern, subject));
    ASSERT(!is_plain(text) || pattern_matches(pattern, subject) == bytes_equal(text, subject));
    pattern_free(pattern);
    return 0;
}
