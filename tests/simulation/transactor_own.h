/* Inside transactor.c and transactor_ops.c. */
#pragma once

#include "base/buf.h"
#include "client.h"
#include "transactor.h"
#include "txns.h"
#include "wire/kafka_error.h"

#define RECORDS_MAX 4
#define PARTS_MAX   3  /* of a request */
#define STREAMS_MAX 64 /* partitions, those of topics that are gone included */

/* A batch on its way. */
struct txn_part {
    struct txn_stream *stream;
    uint32_t first; /* number of its first record */
    uint32_t count;
    int32_t base_sequence;
    struct model_record records[RECORDS_MAX];
    int64_t timestamps_ms[RECORDS_MAX];
    struct buf batch;
    bool is_again; /* it was sent before */
};

/* What it writes to a partition. */
struct txn_stream {
    struct model_partition *partition;
    int32_t sequence_next; /* under its epoch */
    bool is_added;         /* to the transaction: by a client of old */
};

enum consuming { CONSUMING_NOTHING, CONSUMING_FETCH, CONSUMING_ADD, CONSUMING_COMMIT };

struct transactor {
    struct client client; /* first */
    struct transactor *other;
    char name[24];
    uint32_t id;
    uint32_t author; /* of records, for the model */
    uint32_t number_next;
    int32_t timeout_ms;
    bool is_old;              /* speaks as clients before transaction version 2 do */
    unsigned missing;         /* coordinators that are to be found: bits of enum coordinator_kind */
    struct txns_epoch epoch;  /* producer_id -1: is to be asked for */
    struct txns_epoch before; /* the one it had, which it may name when it asks */
    uint64_t init_count;      /* how often it has asked */
    int64_t init_open_until_ns; /* what it asked for may come about until then */
    uint64_t other_init_count;  /* when its epoch was asked for */
    bool
        is_contended; /* somebody else asked at the same time, or it had itself, without an answer */

    uint32_t txn; /* 0: none */
    int64_t txn_began_ns;
    bool is_begun; /* something of it was sent */
    bool is_added; /* something of it was taken */
    uint32_t steps_left;
    bool is_ending;
    bool is_commit;
    int64_t asleep_until_ns;
    struct txns_epoch newest; /* of its id, when the question was asked */
    uint64_t life;            /* of the broker, the same */

    struct txn_part parts[PARTS_MAX];
    uint32_t part_count;
    struct txn_stream *streams[STREAMS_MAX];
    uint32_t stream_count;

    enum consuming consuming;
    unsigned consumed; /* keys, in this transaction: bits */
    uint32_t key;      /* that is consumed */
    bool is_group_added;
    uint32_t after;
    int64_t from;
    int64_t to;
    struct txns_look look;

    int16_t error; /* last told */
    char words[160];
};

enum coordinator_kind { COORDINATOR_OF_GROUP = 1, COORDINATOR_OF_TRANSACTIONS = 2 };

/* ---- transactor.c ---------------------------------------------------------------------------- */

static inline struct bytes transactor_id(const struct transactor *t)
{
    return bytes_from_text(txns_id_name(t->client.scene->txns, t->id));
}

/* Before each request whose answer tells whether it had an effect. */
void transactor_asks(struct transactor *t);
/* It was taken. */
void transactor_was_taken(struct transactor *t, const char *what);
/* An error: the same is asked again later, or the transaction is given up; else it is a broken promise. */
void transactor_on_error(struct transactor *t, int16_t error, enum coordinator_kind of,
                         const char *what);
/* Whether there is a cause why it may be fenced, or its transaction be gone. */
bool transactor_is_excused(const struct transactor *t);
/* It goes on under another epoch, which it asks for. */
void transactor_give_up(struct transactor *t);

/* ---- transactor_ops.c ------------------------------------------------------------------------ */

/* Decides what to do next in the transaction, and begins it. */
void transactor_begin_op(struct transactor *t);
/* Goes on with that. False: there is nothing to go on with. */
bool transactor_continue(struct transactor *t);
void transactor_drop_parts(struct transactor *t);
