/* kafka-consumer-groups: lists, describes, deletes groups, and moves their offsets. */
#include "cli/cli_int.h"
#include "cli/groups.h"

#include "pattern/pattern.h"
#include "wire/kafka_error.h"
#include "wire/messages/delete_groups_request.h"
#include "wire/messages/delete_groups_response.h"

#include <string.h>

#define GROUP_WIDTH_MIN  15
#define GROUP_WIDTH_MORE 10 /* of the column in a list, as Kafka has it */

static const struct cli_option table[] = {
    { .name = "all-groups", .words = "All consumer groups." },
    { .name = "all-topics",
      .words = "With --reset-offsets: all topics that the group has offsets of." },
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "server to connect to",
      .words = "REQUIRED: brokers to begin with, host:port separated by commas." },
    { .name = "by-duration",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "duration",
      .words = "With --reset-offsets: to what was current so long ago, PnDTnHnMnS." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .is_once = true,
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
      .is_once = true,
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
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "number-of-offsets",
      .words = "With --reset-offsets: forward, or backward when negative." },
    { .name = "state",
      .takes = CLI_VALUE_OR_NOTHING,
      .is_once = true,
      .words = "With --describe: the state. With --list: show states, or list those in the states "
               "given." },
    { .name = "timeout",
      .takes = CLI_VALUE,
      .is_once = true,
      .type = CLI_LONG,
      .value_words = "timeout (ms)",
      .words = "How long an answer may take. Default 30000." },
    { .name = "to-current", .words = "With --reset-offsets: to where it stands." },
    { .name = "to-datetime",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "datetime",
      .words = "With --reset-offsets: to the first record since, YYYY-MM-DDTHH:mm:ss.sss." },
    { .name = "to-earliest", .words = "With --reset-offsets: to the oldest record." },
    { .name = "to-latest", .words = "With --reset-offsets: to the end." },
    { .name = "to-offset",
      .takes = CLI_VALUE,
      .is_once = true,
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
      .is_once = true,
      .words = "With --list: show types, or list those of the types given." },
    { .name = "validate-regex",
      .takes = CLI_VALUE,
      .is_once = true,
      .value_words = "regex",
      .words = "Whether a broker would take this expression as a subscription." },
    { .name = "verbose", .words = "With --describe: more." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-consumer-groups",
    .words = "List, describe and delete consumer groups, and move their offsets.",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
    .is_lenient = true,
};

/* ---- list ------------------------------------------------------------------------------------ */

/* Kafka lists them in this order. */
static const char *const states[] = { "Stable", "CompletingRebalance", "Assigning",  "Empty",
                                      "Dead",   "PreparingRebalance",  "Reconciling" };
static const char *const types[] = { "Consumer", "Classic" };

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

/* -1, or an exit code: each word of the list has to be one of these names. */
static int check_names(const struct cli_context *context, const char *list, const char *what,
                       const char *kind, const char *const *names, size_t count)
{
    for (const char *at = list; at != NULL && *at != '\0';) {
        const size_t size = strcspn(at, ",");
        char *one = bytes_to_text(bytes_trim(bytes_from(at, size)));
        bool is_known = false;
        for (size_t i = 0; i < count; i++)
            is_known = is_known || strcasecmp(one, names[i]) == 0;
        mem_free(one);
        if (!is_known) {
            cli_err(context, "Invalid %s list '%s'. Valid %s are: ", what, list, kind);
            for (size_t i = 0; i < count; i++)
                cli_err(context, "%s%s", i == 0 ? "" : ", ", names[i]);
            cli_err(context, "\n");
            return 1;
        }
        at += size + (at[size] == ',');
    }
    return -1;
}

static void print_listed(struct groups_run *run, const struct groups_listed *g, int width)
{
    cli_out(run->context, "%-*.*s", width, BYTES_PRINTF(g->id));
    if (cli_has(run->options, "type")) /* the broker says "classic" */
        cli_out(run->context, " %c%-19.*s", g->type.size == 0 ? '-' : g->type.data[0] & ~0x20,
                BYTES_PRINTF(bytes_slice(g->type, MIN(g->type.size, (size_t)1),
                                         g->type.size - MIN(g->type.size, (size_t)1))));
    if (cli_has(run->options, "state"))
        cli_out(run->context, " %-20.*s", BYTES_PRINTF(g->state));
    cli_out(run->context, "\n");
}

static bool is_wanted(const struct groups_run *run, const struct groups_listed *g)
{
    return is_named(cli_text(run->options, "state", NULL), g->state) &&
           is_named(cli_text(run->options, "type", NULL), g->type);
}

static int list(struct groups_run *run)
{
    const bool has_columns = cli_has(run->options, "state") || cli_has(run->options, "type");
    struct groups_list groups = { 0 };
    const int r = groups_list(run, &groups);
    int width = GROUP_WIDTH_MIN;
    for (size_t i = 0; i < groups.list.count; i++) {
        if (is_wanted(run, &groups.list.items[i]))
            width = MAX(width, (int)groups.list.items[i].id.size);
    }
    width += GROUP_WIDTH_MORE;
    if (r == 0 && has_columns) {
        cli_out(run->context, "%-*s", width, "GROUP");
        if (cli_has(run->options, "type"))
            cli_out(run->context, " %-20s", "TYPE");
        if (cli_has(run->options, "state"))
            cli_out(run->context, " %-20s", "STATE");
        cli_out(run->context, "\n");
    }
    for (size_t i = 0; r == 0 && i < groups.list.count; i++) {
        const struct groups_listed *g = &groups.list.items[i];
        if (is_wanted(run, g) && has_columns)
            print_listed(run, g, width);
        else if (is_wanted(run, g))
            cli_out(run->context, "%.*s\n", BYTES_PRINTF(g->id));
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
            cli_out(run->context, "* Group '%.*s' could not be deleted due to: %s\n",
                    BYTES_PRINTF(names[i]), kafka_error_sentence(errors[i]));
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

/* Options that mean something beside others only. Kafka's parser refuses them before anything else is looked at. */
static int check_available(const struct cli_context *context, const struct cli_options *o)
{
    static const struct {
        const char *option;
        const char *beside[2];
    } rules[] = { { "members", { "describe" } },
                  { "offsets", { "describe" } },
                  { "state", { "describe", "list" } },
                  { "type", { "list" } },
                  { "verbose", { "describe" } } };
    struct buf names;
    buf_init(&names, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        bool is_available = !cli_has(o, rules[i].option);
        for (size_t k = 0; k < ARRAY_LEN(rules[i].beside) && rules[i].beside[k] != NULL; k++)
            is_available = is_available || cli_has(o, rules[i].beside[k]);
        if (!is_available)
            buf_printf(&names, "%s%s", names.size == 0 ? "" : ", ", rules[i].option);
    }
    const bool is_good = names.size == 0;
    if (!is_good)
        cli_err(context,
                "Option(s) [%.*s] are unavailable given other options on the command line\n",
                BYTES_PRINTF(buf_view(&names)));
    buf_deinit(&names);
    return is_good ? -1 : 1;
}

static int check_describe(const struct cli_context *context, const struct cli_options *o)
{
    static const char *const shapes[] = { "members", "offsets", "state" };
    if (!cli_has(o, "group") && !cli_has(o, "all-groups"))
        return cli_usage(context, &spec,
                         "Option [describe] takes one of these options: [group], [all-groups]");
    if (count_of(o, shapes, ARRAY_LEN(shapes)) > 1)
        return cli_usage(context, &spec,
                         "Option [describe] takes at most one of these options: [members], "
                         "[offsets], [state]");
    if (cli_text(o, "state", NULL) != NULL)
        return cli_usage(context, &spec, "Option [describe] does not take a value for [state]");
    return -1;
}

static int check_delete(const struct cli_context *context, const struct cli_options *o)
{
    if (!cli_has(o, "group") && !cli_has(o, "all-groups"))
        return cli_usage(context, &spec,
                         "Option [delete] takes one of these options: [group], [all-groups]");
    if (cli_has(o, "topic"))
        return cli_usage(
            context, &spec,
            "The consumer does not support topic-specific offset deletion from a consumer group.");
    return -1;
}

static int check_reset(const struct cli_context *context, const struct cli_options *o)
{
    if (cli_has(o, "dry-run") && cli_has(o, "execute"))
        return cli_usage(context, &spec,
                         "Option [reset-offsets] only accepts one of [execute] and [dry-run]");
    if (!cli_has(o, "execute") && !cli_has(o, "dry-run"))
        cli_err(context, "WARN: No action will be performed as the --execute option is missing. "
                         "Add --dry-run to say that this is meant.\n");
    if (!cli_has(o, "group") && !cli_has(o, "all-groups"))
        return cli_usage(
            context, &spec,
            "Option [reset-offsets] takes one of these options: [group], [all-groups]");
    const char *first = NULL;
    for (size_t i = 0; i < groups_scenario_count; i++) {
        const char *scenario = groups_scenarios[i];
        if (cli_has(o, scenario) && first != NULL)
            return cli_usage(context, &spec, "Option \"[%s]\" can't be used with option \"[%s]\"",
                             first, scenario);
        first = cli_has(o, scenario) ? scenario : first;
    }
    return -1;
}

/* Which actions the scopes go with. */
static int check_scopes(const struct cli_context *context, const struct cli_options *o)
{
    static const struct {
        const char *option;
        const char *others[3];
    } rules[] = { { "group", { "all-groups", "list" } }, { "topic", { "list", "describe" } } };
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        for (size_t k = 0; k < ARRAY_LEN(rules[i].others) && rules[i].others[k] != NULL; k++) {
            if (cli_has(o, rules[i].option) && cli_has(o, rules[i].others[k]))
                return cli_usage(context, &spec,
                                 "Option \"[%s]\" can't be used with option \"[%s]\"",
                                 rules[i].option, rules[i].others[k]);
        }
    }
    return -1;
}

static int check_list(const struct cli_context *context, const struct cli_options *o)
{
    const int exit_code = check_names(context, cli_text(o, "state", NULL), "state", "states",
                                      states, ARRAY_LEN(states));
    return exit_code >= 0 ? exit_code
                          : check_names(context, cli_text(o, "type", NULL), "types", "types", types,
                                        ARRAY_LEN(types));
}

static int check(const struct cli_context *context, const struct cli_options *o)
{
    static const char *const actions[] = { "list",          "describe",       "delete",
                                           "reset-offsets", "delete-offsets", "validate-regex" };
    int exit_code = check_available(context, o);
    if (exit_code < 0 && cli_text(o, "bootstrap-server", NULL) == NULL)
        exit_code = cli_usage(context, &spec, "Missing required argument \"[bootstrap-server]\"");
    if (exit_code < 0 && cli_has(o, "describe"))
        exit_code = check_describe(context, o);
    if (exit_code < 0 && cli_has(o, "delete"))
        exit_code = check_delete(context, o);
    if (exit_code < 0 && cli_has(o, "delete-offsets") &&
        (!cli_has(o, "group") || !cli_has(o, "topic")))
        exit_code =
            cli_usage(context, &spec,
                      "Option [delete-offsets] takes the following options: [group], [topic]");
    if (exit_code < 0 && cli_has(o, "reset-offsets"))
        exit_code = check_reset(context, o);
    if (exit_code < 0)
        exit_code = check_scopes(context, o);
    if (exit_code < 0 && count_of(o, actions, ARRAY_LEN(actions)) != 1)
        exit_code = cli_usage(context, &spec,
                              "Command must include exactly one action: --list, --describe, "
                              "--delete, --reset-offsets, --delete-offsets, --validate-regex");
    if (exit_code < 0 && cli_has(o, "list"))
        exit_code = check_list(context, o);
    return exit_code;
}

/* Whether a broker would take it as a subscription. */
static int validate_regex(struct groups_run *run)
{
    const char *text = cli_text(run->options, "validate-regex", NULL);
    struct pattern *pattern = NULL;
    struct err_note note;
    if (pattern_compile(bytes_from_text(text), &pattern, &note) < 0)
        cli_out(run->context, "The regular expression `%s` is invalid: %s.\n", text, note.text);
    else
        cli_out(run->context, "The regular expression `%s` is valid.\n", text);
    pattern_free(pattern);
    return 0;
}

static int act(struct groups_run *run)
{
    if (cli_late(run->options) != NULL)
        return err_note(&run->note, -ERR_INVALID_ARGUMENT, "%s", cli_late(run->options));
    if (cli_has(run->options, "list"))
        return list(run);
    if (cli_has(run->options, "describe"))
        return groups_run_describe(run);
    if (cli_has(run->options, "delete"))
        return delete (run);
    if (cli_has(run->options, "validate-regex"))
        return validate_regex(run);
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
    int exit_code = 0; /* of failures too, as Kafka's tool has it */
    if (r < 0 && run.is_misuse)
        exit_code = cli_usage(context, &spec, "%s", run.note.text);
    else if (r < 0)
        cli_out(context, "\nError: Executing consumer group command failed due to %s\n",
                run.note.text);
    cli_remote_deinit(&run.remote);
    arena_deinit(&run.arena);
    mem_free(timeout);
    return exit_code;
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
