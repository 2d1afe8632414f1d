/* Lines for the operator. See diag.h. */
#include "base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Text of strangers ends up in these lines: it may not begin a new one, nor move a terminal's cursor. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

void diag_print(const struct diag *diag, enum diag_level level, const char *part,
                const char *format, ...)
{
    if (diag == NULL || level < diag->level_min)
        return;
    char text[DIAG_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    const int length = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ASSERT(length >= 0);
    if ((size_t)length >= sizeof(text))
        memcpy(text + sizeof(text) - sizeof("..."), "...", sizeof("..."));
    make_printable(text);
    diag->line(diag->context, level, part, text);
}

const char *diag_level_name(enum diag_level level)
{
    static const char *const names[] = { "DEBUG", "INFO", "WARN", "ERROR" };
    ASSERT((size_t)level < ARRAY_LEN(names));
    return names[level];
}
