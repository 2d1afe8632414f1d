/* A group coordinator over a log that a test keeps: one step at a time, writes that end well or badly, time that passes, and the
 * state that a reload of the log gives. For random histories. */
#pragma once

#include "base/rng.h"
#include "coord/group/group_coordinator.h"
#include "coord/rig_log_test.h"
#include "wire/kafka_error.h"

struct rig_group {
    struct rng rng;
    struct group_settings settings;
    struct group_coordinator *coordinator; /* owned */
    struct group_effects effects;
    struct rig_log log;
    VEC(struct group_resolution *) resolutions; /* that are out, oldest first; owned */
    bool holds_resolutions; /* else each comes back after the step that gave it out */
    int64_t now_ms;
    uint64_t next_token;
    void (*on_answer)(void *context, const struct coord_answer *answer);
    void (*on_stepped)(void *context); /* after each step; NULL is fine */
    void *context;
};

/* Zeroed but for rng, settings, and who is told: an empty log. What comes first is GROUP_ON_LOADED. */
void rig_group_begin(struct rig_group *rig);
void rig_group_end(struct rig_group *rig);

/* The event gets its times and random bytes. */
void rig_group_step(struct rig_group *rig, struct group_event event);
/* A request; its token. `token` is told before the step, which may answer it. */
void rig_group_ask(struct rig_group *rig, uint64_t *token, int16_t api_key, int16_t version,
                   const void *message);
/* The oldest write ends; with an error all others do with it. */
void rig_group_end_write(struct rig_group *rig, enum kafka_error error);
/* The oldest resolution is done, and comes back. */
void rig_group_resolve(struct rig_group *rig);
void rig_group_pass_time(struct rig_group *rig, int64_t ms);

/* One more coordinator that has what is in the log, LOADING; owned by the caller. */
struct group_coordinator *rig_group_reload(const struct rig_group *rig, uint64_t hash_seed);
/* Another takes the coordinator's place, LOADING. What was under way is not in the log. */
void rig_group_replace(struct rig_group *rig);
/* A reload would give the state that is there. Nothing is under way. */
void rig_group_expect_reloadable(const struct rig_group *rig);

struct bytes rig_take_line(struct bytes *text); /* with its end; the text has one */
