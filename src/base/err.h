/* The one convention for failures: int, 0 or a count on success, negative on failure.
 *
 *   -1 … -4095       the kernel's errno, untouched
 *   -5000 and below  ours, one line each in err.def
 *
 * Outcomes that the Kafka protocol names (enum kafka_error, wire/kafka_error.h) are data, not
 * failures; server/ translates one into the other in one function.
 */
#pragma once

#include "base/base.h"

#include <errno.h>

enum {
    ERR_FIRST_ = 4999,
#define ERR(name, sentence) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_END_
};

/* The name ("ERR_CORRUPT", "ENOSPC") of a negative code; never NULL, static. */
const char *err_name(int code);

/* A sentence for people, without final full stop; static (thread-safe for errno codes too). */
const char *err_sentence(int code);

/* Of disk space, descriptors or memory: it passes, and says nothing about the health of a disk. */
bool err_is_shortage(int code);

/* Words for people on paths an operator reads (opening, recovery, configuration). Optional: every
 * function that takes one accepts NULL. Truncated, never overrun. */
struct err_note {
    char text[512];
};

/* Writes the note (if any) and answers `code`, so that a failing path is one line:
 *     return err_note(note, -ERR_CORRUPT, "segment %s, byte %" PRIu32, path, position); */
int err_note(struct err_note *note, int code, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts words before what a deeper layer wrote: "prefix: old text"; the code's sentence where it wrote nothing. Answers `code`. */
int err_note_prefix(struct err_note *note, int code, const char *format, ...) PRINTF_LIKE(3, 4);
