/* A coordinator with a log, a clock and clients, driven by words: one rig a program. See README.md for the words. */
#pragma once

#include "base/buf.h"
#include "base/err.h"

struct rig;

struct rig *rig_new(void);
void rig_free(struct rig *rig);

/* Carries out one line without its "> "; what happens is written to `out`, one indented line each. -ERR_INVALID_ARGUMENT with
 * a note: the line makes no sense. */
MUST_CHECK int rig_run(struct rig *rig, struct bytes line, struct buf *out, struct err_note *note);
