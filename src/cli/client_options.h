/* What the options of a tool say of its client: settings by name, and which options may not stand together. */
#pragma once

#include "cli/remote.h"

#include "config/properties.h"

/* "name=value", owned; later ones over earlier ones. */
struct cli_settings {
    VEC(char *) list;
};

void cli_settings_put(struct cli_settings *settings, const char *name, const char *value);
/* What each of an option's values says; "name" alone is "name=". */
void cli_settings_put_options(struct cli_settings *settings, const struct cli_options *options,
                              const char *option);
/* The value that is set last; NULL: none. Borrowed. */
const char *cli_settings_get(const struct cli_settings *settings, const char *name);
void cli_settings_deinit(struct cli_settings *settings);

/* Loads them over the file. Prints what is wrong. */
MUST_CHECK int cli_settings_load(const struct cli_settings *settings,
                                 const struct cli_context *context, enum setting_kind kind,
                                 const char *bootstrap, const char *config_path,
                                 struct config **out);

/* Adds what a .properties file says; a path of NULL says nothing. Prints what is wrong. */
MUST_CHECK int cli_read_properties(const struct cli_context *context, const char *path,
                                   struct properties *out);
/* Adds each of an option's values, "name=value". */
void cli_put_properties(const struct cli_options *options, const char *option,
                        struct properties *out);

/* An option's old name, and its name now. */
struct cli_renamed {
    const char *old;
    const char *now;
};
/* -1, or the exit code: of each pair only one may be given. The text names them in the order of the pair, or turned round. */
int cli_check_renamed(const struct cli_context *context, const struct cli_spec *spec,
                      const struct cli_options *options, const struct cli_renamed *pairs,
                      size_t count, bool names_new_first);
