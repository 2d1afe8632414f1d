/* A cluster of brokers in a simulated world, for the unit tests of clients.
 *
 * The brokers speak the protocol over sockets and do what a broker must, in short: they keep batches and check sequences
 * (rig_log_test.c), lead a classic group (rig_group_test.c), and answer in order. What a test wants to go wrong it says in
 * rules: the next requests of an API are refused, held, lost before they are done, or done and their answers lost.
 */
#pragma once

#include "base/diag.h"
#include "base/list.h"
#include "base/map.h"
#include "base/test.h"
#include "base/uuid.h"
#include "base/vec.h"
#include "client/loop.h"
#include "config/config.h"
#include "sim/sim_world.h"
#include "wire/api.h"
#include "wire/batch.h"

#define CLIENT_RIG_BROKERS 3 /* ids 1, 2, 3; hosts "broker1", …; one in reserve: "elsewhere" */
#define CLIENT_RIG_PORT    9092
#define CLIENT_RIG_SERVERS "broker1:9092,broker2:9092,broker3:9092"

enum rig_deed {
    RIG_REFUSE, /* nothing is done; the answer carries the error */
    RIG_HOLD, /* nothing is done, and no later request of the connection, until client_rig_release */
    RIG_LOSE,        /* the connection breaks, nothing is done */
    RIG_DO_AND_LOSE, /* the connection breaks when it is done */
    RIG_GARBLE,      /* the answer is another request's */
    RIG_BABBLE,      /* what comes instead of an answer is no frame */
};

struct rig_rule {
    int16_t api_key;
    int32_t broker; /* 0: any */
    enum rig_deed deed;
    int16_t error;  /* of RIG_REFUSE */
    uint32_t times; /* 0: once */
};

struct rig_producer {
    int64_t id;
    int16_t epoch;
    int32_t last_sequence;
    struct {
        int32_t first, last;
        int64_t offset;
    } recent[5];
    uint32_t recent_count;
};

struct rig_batch {
    uint8_t *data;
    size_t size;
    int64_t base_offset;
    int64_t last_offset;
};

struct rig_aborted {
    int64_t producer_id;
    int64_t first_offset;
};

struct rig_partition {
    int32_t leader; /* -1: none */
    int32_t leader_epoch;
    int64_t start_offset;
    int64_t end_offset;
    int32_t read_replica; /* -1; else told to who fetches from the leader */
    VEC(struct rig_batch) batches;
    VEC(struct rig_producer) producers;
    VEC(struct rig_aborted) aborted;
};

struct rig_topic {
    char *name;
    struct uuid id;
    int16_t error; /* told in metadata */
    bool is_internal;
    struct rig_partition *partitions;
    int32_t count;
};

struct rig_broker {
    struct client_rig *rig;
    int32_t id;
    struct sim_node *node;
    struct io_listener *listener; /* NULL: it is down */
    const char *host;             /* what metadata tells */
    struct list wires;            /* open connections */
    uint32_t accepted;
};

struct rig_group; /* rig_group_test.c */

struct client_rig {
    struct sim_world *world;
    struct sim_node *machine; /* of the clients */
    struct sim_node *elsewhere;
    struct client_loop loop;
    struct config *config;
    struct diag diag;
    char last_line[512];
    struct rig_broker brokers[CLIENT_RIG_BROKERS];
    VEC(struct rig_topic *) topics;
    VEC(struct rig_rule) rules;
    uint32_t counts[API_KEY_COUNT]; /* requests that came */
    int32_t hidden_broker;          /* not told in metadata; 0: all are */
    bool is_old;                    /* knows no later ApiVersions than 0 */
    int32_t listed_groups;          /* in the answer to ListGroups */
    int64_t next_producer_id;
    int16_t transaction_version; /* the level of the feature; 2 */
    struct {
        int64_t producer_id;
        int16_t epoch;
        bool was_commit; /* the last end */
        uint32_t commits, aborts;
    } transaction; /* of the one transactional id that is served */
    int32_t coordinator;
    struct rig_group *group;
    uint32_t
        ghost_count; /* members that the group's leader is told of, and nobody is; without ids */
    struct bytes ghost_subscription; /* theirs; borrowed */
};

/* config: of that kind; `settings` are lines of properties beside bootstrap.servers. */
void client_rig_begin(struct client_rig *rig, uint64_t seed, enum setting_kind kind,
                      const char *settings);
void client_rig_end(struct client_rig *rig); /* the clients are gone */

/* Partition i is led by broker 1 + i modulo 3, in epoch 5. */
struct rig_topic *client_rig_topic(struct client_rig *rig, const char *name, int32_t partitions);
struct rig_topic *client_rig_find(struct client_rig *rig, struct bytes name); /* NULL */
void client_rig_rule(struct client_rig *rig, struct rig_rule rule);
void client_rig_lead(struct rig_topic *topic, int32_t partition,
                     int32_t leader);                         /* in a new epoch; -1: nobody */
void client_rig_stop(struct client_rig *rig, int32_t broker); /* its connections break */
void client_rig_start(struct client_rig *rig, int32_t broker);
void client_rig_move(struct client_rig *rig,
                     int32_t broker);            /* listens on "elsewhere" now; connections stay */
void client_rig_release(struct client_rig *rig); /* all that is held goes on */
uint32_t client_rig_held(const struct client_rig *rig);
void client_rig_run_ms(struct client_rig *rig, int64_t ms);
/* Runs the world until it is so, up to ten minutes, or the test fails. */
void client_rig_until(struct client_rig *rig, bool (*is_true)(void *context), void *context);

/* ---- requests, for the parts of the rig ---------------------------------------------------------- */

struct rig_wire;

struct rig_request {
    struct list link; /* in its connection, in order */
    struct client_rig *rig;
    struct rig_broker *broker;
    struct rig_wire *wire;
    struct io *io;
    int16_t api_key;
    int16_t version;
    int32_t correlation_id;
    const void *message;
    struct arena arena;
    uint8_t *frame;
    int16_t refusal; /* a rule says so; KAFKA_NONE: do it */
    bool is_lossy;   /* the connection breaks instead of the answer */
    bool is_garbled;
    bool is_silent; /* it has no answer */
    bool is_held;
    struct io_timer timer;                        /* for those who wait */
    void (*on_gone)(struct rig_request *request); /* before it is freed; may be NULL */
};

/* Answers and frees the request. */
void rig_answer(struct rig_request *request, const void *response);
/* The timers of the requests of that API that are being served fire at once. */
void rig_wake(struct rig_broker *broker, int16_t api_key);

void rig_produce(struct rig_request *request);
void rig_fetch(struct rig_request *request);
void rig_list_offsets(struct rig_request *request);
void rig_topic_free(struct rig_topic *topic);
/* Appends a batch as it is; its base offset. */
int64_t rig_append(struct rig_partition *partition, struct bytes batch);
/* Records with the values "from" … "from + count - 1". */
void rig_append_numbers(struct rig_partition *partition, int32_t from, int32_t count);
/* The partition's records have the values "0" … "count - 1", each once and in order, or the test fails. */
void rig_expect_numbers(const struct rig_partition *partition, int32_t count);

void rig_group_begin(struct client_rig *rig);
void rig_group_end(struct client_rig *rig);
void rig_group_serve(struct rig_request *request);
int64_t rig_group_committed(const struct client_rig *rig, const char *topic,
                            int32_t partition); /* -1 */
int32_t rig_group_committed_epoch(const struct client_rig *rig, const char *topic,
                                  int32_t partition); /* -1 */
uint32_t rig_group_members(const struct client_rig *rig);
int32_t rig_group_generation(const struct client_rig *rig);
void rig_group_forget_members(struct client_rig *rig); /* as a coordinator that lost its memory */
