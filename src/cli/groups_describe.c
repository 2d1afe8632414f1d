/* `kafka-consumer-groups --describe`: offsets, members or state. */
#include "cli/groups.h"

#include <stdio.h>
#include <stdlib.h>
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

/* Of a group of the consumer protocol, "-" of others. A static member that is away is in -2. */
static const char *epoch_text(char out[24], const struct groups_group *group, int32_t epoch)
{
    if (!group->is_consumer)
        return "-";
    (void)snprintf(out, 24, "%" PRId32, epoch);
    return out;
}

static void say_state(struct groups_run *run, const struct groups_group *group)
{
    if (bytes_equal_text(group->state, "Empty"))
        cli_err(run->context, "\nConsumer group '%.*s' has no active members.\n",
                BYTES_PRINTF(group->id));
    else if (bytes_equal_text(group->state, "PreparingRebalance") ||
             bytes_equal_text(group->state, "CompletingRebalance") ||
             bytes_equal_text(group->state, "Assigning") ||
             bytes_equal_text(group->state, "Reconciling"))
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

/* Those with the most partitions first, of equals in their order. */
static int by_share(const void *a, const void *b)
{
    const struct groups_member *x = *(const struct groups_member *const *)a;
    const struct groups_member *y = *(const struct groups_member *const *)b;
    if (x->assigned.list.count != y->assigned.list.count)
        return x->assigned.list.count > y->assigned.list.count ? -1 : 1;
    return (x > y) - (x < y); /* of one array */
}

/* What members have, then what is committed and nobody's. */
static void gather_rows(struct groups_run *run, const struct groups_group *group,
                        struct groups_offsets *offsets, struct rows *out)
{
    const size_t count = group->members.count;
    const struct groups_member **members =
        ARENA_NEW_ARRAY(&run->arena, const struct groups_member *, count);
    for (size_t i = 0; i < count; i++)
        members[i] = &group->members.items[i];
    if (count > 1)
        qsort(members, count, sizeof(*members), by_share);
    for (size_t i = 0; i < count; i++) {
        const struct groups_member *m = members[i];
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
        gather_rows(run, group, &offsets, &rows);
        say_state(run, group);
        if (rows.list.count > 0)
            print_rows(run, group, &rows);
    }
    VEC_DEINIT(&rows.list);
    VEC_DEINIT(&offsets.list);
    return r;
}

/* ---- members and state ----------------------------------------------------------------------- */

/* In the run's arena. */
static struct bytes assignment_text(struct groups_run *run, const struct groups_offsets *assigned)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    for (size_t i = 0; i < assigned->list.count; i++) {
        const struct groups_offset *o = &assigned->list.items[i];
        if (i > 0 && bytes_equal(assigned->list.items[i - 1].topic, o->topic))
            buf_printf(&text, ",%" PRId32, o->partition);
        else
            buf_printf(&text, "%s%.*s:%" PRId32, i == 0 ? "" : ";", BYTES_PRINTF(o->topic),
                       o->partition);
    }
    if (assigned->list.count == 0)
        buf_put_text(&text, "-");
    const struct bytes out = bytes_from(arena_dup(&run->arena, text.data, text.size), text.size);
    buf_deinit(&text);
    return out;
}

/* A member as a row shows it. */
struct member_row {
    const struct groups_member *member;
    struct bytes current;
    struct bytes target;
};

struct member_table {
    struct member_row *rows;
    size_t count;
    bool has_instances;
    size_t classic_count; /* that speak the classic protocol in a group of the consumer protocol */
    bool is_mixed;        /* not all do */
    /* widths of columns */
    int id;
    int instance;
    int host;
    int client;
    int current;
    int target;
};

static struct member_table gather_members(struct groups_run *run, const struct groups_group *group)
{
    struct member_table t = { .rows = ARENA_NEW_ARRAY(&run->arena, struct member_row,
                                                      group->members.count),
                              .count = group->members.count,
                              .id = COLUMN_MIN,
                              .instance = 17,
                              .host = COLUMN_MIN,
                              .client = COLUMN_MIN,
                              .current = 20,
                              .target = 20 };
    for (size_t i = 0; i < t.count; i++) {
        const struct groups_member *m = &group->members.items[i];
        struct member_row *row = &t.rows[i];
        row->member = m;
        row->current = assignment_text(run, &m->assigned);
        row->target = assignment_text(run, &m->target);
        t.has_instances = t.has_instances || m->instance_id.size > 0;
        t.classic_count += m->is_classic ? 1 : 0;
        t.id = MAX(t.id, (int)m->id.size);
        t.instance = MAX(t.instance, (int)m->instance_id.size);
        t.host = MAX(t.host, (int)m->host.size);
        t.client = MAX(t.client, (int)m->client_id.size);
        t.current = MAX(t.current, (int)row->current.size);
        t.target = MAX(t.target, (int)row->target.size);
    }
    t.is_mixed = t.classic_count > 0 && t.classic_count < t.count;
    return t;
}

static void print_epochs(struct groups_run *run, const struct groups_group *group,
                         const struct member_table *t, const struct member_row *row)
{
    char texts[2][24];
    cli_out(run->context, "%-15s %-*.*s %-15s %-*.*s",
            epoch_text(texts[0], group, row->member->epoch), t->current, BYTES_PRINTF(row->current),
            epoch_text(texts[1], group, group->assignment_epoch), t->target,
            BYTES_PRINTF(row->target));
    if (t->is_mixed)
        cli_out(run->context, " %s", row->member->is_classic ? "false" : "true");
}

static int describe_members(struct groups_run *run, const struct groups_group *group)
{
    const bool is_verbose = cli_has(run->options, "verbose");
    const int group_width = width(COLUMN_MIN, group->id.size);
    const struct member_table t = gather_members(run, group);
    say_state(run, group);
    cli_out(run->context, "\n%-*s %-*s ", group_width, "GROUP", t.id, "CONSUMER-ID");
    if (t.has_instances)
        cli_out(run->context, "%-*s ", t.instance, "GROUP-INSTANCE-ID");
    cli_out(run->context, "%-*s %-*s %-15s ", t.host, "HOST", t.client, "CLIENT-ID", "#PARTITIONS");
    if (is_verbose)
        cli_out(run->context, "%-15s %-*s %-15s %-*s%s", "CURRENT-EPOCH", t.current,
                "CURRENT-ASSIGNMENT", "TARGET-EPOCH", t.target, "TARGET-ASSIGNMENT",
                t.is_mixed ? " UPGRADED" : "");
    cli_out(run->context, "\n");
    for (size_t i = 0; i < t.count; i++) {
        const struct groups_member *m = t.rows[i].member;
        cli_out(run->context, "%-*.*s %-*.*s ", group_width, BYTES_PRINTF(group->id), t.id,
                BYTES_PRINTF(m->id));
        if (t.has_instances)
            cli_out(run->context, "%-*.*s ", t.instance, BYTES_PRINTF(m->instance_id));
        cli_out(run->context, "%-*.*s %-*.*s %-15zu ", t.host, BYTES_PRINTF(m->host), t.client,
                BYTES_PRINTF(m->client_id), m->assigned.list.count);
        if (is_verbose)
            print_epochs(run, group, &t, &t.rows[i]);
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
    char texts[2][24];
    if (is_verbose)
        cli_out(run->context, "%-15s %-25s ", epoch_text(texts[0], group, group->epoch),
                epoch_text(texts[1], group, group->assignment_epoch));
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
