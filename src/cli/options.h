/* Command-line options in the two dialects that Kafka's tools speak.
 *
 *   JOPT      most tools (joptsimple): `--name value`, `--name=value`, also `-name value`; an option that may go
 *             without its value takes the next word unless that looks like an option
 *   ARGPARSE  kafka-storage, kafka-producer-perf-test (argparse4j): the same, and one
 *             letter `-t value`; an option of several values takes all words up to the next option
 *
 * A tool declares a table of options and what it is for. Texts of errors are Kafka's, so that scripts that look at
 * them keep working. What is parsed borrows argv.
 */
#pragma once

#include "base/vec.h"
#include "cli/cli.h"

enum cli_dialect { CLI_JOPT, CLI_ARGPARSE };
enum cli_takes { CLI_NOTHING, CLI_VALUE, CLI_VALUE_OR_NOTHING, CLI_VALUES };
enum cli_type { CLI_TEXT, CLI_INT, CLI_LONG, CLI_DOUBLE };

struct cli_option {
    const char *name; /* without dashes */
    char letter;      /* 0: none; ARGPARSE only */
    enum cli_takes takes;
    enum cli_type type;
    const char *value_words; /* "server to connect to"; shown in help */
    const char *words;       /* what it does */
    bool is_required;        /* ARGPARSE only: tools of the other dialect judge by themselves */
    bool is_once;            /* JOPT: a second time is an error when it is read */
};

struct cli_spec {
    const char *name;  /* "kafka-topics" */
    const char *words; /* the line above the help */
    enum cli_dialect dialect;
    const struct cli_option *options;
    size_t option_count;
    /* JOPT: a value of a wrong type, or a second value, is no matter for cli_begin: the tool tells of it (cli_late) in its
     * own way, once it has looked at which options go together. */
    bool is_lenient;
};

struct cli_given {
    const struct cli_option *option;
    const char *value; /* NULL: given without one */
};

struct cli_options {
    const struct cli_spec *spec;
    VEC(struct cli_given) given;
    VEC(const char *) rest; /* words that are no option's */
    const struct cli_option *late_option;
    struct err_note late;
};

/* 0, or -ERR_INVALID_ARGUMENT with the dialect's text. In both cases to be released by cli_options_deinit. */
MUST_CHECK int cli_options_parse(const struct cli_spec *spec, int argc, char **argv,
                                 struct cli_options *out, struct err_note *note);
void cli_options_deinit(struct cli_options *options);

/* JOPT: the first value that is of a wrong type, or given twice, and for which option; NULL: there is none. Kafka's tools
 * notice such a value when they use it, not when they parse. */
const char *cli_late(const struct cli_options *options);
bool cli_is_late(const struct cli_options *options, const char *name);

/* ARGPARSE: at most one of these may be given; -ERR_INVALID_ARGUMENT with the dialect's text. */
MUST_CHECK int cli_check_exclusive(const struct cli_options *options, const char *const *names,
                                   size_t count, struct err_note *note);

/* A name that the table does not have is a bug. */
bool cli_has(const struct cli_options *options, const char *name);
size_t cli_count(const struct cli_options *options, const char *name);
/* The last value given, or `otherwise`. */
const char *cli_text(const struct cli_options *options, const char *name, const char *otherwise);
const char *cli_text_at(const struct cli_options *options, const char *name, size_t index);
int64_t cli_number(const struct cli_options *options, const char *name, int64_t otherwise);
double cli_double(const struct cli_options *options, const char *name, double otherwise);

/* The table as help, to standard error or output. */
void cli_help(const struct cli_context *context, bool is_error, const struct cli_spec *spec);
/* ARGPARSE: "usage: PROGRAM [-h] --config CONFIG …". */
void cli_synopsis(const struct cli_context *context, bool is_error, const char *program,
                  const struct cli_spec *spec);
/* A line of error, then the help, to standard error; answers exit code 1. */
int cli_usage(const struct cli_context *context, const struct cli_spec *spec, const char *format,
              ...) PRINTF_LIKE(3, 4);

/* What every tool of the JOPT dialect begins with: no words at all or --help shows the help (exit code 1, as in Kafka),
 * --version the version, a bad option (and a bad value, unless spec->is_lenient) its error. Answers -1 when the tool shall go on, else the exit code. */
int cli_begin(const struct cli_context *context, const struct cli_spec *spec, int argc, char **argv,
              struct cli_options *out);

#define CLI_KAFKA_VERSION "4.3.1" /* whose tools these stand in for */
