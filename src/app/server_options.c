/* See server_options.h. */
#include "app/server_options.h"

#include "base/mem.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "USAGE: kafka-server-start.sh [-daemon] server.properties [--override property=value]*\n"
    "\n"
    "  -daemon    go to the background; output is appended to kafkaServer.out in $LOG_DIR\n"
    "             (without it: in logs beside the folder of this program)\n"
    "  --override property=value\n"
    "             a setting that is stronger than the file's; may be given several times\n"
    "  --version  show the version\n";

static const struct cli_option table[] = {
    { .name = "daemon", .words = "Go to the background." },
    { .name = "help", .words = "Show this help." },
    { .name = "override",
      .takes = CLI_VALUE,
      .value_words = "String",
      .words = "A setting that is stronger than the file's." },
    { .name = "version", .words = "Show the version." },
};

static const struct cli_spec spec = {
    .name = "kafka-server-start",
    .dialect = CLI_JOPT,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

/* A property without "=" is set to nothing, as in Kafka. */
static void add_override(struct server_options *out, const char *text)
{
    const size_t size = strcspn(text, "=");
    const char *value = text[size] == '=' ? text + size + 1 : "";
    VEC_ADD(&out->overrides, ((struct config_override){ .name = bytes_from(text, size),
                                                        .value = bytes_from_text(value) }));
}

static int show_usage(void)
{
    (void)fputs(usage, stderr);
    return 1;
}

/* Words beyond the file. */
static int refuse(const struct cli_options *given)
{
    (void)fputs("Found non argument parameters: ", stderr);
    for (size_t i = 1; i < given->rest.count; i++)
        (void)fprintf(stderr, "%s%s", i == 1 ? "" : ",", given->rest.items[i]);
    (void)fputs("\n", stderr);
    return 1;
}

static int take(const struct cli_options *given, struct server_options *out)
{
    if (cli_has(given, "version")) {
        (void)puts(CLI_KAFKA_VERSION);
        return 0;
    }
    if (cli_has(given, "help") || given->rest.count == 0)
        return show_usage();
    if (given->rest.count > 1)
        return refuse(given);
    out->path = given->rest.items[0];
    out->is_daemon = cli_has(given, "daemon");
    for (size_t i = 0; i < cli_count(given, "override"); i++)
        add_override(out, cli_text_at(given, "override", i));
    return -1;
}

int server_options_parse(int argc, char **argv, struct server_options *out)
{
    struct cli_options given;
    struct err_note note = { 0 };
    *out = (struct server_options){ .is_daemon = false };
    const int r = cli_options_parse(&spec, argc, argv, &given, &note);
    if (r < 0)
        (void)fprintf(stderr, "%s\n", note.text);
    const int exit_code = r < 0 ? show_usage() : take(&given, out);
    cli_options_deinit(&given);
    return exit_code;
}

void server_options_deinit(struct server_options *options)
{
    VEC_DEINIT(&options->overrides);
}
