/* The table of tools. */
#include "cli/cli_int.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct cli_tool *const tools[] = {
#define CLI_TOOL(name) &name##_tool,
#include "cli/cli_tools.def"
#undef CLI_TOOL
};

static bool is_called(const char *called, size_t called_size, const char *name)
{
    static const char prefix[] = "kafka-";
    const bool has_prefix = strncmp(name, prefix, sizeof(prefix) - 1) == 0;
    const char *without = has_prefix ? name + sizeof(prefix) - 1 : name;
    return (strlen(name) == called_size && memcmp(name, called, called_size) == 0) ||
           (strlen(without) == called_size && memcmp(without, called, called_size) == 0);
}

const struct cli_tool *cli_find(const char *name)
{
    size_t size = strlen(name);
    if (size > 3 && strcmp(name + size - 3, ".sh") == 0)
        size -= 3;
    for (size_t i = 0; i < ARRAY_LEN(tools); i++) {
        if (is_called(name, size, tools[i]->name))
            return tools[i];
    }
    return NULL;
}

const struct cli_tool *const *cli_tools(size_t *out_count)
{
    *out_count = ARRAY_LEN(tools);
    return tools;
}

__attribute__((format(printf, 3, 0))) static void
print(const struct cli_context *context, bool is_error, const char *format, va_list args)
{
    char small[512];
    va_list again;
    va_copy(again, args);
    const int size = vsnprintf(small, sizeof(small), format, args);
    ASSERT(size >= 0);
    if ((size_t)size < sizeof(small)) {
        context->write(context->context, is_error, bytes_from(small, (size_t)size));
    } else {
        char *large = mem_alloc((size_t)size + 1);
        (void)vsnprintf(large, (size_t)size + 1, format, again);
        context->write(context->context, is_error, bytes_from(large, (size_t)size));
        mem_free(large);
    }
    va_end(again);
}

void cli_out(const struct cli_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(context, false, format, args);
    va_end(args);
}

void cli_err(const struct cli_context *context, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(context, true, format, args);
    va_end(args);
}
