/* See remote.h. */
#include "cli/remote.h"

#include "base/mem.h"
#include "config/config.h"
#include "wire/kafka_error.h"

#include <regex.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_FILE_BYTES_MAX (1u << 20)

/* ---- settings -------------------------------------------------------------------------------- */

static int read_file(const struct cli_context *context, const char *path, uint8_t **out,
                     size_t *out_size)
{
    if (path == NULL)
        return 0;
    const int r =
        io_fs_read_whole(io_get_fs(context->io), path, CONFIG_FILE_BYTES_MAX, out, out_size);
    if (r < 0)
        cli_err(context, "%s cannot be read: %s\n", path, err_sentence(r));
    return r;
}

static int add_property(const struct cli_context *context, const char *text,
                        struct config_override *out)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text) {
        cli_err(context, "Invalid property: %s\n", text);
        return -ERR_INVALID_SETTING;
    }
    out->name = bytes_from(text, (size_t)(equals - text));
    out->value = bytes_from_text(equals + 1);
    return 0;
}

/* That a value came from an option needs no saying here. */
static const char *without_place(const char *text)
{
    static const char place[] = "override: ";
    return strncmp(text, place, sizeof(place) - 1) == 0 ? text + sizeof(place) - 1 : text;
}

int cli_client_config(const struct cli_context *context, enum setting_kind kind,
                      const struct cli_properties *properties, struct config **out)
{
    uint8_t *text = NULL;
    size_t size = 0;
    int r = read_file(context, properties->config_path, &text, &size);
    const size_t count = properties->property_count + 1;
    struct config_override *overrides = MEM_NEW_ARRAY(struct config_override, count);
    size_t used = 0;
    for (size_t i = 0; r == 0 && i < properties->property_count; i++)
        r = add_property(context, properties->properties[i], &overrides[used++]);
    if (properties->bootstrap != NULL)
        overrides[used++] =
            (struct config_override){ .name = BYTES_LITERAL("bootstrap.servers"),
                                      .value = bytes_from_text(properties->bootstrap) };
    struct config_problems problems = { 0 };
    if (r == 0) {
        const struct config_overrides all = { .items = overrides, .count = used };
        const char *place = properties->config_path == NULL ? "override" : properties->config_path;
        r = config_load(kind, bytes_from(text, size), place, all, out, &problems);
    }
    for (size_t i = 0; i < problems.list.count; i++) {
        if (problems.list.items[i].severity == CONFIG_ERROR)
            cli_err(context, "%s\n", without_place(problems.list.items[i].text));
    }
    config_problems_deinit(&problems);
    mem_free(overrides);
    mem_free(text);
    return r;
}

/* ---- a remote cluster ------------------------------------------------------------------------ */

static void on_line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct cli_remote *remote = context;
    (void)part; /* of a tool there is one */
    if (level != DIAG_ERROR &&
        strncmp(remote->last_warning, text, sizeof(remote->last_warning) - 1) == 0)
        return;
    (void)snprintf(remote->last_warning, sizeof(remote->last_warning), "%s", text);
    const int64_t now_ms = io_now_ms(remote->context->io);
    char date[32];
    remote->context->local_time(remote->context->context, now_ms, date);
    cli_err(remote->context, "[%s,%03d] %s %s\n", date, (int)(now_ms % MS_PER_SECOND),
            diag_level_name(level), text);
}

static bool is_interrupted(void *context)
{
    const struct cli_context *cli = context;
    return cli->is_interrupted != NULL && cli->is_interrupted(cli->context);
}

void cli_loop_init(struct cli_remote *remote, const struct cli_context *context)
{
    *remote = (struct cli_remote){ .context = context };
    remote->diag = (struct diag){ .line = on_line, .context = remote, .level_min = DIAG_WARN };
    union {
        const struct cli_context *in;
        void *out;
    } cast = { .in = context };
    remote->loop = (struct client_loop){ .io = context->io,
                                         .turn = context->turn,
                                         .is_interrupted = is_interrupted,
                                         .context = cast.out };
}

int cli_remote_init(struct cli_remote *remote, const struct cli_context *context,
                    const struct cli_properties *properties)
{
    cli_loop_init(remote, context);
    int r = cli_client_config(context, SETTING_KIND_ADMIN, properties, &remote->config);
    if (r < 0)
        return r;
    struct err_note note = { 0 };
    r = admin_new(&remote->loop, remote->config, &remote->diag, &remote->admin, &note);
    if (r < 0)
        cli_err(context, "%s\n", note.text);
    return r;
}

void cli_remote_deinit(struct cli_remote *remote)
{
    admin_free(remote->admin);
    config_unref(remote->config);
    *remote = (struct cli_remote){ 0 };
}

struct bytes cli_message(struct bytes message, int16_t error)
{
    return message.size > 0 ? message : bytes_from_text(kafka_error_sentence(error));
}

/* ---- patterns -------------------------------------------------------------------------------- */

struct cli_pattern {
    regex_t regex;
};

/* Java's \d, \w, \s and \. are the ones that names are looked for with. */
static void put_pattern(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == ' ' || *text == '"' || *text == '\'')
            continue;
        if (*text == ',')
            buf_put_text(out, "|");
        else if (text[0] == '\\' && text[1] == 'd' && text++)
            buf_put_text(out, "[0-9]");
        else if (text[0] == '\\' && text[1] == 'w' && text++)
            buf_put_text(out, "[A-Za-z0-9_]");
        else
            buf_put(out, text, 1);
    }
}

int cli_pattern_new(const char *text, struct cli_pattern **out, struct err_note *note)
{
    struct buf expression;
    buf_init(&expression, SIZE_MAX);
    buf_put_text(&expression, "^(");
    put_pattern(&expression, text);
    buf_put(&expression, ")$", 3);
    struct cli_pattern *pattern = MEM_NEW(struct cli_pattern);
    const int r = regcomp(&pattern->regex, (const char *)expression.data, REG_EXTENDED | REG_NOSUB);
    buf_deinit(&expression);
    if (r == 0) {
        *out = pattern;
        return 0;
    }
    char why[128];
    (void)regerror(r, &pattern->regex, why, sizeof(why));
    mem_free(pattern);
    return err_note(note, -ERR_INVALID_ARGUMENT, "%s is an invalid regex: %s", text, why);
}

bool cli_pattern_matches(const struct cli_pattern *pattern, struct bytes name)
{
    char *text = bytes_to_text(name);
    const bool matches = regexec(&pattern->regex, text, 0, NULL, 0) == 0;
    mem_free(text);
    return matches;
}

void cli_pattern_free(struct cli_pattern *pattern)
{
    if (pattern == NULL)
        return;
    regfree(&pattern->regex);
    mem_free(pattern);
}
