/* `kafka-consumer-groups --delete-offsets`. */
#include "cli/groups.h"

#include "wire/kafka_error.h"
#include "wire/messages/offset_delete_request.h"
#include "wire/messages/offset_delete_response.h"

#define COLUMN_MIN 15

/* What became of one partition. */
static int16_t error_of(const struct offset_delete_response *response,
                        const struct groups_offset *at)
{
    if (response->error_code != KAFKA_NONE)
        return response->error_code;
    for (int32_t i = 0; i < response->topics_count; i++) {
        const struct offset_delete_response_topic *topic = &response->topics[i];
        for (int32_t k = 0; k < topic->partitions_count; k++) {
            if (bytes_equal(topic->name, at->topic) &&
                topic->partitions[k].partition_index == at->partition)
                return topic->partitions[k].error_code;
        }
    }
    return KAFKA_UNKNOWN_SERVER_ERROR;
}

static void print_head(struct groups_run *run, struct bytes group,
                       const struct groups_offsets *offsets,
                       const struct offset_delete_response *response)
{
    bool has_error = false;
    for (size_t i = 0; i < offsets->list.count; i++)
        has_error = has_error || error_of(response, &offsets->list.items[i]) != KAFKA_NONE;
    if (response->error_code != KAFKA_NONE)
        cli_out(run->context, "\nError: %s\n", kafka_error_sentence(response->error_code));
    else if (has_error)
        cli_out(run->context,
                "\nError: Encountered some partition-level error, see the follow-up details.\n");
    else
        cli_out(run->context, "Request succeeded for deleting offsets from group %.*s.\n",
                BYTES_PRINTF(group));
}

static void print_status(struct groups_run *run, int16_t error)
{
    if (error == KAFKA_NONE)
        cli_out(run->context, "%-15s\n", "Successful");
    else
        cli_out(run->context, "Error: %s\n", kafka_error_sentence(error));
}

static void print_table(struct groups_run *run, const struct groups_offsets *offsets,
                        const struct groups_offsets *missing,
                        const struct offset_delete_response *response)
{
    int width = COLUMN_MIN;
    for (size_t i = 0; i < offsets->list.count; i++)
        width = MAX(width, (int)offsets->list.items[i].topic.size);
    for (size_t i = 0; i < missing->list.count; i++)
        width = MAX(width, (int)missing->list.items[i].topic.size);
    cli_out(run->context, "\n%-*s %-10s %-15s\n", width, "TOPIC", "PARTITION", "STATUS");
    for (size_t i = 0; i < offsets->list.count; i++) {
        const struct groups_offset *at = &offsets->list.items[i];
        cli_out(run->context, "%-*.*s %-10" PRId32 " ", width, BYTES_PRINTF(at->topic),
                at->partition);
        print_status(run, error_of(response, at));
    }
    for (size_t i = 0; i < missing->list.count; i++) {
        cli_out(run->context, "%-*.*s %-10s ", width, BYTES_PRINTF(missing->list.items[i].topic),
                "-");
        print_status(run, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    }
}

static void put_partitions(struct groups_run *run, const struct groups_offsets *offsets,
                           struct offset_delete_request *out)
{
    out->topics = offset_delete_request_topic_array(&run->arena, offsets->list.count);
    out->topics_count = (int32_t)offsets->list.count;
    for (size_t i = 0; i < offsets->list.count; i++) {
        out->topics[i].name = offsets->list.items[i].topic;
        out->topics[i].partitions = offset_delete_request_partition_array(&run->arena, 1);
        out->topics[i].partitions_count = 1;
        out->topics[i].partitions[0].partition_index = offsets->list.items[i].partition;
    }
}

int groups_run_delete_offsets(struct groups_run *run)
{
    const struct bytes group = bytes_from_text(cli_text(run->options, "group", ""));
    struct groups_offsets offsets = { 0 };
    struct groups_offsets missing = { 0 };
    struct offset_delete_request request = offset_delete_request_default;
    struct client_call call = { .key = API_OFFSET_DELETE, .request = &request };
    int r = 0;
    for (size_t i = 0; r == 0 && i < cli_count(run->options, "topic"); i++)
        r = groups_add_topic(run, cli_text_at(run->options, "topic", i), &offsets, &missing);
    if (r == 0) {
        request.group_id = group;
        put_partitions(run, &offsets, &request);
        r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
        if (r == 0) {
            print_head(run, group, &offsets, call.response);
            print_table(run, &offsets, &missing, call.response);
        }
        client_call_deinit(&call);
    }
    VEC_DEINIT(&missing.list);
    VEC_DEINIT(&offsets.list);
    return r;
}
