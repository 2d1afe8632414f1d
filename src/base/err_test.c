/* Failures and what is said of them; lines for the operator. */
#include "base/diag.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

TEST(err_name, is_known_for_every_code_of_ours)
{
    EXPECT_EQ(ERR_OVERRUN, 5000);
    for (int code = ERR_FIRST_ + 1; code < ERR_END_; code++) {
        EXPECT(strncmp(err_name(-code), "ERR_", 4) == 0);
        EXPECT(strlen(err_sentence(-code)) > 5);
        EXPECT(err_sentence(-code)[strlen(err_sentence(-code)) - 1] != '.');
    }
    EXPECT_TEXT(err_name(-ERR_CORRUPT), "ERR_CORRUPT");
}

TEST(err_name, leaves_the_kernels_codes_as_they_are)
{
    EXPECT_TEXT(err_name(-ENOSPC), "ENOSPC");
    EXPECT_TEXT(err_sentence(-ENOENT), "No such file or directory");
    EXPECT(err_is_shortage(-EMFILE));
    EXPECT(err_is_shortage(-ENOSPC));
    EXPECT(!err_is_shortage(-EIO));
    EXPECT(!err_is_shortage(-ERR_LOCKED));
    EXPECT(!err_is_shortage(0));
}

/* Around every border, and at both ends of int: some text, never NULL. */
TEST(err_name, answers_something_for_every_number)
{
    static const int codes[] = { 1,     INT32_MAX,  0,     -4094,     -4095,         -4096,
                                 -4999, -4998,      -5000, -ERR_END_, -ERR_END_ - 1, INT32_MIN,
                                 -1000, ERR_CORRUPT };
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        EXPECT(err_name(codes[i]) != NULL);
        EXPECT(err_sentence(codes[i]) != NULL);
    }
    EXPECT_TEXT(err_name(0), "success");
    EXPECT_TEXT(err_name(5), "success");
    EXPECT_TEXT(err_name(-4095), "unknown error code");
    EXPECT_TEXT(err_name(-ERR_END_), "unknown error code");
}

TEST(err_note, answers_the_code_and_is_cut_where_full)
{
    EXPECT_EQ(err_note(NULL, -5, "%s", "nobody listens"), -5);
    EXPECT_EQ(err_note_prefix(NULL, -5, "%s", "nobody listens"), -5);
    struct err_note note;
    EXPECT_EQ(err_note(&note, -7, "segment %d", 9), -7);
    EXPECT_TEXT(note.text, "segment 9");
    EXPECT_EQ(err_note_prefix(&note, -8, "topic %s", "a"), -8);
    EXPECT_TEXT(note.text, "topic a: segment 9");
    note.text[0] = '\0';
    EXPECT_EQ(err_note_prefix(&note, -ERR_CORRUPT, "snapshot"), -ERR_CORRUPT);
    EXPECT(strncmp(note.text, "snapshot: ", 10) == 0);
    EXPECT_TEXT(note.text + 10, err_sentence(-ERR_CORRUPT));

    /* Every length around the room there is: always terminated, the front kept. */
    for (int length = 490; length < 530; length++) {
        (void)err_note(&note, -1, "%0*d", length, 1);
        EXPECT_EQ(strlen(note.text), MIN(length, (int)sizeof(note.text) - 1));
        (void)err_note_prefix(&note, -1, "ab");
        EXPECT_EQ(strlen(note.text), MIN(length + 4, (int)sizeof(note.text) - 1));
        EXPECT(strncmp(note.text, "ab: 000", 7) == 0);
        (void)err_note_prefix(&note, -1, "%0*d", length, 1);
        EXPECT(strlen(note.text) < sizeof(note.text));
    }
}

struct sink {
    int count;
    enum diag_level level;
    char part[32];
    char text[DIAG_TEXT_SIZE];
};

static void sink_line(void *context, enum diag_level level, const char *part, const char *text)
{
    struct sink *sink = context;
    sink->count++;
    sink->level = level;
    (void)snprintf(sink->part, sizeof(sink->part), "%s", part);
    (void)snprintf(sink->text, sizeof(sink->text), "%s", text);
}

TEST(diag_print, passes_lines_from_its_level_upward)
{
    struct sink sink = { 0 };
    struct diag diag = { .line = sink_line, .context = &sink, .level_min = DIAG_WARN };
    DIAG_INFO(&diag, "log", "not seen");
    EXPECT_EQ(sink.count, 0);
    DIAG_WARN(&diag, "log", "seen %d", 1);
    EXPECT_EQ(sink.count, 1);
    EXPECT_EQ(sink.level, DIAG_WARN);
    EXPECT_TEXT(sink.part, "log");
    EXPECT_TEXT(sink.text, "seen 1");
    DIAG_ERROR(&diag, "raft", "%s", "worse");
    EXPECT_EQ(sink.count, 2);
    EXPECT_TEXT(diag_level_name(sink.level), "ERROR");
    DIAG_ERROR(NULL, "raft", "%s", "nobody listens");
}

/* A peer's text must not forge a line of its own, and a long one ends visibly. */
TEST(diag_print, makes_one_printable_line_of_bounded_size)
{
    struct sink sink = { 0 };
    struct diag diag = { .line = sink_line, .context = &sink, .level_min = DIAG_DEBUG };
    DIAG_INFO(&diag, "net", "%s", "a\n[2026] ERROR forged\x1b[2J\x7f caf\xc3\xa9");
    EXPECT_TEXT(sink.text, "a?[2026] ERROR forged?[2J? caf\xc3\xa9");
    for (int length = DIAG_TEXT_SIZE - 3; length < DIAG_TEXT_SIZE + 3; length++) {
        DIAG_INFO(&diag, "net", "%0*d", length, 1);
        const bool cut = length >= DIAG_TEXT_SIZE;
        EXPECT_EQ(strlen(sink.text), cut ? DIAG_TEXT_SIZE - 1 : length);
        EXPECT_TEXT(sink.text + strlen(sink.text) - 3, cut ? "..." : "001");
    }
}
