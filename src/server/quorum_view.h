/* What handlers may know of the quorum. Implemented by node over raft/. Threads: the shard's. */
#pragma once

#include "base/arena.h"
#include "base/base.h"

struct describe_quorum_request;
struct describe_quorum_response;

struct quorum_view {
    int16_t (*kraft_version)(struct quorum_view *view);
    void (*describe)(struct quorum_view *view, const struct describe_quorum_request *request,
                     int16_t version, struct arena *arena, struct describe_quorum_response *out);
};

static inline int16_t quorum_kraft_version(struct quorum_view *view)
{
    return view->kraft_version(view);
}
