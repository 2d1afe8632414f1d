/* Regular expressions in RE2's syntax, as Kafka's servers take them: subscriptions of consumer groups (KIP-848), filters of
 * transactional ids (KIP-1152).
 *
 * They come from strangers, so they cost what can be known beforehand: to match takes time linear in the text, to compile
 * bounded time, and a pattern holds at most PATTERN_MEMORY_MAX bytes. Kafka uses com.google.re2j; where its library and ours
 * (RE2, the original) read a text differently, README.md says how.
 *
 * Threads: a pattern may be matched by several at once.
 */
#pragma once

#include "base/bytes.h"
#include "base/err.h"

#define PATTERN_TEXT_MAX (16 * 1024) /* bytes of a pattern's text */
#define PATTERN_MEMORY_MAX                                                                         \
    (4 * 1024 * 1024) /* bytes that one pattern may hold, what matching keeps of it included */

struct pattern; /* heap */

/* Makes a pattern of a text that is borrowed during the call only.
 *
 * Returns 0, or with nothing made and `note` saying why, in re2j's words where it has some ("missing closing ]"; no full stop):
 *   -ERR_MALFORMED  not an expression of this syntax, or not UTF-8
 *   -ERR_LIMIT      text or compiled program too large; the note names the limit
 */
MUST_CHECK int pattern_compile(struct bytes text, struct pattern **out, struct err_note *note);

/* Whether the pattern describes the whole text, from its first byte to its last. Mostly a microsecond for a name, but a hard
 * pattern, as (a|b)*a(a|b){500}, takes some 8 us for each byte, and holds up whoever asks in a step of the loop: strangers'
 * patterns are matched by jobs. */
bool pattern_matches(const struct pattern *pattern, struct bytes text);

/* What matching a text of that size costs at most: up to 5 ns each. A job takes so much in one part: some 80 ms for the hardest of
 * patterns, 2 ms for those that people write. */
#define PATTERN_PART_WORK_MAX ((uint64_t)1 << 24)
uint64_t pattern_work(const struct pattern *pattern, size_t text_bytes);

void pattern_free(struct pattern *pattern);
