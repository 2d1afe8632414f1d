/* Effective settings: an immutable, counted snapshot of every value of one kind.
 *
 * A broker's snapshot is loaded from server.properties (config_load) and renewed when dynamic settings change
 * (config_with_dynamic). A topic's or group's is its own overrides over what the broker says. A producer's,
 * consumer's or admin's is what a command-line tool was given. All are `struct config`, read by the same getters:
 *
 *     const int64_t bytes = config_i64(broker, SETTING_BROKER_SOCKET_REQUEST_MAX_BYTES);
 *     const int64_t ms = config_i64(topic, SETTING_TOPIC_RETENTION_MS);
 *
 * Asking a config for an id of another kind, or with a getter of another type, is a bug (ASSERT).
 * Threads: immutable after birth, the count is atomic; share freely, hold a reference. What getters answer lives as
 * long as the config. Sources: Kafka's broker, topic and group configuration chapters, KIP-226, KIP-848.
 */
#pragma once

#include "base/err.h"
#include "base/vec.h"
#include "config/setting.h"

struct config;
struct listeners; /* listeners.h */

/* ---- input ----------------------------------------------------------------------------------- */

/* One `name = value` from the metadata image, a request or a command line; borrowed. Null value: as absent. */
struct config_override {
    struct bytes name;
    struct bytes value;
};
struct config_overrides {
    const struct config_override *items;
    size_t count;
};
#define CONFIG_OVERRIDES_NONE ((struct config_overrides){ .items = NULL, .count = 0 })

/* What a person should hear about a configuration, in the order of discovery. */
enum config_severity { CONFIG_WARNING, CONFIG_ERROR };
struct config_problem {
    enum config_severity severity;
    char *text; /* owned; one line, no secret in it */
};
#define CONFIG_PROBLEM_COUNT_MAX 200 /* one more says that there were others */
struct config_problems {
    VEC(struct config_problem) list;
    size_t error_count; /* also of those that are not listed */
};
void config_problems_deinit(struct config_problems *problems); /* zeroed is fine */
void config_problem_add(struct config_problems *problems, enum config_severity severity,
                        const char *format, ...) PRINTF_LIKE(3, 4);

/* ---- birth and death --------------------------------------------------------------------------- */

/* Reads a properties file and lays `overrides` (`--override name=value`, or a tool's own) over it. kind: broker or a
 * client kind. `path` is for messages only. Everything wrong is gathered before returning, so that a person mends a
 * file in one go: unknown names (a warning with the nearest known one), values of the wrong type or outside
 * their limits, rules between settings, settings that this build cannot honour (see enum setting_status).
 *
 * Returns 0 with *out set (count 1), problems perhaps holding warnings; or, *out untouched:
 *   -ERR_MALFORMED        the text is no properties file
 *   -ERR_INVALID_SETTING  at least one problem is an error */
MUST_CHECK int config_load(enum setting_kind kind, struct bytes text, const char *path,
                           struct config_overrides overrides, struct config **out,
                           struct config_problems *problems);

struct config *config_ref(struct config *config);
void config_unref(struct config *config); /* NULL is fine */
void config_unrefp(struct config **config);

/* A new broker snapshot (count 1): the static file of `broker`, then the cluster-wide defaults, then this broker's own
 * dynamic settings (KIP-226: broker over cluster over static over default). Replaces dynamic settings laid before.
 * Cannot fail: as in Kafka, a stored value that is unknown, read-only or invalid is skipped with an error among the
 * problems, and the next layer counts. */
struct config *config_with_dynamic(const struct config *broker,
                                   struct config_overrides cluster_wide,
                                   struct config_overrides per_broker,
                                   struct config_problems *problems);

/* A topic's settings, with a reference for the caller: its overrides over the broker's (`segment.ms` over log.roll.ms
 * over log.roll.hours, …). Topics without overrides share one snapshot. Cannot fail either: overrides come from the metadata
 * log, where they were validated; a bad one is skipped and counted in *out_skipped (may be NULL), with the last one's
 * reason in the note. */
struct config *config_for_topic(const struct config *broker, struct config_overrides overrides,
                                size_t *out_skipped, struct err_note *note);

/* A group's (KIP-848, KIP-932, KIP-1071): the same; also clamped to the broker's min/max of the kind, as Kafka does. */
struct config *config_for_group(const struct config *broker, struct config_overrides overrides,
                                size_t *out_skipped, struct err_note *note);

/* A number that groups may set for themselves: what the broker says of it. */
struct config_bounded {
    enum setting_id id; /* of the group's setting */
    int32_t value;      /* of groups that do not */
    int32_t min;
    int32_t max;
};
struct config_bounded config_bounded_for_groups(const struct config *broker, enum setting_id id);
/* What a group has whose own text it is (null: it has none), as config_for_group has it. */
int32_t config_bounded_value(const struct config_bounded *setting, struct bytes own);

/* A client-metrics subscription's (KIP-714). */
struct config *config_for_client_metrics(struct config_overrides overrides, size_t *out_skipped,
                                         struct err_note *note);

/* ---- values ------------------------------------------------------------------------------------ */

enum setting_kind config_kind(const struct config *config);

/* Null only where the table's default is null (log.retention.ms, broker.rack, …); the getters of numbers refuse null. */
bool config_is_null(const struct config *config, enum setting_id id);

bool config_bool(const struct config *config, enum setting_id id);
int64_t config_i64(const struct config *config, enum setting_id id); /* INT, LONG, SHORT */
double config_f64(const struct config *config, enum setting_id id);
const char *config_text(const struct config *config,
                        enum setting_id id); /* STRING, CLASS, PASSWORD; NULL for null */

/* LIST: items in order, trimmed. Null and "" both give count 0 (config_is_null tells them apart). */
struct config_list {
    const char *const *items;
    size_t count;
};
struct config_list config_list(const struct config *config, enum setting_id id);
bool config_list_has(const struct config *config, enum setting_id id, const char *item);

/* The short name of an assignor of group.consumer.assignors that is named so, or by Kafka's class of it; NULL: there is none such. */
const char *config_consumer_assignor(const char *name);

/* Any type, as text in the form Kafka prints it ("1.7976931348623157E308", "a,b"); NULL for null. Secrets too: for
 * showing to people use describe.h. */
const char *config_value_text(const struct config *config, enum setting_id id);

/* ---- values that several settings decide, broker kind only ---------------------------------------- */

/* A broker's INT or LONG setting with those that stand behind it while it is null, in its own unit:
 * SETTING_BROKER_LOG_RETENTION_MS from .ms, else .minutes, else .hours. Also by the id of a topic's or group's setting: what
 * such a resource has without an override. False if all are null. */
bool config_effective_i64(const struct config *broker, enum setting_id id, int64_t *out);

bool config_has_role_broker(const struct config *broker); /* process.roles */
bool config_has_role_controller(const struct config *broker);
struct config_list
config_log_dirs(const struct config *broker); /* log.dirs, else log.dir; at least one */
const char *
config_metadata_log_dir(const struct config *broker); /* metadata.log.dir, else the first log dir */
const struct listeners *config_listeners(const struct config *broker); /* borrowed */

/* `listener.name.<listener>.<setting>` if given, else the plain setting; INT and LONG settings. Listener names as in
 * struct listener. */
int64_t config_listener_i64(const struct config *broker, const char *listener, enum setting_id id);
const char *config_listener_text(const struct config *broker, const char *listener,
                                 enum setting_id id);

/* ---- validation of what clients ask for --------------------------------------------------------- */

/* Would these be the topic's (group's, …) overrides? Checks names, types, limits and the rules between settings
 * (min.compaction.lag.ms <= max.compaction.lag.ms, …). For CreateTopics, AlterConfigs and IncrementalAlterConfigs:
 * give the whole new set; null values are passed over. Returns 0, or with a note of the kind that Kafka answers ("Invalid
 * value abc for configuration retention.ms: Not a number of type LONG"):
 *   -ERR_UNKNOWN_SETTING  no such name
 *   -ERR_LIMIT            a number outside its range
 *   -ERR_INVALID_SETTING  anything else
 * On the wire Kafka has INVALID_CONFIG for all; for client metrics, INVALID_REQUEST for the first two. */
MUST_CHECK int config_validate_topic(const struct config *broker, struct config_overrides overrides,
                                     struct err_note *note);
MUST_CHECK int config_validate_group(const struct config *broker, struct config_overrides overrides,
                                     struct err_note *note);
MUST_CHECK int config_validate_client_metrics(struct config_overrides overrides,
                                              struct err_note *note);

/* The same for a broker resource: `overrides` is the whole new set of dynamic settings of this broker, or, with
 * is_cluster_wide, of the cluster's default (resource name ""); the other layer stays as `broker` has it. Refuses
 * read-only settings, per-broker ones as cluster default, values that break a rule between settings or change a thread
 * count too fast, and changes that this build cannot take up while running. As in Kafka, unknown names are kept for plug-ins
 * and not refused. Returns 0, -ERR_LIMIT or -ERR_INVALID_SETTING (INVALID_REQUEST on the wire) with a note. */
MUST_CHECK int config_validate_broker(const struct config *broker,
                                      struct config_overrides overrides, bool is_cluster_wide,
                                      struct err_note *note);
