/* The load generator of `./dev bench`: usage: bench_load LOAD [--name value]…
 *
 *   hello           asks for an answer, and takes any
 *   create, alter   makes the topic and waits for its leaders; changes its settings
 *   ends            the sum of its partitions' end offsets
 *   touch           uses --bytes of memory, and gives it back
 *   produce         produce.c
 *   consume         consume.c
 *   transact        transact.c
 *   group           group.c
 *   consumer-group  consumer_group.c
 *   commit          offsets.c
 *   ready           ready.c; the command to start may follow after --
 */
#include "base/err.h"
#include "load.h"
#include "offsets.h"
#include "peer.h"
#include "ready.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* The host of a virtual machine takes free memory away and brings it back when it is touched, at several seconds of
 * CPU time a GB, charged to whoever touches it. Touched before a measurement, it is there. */
static void touch(const struct load_options *options)
{
    const size_t bytes = (size_t)options->bytes;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (memory == MAP_FAILED)
        load_fail("%zu bytes of memory: %s", bytes, err_sentence(-errno));
    (void)munmap(memory, bytes); /* the process ends anyway */
}

static void print_ends(const struct load_options *options)
{
    printf("{\"records\":%" PRId64 "}\n", load_end_offsets(options, NULL));
}

static const struct {
    const char *name;
    void (*run)(const struct load_options *options);
} loads[] = {
    { "hello", load_hello },
    { "create", load_create_topic },
    { "alter", load_alter_topic },
    { "ends", print_ends },
    { "touch", touch },
    { "produce", load_produce },
    { "consume", load_consume },
    { "transact", load_transact },
    { "group", load_group },
    { "consumer-group", load_consumer_group },
    { "commit", load_commit },
};

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    int words = 2; /* up to a command */
    while (words < argc && strcmp(argv[words], "--") != 0)
        words++;
    struct load_options options;
    load_options_read(words - 2, argv + 2, &options);
    if (strcmp(what, "ready") == 0) {
        load_ready(&options, words + 1 < argc ? argv + words + 1 : NULL);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(loads); i++) {
        if (strcmp(what, loads[i].name) != 0)
            continue;
        loads[i].run(&options);
        return 0;
    }
    load_fail("no load '%s'", what);
}
