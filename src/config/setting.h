/* The table of every setting this node knows: what it is called, what it may hold, who may change it.
 *
 * The rows live in settings_<kind>.def, one line a setting, and are included many ways: as the enum below, as
 * the table in setting.c, as docs/settings.md. An id is SETTING_<KIND>_<NAME WITH _>:
 *
 *     SETTING_BROKER_LOG_SEGMENT_BYTES    log.segment.bytes of server.properties
 *     SETTING_TOPIC_SEGMENT_BYTES         segment.bytes of a topic
 *     SETTING_GROUP_CONSUMER_SESSION_TIMEOUT_MS, SETTING_PRODUCER_LINGER_MS, …
 *
 * Status is kept true by a test (tools/settings): HONOURED means that the id is named by a file in src/ outside
 * src/config, NOT_YET that it is not; a field that it is put into and nobody reads would deceive the test. Who begins to use a setting runs `tools/settings/settings.py --write`.
 * Threads: constant data, safe anywhere. Facts: Apache Kafka 4.3.1.
 */
#pragma once

#include "base/bytes.h"

/* Kinds with an own name space. A row's kind is also what a config (config.h) is of. */
enum setting_kind {
    SETTING_KIND_BROKER,
    SETTING_KIND_TOPIC,
    SETTING_KIND_GROUP,
    SETTING_KIND_CLIENT_METRICS, /* KIP-714 subscriptions */
    SETTING_KIND_PRODUCER,       /* client side: what command-line tools are given */
    SETTING_KIND_CONSUMER,
    SETTING_KIND_ADMIN,
    SETTING_KIND_COUNT
};

/* The numbers are those of DescribeConfigs (KIP-569). */
enum setting_type {
    SETTING_UNKNOWN = 0, /* of names that no table holds */
    SETTING_BOOLEAN = 1,
    SETTING_STRING = 2,
    SETTING_INT = 3,
    SETTING_SHORT = 4,
    SETTING_LONG = 5,
    SETTING_DOUBLE = 6,
    SETTING_LIST = 7,
    SETTING_CLASS = 8,
    SETTING_PASSWORD = 9, /* sensitive: never shown, not in errors either */
};

enum setting_scope {
    SETTING_READ_ONLY,    /* needs a restart */
    SETTING_PER_BROKER,   /* may change while running, for one broker or for all (KIP-226) */
    SETTING_CLUSTER_WIDE, /* the same; meant to be equal on all */
    SETTING_OF_RESOURCE, /* of a topic, group or subscription: any time; of a client: when it starts */
};

enum setting_importance { SETTING_HIGH, SETTING_MEDIUM, SETTING_LOW };

enum setting_status {
    SETTING_HONOURED,
    SETTING_NOT_YET,        /* has no effect yet; a warning at start */
    SETTING_NOT_YET_UNSAFE, /* ignoring it would weaken security or durability: refused */
    SETTING_MEANINGLESS,    /* tunes machinery that this build does not have; silently accepted */
};

enum setting_id {
#define SETTING(kind, id, name, type, initial, check, scope, importance, status, words)            \
    SETTING_##kind##_##id,
#include "config/settings.def"
#undef SETTING
    SETTING_COUNT
};

enum setting_check_kind {
    SETTING_CHECK_NONE,
    SETTING_CHECK_RANGE,         /* low … high, numbers of any type */
    SETTING_CHECK_RANGE_OR,      /* the same, or exactly `other` */
    SETTING_CHECK_ONE_OF,        /* one of `words` (comma-separated) */
    SETTING_CHECK_ONE_OF_FOLDED, /* the same, case ignored */
    SETTING_CHECK_LIST, /* no empty item, each one of `words` (any where NULL); repeated ones are dropped */
    SETTING_CHECK_NON_EMPTY, /* not "" (null is fine) */
    SETTING_CHECK_CUSTOM,    /* `custom` decides */
};

#define SETTING_REASON_SIZE 256

/* What a value must satisfy beyond being of its type. */
struct setting_check {
    enum setting_check_kind kind;
    bool is_empty_refused; /* lists */
    bool has_high;
    double low, high, other;
    const char *low_text, *high_text;
    const char *words;
    const char *text; /* "valid values" for people; never NULL */
    /* Whether a value, in normal form, is fine; if not, a reason. */
    bool (*custom)(const char *value, char reason[SETTING_REASON_SIZE]);
};

struct setting {
    enum setting_id id;
    enum setting_kind kind;
    enum setting_type type;
    enum setting_scope scope;
    enum setting_importance importance;
    enum setting_status status;
    bool
        is_own; /* Kafka does not know it: not described unless set; its name begins with "ottla." */
    bool is_internal;     /* Kafka hides it: not described unless set */
    bool is_required;     /* no default */
    bool is_dynamic_only; /* not read from a file */
    const char *name;
    const char *initial; /* default as Kafka prints it; NULL: null, or required */
    const char *words;   /* one or two sentences, ours */
    struct setting_check check;
};

const struct setting *setting_get(enum setting_id id);

/* Ids of one kind are consecutive: [first, end). */
struct setting_range {
    enum setting_id first;
    enum setting_id end;
};
struct setting_range setting_range(enum setting_kind kind);

/* By exact name; NULL if there is none. */
const struct setting *setting_find(enum setting_kind kind, struct bytes name);

/* The known name nearest to a mistyped one, NULL if none is near enough to be worth suggesting. */
const struct setting *setting_nearest(enum setting_kind kind, struct bytes name);

/* The broker settings that stand behind a setting, in order of precedence: for a broker's itself first
 * (log.retention.ms, .minutes, .hours), for a topic's or group's the broker's. The first that is not null counts. Answers
 * how many; 0 where none does. */
#define SETTING_SYNONYM_COUNT_MAX 3
struct setting_synonym {
    enum setting_id id;
    int64_t factor; /* its value times this has the unit of the setting it stands behind */
};
size_t setting_synonyms(enum setting_id id, struct setting_synonym out[SETTING_SYNONYM_COUNT_MAX]);

bool setting_is_sensitive(const struct setting *setting);
const char *setting_type_name(enum setting_type type);       /* "BOOLEAN"; static */
const char *setting_kind_name(enum setting_kind kind);       /* "broker"; static */
const char *setting_scope_name(enum setting_scope scope);    /* "read-only"; static */
const char *setting_status_name(enum setting_status status); /* "not yet"; static */
