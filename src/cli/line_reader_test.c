/* Lines become records as Kafka's LineMessageReader makes them. */
#include "cli/line_reader.h"

#include "base/test.h"

#include <string.h>

/* settings: lines "name=value", in the escapes of properties. */
static void begin(struct line_reader *reader, const char *settings)
{
    struct err_note note = { 0 };
    struct properties properties;
    properties_init(&properties);
    EXPECT_OK(properties_parse(&properties, bytes_from_text(settings), &note));
    EXPECT_OK(line_reader_init(reader, &properties, &note));
    EXPECT_EQ(properties.list.count, 0);
    properties_deinit(&properties);
}

static void expect_part(struct bytes part, const char *wanted)
{
    EXPECT(bytes_is_null(part) == (wanted == NULL));
    EXPECT(wanted == NULL || bytes_equal_text(part, wanted));
}

static void expect_record(struct line_reader *reader, const char *line, const char *key,
                          const char *value)
{
    struct err_note note = { 0 };
    struct producer_record record = { 0 };
    EXPECT_OK(line_reader_parse(reader, bytes_from_text(line), &record, &note));
    expect_part(record.key, key);
    expect_part(record.value, value);
}

static void expect_refusal(struct line_reader *reader, const char *line, const char *words)
{
    struct err_note note = { 0 };
    struct producer_record record = { 0 };
    EXPECT_ERR(line_reader_parse(reader, bytes_from_text(line), &record, &note), ERR_MALFORMED);
    EXPECT_TEXT(note.text, words);
}

TEST(line_reader, takes_the_line_as_the_value)
{
    struct line_reader reader;
    begin(&reader, "");
    expect_record(&reader, "a\tb", NULL, "a\tb");
    expect_record(&reader, "", NULL, "");
    expect_record(&reader, "dos\r", NULL, "dos");
    expect_record(&reader, "\r\r", NULL, "\r");
    line_reader_deinit(&reader);
}

TEST(line_reader, parts_the_key_from_the_value)
{
    struct line_reader reader;
    begin(&reader, "parse.key=true\nkey.separator=::\nnull.marker=NULL");
    expect_record(&reader, "k::v::w", "k", "v::w");
    expect_record(&reader, "::", "", "");
    expect_record(&reader, "NULL::NULL", NULL, NULL);
    expect_refusal(&reader, "k:v", "No key separator found on line number 4: 'k:v'");
    line_reader_deinit(&reader);

    begin(&reader, "parse.key=true\nignore.error=true");
    expect_record(&reader, "k:v", NULL, "k:v");
    line_reader_deinit(&reader);
}

/* White space around the word and its case do not count. */
TEST(line_reader, knows_true_from_false)
{
    static const struct {
        const char *setting;
        bool has_key;
    } settings[] = {
        { "parse.key=true", true },    { "parse.key=TRUE \\t", true },
        { "parse.key=\\ true", true }, { "parse.key=\\ True\\n", true },
        { "parse.key=", false },       { "parse.key=truer", false },
        { "parse.key=tru", false },    { "parse.key=yes", false },
        { "parse.key=1", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
        struct line_reader reader;
        begin(&reader, settings[i].setting);
        EXPECT_EQ(reader.format.has_key, settings[i].has_key);
        line_reader_deinit(&reader);
    }
}

TEST(line_reader, reads_headers)
{
    struct line_reader reader;
    begin(&reader, "parse.headers=true\nparse.key=true\nnull.marker=-");
    struct err_note note = { 0 };
    struct producer_record record = { 0 };
    EXPECT_OK(line_reader_parse(&reader, BYTES_LITERAL("a:1,b:,c:-,d:x:y\tk\tv"), &record, &note));
    static const char *const wanted[][2] = {
        { "a", "1" }, { "b", "" }, { "c", NULL }, { "d", "x:y" }
    };
    EXPECT_EQ(record.header_count, ARRAY_LEN(wanted));
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        expect_part(record.headers[i].key, wanted[i][0]);
        expect_part(record.headers[i].value, wanted[i][1]);
    }
    expect_part(record.key, "k");
    expect_part(record.value, "v");
    EXPECT_OK(line_reader_parse(&reader, BYTES_LITERAL("-\tk\tv"), &record, &note));
    EXPECT_EQ(record.header_count, 0);
    expect_refusal(&reader, "a:1", "No headers delimiter found on line number 3: 'a:1'");
    expect_refusal(&reader, "a\tk\tv",
                   "No header key separator found in pair 'a' on line number 4");
    expect_refusal(&reader, "-:1\tk\tv",
                   "Header keys should not be equal to the null marker '-' as they can't be null");
    line_reader_deinit(&reader);
}

TEST(line_reader, wants_separators_that_differ)
{
    static const struct {
        const char *settings;
        const char *words;
    } cases[] = {
        { "headers.delimiter=,", "headers.delimiter and headers.separator may not be equal" },
        { "headers.key.separator=,",
          "headers.separator and headers.key.separator may not be equal" },
        { "null.marker=\\t", "null.marker and headers.delimiter may not be equal" },
        { "key.separator=|\nnull.marker=|", "null.marker and key.separator may not be equal" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err_note note = { 0 };
        struct properties properties;
        struct line_reader reader;
        properties_init(&properties);
        EXPECT_OK(properties_parse(&properties, bytes_from_text(cases[i].settings), &note));
        EXPECT_ERR(line_reader_init(&reader, &properties, &note), ERR_INVALID_ARGUMENT);
        EXPECT_TEXT(note.text, cases[i].words);
        line_reader_deinit(&reader);
        properties_deinit(&properties);
    }
}
