/* Between the files of kafka-storage. */
#pragma once

#include "base/arena.h"
#include "base/vec.h"
#include "cli/options.h"
#include "config/config.h"
#include "metadata/bootstrap.h"
#include "metadata/record.h"
#include "raft/voters.h"

/* ---- the node's configuration (storage_config.c) --------------------------------------------- */

/* Of a node's server.properties, owned; NULL when it cannot be read or holds a mistake, which is told. */
struct config *storage_load_config(const struct cli_context *context, const char *path);

/* The log directories, and the metadata directory where it is another one. Each once. */
struct storage_directories {
    VEC(const char *) list; /* borrowed from the config */
    const char *metadata;
};

void storage_directories_init(struct storage_directories *out, const struct config *config);

/* ---- the commands: each answers the exit code ------------------------------------------------ */

int storage_info(const struct cli_context *context, const struct cli_options *options);
int storage_format(const struct cli_context *context, const struct cli_options *options);
int storage_version_mapping(const struct cli_context *context, const struct cli_options *options);
int storage_feature_dependencies(const struct cli_context *context,
                                 const struct cli_options *options);

/* "name=level"; the name is that of the text. -ERR_INVALID_ARGUMENT with Kafka's words. */
MUST_CHECK int storage_feature_parse(const char *text, struct metadata_bootstrap_feature *out,
                                     struct err_note *note);

/* ---- what format is to do --------------------------------------------------------------------- */

#define STORAGE_BOOTSTRAP_BYTES_MAX (1u << 20)
#define STORAGE_CHOSEN_COUNT_MAX    16

struct storage_plan {
    const struct cli_context *context;
    const struct cli_options *options;
    struct config *config;
    struct storage_directories directories;
    int32_t node_id;
    int16_t metadata_level;
    struct metadata_bootstrap_feature chosen[STORAGE_CHOSEN_COUNT_MAX];
    uint32_t chosen_count;
    bool is_dynamic;    /* voters are told to this directory now */
    struct uuid own_id; /* of the metadata directory */
    struct raft_voters voters;
    struct arena arena;
    struct metadata_record *records;
    uint32_t record_count;
    VEC(const char *) unformatted;
};

/* Writes the directories that are not formatted, and tells of each (storage_write.c). Those that were begun when one fails
 * count as not formatted. */
MUST_CHECK int storage_write(struct storage_plan *f, struct err_note *note);
