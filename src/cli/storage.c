/* kafka-storage: formats the log directories of a node, and tells about them. Here is what may be asked; each command lies in a
 * file of its own. */
#include "cli/storage.h"

#include "base/uuid.h"
#include "cli/cli_int.h"

#include <stdio.h>
#include <string.h>

/* ---- options --------------------------------------------------------------------------------- */

static const struct cli_option info_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "config",
      .letter = 'c',
      .takes = CLI_VALUE,
      .value_words = "CONFIG",
      .is_required = true,
      .words = "The node's server.properties." },
};

static const struct cli_option format_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "cluster-id",
      .letter = 't',
      .takes = CLI_VALUE,
      .value_words = "CLUSTER_ID",
      .is_required = true,
      .words = "The id of the cluster, the same on all its nodes; random-uuid makes one." },
    { .name = "config",
      .letter = 'c',
      .takes = CLI_VALUE,
      .value_words = "CONFIG",
      .is_required = true,
      .words = "The node's server.properties." },
    { .name = "add-scram",
      .letter = 'S',
      .takes = CLI_VALUE,
      .value_words = "ADD_SCRAM",
      .words =
          "Credentials that the cluster begins with. This build has no SASL yet and refuses it." },
    { .name = "ignore-formatted",
      .letter = 'g',
      .words = "Leave directories alone that are formatted already, instead of failing." },
    { .name = "release-version",
      .letter = 'r',
      .takes = CLI_VALUE,
      .value_words = "RELEASE_VERSION",
      .words =
          "The release whose feature levels the cluster begins with: 3.3-IV3 up to 4.3-IV0, the "
          "default." },
    { .name = "feature",
      .letter = 'f',
      .takes = CLI_VALUE,
      .value_words = "FEATURE",
      .words = "The level of one feature, as name=level. May be given several times." },
    { .name = "standalone",
      .letter = 's',
      .words = "This controller is the only voter of a dynamic quorum for now." },
    { .name = "no-initial-controllers",
      .letter = 'N',
      .words =
          "The voters of the dynamic quorum are learned from it; for brokers and controllers that "
          "join later." },
    { .name = "initial-controllers",
      .letter = 'I',
      .takes = CLI_VALUE,
      .value_words = "INITIAL_CONTROLLERS",
      .words = "The first voters of a dynamic quorum, as id@host:port:directory id, separated by "
               "commas; "
               "the same on all of them." },
};

static const struct cli_option version_mapping_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "release-version",
      .letter = 'r',
      .takes = CLI_VALUE,
      .value_words = "RELEASE_VERSION",
      .words = "The release to tell about; default 4.3-IV0." },
};

static const struct cli_option feature_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "feature",
      .letter = 'f',
      .takes = CLI_VALUE,
      .value_words = "FEATURE",
      .is_required = true,
      .words = "A feature and level, as name=level. May be given several times." },
};

static const struct cli_option random_uuid_options[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
};

/* ---- commands -------------------------------------------------------------------------------- */

static int print_random_uuid(const struct cli_context *context, const struct cli_options *options)
{
    (void)options; /* it has none but --help */
    char text[UUID_TEXT_SIZE];
    uuid_to_text(io_random_uuid(context->io), text);
    cli_out(context, "%s\n", text);
    return 0;
}

struct command {
    struct cli_spec spec;
    int (*run)(const struct cli_context *context, const struct cli_options *options);
};

#define COMMAND(name_, words_, table, run_)                                                        \
    {                                                                                              \
        .spec = { .name = name_,                                                                   \
                  .words = words_,                                                                 \
                  .dialect = CLI_ARGPARSE,                                                         \
                  .options = table,                                                                \
                  .option_count = ARRAY_LEN(table) },                                              \
        .run = run_,                                                                               \
    }

static const struct command commands[] = {
    COMMAND("info", "Tell what the log directories of a node hold.", info_options, storage_info),
    COMMAND("format", "Format the log directories of a node.", format_options, storage_format),
    COMMAND("version-mapping", "Tell the feature levels that go with a release.",
            version_mapping_options, storage_version_mapping),
    COMMAND("feature-dependencies", "Tell what a feature level needs.", feature_options,
            storage_feature_dependencies),
    COMMAND("random-uuid", "Print a random id.", random_uuid_options, print_random_uuid),
};

static const char usage[] = "usage: kafka-storage [-h] "
                            "{info,format,version-mapping,feature-dependencies,random-uuid} ...\n";

static int check_exclusive(const struct command *command, const struct cli_options *options,
                           struct err_note *note)
{
    static const char *const voters[] = { "standalone", "no-initial-controllers",
                                          "initial-controllers" };
    if (command->run != storage_format)
        return 0;
    return cli_check_exclusive(options, voters, ARRAY_LEN(voters), note);
}

static int run_command(const struct cli_context *context, const struct command *command, int argc,
                       char **argv)
{
    struct cli_options options;
    struct err_note note = { 0 };
    int r = cli_options_parse(&command->spec, argc, argv, &options, &note);
    if (r == 0)
        r = check_exclusive(command, &options, &note);
    int exit_code;
    char program[64];
    (void)snprintf(program, sizeof(program), "kafka-storage %s", command->spec.name);
    if (cli_has(&options, "help")) {
        cli_synopsis(context, false, program, &command->spec);
        cli_out(context, "\n%s\n\n", command->spec.words);
        cli_help(context, false, &command->spec);
        exit_code = 0;
    } else if (r < 0 || options.rest.count > 0) {
        cli_synopsis(context, true, program, &command->spec);
        if (r < 0)
            cli_err(context, "kafka-storage: error: %s\n", note.text);
        else
            cli_err(context, "kafka-storage: error: unrecognized arguments: '%s'\n",
                    options.rest.items[0]);
        exit_code = 1;
    } else {
        exit_code = command->run(context, &options);
    }
    cli_options_deinit(&options);
    return exit_code;
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    if (argc < 2) {
        cli_err(context, "%s", usage);
        cli_err(context, "kafka-storage: error: too few arguments\n");
        return 1;
    }
    if (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0) {
        cli_out(context, "%s", usage);
        for (size_t i = 0; i < ARRAY_LEN(commands); i++)
            cli_out(context, "  %-22s %s\n", commands[i].spec.name, commands[i].spec.words);
        cli_out(context, "  %-22s %s\n", "-h, --help",
                "Show this help; of a command: what it takes.");
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(argv[1], commands[i].spec.name) == 0)
            return run_command(context, &commands[i], argc - 1, argv + 1);
    }
    cli_err(context, "%s", usage);
    cli_err(context,
            "kafka-storage: error: invalid choice: '%s' (choose from 'info', 'format', "
            "'version-mapping', 'feature-dependencies', 'random-uuid')\n",
            argv[1]);
    return 1;
}

const struct cli_tool storage_tool = {
    .name = "kafka-storage",
    .words = "formats a node's log directories",
    .run = run,
};
