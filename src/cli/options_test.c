/* Options as users type them, in both dialects. */
#include "cli/options.h"

#include "base/test.h"

static const struct cli_option table[] = {
    { .name = "list", .words = "list" },
    { .name = "topic", .letter = 't', .takes = CLI_VALUE, .is_once = true, .words = "topic" },
    { .name = "config", .takes = CLI_VALUE, .words = "config" },
    { .name = "count", .takes = CLI_VALUE, .type = CLI_INT, .words = "count" },
    { .name = "state", .takes = CLI_VALUE_OR_NOTHING, .words = "state" },
    { .name = "props", .takes = CLI_VALUES, .words = "props" },
};
static const struct cli_spec jopt = {
    .name = "t", .dialect = CLI_JOPT, .options = table, .option_count = ARRAY_LEN(table)
};
static const struct cli_spec argparse = {
    .name = "t", .dialect = CLI_ARGPARSE, .options = table, .option_count = ARRAY_LEN(table)
};

/* The words after the tool's name, parted by blanks. */
static int parse(const struct cli_spec *spec, char *words, struct cli_options *out,
                 struct err_note *note)
{
    char name[] = "tool";
    char *argv[32] = { name };
    int argc = 1;
    for (char *at = words; *at != '\0';) {
        argv[argc++] = at;
        while (*at != ' ' && *at != '\0')
            at++;
        if (*at == ' ')
            *at++ = '\0';
    }
    return cli_options_parse(spec, argc, argv, out, note);
}

static void expect_error(const struct cli_spec *spec, const char *words, const char *wanted)
{
    struct cli_options o;
    struct err_note note = { 0 };
    char *copy = mem_strdup(words);
    EXPECT_ERR(parse(spec, copy, &o, &note), ERR_INVALID_ARGUMENT);
    EXPECT_TEXT(note.text, wanted);
    cli_options_deinit(&o);
    mem_free(copy);
}

TEST(options, values_follow_or_are_attached)
{
    struct cli_options o;
    struct err_note note;
    char words[] = "--topic a --config=x=1 -config y=2 --list --count -3 rest";
    EXPECT_OK(parse(&jopt, words, &o, &note));
    EXPECT(cli_has(&o, "list"));
    EXPECT_TEXT(cli_text(&o, "topic", NULL), "a");
    EXPECT_EQ(cli_count(&o, "config"), 2);
    EXPECT_TEXT(cli_text_at(&o, "config", 0), "x=1");
    EXPECT_TEXT(cli_text_at(&o, "config", 1), "y=2");
    EXPECT_EQ(cli_number(&o, "count", 0), -3);
    EXPECT_EQ(o.rest.count, 1);
    EXPECT_EQ(cli_number(&o, "state", 7), 7);
    cli_options_deinit(&o);
}

TEST(options, a_value_that_may_lack_is_not_taken_from_the_next_option)
{
    struct cli_options o;
    struct err_note note;
    char without[] = "--state --list";
    EXPECT_OK(parse(&jopt, without, &o, &note));
    EXPECT(cli_has(&o, "state"));
    EXPECT(cli_has(&o, "list"));
    EXPECT(cli_text(&o, "state", NULL) == NULL);
    cli_options_deinit(&o);
    char with[] = "--state Stable,Empty --list";
    EXPECT_OK(parse(&jopt, with, &o, &note));
    EXPECT_TEXT(cli_text(&o, "state", NULL), "Stable,Empty");
    cli_options_deinit(&o);
}

TEST(options, argparse_knows_letters_and_lists)
{
    struct cli_options o;
    struct err_note note;
    char words[] = "-t a --props x=1 y=2 --list";
    EXPECT_OK(parse(&argparse, words, &o, &note));
    EXPECT_TEXT(cli_text(&o, "topic", NULL), "a");
    EXPECT_EQ(cli_count(&o, "props"), 2);
    EXPECT_TEXT(cli_text_at(&o, "props", 1), "y=2");
    EXPECT(cli_has(&o, "list"));
    cli_options_deinit(&o);
    char attached[] = "-tname";
    EXPECT_OK(parse(&argparse, attached, &o, &note));
    EXPECT_TEXT(cli_text(&o, "topic", NULL), "name");
    cli_options_deinit(&o);
}

TEST(options, errors_are_kafkas)
{
    expect_error(&jopt, "--bogus", "bogus is not a recognized option");
    expect_error(&jopt, "--topic", "Option topic requires an argument");
    expect_error(&jopt, "--count x", "Cannot parse argument 'x' of option count");
    expect_error(&jopt, "--count 2147483648", "Cannot parse argument '2147483648' of option count");
    expect_error(&jopt, "--topic a --topic b",
                 "Found multiple arguments for option topic, but you asked for only one");
    expect_error(&argparse, "--bogus", "unrecognized arguments: '--bogus'");
    expect_error(&argparse, "--topic", "argument --topic/-t: expected one argument");
}

/* Kafka's tools look at which options go together first, and at a value when they use it. */
TEST(options, a_bad_value_waits_where_the_tool_says_so)
{
    static const struct cli_spec lenient = { .name = "t",
                                             .dialect = CLI_JOPT,
                                             .options = table,
                                             .option_count = ARRAY_LEN(table),
                                             .is_lenient = true };
    struct cli_options o;
    struct err_note note;
    char good[] = "--count 1 --topic a";
    EXPECT_OK(parse(&lenient, good, &o, &note));
    EXPECT(cli_late(&o) == NULL);
    cli_options_deinit(&o);
    char bad[] = "--count x --topic a --topic b --list";
    EXPECT_OK(parse(&lenient, bad, &o, &note));
    EXPECT_TEXT(cli_late(&o), "Cannot parse argument 'x' of option count");
    EXPECT(cli_is_late(&o, "count"));
    EXPECT(!cli_is_late(&o, "topic"));
    cli_options_deinit(&o);
}

TEST(options, of_some_only_one_may_be_given)
{
    static const char *const names[] = { "topic", "count", "state" };
    struct cli_options o;
    struct err_note note = { 0 };
    char one[] = "--topic a --list --topic b";
    EXPECT_OK(parse(&argparse, one, &o, &note));
    EXPECT_OK(cli_check_exclusive(&o, names, ARRAY_LEN(names), &note));
    cli_options_deinit(&o);
    char two[] = "--count 1 --list -t b";
    EXPECT_OK(parse(&argparse, two, &o, &note));
    EXPECT_ERR(cli_check_exclusive(&o, names, ARRAY_LEN(names), &note), ERR_INVALID_ARGUMENT);
    EXPECT_TEXT(note.text, "argument --topic/-t: not allowed with argument --count");
    cli_options_deinit(&o);
}
