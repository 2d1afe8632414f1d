/* What kafka-server-start is told on its command line, in Kafka's notation. */
#pragma once

#include "base/vec.h"
#include "config/config.h"

struct server_options {
    const char *path; /* of server.properties; borrowed from argv, as all texts are */
    bool is_daemon;
    VEC(struct config_override) overrides;
};

/* Answers -1 when there is a node to start, else the exit code: what there is to say has been said. In both cases to be
 * released by server_options_deinit. */
int server_options_parse(int argc, char **argv, struct server_options *out);
void server_options_deinit(struct server_options *options);
