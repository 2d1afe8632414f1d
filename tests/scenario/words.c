/* See words.h. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

const char *command_option(const struct command *command, const char *name, const char *otherwise)
{
    const size_t size = strlen(name);
    for (int i = 1; i < command->count; i++) {
        if (strncmp(command->words[i], name, size) == 0 && command->words[i][size] == '=')
            return command->words[i] + size + 1;
    }
    return otherwise;
}

int64_t number(const char *text)
{
    int64_t value;
    return bytes_to_i64(bytes_from_text(text), &value) == 0 ? value : 0;
}

int64_t command_number(const struct command *command, const char *name, int64_t otherwise)
{
    const char *text = command_option(command, name, NULL);
    return text == NULL ? otherwise : number(text);
}

bool command_has(const struct command *command, const char *word)
{
    for (int i = 1; i < command->count; i++) {
        if (strcmp(command->words[i], word) == 0)
            return true;
    }
    return false;
}

void put_hex(const char *text, struct buf *out)
{
    for (size_t i = 0; text[i] != '\0' && text[i + 1] != '\0'; i += 2) {
        const char digits[3] = { text[i], text[i + 1], '\0' };
        buf_put_u8(out, (uint8_t)strtol(digits, NULL, 16));
    }
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

void command_parse(struct arena *arena, struct bytes line, struct command *out)
{
    *out = (struct command){ .label = arena_printf(arena, "%s", "") };
    int32_t count;
    char **words = split(arena, arena_printf(arena, "%.*s", BYTES_PRINTF(line)), ' ', &count);
    for (int32_t i = 0; i < count && out->count < WORDS_MAX; i++) {
        const size_t size = strlen(words[i]);
        if (size == 0)
            continue;
        if (i == 0 && words[i][size - 1] == ':') {
            words[i][size - 1] = '\0';
            out->label = words[i];
        } else {
            out->words[out->count++] = words[i];
        }
    }
}

enum kafka_error command_error(const char *name)
{
    for (int16_t code = -1; code < 200; code++) {
        if (strcmp(kafka_error_name(code), name) == 0)
            return (enum kafka_error)code;
    }
    return KAFKA_UNKNOWN_SERVER_ERROR;
}
