/* Names and sentences of failures, and notes for people. See err.h. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define KERNEL_CODE_LAST 4095

struct err_row {
    const char *name;
    const char *sentence;
};

static const struct err_row rows[] = {
#define ERR(name, sentence) { "ERR_" #name, sentence },
#include "base/err.def"
#undef ERR
};

/* NULL where the code is not one of ours. */
static const struct err_row *row_of(int code)
{
    const int64_t index = -(int64_t)code - (ERR_FIRST_ + 1);
    return index < 0 || index >= (int64_t)ARRAY_LEN(rows) ? NULL : &rows[index];
}

static bool is_kernel_code(int code)
{
    return code < 0 && code >= -KERNEL_CODE_LAST;
}

const char *err_name(int code)
{
    const struct err_row *row = row_of(code);
    if (row != NULL)
        return row->name;
    if (code >= 0)
        return "success";
    const char *name = is_kernel_code(code) ? strerrorname_np(-code) : NULL;
    return name != NULL ? name : "unknown error code";
}

const char *err_sentence(int code)
{
    const struct err_row *row = row_of(code);
    if (row != NULL)
        return row->sentence;
    if (code >= 0)
        return "success";
    const char *sentence = is_kernel_code(code) ? strerrordesc_np(-code) : NULL;
    return sentence != NULL ? sentence : "unknown error code";
}

bool err_is_shortage(int code)
{
    return code == -ENOSPC || code == -EDQUOT || code == -EMFILE || code == -ENFILE ||
           code == -ENOMEM;
}

int err_note(struct err_note *note, int code, const char *format, ...)
{
    if (note != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(note->text, sizeof(note->text), format, args); /* cut where it is full */
        va_end(args);
    }
    return code;
}

int err_note_prefix(struct err_note *note, int code, const char *format, ...)
{
    if (note != NULL) {
        struct err_note old = *note;
        old.text[sizeof(old.text) - 1] = '\0';
        va_list args;
        va_start(args, format);
        (void)vsnprintf(note->text, sizeof(note->text), format, args); /* cut where it is full */
        va_end(args);
        const size_t used = strlen(note->text);
        (void)snprintf(note->text + used, sizeof(note->text) - used, ": %s",
                       old.text[0] == '\0' ? err_sentence(code) : old.text);
    }
    return code;
}
