/* kafka-consumer-groups: lists, describes, deletes groups, and moves their offsets. */
#include "cli/cli_int.h"
#include "cli/groups.h"

#include "wire/kafka_error.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"

#include <string.h>

static const struct cli_option table[] = {
    { .name = "all-groups", .words = "All consumer groups." },
    { .name = "all-topics",
      .words = "With --reset-offsets: all topics that the group has offsets of." },
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .value_words = "server to connect to",
      .words = "REQUIRED: brokers to begin with, host:port separated by commas." },
    { .name = "by-duration",
      .takes = CLI_VALUE,
      .value_words = "duration",
      .words = "With --reset-offsets: to what was current so long ago, PnDTnHnMnS." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .value_words = "command config property file",
      .words = "A properties file with settings of the client." },
    { .name = "delete", .words = "Delete groups with all their offsets." },
    { .name = "delete-offsets", .words = "Delete a group's offsets of topics." },
    { .name = "describe", .words = "Tell where groups stand." },
    { .name = "dry-run", .words = "With --reset-offsets: tell what would be, and do nothing." },
    { .name = "execute", .words = "With --reset-offsets: do it." },
    { .name = "export", .words = "With --reset-offsets: tell the plan as CSV." },
    { .name = "from-file",
      .takes = CLI_VALUE,
      .value_words = "path to CSV file",
      .words =
          "With --reset-offsets: to what the file says, [group,]topic,partition,offset a line." },
    { .name = "group",
      .takes = CLI_VALUE,
      .value_words = "consumer group",
      .words = "The group. May be given several times." },
    { .name = "help", .words = "Show this help." },
    { .name = "list", .words = "List consumer groups." },
    { .name = "members", .words = "With --describe: the members." },
    { .name = "offsets", .words = "With --describe: the offsets; this is the default." },
    { .name = "reset-offsets",
      .words = "Move a group's offsets; it may have no members meanwhile." },
    { .name = "shift-by",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "number-of-offsets",
      .words = "With --reset-offsets: forward, or backward when negative." },
    { .name = "state",
      .takes = CLI_VALUE_OR_NOTHING,
      .words = "With --describe: the state. With --list: show states, or list those in the states "
               "given." },
    { .name = "timeout",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "timeout (ms)",
      .words = "How long an answer may take. Default 30000." },
    { .name = "to-current", .words = "With --reset-offsets: to where it stands." },
    { .name = "to-datetime",
      .takes = CLI_VALUE,
      .value_words = "datetime",
      .words = "With --reset-offsets: to the first record since, YYYY-MM-DDTHH:mm:ss.sss." },
    { .name = "to-earliest", .words = "With --reset-offsets: to the oldest record." },
    { .name = "to-latest", .words = "With --reset-offsets: to the end." },
    { .name = "to-offset",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "offset",
      .words = "With --reset-offsets: to this offset." },
    { .name = "topic",
      .takes = CLI_VALUE,
      .value_words = "topic",
      .words = "With --reset-offsets and --delete-offsets: a topic, or topic:0,1,2. May be given "
               "several times." },
    { .name = "type",
      .takes = CLI_VALUE_OR_NOTHING,
      .words = "With --list: show types, or list those of the types given." },
    { .name = "validate-regex",
      .takes = CLI_VALUE,
      .value_words = "regex",
      .words = "Of subscriptions by regular expression; this build has none to check with." },
    { .name = "verbose", .words = "With --describe: more." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-consumer-groups",
    .words = "List, describe and delete consumer groups, and move their offsets.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

/* ---- list ------------------------------------------------------------------------------------ */

/* Whether a list of states or types, "Stable,Empty", names `text`; in any case of letters. NULL names all. */
static bool is_named(const char *list, struct bytes text)
{
    while (list != NULL && *list != '\0') {
        const size_t size = strcspn(list, ",");
        const struct bytes one = bytes_trim(bytes_from(list, size));
        if (one.size == text.size &&
            strncasecmp((const char *)one.data, (const char *)text.data, one.size) == 0)
            return true;
        list += size + (list[size] == ',');
        if (*list == '\0')
            return false;
    }
    return true;
}

static int list(struct groups_run *run)
{
    const bool has_state = cli_has(run->options, "state");
    const bool has_type = cli_has(run->options, "type");
    struct groups_list groups = { 0 };
    const int r = groups_list(run, &groups);
    int width = 32;
    for (size_t i = 0; i < groups.list.count; i++)
        width = MAX(width, (int)groups.list.items[i].id.size);
    if (r == 0 && (has_state || has_type)) {
        cli_out(run->context, "%-*s", width, "GROUP");
        if (has_type)
            cli_out(run->context, " %-20s", "TYPE");
        if (has_state)
            cli_out(run->context, " %-20s", "STATE");
        cli_out(run->context, "\n");
    }
    for (size_t i = 0; r == 0 && i < groups.list.count; i++) {
        const struct groups_listed *g = &groups.list.items[i];
        if (!is_named(cli_text(run->options, "state", NULL), g->state) ||
            !is_named(cli_text(run->options, "type", NULL), g->type))
            continue;
        if (!has_state && !has_type) {
            cli_out(run->context, "%.*s\n", BYTES_PRINTF(g->id));
            continue;
        }
        cli_out(run->context, "%-*.*s", width, BYTES_PRINTF(g->id));
        if (has_type) /* the broker says "classic" */
            cli_out(run->context, " %c%-19.*s", g->type.size == 0 ? '-' : g->type.data[0] & ~0x20,
                    BYTES_PRINTF(bytes_slice(g->type, 1, g->type.size)));
        if (has_state)
            cli_out(run->context, " %-20.*s", BYTES_PRINTF(g->state));
        cli_out(run->context, "\n");
    }
    VEC_DEINIT(&groups.list);
    return r;
}

/* ---- delete ---------------------------------------------------------------------------------- */

static int delete_one(struct groups_run *run, struct bytes group, int16_t *out_error)
{
    struct delete_groups_request request = delete_groups_request_default;
    request.groups_names = &group;
    request.groups_names_count = 1;
    struct client_call call = { .key = API_DELETE_GROUPS, .request = &request };
    const int r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
    const struct delete_groups_response *response = call.response;
    if (r == 0)
        *out_error = response->results_count == 1 ? response->results[0].error_code
                                                  : (int16_t)KAFKA_UNKNOWN_SERVER_ERROR;
    client_call_deinit(&call);
    return r;
}

static void put_names(struct groups_run *run, const struct bytes *names, const int16_t *errors,
                      size_t count)
{
    bool is_first = true;
    for (size_t i = 0; i < count; i++) {
        if (errors[i] != KAFKA_NONE)
            continue;
        cli_out(run->context, "%s'%.*s'", is_first ? "" : ", ", BYTES_PRINTF(names[i]));
        is_first = false;
    }
}

static int delete (struct groups_run *run)
{
    struct bytes *names;
    size_t count;
    size_t failed = 0;
    int r = groups_chosen(run, &names, &count);
    if (r < 0)
        return r;
    int16_t *errors = ARENA_NEW_ARRAY(&run->arena, int16_t, count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = delete_one(run, names[i], &errors[i]);
        failed += errors[i] != KAFKA_NONE;
    }
    if (r < 0)
        return r;
    if (failed == 0) {
        cli_out(run->context, "Deletion of requested consumer groups (");
        put_names(run, names, errors, count);
        cli_out(run->context, ") was successful.\n");
        return 0;
    }
    cli_out(run->context, "\nError: Deletion of some consumer groups failed:\n");
    for (size_t i = 0; i < count; i++) {
        if (errors[i] != KAFKA_NONE)
            cli_out(run->context, "* Group '%.*s' could not be deleted due to: %s (%s)\n",
                    BYTES_PRINTF(names[i]), kafka_error_sentence(errors[i]),
                    kafka_error_name(errors[i]));
    }
    if (failed < count) {
        cli_out(run->context, "\nThese consumer groups were deleted successfully: ");
        put_names(run, names, errors, count);
        cli_out(run->context, "\n");
    }
    return 0;
}

/* ---- options --------------------------------------------------------------------------------- */

static size_t count_of(const struct cli_options *o, const char *const *names, size_t count)
{
    size_t given = 0;
    for (size_t i = 0; i < count; i++)
        given += cli_has(o, names[i]);
    return given;
}

static int check_reset(const struct cli_context *context, const struct cli_options *o)
{
    static const char *const scenarios[] = { "to-offset",   "to-datetime", "by-duration",
                                             "to-earliest", "to-latest",   "shift-by",
                                             "from-file",   "to-current" };
    if (cli_has(o, "dry-run") && cli_has(o, "execute"))
        return cli_usage(context, &spec, "Only one of --dry-run and --execute may be given.");
    const size_t given = count_of(o, scenarios, ARRAY_LEN(scenarios));
    if (given != 1)
        return cli_usage(context, &spec,
                         "%s of the options --to-offset, --to-datetime, --by-duration, "
                         "--to-earliest, --to-latest, --shift-by, --from-file, --to-current has to "
                         "be given.",
                         given == 0 ? "One" : "Only one");
    if (!cli_has(o, "from-file") && cli_has(o, "all-topics") == cli_has(o, "topic"))
        return cli_usage(context, &spec,
                         "One of the reset scopes should be defined: --all-topics, --topic.");
    return -1;
}

static int check(const struct cli_context *context, const struct cli_options *o)
{
    static const char *const actions[] = { "list",          "describe",       "delete",
                                           "reset-offsets", "delete-offsets", "validate-regex" };
    static const char *const shapes[] = { "members", "offsets", "state" };
    if (count_of(o, actions, ARRAY_LEN(actions)) != 1)
        return cli_usage(context, &spec,
                         "Command must include exactly one action: --list, --describe, --delete, "
                         "--reset-offsets, --delete-offsets, --validate-regex");
    if (cli_text(o, "bootstrap-server", NULL) == NULL)
        return cli_usage(context, &spec, "Missing required argument \"[bootstrap-server]\"");
    const bool has_group = cli_has(o, "group") || cli_has(o, "all-groups");
    if (cli_has(o, "describe") && !has_group)
        return cli_usage(context, &spec,
                         "Option [describe] takes one of these options: [group], [all-groups]");
    if (cli_has(o, "describe") && count_of(o, shapes, ARRAY_LEN(shapes)) > 1)
        return cli_usage(context, &spec,
                         "Option [describe] takes at most one of these options: [members], "
                         "[offsets], [state]");
    if (cli_has(o, "delete") && !has_group)
        return cli_usage(context, &spec,
                         "Option [delete] takes one of these options: [all-groups], [group]");
    if (cli_has(o, "delete-offsets") && (!cli_has(o, "group") || !cli_has(o, "topic")))
        return cli_usage(context, &spec,
                         "Option [delete-offsets] takes the following options: [topic], [group]");
    if (cli_has(o, "reset-offsets") && !has_group)
        return cli_usage(
            context, &spec,
            "Option [reset-offsets] takes one of these options: [all-groups], [group]");
    if (cli_has(o, "validate-regex")) {
        cli_err(context, "--validate-regex is not possible: this build has no RE2 in its tools\n");
        return 1;
    }
    return cli_has(o, "reset-offsets") ? check_reset(context, o) : -1;
}

static int act(struct groups_run *run)
{
    if (cli_has(run->options, "list"))
        return list(run);
    if (cli_has(run->options, "describe"))
        return groups_run_describe(run);
    if (cli_has(run->options, "delete"))
        return delete (run);
    return cli_has(run->options, "reset-offsets") ? groups_run_reset(run)
                                                  : groups_run_delete_offsets(run);
}

static int run_checked(const struct cli_context *context, const struct cli_options *o)
{
    struct groups_run run = { .context = context, .options = o };
    char *timeout = mem_printf("request.timeout.ms=%" PRId64, cli_number(o, "timeout", 30000));
    const char *const items[] = { timeout };
    const struct cli_properties properties = {
        .bootstrap = cli_text(o, "bootstrap-server", NULL),
        .config_path = cli_text(o, "command-config", NULL),
        .properties = items,
        .property_count = 1,
    };
    arena_init(&run.arena, SIZE_MAX);
    const int connected = cli_remote_init(&run.remote, context, &properties);
    const int r = connected < 0 ? 0 : act(&run);
    if (r < 0) /* exit code 0, as Kafka's tool has it */
        cli_out(context, "\nError: Executing consumer group command failed due to %s\n",
                run.note.text);
    cli_remote_deinit(&run.remote);
    arena_deinit(&run.arena);
    mem_free(timeout);
    return connected < 0 ? 1 : 0;
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

const struct cli_tool consumer_groups_tool = {
    .name = "kafka-consumer-groups",
    .words = "lists, describes and deletes groups, and moves their offsets",
    .run = run,
};
