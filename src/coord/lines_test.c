/* What the operator is told stays short, whoever chose the names in it. */
#include "base/test.h"
#include "coord/lines.h"

#include <string.h>

TEST(coord_quoted, escapes_and_cuts_what_clients_chose)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    EXPECT_TEXT(coord_quoted(&arena, BYTES_NULL), "\"\"");
    EXPECT_TEXT(coord_quoted(&arena, BYTES_LITERAL("a\"b\n\x1b[2J\xff")),
                "\"a\\\"b\\n\\u001b[2J\xef\xbf\xbd\"");
    arena_deinit(&arena);
}

/* For every length about the bound, with a character of three bytes at the place of the cut. */
TEST(coord_quoted, cuts_between_characters)
{
    struct arena arena;
    arena_init(&arena, SIZE_MAX);
    for (size_t before = COORD_QUOTE_BYTES_MAX - 4; before <= COORD_QUOTE_BYTES_MAX + 1; before++) {
        char text[COORD_QUOTE_BYTES_MAX + 10];
        memset(text, 'x', before);
        memcpy(text + before, "\xe2\x82\xac", 3);
        const char *quoted = coord_quoted(&arena, bytes_from(text, before + 3));
        const bool is_cut = before + 3 > COORD_QUOTE_BYTES_MAX;
        const size_t kept = is_cut ? MIN(before, (size_t)COORD_QUOTE_BYTES_MAX) : before + 3;
        EXPECT_EQ(strlen(quoted), 2 + kept + (is_cut ? 3 : 0));
        EXPECT_TEXT(quoted + 1 + kept, is_cut ? "...\"" : "\"");
        EXPECT_EQ(memcmp(quoted + 1, text, kept), 0);
    }
    arena_deinit(&arena);
}

/* A step that has much to tell tells some of it and how much more there is; each kind is counted for itself. */
TEST(coord_lines, are_bounded_by_kind)
{
    struct arena arena;
    struct coord_lines lines = { 0 };
    arena_init(&arena, SIZE_MAX);
    for (unsigned i = 0; i < COORD_LINES_MAX + 5; i++)
        coord_lines_add(&lines, &arena, COORD_LINE_INFO, "line %u", i);
    coord_lines_add(&lines, &arena, COORD_LINE_WARN, "it matters");
    coord_lines_add(&lines, &arena, COORD_LINE_MEMBER, "so does that");
    coord_lines_end(&lines, &arena);
    ASSERT(lines.items.count == COORD_LINES_MAX + 3);
    EXPECT_TEXT(lines.items.items[COORD_LINES_MAX - 1].text, "line 9");
    EXPECT_TEXT(lines.items.items[COORD_LINES_MAX].text, "it matters");
    EXPECT_EQ(lines.items.items[COORD_LINES_MAX].level, DIAG_WARN);
    EXPECT_TEXT(lines.items.items[COORD_LINES_MAX + 1].text, "so does that");
    EXPECT_EQ(lines.items.items[COORD_LINES_MAX + 1].level, DIAG_INFO);
    EXPECT_TEXT(lines.items.items[COORD_LINES_MAX + 2].text, "and 5 more that happened at once");
    EXPECT_EQ(lines.items.items[COORD_LINES_MAX + 2].level, DIAG_INFO);
    coord_lines_clear(&lines);
    coord_lines_end(&lines, &arena);
    EXPECT_EQ(lines.items.count, 0);
    coord_lines_deinit(&lines);
    arena_deinit(&arena);
}

/* For every number of lines before the mark and after it, beyond the bound too. */
TEST(coord_lines, forget_what_did_not_come_to_be)
{
    struct arena arena;
    struct coord_lines lines = { 0 };
    arena_init(&arena, SIZE_MAX);
    for (uint32_t before = 0; before < COORD_LINES_MAX + 3; before++) {
        for (uint32_t after = 0; after < COORD_LINES_MAX + 3; after++) {
            coord_lines_clear(&lines);
            for (uint32_t i = 0; i < before; i++)
                coord_lines_add(&lines, &arena, COORD_LINE_INFO, "before");
            const struct coord_lines_mark mark = coord_lines_mark(&lines);
            coord_lines_add(&lines, &arena, COORD_LINE_WARN, "why");
            for (uint32_t i = 0; i < after; i++)
                coord_lines_add(&lines, &arena, i % 2 == 0 ? COORD_LINE_INFO : COORD_LINE_MEMBER,
                                "after");
            coord_lines_forget(&lines, mark);
            EXPECT_EQ(lines.items.count, MIN(before, COORD_LINES_MAX) + 1);
            EXPECT_TEXT(lines.items.items[lines.items.count - 1].text, "why");
            EXPECT_EQ(lines.counts[COORD_LINE_INFO], before);
            EXPECT_EQ(lines.counts[COORD_LINE_MEMBER], 0);
            EXPECT_EQ(lines.counts[COORD_LINE_WARN], 1);
        }
        arena_reset(&arena);
    }
    coord_lines_deinit(&lines);
    arena_deinit(&arena);
}
