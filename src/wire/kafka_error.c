/* Names and sentences of the protocol's outcomes, from kafka_errors.def. */
#include "wire/kafka_error.h"

struct kafka_error_row {
    const char *name;
    const char *sentence;
    bool is_retriable;
};

#define KAFKA_ERROR_CODE_MIN (-1)

/* By code + 1. */
static const struct kafka_error_row rows[] = {
#define KAFKA_ERROR(code, name, retriable, sentence)                                               \
    [(code)-KAFKA_ERROR_CODE_MIN] = { #name, sentence, retriable },
#include "wire/kafka_errors.def"
#undef KAFKA_ERROR
};

static const struct kafka_error_row *row_of(int16_t code)
{
    const int place = code - KAFKA_ERROR_CODE_MIN;
    if (place < 0 || place >= (int)ARRAY_LEN(rows) || rows[place].name == NULL)
        return &rows[KAFKA_UNKNOWN_SERVER_ERROR - KAFKA_ERROR_CODE_MIN];
    return &rows[place];
}

const char *kafka_error_name(int16_t code)
{
    return row_of(code)->name;
}

const char *kafka_error_sentence(int16_t code)
{
    return row_of(code)->sentence;
}

bool kafka_error_is_retriable(int16_t code)
{
    return row_of(code)->is_retriable;
}
