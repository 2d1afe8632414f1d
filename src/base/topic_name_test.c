/* Which names topics may have. */
#include "base/topic_name.h"

#include "base/test.h"

#include <string.h>

/* Every byte, alone and inside a name. */
TEST(topic_name_is_legal, takes_letters_digits_dots_underscores_and_dashes)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (int c = 0; c < 256; c++) {
        const bool is_legal = c != 0 && strchr(legal, c) != NULL;
        const uint8_t name[] = { 'a', (uint8_t)c, 'z' };
        EXPECT_EQ(topic_name_is_legal(bytes_from(name, 3), NULL), is_legal);
        EXPECT_EQ(topic_name_is_legal(bytes_from(name + 1, 1), NULL), is_legal && c != '.');
    }
}

TEST(topic_name_is_legal, takes_no_name_that_is_a_directory_of_its_own)
{
    EXPECT(!topic_name_is_legal(BYTES_LITERAL("."), NULL));
    EXPECT(!topic_name_is_legal(BYTES_LITERAL(".."), NULL));
    EXPECT(topic_name_is_legal(BYTES_LITERAL("..."), NULL));
    EXPECT(topic_name_is_legal(BYTES_LITERAL(".a"), NULL));
}

TEST(topic_name_is_legal, takes_up_to_249_bytes)
{
    char name[TOPIC_NAME_BYTES_MAX + 1];
    memset(name, 'n', sizeof(name));
    for (size_t size = 1; size <= TOPIC_NAME_BYTES_MAX; size++)
        EXPECT(topic_name_is_legal(bytes_from(name, size), NULL));
    EXPECT(!topic_name_is_legal(bytes_from(name, sizeof(name)), NULL));
    EXPECT_EQ(TOPIC_NAME_BYTES_MAX, 249);
}

/* As Apache Kafka 4.3.1 says it. */
TEST(topic_name_is_legal, says_why_not)
{
    static const struct {
        const char *name;
        const char *words;
    } rows[] = {
        { "", "Topic name is invalid: the empty string is not allowed" },
        { "..", "Topic name is invalid: '..' is not allowed" },
        { "a b", "Topic name is invalid: 'a b' contains one or more characters other than ASCII "
                 "alphanumerics, '.', '_' and '-'" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err_note note = { 0 };
        EXPECT(!topic_name_is_legal(bytes_from_text(rows[i].name), &note));
        EXPECT_TEXT(note.text, rows[i].words);
    }
}
