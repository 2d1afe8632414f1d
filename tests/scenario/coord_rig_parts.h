/* What the two files of the rig share. */
#pragma once

#include "base/map.h"
#include "base/mem.h"
#include "coord_rig.h"

struct rig_record {
    int64_t producer_id;
    struct bytes key; /* owned; null: a marker that ends the producer's transaction */
    struct bytes value;
    bool is_commit;
};

struct rig_write {
    uint64_t id;
    VEC(struct rig_record) records;
};

struct rig {
    struct group_coordinator *coordinator;
    struct group_settings settings;
    struct group_effects effects;
    struct arena arena; /* of a command */
    struct buf *out;
    int64_t now_ms;
    uint64_t next_token;
    uint8_t next_random;
    struct map members;    /* label → member id, heap text */
    struct map_i64 labels; /* token → struct rig_asked */
    VEC(struct rig_record) log;
    VEC(struct rig_write) writes; /* under way, oldest first */
    bool holds_writes;
};

struct rig_asked {
    char *label;
    int16_t version;
    struct arena arena; /* of the request: valid until its answer */
};

/* The words of a line. */
struct command {
    char *label; /* "" if none */
    char *words[RIG_WORDS_MAX];
    int count;
};

const char *command_option(const struct command *command, const char *name,
                           const char *otherwise); /* the value of name=… */
int64_t command_number(const struct command *command, const char *name, int64_t otherwise);
bool command_has(const struct command *command, const char *word);
int64_t number(const char *text); /* 0 for what is none */
/* Splits "a,b" in the arena; NULL and "" give none. */
char **split(struct arena *arena, const char *text, char separator, int32_t *out_count);

/* "$a" or "a": the id that was given to who asked under that label; others stand for themselves, "-" for nobody. */
struct bytes rig_member_id(struct rig *rig, const char *word);
struct uuid rig_topic_id(const char *topic);

/* The message of a request by its word, in rig->arena; NULL: no such request. */
const void *rig_request(struct rig *rig, const struct command *command, int16_t *out_api_key,
                        int16_t *out_version);
