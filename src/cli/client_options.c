/* See client_options.h. */
#include "cli/client_options.h"

#include <string.h>

void cli_settings_put(struct cli_settings *settings, const char *name, const char *value)
{
    VEC_ADD(&settings->list, mem_printf("%s=%s", name, value));
}

void cli_settings_put_options(struct cli_settings *settings, const struct cli_options *options,
                              const char *option)
{
    for (size_t i = 0; i < cli_count(options, option); i++) {
        const char *text = cli_text_at(options, option, i);
        if (text[0] != '=') /* nothing has no name */
            VEC_ADD(&settings->list,
                    mem_printf("%s%s", text, strchr(text, '=') == NULL ? "=" : ""));
    }
}

const char *cli_settings_get(const struct cli_settings *settings, const char *name)
{
    const size_t size = strlen(name);
    for (size_t i = settings->list.count; i-- > 0;) {
        const char *text = settings->list.items[i];
        if (strncmp(text, name, size) == 0 && text[size] == '=')
            return text + size + 1;
    }
    return NULL;
}

void cli_settings_deinit(struct cli_settings *settings)
{
    for (size_t i = 0; i < settings->list.count; i++)
        mem_free(settings->list.items[i]);
    VEC_DEINIT(&settings->list);
}

int cli_settings_load(const struct cli_settings *settings, const struct cli_context *context,
                      enum setting_kind kind, const char *bootstrap, const char *config_path,
                      struct config **out)
{
    const struct cli_properties properties = {
        .bootstrap = bootstrap,
        .config_path = config_path,
        .properties = (const char *const *)settings->list.items,
        .property_count = settings->list.count,
    };
    return cli_client_config(context, kind, &properties, out);
}

int cli_read_properties(const struct cli_context *context, const char *path, struct properties *out)
{
    uint8_t *text;
    size_t size;
    struct err_note note = { 0 };
    if (path == NULL)
        return 0;
    int r = io_fs_read_whole(io_get_fs(context->io), path, PROPERTIES_TEXT_SIZE_MAX, &text, &size);
    if (r == 0) {
        r = properties_parse(out, bytes_from(text, size), &note);
        mem_free(text);
    }
    if (r < 0)
        cli_err(context, "%s cannot be read: %s\n", path,
                note.text[0] == '\0' ? err_sentence(r) : note.text);
    return r;
}

void cli_put_properties(const struct cli_options *options, const char *option,
                        struct properties *out)
{
    for (size_t i = 0; i < cli_count(options, option); i++) {
        const char *text = cli_text_at(options, option, i);
        const size_t size = strcspn(text, "=");
        properties_put(out, bytes_from(text, size),
                       bytes_from_text(text[size] == '=' ? text + size + 1 : ""), 0);
    }
}

int cli_check_renamed(const struct cli_context *context, const struct cli_spec *spec,
                      const struct cli_options *options, const struct cli_renamed *pairs,
                      size_t count, bool names_new_first)
{
    for (size_t i = 0; i < count; i++) {
        if (cli_has(options, pairs[i].old) && cli_has(options, pairs[i].now))
            return cli_usage(context, spec, "Options --%s and --%s cannot be specified together.",
                             names_new_first ? pairs[i].now : pairs[i].old,
                             names_new_first ? pairs[i].old : pairs[i].now);
    }
    return -1;
}
