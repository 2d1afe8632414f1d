/* Names of files and directories: see names.h. */
#include "log/names.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define OFFSET_DIGITS 20

static const char *const kind_suffixes[LOG_NAME_KINDS] = {
    [LOG_NAME_LOG] = ".log",
    [LOG_NAME_OFFSET_INDEX] = ".index",
    [LOG_NAME_TIME_INDEX] = ".timeindex",
    [LOG_NAME_TXN_INDEX] = ".txnindex",
    [LOG_NAME_SNAPSHOT] = ".snapshot",
};

static const char *const stage_suffixes[] = {
    [LOG_NAME_LIVE] = "",
    [LOG_NAME_DELETED] = ".deleted",
    [LOG_NAME_CLEANED] = ".cleaned",
    [LOG_NAME_SWAP] = ".swap",
};

static bool ends_with(struct bytes text, const char *suffix)
{
    const size_t size = strlen(suffix);
    return text.size >= size && memcmp(text.data + text.size - size, suffix, size) == 0;
}

struct log_name log_name_parse(const char *name)
{
    struct log_name out = { .kind = LOG_NAME_KINDS, .base_offset = -1 };
    struct bytes rest = bytes_from_text(name);
    for (size_t stage = LOG_NAME_DELETED; stage < ARRAY_LEN(stage_suffixes); stage++) {
        if (ends_with(rest, stage_suffixes[stage])) {
            out.stage = (enum log_name_stage)stage;
            rest.size -= strlen(stage_suffixes[stage]);
            break;
        }
    }
    int64_t offset;
    const struct bytes digits = bytes_slice(rest, 0, OFFSET_DIGITS);
    if (digits.size != OFFSET_DIGITS || digits.data[0] == '-' || bytes_to_i64(digits, &offset) < 0)
        return out;
    const struct bytes suffix = bytes_slice(rest, OFFSET_DIGITS, rest.size);
    for (size_t kind = 0; kind < LOG_NAME_KINDS; kind++) {
        if (bytes_equal_text(suffix, kind_suffixes[kind])) {
            out.kind = (enum log_name_kind)kind;
            out.base_offset = offset;
        }
    }
    return out;
}

char *log_name_path(const char *directory, struct log_name name)
{
    ASSERT(name.kind < LOG_NAME_KINDS);
    return mem_printf("%s/%020" PRId64 "%s%s", directory, name.base_offset,
                      kind_suffixes[name.kind], stage_suffixes[name.stage]);
}

/* Splits "<topic>-<partition>" into out; false when it is not of that form. */
static bool parse_topic_partition(struct bytes text, struct log_directory_name *out)
{
    size_t dash = text.size;
    while (dash > 0 && text.data[dash - 1] != '-')
        dash--;
    if (dash < 2 || dash == text.size || dash - 1 > TOPIC_NAME_BYTES_MAX)
        return false;
    int64_t partition;
    const struct bytes digits = bytes_slice(text, dash, text.size - dash);
    if (digits.data[0] == '-' || bytes_to_i64(digits, &partition) < 0 || partition > INT32_MAX)
        return false;
    memcpy(out->topic, text.data, dash - 1);
    out->topic[dash - 1] = '\0';
    out->partition = (int32_t)partition;
    return topic_name_is_legal(bytes_from_text(out->topic), NULL);
}

void log_directory_name_parse(const char *name, struct log_directory_name *out)
{
    static const struct {
        const char *suffix;
        enum log_directory_kind kind;
    } marks[] = { { LOG_DELETE_SUFFIX, LOG_DIRECTORY_DELETE },
                  { LOG_STRAY_SUFFIX, LOG_DIRECTORY_STRAY },
                  { LOG_FUTURE_SUFFIX, LOG_DIRECTORY_FUTURE } };

    *out = (struct log_directory_name){ .kind = LOG_DIRECTORY_OTHER, .suffix = "" };
    struct bytes rest = bytes_from_text(name);
    enum log_directory_kind kind = LOG_DIRECTORY_LIVE;
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        if (!ends_with(rest, marks[i].suffix))
            continue;
        const char *dot = strrchr(name, '.');
        if (dot == NULL)
            return;
        kind = marks[i].kind;
        out->suffix = dot;
        rest.size = (size_t)(dot - name);
        break;
    }
    if (parse_topic_partition(rest, out))
        out->kind = kind;
}

char *log_directory_name(const char *topic, int32_t partition, struct uuid unique,
                         const char *suffix)
{
    char hex[2 * sizeof(unique.bytes) + 1];
    for (size_t i = 0; i < sizeof(unique.bytes); i++)
        snprintf(hex + 2 * i, 3, "%02x", unique.bytes[i]);
    AUTO(mem_freep) char *tail = mem_printf("-%" PRId32 ".%s%s", partition, hex, suffix);
    const size_t topic_size = MIN(strlen(topic), LOG_DIRECTORY_NAME_MAX - strlen(tail));
    return mem_printf("%.*s%s", (int)topic_size, topic, tail);
}
