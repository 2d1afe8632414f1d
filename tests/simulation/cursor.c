/* See cursor.h. */
#include "cursor.h"

#include "base/mem.h"
#include "client.h"
#include "model.h"
#include "wire/kafka_error.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_fetch_request.h"
#include "wire/messages/offset_fetch_response.h"

#define COMMIT_VERSION 9
#define FETCH_VERSION  9

static struct commits *commits_of(const struct cursor *c)
{
    return c->client->scene->commits;
}

static const char *group_name(const struct cursor *c)
{
    return commits_group_name(commits_of(c), c->group);
}

/* ---- learning ----------------------------------------------------------------------------------- */

static void take_offset(struct cursor *c, struct bytes topic,
                        const struct offset_fetch_response_partitions *told)
{
    const int key = commits_find_key(commits_of(c), topic, told->partition_index);
    if (key < 0 || told->error_code != KAFKA_NONE)
        model_fail("%s: the committed offset of %.*s-%d is answered with %s", group_name(c),
                   BYTES_PRINTF(topic), told->partition_index, kafka_error_name(told->error_code));
    commits_told(commits_of(c), c->group, (uint32_t)key, &c->look, told->committed_offset,
                 told->metadata);
    c->positions[key] = MAX(told->committed_offset, INT64_C(0));
}

static void on_learned(void *context, const void *message)
{
    struct cursor *c = context;
    const struct offset_fetch_response *answer = message;
    const struct offset_fetch_response_group *group = answer == NULL ? NULL : &answer->groups[0];
    const int16_t error = group == NULL ? KAFKA_NONE : group->error_code;
    for (int32_t i = 0; group != NULL && error == KAFKA_NONE && i < group->topics_count; i++) {
        for (int32_t k = 0; k < group->topics[i].partitions_count; k++)
            take_offset(c, group->topics[i].name, &group->topics[i].partitions[k]);
    }
    c->on_learned(c->client, answer == NULL, error, 0);
}

void cursor_learn(struct cursor *c, const struct cursor_who *who, uint32_t keys)
{
    struct offset_fetch_request_topics topics[COMMITS_KEYS_MAX];
    int32_t partitions[COMMITS_KEYS_MAX];
    struct offset_fetch_request_group group = offset_fetch_request_group_default;
    group.group_id = bytes_from_text(group_name(c));
    group.member_id = who->member_id;
    group.member_epoch = who->epoch;
    group.topics = topics;
    group.topics_count = 0;
    for (uint32_t k = 0; k < commits_key_count(commits_of(c)); k++) {
        if ((keys & (1u << k)) == 0)
            continue;
        const struct commits_key key = commits_key(commits_of(c), k);
        struct offset_fetch_request_topics *topic = &topics[group.topics_count];
        partitions[group.topics_count++] = key.partition;
        *topic = offset_fetch_request_topics_default;
        topic->name = bytes_from_text(key.topic);
        topic->partition_indexes = &partitions[group.topics_count - 1];
        topic->partition_indexes_count = 1;
    }
    struct offset_fetch_request request = offset_fetch_request_default;
    request.groups = &group;
    request.groups_count = 1;
    request.require_stable = rng_chance(&c->client->rng, 500000);
    c->look = commits_look(commits_of(c), c->group);
    client_ask(c->client, API_OFFSET_FETCH, FETCH_VERSION, &request, on_learned, c);
}

/* ---- committing --------------------------------------------------------------------------------- */

/* What a commit's error says of its effect. */
static enum commits_outcome outcome_of(int16_t error)
{
    switch ((int)error) {
    case KAFKA_NONE:
        return COMMITS_DONE;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_STALE_MEMBER_EPOCH:
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
    case KAFKA_REBALANCE_IN_PROGRESS:
    case KAFKA_GROUP_ID_NOT_FOUND:
    case KAFKA_COORDINATOR_LOAD_IN_PROGRESS:
        return COMMITS_REFUSED;
    default: /* an append that failed or took too long, or a coordinator that ended */
        return COMMITS_UNKNOWN;
    }
}

/* Answers the partition's bit when its offset was committed. */
static uint32_t take_outcome(struct cursor *c, struct bytes topic,
                             const struct offset_commit_response_partition *told)
{
    const int key = commits_find_key(commits_of(c), topic, told->partition_index);
    if (key < 0)
        model_fail("%.*s-%d was not committed, but it is answered", BYTES_PRINTF(topic),
                   told->partition_index);
    commits_end(commits_of(c), c->group, (uint32_t)key, c->commits[key].stamp,
                outcome_of(told->error_code));
    if (told->error_code != KAFKA_NONE)
        return 0;
    c->positions[key] = c->commits[key].offset;
    return 1u << key;
}

static void on_committed(void *context, const void *message)
{
    struct cursor *c = context;
    const struct offset_commit_response *answer = message;
    c->is_committing = false;
    int16_t error = KAFKA_NONE;
    uint32_t taken = 0;
    for (int32_t i = 0; answer != NULL && i < answer->topics_count; i++) {
        for (int32_t k = 0; k < answer->topics[i].partitions_count; k++) {
            const struct offset_commit_response_partition *told = &answer->topics[i].partitions[k];
            taken |= take_outcome(c, answer->topics[i].name, told);
            error = told->error_code != KAFKA_NONE ? told->error_code : error;
        }
    }
    c->on_committed(c->client, answer == NULL, error, taken);
}

bool cursor_commit(struct cursor *c, const struct cursor_who *who, uint32_t keys)
{
    struct offset_commit_request_topic topics[COMMITS_KEYS_MAX];
    struct offset_commit_request_partition partitions[COMMITS_KEYS_MAX];
    char *metadata[COMMITS_KEYS_MAX];
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = bytes_from_text(group_name(c));
    request.generation_id_or_member_epoch = who->epoch;
    request.member_id = who->member_id;
    request.group_instance_id = who->instance_id;
    request.topics = topics;
    request.topics_count = 0;
    for (uint32_t k = 0; k < commits_key_count(commits_of(c)); k++) {
        if ((keys & (1u << k)) == 0 || rng_chance(&c->client->rng, 300000) ||
            !model_has_topic(c->client->scene->model, commits_key(commits_of(c), k).topic))
            continue;
        const int32_t n = request.topics_count++;
        const struct commits_key key = commits_key(commits_of(c), k);
        const int64_t offset = c->positions[k] + rng_between(&c->client->rng, 0, 5);
        const int64_t stamp = commits_begin(commits_of(c), c->group, k, offset);
        c->commits[k] = (struct cursor_commit){ .stamp = stamp, .offset = offset };
        metadata[n] = commits_metadata(stamp);
        partitions[n] = offset_commit_request_partition_default;
        partitions[n].partition_index = key.partition;
        partitions[n].committed_offset = offset;
        partitions[n].committed_metadata = bytes_from_text(metadata[n]);
        topics[n] = offset_commit_request_topic_default;
        topics[n].name = bytes_from_text(key.topic);
        topics[n].partitions = &partitions[n];
        topics[n].partitions_count = 1;
    }
    if (request.topics_count == 0)
        return false;
    c->is_committing = true;
    client_ask(c->client, API_OFFSET_COMMIT, COMMIT_VERSION, &request, on_committed, c);
    for (int32_t i = 0; i < request.topics_count; i++)
        mem_free(metadata[i]);
    return true;
}
