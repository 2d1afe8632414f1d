/* Runs one of cli/'s tools in this process: standard streams, a loop of its own, signals. */
#pragma once

#include <stdio.h>

int tool_run(const char *name, int argc,
             char **argv); /* answers the exit code; an unknown name gets the list */
void tool_list(FILE *out);
