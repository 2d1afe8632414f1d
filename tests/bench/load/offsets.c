/* See offsets.h. */
#include "offsets.h"

#include "load.h"
#include "peer.h"
#include "wire/api.h"
#include "wire/kafka_error.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#include <stdio.h>
#include <unistd.h>

#define OFFSET_COMMIT_VERSION 9 /* the last one that names topics by name */
#define OFFSET_FETCH_VERSION  9
#define GROUPS_A_REQUEST      500
#define ASK_EVERY_US          20000
#define ASK_TIMES_MAX         3000 /* a minute */
#define COMMITTED             42

static struct bytes name_of(int32_t group, struct arena *arena)
{
    return bytes_from_text(arena_printf(arena, "bench-%d", group));
}

/* ---- commits --------------------------------------------------------------------------------- */

static int16_t ask_to_commit(int fd, const struct load_options *options, int32_t group,
                             struct arena *arena)
{
    struct offset_commit_request request = offset_commit_request_default;
    struct offset_commit_request_topic topic = offset_commit_request_topic_default;
    struct offset_commit_response response;
    request.group_id = name_of(group, arena);
    request.topics = &topic;
    request.topics_count = 1;
    topic.name = bytes_from_text(options->topic);
    topic.partitions_count = options->partitions - options->first;
    topic.partitions = offset_commit_request_partition_array(arena, (size_t)topic.partitions_count);
    for (int32_t i = 0; i < topic.partitions_count; i++) {
        topic.partitions[i].partition_index = options->first + i;
        topic.partitions[i].committed_offset = COMMITTED;
        topic.partitions[i].committed_metadata = BYTES_LITERAL("");
    }
    load_ask(fd, API_OFFSET_COMMIT, OFFSET_COMMIT_VERSION, &request, arena, &response);
    if (response.topics_count != 1 || response.topics[0].partitions_count != topic.partitions_count)
        load_fail("OffsetCommit did not answer for every partition");
    for (int32_t i = 0; i < topic.partitions_count; i++) {
        if (response.topics[0].partitions[i].error_code != KAFKA_NONE)
            return response.topics[0].partitions[i].error_code;
    }
    return KAFKA_NONE;
}

void load_commit(const struct load_options *options)
{
    if (options->first >= options->partitions)
        load_fail("no partition from %d on", options->first);
    load_find_coordinator(options, LOAD_COORDINATOR_OF_GROUP);
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    const int fd = load_connect(options);
    int tries = 0; /* of all: a coordinator may have to load once */
    for (int32_t group = 0; group < options->groups;) {
        arena_reset(&arena);
        const int16_t error = ask_to_commit(fd, options, group, &arena);
        if (error == KAFKA_NONE) {
            group++;
            continue;
        }
        if (++tries == ASK_TIMES_MAX)
            load_fail("bench-%d: commit: %s", group, kafka_error_name(error));
        (void)usleep(ASK_EVERY_US); /* a nap that is cut short does no harm */
    }
    printf("{\"groups\":%d,\"offsets\":%" PRId64 "}\n", options->groups,
           (int64_t)options->groups * (options->partitions - options->first));
    (void)close(fd); /* a socket has nothing to tell at its close */
    arena_deinit(&arena);
}

/* ---- what is told of them -------------------------------------------------------------------- */

static bool is_group_told(const struct load_options *options,
                          const struct offset_fetch_response_group *group)
{
    if (group->error_code != KAFKA_NONE)
        return false;
    if (group->topics_count != 1 || group->topics[0].partitions_count != options->partitions)
        load_fail("OffsetFetch does not tell every partition");
    for (int32_t i = 0; i < options->partitions; i++) {
        const struct offset_fetch_response_partitions *p = &group->topics[0].partitions[i];
        if (p->error_code != KAFKA_NONE)
            return false;
        if (p->committed_offset != COMMITTED)
            load_fail("an offset of %" PRId64 " was committed, %d was to be", p->committed_offset,
                      COMMITTED);
    }
    return true;
}

static bool are_told(int fd, const struct load_options *options, int32_t from, int32_t count,
                     struct arena *arena)
{
    arena_reset(arena);
    struct offset_fetch_request request = offset_fetch_request_default;
    struct offset_fetch_request_topics topic = offset_fetch_request_topics_default;
    struct offset_fetch_response response;
    topic.name = bytes_from_text(options->topic);
    topic.partition_indexes = ARENA_NEW_ARRAY(arena, int32_t, (size_t)options->partitions);
    topic.partition_indexes_count = options->partitions;
    for (int32_t i = 0; i < options->partitions; i++)
        topic.partition_indexes[i] = i;
    request.groups = offset_fetch_request_group_array(arena, (size_t)count);
    request.groups_count = count;
    for (int32_t i = 0; i < count; i++) {
        request.groups[i].group_id = name_of(from + i, arena);
        request.groups[i].topics = &topic;
        request.groups[i].topics_count = 1;
    }
    load_ask(fd, API_OFFSET_FETCH, OFFSET_FETCH_VERSION, &request, arena, &response);
    if (response.groups_count != count)
        load_fail("OffsetFetch did not answer for every group");
    for (int32_t i = 0; i < count; i++) {
        if (!is_group_told(options, &response.groups[i]))
            return false;
    }
    return true;
}

bool load_offsets_are_told(int fd, const struct load_options *options, struct arena *arena)
{
    for (int32_t from = 0; from < options->groups; from += GROUPS_A_REQUEST) {
        if (!are_told(fd, options, from, MIN(options->groups - from, GROUPS_A_REQUEST), arena))
            return false;
    }
    return true;
}
