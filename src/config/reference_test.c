/* Reference tables for tests. See reference.h. */
#include "config/reference.h"

#include "base/test.h"

#include <stdio.h>
#include <string.h>

char *reference_read(const char *path, size_t *out_size)
{
    char *full = mem_printf("%s/%s", OTTLA_SOURCE_ROOT, path);
    FILE *file = fopen(full, "rb");
    if (file == NULL)
        test_fail(__FILE__, __LINE__, "%s: not found", full);
    mem_free(full);
    char *text = mem_alloc(1);
    size_t size = 0;
    for (size_t got = 1; got > 0;) {
        text = mem_realloc(text, size + 65536 + 1);
        got = fread(text + size, 1, 65536, file);
        size += got;
    }
    (void)fclose(file);
    text[size] = '\0';
    *out_size = size;
    return text;
}

char *reference_line(char **rest)
{
    while (**rest != '\0') {
        char *line = *rest;
        const size_t size = strcspn(line, "\n");
        *rest = line + size + (line[size] == '\n' ? 1 : 0);
        line[size] = '\0';
        if (size > 0 && line[0] != '#')
            return line;
    }
    return NULL;
}

size_t reference_fields(char *line, char **out, size_t max)
{
    size_t count = 0;
    while (count < max) {
        out[count++] = line;
        char *tab = count < max ? strchr(line, '\t') : NULL;
        if (tab == NULL)
            break;
        *tab = '\0';
        line = tab + 1;
    }
    return count;
}
