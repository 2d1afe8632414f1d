/* The words of a scenario's lines. A word that cannot be read, or that its command does not read, is an error of the scenario:
 * it is noted, and command_check tells of the first. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/err.h"
#include "wire/kafka_error.h"

#define WORDS_MAX 24

/* The words of a line. */
struct command {
    char *label; /* "" if none */
    char *words[WORDS_MAX];
    bool is_read[WORDS_MAX];
    int count;
    char wrong[200]; /* the first thing that is; "" so far nothing */
};

void command_parse(struct arena *arena, struct bytes line, struct command *out);

void command_wrong(struct command *command, const char *word, const char *why);
/* When everything was read that is to be: -ERR_INVALID_ARGUMENT and a note if something is wrong. The command is spent. */
MUST_CHECK int command_check(struct command *command, struct err_note *note);

/* Words without "=", by their place; 0 is what is to be done. */
const char *command_word(struct command *command, int index); /* "" and wrong if there is none */
const char *command_word_or(struct command *command, int index, const char *otherwise);
const char *command_option(struct command *command, const char *name,
                           const char *otherwise); /* the value of name=… */
int64_t command_number(struct command *command, const char *name, int64_t otherwise);
bool command_has(struct command *command, const char *word);
bool command_either(struct command *command, const char *yes, const char *no); /* one of them */
enum kafka_error command_error(struct command *command, const char *name);
int64_t number(struct command *command, const char *text);
void put_hex(struct command *command, const char *text, struct buf *out);
/* Ends the text at the last separator, and gives what is behind it. */
char *cut_at(struct command *command, char *text, char separator);
/* Splits "a,b" in the arena; NULL and "" give none. */
char **split(struct arena *arena, const char *text, char separator, int32_t *out_count);
