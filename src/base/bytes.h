/* A borrowed run of bytes, or of text that need not be terminated.
 *
 * data == NULL means null where the protocol knows null; an empty run has data != NULL, size 0.
 * Who owns the memory, and for how long it stays, is said where a struct bytes is handed out.
 */
#pragma once

#include "base/base.h"

struct bytes {
    const uint8_t *data;
    size_t size;
};

#define BYTES_NULL ((struct bytes){ .data = NULL, .size = 0 })
#define BYTES_LITERAL(text)                                                                        \
    ((struct bytes){ .data = (const uint8_t *)("" text), .size = sizeof(text) - 1 })

/* For printf: printf("%.*s", BYTES_PRINTF(name)). */
#define BYTES_PRINTF(b) (int)(b).size, (const char *)((b).data ? (b).data : (const uint8_t *)"")

struct bytes bytes_from(const void *data, size_t size);
struct bytes bytes_from_text(const char *text); /* NULL gives null */
bool bytes_is_null(struct bytes b);
bool bytes_equal(struct bytes a, struct bytes b); /* null equals null only */
bool bytes_equal_text(struct bytes a, const char *text);
int bytes_compare(struct bytes a, struct bytes b); /* as memcmp, shorter first; null first of all */
int bytes_compare_items(const void *a, const void *b); /* two struct bytes, for qsort */
bool bytes_starts_with(struct bytes b, struct bytes prefix);
struct bytes bytes_slice(struct bytes b, size_t from, size_t size); /* clamped to b */
struct bytes bytes_trim(struct bytes b); /* without ASCII white space at both ends */

/* Strict decimal: optional minus, digits, nothing else; -ERR_MALFORMED or -ERR_LIMIT. */
MUST_CHECK int bytes_to_i64(struct bytes b, int64_t *out);

/* A heap copy with a final NUL; NULL for null. */
char *bytes_to_text(struct bytes b);

/* A copy on the heap, which bytes_free takes back; null for null, which bytes_free lets be. */
struct bytes bytes_dup(struct bytes b);
void bytes_free(struct bytes b);

/* A copy where *at points, which then points behind it; null for null. */
struct bytes bytes_append(uint8_t **at, struct bytes b);

/* Size in bytes of the first UTF-8 character of b (1 to 4), or minus the count of bytes (1 to 3) that one
 * replacement character stands for (Unicode: maximal subpart). b may not be empty. */
int bytes_utf8_step(struct bytes b);

/* At most so much of it, not cut through a character. */
struct bytes bytes_utf8_prefix(struct bytes b, size_t size_max);

/* Whether it is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool bytes_is_utf8(struct bytes b);

/* SipHash-1-3 keyed by `seed`: for tables that hold names chosen by strangers. */
uint64_t bytes_hash(struct bytes b, uint64_t seed);

/* The same with 128 bits: where two names that hash alike are taken for one. */
struct wide_hash {
    uint64_t low;
    uint64_t high;
};
struct wide_hash bytes_hash_wide(struct bytes b, uint64_t seed);
