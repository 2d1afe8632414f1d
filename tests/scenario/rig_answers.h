/* Who has asked a rig and waits for an answer; and how answers and records are written into a trace. */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "coord/lines.h"
#include "wire/record_frame.h"

/* Waits for its answer, under its token. */
struct rig_asked {
    char *label; /* owned */
    int16_t version;
    struct arena arena; /* of the request: valid until its answer */
};

/* `arena` is taken, with the words in it, and is empty afterwards. */
void rig_asked_put(struct map_i64 *asked, uint64_t token, const char *label, int16_t version,
                   struct arena *arena);
struct rig_asked *rig_asked_take(struct map_i64 *asked, uint64_t token); /* each is answered once */
void rig_asked_free(struct rig_asked *asked);
void rig_asked_forget(struct map_i64 *asked); /* all of them */

/* JSON with error codes as their names, without throttle times, and with the ids in `names` (label → id; may be NULL) as $label. */
void rig_put_readable(struct buf *out, struct bytes json, const struct map *names);

/* "  WARN text" for each. */
void rig_put_lines(struct buf *out, const struct coord_lines *lines, const struct map *names);

/* "  write ID KEY = VALUE". The arena is for the time of the call. */
void rig_put_record(struct buf *out, struct arena *arena, enum wire_kind key_kind,
                    uint64_t write_id, struct bytes key, struct bytes value,
                    const struct map *names);
