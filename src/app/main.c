/* One program, many names: which tool this process is depends on what it was called by.
 *
 *   bin/kafka-topics.sh --list …        a link to this binary
 *   ottla topics --list …               the same
 *   bin/kafka-server-start.sh FILE      a node
 */
#include "app/server_start.h"
#include "app/tool.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static int run_by_name(const char *name, int argc, char **argv)
{
    if (strcmp(name, "kafka-server-start.sh") == 0 || strcmp(name, "kafka-server-start") == 0 ||
        strcmp(name, "server-start") == 0)
        return server_start(argc, argv);
    return tool_run(name, argc, argv);
}

int main(int argc, char **argv)
{
    const char *name = base_name(argv[0]);
    if (strcmp(name, "ottla") != 0)
        return run_by_name(name, argc, argv);
    if (argc < 2) {
        tool_list(stderr);
        return 1;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 ||
        strcmp(argv[1], "-h") == 0) {
        tool_list(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        (void)puts(CLI_KAFKA_VERSION);
        return 0;
    }
    return run_by_name(argv[1], argc - 1, argv + 1);
}
