/* How long a broker takes to be of use: from its start, or from now, until every partition has taken a record, and the offsets
 * that groups have committed are told. */
#pragma once

#include "options.h"

/* Runs `command` (its words, ended by NULL) as a process of its own, unless there is none, connects as soon as it
 * listens, creates the topic first if that is asked for, and produces one record to every partition until each has
 * acknowledged it; then asks for the offsets of options' groups, if any, until all are told. Prints the times since the process was asked for, and the syncs so far, if sync_count.c counts. */
void load_ready(const struct load_options *options, char *const *command);
