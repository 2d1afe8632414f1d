/* The load generator of `./dev bench`: usage: bench_load hello|touch|create|ends|produce|consume|ready [--name value]…
 *
 *   hello    asks for an answer, and takes any
 *   create   makes the topic and waits for its leaders
 *   ends     the sum of its partitions' end offsets
 *   touch    uses --bytes of memory, and gives it back
 *   produce  produce.c
 *   consume  consume.c
 *   ready    ready.c; the command to start may follow after --
 */
#include "base/err.h"
#include "load.h"
#include "peer.h"
#include "ready.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* The host of a virtual machine takes free memory away and brings it back when it is touched, at several seconds of
 * CPU time a GB, charged to whoever touches it. Touched before a measurement, it is there. */
static void touch(int64_t bytes)
{
    void *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        load_fail("%" PRId64 " bytes of memory: %s", bytes, err_sentence(-errno));
    (void)munmap(memory, (size_t)bytes); /* the process ends anyway */
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int words = 2; /* up to a command */
    while (words < argc && strcmp(argv[words], "--") != 0)
        words++;
    struct load_options options;
    load_options_read(words - 2, argv + 2, &options);
    if (strcmp(what, "touch") == 0)
        touch(options.bytes);
    else if (strcmp(what, "create") == 0)
        load_create_topic(&options);
    else if (strcmp(what, "ends") == 0)
        printf("{\"records\":%" PRId64 "}\n", load_end_offsets(&options, NULL));
    else if (strcmp(what, "hello") == 0)
        load_hello(&options);
    else if (strcmp(what, "produce") == 0)
        load_produce(&options);
    else if (strcmp(what, "consume") == 0)
        load_consume(&options);
    else if (strcmp(what, "ready") == 0)
        load_ready(&options, words + 1 < argc ? argv + words + 1 : NULL);
    else
        load_fail("no load '%s'", what);
    return 0;
}
