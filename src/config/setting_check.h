/* Is this text a value of that setting? Parsing by type, then the row's check. Private to this folder.
 *
 * Messages follow the form that Kafka's clients know ("Invalid value x for configuration y: …").
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "config/config.h"

#define SETTING_VALUE_SIZE_MAX (1024 * 1024) /* of one value's text */
#define SETTING_LIST_COUNT_MAX 1024 /* items beyond it are not compared to find repeated ones */

/* One value in normal form. */
struct setting_value {
    const char *text; /* as Kafka prints it; NULL: null */
    union {
        bool boolean;
        int64_t integer; /* INT, SHORT, LONG */
        double real;
        struct config_list list;
    };
};

/* Parses and checks `text`; what *out points to comes from the arena or the table. A secret never enters the note.
 * Returns 0, -ERR_LIMIT for a number outside its range, or -ERR_INVALID_SETTING for anything else. */
MUST_CHECK int setting_value_parse(const struct setting *setting, struct bytes text,
                                   struct arena *arena, struct setting_value *out,
                                   struct err_note *note);

/* The table's default. A bug if the setting is required. */
struct setting_value setting_value_initial(const struct setting *setting, struct arena *arena);

/* Custom checks, named by rows. */
bool throttled_replicas(const char *value, char reason[SETTING_REASON_SIZE]);
bool quorum_voters(const char *value, char reason[SETTING_REASON_SIZE]);
bool quorum_bootstrap(const char *value, char reason[SETTING_REASON_SIZE]);
bool offset_reset(const char *value, char reason[SETTING_REASON_SIZE]);
bool share_offset_reset(const char *value, char reason[SETTING_REASON_SIZE]);
bool connections_per_ip(const char *value, char reason[SETTING_REASON_SIZE]);
bool compression_codec(const char *value, char reason[SETTING_REASON_SIZE]);
