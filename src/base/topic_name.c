/* Names of topics. See topic_name.h. */
#include "base/topic_name.h"

static bool is_legal_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
}

static bool has_illegal_character(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (!is_legal_character(name.data[i]))
            return true;
    }
    return false;
}

/* Kafka's sentences: around the name, or without it. */
bool topic_name_is_legal(struct bytes name, struct err_note *note)
{
    const char *before = "";
    const char *after = NULL;
    if (name.size == 0) {
        (void)err_note(note, 0, "Topic name is invalid: the empty string is not allowed");
        return false;
    }
    if (bytes_equal_text(name, ".") || bytes_equal_text(name, "..")) {
        after = " is not allowed";
    } else if (name.size > TOPIC_NAME_BYTES_MAX) {
        before = "the length of ";
        after = " is longer than the max allowed length 249";
    } else if (has_illegal_character(name)) {
        after = " contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'";
    }
    if (after != NULL)
        (void)err_note(note, 0, "Topic name is invalid: %s'%.*s'%s", before, BYTES_PRINTF(name),
                       after);
    return after == NULL;
}
