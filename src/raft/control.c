/* Values of the metadata log's control records. */
#include "raft/control.h"

#include "wire/messages/kraft_version_record.h"
#include "wire/messages/leader_change_message.h"
#include "wire/messages/snapshot_footer_record.h"
#include "wire/messages/snapshot_header_record.h"
#include "wire/messages/voters_record.h"

#define CONTROL_VALUE_BYTES_MAX                                                                    \
    65536 /* RAFT_VOTER_COUNT_MAX voters with long names and room to spare */
#define CONTROL_ARENA_BYTES_MAX (4 << 20) /* decoded: a small multiple of a record */

void raft_control_deinit(struct raft_control *control)
{
    raft_voters_deinit(&control->voters);
}

/* Decodes version 0 of the message. */
static int decode(const struct wire_message *message, struct bytes value, struct arena *arena,
                  void *out, struct err_note *note)
{
    struct reader r = reader_from(value);
    return wire_decode(message, 0, &r, arena, out, note);
}

static int parse_leader_change(struct bytes value, struct arena *arena, struct raft_control *out,
                               struct err_note *note)
{
    struct leader_change_message message;
    const int r = decode(&leader_change_message_message, value, arena, &message, note);
    if (r == 0)
        out->leader_id = message.leader_id;
    return r;
}

static int parse_snapshot_header(struct bytes value, struct arena *arena, struct raft_control *out,
                                 struct err_note *note)
{
    struct snapshot_header_record message;
    const int r = decode(&snapshot_header_record_message, value, arena, &message, note);
    if (r == 0)
        out->last_contained_log_timestamp = message.last_contained_log_timestamp;
    return r;
}

static int parse_kraft_version(struct bytes value, struct arena *arena, struct raft_control *out,
                               struct err_note *note)
{
    struct kraft_version_record message;
    const int r = decode(&kraft_version_record_message, value, arena, &message, note);
    if (r == 0)
        out->kraft_version = message.kraft_version;
    return r;
}

static int parse_voters(struct bytes value, struct arena *arena, struct raft_control *out,
                        struct err_note *note)
{
    struct voters_record message;
    const int r = decode(&voters_record_message, value, arena, &message, note);
    return r < 0 ? r : raft_voters_from_record(&message, &out->voters, note);
}

static int parse_value(struct bytes value, struct arena *arena, struct raft_control *out,
                       struct err_note *note)
{
    switch (out->type) {
    case CONTROL_LEADER_CHANGE:
        return parse_leader_change(value, arena, out, note);
    case CONTROL_SNAPSHOT_HEADER:
        return parse_snapshot_header(value, arena, out, note);
    case CONTROL_KRAFT_VERSION:
        return parse_kraft_version(value, arena, out, note);
    case CONTROL_KRAFT_VOTERS:
        return parse_voters(value, arena, out, note);
    case CONTROL_SNAPSHOT_FOOTER:
    case CONTROL_ABORT:
    case CONTROL_COMMIT:
    case CONTROL_UNKNOWN:
        break;
    }
    return 0;
}

int raft_control_parse(const struct record *record, struct raft_control *out, struct err_note *note)
{
    struct raft_control control = { .type = CONTROL_UNKNOWN };
    int r = control_record_parse(record->key, &control.type);
    if (r < 0)
        return err_note(note, r, "control record %" PRId64 ": its key is broken", record->offset);
    struct arena arena;
    arena_init(&arena, CONTROL_ARENA_BYTES_MAX);
    r = parse_value(record->value, &arena, &control, note);
    arena_deinit(&arena);
    if (r < 0) {
        return err_note_prefix(note, r, "control record %" PRId64 " (%s)", record->offset,
                               control_type_name(control.type));
    }
    *out = control;
    return 0;
}

/* Encodes version 0 of a message into the builder. */
static void put(struct batch_builder *b, enum control_type type, int64_t wall_ms,
                const struct wire_message *message, const void *value)
{
    struct buf buf;
    buf_init(&buf, CONTROL_VALUE_BYTES_MAX);
    struct writer w = writer_to(&buf);
    int r = wire_encode(message, 0, value, &w, NULL);
    ASSERT(r == 0 && buf_is_ok(&buf));
    r = control_batch_add(b, type, wall_ms, buf_view(&buf));
    ASSERT(r == 0);
    buf_deinit(&buf);
}

/* Version 0 of the message names voters without their directories. */
static struct leader_change_message_voter *name_voters(struct arena *arena,
                                                       const struct raft_voters *voters)
{
    struct leader_change_message_voter *list =
        ARENA_NEW_ARRAY(arena, struct leader_change_message_voter, voters->count);
    for (uint32_t i = 0; i < voters->count; i++)
        list[i].voter_id = voters->items[i].id;
    return list;
}

void raft_control_put_leader_change(struct batch_builder *b, int64_t wall_ms, int32_t leader_id,
                                    const struct raft_voters *voters,
                                    const struct raft_voters *granting)
{
    struct arena arena;
    arena_init(&arena, CONTROL_ARENA_BYTES_MAX);
    struct leader_change_message message;
    leader_change_message_init(&message);
    message.leader_id = leader_id;
    message.voters = name_voters(&arena, voters);
    message.voters_count = (int32_t)voters->count;
    message.granting_voters = name_voters(&arena, granting);
    message.granting_voters_count = (int32_t)granting->count;
    put(b, CONTROL_LEADER_CHANGE, wall_ms, &leader_change_message_message, &message);
    arena_deinit(&arena);
}

void raft_control_put_kraft_version(struct batch_builder *b, int64_t wall_ms, int16_t kraft_version)
{
    struct kraft_version_record message;
    kraft_version_record_init(&message);
    message.kraft_version = kraft_version;
    put(b, CONTROL_KRAFT_VERSION, wall_ms, &kraft_version_record_message, &message);
}

void raft_control_put_voters(struct batch_builder *b, int64_t wall_ms,
                             const struct raft_voters *voters)
{
    struct arena arena;
    arena_init(&arena, CONTROL_ARENA_BYTES_MAX);
    struct voters_record message;
    raft_voters_to_record(voters, &arena, &message);
    put(b, CONTROL_KRAFT_VOTERS, wall_ms, &voters_record_message, &message);
    arena_deinit(&arena);
}

void raft_control_put_snapshot_header(struct batch_builder *b, int64_t wall_ms,
                                      int64_t last_contained_log_timestamp)
{
    struct snapshot_header_record message;
    snapshot_header_record_init(&message);
    message.last_contained_log_timestamp = last_contained_log_timestamp;
    put(b, CONTROL_SNAPSHOT_HEADER, wall_ms, &snapshot_header_record_message, &message);
}

void raft_control_put_snapshot_footer(struct batch_builder *b, int64_t wall_ms)
{
    struct snapshot_footer_record message;
    snapshot_footer_record_init(&message);
    put(b, CONTROL_SNAPSHOT_FOOTER, wall_ms, &snapshot_footer_record_message, &message);
}
