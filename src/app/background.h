/* kafka-server-start -daemon: the process leaves the terminal, and its output goes to a file. */
#pragma once

#include "base/err.h"

/* Output is appended to DIR/kafkaServer.out, where DIR is log_dir, or without it `logs` beside the folder of `program` (as it
 * was called; in the current folder when that has no slash). The folder is made. Returns in the new process; the old one
 * ends with 0. Threads do not survive it. Negative, with a note that names file and cause: nothing is done. */
MUST_CHECK int background_begin(const char *program, const char *log_dir, struct err_note *note);
