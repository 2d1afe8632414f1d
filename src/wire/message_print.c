/* A message as JSON, as the JsonConverter classes of Apache Kafka and its JSON library print it. */
#include "wire/message_int.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct printer {
    struct buf *out;
    int16_t version;
};

static void print_struct(const struct printer *p, const struct wire_struct *s,
                         const uint8_t *value);

static void print_base64(struct buf *out, struct bytes run)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_put_u8(out, '"');
    for (size_t i = 0; i < run.size; i += 3) {
        const size_t left = run.size - i;
        const uint32_t group = (uint32_t)run.data[i] << 16 |
                               (left > 1 ? (uint32_t)run.data[i + 1] << 8 : 0) |
                               (left > 2 ? run.data[i + 2] : 0);
        const char text[4] = { digits[group >> 18], digits[group >> 12 & 63],
                               left > 1 ? digits[group >> 6 & 63] : '=',
                               left > 2 ? digits[group & 63] : '=' };
        buf_put(out, text, sizeof(text));
    }
    buf_put_u8(out, '"');
}

/* As Java's Double.toString: the shortest digits that read back the same, plain between 10^-3 and
 * 10^7, else with an exponent; always a digit on both sides of the point. */
static void print_double(struct buf *out, double value)
{
    if (isnan(value) || isinf(value)) {
        buf_put_text(out, isnan(value) ? "\"NaN\"" : value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    if (value == 0) {
        buf_put_text(out, signbit(value) ? "-0.0" : "0.0");
        return;
    }
    char text[40];
    for (int digits = 0; digits < 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*e", digits, fabs(value));
        if (strtod(text, NULL) == fabs(value))
            break;
    }
    char *e = strchr(text, 'e'); /* d.ddd e ±xx */
    const int exponent = (int)strtol(e + 1, NULL, 10);
    char digits[24];
    size_t count = 0;
    for (const char *c = text; c < e; c++) {
        if (*c != '.')
            digits[count++] = *c;
    }
    if (value < 0)
        buf_put_u8(out, '-');
    const bool is_plain = exponent >= -3 && exponent < 7;
    const int point = is_plain ? exponent + 1 : 1; /* digits before the point */
    if (point <= 0)
        buf_put_text(out, "0");
    for (int i = 0; i < point; i++)
        buf_put_u8(out, (uint8_t)((size_t)i < count ? digits[i] : '0'));
    buf_put_u8(out, '.');
    for (int i = point; i < 0; i++)
        buf_put_u8(out, '0');
    const size_t from = point < 0 ? 0 : (size_t)point;
    if (from < count)
        buf_put(out, digits + from, count - from);
    else
        buf_put_u8(out, '0');
    if (!is_plain)
        buf_printf(out, "E%d", exponent);
}

static void print_number(const struct printer *p, const struct wire_field *field,
                         const uint8_t *value)
{
    int64_t number = 0;
    switch ((enum wire_type)field->type) {
    case WIRE_BOOL:
        buf_put_text(p->out, *(const bool *)value ? "true" : "false");
        return;
    case WIRE_INT8:
        number = (int8_t)*value;
        break;
    case WIRE_INT16: {
        int16_t v;
        memcpy(&v, value, sizeof(v));
        number = v;
        break;
    }
    case WIRE_UINT16: {
        uint16_t v;
        memcpy(&v, value, sizeof(v));
        number = v;
        break;
    }
    case WIRE_INT32: {
        int32_t v;
        memcpy(&v, value, sizeof(v));
        number = v;
        break;
    }
    case WIRE_UINT32: {
        uint32_t v;
        memcpy(&v, value, sizeof(v));
        number = v;
        break;
    }
    case WIRE_INT64:
        memcpy(&number, value, sizeof(number));
        break;
    case WIRE_FLOAT64: {
        double v;
        memcpy(&v, value, sizeof(v));
        print_double(p->out, v);
        return;
    }
    case WIRE_UUID:
    case WIRE_STRING:
    case WIRE_BYTES:
    case WIRE_RECORDS:
    case WIRE_STRUCT:
        ASSERT(false);
    }
    buf_printf(p->out, "%" PRId64, number);
}

static void print_value(const struct printer *p, const struct wire_field *field,
                        const uint8_t *value)
{
    switch ((enum wire_type)field->type) {
    case WIRE_STRING:
        buf_put_json_string(p->out, *(const struct bytes *)(const void *)value);
        return;
    case WIRE_BYTES: {
        const struct bytes *run = (const void *)value;
        if (bytes_is_null(*run))
            buf_put_text(p->out, "null");
        else
            print_base64(p->out, *run);
        return;
    }
    case WIRE_UUID: {
        char text[UUID_TEXT_SIZE];
        struct uuid id;
        memcpy(&id, value, sizeof(id));
        uuid_to_text(id, text);
        buf_printf(p->out, "\"%s\"", text);
        return;
    }
    case WIRE_STRUCT:
        print_struct(p, field->element, value);
        return;
    case WIRE_BOOL:
    case WIRE_INT8:
    case WIRE_INT16:
    case WIRE_UINT16:
    case WIRE_INT32:
    case WIRE_UINT32:
    case WIRE_INT64:
    case WIRE_FLOAT64:
        print_number(p, field, value);
        return;
    case WIRE_RECORDS: /* print_field has its own way with them */
        break;
    }
    ASSERT(false);
}

static void print_array(const struct printer *p, const struct wire_field *field,
                        const uint8_t *member)
{
    const struct wire_items array = wire__items(member);
    if (array.count < 0) {
        buf_put_text(p->out, "null");
        return;
    }
    const size_t item_bytes = wire__value_bytes(field);
    buf_put_u8(p->out, '[');
    for (int32_t i = 0; i < array.count; i++) {
        if (i > 0)
            buf_put_u8(p->out, ',');
        print_value(p, field, array.items + (size_t)i * item_bytes);
    }
    buf_put_u8(p->out, ']');
}

static void print_field(const struct printer *p, const struct wire_field *field,
                        const uint8_t *member)
{
    if (field->type == WIRE_RECORDS) {
        const struct wire_records *records = (const void *)member;
        if (wire__records_are_null(records))
            buf_printf(p->out, "\"%s\":null", field->name);
        else
            buf_printf(p->out, "\"%sSizeInBytes\":%zu", field->name, records->size);
        return;
    }
    buf_printf(p->out, "\"%s\":", field->name);
    if (field->flags & WIRE_ARRAY)
        print_array(p, field, member);
    else if (!(field->flags & WIRE_POINTER))
        print_value(p, field, member);
    else if (wire__pointer(member) == NULL)
        buf_put_text(p->out, "null");
    else
        print_struct(p, field->element, wire__pointer(member));
}

static void print_struct(const struct printer *p, const struct wire_struct *s, const uint8_t *value)
{
    const uint8_t *fallback = s->default_value;
    bool is_first = true;
    buf_put_u8(p->out, '{');
    for (uint32_t i = 0; i < s->field_count; i++) {
        const struct wire_field *field = &s->fields[i];
        if (!wire__has_version(field, p->version))
            continue;
        if ((field->flags & WIRE_TAGGED) &&
            wire__is_default(field, value + field->offset, fallback + field->offset))
            continue;
        if (!is_first)
            buf_put_u8(p->out, ',');
        is_first = false;
        print_field(p, field, value + field->offset);
    }
    buf_put_u8(p->out, '}');
}

void wire_print(const struct wire_message *message, int16_t version, const void *in,
                struct buf *out)
{
    const struct printer p = { .out = out, .version = version };
    print_struct(&p, message->root, in);
}
