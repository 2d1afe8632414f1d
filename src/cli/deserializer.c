/* See deserializer.h. */
#include "cli/deserializer.h"

#include "base/be.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKAGE     "org.apache.kafka.common.serialization."
#define UUID_CHARS  36
#define DIGITS_MAX  17   /* of a double */
#define PLAIN_FROM  1e-3 /* Java writes numbers from here … */
#define PLAIN_BELOW 1e7  /* … up to here without an exponent */

static const struct {
    const char *class;
    enum deserializer deserializer;
    size_t size; /* of the bytes; 0: any */
} table[] = {
    { "StringDeserializer", DESERIALIZER_STRING, 0 },
    { "ByteArrayDeserializer", DESERIALIZER_NONE, 0 },
    { "BytesDeserializer", DESERIALIZER_BYTES, 0 },
    { "ShortDeserializer", DESERIALIZER_SHORT, 2 },
    { "IntegerDeserializer", DESERIALIZER_INTEGER, 4 },
    { "LongDeserializer", DESERIALIZER_LONG, 8 },
    { "FloatDeserializer", DESERIALIZER_FLOAT, 4 },
    { "DoubleDeserializer", DESERIALIZER_DOUBLE, 8 },
    { "BooleanDeserializer", DESERIALIZER_BOOLEAN, 1 },
    { "UUIDDeserializer", DESERIALIZER_UUID, UUID_CHARS },
};

int deserializer_find(const char *class, enum deserializer *out)
{
    static const char package[] = PACKAGE;
    if (strncmp(class, package, sizeof(package) - 1) != 0)
        return -ERR_UNSUPPORTED;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (strcmp(class + sizeof(package) - 1, table[i].class) == 0) {
            *out = table[i].deserializer;
            return 0;
        }
    }
    return -ERR_UNSUPPORTED;
}

/* ---- numbers --------------------------------------------------------------------------------- */

/* A number's digits without a dot, the first one not zero, and the power of ten of the first. */
struct decimal {
    char digits[DIGITS_MAX + 1];
    int count;
    int exponent;
};

/* text: as printf's %e writes it, unsigned. */
static struct decimal decimal_from(const char *text)
{
    struct decimal d = { .count = 0 };
    for (; *text != 'e'; text++) {
        if (*text != '.')
            d.digits[d.count++] = *text;
    }
    d.exponent = (int)strtol(text + 1, NULL, 10);
    while (d.count > 1 && d.digits[d.count - 1] == '0')
        d.count--;
    return d;
}

static void put_digits(struct buf *out, const struct decimal *d, int from, int to)
{
    for (int i = from; i < to; i++)
        buf_put_u8(out, i >= 0 && i < d->count ? (uint8_t)d->digits[i] : '0');
}

static void put_decimal(struct buf *out, const struct decimal *d, bool is_plain)
{
    const int whole = is_plain ? d->exponent + 1 : 1; /* digits before the dot */
    put_digits(out, d, MIN(whole - 1, 0), MAX(whole, 1) + MIN(whole - 1, 0));
    buf_put_text(out, ".");
    put_digits(out, d, whole, MAX(d->count, whole + 1));
    if (!is_plain)
        buf_printf(out, "E%d", d->exponent);
}

/* What neither printf nor the search for digits is asked about. */
static bool put_special(struct buf *out, double value)
{
    if (isnan(value)) {
        buf_put_text(out, "NaN");
        return true;
    }
    if (signbit(value))
        buf_put_text(out, "-");
    if (isinf(value))
        buf_put_text(out, "Infinity");
    else if (value == 0)
        buf_put_text(out, "0.0");
    return isinf(value) || value == 0;
}

/* Where one digit is enough Java looks at two and takes the nearest: 4.9E-324, not 5.0E-324. */
void put_java_double(struct buf *out, double value)
{
    char text[40];
    if (put_special(out, value))
        return;
    const double size = fabs(value);
    for (int digits = 1; digits < DIGITS_MAX; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits, size);
        if (strtod(text, NULL) == size)
            break;
    }
    const struct decimal d = decimal_from(text);
    put_decimal(out, &d, size >= PLAIN_FROM && size < PLAIN_BELOW);
}

void put_java_float(struct buf *out, float value)
{
    char text[40];
    if (put_special(out, (double)value))
        return;
    const double size = fabs((double)value);
    for (int digits = 1; digits < DIGITS_MAX; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits, size);
        if ((double)strtof(text, NULL) == size)
            break;
    }
    const struct decimal d = decimal_from(text);
    put_decimal(out, &d, size >= PLAIN_FROM && size < PLAIN_BELOW);
}

/* ---- the rest -------------------------------------------------------------------------------- */

static void put_printable(struct buf *out, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        const uint8_t c = bytes.data[i];
        if (c >= ' ' && c <= '~' && c != '\\')
            buf_put_u8(out, c);
        else
            buf_printf(out, "\\x%02X", c);
    }
}

static bool is_uuid(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        const uint8_t c = text.data[i] | 0x20;
        const bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_dash ? text.data[i] != '-' : !is_hex)
            return false;
    }
    return true;
}

static int malformed(const char *class, struct bytes bytes, struct err_note *note)
{
    return err_note(note, -ERR_MALFORMED, "%zu bytes are nothing that %s can read", bytes.size,
                    class);
}

static void put_float(struct buf *out, struct bytes bytes)
{
    const uint32_t bits = be_load_u32(bytes.data);
    float value;
    memcpy(&value, &bits, sizeof(value));
    put_java_float(out, value);
}

static void put_double(struct buf *out, struct bytes bytes)
{
    const uint64_t bits = be_load_u64(bytes.data);
    double value;
    memcpy(&value, &bits, sizeof(value));
    put_java_double(out, value);
}

int deserializer_put(enum deserializer deserializer, struct bytes bytes, struct buf *out,
                     struct err_note *note)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        if (table[i].deserializer == deserializer && table[i].size != 0 &&
            table[i].size != bytes.size)
            return malformed(table[i].class, bytes, note);
    }
    switch (deserializer) {
    case DESERIALIZER_NONE:
    case DESERIALIZER_STRING:
        buf_put_bytes(out, bytes);
        break;
    case DESERIALIZER_BYTES:
        put_printable(out, bytes);
        break;
    case DESERIALIZER_SHORT:
        buf_printf(out, "%d", (int16_t)be_load_u16(bytes.data));
        break;
    case DESERIALIZER_INTEGER:
        buf_printf(out, "%" PRId32, be_load_i32(bytes.data));
        break;
    case DESERIALIZER_LONG:
        buf_printf(out, "%" PRId64, be_load_i64(bytes.data));
        break;
    case DESERIALIZER_FLOAT:
        put_float(out, bytes);
        break;
    case DESERIALIZER_DOUBLE:
        put_double(out, bytes);
        break;
    case DESERIALIZER_BOOLEAN:
        if (bytes.data[0] > 1)
            return malformed("BooleanDeserializer", bytes, note);
        buf_put_text(out, bytes.data[0] == 1 ? "true" : "false");
        break;
    case DESERIALIZER_UUID:
        if (!is_uuid(bytes))
            return malformed("UUIDDeserializer", bytes, note);
        for (size_t i = 0; i < bytes.size; i++)
            buf_put_u8(out, bytes.data[i] == '-' ? '-' : bytes.data[i] | 0x20);
        break;
    }
    return 0;
}
