/* The table and its values, against what Apache Kafka has and makes of them. */
#include "config/setting.h"

#include "base/test.h"
#include "config/reference.h"
#include "config/setting_check.h"

#include <string.h>

TEST(setting_table, has_every_row_whole)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        EXPECT_EQ(setting->id, i);
        EXPECT(setting_find(setting->kind, bytes_from_text(setting->name)) == setting);
        const size_t size = strlen(setting->words);
        if (size < 20 || setting->words[size - 1] != '.')
            test_fail(__FILE__, __LINE__, "%s is not explained: '%s'", setting->name,
                      setting->words);
        if (setting->is_required) {
            EXPECT(setting->initial == NULL);
            continue;
        }
        const struct setting_value value =
            setting_value_initial(setting, &arena); /* stops if it is bad */
        if (setting->initial != NULL)
            EXPECT_TEXT(value.text, setting->initial);
        arena_reset(&arena);
    }
    arena_deinit(&arena);
}

TEST(setting_table, keeps_kinds_together)
{
    unsigned count = 0;
    for (unsigned kind = 0; kind < SETTING_KIND_COUNT; kind++) {
        const struct setting_range range = setting_range((enum setting_kind)kind);
        EXPECT(range.first < range.end);
        for (unsigned i = range.first; i < range.end; i++)
            EXPECT_EQ(setting_get((enum setting_id)i)->kind, kind);
        count += range.end - range.first;
    }
    EXPECT_EQ(count, SETTING_COUNT);
}

/* The reference: name, type, default, scope, importance of every setting of Apache Kafka. */
TEST(setting_table, agrees_with_kafka)
{
    static const char *const importances[] = { "HIGH", "MEDIUM", "LOW" };
    size_t size;
    char *text = reference_read("tests/data/config/settings.tsv", &size);
    char *rest = text;
    unsigned count = 0;
    for (char *line; (line = reference_line(&rest)) != NULL; count++) {
        char *field[7];
        EXPECT_EQ(reference_fields(line, field, ARRAY_LEN(field)), 7);
        const struct setting *setting = NULL;
        for (unsigned kind = 0; kind < SETTING_KIND_COUNT; kind++) {
            if (strcmp(setting_kind_name((enum setting_kind)kind), field[0]) == 0)
                setting = setting_find((enum setting_kind)kind, bytes_from_text(field[1]));
        }
        if (setting == NULL)
            test_fail(__FILE__, __LINE__, "no %s setting %s", field[0], field[1]);
        EXPECT_TEXT(setting_type_name(setting->type), field[2]);
        const char *initial = setting->is_required          ? "(required)"
                              : setting->initial == NULL    ? "(null)"
                              : setting->initial[0] == '\0' ? "(empty)"
                                                            : setting->initial;
        if (strcmp(initial, field[3]) != 0 ||
            strcmp(setting_scope_name(setting->scope), field[4]) != 0 ||
            strcmp(importances[setting->importance], field[5]) != 0 ||
            setting->is_internal != (strcmp(field[6], "internal") == 0))
            test_fail(__FILE__, __LINE__, "%s %s is not %s %s %s %s", field[0], field[1], field[3],
                      field[4], field[5], field[6]);
    }
    mem_free(text);
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        const struct setting *setting = setting_get((enum setting_id)i);
        EXPECT_EQ(setting->is_own, strncmp(setting->name, "ottla.", 6) == 0);
        count += setting->is_own;
    }
    EXPECT_EQ(count, SETTING_COUNT);
}

TEST(setting_value, is_what_kafka_makes_of_the_text)
{
    size_t size;
    char *text = reference_read("tests/data/config/values.tsv", &size);
    char *rest = text;
    unsigned count = 0;
    for (char *line; (line = reference_line(&rest)) != NULL; count++) {
        char *field[4];
        struct err_note note = { .text = "" };
        struct arena arena;
        struct setting_value value = { .text = NULL };
        EXPECT_EQ(reference_fields(line, field, ARRAY_LEN(field)), 4);
        const struct setting *setting = NULL;
        for (unsigned kind = 0; kind < SETTING_KIND_COUNT && setting == NULL; kind++) {
            if (strcmp(setting_kind_name((enum setting_kind)kind), field[0]) == 0)
                setting = setting_find((enum setting_kind)kind, bytes_from_text(field[1]));
        }
        EXPECT(setting != NULL);
        arena_init(&arena, 1 << 20);
        const int r =
            setting_value_parse(setting, bytes_from_text(field[2]), &arena, &value, &note);
        const bool is_same = field[3][0] == '='    ? r == 0 && strcmp(value.text, field[3] + 1) == 0
                             : field[3][1] == '\0' ? r == -ERR_INVALID_SETTING || r == -ERR_LIMIT
                                                   : r < 0 && strcmp(note.text, field[3] + 1) == 0;
        if (!is_same)
            test_fail(__FILE__, __LINE__, "%s '%s': %s, wanted %s", field[1], field[2],
                      r == 0 ? value.text : note.text, field[3]);
        arena_deinit(&arena);
    }
    mem_free(text);
    EXPECT(count > 200);
}

TEST(setting_value, never_shows_a_secret)
{
    struct arena arena;
    struct setting_value value;
    struct err_note note = { .text = "" };
    arena_init(&arena, 1 << 20);
    const char secret[] = "pass\0word";
    EXPECT_ERR(setting_value_parse(setting_get(SETTING_BROKER_SSL_KEY_PASSWORD),
                                   bytes_from(secret, sizeof(secret)), &arena, &value, &note),
               ERR_INVALID_SETTING);
    EXPECT_TEXT(
        note.text,
        "Invalid value [hidden] for configuration ssl.key.password: It holds a NUL character");
    arena_deinit(&arena);
}

TEST(setting_nearest, finds_what_was_meant)
{
    static const char *const rows[][2] = {
        { "log.dir s", "log.dirs" },
        { "num.partition", "num.partitions" },
        { "listner.security.protocol.map", "listener.security.protocol.map" },
        { "log.retention.hour", "log.retention.hours" },
        { "offests.topic.replication.factor", "offsets.topic.replication.factor" },
        { "log_dirs", "log.dirs" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct setting *nearest =
            setting_nearest(SETTING_KIND_BROKER, bytes_from_text(rows[i][0]));
        EXPECT(nearest != NULL);
        EXPECT_TEXT(nearest->name, rows[i][1]);
    }
    EXPECT(setting_nearest(SETTING_KIND_BROKER, BYTES_LITERAL("my.own.plugin.setting")) == NULL);
    EXPECT(setting_nearest(SETTING_KIND_BROKER, BYTES_LITERAL("")) == NULL);
}
