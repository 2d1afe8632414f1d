/* What tools that talk to a cluster share: a client's settings from options and files, admin, warnings, waiting. */
#pragma once

#include "cli/options.h"

#include "client/admin.h"

struct cli_properties {
    const char *bootstrap;   /* --bootstrap-server */
    const char *config_path; /* --command-config; NULL: none */
    /* "name=value", later ones over earlier ones; borrowed until the call returns. */
    const char *const *properties;
    size_t property_count;
};

/* Lays them over each other: file, then properties, then the bootstrap servers. Problems are printed to standard error, as
 * errors; -ERR_INVALID_SETTING then. The config is the caller's (config_unref). */
MUST_CHECK int cli_client_config(const struct cli_context *context, enum setting_kind kind,
                                 const struct cli_properties *properties, struct config **out);

struct cli_remote {
    const struct cli_context *context;
    struct diag diag; /* warnings to standard error */
    struct client_loop loop;
    struct config *config;
    struct admin *admin;
    char last_warning[160]; /* not repeated */
};

/* Everything an administrative tool needs; the struct stays where it is until deinit. Prints what is wrong. */
MUST_CHECK int cli_remote_init(struct cli_remote *remote, const struct cli_context *context,
                               const struct cli_properties *properties);
void cli_remote_deinit(struct cli_remote *remote);
void cli_loop_init(struct cli_remote *remote, const struct cli_context *context);

/* A list of Java regular expressions as Kafka's tools take it ("a,b.*"): white space and quotes go, ',' is '|'. POSIX extended
 * expressions stand in for Java's; the whole name has to match. -ERR_INVALID_ARGUMENT with a note. */
struct cli_pattern;
MUST_CHECK int cli_pattern_new(const char *text, struct cli_pattern **out, struct err_note *note);
bool cli_pattern_matches(const struct cli_pattern *pattern, struct bytes name);
void cli_pattern_free(struct cli_pattern *pattern); /* NULL is fine */

/* An error message of an answer, or our sentence for its code where the answer has none. */
struct bytes cli_message(struct bytes message, int16_t error);
