/* Properties text, against what Java reads. */
#include "config/properties.h"

#include "base/buf.h"
#include "base/test.h"

/* "name=value;" in order, or the error. */
static const char *parse(const char *text, struct buf *out)
{
    struct properties properties;
    struct err_note note = { .text = "" };
    properties_init(&properties);
    buf_init(out, 4096);
    const int r = properties_parse(&properties, bytes_from_text(text), &note);
    for (size_t i = 0; i < properties.list.count && r == 0; i++)
        buf_printf(out, "%s=%s;", properties.list.items[i].name, properties.list.items[i].value);
    if (r < 0)
        buf_printf(out, "%s: %s", err_name(r), note.text);
    buf_put_u8(out, 0);
    properties_deinit(&properties);
    return (const char *)out->data;
}

/* Each row was read by java.util.Properties of a Java 17. */
TEST(properties_parse, reads_as_java_reads)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "a=b", "a=b;" },
        { "a = b \n", "a=b ;" },
        { "a:b\nc d\n", "a=b;c=d;" },
        { "a = = b", "a== b;" },
        { "a = : b", "a=: b;" },
        { "a\t:\tb", "a=b;" },
        { "a", "a=;" },
        { "=b", "=b;" },
        { "# x\n ! y\n\n  \t\na=b", "a=b;" },
        { "a=b # c", "a=b # c;" },
        { "a=b\\\n  c\n", "a=bc;" },
        { "a=b\\\r\n\t c\r\nd=e", "a=bc;d=e;" },
        { "a=b\\\\\nc=d", "a=b\\;c=d;" },
        { "a=b\\", "a=b;" },
        { "a\\\n =b", "a=b;" },
        { "a=\\\n# no comment\n", "a=# no comment;" },
        { "\\\n\n#x\na=b", "a=b;" },
        { "\\\n#x\na=b", "a=b;" },
        { "a=b\n \\", "a=b;=;" },
        { "a=\\u00\\\n  41", "a=A;" },
        { "a\\=b\\ c=d", "a=b c=d;" },
        { "a=\\t\\n\\r\\f\\q\\\"", "a=\t\n\r\fq\";" },
        { "a=\\u0041\\u00e9\\u20AC\\uD83D\\uDE00", "a=A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80;" },
        { "a=\\uD83Dx\\uDE00", "a=?x?;" },
        { "a=\xE9", "a=\xC3\xA9;" },
        { "a=1\na=2\nb=3\na=4", "a=4;b=3;" },
        { "a=1\rb=2", "a=1;b=2;" },
        { "  a  b  ", "a=b  ;" },
        { "a=1\nb=\\u12g4", "ERR_MALFORMED: line 2: \\u needs four hexadecimal digits" },
        { "a=\\u12", "ERR_MALFORMED: line 1: \\u needs four hexadecimal digits" },
        { "a=x\\\n\\u0000", "ERR_MALFORMED: line 2: a NUL character" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf out;
        EXPECT_TEXT(parse(rows[i][0], &out), rows[i][1]);
        buf_deinit(&out);
    }
}

/* A file cut anywhere is read without harm. */
TEST(properties_parse, survives_every_cut)
{
    const char text[] =
        "a = b\\\n  c \\u0041\\uD83D\\uDE00 \\\r\n d\n#x\n!y\nname\\ with:value\r\n\tlast\\";
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        struct properties properties;
        properties_init(&properties);
        const int r = properties_parse(&properties, bytes_from(text, cut), NULL);
        EXPECT(r == 0 || r == -ERR_MALFORMED); /* some cuts split an escape */
        properties_deinit(&properties);
    }
}

TEST(properties_parse, remembers_lines_and_refuses_too_long)
{
    struct properties properties;
    properties_init(&properties);
    EXPECT_OK(properties_parse(&properties, BYTES_LITERAL("\n#\na=1\\\n2\nb=2\n"), NULL));
    EXPECT_EQ(properties.list.items[0].line, 3);
    EXPECT_EQ(properties.list.items[1].line, 5);
    EXPECT_TEXT(properties_get(&properties, BYTES_LITERAL("a")), "12");
    EXPECT(properties_get(&properties, BYTES_LITERAL("c")) == NULL);
    EXPECT_ERR(properties_parse(&properties, bytes_from("", PROPERTIES_TEXT_SIZE_MAX + 1), NULL),
               ERR_LIMIT);
    properties_deinit(&properties);
}
