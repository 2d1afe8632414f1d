/* The words of a scenario's lines. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "wire/kafka_error.h"

#define WORDS_MAX 24

/* The words of a line. */
struct command {
    char *label; /* "" if none */
    char *words[WORDS_MAX];
    int count;
};

const char *command_option(const struct command *command, const char *name,
                           const char *otherwise); /* the value of name=… */
int64_t command_number(const struct command *command, const char *name, int64_t otherwise);
bool command_has(const struct command *command, const char *word);
int64_t number(const char *text); /* 0 for what is none */
void put_hex(const char *text, struct buf *out);
/* Splits "a,b" in the arena; NULL and "" give none. */
char **split(struct arena *arena, const char *text, char separator, int32_t *out_count);
/* UNKNOWN_SERVER_ERROR for what is none. */
enum kafka_error command_error(const char *name);

void command_parse(struct arena *arena, struct bytes line, struct command *out);
