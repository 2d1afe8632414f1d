/* See rig_answers.h. */
#include "rig_answers.h"

#include "base/mem.h"
#include "wire/kafka_error.h"
#include "wire/message.h"

#include <ctype.h>
#include <string.h>

#define JSON_BYTES_MAX (1u << 24)

/* ---- who waits --------------------------------------------------------------------------------------------- */

void rig_asked_put(struct map_i64 *asked, uint64_t token, const char *label, int16_t version,
                   struct arena *arena)
{
    struct rig_asked *one = MEM_NEW(struct rig_asked);
    *one = (struct rig_asked){ .label = mem_strdup(label), .version = version, .arena = *arena };
    arena_init(arena, SIZE_MAX);
    (void)map_i64_put(asked, (int64_t)token, one); /* tokens are new */
}

struct rig_asked *rig_asked_take(struct map_i64 *asked, uint64_t token)
{
    struct rig_asked *one = map_i64_remove(asked, (int64_t)token);
    ASSERT(one != NULL);
    return one;
}

void rig_asked_free(struct rig_asked *asked)
{
    mem_free(asked->label);
    arena_deinit(&asked->arena);
    mem_free(asked);
}

void rig_asked_forget(struct map_i64 *asked)
{
    for (struct map_i64_walk w = { 0 }; map_i64_next(asked, &w);)
        rig_asked_free(w.value);
    map_i64_clear(asked);
}

/* ---- what is printed ------------------------------------------------------------------------------------- */

/* Each answers how much of the text it stands for, or 0. */

static size_t put_name(struct buf *out, struct bytes text, const struct map *names)
{
    for (struct map_walk w = { 0 }; names != NULL && map_next(names, &w);) {
        if (!bytes_starts_with(text, bytes_from_text(w.value)))
            continue;
        buf_printf(out, "$%.*s", BYTES_PRINTF(w.key));
        return strlen(w.value);
    }
    return 0;
}

static size_t put_code(struct buf *out, struct bytes text)
{
    static const char *const words[] = { "\"errorCode\":", "\"partitionErrorCode\":" };
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!bytes_starts_with(text, bytes_from_text(words[i])))
            continue;
        size_t at = strlen(words[i]);
        const bool is_negative = text.data[at] == '-';
        int code = 0;
        for (at += is_negative; isdigit(text.data[at]); at++)
            code = code * 10 + (text.data[at] - '0');
        buf_printf(out, "%s%s", words[i], kafka_error_name((int16_t)(is_negative ? -code : code)));
        return at;
    }
    return 0;
}

void rig_put_readable(struct buf *out, struct bytes json, const struct map *names)
{
    static const char throttle[] = "\"throttleTimeMs\":0,";
    for (size_t at = 0; at < json.size;) {
        const struct bytes rest = bytes_slice(json, at, SIZE_MAX);
        size_t size = bytes_starts_with(rest, bytes_from_text(throttle)) ? strlen(throttle) : 0;
        if (size == 0)
            size = put_name(out, rest, names);
        if (size == 0)
            size = put_code(out, rest);
        if (size == 0)
            buf_put_u8(out, json.data[at++]);
        at += size;
    }
}

void rig_put_lines(struct buf *out, const struct coord_lines *lines, const struct map *names)
{
    for (size_t i = 0; i < lines->items.count; i++) {
        buf_printf(out, "  %s ", diag_level_name(lines->items.items[i].level));
        rig_put_readable(out, bytes_from_text(lines->items.items[i].text), names);
        buf_put_text(out, "\n");
    }
}

void rig_put_record(struct buf *out, struct arena *arena, enum wire_kind key_kind,
                    uint64_t write_id, struct bytes key, struct bytes value,
                    const struct map *names)
{
    struct framed_record framed_key;
    struct framed_record framed_value;
    struct buf json;
    buf_init(&json, JSON_BYTES_MAX);
    if (coordinator_key_decode(key_kind, key, arena, &framed_key, NULL) < 0) {
        buf_put_text(&json, "a key that cannot be read");
    } else {
        wire_print(framed_key.message, framed_key.version, framed_key.value, &json);
        buf_put_text(&json, " = ");
        if (bytes_is_null(value)) {
            buf_put_text(&json, "nothing");
        } else if (coordinator_value_decode(&framed_key, value, arena, &framed_value, NULL) == 0) {
            buf_printf(&json, "v%d ", framed_value.version);
            wire_print(framed_value.message, framed_value.version, framed_value.value, &json);
        } else {
            buf_put_text(&json, "a value that cannot be read");
        }
    }
    buf_printf(out, "  write %" PRIu64 " ", write_id);
    rig_put_readable(out, buf_view(&json), names);
    buf_put_text(out, "\n");
    buf_deinit(&json);
}
