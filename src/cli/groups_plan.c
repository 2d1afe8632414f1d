/* Plans of kafka-consumer-groups as CSV: read with --from-file, printed with --export. */
#include "cli/groups.h"

#include <string.h>

#define PLAN_BYTES_MAX (64u << 20)
#define PARTITIONS_MAX 1000000
#define COLUMNS_MAX    4
#define UNQUOTED_MAX   24  /* Kafka puts longer texts into quotes without looking at them */
#define SAFE_ABOVE     ',' /* what sorts up to this needs quotes */

/* ---- reading --------------------------------------------------------------------------------- */

/* One column at the beginning of *rest, and what follows its comma. Quotes within quotes are doubled. */
static struct bytes take_column(struct groups_run *run, struct bytes *rest, bool *is_last)
{
    struct buf column;
    buf_init(&column, SIZE_MAX);
    size_t i = 0;
    bool is_quoted = false;
    for (; i < rest->size && (is_quoted || rest->data[i] != ','); i++) {
        const bool is_quote = rest->data[i] == '"';
        const bool is_doubled =
            is_quote && is_quoted && i + 1 < rest->size && rest->data[i + 1] == '"';
        if (is_doubled)
            i++;
        if (is_quote && !is_doubled)
            is_quoted = !is_quoted;
        else
            buf_put_u8(&column, rest->data[i]);
    }
    *is_last = i >= rest->size;
    *rest = *is_last ? BYTES_NULL : bytes_slice(*rest, i + 1, rest->size - i - 1);
    const struct bytes text = bytes_trim(buf_view(&column));
    const struct bytes out =
        text.size == 0 ? BYTES_LITERAL("")
                       : bytes_from(arena_dup(&run->arena, text.data, text.size), text.size);
    buf_deinit(&column);
    return out;
}

static bool parse_row(struct groups_run *run, struct bytes line, struct groups_plan_row *out)
{
    struct bytes columns[COLUMNS_MAX];
    size_t count = 0;
    bool is_last = false;
    while (!is_last && count < COLUMNS_MAX)
        columns[count++] = take_column(run, &line, &is_last);
    int64_t partition;
    if (!is_last || count < COLUMNS_MAX - 1 || bytes_to_i64(columns[count - 2], &partition) < 0 ||
        partition < 0 || partition > PARTITIONS_MAX ||
        bytes_to_i64(columns[count - 1], &out->offset) < 0 || out->offset < 0)
        return false;
    out->group = count == COLUMNS_MAX ? columns[0] : BYTES_NULL;
    out->topic = columns[count - 3];
    out->partition = (int32_t)partition;
    return true;
}

int groups_read_plan(struct groups_run *run, const char *path, struct groups_plan *out)
{
    uint8_t *text;
    size_t size;
    int r = io_fs_read_whole(io_get_fs(run->context->io), path, PLAN_BYTES_MAX, &text, &size);
    if (r < 0)
        return err_note(&run->note, r, "Unable to read file %s: %s", path, err_sentence(r));
    uint32_t line_number = 0;
    for (size_t start = 0; r == 0 && start < size;) {
        const uint8_t *end = memchr(text + start, '\n', size - start);
        const size_t line_size = end == NULL ? size - start : (size_t)(end - text) - start;
        const struct bytes line = bytes_trim(bytes_from(text + start, line_size));
        struct groups_plan_row row;
        line_number++;
        start += line_size + 1;
        if (line.size == 0)
            continue;
        if (parse_row(run, line, &row))
            VEC_ADD(&out->list, row);
        else
            r = err_note(&run->note, -ERR_MALFORMED,
                         "%s, line %u: [group,]topic,partition,offset is wanted", path,
                         line_number);
    }
    mem_free(text);
    return r;
}

/* ---- printing -------------------------------------------------------------------------------- */

static void put_text(struct buf *out, struct bytes text)
{
    bool needs_quotes = text.size > UNQUOTED_MAX;
    for (size_t i = 0; i < text.size && !needs_quotes; i++)
        needs_quotes = text.data[i] <= SAFE_ABOVE;
    if (!needs_quotes) {
        buf_put_bytes(out, text);
        return;
    }
    buf_put_text(out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '"')
            buf_put_text(out, "\"");
        buf_put_u8(out, text.data[i]);
    }
    buf_put_text(out, "\"");
}

void groups_print_row(struct groups_run *run, const struct groups_plan_row *row)
{
    struct buf line;
    buf_init(&line, SIZE_MAX);
    if (!bytes_is_null(row->group)) {
        put_text(&line, row->group);
        buf_put_text(&line, ",");
    }
    put_text(&line, row->topic);
    cli_out(run->context, "%.*s,%" PRId32 ",%" PRId64 "\n", BYTES_PRINTF(buf_view(&line)),
            row->partition, row->offset);
    buf_deinit(&line);
}
