/* The rows as a table, and how names are looked up. See setting.h. */
#include "config/setting.h"

#include "config/setting_check.h"
#include "config/setting_words.h"

#include <string.h>

/* ---- the columns of a row, as settings.def writes them ------------------------------------------ */

#define BOOLEAN  SETTING_BOOLEAN
#define STRING   SETTING_STRING
#define INT      SETTING_INT
#define SHORT    SETTING_SHORT
#define LONG     SETTING_LONG
#define DOUBLE   SETTING_DOUBLE
#define LIST     SETTING_LIST
#define CLASS    SETTING_CLASS
#define PASSWORD SETTING_PASSWORD

#define READ_ONLY    SETTING_READ_ONLY
#define PER_BROKER   SETTING_PER_BROKER
#define CLUSTER_WIDE SETTING_CLUSTER_WIDE
#define OF_RESOURCE  SETTING_OF_RESOURCE
#define REQUIRED     0x10
#define INTERNAL     0x20
#define OWN          0x80
#define DYNAMIC_ONLY 0x40
#define SCOPE_MASK   0x0F

#define HIGH   SETTING_HIGH
#define MEDIUM SETTING_MEDIUM
#define LOW    SETTING_LOW

#define HONOURED       SETTING_HONOURED
#define NOT_YET        SETTING_NOT_YET
#define NOT_YET_UNSAFE SETTING_NOT_YET_UNSAFE
#define MEANINGLESS    SETTING_MEANINGLESS

#define ANY                                                                                        \
    {                                                                                              \
        .kind = SETTING_CHECK_NONE, .text = ""                                                     \
    }
#define AT_LEAST(n)                                                                                \
    {                                                                                              \
        .kind = SETTING_CHECK_RANGE, .low = (n), .low_text = #n, .text = "at least " #n            \
    }
#define BETWEEN(a, b)                                                                              \
    {                                                                                              \
        .kind = SETTING_CHECK_RANGE, .low = (a), .low_text = #a, .high = (b), .high_text = #b,     \
        .has_high = true, .text = #a " to " #b                                                     \
    }
#define BETWEEN_OR(a, b, c)                                                                        \
    {                                                                                              \
        .kind = SETTING_CHECK_RANGE_OR, .low = (a), .low_text = #a, .high = (b), .high_text = #b,  \
        .has_high = true, .other = (c), .text = #a " to " #b ", or " #c                            \
    }
#define ONE_OF(list)                                                                               \
    {                                                                                              \
        .kind = SETTING_CHECK_ONE_OF, .words = (list), .text = "one of " list                      \
    }
#define ONE_OF_FOLDED(list)                                                                        \
    {                                                                                              \
        .kind = SETTING_CHECK_ONE_OF_FOLDED, .words = (list),                                      \
        .text = "one of " list " (in any case)"                                                    \
    }
#define LIST_ANY                                                                                   \
    {                                                                                              \
        .kind = SETTING_CHECK_LIST, .text = ""                                                     \
    }
#define LIST_SOME                                                                                  \
    {                                                                                              \
        .kind = SETTING_CHECK_LIST, .is_empty_refused = true, .text = "at least one"               \
    }
#define LIST_OF(list)                                                                              \
    {                                                                                              \
        .kind = SETTING_CHECK_LIST, .words = (list), .text = "any of " list                        \
    }
#define SOME_OF(list)                                                                              \
    {                                                                                              \
        .kind = SETTING_CHECK_LIST, .is_empty_refused = true, .words = (list),                     \
        .text = "at least one of " list                                                            \
    }
#define NON_EMPTY                                                                                  \
    {                                                                                              \
        .kind = SETTING_CHECK_NON_EMPTY, .text = "not empty"                                       \
    }
#define CUSTOM(function, form)                                                                     \
    {                                                                                              \
        .kind = SETTING_CHECK_CUSTOM, .custom = (function), .text = form                           \
    }

static const struct setting table[SETTING_COUNT] = {
#define SETTING(kind_, id_, name_, type_, initial_, check_, marks_, importance_, status_, words_)  \
    [SETTING_##kind_##_##id_] = {                                                                  \
        .id = SETTING_##kind_##_##id_,                                                             \
        .kind = SETTING_KIND_##kind_,                                                              \
        .type = (type_),                                                                           \
        .scope = (enum setting_scope)((marks_)&SCOPE_MASK),                                        \
        .importance = (importance_),                                                               \
        .status = (status_),                                                                       \
        .is_own = ((marks_)&OWN) != 0,                                                             \
        .is_internal = ((marks_)&INTERNAL) != 0,                                                   \
        .is_required = ((marks_)&REQUIRED) != 0,                                                   \
        .is_dynamic_only = ((marks_)&DYNAMIC_ONLY) != 0,                                           \
        .name = (name_),                                                                           \
        .initial = (initial_),                                                                     \
        .words = (words_),                                                                         \
        .check = check_,                                                                           \
    },
#include "config/settings.def"
#undef SETTING
};

/* ---- looking up ----------------------------------------------------------------------------------- */

const struct setting *setting_get(enum setting_id id)
{
    ASSERT((unsigned)id < SETTING_COUNT);
    return &table[id];
}

/* FIRST_<KIND> is the first id of a kind; what follows it counts on from there. */
enum {
#define SETTINGS_OF(kind) FIRST_##kind, BEFORE_##kind = FIRST_##kind - 1,
#define SETTING(kind, id, name, type, initial, check, scope, importance, status, words)            \
    ROW_##kind##_##id,
#include "config/settings.def"
#undef SETTING
};

struct setting_range setting_range(enum setting_kind kind)
{
    static const unsigned first[SETTING_KIND_COUNT + 1] = {
#define SETTINGS_OF(kind) [SETTING_KIND_##kind] = FIRST_##kind,
#define SETTING(kind, id, name, type, initial, check, scope, importance, status, words)
#include "config/settings.def"
#undef SETTING
        [SETTING_KIND_COUNT] = SETTING_COUNT,
    };
    ASSERT((unsigned)kind < SETTING_KIND_COUNT);
    return (struct setting_range){ .first = (enum setting_id)first[kind],
                                   .end = (enum setting_id)first[kind + 1] };
}

const struct setting *setting_find(enum setting_kind kind, struct bytes name)
{
    const struct setting_range range = setting_range(kind);
    for (unsigned i = range.first; i < range.end; i++) {
        if (bytes_equal_text(name, table[i].name))
            return &table[i];
    }
    return NULL;
}

#define NAME_SIZE_MAX 96 /* longer than every name of the table; longer ones are no slips of it */

/* Edits (insert, drop, change, swap neighbours) from a to b: optimal string alignment, three rows at a time. */
static size_t edit_distance(struct bytes a, const char *b)
{
    const size_t b_size = strlen(b);
    ASSERT(a.size < NAME_SIZE_MAX && b_size < NAME_SIZE_MAX);
    size_t rows[3][NAME_SIZE_MAX];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            const uint8_t c = a.data[i - 1];
            const uint8_t d = (uint8_t)b[j - 1];
            row[j] = MIN(MIN(above[j], row[j - 1]) + 1, above[j - 1] + (c == d ? 0u : 1u));
            if (i > 1 && j > 1 && c == (uint8_t)b[j - 2] && a.data[i - 2] == d)
                row[j] = MIN(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[a.size % 3][b_size];
}

const struct setting *setting_nearest(enum setting_kind kind, struct bytes name)
{
    if (name.size == 0 || name.size >= NAME_SIZE_MAX)
        return NULL;
    size_t least = MAX(name.size / 4, (size_t)2) + 1; /* a quarter mistyped, not more */
    const struct setting *nearest = NULL;
    const struct setting_range range = setting_range(kind);
    for (unsigned i = range.first; i < range.end; i++) {
        if (table[i].is_internal)
            continue;
        const size_t size = strlen(table[i].name);
        if (MAX(size, name.size) - MIN(size, name.size) >= least)
            continue; /* so many are to be inserted or dropped at least */
        const size_t distance = edit_distance(name, table[i].name);
        if (distance < least) {
            least = distance;
            nearest = &table[i];
        }
    }
    return nearest;
}

bool setting_is_sensitive(const struct setting *setting)
{
    return setting->type == SETTING_PASSWORD;
}

/* ---- names ---------------------------------------------------------------------------------------- */

const char *setting_type_name(enum setting_type type)
{
    static const char *const names[] = { "UNKNOWN", "BOOLEAN", "STRING", "INT",   "SHORT",
                                         "LONG",    "DOUBLE",  "LIST",   "CLASS", "PASSWORD" };
    ASSERT((unsigned)type < ARRAY_LEN(names));
    return names[type];
}

const char *setting_kind_name(enum setting_kind kind)
{
    static const char *const names[SETTING_KIND_COUNT] = {
        [SETTING_KIND_BROKER] = "broker",     [SETTING_KIND_TOPIC] = "topic",
        [SETTING_KIND_GROUP] = "group",       [SETTING_KIND_CLIENT_METRICS] = "client metrics",
        [SETTING_KIND_PRODUCER] = "producer", [SETTING_KIND_CONSUMER] = "consumer",
        [SETTING_KIND_ADMIN] = "admin",
    };
    ASSERT((unsigned)kind < SETTING_KIND_COUNT);
    return names[kind];
}

const char *setting_scope_name(enum setting_scope scope)
{
    static const char *const names[] = { "read-only", "per-broker", "cluster-wide", "" };
    ASSERT((unsigned)scope < ARRAY_LEN(names));
    return names[scope];
}

const char *setting_status_name(enum setting_status status)
{
    static const char *const names[] = { "honoured", "not yet", "refused yet", "meaningless here" };
    ASSERT((unsigned)status < ARRAY_LEN(names));
    return names[status];
}
