/* kafka-server-start: runs a node in this process until a signal ends it. */
#pragma once

/* kafka-server-start.sh [-daemon] server.properties [--override name=value]… Answers the exit code. */
int server_start(int argc, char **argv);
