/* Runs scenario files of a rig and compares what happens with what they say. See README.md.
 *
 *     <rig>_scenario [--write] FILE...      --write: puts into the files what happens now
 *
 * Ends with `N passed, N failed`.
 */
#include "rig.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define FILE_BYTES_MAX ((size_t)4 << 20)

static struct bytes next_line(struct bytes *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->size);
    const size_t size = end == NULL ? text->size : (size_t)(end - text->data);
    const struct bytes line = bytes_from(text->data, size);
    *text = bytes_slice(*text, size + (end != NULL), SIZE_MAX);
    return line;
}

/* A line that makes no sense: what is told of it follows. */
static int refuse(struct rig *rig, struct bytes line, struct buf *out, struct err_note *note)
{
    if (rig_run(rig, line, out, note) == 0)
        return err_note(note, -ERR_INVALID_ARGUMENT, "it makes sense");
    buf_printf(out, "  %s\n", note->text);
    return 0;
}

/* The file as it would be if it said what happens. */
static int replay(struct bytes text, struct buf *out, struct err_note *note)
{
    struct rig *rig = rig_new();
    int r = 0;
    for (int number = 1; text.size > 0 && r == 0; number++) {
        const struct bytes line = next_line(&text);
        if (bytes_starts_with(line, BYTES_LITERAL("  ")))
            continue;
        buf_put_bytes(out, line);
        buf_put_text(out, "\n");
        if (bytes_starts_with(line, BYTES_LITERAL("> ")))
            r = rig_run(rig, bytes_slice(line, 2, SIZE_MAX), out, note);
        else if (bytes_starts_with(line, BYTES_LITERAL("? ")))
            r = refuse(rig, bytes_slice(line, 2, SIZE_MAX), out, note);
        if (r < 0)
            (void)err_note_prefix(note, r, "line %d", number); /* r is answered below */
    }
    rig_free(rig);
    return r;
}

static void tell_difference(const char *path, struct bytes wanted, struct bytes actual)
{
    for (int number = 1; wanted.size > 0 || actual.size > 0; number++) {
        const struct bytes want = wanted.size > 0 ? next_line(&wanted) : BYTES_NULL;
        const struct bytes have = actual.size > 0 ? next_line(&actual) : BYTES_NULL;
        if (bytes_equal(want, have))
            continue;
        printf("FAIL %s: line %d\n  wanted: %.*s\n  actual: %.*s\n", path, number,
               BYTES_PRINTF(want), BYTES_PRINTF(have));
        return;
    }
}

static uint8_t *read_file(const char *path, size_t *out_size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    uint8_t *data = mem_alloc(FILE_BYTES_MAX);
    *out_size = fread(data, 1, FILE_BYTES_MAX, file);
    fclose(file);
    return data;
}

static bool write_file(const char *path, struct bytes text)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return false;
    const bool is_whole = fwrite(text.data, 1, text.size, file) == text.size;
    return fclose(file) == 0 && is_whole;
}

static bool run_file(const char *path, bool writes)
{
    size_t size;
    uint8_t *data = read_file(path, &size);
    if (data == NULL) {
        printf("FAIL %s: cannot be read\n", path);
        return false;
    }
    const struct bytes wanted = bytes_from(data, size);
    struct buf actual;
    struct err_note note = { "" };
    buf_init(&actual, (size_t)64 << 20);
    bool is_ok = replay(wanted, &actual, &note) == 0;
    if (!is_ok) {
        printf("FAIL %s: %s\n", path, note.text);
    } else if (writes) {
        is_ok = write_file(path, buf_view(&actual));
    } else if (!bytes_equal(wanted, buf_view(&actual))) {
        tell_difference(path, wanted, buf_view(&actual));
        is_ok = false;
    }
    buf_deinit(&actual);
    mem_free(data);
    return is_ok;
}

int main(int argc, char **argv)
{
    const bool writes = argc > 1 && strcmp(argv[1], "--write") == 0;
    int passed = 0;
    int failed = 0;
    for (int i = writes ? 2 : 1; i < argc; i++) {
        if (run_file(argv[i], writes))
            passed++;
        else
            failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0 || passed == 0 ? 1 : 0;
}
