/* What a new cluster begins with. */
#include "metadata/bootstrap.h"

#include "wire/messages/feature_level_record.h"

#include <string.h>

static int check_chosen(int16_t metadata_level, const struct metadata_bootstrap_feature *chosen,
                        uint32_t chosen_count, struct err_note *note)
{
    for (uint32_t i = 0; i < chosen_count; i++) {
        const struct feature *feature = feature_find(chosen[i].name);
        if (feature == NULL || strcmp(feature->name, FEATURE_METADATA_VERSION) == 0) {
            return err_note(
                note, -ERR_INVALID_ARGUMENT,
                "Unsupported feature: %.*s. Supported features are: " FEATURE_ELR_VERSION
                ", " FEATURE_GROUP_VERSION ", " FEATURE_KRAFT_VERSION ", " FEATURE_SHARE_VERSION
                ", " FEATURE_STREAMS_VERSION ", " FEATURE_TRANSACTION_VERSION,
                BYTES_PRINTF(chosen[i].name));
        }
        const int r = feature_check(feature, chosen[i].level, metadata_level, note);
        if (r < 0)
            return r;
    }
    return 0;
}

static int16_t level_of(const struct feature *feature, int16_t metadata_level,
                        const struct metadata_bootstrap_feature *chosen, uint32_t chosen_count)
{
    int16_t level = feature_initial_level(feature, metadata_level);
    for (uint32_t i = 0; i < chosen_count; i++) {
        if (bytes_equal_text(chosen[i].name, feature->name))
            level = chosen[i].level;
    }
    return level;
}

static void put(struct arena *arena, struct metadata_record *records, uint32_t *count,
                const char *name, int16_t level)
{
    struct feature_level_record *record = ARENA_NEW(arena, struct feature_level_record);
    feature_level_record_init(record);
    record->name = bytes_from_text(name);
    record->feature_level = level;
    records[(*count)++] =
        (struct metadata_record){ .message = &feature_level_record_message, .value = record };
}

int metadata_bootstrap_records(int16_t metadata_level,
                               const struct metadata_bootstrap_feature *chosen,
                               uint32_t chosen_count, struct arena *arena,
                               struct metadata_record **out, uint32_t *out_count,
                               struct err_note *note)
{
    if (metadata_level_name(metadata_level) == NULL) {
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "metadata.version %d is not supported: this build supports %d to %d",
                        metadata_level, METADATA_LEVEL_MIN, METADATA_LEVEL_MAX);
    }
    const int r = check_chosen(metadata_level, chosen, chosen_count, note);
    if (r < 0)
        return r;

    uint32_t feature_count;
    const struct feature *all = features(&feature_count);
    struct metadata_record *records = ARENA_NEW_ARRAY(arena, struct metadata_record, feature_count);
    uint32_t count = 0;
    put(arena, records, &count, FEATURE_METADATA_VERSION, metadata_level);
    for (uint32_t i = 0; i < feature_count; i++) {
        if (strcmp(all[i].name, FEATURE_METADATA_VERSION) == 0 ||
            strcmp(all[i].name, FEATURE_KRAFT_VERSION) == 0)
            continue;
        const int16_t level = level_of(&all[i], metadata_level, chosen, chosen_count);
        if (level > 0)
            put(arena, records, &count, all[i].name, level);
    }
    *out = records;
    *out_count = count;
    return 0;
}
