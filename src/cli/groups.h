/* Between the files of kafka-consumer-groups. */
#pragma once

#include "cli/remote.h"

struct groups_run {
    const struct cli_context *context;
    const struct cli_options *options;
    struct cli_remote remote;
    struct arena arena; /* of the whole run */
    struct err_note note;
    bool is_misuse; /* the note is about the options: the help is shown, and the exit code is 1 */
};

/* One partition of a group: where it stands, and where its log ends. */
struct groups_offset {
    struct bytes topic;
    int32_t partition;
    int64_t committed; /* -1: nothing */
    int32_t leader_epoch;
    int64_t start; /* -1: not known */
    int64_t end;
};
struct groups_offsets {
    VEC(struct groups_offset) list; /* by topic, then partition */
};

/* A member's client, and what it was assigned. */
struct groups_member {
    struct bytes id;
    struct bytes instance_id; /* null: a dynamic member */
    struct bytes client_id;
    struct bytes host;
    struct groups_offsets assigned; /* offsets are not filled in */
    /* In a group of the consumer protocol: */
    int32_t epoch;
    struct groups_offsets target;
    bool is_classic; /* it speaks the classic protocol there */
};
struct groups_group {
    struct bytes id;
    struct bytes state;
    struct bytes protocol; /* or the assignor */
    VEC(struct groups_member) members;
    bool is_consumer; /* of the consumer protocol (KIP-848) */
    int32_t epoch;
    int32_t assignment_epoch;
};

/* Answers live in run->arena. 0, or negative with run->note. */
MUST_CHECK int groups_describe(struct groups_run *run, struct bytes group,
                               struct groups_group *out);
void groups_group_deinit(struct groups_group *group);
MUST_CHECK int groups_committed(struct groups_run *run, struct bytes group,
                                struct groups_offsets *out);
/* All groups' ids, those of consumers only. */
struct groups_listed {
    struct bytes id;
    struct bytes state;
    struct bytes type;
};
struct groups_list {
    VEC(struct groups_listed) list;
};
MUST_CHECK int groups_list(struct groups_run *run, struct groups_list *out);
/* timestamp: -1 latest, -2 earliest, or ms. Fills start (for -2) or end; a time after the last record gives the end. */
MUST_CHECK int groups_log_offsets(struct groups_run *run, struct groups_offsets *offsets,
                                  int64_t timestamp);
/* The groups that --group and --all-groups name; in the arena. */
MUST_CHECK int groups_chosen(struct groups_run *run, struct bytes **out, size_t *out_count);

/* The options of --reset-offsets that say where to; at most one is given. */
extern const char *const groups_scenarios[];
extern const size_t groups_scenario_count;

/* Adds partitions of "topic" or "topic:0,1,2". Names that are none are a misuse; a topic or partitions that are not there fail,
 * but where `missing` is given: then what is not there is added to it. */
MUST_CHECK int groups_add_topic(struct groups_run *run, const char *text,
                                struct groups_offsets *out, struct groups_offsets *missing);

/* Times as --to-datetime and --by-duration take them: ms since 1970, and a length in ms. -ERR_INVALID_ARGUMENT with a note. */
MUST_CHECK int groups_parse_datetime(const char *text, int64_t *out, struct err_note *note);
MUST_CHECK int groups_parse_duration(const char *text, int64_t *out, struct err_note *note);

/* A plan as CSV: [group,]topic,partition,offset a line; texts may stand in quotes. */
struct groups_plan_row {
    struct bytes group; /* null: of any */
    struct bytes topic;
    int32_t partition;
    int64_t offset;
};
struct groups_plan {
    VEC(struct groups_plan_row) list;
};
MUST_CHECK int groups_read_plan(struct groups_run *run, const char *path, struct groups_plan *out);
void groups_print_row(struct groups_run *run, const struct groups_plan_row *row);

struct groups_offset *groups_find(struct groups_offsets *offsets, struct bytes topic,
                                  int32_t partition);
void groups_sort(struct groups_offsets *offsets);

int groups_run_describe(struct groups_run *run); /* exit codes are 0 as in Kafka, but for usage */
int groups_run_reset(struct groups_run *run);
int groups_run_delete_offsets(struct groups_run *run);
