/* An append that is under way: how to undo what it did in memory, who waits for it, and what follows when it is done.
 *
 * Writes complete in the order in which they were made. One that fails takes the later ones with it, newest first.
 * Threads: one.
 */
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "coord/group/group.h"
#include "coord/group/pending_offsets.h"

enum undo_kind {
    UNDO_CREATED, /* a group came into being */
    UNDO_REMOVED, /* a group was removed; owned by the undo until the write is done */
    UNDO_OFFSET,
    UNDO_FOREIGN,   /* a key of another protocol's record died */
    UNDO_PENDING,   /* an offset of a transaction */
    UNDO_CONSUMER,  /* a part of a consumer group changed */
    UNDO_CONVERTED, /* the group became one of another kind */
};

struct undo {
    enum undo_kind kind;
    struct group *group; /* stays in memory as long as this write is under way */
    union {
        struct offset_saved offset;
        struct pending_change pending;
        struct consumer_change consumer; /* what was there; its key is owned */
        struct group_past past;
        struct {
            struct bytes key;   /* owned */
            uint8_t group_kind; /* before */
        } foreign;
    };
};

enum sequel_kind {
    SEQUEL_NONE,
    SEQUEL_ASSIGNMENT,    /* of a generation: members get it, the group becomes Stable */
    SEQUEL_STATIC_MEMBER, /* under a new id: its join is answered */
};

/* What follows when a write is done. */
struct sequel {
    enum sequel_kind kind;
    struct group *group;
    /* of a static member; in the write's arena */
    int32_t generation;
    struct bytes member_id;
    struct bytes member_id_before;
    struct bytes leader_before;
};

struct deferred_answer {
    uint64_t token;
    int16_t api_key;
    void *message; /* in the write's arena */
};

struct write {
    struct list link; /* oldest first */
    uint64_t id;
    int64_t give_up_ms; /* then answers are errors */
    bool was_given_up;
    bool is_of_expiry;
    VEC(struct undo) undos;
    VEC(struct deferred_answer) answers;
    struct arena arena;
    struct sequel sequel;
};

struct write *write_new(void);
void write_free(struct write *write,
                struct names *names); /* undos are forgotten: what they own is freed */
