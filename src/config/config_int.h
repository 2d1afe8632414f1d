/* What the files of this folder know of a snapshot. Private to this folder. */
#pragma once

#include "base/arena.h"
#include "config/config.h"
#include "config/describe.h"
#include "config/properties.h"
#include "config/setting_check.h"

/* Where texts come from, lowest first. A broker has all three; other kinds only CONFIG_LAYER_OWN: the file of a
 * client, the overrides of a topic, group or subscription. */
enum config_layer {
    CONFIG_LAYER_OWN,
    CONFIG_LAYER_CLUSTER, /* dynamic, for all brokers */
    CONFIG_LAYER_BROKER,  /* dynamic, for this one */
    CONFIG_LAYER_COUNT
};

/* One `listener.name.<listener>.<setting>` in effect. */
struct config_listener_value {
    const char *listener; /* lower case, as in the name */
    enum setting_id id;
    struct setting_value value;
};

struct config {
    uint32_t reference_count; /* atomic */
    enum setting_kind kind;
    struct setting_range range;
    struct arena arena;                           /* holds all that follows */
    struct setting_value *values;                 /* by id - range.first */
    struct properties layers[CONFIG_LAYER_COUNT]; /* raw, every text valid or of an unknown name */
    VEC(struct config_listener_value) listener_values;
    struct listeners *listeners; /* brokers only; owned */
    struct config_list log_dirs; /* paths in one form, whatever slashes were written */
    const char *metadata_log_dir;
    struct config *topic_defaults; /* brokers only: what a topic without overrides has; owned */
};

/* Bounded by the text that may come in (properties, metadata records), each byte of which costs some dozen here. */
#define CONFIG_ARENA_SIZE_MAX (256 * (size_t)1024 * 1024)

/* An empty snapshot, count 1, values unset. */
struct config *config__new(enum setting_kind kind);
void config__put(struct config *config, enum config_layer layer, struct bytes name,
                 struct bytes value, uint32_t line);
struct setting_value *config__value(const struct config *config, enum setting_id id);

/* Sets every value that no layer names to its default (required ones stay null). */
void config__set_defaults(struct config *config);

/* "listener.name.<listener>.[<mechanism>.]<setting>" of brokers. Whether it is one; outputs then set. */
bool config__split_listener_name(struct bytes name, struct bytes *out_listener,
                                 const struct setting **out_setting);

/* Reads one layer's text into the value it names (or the listener value). Names that are no setting's are left
 * alone. -ERR_INVALID_SETTING with a note. */
MUST_CHECK int config__set_value(struct config *config, struct bytes name, struct bytes text,
                                 struct err_note *note);

/* Listeners, log directories and topics' defaults, from the values. -ERR_INVALID_SETTING with a note. */
MUST_CHECK int config__derive(struct config *broker, struct err_note *note);

/* What a topic without overrides has (resource.c); a new one, count 1. */
struct config *config__topic_defaults(const struct config *broker);

/* Rules between a broker's settings (rules.c): each broken one is an error among the problems. */
void config__check_broker_rules(const struct config *broker, struct config_problems *problems);

/* What this build cannot do yet (status.c): warnings and refusals. */
void config__check_status(const struct config *config, struct config_problems *problems);
