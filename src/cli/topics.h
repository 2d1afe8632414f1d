/* Between the files of kafka-topics. */
#pragma once

#include "cli/remote.h"

struct topics_run {
    const struct cli_context *context;
    const struct cli_options *options;
    struct cli_remote remote;
    struct arena arena;         /* of the whole run */
    struct cli_pattern *wanted; /* --topic as a pattern; NULL: all */
    struct uuid wanted_id;      /* --topic-id; zero: all */
    VEC(struct bytes) names;    /* what is there and wanted, sorted */
    struct err_note note;       /* why an action failed */
};

/* `--describe` of tool->names; 0, or negative with tool->note. */
MUST_CHECK int topics_describe(struct topics_run *tool);
