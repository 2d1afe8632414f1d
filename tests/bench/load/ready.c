/* See ready.h. */
#include "ready.h"

#include "base/err.h"
#include "base/mem.h"
#include "offsets.h"
#include "peer.h"
#include "wire/api.h"
#include "wire/batch.h"
#include "wire/kafka_error.h"
#include "wire/messages/produce_request.h"
#include "wire/messages/produce_response.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define PRODUCE_VERSION   12 /* the last one that names topics by name */
#define TIMEOUT_MS        30000
#define CONNECT_EVERY_US  100
#define ASK_EVERY_US      5000
#define READY_SECONDS_MAX 400

extern char **environ;

/* ---- the process ----------------------------------------------------------------------------- */

static void must(int error, const char *what)
{
    if (error != 0)
        load_fail("%s: %s", what, err_sentence(-error));
}

/* In a session of its own, so that it outlives this process; what it prints is added to a file. */
static pid_t start(char *const *command, const char *log_file)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;
    must(posix_spawn_file_actions_init(&actions), "posix_spawn");
    must(posix_spawnattr_init(&attributes), "posix_spawn");
    must(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID), "posix_spawn");
    must(posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
         "posix_spawn");
    must(posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_file,
                                          O_WRONLY | O_CREAT | O_APPEND, 0644),
         "posix_spawn");
    must(posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO), "posix_spawn");
    must(posix_spawnp(&pid, command[0], &actions, &attributes, command, environ), command[0]);
    must(posix_spawn_file_actions_destroy(&actions), "posix_spawn");
    must(posix_spawnattr_destroy(&attributes), "posix_spawn");
    return pid;
}

/* At once: whoever asked for the process must be able to end it, whatever happens here. */
static void write_pid(pid_t pid, const char *path)
{
    FILE *file = fopen(path, "we");
    if (file == NULL || fprintf(file, "%d\n", (int)pid) < 0 || fclose(file) != 0)
        load_fail("write %s: %s", path, err_sentence(-errno));
}

/* What sync_count.c has counted so far; -1: it does not count. */
static int64_t count_syncs(void)
{
    const char *path = getenv("BENCH_SYNC_COUNT");
    if (path == NULL)
        return -1;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t count = -1;
    if (fd < 0 || pread(fd, &count, sizeof(count), 0) != sizeof(count))
        load_fail("%s does not tell how many syncs there were", path);
    (void)close(fd); /* only read */
    return count;
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct asking {
    const struct load_options *options;
    int64_t start_ns;
    bool *has_taken; /* by partition */
    int32_t left;
    struct batch_builder builder;
    struct bytes batch; /* one record; the builder's */
    struct arena arena; /* of one round */
};

static void asking_init(struct asking *a, const struct load_options *options)
{
    *a = (struct asking){ .options = options, .left = options->partitions };
    a->has_taken = MEM_NEW_ARRAY(bool, (size_t)options->partitions);
    arena_init(&a->arena, SIZE_MAX);
    const struct batch_options how = BATCH_OPTIONS_NONE;
    batch_builder_init(&a->builder, &how);
    const int64_t now_ms = (int64_t)time(NULL) * MS_PER_SECOND;
    if (batch_builder_add(&a->builder, now_ms, BYTES_NULL, BYTES_LITERAL("ready?"), NULL, 0) < 0 ||
        batch_builder_finish(&a->builder, &a->batch) < 0)
        load_fail("cannot build a batch");
}

static void asking_deinit(struct asking *a)
{
    batch_builder_deinit(&a->builder);
    arena_deinit(&a->arena);
    mem_free(a->has_taken);
}

static void nap(const struct asking *a, useconds_t duration_us)
{
    if (load_now_ns() - a->start_ns > READY_SECONDS_MAX * NS_PER_SECOND)
        load_fail("%d of %d partitions are not ready after %d s", a->left, a->options->partitions,
                  READY_SECONDS_MAX);
    (void)usleep(duration_us); /* a nap that is cut short does no harm */
}

static void note_answer(struct asking *a, const struct produce_response *response)
{
    if (response->responses_count != 1)
        load_fail("an answer tells of %d topics", response->responses_count);
    for (int32_t i = 0; i < response->responses[0].partition_responses_count; i++) {
        const struct produce_response_partition_produce_response *told =
            &response->responses[0].partition_responses[i];
        if (told->index < 0 || told->index >= a->options->partitions || a->has_taken[told->index])
            load_fail("an answer tells of partition %d", told->index);
        if (told->error_code != KAFKA_NONE)
            continue;
        a->has_taken[told->index] = true;
        a->left--;
    }
}

/* One request for all partitions that have not taken a record yet. */
static void ask_those_left(struct asking *a, int fd)
{
    arena_reset(&a->arena);
    struct produce_request request = produce_request_default;
    struct produce_request_topic_produce_data topic = produce_request_topic_produce_data_default;
    request.acks = 1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data = &topic;
    request.topic_data_count = 1;
    topic.name = bytes_from_text(a->options->topic);
    topic.partition_data = produce_request_partition_produce_data_array(&a->arena, (size_t)a->left);
    for (int32_t i = 0; i < a->options->partitions; i++) {
        if (a->has_taken[i])
            continue;
        struct produce_request_partition_produce_data *data =
            &topic.partition_data[topic.partition_data_count++];
        data->index = i;
        data->records.data = a->batch.data;
        data->records.size = a->batch.size;
    }
    struct produce_response response;
    load_ask(fd, API_PRODUCE, PRODUCE_VERSION, &request, &a->arena, &response);
    note_answer(a, &response);
}

void load_ready(const struct load_options *options, char *const *command)
{
    struct asking a;
    asking_init(&a, options);
    a.start_ns = load_now_ns();
    if (command != NULL)
        write_pid(start(command, options->log_file), options->pid_file);
    int fd;
    while ((fd = load_try_connect(options)) < 0)
        nap(&a, CONNECT_EVERY_US);
    const int64_t connected_ns = load_now_ns();
    if (options->creates)
        load_create_topic(options);
    for (ask_those_left(&a, fd); a.left > 0; ask_those_left(&a, fd))
        nap(&a, ASK_EVERY_US);
    while (!load_offsets_are_told(fd, options, &a.arena))
        nap(&a, ASK_EVERY_US);
    const int64_t ready_ns = load_now_ns();
    printf("{\"seconds\":%.6f,\"connect_seconds\":%.6f,\"syncs\":%" PRId64 "}\n",
           (double)(ready_ns - a.start_ns) / NS_PER_SECOND,
           (double)(connected_ns - a.start_ns) / NS_PER_SECOND, count_syncs());
    (void)close(fd); /* a socket has nothing to tell at its close */
    asking_deinit(&a);
}
