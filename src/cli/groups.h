/* Between the files of kafka-consumer-groups. */
#pragma once

#include "cli/remote.h"

struct groups_run {
    const struct cli_context *context;
    const struct cli_options *options;
    struct cli_remote remote;
    struct arena arena; /* of the whole run */
    struct err_note note;
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
    struct bytes instance_id;
    struct bytes client_id;
    struct bytes host;
    struct groups_offsets assigned; /* offsets are not filled in */
};
struct groups_group {
    struct bytes id;
    struct bytes state;
    struct bytes protocol;
    VEC(struct groups_member) members;
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

struct groups_offset *groups_find(struct groups_offsets *offsets, struct bytes topic,
                                  int32_t partition);
void groups_sort(struct groups_offsets *offsets);

int groups_run_describe(struct groups_run *run); /* exit codes are 0 as in Kafka, but for usage */
int groups_run_reset(struct groups_run *run);
int groups_run_delete_offsets(struct groups_run *run);
