/* What a load is told on its command line: `--name value` pairs, the same words for every load. */
#pragma once

#include "wire/compress.h"

struct load_options {
    const char *host;
    uint16_t port;
    const char *topic;
    int32_t partitions;
    int32_t connections;
    int32_t in_flight; /* requests of one connection that may wait for their answers */
    int64_t requests;  /* of all connections together */
    double rate;       /* requests a second of one connection; 0: as fast as answers come */
    int32_t records;   /* in a request */
    int32_t record_bytes;
    int16_t acks;
    enum codec codec;
    int32_t fetch_bytes;  /* of one partition in one answer */
    int64_t bytes;        /* to read in all; 0: to the end of the partitions */
    double seconds;       /* produce: after so many no further request is sent; 0: all are */
    bool until_eof;       /* produce: when standard input ends, no further request is sent */
    int64_t keys;         /* produce: records have one of so many keys, drawn anew; 0: none */
    int32_t groups;       /* commit, ready: consumer groups, "bench-0" and so on */
    int32_t first;        /* commit: the first of the partitions; they end before `partitions` */
    const char *group;    /* group: the one that all join */
    const char *config;   /* create, alter: settings of the topic, NAME=VALUE,… */
    bool creates;         /* ready: the topic, first of all */
    const char *log_file; /* ready: for what the process prints */
    const char *pid_file; /* ready: for its id */
    bool is_bare;         /* the peer is bench_bare: only correlation ids are looked at */
};

/* Ends the process with a line about what is wrong. */
void load_options_read(int argc, char **argv, struct load_options *out);

/* One line on stderr, and the end: a load that does not go as it should is no figure. */
NORETURN void load_fail(const char *format, ...) PRINTF_LIKE(1, 2);

int64_t load_now_ns(void);
