/* See options.h. */
#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELP_COLUMN 42
#define HELP_WIDTH  100

/* ---- finding --------------------------------------------------------------------------------- */

static const struct cli_option *find(const struct cli_spec *spec, const char *name, size_t size)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct cli_option *o = &spec->options[i];
        if (strlen(o->name) == size && memcmp(o->name, name, size) == 0)
            return o;
    }
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_spec *spec, char letter)
{
    for (size_t i = 0; i < spec->option_count; i++) {
        if (spec->options[i].letter != 0 && spec->options[i].letter == letter)
            return &spec->options[i];
    }
    return NULL;
}

static bool looks_like_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && !(word[1] >= '0' && word[1] <= '9');
}

/* ---- values ---------------------------------------------------------------------------------- */

static bool is_of_type(const struct cli_option *option, const char *value)
{
    int64_t number;
    char *end = NULL;
    switch (option->type) {
    case CLI_TEXT:
        return true;
    case CLI_INT:
        return bytes_to_i64(bytes_from_text(value), &number) == 0 && number >= INT32_MIN &&
               number <= INT32_MAX;
    case CLI_LONG:
        return bytes_to_i64(bytes_from_text(value), &number) == 0;
    case CLI_DOUBLE:
        (void)strtod(value, &end);
        return end != value && *end == '\0';
    }
    return false;
}

static const char *type_name(enum cli_type type)
{
    static const char *const names[] = { "String", "Integer", "Long", "Double" };
    return names[type];
}

/* How argparse calls an option: "--config/-c". */
struct naming {
    char text[80];
};

static struct naming naming(const struct cli_option *option)
{
    struct naming out;
    const char letter[] = { '/', '-', option->letter, '\0' };
    (void)snprintf(out.text, sizeof(out.text), "--%s%s", option->name,
                   option->letter == 0 ? "" : letter);
    return out;
}

/* The first one counts. */
static void be_late(struct cli_options *out, const struct cli_option *option, const char *value)
{
    if (out->late_option != NULL)
        return;
    out->late_option = option;
    if (value == NULL)
        (void)err_note(&out->late, 0,
                       "Found multiple arguments for option %s, but you asked for only one",
                       option->name);
    else
        (void)err_note(&out->late, 0, "Cannot parse argument '%s' of option %s", value,
                       option->name);
}

static int put(struct cli_options *out, const struct cli_option *option, const char *value,
               struct err_note *note)
{
    if (value != NULL && !is_of_type(option, value)) {
        if (out->spec->dialect == CLI_ARGPARSE)
            return err_note(note, -ERR_INVALID_ARGUMENT,
                            "argument %s: could not convert '%s' to %s", naming(option).text, value,
                            type_name(option->type));
        be_late(out, option, value);
    }
    if (option->is_once && out->spec->dialect == CLI_JOPT && cli_has(out, option->name))
        be_late(out, option, NULL);
    VEC_ADD(&out->given, ((struct cli_given){ .option = option, .value = value }));
    return 0;
}

static int missing_value(const struct cli_options *out, const struct cli_option *option,
                         struct err_note *note)
{
    if (out->spec->dialect == CLI_ARGPARSE)
        return err_note(note, -ERR_INVALID_ARGUMENT, "argument %s: expected one argument",
                        naming(option).text);
    return err_note(note, -ERR_INVALID_ARGUMENT, "Option %s requires an argument", option->name);
}

struct words {
    int count;
    char **items;
    int index;
};

static bool has_more(const struct words *words)
{
    return words->index < words->count;
}

/* attached: what follows '=' or the letter; NULL: nothing does. */
static int take(struct cli_options *out, const struct cli_option *option, const char *attached,
                struct words *words, struct err_note *note)
{
    if (option->takes == CLI_NOTHING)
        return put(out, option, NULL, note);
    if (attached != NULL)
        return put(out, option, attached, note);
    const char *next = has_more(words) ? words->items[words->index] : NULL;
    if (option->takes == CLI_VALUE_OR_NOTHING) {
        if (next == NULL || looks_like_option(next))
            return put(out, option, NULL, note);
        words->index++;
        return put(out, option, next, note);
    }
    if (next == NULL || (out->spec->dialect == CLI_ARGPARSE && looks_like_option(next)))
        return missing_value(out, option, note);
    words->index++;
    int r = put(out, option, next, note);
    while (r == 0 && option->takes == CLI_VALUES && has_more(words) &&
           !looks_like_option(words->items[words->index]))
        r = put(out, option, words->items[words->index++], note);
    return r;
}

static int unknown(const struct cli_options *out, const char *word, struct err_note *note)
{
    if (out->spec->dialect == CLI_ARGPARSE)
        return err_note(note, -ERR_INVALID_ARGUMENT, "unrecognized arguments: '%s'", word);
    const char *name = word;
    while (*name == '-')
        name++;
    const size_t size = strcspn(name, "=");
    return err_note(note, -ERR_INVALID_ARGUMENT, "%.*s is not a recognized option",
                    word[1] == '-' ? (int)size : 1, name);
}

static int parse_word(struct cli_options *out, const char *word, struct words *words,
                      struct err_note *note)
{
    const bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    const size_t size = strcspn(name, "=");
    const char *attached = name[size] == '=' ? name + size + 1 : NULL;
    const struct cli_option *option = NULL;
    if (is_long || out->spec->dialect == CLI_JOPT)
        option = find(out->spec, name, size);
    if (option == NULL && !is_long && out->spec->dialect == CLI_ARGPARSE) {
        option = find_letter(out->spec, name[0]);
        attached = name[1] == '\0' ? NULL : name + (name[1] == '=' ? 2 : 1);
        if (option != NULL && option->takes == CLI_NOTHING && attached != NULL)
            option = NULL;
    }
    if (option == NULL)
        return unknown(out, word, note);
    return take(out, option, attached, words, note);
}

static int check_required(const struct cli_options *options, struct err_note *note)
{
    for (size_t i = 0; i < options->spec->option_count; i++) {
        const struct cli_option *o = &options->spec->options[i];
        if (o->is_required && !cli_has(options, o->name))
            return err_note(note, -ERR_INVALID_ARGUMENT, "argument %s is required", naming(o).text);
    }
    return 0;
}

int cli_options_parse(const struct cli_spec *spec, int argc, char **argv, struct cli_options *out,
                      struct err_note *note)
{
    *out = (struct cli_options){ .spec = spec };
    struct words words = { .count = argc, .items = argv, .index = 1 };
    bool is_only_rest = false;
    while (has_more(&words)) {
        const char *word = words.items[words.index++];
        if (is_only_rest || !looks_like_option(word)) {
            VEC_ADD(&out->rest, word);
        } else if (strcmp(word, "--") == 0) {
            is_only_rest = true;
        } else {
            const int r = parse_word(out, word, &words, note);
            if (r < 0)
                return r;
        }
    }
    if (out->late_option != NULL && !spec->is_lenient)
        return err_note(note, -ERR_INVALID_ARGUMENT, "%s", out->late.text);
    return check_required(out, note);
}

void cli_options_deinit(struct cli_options *options)
{
    VEC_DEINIT(&options->given);
    VEC_DEINIT(&options->rest);
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

int cli_check_exclusive(const struct cli_options *options, const char *const *names, size_t count,
                        struct err_note *note)
{
    const struct cli_option *first = NULL;
    for (size_t i = 0; i < options->given.count; i++) {
        const struct cli_option *o = options->given.items[i].option;
        if (!is_among(o->name, names, count) || o == first)
            continue;
        if (first != NULL)
            return err_note(note, -ERR_INVALID_ARGUMENT,
                            "argument %s: not allowed with argument %s", naming(o).text,
                            naming(first).text);
        first = o;
    }
    return 0;
}

const char *cli_late(const struct cli_options *options)
{
    return options->late_option == NULL ? NULL : options->late.text;
}

bool cli_is_late(const struct cli_options *options, const char *name)
{
    return options->late_option != NULL && strcmp(options->late_option->name, name) == 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

size_t cli_count(const struct cli_options *options, const char *name)
{
    ASSERT(find(options->spec, name, strlen(name)) != NULL);
    size_t count = 0;
    for (size_t i = 0; i < options->given.count; i++)
        count += strcmp(options->given.items[i].option->name, name) == 0;
    return count;
}

bool cli_has(const struct cli_options *options, const char *name)
{
    return cli_count(options, name) > 0;
}

const char *cli_text_at(const struct cli_options *options, const char *name, size_t index)
{
    for (size_t i = 0; i < options->given.count; i++) {
        if (strcmp(options->given.items[i].option->name, name) == 0 && index-- == 0)
            return options->given.items[i].value;
    }
    return NULL;
}

const char *cli_text(const struct cli_options *options, const char *name, const char *otherwise)
{
    const size_t count = cli_count(options, name);
    const char *value = count == 0 ? NULL : cli_text_at(options, name, count - 1);
    return value == NULL ? otherwise : value;
}

int64_t cli_number(const struct cli_options *options, const char *name, int64_t otherwise)
{
    const char *text = cli_text(options, name, NULL);
    int64_t number = otherwise;
    if (text != NULL && bytes_to_i64(bytes_from_text(text), &number) < 0)
        return otherwise; /* cannot be: it was checked when it was parsed */
    return number;
}

double cli_double(const struct cli_options *options, const char *name, double otherwise)
{
    const char *text = cli_text(options, name, NULL);
    return text == NULL ? otherwise : strtod(text, NULL);
}

/* ---- help ------------------------------------------------------------------------------------ */

static void print(const struct cli_context *context, bool is_error, const struct buf *buf)
{
    context->write(context->context, is_error, buf_view(buf));
}

/* Words wrapped at HELP_WIDTH, each line begun at HELP_COLUMN. */
static void put_words(struct buf *out, const char *words, size_t column)
{
    while (*words != '\0') {
        const size_t size = strcspn(words, " ");
        if (column > HELP_COLUMN && column + 1 + size > HELP_WIDTH) {
            buf_printf(out, "\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            buf_put_text(out, " ");
            column++;
        }
        buf_put(out, words, size);
        column += size;
        words += size;
        words += strspn(words, " ");
    }
    buf_put_text(out, "\n");
}

static void put_option(struct buf *out, const struct cli_spec *spec, const struct cli_option *o)
{
    const size_t start = out->size;
    if (o->letter != 0)
        buf_printf(out, "-%c, ", o->letter);
    buf_printf(out, "--%s", o->name);
    if (o->takes != CLI_NOTHING) {
        const char *open = o->takes == CLI_VALUE_OR_NOTHING ? "[" : "<";
        const char *close = o->takes == CLI_VALUE_OR_NOTHING ? "]" : ">";
        if (spec->dialect == CLI_ARGPARSE)
            buf_printf(out, " %s%s", o->value_words, o->takes == CLI_VALUES ? " ..." : "");
        else if (o->value_words == NULL)
            buf_printf(out, " %s%s%s", open, type_name(o->type), close);
        else
            buf_printf(out, " %s%s: %s%s", open, type_name(o->type), o->value_words, close);
    }
    size_t column = out->size - start;
    if (column + 2 > HELP_COLUMN) {
        buf_put_text(out, "\n");
        column = 0;
    }
    buf_printf(out, "%*s", (int)(HELP_COLUMN - column), "");
    put_words(out, o->words, HELP_COLUMN);
}

void cli_help(const struct cli_context *context, bool is_error, const struct cli_spec *spec)
{
    struct buf out;
    buf_init(&out, SIZE_MAX);
    if (spec->dialect == CLI_JOPT)
        buf_printf(&out, "%-*s%s\n%-*s%s\n", HELP_COLUMN, "Option", "Description", HELP_COLUMN,
                   "------", "-----------");
    for (size_t i = 0; i < spec->option_count; i++)
        put_option(&out, spec, &spec->options[i]);
    print(context, is_error, &out);
    buf_deinit(&out);
}

/* "[--config CONFIG]", as argparse tells of an option. */
static struct bytes synopsis_of(const struct cli_option *o, struct buf *out)
{
    buf_clear(out);
    buf_put_text(out, o->is_required ? "" : "[");
    if (strcmp(o->name, "help") == 0)
        buf_put_text(out, "-h");
    else
        buf_printf(out, "--%s", o->name);
    if (o->takes != CLI_NOTHING)
        buf_printf(out, " %s%s", o->value_words, o->takes == CLI_VALUES ? " ..." : "");
    buf_put_text(out, o->is_required ? "" : "]");
    return buf_view(out);
}

void cli_synopsis(const struct cli_context *context, bool is_error, const char *program,
                  const struct cli_spec *spec)
{
    struct buf out;
    struct buf one;
    buf_init(&out, SIZE_MAX);
    buf_init(&one, SIZE_MAX);
    buf_printf(&out, "usage: %s", program);
    const size_t indent = out.size;
    size_t column = indent;
    for (size_t i = 0; i < spec->option_count; i++) {
        const struct bytes text = synopsis_of(&spec->options[i], &one);
        if (column + 1 + text.size > HELP_WIDTH) {
            buf_printf(&out, "\n%*s", (int)indent, "");
            column = indent;
        }
        buf_put_text(&out, " ");
        buf_put_bytes(&out, text);
        column += 1 + text.size;
    }
    buf_put_text(&out, "\n");
    print(context, is_error, &out);
    buf_deinit(&one);
    buf_deinit(&out);
}

int cli_usage(const struct cli_context *context, const struct cli_spec *spec, const char *format,
              ...)
{
    struct err_note note;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(note.text, sizeof(note.text), format, args);
    va_end(args);
    cli_err(context, "%s\n", note.text);
    cli_help(context, true, spec);
    return 1;
}

int cli_begin(const struct cli_context *context, const struct cli_spec *spec, int argc, char **argv,
              struct cli_options *out)
{
    struct err_note note = { 0 };
    const int r = cli_options_parse(spec, argc, argv, out, &note);
    if (argc == 1)
        return cli_usage(context, spec, "%s", spec->words);
    if (r < 0) {
        cli_err(context, "%s\n", note.text);
        return 1;
    }
    if (cli_has(out, "help"))
        return cli_usage(context, spec, "%s", spec->words);
    if (cli_has(out, "version")) {
        cli_out(context, "%s\n", CLI_KAFKA_VERSION);
        return 0;
    }
    return -1;
}
