/* quorum-state: printing it as Apache Kafka does, and reading what is a flat JSON object.
 *
 * A reader of its own, since one small file in a fixed form is no reason for a JSON library in this room: it knows
 * objects, arrays, strings, integers, true, false and null, and passes over members it has no use for.
 */
#include "raft/quorum_state.h"

#include "raft/voters.h"

#include <string.h>

#define JSON_DEPTH_MAX 16

struct json {
    struct bytes text;
    size_t position;
};

static void skip_space(struct json *j)
{
    while (j->position < j->text.size && strchr(" \t\r\n", j->text.data[j->position]) != NULL &&
           j->text.data[j->position] != '\0')
        j->position++;
}

/* The next byte that is no white space, or -1; stays in front of it. */
static int peek(struct json *j)
{
    skip_space(j);
    return j->position < j->text.size ? j->text.data[j->position] : -1;
}

static bool take(struct json *j, char wanted)
{
    if (peek(j) != wanted)
        return false;
    j->position++;
    return true;
}

/* The raw content of a string literal: names and ids here need no escapes, so those are kept as they are. */
static bool take_string(struct json *j, struct bytes *out)
{
    if (!take(j, '"'))
        return false;
    const size_t begin = j->position;
    while (j->position < j->text.size && j->text.data[j->position] != '"') {
        if (j->text.data[j->position] < 0x20)
            return false;
        j->position += j->text.data[j->position] == '\\' ? 2 : 1;
    }
    if (j->position >= j->text.size)
        return false;
    *out = bytes_slice(j->text, begin, j->position - begin);
    j->position++;
    return true;
}

/* A number or word: everything up to white space or punctuation. */
static bool take_word(struct json *j, struct bytes *out)
{
    skip_space(j);
    const size_t begin = j->position;
    while (j->position < j->text.size && j->text.data[j->position] > ' ' &&
           strchr(",:]}[{\"", j->text.data[j->position]) == NULL)
        j->position++;
    *out = bytes_slice(j->text, begin, j->position - begin);
    return out->size > 0;
}

static bool skip_value(struct json *j, uint32_t depth);

static bool skip_members(struct json *j, char close, bool are_named, uint32_t depth)
{
    struct bytes name;
    if (take(j, close))
        return true;
    do {
        if (are_named && (!take_string(j, &name) || !take(j, ':')))
            return false;
        if (!skip_value(j, depth))
            return false;
    } while (take(j, ','));
    return take(j, close);
}

static bool skip_value(struct json *j, uint32_t depth)
{
    struct bytes ignored;
    if (depth == JSON_DEPTH_MAX)
        return false;
    if (peek(j) == '"')
        return take_string(j, &ignored);
    if (take(j, '{'))
        return skip_members(j, '}', true, depth + 1);
    if (take(j, '['))
        return skip_members(j, ']', false, depth + 1);
    return take_word(j, &ignored);
}

/* ---- members ----------------------------------------------------------------------------------- */

enum member {
    LEADER_ID = 1,
    LEADER_EPOCH = 2,
    VOTED_ID = 4,
    VOTED_DIRECTORY = 8,
    DATA_VERSION = 16
};

struct parsed {
    struct quorum_state state;
    int64_t data_version;
    unsigned members; /* bits of enum member */
};

static const struct {
    const char *name;
    enum member member;
    int64_t min;
} numbers[] = {
    { "leaderId", LEADER_ID, -1 },
    { "leaderEpoch", LEADER_EPOCH, 0 },
    { "votedId", VOTED_ID, -1 },
    { "data_version", DATA_VERSION, 0 },
};

static void set_number(struct parsed *p, enum member member, int64_t value)
{
    p->members |= (unsigned)member;
    if (member == LEADER_ID)
        p->state.leader_id = (int32_t)value;
    else if (member == LEADER_EPOCH)
        p->state.leader_epoch = (int32_t)value;
    else if (member == VOTED_ID)
        p->state.voted_id = (int32_t)value;
    else
        p->data_version = value;
}

static int parse_member(struct json *j, struct bytes name, struct parsed *p, struct err_note *note)
{
    struct bytes text;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        int64_t value;
        if (!bytes_equal_text(name, numbers[i].name))
            continue;
        if (!take_word(j, &text) || bytes_to_i64(text, &value) < 0 || value < numbers[i].min ||
            value > INT32_MAX) {
            return err_note(note, -ERR_MALFORMED, "%s is not a number from %" PRId64 " on",
                            numbers[i].name, numbers[i].min);
        }
        set_number(p, numbers[i].member, value);
        return 0;
    }
    if (bytes_equal_text(name, "votedDirectoryId")) {
        p->members |= VOTED_DIRECTORY;
        if (!take_string(j, &text) || uuid_from_text(text, &p->state.voted_directory_id) < 0)
            return err_note(note, -ERR_MALFORMED, "votedDirectoryId is no id");
        return 0;
    }
    if (!skip_value(j, 0))
        return err_note(note, -ERR_MALFORMED, "member %.*s has no value", BYTES_PRINTF(name));
    return 0;
}

static int parse_object(struct json *j, struct parsed *p, struct err_note *note)
{
    if (!take(j, '{'))
        return err_note(note, -ERR_MALFORMED, "the file is no JSON object");
    if (!take(j, '}')) {
        do {
            struct bytes name;
            if (!take_string(j, &name) || !take(j, ':'))
                return err_note(note, -ERR_MALFORMED, "byte %zu: a member is expected",
                                j->position);
            const int r = parse_member(j, name, p, note);
            if (r < 0)
                return r;
        } while (take(j, ','));
        if (!take(j, '}'))
            return err_note(note, -ERR_MALFORMED, "byte %zu: ',' or '}' is expected", j->position);
    }
    if (peek(j) != -1)
        return err_note(note, -ERR_MALFORMED, "byte %zu: something follows the object",
                        j->position);
    return 0;
}

int quorum_state_parse(struct bytes text, struct quorum_state *out, struct err_note *note)
{
    struct json j = { .text = text };
    struct parsed p = { .state = QUORUM_STATE_NONE };
    const int r = parse_object(&j, &p, note);
    if (r < 0)
        return r;
    if ((p.members & DATA_VERSION) != 0 && p.data_version > 1) {
        return err_note(note, -ERR_VERSION, "data_version is %" PRId64 "; this build reads 0 and 1",
                        p.data_version);
    }
    const unsigned needed = LEADER_ID | LEADER_EPOCH | VOTED_ID | DATA_VERSION;
    if ((p.members & needed) != needed) {
        return err_note(note, -ERR_MALFORMED,
                        "leaderId, leaderEpoch, votedId or data_version is missing");
    }
    *out = p.state;
    return 0;
}

void quorum_state_print(const struct quorum_state *state, int16_t kraft_version,
                        const struct raft_voters *voters, struct buf *out)
{
    if (kraft_version >= 1) {
        char directory[UUID_TEXT_SIZE];
        uuid_to_text(state->voted_directory_id, directory);
        buf_printf(out,
                   "{\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32 ",\"votedId\":%" PRId32
                   ",\"votedDirectoryId\":\"%s\",\"data_version\":1}",
                   state->leader_id, state->leader_epoch, state->voted_id, directory);
        return;
    }
    buf_printf(out,
               "{\"clusterId\":\"\",\"leaderId\":%" PRId32 ",\"leaderEpoch\":%" PRId32
               ",\"votedId\":%" PRId32 ",\"appliedOffset\":0,\"currentVoters\":[",
               state->leader_id, state->leader_epoch, state->voted_id);
    for (uint32_t i = 0; i < voters->count; i++)
        buf_printf(out, "%s{\"voterId\":%" PRId32 "}", i == 0 ? "" : ",", voters->items[i].id);
    buf_put_text(out, "],\"data_version\":0}");
}
