/* kafka-storage version-mapping and feature-dependencies: the levels of features, and what they need. */
#include "cli/storage.h"
#include "metadata/feature.h"

#include <string.h>

int storage_feature_parse(const char *text, struct metadata_bootstrap_feature *out,
                          struct err_note *note)
{
    const char *equals = strchr(text, '=');
    int64_t level;
    if (equals == NULL)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Can't parse feature=level string %s: equals sign not found.", text);
    if (bytes_to_i64(bytes_trim(bytes_from_text(equals + 1)), &level) < 0 || level < INT16_MIN ||
        level > INT16_MAX)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "Can't parse feature=level string %s: unable to parse %s as a short.", text,
                        equals + 1);
    out->name = bytes_trim(bytes_from(text, (size_t)(equals - text)));
    out->level = (int16_t)level;
    return 0;
}

int storage_version_mapping(const struct cli_context *context, const struct cli_options *options)
{
    static const char *const order[] = { FEATURE_KRAFT_VERSION, FEATURE_TRANSACTION_VERSION,
                                         FEATURE_GROUP_VERSION, FEATURE_ELR_VERSION,
                                         FEATURE_SHARE_VERSION, FEATURE_STREAMS_VERSION };
    const char *release =
        cli_text(options, "release-version", metadata_level_name(METADATA_LEVEL_MAX));
    struct err_note note = { 0 };
    int16_t level;
    if (metadata_level_from_text(bytes_from_text(release), &level, &note) < 0) {
        cli_err(context, "%s\n", note.text);
        return 1;
    }
    cli_out(context, "metadata.version=%d (%s)\n", level, release);
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        cli_out(context, "%s=%d\n", order[i],
                feature_initial_level(feature_find(bytes_from_text(order[i])), level));
    return 0;
}

static int print_dependencies(const struct cli_context *context, const char *text)
{
    struct metadata_bootstrap_feature wanted;
    struct err_note note = { 0 };
    if (storage_feature_parse(text, &wanted, &note) < 0) {
        cli_err(context, "%s\n", note.text);
        return 1;
    }
    const struct feature *feature = feature_find(wanted.name);
    if (feature == NULL) {
        cli_err(context, "Unknown feature: %.*s\n", BYTES_PRINTF(wanted.name));
        return 1;
    }
    if (wanted.level < feature->min || wanted.level > feature->max) {
        cli_err(context, "Feature level %d is not supported for feature %s\n", wanted.level,
                feature->name);
        return 1;
    }
    int16_t needs = METADATA_LEVEL_MIN;
    while (feature_check(feature, wanted.level, needs, &note) < 0 && needs < METADATA_LEVEL_MAX)
        needs++;
    const bool is_metadata = strcmp(feature->name, FEATURE_METADATA_VERSION) == 0;
    cli_out(context, "%s=%d", feature->name, wanted.level);
    if (is_metadata)
        cli_out(context, " (%s)", metadata_level_name(wanted.level));
    if (is_metadata || needs == METADATA_LEVEL_MIN)
        cli_out(context, " has no dependencies.\n");
    else
        cli_out(context, " requires:\n    metadata.version=%d (%s)\n", needs,
                metadata_level_name(needs));
    return 0;
}

int storage_feature_dependencies(const struct cli_context *context,
                                 const struct cli_options *options)
{
    int exit_code = 0;
    for (size_t i = 0; exit_code == 0 && i < cli_count(options, "feature"); i++)
        exit_code = print_dependencies(context, cli_text_at(options, "feature", i));
    return exit_code;
}
