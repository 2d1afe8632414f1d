/* `kafka-consumer-groups --reset-offsets` and `--delete-offsets`. */
#include "cli/groups.h"

#include "wire/kafka_error.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"
#include "wire/messages/offset_delete_request.h"
#include "wire/messages/offset_delete_response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define OFFSET_COMMIT_VERSION_NAMES 9
#define PLAN_BYTES_MAX              (64u << 20)
#define PARTITIONS_MAX              1000000

/* ---- which partitions ------------------------------------------------------------------------ */

static void add_partition(struct groups_offsets *out, struct bytes topic, int32_t partition)
{
    if (groups_find(out, topic, partition) == NULL)
        VEC_ADD(&out->list, ((struct groups_offset){ .topic = topic,
                                                     .partition = partition,
                                                     .committed = -1,
                                                     .leader_epoch = -1,
                                                     .start = -1,
                                                     .end = -1 }));
}

/* "topic" or "topic:0,1,2" */
static int add_topic(struct groups_run *run, const char *text, struct groups_offsets *out)
{
    const char *colon = strchr(text, ':');
    const struct bytes topic =
        bytes_from(text, colon == NULL ? strlen(text) : (size_t)(colon - text));
    int r = admin_refresh(run->remote.admin, &topic, 1, false, &run->note);
    if (r < 0)
        return r;
    const struct cluster_topic *known = cluster_topic(admin_cluster(run->remote.admin), topic);
    if (known == NULL || known->error != KAFKA_NONE)
        return err_note(&run->note, -ERR_NOT_FOUND, "Topic '%.*s' does not exist",
                        BYTES_PRINTF(topic));
    for (int32_t i = 0; colon == NULL && i < known->partition_count; i++)
        add_partition(out, topic, i);
    while (colon != NULL) {
        const char *end = strchr(colon + 1, ',');
        int64_t partition;
        const struct bytes one = end == NULL ? bytes_from_text(colon + 1)
                                             : bytes_from(colon + 1, (size_t)(end - colon - 1));
        if (bytes_to_i64(one, &partition) < 0 || partition < 0 ||
            partition >= known->partition_count)
            return err_note(&run->note, -ERR_NOT_FOUND,
                            "Topic %.*s has no partition %.*s: it has %" PRId32,
                            BYTES_PRINTF(topic), BYTES_PRINTF(one), known->partition_count);
        add_partition(out, topic, (int32_t)partition);
        colon = end;
    }
    return 0;
}

static int choose_partitions(struct groups_run *run, struct bytes group, struct groups_offsets *out)
{
    struct groups_offsets committed = { 0 };
    int r = groups_committed(run, group, &committed);
    for (size_t i = 0; r == 0 && i < cli_count(run->options, "topic"); i++)
        r = add_topic(run, cli_text_at(run->options, "topic", i), out);
    for (size_t i = 0; r == 0 && i < committed.list.count; i++) {
        const struct groups_offset *c = &committed.list.items[i];
        if (cli_has(run->options, "all-topics"))
            add_partition(out, c->topic, c->partition);
        struct groups_offset *o = groups_find(out, c->topic, c->partition);
        if (o != NULL)
            o->committed = c->committed;
    }
    groups_sort(out);
    VEC_DEINIT(&committed.list);
    return r;
}

/* ---- where to -------------------------------------------------------------------------------- */

/* "2026-01-31T12:00:00.000", "…Z", "…+01:00"; without zone: UTC, as in Kafka. */
static int parse_datetime(const char *text, int64_t *out, struct err_note *note)
{
    struct tm tm = { 0 };
    int ms = 0;
    int used = 0;
    int zone_minutes = 0;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest != NULL && *rest == '.' && sscanf(rest, ".%3d%n", &ms, &used) == 1)
        rest += used;
    int hours;
    int minutes = 0;
    if (rest != NULL && (*rest == '+' || *rest == '-') &&
        (sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) == 2 ||
         sscanf(rest + 1, "%2d%2d%n", &hours, &minutes, &used) == 2)) {
        zone_minutes = (*rest == '-' ? -1 : 1) * (hours * 60 + minutes);
        rest += 1 + used;
    } else if (rest != NULL && *rest == 'Z') {
        rest++;
    }
    if (rest == NULL || *rest != '\0')
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "'%s' is no time: YYYY-MM-DDTHH:mm:ss.sss is wanted", text);
    *out = ((int64_t)timegm(&tm) - zone_minutes * 60) * MS_PER_SECOND + ms;
    return 0;
}

/* "P1DT2H3M4S" in milliseconds. */
static int parse_duration(const char *text, int64_t *out, struct err_note *note)
{
    int64_t ms = 0;
    bool is_time = false;
    const char *at = text + 1;
    bool is_good = text[0] == 'P' && text[1] != '\0';
    while (is_good && *at != '\0') {
        if (*at == 'T') {
            is_time = true;
            at++;
            continue;
        }
        char *end;
        const double value = strtod(at, &end);
        const int64_t unit_ms = !is_time && *end == 'D'  ? 86400000
                                : is_time && *end == 'H' ? 3600000
                                : is_time && *end == 'M' ? 60000
                                : is_time && *end == 'S' ? 1000
                                                         : 0;
        is_good = end != at && unit_ms > 0 && value >= 0 && value < 1e12;
        ms += is_good ? (int64_t)(value * (double)unit_ms) : 0;
        at = end + 1;
    }
    if (!is_good)
        return err_note(note, -ERR_INVALID_ARGUMENT, "'%s' is no duration: PnDTnHnMnS is wanted",
                        text);
    *out = ms;
    return 0;
}

static int64_t clamp(struct groups_run *run, const struct groups_offset *o, int64_t wanted)
{
    const bool is_high = wanted > o->end;
    const bool is_low = wanted < o->start;
    const int64_t value = is_high ? o->end : is_low ? o->start : wanted;
    if (is_high || is_low)
        cli_err(run->context,
                "WARN New offset (%" PRId64
                ") is %s than %s offset for topic partition %.*s-%" PRId32
                ". Value will be set to %" PRId64 "\n",
                wanted, is_high ? "higher" : "lower", is_high ? "latest" : "earliest",
                BYTES_PRINTF(o->topic), o->partition, value);
    return value;
}

/* Sets `committed` to the new offset. Offsets of the log are known. */
static int choose_offset(struct groups_run *run, struct groups_offset *o)
{
    const struct cli_options *op = run->options;
    const bool is_current = cli_has(op, "to-current");
    const bool is_shift = cli_has(op, "shift-by");
    if (is_shift && o->committed < 0)
        return err_note(&run->note, -ERR_INVALID_ARGUMENT,
                        "Cannot shift offset for partition %.*s-%" PRId32
                        " since there is no current committed offset",
                        BYTES_PRINTF(o->topic), o->partition);
    if (cli_has(op, "to-earliest"))
        o->committed = o->start;
    else if (cli_has(op, "to-latest"))
        o->committed = o->end;
    else if (is_current)
        o->committed = o->committed < 0 ? o->end : o->committed;
    else if (is_shift)
        o->committed = clamp(run, o, o->committed + cli_number(op, "shift-by", 0));
    else if (cli_has(op, "to-offset"))
        o->committed = clamp(run, o, cli_number(op, "to-offset", 0));
    return 0;
}

static int by_time(struct groups_run *run, struct groups_offsets *offsets, int64_t timestamp)
{
    int64_t *ends = ARENA_NEW_ARRAY(&run->arena, int64_t, offsets->list.count);
    for (size_t i = 0; i < offsets->list.count; i++)
        ends[i] = offsets->list.items[i].end;
    const int r = groups_log_offsets(run, offsets, timestamp);
    for (size_t i = 0; i < offsets->list.count; i++) {
        struct groups_offset *o = &offsets->list.items[i];
        o->committed = o->end < 0 ? ends[i] : o->end; /* nothing that young: the end */
        o->end = ends[i];
    }
    return r;
}

static int from_file(struct groups_run *run, struct bytes group, struct groups_offsets *out)
{
    const char *path = cli_text(run->options, "from-file", "");
    uint8_t *text;
    size_t size;
    int r = io_fs_read_whole(io_get_fs(run->context->io), path, PLAN_BYTES_MAX, &text, &size);
    if (r < 0)
        return err_note(&run->note, r, "%s cannot be read: %s", path, err_sentence(r));
    const char *kept = arena_dup(&run->arena, text, size + 1);
    mem_free(text);
    uint32_t line_number = 0;
    for (const char *line = kept; r == 0 && *line != '\0';) {
        const size_t line_size = strcspn(line, "\n");
        struct bytes parts[4];
        size_t count = 0;
        const struct bytes whole = bytes_trim(bytes_from(line, line_size));
        for (size_t start = 0; count < 4 && start <= whole.size;) {
            size_t end = start;
            while (end < whole.size && whole.data[end] != ',')
                end++;
            parts[count++] = bytes_slice(whole, start, end - start);
            start = end + 1;
        }
        line_number++;
        line += line_size + (line[line_size] == '\n');
        if (whole.size == 0)
            continue;
        int64_t partition;
        int64_t offset;
        const bool is_ours = count == 3 || (count == 4 && bytes_equal(parts[0], group));
        if (count < 3 || bytes_to_i64(parts[count - 2], &partition) < 0 ||
            bytes_to_i64(parts[count - 1], &offset) < 0 || partition < 0 ||
            partition > PARTITIONS_MAX || offset < 0)
            r = err_note(&run->note, -ERR_MALFORMED,
                         "%s, line %u: [group,]topic,partition,offset is wanted", path,
                         line_number);
        else if (is_ours) {
            add_partition(out, parts[count - 3], (int32_t)partition);
            groups_find(out, parts[count - 3], (int32_t)partition)->committed = offset;
        }
    }
    groups_sort(out);
    return r;
}

static int plan(struct groups_run *run, struct bytes group, struct groups_offsets *out)
{
    const struct cli_options *op = run->options;
    const bool is_file = cli_has(op, "from-file");
    int r = is_file ? from_file(run, group, out) : choose_partitions(run, group, out);
    if (r < 0 || out->list.count == 0)
        return r;
    r = groups_log_offsets(run, out, -2);
    if (r == 0)
        r = groups_log_offsets(run, out, -1);
    int64_t time_ms = 0;
    if (r == 0 && cli_has(op, "to-datetime")) {
        r = parse_datetime(cli_text(op, "to-datetime", ""), &time_ms, &run->note);
        return r < 0 ? r : by_time(run, out, time_ms);
    }
    if (r == 0 && cli_has(op, "by-duration")) {
        r = parse_duration(cli_text(op, "by-duration", ""), &time_ms, &run->note);
        return r < 0 ? r : by_time(run, out, io_now_ms(run->context->io) - time_ms);
    }
    for (size_t i = 0; r == 0 && i < out->list.count; i++) {
        struct groups_offset *o = &out->list.items[i];
        if (is_file)
            o->committed = clamp(run, o, o->committed);
        else
            r = choose_offset(run, o);
    }
    return r;
}

/* ---- doing it -------------------------------------------------------------------------------- */

static int commit(struct groups_run *run, struct bytes group, const struct groups_offsets *offsets)
{
    struct offset_commit_request request = offset_commit_request_default;
    request.group_id = group;
    request.topics = offset_commit_request_topic_array(&run->arena, offsets->list.count);
    request.topics_count = (int32_t)offsets->list.count;
    for (size_t i = 0; i < offsets->list.count; i++) {
        request.topics[i].name = offsets->list.items[i].topic;
        request.topics[i].partitions = offset_commit_request_partition_array(&run->arena, 1);
        request.topics[i].partitions_count = 1;
        request.topics[i].partitions[0].partition_index = offsets->list.items[i].partition;
        request.topics[i].partitions[0].committed_offset = offsets->list.items[i].committed;
        request.topics[i].partitions[0].committed_metadata = BYTES_LITERAL("");
    }
    struct client_call call = { .key = API_OFFSET_COMMIT,
                                .request = &request,
                                .version_max = OFFSET_COMMIT_VERSION_NAMES };
    int r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
    const struct offset_commit_response *response = call.response;
    for (int32_t i = 0; r == 0 && i < response->topics_count; i++) {
        const int16_t error = response->topics[i].partitions_count == 1
                                  ? response->topics[i].partitions[0].error_code
                                  : (int16_t)KAFKA_NONE;
        if (error != KAFKA_NONE)
            r = err_note(&run->note, -ERR_PROTOCOL, "%s", kafka_error_sentence(error));
    }
    client_call_deinit(&call);
    return r;
}

static int check_inactive(struct groups_run *run, struct bytes name)
{
    struct groups_group group = { 0 };
    const int r = groups_describe(run, name, &group);
    const bool is_active = r == 0 && group.members.count > 0;
    if (is_active)
        cli_out(run->context,
                "\nError: Assignments can only be reset if the group '%.*s' is inactive, but the "
                "current state is %.*s.\n",
                BYTES_PRINTF(name), BYTES_PRINTF(group.state));
    groups_group_deinit(&group);
    if (is_active)
        return -ERR_EXISTS;
    return r == -ERR_NOT_FOUND ? 0 : r; /* a group may begin with this */
}

static void print_plan(struct groups_run *run, struct bytes group,
                       const struct groups_offsets *offsets, bool names_group)
{
    const bool is_export = cli_has(run->options, "export");
    for (size_t i = 0; i < offsets->list.count; i++) {
        const struct groups_offset *o = &offsets->list.items[i];
        if (is_export && names_group)
            cli_out(run->context, "%.*s,", BYTES_PRINTF(group));
        if (is_export)
            cli_out(run->context, "%.*s,%" PRId32 ",%" PRId64 "\n", BYTES_PRINTF(o->topic),
                    o->partition, o->committed);
        else
            cli_out(run->context, "%-15.*s %-15.*s %-10" PRId32 " %" PRId64 "\n",
                    BYTES_PRINTF(group), BYTES_PRINTF(o->topic), o->partition, o->committed);
    }
}

static int reset(struct groups_run *run, struct bytes group, bool names_group)
{
    struct groups_offsets offsets = { 0 };
    int r = check_inactive(run, group);
    if (r == -ERR_EXISTS)
        return 0;
    if (r == 0)
        r = plan(run, group, &offsets);
    if (r == 0 && cli_has(run->options, "execute") && offsets.list.count > 0)
        r = commit(run, group, &offsets);
    if (r == 0)
        print_plan(run, group, &offsets, names_group);
    VEC_DEINIT(&offsets.list);
    return r;
}

int groups_run_reset(struct groups_run *run)
{
    struct bytes *names;
    size_t count;
    if (!cli_has(run->options, "execute") && !cli_has(run->options, "dry-run"))
        cli_err(run->context,
                "WARN: No action will be performed as the --execute option is missing. "
                "Add --dry-run to say that this is meant.\n");
    int r = groups_chosen(run, &names, &count);
    if (r == 0 && !cli_has(run->options, "export"))
        cli_out(run->context, "\n%-15s %-15s %-10s %s\n", "GROUP", "TOPIC", "PARTITION",
                "NEW-OFFSET");
    for (size_t i = 0; r == 0 && i < count; i++)
        r = reset(run, names[i], count > 1);
    if (r == 0 && cli_has(run->options, "export"))
        cli_out(run->context, "\n");
    return r;
}

int groups_run_delete_offsets(struct groups_run *run)
{
    const struct bytes group = bytes_from_text(cli_text(run->options, "group", ""));
    struct groups_offsets offsets = { 0 };
    struct offset_delete_request request = offset_delete_request_default;
    int r = 0;
    for (size_t i = 0; r == 0 && i < cli_count(run->options, "topic"); i++)
        r = add_topic(run, cli_text_at(run->options, "topic", i), &offsets);
    if (r < 0) {
        VEC_DEINIT(&offsets.list);
        return r;
    }
    request.group_id = group;
    request.topics = offset_delete_request_topic_array(&run->arena, offsets.list.count);
    request.topics_count = (int32_t)offsets.list.count;
    for (size_t i = 0; i < offsets.list.count; i++) {
        request.topics[i].name = offsets.list.items[i].topic;
        request.topics[i].partitions = offset_delete_request_partition_array(&run->arena, 1);
        request.topics[i].partitions_count = 1;
        request.topics[i].partitions[0].partition_index = offsets.list.items[i].partition;
    }
    struct client_call call = { .key = API_OFFSET_DELETE, .request = &request };
    r = admin_call(run->remote.admin, ADMIN_GROUP(group), &call, &run->note);
    const struct offset_delete_response *response = call.response;
    if (r == 0 && response->error_code != KAFKA_NONE)
        cli_out(run->context, "\nError: %s\n", kafka_error_sentence(response->error_code));
    else if (r == 0)
        cli_out(run->context, "Request succeeded for deleting offsets from group %.*s.\n",
                BYTES_PRINTF(group));
    if (r == 0)
        cli_out(run->context, "\n%-15s %-10s %-15s\n", "TOPIC", "PARTITION", "STATUS");
    for (size_t i = 0; r == 0 && i < offsets.list.count; i++) {
        int16_t error = response->error_code;
        for (int32_t k = 0; k < response->topics_count; k++) {
            for (int32_t j = 0; j < response->topics[k].partitions_count; j++) {
                if (bytes_equal(response->topics[k].name, offsets.list.items[i].topic) &&
                    response->topics[k].partitions[j].partition_index ==
                        offsets.list.items[i].partition)
                    error = response->topics[k].partitions[j].error_code;
            }
        }
        cli_out(run->context, "%-15.*s %-10" PRId32 " ", BYTES_PRINTF(offsets.list.items[i].topic),
                offsets.list.items[i].partition);
        if (error == KAFKA_NONE)
            cli_out(run->context, "%-15s\n", "Successful");
        else
            cli_out(run->context, "Error: %s\n", kafka_error_sentence(error));
    }
    client_call_deinit(&call);
    VEC_DEINIT(&offsets.list);
    return r;
}
