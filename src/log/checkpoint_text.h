/* The common form of Apache Kafka's checkpoint files: text, a version, a count, then so many lines
 * of fields. Inside this folder only.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct checkpoint_text {
    const char *path;  /* for notes; borrowed */
    struct bytes rest; /* borrowed */
    uint32_t line;     /* 1-based, of the line last read */
    int64_t count;     /* as announced */
    int64_t seen;
};

/* Reads version and count; an empty file counts 0 lines. -ERR_VERSION, -ERR_MALFORMED, also for a last line without its
 * end; the note names path, line and text. */
MUST_CHECK int checkpoint_text_begin(struct checkpoint_text *text, const char *path,
                                     struct bytes content, int64_t version, struct err_note *note);

/* The next line, split at white space into exactly field_count fields (borrowed). 1, 0 after the
 * last, or -ERR_MALFORMED: another number of fields, or another number of lines than announced. */
MUST_CHECK int checkpoint_text_next(struct checkpoint_text *text, struct bytes *fields,
                                    uint32_t field_count, struct err_note *note);

/* A field as a number from 0 to max; -ERR_MALFORMED. */
MUST_CHECK int checkpoint_text_number(const struct checkpoint_text *text, struct bytes field,
                                      int64_t max, int64_t *out, struct err_note *note);
