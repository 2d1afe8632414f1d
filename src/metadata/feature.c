/* The table of features and of metadata versions. */
#include "metadata/feature.h"

#include "base/buf.h"

#include <stdio.h>
#include <string.h>

/* From which metadata.version a new cluster begins with a level above 0, and which one the level needs at least. */
struct feature_rule {
    int16_t initial_level;
    int16_t initial_from;
    int16_t needs_metadata_level;
};

static const struct feature feature_table[] = {
    { .name = FEATURE_ELR_VERSION, .min = 0, .max = 1 },
    { .name = FEATURE_GROUP_VERSION, .min = 0, .max = 1 },
    { .name = FEATURE_KRAFT_VERSION, .min = 0, .max = 1 },
    { .name = FEATURE_METADATA_VERSION, .min = METADATA_LEVEL_MIN, .max = METADATA_LEVEL_MAX },
    { .name = FEATURE_SHARE_VERSION, .min = 0, .max = 1 },
    { .name = FEATURE_STREAMS_VERSION, .min = 0, .max = 1 },
    { .name = FEATURE_TRANSACTION_VERSION, .min = 0, .max = 2 },
};

static const struct feature_rule rule_table[ARRAY_LEN(feature_table)] = {
    { .initial_level = 1, .initial_from = 26, .needs_metadata_level = METADATA_LEVEL_ELR },
    { .initial_level = 1, .initial_from = 22 },
    { .initial_level = 1, .initial_from = 21 },
    { .initial_level = 0, .initial_from = METADATA_LEVEL_MIN },
    { .initial_level = 1, .initial_from = 28 },
    { .initial_level = 1, .initial_from = 29 },
    { .initial_level = 2, .initial_from = 24 },
};

static const char *const level_names[] = {
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2",
    "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
    "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0",
};
_Static_assert(ARRAY_LEN(level_names) == METADATA_LEVEL_MAX - METADATA_LEVEL_MIN + 1,
               "every level has a name");

const struct feature *features(uint32_t *out_count)
{
    *out_count = ARRAY_LEN(feature_table);
    return feature_table;
}

const struct feature *feature_find(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_LEN(feature_table); i++) {
        if (bytes_equal_text(name, feature_table[i].name))
            return &feature_table[i];
    }
    return NULL;
}

int16_t feature_initial_level(const struct feature *feature, int16_t metadata_level)
{
    const struct feature_rule *rule = &rule_table[feature - feature_table];
    if (strcmp(feature->name, FEATURE_METADATA_VERSION) == 0)
        return metadata_level;
    return metadata_level >= rule->initial_from ? rule->initial_level : 0;
}

int feature_check(const struct feature *feature, int16_t level, int16_t metadata_level,
                  struct err_note *note)
{
    if (level < feature->min || level > feature->max) {
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "%s %d is not supported: this build supports %d to %d", feature->name,
                        level, feature->min, feature->max);
    }
    const int16_t needs = rule_table[feature - feature_table].needs_metadata_level;
    if (level > 0 && metadata_level < needs) {
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "%s could not be set to %d because it depends on metadata.version level %d",
                        feature->name, level, needs);
    }
    return 0;
}

const char *metadata_level_name(int16_t level)
{
    if (level < METADATA_LEVEL_MIN || level > METADATA_LEVEL_MAX)
        return NULL;
    return level_names[level - METADATA_LEVEL_MIN];
}

/* "4.3.1" is asked for as "4.3": a release has no levels of its own below its minor version. */
static struct bytes minor_release(struct bytes text)
{
    uint32_t dots = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '.' && ++dots == 2)
            return bytes_slice(text, 0, i);
    }
    return text;
}

int metadata_level_from_text(struct bytes text, int16_t *out, struct err_note *note)
{
    const struct bytes wanted = minor_release(text);
    for (size_t i = ARRAY_LEN(level_names); i-- > 0;) {
        const struct bytes name = bytes_from_text(level_names[i]);
        const bool is_release = name.size > wanted.size && name.data[wanted.size] == '-' &&
                                bytes_starts_with(name, wanted) && wanted.size > 0;
        if (is_release || bytes_equal(name, wanted)) {
            *out = (int16_t)(METADATA_LEVEL_MIN + i);
            return 0;
        }
    }
    struct buf all;
    buf_init(&all, SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        buf_printf(&all, "%s%s", i == 0 ? "" : ", ", level_names[i]);
    const int r = err_note(note, -ERR_INVALID_ARGUMENT,
                           "Unknown metadata.version '%.*s'. Supported metadata.version are: %.*s",
                           BYTES_PRINTF(bytes_slice(text, 0, MIN(text.size, (size_t)40))),
                           BYTES_PRINTF(buf_view(&all)));
    buf_deinit(&all);
    return r;
}

int16_t metadata_level(const struct metadata_image *image)
{
    const int16_t level = metadata_feature_level(image, bytes_from_text(FEATURE_METADATA_VERSION));
    return level == 0 ? METADATA_LEVEL_MIN : level;
}

int16_t metadata_register_broker_version(int16_t level)
{
    if (level >= METADATA_LEVEL_CORDONED)
        return 4;
    if (level >= METADATA_LEVEL_DIRECTORIES)
        return 3;
    return level >= METADATA_LEVEL_ZK_BROKERS ? 2 : 1;
}

int16_t metadata_partition_version(int16_t level)
{
    if (level >= METADATA_LEVEL_ELR)
        return 2;
    return level >= METADATA_LEVEL_DIRECTORIES ? 1 : 0;
}
