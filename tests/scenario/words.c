/* See words.h. */
#include "words.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is wrong ------------------------------------------------------------------------------------- */

void command_wrong(struct command *command, const char *word, const char *why)
{
    if (*command->wrong == '\0')
        (void)snprintf(command->wrong, sizeof(command->wrong), "\"%s\" %s", word, why);
}

int command_check(struct command *command, struct err_note *note)
{
    for (int i = 1; i < command->count; i++) {
        if (!command->is_read[i])
            command_wrong(command, command->words[i], "says nothing to this command");
    }
    command->count = 0;
    return *command->wrong == '\0' ? 0
                                   : err_note(note, -ERR_INVALID_ARGUMENT, "%s", command->wrong);
}

/* ---- words ------------------------------------------------------------------------------------------------ */

static bool is_option(const char *word)
{
    return strchr(word, '=') != NULL;
}

const char *command_word_or(struct command *command, int index, const char *otherwise)
{
    if (index >= command->count || is_option(command->words[index]))
        return otherwise;
    command->is_read[index] = true;
    return command->words[index];
}

const char *command_word(struct command *command, int index)
{
    const char *word = command_word_or(command, index, NULL);
    if (word == NULL)
        command_wrong(command, command->words[0], "lacks a word");
    return word == NULL ? "" : word;
}

const char *command_option(struct command *command, const char *name, const char *otherwise)
{
    const size_t size = strlen(name);
    for (int i = 1; i < command->count; i++) {
        if (strncmp(command->words[i], name, size) != 0 || command->words[i][size] != '=')
            continue;
        command->is_read[i] = true;
        return command->words[i] + size + 1;
    }
    return otherwise;
}

int64_t number(struct command *command, const char *text)
{
    int64_t value = 0;
    if (text == NULL)
        command_wrong(command, command->words[0], "lacks a number");
    else if (bytes_to_i64(bytes_from_text(text), &value) < 0)
        command_wrong(command, text, "is no number");
    return value;
}

int64_t command_number(struct command *command, const char *name, int64_t otherwise)
{
    const char *text = command_option(command, name, NULL);
    return text == NULL ? otherwise : number(command, text);
}

bool command_has(struct command *command, const char *word)
{
    for (int i = 1; i < command->count; i++) {
        if (strcmp(command->words[i], word) != 0)
            continue;
        command->is_read[i] = true;
        return true;
    }
    return false;
}

bool command_either(struct command *command, const char *yes, const char *no)
{
    const bool says_yes = command_has(command, yes);
    if (says_yes == command_has(command, no))
        command_wrong(command, command->words[0], says_yes ? "says both" : "lacks a word");
    return says_yes;
}

enum kafka_error command_error(struct command *command, const char *name)
{
    for (int16_t code = -1; code < 200; code++) {
        if (strcmp(kafka_error_name(code), name) == 0)
            return (enum kafka_error)code;
    }
    command_wrong(command, name, "is no error");
    return KAFKA_UNKNOWN_SERVER_ERROR;
}

/* ---- parts of words ---------------------------------------------------------------------------------------- */

char *cut_at(struct command *command, char *text, char separator)
{
    char *at = strrchr(text, separator);
    if (at == NULL) {
        command_wrong(command, text, separator == '-' ? "is no partition" : "lacks a colon");
        return text + strlen(text);
    }
    *at = '\0';
    return at + 1;
}

void put_hex(struct command *command, const char *text, struct buf *out)
{
    size_t i = 0;
    while (isxdigit((unsigned char)text[i]) && isxdigit((unsigned char)text[i + 1])) {
        const char digits[3] = { text[i], text[i + 1], '\0' };
        buf_put_u8(out, (uint8_t)strtol(digits, NULL, 16));
        i += 2;
    }
    if (text[i] != '\0')
        command_wrong(command, text, "is not hexadecimal");
}

char **split(struct arena *arena, const char *text, char separator, int32_t *out_count)
{
    *out_count = 0;
    char **items = ARENA_NEW_ARRAY(arena, char *, text == NULL ? 1 : strlen(text) + 1);
    if (text == NULL || *text == '\0')
        return items;
    char *at = arena_printf(arena, "%s", text);
    for (char *end; (end = strchr(at, separator)) != NULL; at = end + 1) {
        *end = '\0';
        items[(*out_count)++] = at;
    }
    items[(*out_count)++] = at;
    return items;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

static void add_word(struct command *command, char *word)
{
    if (command->count == WORDS_MAX)
        command_wrong(command, word, "is one word too many");
    else
        command->words[command->count++] = word;
}

void command_parse(struct arena *arena, struct bytes line, struct command *out)
{
    *out = (struct command){ .label = arena_printf(arena, "%s", "") };
    int32_t count;
    char **words = split(arena, arena_printf(arena, "%.*s", BYTES_PRINTF(line)), ' ', &count);
    for (int32_t i = 0; i < count; i++) {
        const size_t size = strlen(words[i]);
        if (i == 0 && size > 0 && words[i][size - 1] == ':') {
            words[i][size - 1] = '\0';
            out->label = words[i];
        } else if (size > 0) {
            add_word(out, words[i]);
        }
    }
}
