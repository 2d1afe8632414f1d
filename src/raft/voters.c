/* Voter sets: parsing, comparing, and their control record. */
#include "raft/voters.h"

#include "base/host_port.h"
#include "base/mem.h"
#include "wire/messages/voters_record.h"

#include <string.h>

static void endpoint_copy(struct raft_endpoint *out, struct bytes name, struct bytes host,
                          uint16_t port)
{
    *out = (struct raft_endpoint){ .name = bytes_to_text(name),
                                   .host = bytes_to_text(host),
                                   .port = port };
}

static void voter_deinit(struct raft_voter *voter)
{
    for (uint32_t i = 0; i < voter->endpoint_count; i++) {
        mem_free(voter->endpoints[i].name);
        mem_free(voter->endpoints[i].host);
    }
    mem_free(voter->endpoints);
}

void raft_voters_deinit(struct raft_voters *voters)
{
    for (uint32_t i = 0; i < voters->count; i++)
        voter_deinit(&voters->items[i]);
    voters->count = 0;
}

int raft_voters_add(struct raft_voters *voters, const struct raft_voter *voter,
                    struct err_note *note)
{
    if (voters->count == RAFT_VOTER_COUNT_MAX)
        return err_note(note, -ERR_LIMIT, "more than %d voters", RAFT_VOTER_COUNT_MAX);
    if (voter->endpoint_count > RAFT_ENDPOINT_COUNT_MAX) {
        return err_note(note, -ERR_LIMIT, "voter %" PRId32 " has %" PRIu32 " endpoints; at most %d",
                        voter->id, voter->endpoint_count, RAFT_ENDPOINT_COUNT_MAX);
    }
    uint32_t at = 0;
    while (at < voters->count && voters->items[at].id < voter->id)
        at++;
    if (at < voters->count && voters->items[at].id == voter->id)
        return err_note(note, -ERR_EXISTS, "voter %" PRId32 " is named twice", voter->id);

    memmove(&voters->items[at + 1], &voters->items[at],
            (voters->count - at) * sizeof(voters->items[0]));
    struct raft_voter *copy = &voters->items[at];
    *copy = *voter;
    copy->endpoints = MEM_NEW_ARRAY(struct raft_endpoint, voter->endpoint_count);
    for (uint32_t i = 0; i < voter->endpoint_count; i++) {
        endpoint_copy(&copy->endpoints[i], bytes_from_text(voter->endpoints[i].name),
                      bytes_from_text(voter->endpoints[i].host), voter->endpoints[i].port);
    }
    voters->count++;
    return 0;
}

void raft_voters_copy(const struct raft_voters *from, struct raft_voters *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        const int r = raft_voters_add(out, &from->items[i], NULL);
        ASSERT(r == 0);
    }
}

static bool voter_equal(const struct raft_voter *a, const struct raft_voter *b)
{
    if (a->id != b->id || !uuid_equal(a->directory_id, b->directory_id) ||
        a->kraft_version_min != b->kraft_version_min ||
        a->kraft_version_max != b->kraft_version_max || a->endpoint_count != b->endpoint_count)
        return false;
    for (uint32_t i = 0; i < a->endpoint_count; i++) {
        const struct raft_endpoint *x = &a->endpoints[i];
        const struct raft_endpoint *y = &b->endpoints[i];
        if (strcmp(x->name, y->name) != 0 || strcmp(x->host, y->host) != 0 || x->port != y->port)
            return false;
    }
    return true;
}

bool raft_voters_equal(const struct raft_voters *a, const struct raft_voters *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (!voter_equal(&a->items[i], &b->items[i]))
            return false;
    }
    return true;
}

const struct raft_voter *raft_voters_get(const struct raft_voters *voters, int32_t id)
{
    for (uint32_t i = 0; i < voters->count; i++) {
        if (voters->items[i].id == id)
            return &voters->items[i];
    }
    return NULL;
}

bool raft_voters_has(const struct raft_voters *voters, int32_t id, struct uuid directory_id)
{
    const struct raft_voter *voter = raft_voters_get(voters, id);
    return voter != NULL &&
           (uuid_is_zero(voter->directory_id) || uuid_equal(voter->directory_id, directory_id));
}

/* ---- settings and options ---------------------------------------------------------------------- */

/* Takes the text before the next `separator` off `rest`; false when nothing is left. */
static bool take_part(struct bytes *rest, char separator, struct bytes *out)
{
    if (rest->data == NULL)
        return false;
    const uint8_t *end =
        rest->size == 0 ? NULL : memchr(rest->data, (unsigned char)separator, rest->size);
    if (end == NULL) {
        *out = *rest;
        *rest = BYTES_NULL;
        return true;
    }
    const size_t size = (size_t)(end - rest->data);
    *out = bytes_slice(*rest, 0, size);
    *rest = bytes_slice(*rest, size + 1, rest->size);
    return true;
}

/* Takes ":directory" off the end of `rest`. */
static bool take_directory(struct bytes *rest, struct uuid *out)
{
    size_t colon = rest->size;
    while (colon > 0 && rest->data[colon - 1] != ':')
        colon--;
    if (colon == 0 || uuid_from_text(bytes_slice(*rest, colon, rest->size), out) < 0)
        return false;
    *rest = bytes_slice(*rest, 0, colon - 1);
    return !uuid_is_zero(*out);
}

/* An address with colons stands in brackets: else a directory's id, or a port, would be part of it. */
static bool is_place(const struct host_port *place)
{
    return place->port > 0 && place->host.size > 0 &&
           (place->is_bracketed || memchr(place->host.data, ':', place->host.size) == NULL);
}

/* id@host:port, or id@host:port:directory. */
static int parse_voter(struct bytes text, bool with_directory, struct bytes listener,
                       struct raft_voters *out)
{
    struct bytes rest = text;
    struct bytes id_text;
    struct host_port place;
    int64_t id;
    struct uuid directory = UUID_ZERO;
    if (!take_part(&rest, '@', &id_text) || rest.data == NULL || bytes_to_i64(id_text, &id) < 0 ||
        id < 0 || id > INT32_MAX)
        return -ERR_MALFORMED;
    if (with_directory && !take_directory(&rest, &directory))
        return -ERR_MALFORMED;
    if (host_port_parse(rest, &place, NULL) < 0 || !is_place(&place))
        return -ERR_MALFORMED;

    struct raft_endpoint endpoint;
    endpoint_copy(&endpoint, listener, place.host, place.port);
    const struct raft_voter voter = { .id = (int32_t)id,
                                      .directory_id = directory,
                                      .endpoints = &endpoint,
                                      .endpoint_count = 1,
                                      .kraft_version_min = 0,
                                      .kraft_version_max = with_directory ? 1 : 0 };
    const int r = raft_voters_add(out, &voter, NULL);
    mem_free(endpoint.name);
    mem_free(endpoint.host);
    return r;
}

static int parse_voters(struct bytes text, bool with_directory, struct bytes listener,
                        struct raft_voters *out, int code, struct err_note *note)
{
    struct raft_voters voters = { .count = 0 };
    struct bytes rest = bytes_trim(text);
    struct bytes part;
    if (rest.size == 0)
        rest = BYTES_NULL;
    while (take_part(&rest, ',', &part)) {
        const int r = parse_voter(bytes_trim(part), with_directory, listener, &voters);
        if (r < 0) {
            raft_voters_deinit(&voters);
            return err_note(note, code, "voter '%.*s' %s", BYTES_PRINTF(part),
                            r == -ERR_EXISTS  ? "has an id that is taken"
                            : r == -ERR_LIMIT ? "is one too many"
                            : with_directory  ? "is not of the form id@host:port:directory-id"
                                              : "is not of the form id@host:port");
        }
    }
    *out = voters;
    return 0;
}

int raft_voters_from_setting(struct bytes text, struct bytes listener, struct raft_voters *out,
                             struct err_note *note)
{
    return parse_voters(text, false, listener, out, -ERR_INVALID_SETTING, note);
}

int raft_voters_from_initial(struct bytes text, struct bytes listener, struct raft_voters *out,
                             struct err_note *note)
{
    return parse_voters(text, true, listener, out, -ERR_INVALID_ARGUMENT, note);
}

/* ---- the control record -------------------------------------------------------------------------- */

void raft_voters_to_record(const struct raft_voters *voters, struct arena *arena,
                           struct voters_record *out)
{
    voters_record_init(out);
    out->voters = ARENA_NEW_ARRAY(arena, struct voters_record_voter, voters->count);
    out->voters_count = (int32_t)voters->count;
    for (uint32_t i = 0; i < voters->count; i++) {
        const struct raft_voter *from = &voters->items[i];
        struct voters_record_voter *to = &out->voters[i];
        to->voter_id = from->id;
        to->voter_directory_id = from->directory_id;
        to->kraft_version_feature.min_supported_version = from->kraft_version_min;
        to->kraft_version_feature.max_supported_version = from->kraft_version_max;
        to->endpoints = ARENA_NEW_ARRAY(arena, struct voters_record_endpoint, from->endpoint_count);
        to->endpoints_count = (int32_t)from->endpoint_count;
        for (uint32_t k = 0; k < from->endpoint_count; k++) {
            to->endpoints[k].name = bytes_from_text(from->endpoints[k].name);
            to->endpoints[k].host = bytes_from_text(from->endpoints[k].host);
            to->endpoints[k].port = from->endpoints[k].port;
        }
    }
}

static int add_from_record(const struct voters_record_voter *from, struct raft_voters *out,
                           struct err_note *note)
{
    if (from->endpoints_count > RAFT_ENDPOINT_COUNT_MAX) {
        return err_note(note, -ERR_LIMIT, "voter %" PRId32 " has %" PRId32 " endpoints; at most %d",
                        from->voter_id, from->endpoints_count, RAFT_ENDPOINT_COUNT_MAX);
    }
    struct raft_endpoint endpoints[RAFT_ENDPOINT_COUNT_MAX];
    struct raft_voter voter = {
        .id = from->voter_id,
        .directory_id = from->voter_directory_id,
        .endpoints = endpoints,
        .endpoint_count = (uint32_t)MAX(from->endpoints_count, 0),
        .kraft_version_min = from->kraft_version_feature.min_supported_version,
        .kraft_version_max = from->kraft_version_feature.max_supported_version,
    };
    for (uint32_t i = 0; i < voter.endpoint_count; i++) {
        endpoint_copy(&endpoints[i], from->endpoints[i].name, from->endpoints[i].host,
                      from->endpoints[i].port);
    }
    const int r = raft_voters_add(out, &voter, note);
    for (uint32_t i = 0; i < voter.endpoint_count; i++) {
        mem_free(endpoints[i].name);
        mem_free(endpoints[i].host);
    }
    return r;
}

int raft_voters_from_record(const struct voters_record *record, struct raft_voters *out,
                            struct err_note *note)
{
    struct raft_voters voters = { .count = 0 };
    for (int32_t i = 0; i < record->voters_count; i++) {
        const int r = add_from_record(&record->voters[i], &voters, note);
        if (r < 0) {
            raft_voters_deinit(&voters);
            return r == -ERR_EXISTS ? -ERR_MALFORMED : r;
        }
    }
    *out = voters;
    return 0;
}
