/* From text to a value, or to a sentence that says why not. See setting_check.h. */
#include "config/setting_check.h"

#include "base/host_port.h"
#include "config/java_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A value and its setting as messages name them; a secret is not shown. */
MUST_CHECK static int refuse_as(int code, const struct setting *setting, struct bytes shown,
                                struct err_note *note, const char *why)
{
    if (setting_is_sensitive(setting))
        shown = BYTES_LITERAL("[hidden]");
    return err_note(note, code, "Invalid value %.*s for configuration %s: %s",
                    BYTES_PRINTF(bytes_slice(shown, 0, 200)), setting->name, why);
}

MUST_CHECK static int refuse(const struct setting *setting, struct bytes shown,
                             struct err_note *note, const char *why)
{
    return refuse_as(-ERR_INVALID_SETTING, setting, shown, note, why);
}

static const char *keep(struct arena *arena, struct bytes text)
{
    char *copy = arena_must_zalloc(arena, 1, text.size + 1);
    memcpy(copy, text.data, text.size);
    return copy;
}

/* ---- lists ---------------------------------------------------------------------------------------- */

static size_t count_items(struct bytes text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.size; i++)
        count += text.data[i] == ',' ? 1 : 0;
    return count;
}

/* The item that begins at *at, trimmed; *at moves past its comma. */
static struct bytes next_item(struct bytes text, size_t *at)
{
    const size_t start = *at;
    while (*at < text.size && text.data[*at] != ',')
        (*at)++;
    const struct bytes item = bytes_trim(bytes_slice(text, start, *at - start));
    (*at)++;
    return item;
}

static bool has_item(const char *const *items, size_t count, const char *item)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i], item) == 0)
            return true;
    }
    return false;
}

static const char *join(struct arena *arena, const char *const *items, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size += strlen(items[i]) + 1;
    char *text = arena_must_zalloc(arena, 1, size);
    char *end = text;
    for (size_t i = 0; i < count; i++) {
        const size_t item_size = strlen(items[i]);
        if (i > 0)
            *end++ = ',';
        memcpy(end, items[i], item_size);
        end += item_size;
    }
    return text;
}

/* Splits at commas. Where the row says LIST, an item that was there before is dropped, as Kafka does (KIP-1161). */
static void parse_list(struct bytes text, bool drop_repeated, struct arena *arena,
                       struct setting_value *out)
{
    size_t count = 0;
    const char **items = NULL;
    if (text.size > 0) {
        items = arena_must_zalloc(arena, count_items(text), sizeof(*items));
        for (size_t at = 0; at <= text.size;) {
            const char *item = keep(arena, next_item(text, &at));
            if (!drop_repeated || count >= SETTING_LIST_COUNT_MAX || !has_item(items, count, item))
                items[count++] = item;
        }
    }
    out->list = (struct config_list){ .items = items, .count = count };
    out->text = join(arena, items, count);
}

/* ---- types ---------------------------------------------------------------------------------------- */

MUST_CHECK static int parse_integer(const struct setting *setting, struct bytes text,
                                    struct arena *arena, struct setting_value *out,
                                    struct err_note *note)
{
    int64_t low = INT64_MIN;
    int64_t high = INT64_MAX;
    if (setting->type == SETTING_INT) {
        low = INT32_MIN;
        high = INT32_MAX;
    } else if (setting->type == SETTING_SHORT) {
        low = INT16_MIN;
        high = INT16_MAX;
    }
    if (!java_parse_integer(text, low, high, &out->integer)) {
        char why[64];
        (void)snprintf(why, sizeof(why), "Not a number of type %s",
                       setting_type_name(setting->type));
        return refuse(setting, text, note, why);
    }
    char digits[24];
    (void)snprintf(digits, sizeof(digits), "%" PRId64, out->integer);
    out->text = keep(arena, bytes_from_text(digits));
    return 0;
}

MUST_CHECK static int parse_double(const struct setting *setting, struct bytes text,
                                   struct arena *arena, struct setting_value *out,
                                   struct err_note *note)
{
    if (!java_parse_double(text, &out->real))
        return refuse(setting, text, note, "Not a number of type DOUBLE");
    char digits[JAVA_DOUBLE_TEXT_SIZE];
    java_print_double(out->real, digits);
    out->text = keep(arena, bytes_from_text(digits));
    return 0;
}

MUST_CHECK static int parse_boolean(const struct setting *setting, struct bytes text,
                                    struct setting_value *out, struct err_note *note)
{
    const bool is_true = text.size == 4 && strncasecmp((const char *)text.data, "true", 4) == 0;
    const bool is_false = text.size == 5 && strncasecmp((const char *)text.data, "false", 5) == 0;
    if (!is_true && !is_false)
        return refuse(setting, text, note, "Expected value to be either true or false");
    out->boolean = is_true;
    out->text = is_true ? "true" : "false";
    return 0;
}

MUST_CHECK static int parse_type(const struct setting *setting, struct bytes text,
                                 struct arena *arena, struct setting_value *out,
                                 struct err_note *note)
{
    switch (setting->type) {
    case SETTING_BOOLEAN:
        return parse_boolean(setting, text, out, note);
    case SETTING_INT:
    case SETTING_SHORT:
    case SETTING_LONG:
        return parse_integer(setting, text, arena, out, note);
    case SETTING_DOUBLE:
        return parse_double(setting, text, arena, out, note);
    case SETTING_LIST:
        parse_list(text, setting->check.kind == SETTING_CHECK_LIST, arena, out);
        return 0;
    case SETTING_CLASS:
        if (text.size == 0)
            return refuse(setting, text, note, "Class  could not be found.");
        out->text = keep(arena, text);
        return 0;
    case SETTING_STRING:
    case SETTING_PASSWORD:
    case SETTING_UNKNOWN:
    default:
        out->text = keep(arena, text);
        return 0;
    }
}

/* ---- checks --------------------------------------------------------------------------------------- */

/* Whether `text` is one of the comma-separated words. */
static bool is_among(const char *words, const char *text, bool is_folded)
{
    const size_t size = strlen(text);
    while (*words != '\0') {
        const size_t word_size = strcspn(words, ",");
        if (size == word_size &&
            (is_folded ? strncasecmp(words, text, size) == 0 : strncmp(words, text, size) == 0))
            return true;
        words += word_size;
        words += *words == ',' ? 1 : 0;
    }
    return false;
}

/* "a,b" as "a, b". */
static const char *spaced(const char *words, char out[SETTING_REASON_SIZE])
{
    size_t used = 0;
    for (const char *c = words; *c != '\0' && used + 3 < SETTING_REASON_SIZE; c++) {
        out[used++] = *c;
        if (*c == ',')
            out[used++] = ' ';
    }
    out[used] = '\0';
    return out;
}

MUST_CHECK static int refuse_word(const struct setting *setting, const char *text,
                                  struct err_note *note)
{
    char words[SETTING_REASON_SIZE];
    char why[SETTING_REASON_SIZE + 64];
    const bool is_folded = setting->check.kind == SETTING_CHECK_ONE_OF_FOLDED;
    (void)snprintf(why, sizeof(why), "String must be one of%s: %s",
                   is_folded ? " (case insensitive)" : "", spaced(setting->check.words, words));
    return refuse(setting, bytes_from_text(text), note, why);
}

MUST_CHECK static int check_range(const struct setting *setting, const struct setting_value *value,
                                  struct err_note *note)
{
    const struct setting_check *check = &setting->check;
    const double number = setting->type == SETTING_DOUBLE ? value->real : (double)value->integer;
    const bool is_low = number < check->low;
    const bool is_high = check->has_high && number > check->high;
    if (!is_low && !is_high)
        return 0;
    char why[128];
    if (check->kind == SETTING_CHECK_RANGE_OR) {
        if (number >= check->other && number <= check->other)
            return 0;
        (void)snprintf(why, sizeof(why), "Value must be between %s and %s or equal to %.0f",
                       check->low_text, check->high_text, check->other);
    } else if (is_low) {
        (void)snprintf(why, sizeof(why), "Value must be at least %s", check->low_text);
    } else {
        (void)snprintf(why, sizeof(why), "Value must be no more than %s", check->high_text);
    }
    return refuse_as(-ERR_LIMIT, setting, bytes_from_text(value->text), note, why);
}

MUST_CHECK static int check_list(const struct setting *setting, const struct setting_value *value,
                                 struct err_note *note)
{
    const struct setting_check *check = &setting->check;
    char words[SETTING_REASON_SIZE];
    if (value->list.count == 0 && check->is_empty_refused)
        return err_note(note, -ERR_INVALID_SETTING,
                        "Configuration '%s' must not be empty. Valid values include: %s%s%s",
                        setting->name, check->words == NULL ? "" : "[",
                        check->words == NULL ? "any non-empty value" : spaced(check->words, words),
                        check->words == NULL ? "" : "]");
    for (size_t i = 0; i < value->list.count; i++) {
        const char *item = value->list.items[i];
        if (item[0] == '\0')
            return err_note(note, -ERR_INVALID_SETTING,
                            "Configuration '%s' values must not be empty.", setting->name);
        if (check->words != NULL && !is_among(check->words, item, false))
            return refuse_word(setting, item, note);
    }
    return 0;
}

MUST_CHECK static int check_value(const struct setting *setting, const struct setting_value *value,
                                  struct err_note *note)
{
    const struct setting_check *check = &setting->check;
    char reason[SETTING_REASON_SIZE];
    switch (check->kind) {
    case SETTING_CHECK_NONE:
        return 0;
    case SETTING_CHECK_RANGE:
    case SETTING_CHECK_RANGE_OR:
        return check_range(setting, value, note);
    case SETTING_CHECK_ONE_OF:
    case SETTING_CHECK_ONE_OF_FOLDED:
        return is_among(check->words, value->text, check->kind == SETTING_CHECK_ONE_OF_FOLDED)
                   ? 0
                   : refuse_word(setting, value->text, note);
    case SETTING_CHECK_LIST:
        return check_list(setting, value, note);
    case SETTING_CHECK_NON_EMPTY:
        return value->text[0] != '\0'
                   ? 0
                   : refuse(setting, bytes_from_text(""), note, "String must be non-empty");
    case SETTING_CHECK_CUSTOM:
    default:
        return check->custom(value->text, reason)
                   ? 0
                   : refuse(setting, bytes_from_text(value->text), note, reason);
    }
}

int setting_value_parse(const struct setting *setting, struct bytes text, struct arena *arena,
                        struct setting_value *out, struct err_note *note)
{
    ASSERT(!bytes_is_null(text));
    if (text.size > SETTING_VALUE_SIZE_MAX)
        return err_note(note, -ERR_INVALID_SETTING,
                        "Value of configuration %s is %zu bytes long, the limit is %d",
                        setting->name, text.size, SETTING_VALUE_SIZE_MAX);
    if (memchr(text.data, '\0', text.size) != NULL)
        return refuse(setting, text, note, "It holds a NUL character");
    struct setting_value value = { .text = NULL };
    int r = parse_type(setting, java_trim(text), arena, &value, note);
    if (r == 0)
        r = check_value(setting, &value, note);
    if (r == 0)
        *out = value;
    return r;
}

struct setting_value setting_value_initial(const struct setting *setting, struct arena *arena)
{
    ASSERT(!setting->is_required);
    struct setting_value value = { .text = NULL };
    if (setting->initial == NULL)
        return value;
    const int r =
        setting_value_parse(setting, bytes_from_text(setting->initial), arena, &value, NULL);
    ASSERT(r == 0); /* a unit test reads every default */
    return value;
}

/* ---- checks of single rows -------------------------------------------------------------------------- */

bool quorum_bootstrap(const char *value, char reason[SETTING_REASON_SIZE])
{
    const struct bytes text = bytes_from_text(value);
    for (size_t at = 0; text.size > 0 && at <= text.size;) {
        const struct bytes item = next_item(text, &at);
        struct host_port place;
        struct err_note note = { 0 };
        if (host_port_parse(item, &place, &note) < 0) {
            (void)snprintf(reason, SETTING_REASON_SIZE, "%.200s; each entry is host:port",
                           note.text);
            return false;
        }
    }
    return true;
}

bool quorum_voters(const char *value, char reason[SETTING_REASON_SIZE])
{
    const struct bytes text = bytes_from_text(value);
    for (size_t at = 0; text.size > 0 && at <= text.size;) {
        const struct bytes item = next_item(text, &at);
        size_t sign = 0;
        while (sign < item.size && item.data[sign] != '@')
            sign++;
        int64_t id;
        struct host_port place;
        struct err_note note = { 0 };
        int r = 0;
        if (sign == item.size ||
            !java_parse_integer(bytes_slice(item, 0, sign), INT32_MIN, INT32_MAX, &id))
            r = err_note(&note, -ERR_MALFORMED, "'%.*s' has no voter id before an @",
                         BYTES_PRINTF(bytes_slice(item, 0, 100)));
        else
            r = host_port_parse(bytes_slice(item, sign + 1, item.size), &place, &note);
        if (r < 0) {
            (void)snprintf(reason, SETTING_REASON_SIZE, "%.200s; each entry is id@host:port",
                           note.text);
            return false;
        }
    }
    return true;
}

static bool all_digits(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    }
    return text.size > 0;
}

/* One comma at the end is let through, as Kafka lets it. */
bool throttled_replicas(const char *value, char reason[SETTING_REASON_SIZE])
{
    struct bytes text = bytes_from_text(value);
    if (text.size == 0 || strcmp(value, "*") == 0)
        return true;
    if (text.size > 1 && text.data[text.size - 1] == ',')
        text.size--;
    for (size_t at = 0; at <= text.size;) {
        const struct bytes item = next_item(text, &at);
        size_t colon = 0;
        while (colon < item.size && item.data[colon] != ':')
            colon++;
        if (colon == item.size || !all_digits(bytes_slice(item, 0, colon)) ||
            !all_digits(bytes_slice(item, colon + 1, item.size))) {
            (void)snprintf(reason, SETTING_REASON_SIZE,
                           "must be '*' or a list of [partitionId]:[brokerId]");
            return false;
        }
    }
    return true;
}

static bool is_duration_strategy(const char *value)
{
    const struct bytes prefix = BYTES_LITERAL("by_duration:");
    const struct bytes text = bytes_from_text(value);
    int64_t ms;
    return bytes_starts_with(text, prefix) &&
           java_parse_duration_ms(bytes_slice(text, prefix.size, text.size), &ms) && ms >= 0;
}

bool share_offset_reset(const char *value, char reason[SETTING_REASON_SIZE])
{
    if (strcmp(value, "latest") == 0 || strcmp(value, "earliest") == 0 ||
        is_duration_strategy(value))
        return true;
    (void)snprintf(reason, SETTING_REASON_SIZE,
                   "must be earliest, latest or by_duration:PnDTnHnMn.nS, not negative");
    return false;
}

bool offset_reset(const char *value, char reason[SETTING_REASON_SIZE])
{
    if (strcmp(value, "none") == 0 || share_offset_reset(value, reason))
        return true;
    (void)snprintf(reason, SETTING_REASON_SIZE,
                   "must be earliest, latest, none or by_duration:PnDTnHnMn.nS, not negative");
    return false;
}

/* "host:count,…"; an empty entry is let through. */
bool connections_per_ip(const char *value, char reason[SETTING_REASON_SIZE])
{
    const struct bytes text = bytes_from_text(value);
    for (size_t at = 0; at < text.size;) {
        const struct bytes item = next_item(text, &at);
        size_t colon = item.size;
        while (colon > 0 && item.data[colon - 1] != ':')
            colon--;
        int64_t count;
        if (item.size > 0 && (colon < 2 || !host_is_legal(bytes_slice(item, 0, colon - 1)) ||
                              !java_parse_integer(bytes_slice(item, colon, item.size), INT32_MIN,
                                                  INT32_MAX, &count))) {
            (void)snprintf(reason, SETTING_REASON_SIZE, "'%.*s' is not host:count",
                           BYTES_PRINTF(bytes_slice(item, 0, 100)));
            return false;
        }
    }
    return true;
}

bool compression_codec(const char *value, char reason[SETTING_REASON_SIZE])
{
    if (strlen(value) == 1 && value[0] >= '0' && value[0] <= '4')
        return true;
    (void)snprintf(reason, SETTING_REASON_SIZE,
                   "no such codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd");
    return false;
}
