/* Inside the consumer: its partitions (consumer.c), the group (consumer_group.c), what the group committed (consumer_offsets.c),
 * fetching (consumer_fetch.c). */
#pragma once

#include "base/mem.h"
#include "base/vec.h"
#include "client/assignor.h"
#include "client/cluster.h"
#include "client/consumer.h"
#include "client/settings.h"

/* One partition that is consumed. */
struct position {
    char *topic;
    int32_t partition;
    int64_t offset;    /* of the next record; below 0: CONSUMER_OFFSET_…, not known yet */
    int64_t committed; /* -1: nothing yet */
    int32_t epoch;     /* of the batch before `offset`; goes with a commit (KIP-320); -1: unknown */
    bool is_busy;      /* a request about it is under way */
    bool has_chunk;    /* fetched records wait to be polled */
    int32_t replica;   /* that the leader sends us to (KIP-392); -1: none */
    int64_t replica_until_ns;
    int64_t not_before_ns;
};

struct fetch;

/* Fetched records of a partition. */
struct chunk {
    struct list link;
    struct fetch *fetch; /* whose answer the bytes are in */
    struct position *position;
    struct bytes rest;
    const struct fetch_response_aborted_transaction *aborted;
    int32_t aborted_count;
    VEC(int64_t) aborting; /* producers within an aborted transaction */
    int32_t aborted_next;
    struct batch_view batch;
    struct record_walk walk;
    bool is_walking;
};

enum group_state {
    GROUP_NONE, /* partitions were assigned by hand */
    GROUP_LOST, /* no coordinator */
    GROUP_FINDING,
    GROUP_UNJOINED,
    GROUP_JOINING,
    GROUP_LEADING, /* the leader lacks topics' partitions to share out */
    GROUP_SYNCING,
    GROUP_MEMBER,
};

struct consumer {
    struct client_loop loop;
    struct io *io;
    const struct config *config;
    const struct diag *diag;
    struct cluster *cluster;
    struct client_settings settings;
    struct consumer_owner owner;
    struct codec_contexts *codecs;
    struct io_timer tick;
    VEC(struct position *) positions;
    struct list chunks;     /* in order of arrival */
    struct list fetches;    /* under way, or with chunks left */
    struct position *given; /* whose record was polled last: it may still be worked on */
    int64_t given_offset;
    int32_t given_epoch; /* of what is before it */
    int64_t turned_ns;   /* when the loop last had a turn */
    int error;           /* what ended it; the note says more */
    struct err_note note;
    bool is_closing;
    bool is_isolated; /* isolation.level=read_committed */
    int64_t reset;    /* CONSUMER_OFFSET_LATEST, _EARLIEST, or 0: none */

    /* wanted */
    VEC(char *) topics; /* subscribed */
    struct consumer_filter filter;
    bool has_filter;
    struct wish {
        char *topic;
        int32_t partition;
        int64_t offset;
        bool is_done;
    } * wishes; /* assigned, not yet expanded to positions */
    size_t wish_count;

    /* group */
    enum group_state group;
    const char *group_id;
    int32_t coordinator;
    char *member_id;
    char *protocol;
    int32_t generation;
    int64_t partitions_seen; /* of the subscription, when it was last joined */
    uint64_t leading_ticket; /* of the metadata that the leader waits for */
    int32_t lookup_generation;
    struct client_call group_call;
    struct client_call commit_call;
    struct client_call heartbeat_call;
    struct client_call lookup_call;
    struct arena group_arena;
    struct arena commit_arena;
    struct arena heartbeat_arena;
    struct arena lookup_arena;
    int64_t group_not_before_ns;
    int64_t heartbeat_ns;
    int64_t commit_ns;
    bool wants_commit;
    int commit_result; /* of the latest */
    struct err_note commit_note;
};

void consumer__tick_soon(struct consumer *c);
void consumer__fail(struct consumer *c, int code, const char *format, ...) PRINTF_LIKE(3, 4);
void consumer__add_position(struct consumer *c, struct bytes topic, int32_t partition,
                            int64_t offset);
void consumer__drop_positions(struct consumer *c);
struct position *consumer__position(struct consumer *c, struct bytes topic, int32_t partition);
int64_t consumer__retry_at(const struct consumer *c);

/* consumer_group.c: one step of what the group needs. */
void consumer__group_tick(struct consumer *c, int64_t now_ns);
void consumer__group_changed(struct consumer *c); /* the subscription's topics did */
void consumer__find_coordinator(struct consumer *c);
void consumer__lose_coordinator(struct consumer *c);
/* What the coordinator answered to join, sync, heartbeat or commit. */
void consumer__group_error(struct consumer *c, int16_t error);
/* To the coordinator, which is known. */
void consumer__send(struct consumer *c, struct client_call *call, enum api_key key,
                    const void *request, void (*done)(struct client_call *));
struct bytes consumer__instance_id(const struct consumer *c);
void consumer__leave(struct consumer *c);
void consumer__group_deinit(struct consumer *c);

/* consumer_offsets.c: committed offsets of positions without one; commits that are due or wanted. */
void consumer__lookup(struct consumer *c, int64_t now_ns);
void consumer__commit_tick(struct consumer *c, int64_t now_ns);
void consumer__commit(struct consumer *c);
bool consumer__has_uncommitted(const struct consumer *c);
/* The positions are about to be given up: a commit that still waits comes too late. */
void consumer__commit_missed(struct consumer *c);

/* consumer_fetch.c */
void consumer__fetch_tick(struct consumer *c, int64_t now_ns);
void consumer__drop_chunks(struct consumer *c);
/* 1, 0 (nothing is there), or negative with c->note. */
MUST_CHECK int consumer__next(struct consumer *c, struct consumer_record *out);
