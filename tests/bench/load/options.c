/* See options.h. */
#include "options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void load_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("bench_load: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int64_t load_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static int64_t number(const char *name, const char *value, int64_t min, int64_t max)
{
    int64_t n = 0;
    if (bytes_to_i64(bytes_from_text(value), &n) < 0 || n < min || n > max)
        load_fail("%s %s is no number from %" PRId64 " to %" PRId64, name, value, min, max);
    return n;
}

static void set_broker(struct load_options *out, char *value)
{
    char *colon = strrchr(value, ':');
    if (colon == NULL)
        load_fail("--broker %s is not HOST:PORT", value);
    *colon = 0;
    out->host = value;
    out->port = (uint16_t)number("port", colon + 1, 1, UINT16_MAX);
}

static void set(struct load_options *out, const char *name, char *value)
{
    if (strcmp(name, "--broker") == 0)
        set_broker(out, value);
    else if (strcmp(name, "--topic") == 0)
        out->topic = value;
    else if (strcmp(name, "--partitions") == 0)
        out->partitions = (int32_t)number(name, value, 1, 100000);
    else if (strcmp(name, "--connections") == 0)
        out->connections = (int32_t)number(name, value, 1, 60000);
    else if (strcmp(name, "--in-flight") == 0)
        out->in_flight = (int32_t)number(name, value, 1, 1000);
    else if (strcmp(name, "--requests") == 0)
        out->requests = number(name, value, 1, INT32_MAX);
    else if (strcmp(name, "--rate") == 0)
        out->rate = (double)number(name, value, 0, 1000000);
    else if (strcmp(name, "--records") == 0)
        out->records = (int32_t)number(name, value, 1, 1000000);
    else if (strcmp(name, "--record-bytes") == 0)
        out->record_bytes = (int32_t)number(name, value, 1, 1 << 20);
    else if (strcmp(name, "--acks") == 0)
        out->acks = (int16_t)number(name, value, -1, 1);
    else if (strcmp(name, "--fetch-bytes") == 0)
        out->fetch_bytes = (int32_t)number(name, value, 1, 1 << 30);
    else if (strcmp(name, "--bytes") == 0)
        out->bytes = number(name, value, 0, INT64_MAX);
    else if (strcmp(name, "--seconds") == 0)
        out->seconds = (double)number(name, value, 0, 100000);
    else if (strcmp(name, "--until-eof") == 0)
        out->until_eof = number(name, value, 0, 1) == 1;
    else if (strcmp(name, "--keys") == 0)
        out->keys = number(name, value, 0, INT32_MAX);
    else if (strcmp(name, "--groups") == 0)
        out->groups = (int32_t)number(name, value, 0, 1000000);
    else if (strcmp(name, "--first") == 0)
        out->first = (int32_t)number(name, value, 0, 100000);
    else if (strcmp(name, "--group") == 0)
        out->group = value;
    else if (strcmp(name, "--config") == 0)
        out->config = value;
    else if (strcmp(name, "--create") == 0)
        out->creates = number(name, value, 0, 1) == 1;
    else if (strcmp(name, "--log-file") == 0)
        out->log_file = value;
    else if (strcmp(name, "--pid-file") == 0)
        out->pid_file = value;
    else if (strcmp(name, "--bare") == 0)
        out->is_bare = number(name, value, 0, 1) == 1;
    else if (strcmp(name, "--codec") != 0)
        load_fail("no option %s", name);
    else if (codec_from_name(bytes_from_text(value), &out->codec) < 0)
        load_fail("no codec %s", value);
}

void load_options_read(int argc, char **argv, struct load_options *out)
{
    *out = (struct load_options){
        .topic = "bench",
        .group = "bench",
        .config = "",
        .log_file = "/dev/null",
        .pid_file = "/dev/null",
        .partitions = 1,
        .connections = 1,
        .in_flight = 1,
        .requests = 1,
        .records = 1,
        .record_bytes = 100,
        .acks = 1,
        .fetch_bytes = 1 << 20,
    };
    for (int i = 0; i < argc; i += 2) {
        if (i + 1 == argc)
            load_fail("%s needs a value", argv[i]);
        set(out, argv[i], argv[i + 1]);
    }
}
