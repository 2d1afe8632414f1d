/* kafka-topics: creates, lists, describes, changes and deletes topics. */
#include "cli/topics.h"
#include "cli/cli_int.h"

#include "wire/kafka_error.h"
#include "wire/messages/create_partitions_request.h"
#include "wire/messages/create_partitions_response.h"
#include "wire/messages/create_topics_request.h"
#include "wire/messages/create_topics_response.h"
#include "wire/messages/delete_topics_request.h"
#include "wire/messages/delete_topics_response.h"
#include "wire/messages/metadata_request.h"
#include "wire/messages/metadata_response.h"

#include <stdlib.h>
#include <string.h>

#define ASSIGNMENT_PARTITIONS_MAX 100000

static const struct cli_option table[] = {
    { .name = "alter", .words = "Give a topic more partitions." },
    { .name = "at-min-isr-partitions",
      .words =
          "With --describe: only partitions whose ISR is as small as min.insync.replicas allows." },
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .value_words = "server to connect to",
      .is_once = true,
      .words = "REQUIRED: brokers to begin with, host:port separated by commas." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .value_words = "command config property file",
      .is_once = true,
      .words = "A properties file with settings of the client." },
    { .name = "config",
      .takes = CLI_VALUE,
      .value_words = "name=value",
      .words = "With --create: a setting of the topic. May be given several times." },
    { .name = "create", .words = "Create a topic." },
    { .name = "delete", .words = "Delete topics." },
    { .name = "delete-config",
      .takes = CLI_VALUE,
      .value_words = "name",
      .words = "Without effect since Kafka 4.0; kafka-configs does this." },
    { .name = "describe", .words = "Tell about topics and their partitions." },
    { .name = "exclude-internal",
      .words = "With --list or --describe: leave internal topics out." },
    { .name = "help", .words = "Show this help." },
    { .name = "if-exists",
      .words = "With --alter, --delete or --describe: do nothing if there is no such topic." },
    { .name = "if-not-exists", .words = "With --create: do nothing if the topic is there." },
    { .name = "list", .words = "List topics." },
    { .name = "partition-size-limit-per-response",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "maximum number of partitions per response",
      .is_once = true,
      .words = "With --describe: how many partitions are asked for at once." },
    { .name = "partitions",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "# of partitions",
      .is_once = true,
      .words = "How many partitions the topic has; with --alter, shall have. Keys fall into other "
               "partitions then." },
    { .name = "replica-assignment",
      .takes = CLI_VALUE,
      .value_words = "broker_id_for_part1_replica1:broker_id_for_part1_replica2,...",
      .is_once = true,
      .words = "Which brokers hold each partition, instead of letting the controller choose." },
    { .name = "replication-factor",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "replication factor",
      .is_once = true,
      .words = "With --create: how many replicas each partition has; the cluster's default without "
               "it." },
    { .name = "topic",
      .takes = CLI_VALUE,
      .value_words = "topic",
      .is_once = true,
      .words = "The topic; but for --create a regular expression of topics." },
    { .name = "topic-id",
      .takes = CLI_VALUE,
      .value_words = "topic-id",
      .is_once = true,
      .words = "With --describe: the topic by its id." },
    { .name = "topics-with-overrides",
      .words = "With --describe: only topics that have settings of their own." },
    { .name = "unavailable-partitions",
      .words = "With --describe: only partitions without a leader." },
    { .name = "under-min-isr-partitions",
      .words = "With --describe: only partitions whose ISR is smaller than min.insync.replicas." },
    { .name = "under-replicated-partitions",
      .words = "With --describe: only partitions whose ISR lacks a replica." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-topics",
    .words = "Create, delete, describe, or change a topic.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
    .is_lenient = true,
};

/* ---- which options go together --------------------------------------------------------------- */

/* An option, and with which actions ("acdlt": alter, create, describe, list, delete) it may stand. */
struct rule {
    const char *option;
    const char *actions;
};

static const struct rule rules[] = {
    { "config", "c" },
    { "partitions", "ac" },
    { "replication-factor", "c" },
    { "replica-assignment", "ac" },
    { "under-replicated-partitions", "d" },
    { "under-min-isr-partitions", "d" },
    { "at-min-isr-partitions", "d" },
    { "unavailable-partitions", "d" },
    { "topics-with-overrides", "d" },
    { "if-exists", "atd" },
    { "if-not-exists", "c" },
    { "exclude-internal", "ld" },
};

static const struct {
    const char *option;
    char letter;
} actions[] = {
    { "list", 'l' }, { "describe", 'd' }, { "create", 'c' }, { "alter", 'a' }, { "delete", 't' }
};

static char action_of(const struct cli_options *o)
{
    char letter = 0;
    for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
        if (!cli_has(o, actions[i].option))
            continue;
        if (letter != 0)
            return 0;
        letter = actions[i].letter;
    }
    return letter;
}

static int check_pairs(const struct cli_context *context, const struct cli_options *o)
{
    static const char *const reports[] = { "under-replicated-partitions",
                                           "under-min-isr-partitions", "at-min-isr-partitions",
                                           "unavailable-partitions" };
    for (size_t i = 0; i < ARRAY_LEN(reports) && cli_has(o, "topics-with-overrides"); i++) {
        if (cli_has(o, reports[i]))
            return cli_usage(
                context, &spec,
                "Option \"[%s]\" can't be used with option \"[topics-with-overrides]\"",
                reports[i]);
    }
    if (cli_has(o, "create") && cli_has(o, "replica-assignment") &&
        (cli_has(o, "partitions") || cli_has(o, "replication-factor")))
        return cli_usage(context, &spec,
                         "Option \"[replica-assignment]\" can't be used with option \"[%s]\"",
                         cli_has(o, "partitions") ? "partitions" : "replication-factor");
    return -1;
}

/* -1: all is well. Else the exit code. */
static int check(const struct cli_context *context, const struct cli_options *o)
{
    const char action = action_of(o);
    if (action == 0)
        return cli_usage(context, &spec,
                         "Command must include exactly one action: --list, --describe, --create, "
                         "--alter or --delete");
    if (cli_is_late(o, "bootstrap-server") || cli_is_late(o, "command-config")) {
        cli_err(context, "%s\n", cli_late(o));
        return 1;
    }
    if (cli_text(o, "bootstrap-server", NULL) == NULL) {
        cli_err(context, "--bootstrap-server must be specified\n");
        return 1;
    }
    if (strchr("cat", action) != NULL && !cli_has(o, "topic"))
        return cli_usage(context, &spec, "Missing required argument \"[topic]\"");
    if (action == 'a' && cli_has(o, "config"))
        return cli_usage(context, &spec,
                         "Option combination \"[[bootstrap-server], [config]]\" can't be used with "
                         "option \"[alter]\" (kafka-configs alters settings)");
    if (action == 'a' && !cli_has(o, "partitions"))
        return cli_usage(context, &spec, "Missing required argument \"[partitions]\"");
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (cli_has(o, rules[i].option) && strchr(rules[i].actions, action) == NULL) {
            const char *name = "";
            for (size_t k = 0; k < ARRAY_LEN(actions); k++)
                name = actions[k].letter == action ? actions[k].option : name;
            return cli_usage(context, &spec, "Option \"[%s]\" can't be used with option \"[%s]\"",
                             rules[i].option, name);
        }
    }
    return check_pairs(context, o);
}

/* ---- which topics there are ------------------------------------------------------------------ */

static void take_topic(struct topics_run *tool, const struct metadata_response_topic *topic)
{
    if (topic->error_code != KAFKA_NONE || bytes_is_null(topic->name))
        return;
    if (topic->is_internal && cli_has(tool->options, "exclude-internal"))
        return;
    if (!uuid_is_zero(tool->wanted_id) && !uuid_equal(tool->wanted_id, topic->topic_id))
        return;
    if (tool->wanted != NULL && !cli_pattern_matches(tool->wanted, topic->name))
        return;
    VEC_ADD(&tool->names, bytes_from(arena_dup(&tool->arena, topic->name.data, topic->name.size),
                                     topic->name.size));
}

/* Fills tool->names. `must_exist`: none is a failure, unless --if-exists. */
static int find_topics(struct topics_run *tool, bool must_exist)
{
    struct metadata_request request = metadata_request_default;
    request.topics = NULL;
    request.topics_count = -1;
    request.allow_auto_topic_creation = false;
    struct client_call call = { .key = API_METADATA, .request = &request };
    const int r = admin_call(tool->remote.admin, ADMIN_ANY, &call, &tool->note);
    if (r == 0) {
        const struct metadata_response *response = call.response;
        for (int32_t i = 0; i < response->topics_count; i++)
            take_topic(tool, &response->topics[i]);
        if (tool->names.count > 0)
            qsort(tool->names.items, tool->names.count, sizeof(struct bytes), bytes_compare_items);
    }
    client_call_deinit(&call);
    const char *topic = cli_text(tool->options, "topic", NULL);
    const char *id = cli_text(tool->options, "topic-id", NULL);
    if (r < 0 || !must_exist || tool->names.count > 0 || cli_has(tool->options, "if-exists") ||
        (topic == NULL && id == NULL))
        return r;
    if (id != NULL)
        return err_note(&tool->note, -ERR_NOT_FOUND, "TopicId '%s' does not exist as expected", id);
    return err_note(&tool->note, -ERR_NOT_FOUND, "Topic '%s' does not exist as expected", topic);
}

/* ---- assignments: "1:2,2:3" ------------------------------------------------------------------ */

struct assignment {
    int32_t *ids;
    int32_t count;
};

static int parse_ids(struct topics_run *tool, struct bytes text, struct assignment *out)
{
    VEC(int32_t) ids = { 0 };
    int r = 0;
    for (size_t start = 0; r == 0 && start <= text.size;) {
        size_t end = start;
        while (end < text.size && text.data[end] != ':')
            end++;
        int64_t id;
        const struct bytes one = bytes_trim(bytes_slice(text, start, end - start));
        if (bytes_to_i64(one, &id) < 0 || id < 0 || id > INT32_MAX)
            r = err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                         "'%.*s' in --replica-assignment is no broker id", BYTES_PRINTF(one));
        for (size_t i = 0; r == 0 && i < ids.count; i++) {
            if (ids.items[i] == (int32_t)id)
                r = err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                             "Partition replica lists may not contain duplicate entries: %" PRId64,
                             id);
        }
        if (r == 0)
            VEC_ADD(&ids, (int32_t)id);
        start = end + 1;
    }
    out->count = (int32_t)ids.count;
    out->ids = arena_dup(&tool->arena, ids.items, ids.count * sizeof(int32_t));
    VEC_DEINIT(&ids);
    return r;
}

static int differing_factor(struct topics_run *tool, int32_t partition,
                            const struct assignment *assignment)
{
    struct buf ids;
    buf_init(&ids, SIZE_MAX);
    for (int32_t i = 0; i < assignment->count; i++)
        buf_printf(&ids, "%s%" PRId32, i == 0 ? "" : ", ", assignment->ids[i]);
    const int r = err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                           "Partition %" PRId32 " has different replication factor: [%.*s]",
                           partition, BYTES_PRINTF(buf_view(&ids)));
    buf_deinit(&ids);
    return r;
}

/* In the arena: one a partition. */
static int parse_assignment(struct topics_run *tool, const char *words, struct assignment **out,
                            int32_t *out_count)
{
    const struct bytes text = bytes_from_text(words);
    int32_t count = 1;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == ',';
    if (count > ASSIGNMENT_PARTITIONS_MAX)
        return err_note(&tool->note, -ERR_LIMIT,
                        "--replica-assignment names %" PRId32 " partitions; at most %d", count,
                        ASSIGNMENT_PARTITIONS_MAX);
    struct assignment *list = ARENA_NEW_ARRAY(&tool->arena, struct assignment, (size_t)count);
    size_t start = 0;
    for (int32_t i = 0; i < count; i++) {
        size_t end = start;
        while (end < text.size && text.data[end] != ',')
            end++;
        const int r = parse_ids(tool, bytes_slice(text, start, end - start), &list[i]);
        if (r < 0)
            return r;
        if (list[i].count != list[0].count)
            return differing_factor(tool, i, &list[i]);
        start = end + 1;
    }
    *out = list;
    *out_count = count;
    return 0;
}

/* ---- create ---------------------------------------------------------------------------------- */

static int put_configs(struct topics_run *tool, struct create_topics_request_creatable_topic *topic)
{
    const size_t count = cli_count(tool->options, "config");
    topic->configs = create_topics_request_creatable_topic_config_array(&tool->arena, count);
    for (size_t i = 0; i < count; i++) {
        const char *text = cli_text_at(tool->options, "config", i);
        const char *equals = strchr(text, '=');
        if (equals == NULL || equals[1] == '\0' || strchr(equals + 1, '=') != NULL)
            return err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                            "requirement failed: Invalid topic config: all configs to be added "
                            "must be in the format \"key=val\".");
        struct create_topics_request_creatable_topic_config *config =
            &topic->configs[topic->configs_count++];
        config->name = bytes_trim(bytes_from(text, (size_t)(equals - text)));
        config->value = bytes_trim(bytes_from_text(equals + 1));
    }
    return 0;
}

static int put_placement(struct topics_run *tool,
                         struct create_topics_request_creatable_topic *topic)
{
    const char *words = cli_text(tool->options, "replica-assignment", NULL);
    const int64_t factor = cli_number(tool->options, "replication-factor", -1);
    const int64_t partitions = cli_number(tool->options, "partitions", -1);
    if (cli_has(tool->options, "partitions") && partitions < 1)
        return err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                        "The partitions must be greater than 0");
    if (cli_has(tool->options, "replication-factor") && (factor < 1 || factor > INT16_MAX))
        return err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                        "The replication factor must be between 1 and 32767 inclusive");
    topic->num_partitions = (int32_t)partitions;
    topic->replication_factor = (int16_t)factor;
    if (words == NULL)
        return 0;
    struct assignment *list;
    int32_t count;
    const int r = parse_assignment(tool, words, &list, &count);
    if (r < 0)
        return r;
    topic->assignments =
        create_topics_request_creatable_replica_assignment_array(&tool->arena, (size_t)count);
    topic->assignments_count = count;
    for (int32_t i = 0; i < count; i++) {
        topic->assignments[i].partition_index = i;
        topic->assignments[i].broker_ids = list[i].ids;
        topic->assignments[i].broker_ids_count = list[i].count;
    }
    return 0;
}

static int create(struct topics_run *tool)
{
    const char *name = cli_text(tool->options, "topic", "");
    if (name[0] == '\0')
        return err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                        "The given topic name '' cannot be represented in a request.");
    if (strpbrk(name, "._") != NULL)
        cli_out(tool->context,
                "WARNING: Due to limitations in metric names, topics with a period ('.') or "
                "underscore ('_') could collide. To avoid issues it is best to use either, but not "
                "both.\n");
    struct create_topics_request_creatable_topic topic =
        create_topics_request_creatable_topic_default;
    topic.name = bytes_from_text(name);
    int r = put_placement(tool, &topic);
    if (r == 0)
        r = put_configs(tool, &topic);
    if (r < 0)
        return r;
    struct create_topics_request request = create_topics_request_default;
    request.topics = &topic;
    request.topics_count = 1;
    struct client_call call = { .key = API_CREATE_TOPICS,
                                .request = &request,
                                .timeout_ms = request.timeout_ms };
    r = admin_call(tool->remote.admin, ADMIN_CONTROLLER, &call, &tool->note);
    if (r == 0) {
        const struct create_topics_response *response = call.response;
        const int16_t error = response->topics_count == 1 ? response->topics[0].error_code
                                                          : KAFKA_UNKNOWN_SERVER_ERROR;
        if (error == KAFKA_NONE)
            cli_out(tool->context, "Created topic %s.\n", name);
        else if (error != KAFKA_TOPIC_ALREADY_EXISTS || !cli_has(tool->options, "if-not-exists"))
            r = err_note(&tool->note, -ERR_EXISTS, "%.*s",
                         BYTES_PRINTF(cli_message(response->topics_count == 1
                                                      ? response->topics[0].error_message
                                                      : BYTES_NULL,
                                                  error)));
    }
    client_call_deinit(&call);
    return r;
}

/* ---- alter, delete, list --------------------------------------------------------------------- */

/* An assignment given with --alter tells of all partitions; the request names the new ones only. */
static int put_new_assignments(struct topics_run *tool,
                               struct create_partitions_request_topic *topics)
{
    const char *words = cli_text(tool->options, "replica-assignment", NULL);
    struct assignment *list;
    int32_t count;
    if (words == NULL)
        return 0;
    int r = parse_assignment(tool, words, &list, &count);
    if (r == 0)
        r = admin_refresh(tool->remote.admin, tool->names.items, tool->names.count, false,
                          &tool->note);
    for (size_t i = 0; r == 0 && i < tool->names.count; i++) {
        const struct cluster_topic *known =
            cluster_topic(admin_cluster(tool->remote.admin), tool->names.items[i]);
        const int32_t has = known == NULL ? 0 : MIN(known->partition_count, count);
        topics[i].assignments =
            create_partitions_request_assignment_array(&tool->arena, (size_t)(count - has));
        topics[i].assignments_count = count - has;
        for (int32_t k = has; k < count; k++) {
            topics[i].assignments[k - has].broker_ids = list[k].ids;
            topics[i].assignments[k - has].broker_ids_count = list[k].count;
        }
    }
    return r;
}

static int alter(struct topics_run *tool)
{
    if (tool->names.count == 0)
        return 0;
    struct create_partitions_request request = create_partitions_request_default;
    request.timeout_ms = 60000;
    request.topics = create_partitions_request_topic_array(&tool->arena, tool->names.count);
    request.topics_count = (int32_t)tool->names.count;
    for (size_t i = 0; i < tool->names.count; i++) {
        request.topics[i].name = tool->names.items[i];
        request.topics[i].count = (int32_t)cli_number(tool->options, "partitions", -1);
        request.topics[i].assignments = NULL;
        request.topics[i].assignments_count = -1;
    }
    int r = put_new_assignments(tool, request.topics);
    if (r < 0)
        return r;
    struct client_call call = { .key = API_CREATE_PARTITIONS,
                                .request = &request,
                                .timeout_ms = request.timeout_ms };
    r = admin_call(tool->remote.admin, ADMIN_CONTROLLER, &call, &tool->note);
    const struct create_partitions_response *response = call.response;
    for (int32_t i = 0; r == 0 && i < response->results_count; i++) {
        const struct create_partitions_response_topic_result *result = &response->results[i];
        if (result->error_code != KAFKA_NONE)
            r = err_note(&tool->note, -ERR_INVALID_ARGUMENT, "%.*s",
                         BYTES_PRINTF(cli_message(result->error_message, result->error_code)));
    }
    client_call_deinit(&call);
    return r;
}

static int delete (struct topics_run *tool)
{
    if (tool->names.count == 0)
        return 0;
    struct delete_topics_request request = delete_topics_request_default;
    request.timeout_ms = 60000;
    request.topic_names = tool->names.items; /* by name: up to version 5 */
    request.topic_names_count = (int32_t)tool->names.count;
    struct client_call call = { .key = API_DELETE_TOPICS,
                                .request = &request,
                                .version_max = 5,
                                .timeout_ms = request.timeout_ms };
    int r = admin_call(tool->remote.admin, ADMIN_CONTROLLER, &call, &tool->note);
    const struct delete_topics_response *response = call.response;
    for (int32_t i = 0; r == 0 && i < response->responses_count; i++) {
        const struct delete_topics_response_deletable_topic_result *result =
            &response->responses[i];
        if (result->error_code != KAFKA_NONE)
            r = err_note(&tool->note, -ERR_INVALID_ARGUMENT, "%.*s",
                         BYTES_PRINTF(cli_message(result->error_message, result->error_code)));
    }
    client_call_deinit(&call);
    return r;
}

static int list(struct topics_run *tool)
{
    for (size_t i = 0; i < tool->names.count; i++)
        cli_out(tool->context, "%.*s\n", BYTES_PRINTF(tool->names.items[i]));
    return 0;
}

static int act(struct topics_run *tool)
{
    if (cli_late(tool->options) != NULL)
        return err_note(&tool->note, -ERR_INVALID_ARGUMENT, "%s", cli_late(tool->options));
    const char action = action_of(tool->options);
    const char *id = cli_text(tool->options, "topic-id", NULL);
    if (action == 'd' && id != NULL && uuid_from_text(bytes_from_text(id), &tool->wanted_id) < 0)
        return err_note(&tool->note, -ERR_INVALID_ARGUMENT,
                        "%s is no topic id: 22 characters of base64 are wanted", id);
    const char *topic = cli_text(tool->options, "topic", NULL);
    if (action == 'c')
        return create(tool);
    int r = topic == NULL ? 0 : cli_pattern_new(topic, &tool->wanted, &tool->note);
    if (r == 0)
        r = find_topics(tool, action != 'l');
    if (r < 0)
        return r;
    if (action == 'l')
        return list(tool);
    if (action == 'd')
        return topics_describe(tool);
    return action == 'a' ? alter(tool) : delete (tool);
}

static int run_checked(const struct cli_context *context, const struct cli_options *options)
{
    struct topics_run tool = { .context = context, .options = options };
    const struct cli_properties properties = {
        .bootstrap = cli_text(options, "bootstrap-server", NULL),
        .config_path = cli_text(options, "command-config", NULL),
    };
    arena_init(&tool.arena, SIZE_MAX);
    int r = cli_remote_init(&tool.remote, context, &properties);
    if (r == 0 && cli_has(options, "delete-config"))
        cli_err(context, "--delete-config has no effect any more: kafka-configs does this\n");
    if (r == 0) {
        r = act(&tool);
        if (r < 0)
            cli_out(context, "Error while executing topic command : %s\n", tool.note.text);
    }
    cli_pattern_free(tool.wanted);
    cli_remote_deinit(&tool.remote);
    VEC_DEINIT(&tool.names);
    arena_deinit(&tool.arena);
    return r < 0 ? 1 : 0;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    int exit_code = cli_begin(context, &spec, argc, argv, &options);
    if (exit_code < 0)
        exit_code = check(context, &options);
    if (exit_code < 0)
        exit_code = run_checked(context, &options);
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool topics_tool = {
    .name = "kafka-topics",
    .words = "creates, lists, describes, changes and deletes topics",
    .run = run,
};
