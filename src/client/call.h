/* One request to a broker and its answer.
 *
 * The caller owns the struct, sets the first part, and gives it to channel_send. `request` (the struct of the
 * message in wire/messages) and what it points to stay until `done`. In `done`, or after it, the second part
 * tells how it went; client_call_deinit releases what the answer lives in and makes the struct fit for another use.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "wire/api.h"

#define CLIENT_ANSWER_BYTES_MAX     (512u << 20) /* a longer frame closes the connection */
/* What decoding an answer may take beside its frame: 8 times the frame and 1 MiB, and never more than the last. Answers of millions of
 * partitions take 5 times their bytes, in all less than half of it; a broker that sends elements of nothing gets as far as 16 times. */
#define CLIENT_DECODED_FACTOR_MAX   8
#define CLIENT_DECODED_BYTES_SPARED ((size_t)1 << 20)
#define CLIENT_DECODED_BYTES_MAX    ((size_t)512 << 20)
/* A request is made of what answers told. */
#define CLIENT_ARENA_BYTES_MAX      ((size_t)4 << 30)

struct channel;

struct client_call {
    enum api_key key;
    const void *request;
    int16_t version_max; /* not a later version; 0: any (version 0 alone cannot be asked for) */
    int32_t timeout_ms;  /* 0: request.timeout.ms */
    bool has_no_answer;  /* Produce with acks=0: done when it is sent */
    void (*done)(
        struct client_call *call); /* may send other calls; may not free connection or cluster */
    void *context;

    int result; /* 0, or why there is no answer: -ERR_CLOSED (by whoever, in order or not), -ERR_TIMEOUT, -ERR_VERSION (the broker has no common
                             version), -ERR_CANCELLED, what connecting failed with, or what coding failed with: -ERR_LIMIT, an answer
                             that takes more memory than CLIENT_DECODED_… allow */
    bool was_begun;  /* a connection was there to send it by; false: no broker has seen any of it */
    int16_t version; /* the one that was spoken */
    void *response;  /* the message's struct; valid until deinit */
    struct err_note note; /* words for a failure */

    struct list link_;
    struct arena arena_;
    uint8_t *answer_;
    struct channel *channel_;
    struct buf *frame_;
    int32_t correlation_id_;
    int64_t deadline_ns_;
    bool is_open_; /* between send and done */
};

/* Ends an open call with -ERR_CANCELLED, before it returns. One that is on its way takes its connection with it: other calls
 * there end with -ERR_CLOSED. */
void client_call_cancel(struct client_call *call);
void client_call_deinit(struct client_call *call); /* not while it is open */
