/* `kafka-consumer-groups --describe`: offsets, members or state. */
#include "cli/groups.h"

#include <stdio.h>
#include <string.h>

#define COLUMN_MIN 15

static int width(size_t least, size_t size)
{
    return (int)MAX(least, size);
}

/* A number, or "-". */
static const char *number(char out[24], int64_t value)
{
    if (value < 0)
        return "-";
    (void)snprintf(out, 24, "%" PRId64, value);
    return out;
}

static void say_state(struct groups_run *run, const struct groups_group *group)
{
    if (bytes_equal_text(group->state, "Empty"))
        cli_err(run->context, "\nConsumer group '%.*s' has no active members.\n",
                BYTES_PRINTF(group->id));
    else if (bytes_equal_text(group->state, "PreparingRebalance") ||
             bytes_equal_text(group->state, "CompletingRebalance"))
        cli_err(run->context, "\nWarning: Consumer group '%.*s' is rebalancing.\n",
                BYTES_PRINTF(group->id));
}

/* ---- offsets --------------------------------------------------------------------------------- */

struct owned {
    struct groups_offset at;
    const struct groups_member *member; /* NULL: nobody's */
};

struct rows {
    VEC(struct owned) list;
};

/* What members have, in their order, then what is committed and nobody's. */
static void gather_rows(const struct groups_group *group, struct groups_offsets *offsets,
                        struct rows *out)
{
    for (size_t i = 0; i < group->members.count; i++) {
        const struct groups_member *m = &group->members.items[i];
        for (size_t k = 0; k < m->assigned.list.count; k++) {
            const struct groups_offset *a = &m->assigned.list.items[k];
            struct groups_offset *known = groups_find(offsets, a->topic, a->partition);
            VEC_ADD(&out->list, ((struct owned){ .at = *known, .member = m }));
            known->leader_epoch = INT32_MIN; /* taken */
        }
    }
    for (size_t i = 0; i < offsets->list.count; i++) {
        if (offsets->list.items[i].leader_epoch != INT32_MIN)
            VEC_ADD(&out->list, ((struct owned){ .at = offsets->list.items[i] }));
    }
}

static void print_rows(struct groups_run *run, const struct groups_group *group,
                       const struct rows *rows)
{
    const bool is_verbose = cli_has(run->options, "verbose");
    const int group_width = width(COLUMN_MIN, group->id.size);
    int topic_width = COLUMN_MIN;
    int member_width = COLUMN_MIN;
    for (size_t i = 0; i < rows->list.count; i++) {
        const struct owned *o = &rows->list.items[i];
        topic_width = MAX(topic_width, (int)o->at.topic.size);
        if (o->member != NULL)
            member_width = MAX(member_width, (int)o->member->id.size);
    }
    cli_out(run->context, "\n%-*s %-*s %-10s ", group_width, "GROUP", topic_width, "TOPIC",
            "PARTITION");
    if (is_verbose)
        cli_out(run->context, "%-15s ", "LEADER-EPOCH");
    cli_out(run->context, "%-15s %-15s %-15s %-*s %-15s %s\n", "CURRENT-OFFSET", "LOG-END-OFFSET",
            "LAG", member_width, "CONSUMER-ID", "HOST", "CLIENT-ID");
    for (size_t i = 0; i < rows->list.count; i++) {
        const struct owned *o = &rows->list.items[i];
        const struct groups_member nobody = { .id = BYTES_LITERAL("-"),
                                              .host = BYTES_LITERAL("-"),
                                              .client_id = BYTES_LITERAL("-") };
        const struct groups_member *m = o->member == NULL ? &nobody : o->member;
        const int64_t lag = o->at.committed < 0 || o->at.end < 0
                                ? -1
                                : MAX(o->at.end - o->at.committed, INT64_C(0));
        char texts[4][24];
        cli_out(run->context, "%-*.*s %-*.*s %-10" PRId32 " ", group_width, BYTES_PRINTF(group->id),
                topic_width, BYTES_PRINTF(o->at.topic), o->at.partition);
        if (is_verbose)
            cli_out(run->context, "%-15s ", number(texts[0], o->at.leader_epoch));
        cli_out(run->context, "%-15s %-15s %-15s %-*.*s %-15.*s %.*s\n",
                number(texts[1], o->at.committed), number(texts[2], o->at.end),
                number(texts[3], lag), member_width, BYTES_PRINTF(m->id), BYTES_PRINTF(m->host),
                BYTES_PRINTF(m->client_id));
    }
}

static int describe_offsets(struct groups_run *run, const struct groups_group *group)
{
    struct groups_offsets offsets = { 0 };
    struct rows rows = { 0 };
    int r = groups_committed(run, group->id, &offsets);
    for (size_t i = 0; i < group->members.count; i++) {
        const struct groups_offsets *assigned = &group->members.items[i].assigned;
        for (size_t k = 0; k < assigned->list.count; k++) {
            const struct groups_offset *a = &assigned->list.items[k];
            if (groups_find(&offsets, a->topic, a->partition) == NULL)
                VEC_ADD(&offsets.list, *a);
        }
    }
    groups_sort(&offsets);
    if (r == 0 && offsets.list.count > 0)
        r = groups_log_offsets(run, &offsets, -1);
    if (r == 0) {
        gather_rows(group, &offsets, &rows);
        say_state(run, group);
        if (rows.list.count > 0)
            print_rows(run, group, &rows);
    }
    VEC_DEINIT(&rows.list);
    VEC_DEINIT(&offsets.list);
    return r;
}

/* ---- members and state ----------------------------------------------------------------------- */

static void put_assignment(struct buf *out, const struct groups_offsets *assigned)
{
    for (size_t i = 0; i < assigned->list.count; i++) {
        const struct groups_offset *o = &assigned->list.items[i];
        if (i > 0 && bytes_equal(assigned->list.items[i - 1].topic, o->topic))
            buf_printf(out, ",%" PRId32, o->partition);
        else
            buf_printf(out, "%s%.*s:%" PRId32, i == 0 ? "" : ";", BYTES_PRINTF(o->topic),
                       o->partition);
    }
    if (assigned->list.count == 0)
        buf_put_text(out, "-");
}

static int describe_members(struct groups_run *run, const struct groups_group *group)
{
    const bool is_verbose = cli_has(run->options, "verbose");
    const int group_width = width(COLUMN_MIN, group->id.size);
    int member_width = COLUMN_MIN;
    for (size_t i = 0; i < group->members.count; i++)
        member_width = MAX(member_width, (int)group->members.items[i].id.size);
    say_state(run, group);
    cli_out(run->context, "\n%-*s %-*s %-15s %-15s %-15s ", group_width, "GROUP", member_width,
            "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS");
    if (is_verbose)
        cli_out(run->context, "%-15s %-20s %-15s %-20s", "CURRENT-EPOCH", "CURRENT-ASSIGNMENT",
                "TARGET-EPOCH", "TARGET-ASSIGNMENT");
    cli_out(run->context, "\n");
    for (size_t i = 0; i < group->members.count; i++) {
        const struct groups_member *m = &group->members.items[i];
        cli_out(run->context, "%-*.*s %-*.*s %-15.*s %-15.*s %-15zu ", group_width,
                BYTES_PRINTF(group->id), member_width, BYTES_PRINTF(m->id), BYTES_PRINTF(m->host),
                BYTES_PRINTF(m->client_id), m->assigned.list.count);
        if (is_verbose) {
            struct buf text;
            buf_init(&text, SIZE_MAX);
            put_assignment(&text, &m->assigned);
            cli_out(run->context, "%-15s %-20.*s %-15s %-20s", "-", BYTES_PRINTF(buf_view(&text)),
                    "-", "-");
            buf_deinit(&text);
        }
        cli_out(run->context, "\n");
    }
    return 0;
}

static int describe_state(struct groups_run *run, const struct groups_group *group)
{
    const bool is_verbose = cli_has(run->options, "verbose");
    struct channel *channel = admin_coordinator(run->remote.admin, group->id);
    int32_t id = -1;
    char coordinator[512] = "-";
    if (channel != NULL && admin_coordinator_id(run->remote.admin, group->id, &id))
        (void)snprintf(coordinator, sizeof(coordinator), "%s:%u  (%" PRId32 ")",
                       channel_host(channel), channel_port(channel), id);
    const int group_width = width(COLUMN_MIN, group->id.size);
    const int coordinator_width = width(25, strlen(coordinator));
    const struct bytes strategy = group->protocol.size == 0 ? BYTES_LITERAL("-") : group->protocol;
    say_state(run, group);
    cli_out(run->context, "\n%-*s %-*s %-20s %-20s ", group_width, "GROUP", coordinator_width,
            "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE");
    if (is_verbose)
        cli_out(run->context, "%-15s %-25s ", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH");
    cli_out(run->context, "#MEMBERS\n%-*.*s %-*s %-20.*s %-20.*s ", group_width,
            BYTES_PRINTF(group->id), coordinator_width, coordinator, BYTES_PRINTF(strategy),
            BYTES_PRINTF(group->state));
    if (is_verbose)
        cli_out(run->context, "%-15s %-25s ", "-", "-");
    cli_out(run->context, "%zu\n", group->members.count);
    return 0;
}

static int describe(struct groups_run *run, const struct groups_group *group)
{
    if (cli_has(run->options, "members"))
        return describe_members(run, group);
    if (cli_has(run->options, "state"))
        return describe_state(run, group);
    return describe_offsets(run, group);
}

int groups_run_describe(struct groups_run *run)
{
    struct bytes *names;
    size_t count;
    int r = groups_chosen(run, &names, &count);
    if (r < 0)
        return r;
    /* One that is not there fails the command before anything is told of the others. */
    struct groups_group *groups = ARENA_NEW_ARRAY(&run->arena, struct groups_group, count);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = groups_describe(run, names[i], &groups[i]);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = describe(run, &groups[i]);
    for (size_t i = 0; i < count; i++)
        groups_group_deinit(&groups[i]);
    return r;
}
