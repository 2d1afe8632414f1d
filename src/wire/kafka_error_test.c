/* The table of the protocol's outcomes. */
#include "wire/kafka_error.h"

#include "base/test.h"

#include <ctype.h>
#include <string.h>

TEST(kafka_error, has_a_name_and_a_sentence_for_every_code)
{
    for (int16_t code = -1; code <= 133; code++) {
        const char *sentence = kafka_error_sentence(code);
        const size_t length = strlen(sentence);
        EXPECT(length > 8 && sentence[length - 1] == '.');
        EXPECT(isupper((unsigned char)sentence[0]) || strncmp(sentence, "acks", 4) == 0);
        EXPECT(code == -1 || strcmp(kafka_error_name(code), "UNKNOWN_SERVER_ERROR") != 0);
    }
    EXPECT_TEXT(kafka_error_name(KAFKA_NOT_LEADER_OR_FOLLOWER), "NOT_LEADER_OR_FOLLOWER");
    EXPECT(kafka_error_is_retriable(KAFKA_NOT_LEADER_OR_FOLLOWER));
    EXPECT(!kafka_error_is_retriable(KAFKA_NONE));
}

TEST(kafka_error, treats_numbers_without_a_name_as_unknown)
{
    EXPECT_TEXT(kafka_error_name(INT16_MIN), "UNKNOWN_SERVER_ERROR");
    EXPECT_TEXT(kafka_error_name(INT16_MAX), "UNKNOWN_SERVER_ERROR");
    EXPECT_TEXT(kafka_error_sentence(134), kafka_error_sentence(-1));
    EXPECT(!kafka_error_is_retriable(134));
}
