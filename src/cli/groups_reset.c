/* `kafka-consumer-groups --reset-offsets`: which partitions, where to, and doing it. */
#include "cli/groups.h"

#include "wire/kafka_error.h"
#include "wire/messages/offset_commit_request.h"
#include "wire/messages/offset_commit_response.h"

#include <string.h>

#define OFFSET_COMMIT_VERSION_NAMES 9
#define COLUMN_MIN                  15

const char *const groups_scenarios[] = { "to-offset", "to-datetime", "by-duration", "to-earliest",
                                         "to-latest", "to-current",  "shift-by",    "from-file" };
const size_t groups_scenario_count = ARRAY_LEN(groups_scenarios);

static int misuse(struct groups_run *run)
{
    run->is_misuse = true;
    return -ERR_INVALID_ARGUMENT;
}

/* ---- which partitions ------------------------------------------------------------------------ */

static struct groups_offset *add_partition(struct groups_offsets *out, struct bytes topic,
                                           int32_t partition)
{
    struct groups_offset *known = groups_find(out, topic, partition);
    if (known != NULL)
        return known;
    VEC_ADD(&out->list, ((struct groups_offset){ .topic = topic,
                                                 .partition = partition,
                                                 .committed = -1,
                                                 .leader_epoch = -1,
                                                 .start = -1,
                                                 .end = -1 }));
    return &out->list.items[out->list.count - 1];
}

int groups_add_topic(struct groups_run *run, const char *text, struct groups_offsets *out,
                     struct groups_offsets *missing)
{
    const char *colon = strchr(text, ':');
    const struct bytes topic =
        bytes_from(text, colon == NULL ? strlen(text) : (size_t)(colon - text));
    for (const char *at = colon; at != NULL; at = strchr(at + 1, ',')) {
        int64_t partition;
        const struct bytes one = bytes_from(at + 1, strcspn(at + 1, ","));
        if (bytes_to_i64(one, &partition) < 0 || partition < 0 || partition > INT32_MAX) {
            (void)err_note(&run->note, 0, "Invalid partition '%.*s' specified in topic arg '%s''",
                           BYTES_PRINTF(one), text);
            return misuse(run);
        }
        (void)add_partition(out, topic, (int32_t)partition);
    }
    if (colon != NULL)
        return 0;
    const int r = admin_refresh(run->remote.admin, &topic, 1, false, &run->note);
    if (r < 0)
        return r;
    const struct cluster_topic *known = cluster_topic(admin_cluster(run->remote.admin), topic);
    const bool is_there = known != NULL && known->error == KAFKA_NONE;
    if (!is_there && missing == NULL)
        return err_note(&run->note, -ERR_NOT_FOUND, "Topic '%.*s' does not exist",
                        BYTES_PRINTF(topic));
    if (!is_there)
        (void)add_partition(missing, topic, -1);
    for (int32_t i = 0; is_there && i < known->partition_count; i++)
        (void)add_partition(out, topic, i);
    return 0;
}

/* By the plan of a file: those of this group, and where to. */
static void choose_from_plan(struct groups_run *run, const struct groups_plan *plan,
                             struct bytes group, struct groups_offsets *out)
{
    for (size_t i = 0; i < plan->list.count; i++) {
        const struct groups_plan_row *row = &plan->list.items[i];
        if (bytes_is_null(row->group) || bytes_equal(row->group, group))
            add_partition(out, row->topic, row->partition)->committed = row->offset;
    }
    if (out->list.count == 0)
        cli_out(run->context, "\nError: No reset plan for group %.*s found\n", BYTES_PRINTF(group));
}

/* By --all-topics or --topic, with where the group stands. */
static int choose_partitions(struct groups_run *run, struct bytes group, struct groups_offsets *out)
{
    struct groups_offsets committed = { 0 };
    const bool is_all = cli_has(run->options, "all-topics");
    if (!is_all && !cli_has(run->options, "topic")) {
        (void)err_note(&run->note, 0,
                       "One of the reset scopes should be defined: --all-topics, --topic.");
        return misuse(run);
    }
    int r = groups_committed(run, group, &committed);
    for (size_t i = 0; r == 0 && !is_all && i < cli_count(run->options, "topic"); i++)
        r = groups_add_topic(run, cli_text_at(run->options, "topic", i), out, NULL);
    for (size_t i = 0; r == 0 && i < committed.list.count; i++) {
        const struct groups_offset *c = &committed.list.items[i];
        struct groups_offset *o = is_all ? add_partition(out, c->topic, c->partition)
                                         : groups_find(out, c->topic, c->partition);
        if (o != NULL)
            o->committed = c->committed;
    }
    VEC_DEINIT(&committed.list);
    return r;
}

/* Where the logs of these partitions begin and end. */
static int look_at_logs(struct groups_run *run, struct groups_offsets *out)
{
    int r = groups_log_offsets(run, out, -2);
    if (r == 0)
        r = groups_log_offsets(run, out, -1);
    struct buf missing;
    buf_init(&missing, SIZE_MAX);
    for (size_t i = 0; r == 0 && i < out->list.count; i++) {
        const struct groups_offset *o = &out->list.items[i];
        if (o->start < 0 || o->end < 0)
            buf_printf(&missing, "%s%.*s-%" PRId32, missing.size == 0 ? "" : ",",
                       BYTES_PRINTF(o->topic), o->partition);
    }
    if (r == 0 && missing.size > 0)
        r = err_note(&run->note, -ERR_NOT_FOUND, "The partitions \"%.*s\" do not exist",
                     BYTES_PRINTF(buf_view(&missing)));
    buf_deinit(&missing);
    return r;
}

/* ---- where to -------------------------------------------------------------------------------- */

static int64_t clamp(struct groups_run *run, const struct groups_offset *o, int64_t wanted)
{
    const bool is_high = wanted > o->end;
    const bool is_low = wanted < o->start;
    const int64_t value = is_high ? o->end : is_low ? o->start : wanted;
    if (is_high || is_low)
        DIAG_WARN(&run->remote.diag, "groups",
                  "New offset (%" PRId64 ") is %s than %s offset for topic partition %.*s-%" PRId32
                  ". Value will be set to %" PRId64,
                  wanted, is_high ? "higher" : "lower", is_high ? "latest" : "earliest",
                  BYTES_PRINTF(o->topic), o->partition, value);
    return value;
}

/* Sets `committed` to the new offset. Offsets of the log are known. */
static int choose_offset(struct groups_run *run, struct groups_offset *o)
{
    const struct cli_options *op = run->options;
    if (cli_has(op, "shift-by") && o->committed < 0) {
        (void)err_note(&run->note, 0,
                       "Cannot shift offset for partition %.*s-%" PRId32
                       " since there is no current committed offset",
                       BYTES_PRINTF(o->topic), o->partition);
        return misuse(run);
    }
    if (cli_has(op, "to-earliest"))
        o->committed = o->start;
    else if (cli_has(op, "to-latest"))
        o->committed = o->end;
    else if (cli_has(op, "to-current"))
        o->committed = o->committed < 0 ? o->end : o->committed;
    else if (cli_has(op, "shift-by"))
        o->committed = clamp(run, o, o->committed + cli_number(op, "shift-by", 0));
    else if (cli_has(op, "to-offset"))
        o->committed = clamp(run, o, cli_number(op, "to-offset", 0));
    else
        o->committed = clamp(run, o, o->committed); /* of a file */
    return 0;
}

static int by_time(struct groups_run *run, struct groups_offsets *offsets, int64_t timestamp)
{
    int64_t *ends = ARENA_NEW_ARRAY(&run->arena, int64_t, offsets->list.count);
    for (size_t i = 0; i < offsets->list.count; i++) {
        ends[i] = offsets->list.items[i].end;
        offsets->list.items[i].end = -1;
    }
    const int r = groups_log_offsets(run, offsets, timestamp);
    for (size_t i = 0; r == 0 && i < offsets->list.count; i++) {
        struct groups_offset *o = &offsets->list.items[i];
        if (o->end < 0)
            cli_out(run->context,
                    "\nWarn: Partition %" PRId32
                    " from topic %.*s is empty. Falling back to latest known offset.\n",
                    o->partition, BYTES_PRINTF(o->topic));
        o->committed = o->end < 0 ? ends[i] : o->end;
        o->end = ends[i];
    }
    return r;
}

static int missing_scenario(struct groups_run *run)
{
    struct buf names;
    buf_init(&names, SIZE_MAX);
    for (size_t i = 0; i < groups_scenario_count; i++)
        buf_printf(&names, "%s[%s]", i == 0 ? "" : ", ", groups_scenarios[i]);
    (void)err_note(&run->note, 0,
                   "Option '[reset-offsets]' requires one of the following scenarios: [%.*s]",
                   BYTES_PRINTF(buf_view(&names)));
    buf_deinit(&names);
    return misuse(run);
}

static bool has_scenario(const struct groups_run *run)
{
    for (size_t i = 0; i < groups_scenario_count; i++) {
        if (cli_has(run->options, groups_scenarios[i]))
            return true;
    }
    return false;
}

static int choose_offsets(struct groups_run *run, struct groups_offsets *out)
{
    const struct cli_options *op = run->options;
    int64_t time_ms = 0;
    int r = 0;
    if (!has_scenario(run))
        return missing_scenario(run);
    if (cli_has(op, "to-datetime"))
        r = groups_parse_datetime(cli_text(op, "to-datetime", ""), &time_ms, &run->note);
    if (cli_has(op, "by-duration"))
        r = groups_parse_duration(cli_text(op, "by-duration", ""), &time_ms, &run->note);
    if (r < 0 || out->list.count == 0)
        return r;
    r = look_at_logs(run, out);
    if (r == 0 && cli_has(op, "to-datetime"))
        return by_time(run, out, time_ms);
    if (r == 0 && cli_has(op, "by-duration"))
        return by_time(run, out, io_now_ms(run->context->io) - time_ms);
    for (size_t i = 0; r == 0 && i < out->list.count; i++)
        r = choose_offset(run, &out->list.items[i]);
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

static int reset(struct groups_run *run, const struct groups_plan *plan, struct bytes group,
                 struct groups_offsets *out)
{
    int r = check_inactive(run, group);
    if (r == -ERR_EXISTS)
        return 0;
    if (r == 0 && cli_has(run->options, "from-file"))
        choose_from_plan(run, plan, group, out);
    else if (r == 0)
        r = choose_partitions(run, group, out);
    groups_sort(out);
    if (r == 0)
        r = choose_offsets(run, out);
    if (r == 0 && cli_has(run->options, "execute") && out->list.count > 0)
        r = commit(run, group, out);
    return r;
}

/* What was done, or would be, of all groups. */
struct outcome {
    const struct bytes *groups;
    const struct groups_offsets *offsets;
    size_t count;
};

static void print_table(struct groups_run *run, const struct outcome *o)
{
    int group_width = COLUMN_MIN;
    int topic_width = COLUMN_MIN;
    for (size_t i = 0; i < o->count; i++) {
        group_width = MAX(group_width, (int)o->groups[i].size);
        for (size_t k = 0; k < o->offsets[i].list.count; k++)
            topic_width = MAX(topic_width, (int)o->offsets[i].list.items[k].topic.size);
    }
    cli_out(run->context, "\n%-*s %-*s %-10s %s\n", group_width, "GROUP", topic_width, "TOPIC",
            "PARTITION", "NEW-OFFSET");
    for (size_t i = 0; i < o->count; i++) {
        for (size_t k = 0; k < o->offsets[i].list.count; k++) {
            const struct groups_offset *at = &o->offsets[i].list.items[k];
            cli_out(run->context, "%-*.*s %-*.*s %-10" PRId32 " %" PRId64 "\n", group_width,
                    BYTES_PRINTF(o->groups[i]), topic_width, BYTES_PRINTF(at->topic), at->partition,
                    at->committed);
        }
    }
}

/* The group is named where it does not go without saying. */
static void print_plan(struct groups_run *run, const struct outcome *o)
{
    const bool names_group = cli_count(run->options, "group") != 1;
    for (size_t i = 0; i < o->count; i++) {
        for (size_t k = 0; k < o->offsets[i].list.count; k++) {
            const struct groups_offset *at = &o->offsets[i].list.items[k];
            const struct groups_plan_row row = { .group = names_group ? o->groups[i] : BYTES_NULL,
                                                 .topic = at->topic,
                                                 .partition = at->partition,
                                                 .offset = at->committed };
            groups_print_row(run, &row);
        }
    }
    cli_out(run->context, "\n");
}

int groups_run_reset(struct groups_run *run)
{
    struct bytes *names;
    size_t count;
    struct groups_plan plan = { 0 };
    int r = groups_chosen(run, &names, &count);
    if (r == 0 && cli_has(run->options, "from-file"))
        r = groups_read_plan(run, cli_text(run->options, "from-file", ""), &plan);
    if (r < 0) {
        VEC_DEINIT(&plan.list);
        return r;
    }
    struct groups_offsets *offsets = ARENA_NEW_ARRAY(&run->arena, struct groups_offsets, count);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = reset(run, &plan, names[i], &offsets[i]);
    const struct outcome outcome = { .groups = names, .offsets = offsets, .count = count };
    if (r == 0 && cli_has(run->options, "export"))
        print_plan(run, &outcome);
    else if (r == 0)
        print_table(run, &outcome);
    for (size_t i = 0; i < count; i++)
        VEC_DEINIT(&offsets[i].list);
    VEC_DEINIT(&plan.list);
    return r;
}
