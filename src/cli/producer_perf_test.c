/* kafka-producer-perf-test: writes records as fast as asked, and tells rates and latencies. */
#include "cli/cli_int.h"
#include "cli/remote.h"

#include "base/rng.h"
#include "base/uuid.h"
#include "client/producer.h"
#include "wire/kafka_error.h"

#include <stdlib.h>
#include <string.h>

#define PAYLOAD_BYTES_MAX (1u << 30)
#define SAMPLE_COUNT_MAX  500000 /* latencies kept for percentiles, evenly spaced */
#define PAYLOAD_SEED      0
#define TRANSACTION_MS    3000 /* a transaction is committed after this, if nothing else is said */

static const struct cli_option table[] = {
    { .name = "help", .letter = 'h', .words = "Show this help." },
    { .name = "bootstrap-server",
      .takes = CLI_VALUE,
      .value_words = "BOOTSTRAP-SERVER",
      .words = "Brokers to begin with; or bootstrap.servers among the properties." },
    { .name = "topic",
      .takes = CLI_VALUE,
      .value_words = "TOPIC",
      .is_required = true,
      .words = "The topic to write to." },
    { .name = "num-records",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "NUM-RECORDS",
      .is_required = true,
      .words = "How many records." },
    { .name = "record-size",
      .takes = CLI_VALUE,
      .type = CLI_INT,
      .value_words = "RECORD-SIZE",
      .words = "Bytes of each record, drawn by chance. One of this, --payload-file and "
               "--payload-monotonic has to be given." },
    { .name = "payload-file",
      .takes = CLI_VALUE,
      .value_words = "PAYLOAD-FILE",
      .words = "A file of payloads, of which each record is one, drawn by chance." },
    { .name = "payload-delimiter",
      .takes = CLI_VALUE,
      .value_words = "PAYLOAD-DELIMITER",
      .words = "What parts the payloads of the file; \\n without it." },
    { .name = "payload-monotonic", .words = "Records are numbers: 0, 1, 2 …" },
    { .name = "throughput",
      .takes = CLI_VALUE,
      .type = CLI_DOUBLE,
      .value_words = "THROUGHPUT",
      .is_required = true,
      .words = "Records a second at most; -1: as many as go." },
    { .name = "producer-props",
      .takes = CLI_VALUES,
      .value_words = "PROP-NAME=PROP-VALUE",
      .words = "Deprecated: as --command-property." },
    { .name = "command-property",
      .takes = CLI_VALUES,
      .value_words = "PROP-NAME=PROP-VALUE",
      .words = "Settings of the producer; stronger than the file's." },
    { .name = "producer.config",
      .takes = CLI_VALUE,
      .value_words = "CONFIG-FILE",
      .words = "Deprecated: as --command-config." },
    { .name = "command-config",
      .takes = CLI_VALUE,
      .value_words = "CONFIG-FILE",
      .words = "A properties file with settings of the producer." },
    { .name = "print-metrics", .words = "Refused: this client has no metrics yet." },
    { .name = "transactional-id",
      .takes = CLI_VALUE,
      .value_words = "TRANSACTIONAL-ID",
      .words = "Write in transactions, under this id; stronger than transactional.id among the "
               "properties." },
    { .name = "transaction-duration-ms",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "TRANSACTION-DURATION",
      .words = "A transaction is committed when it is so old. Default 3000. Without an id one is "
               "made: performance-producer- and a random uuid." },
    { .name = "warmup-records",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "WARMUP-RECORDS",
      .words = "So many of the first records are warm-up: a second last line is without them." },
    { .name = "reporting-interval",
      .takes = CLI_VALUE,
      .type = CLI_LONG,
      .value_words = "INTERVAL-MS",
      .words = "How often a line is printed. Default 5000." },
};

static const struct cli_spec spec = {
    .name = "kafka-producer-perf-test",
    .words = "Measure producing.",
    .dialect = CLI_ARGPARSE,
    .options = table,
    .option_count = ARRAY_LEN(table),
};

/* ---- figures --------------------------------------------------------------------------------- */

struct figures {
    bool is_steady; /* of what came after the warm-up */
    int64_t start_ns;
    uint64_t count;
    uint64_t bytes;
    double latency_sum_ms;
    double latency_max_ms;
    uint32_t *samples; /* ms */
    size_t sample_count;
    uint64_t sample_every;
};

static void figures_init(struct figures *f, int64_t now_ns, uint64_t records)
{
    *f = (struct figures){ .start_ns = now_ns };
    f->sample_every = MAX(records / SAMPLE_COUNT_MAX, (uint64_t)1);
    f->samples = MEM_NEW_ARRAY(uint32_t, (size_t)(records / f->sample_every) + 1);
}

static void figures_add(struct figures *f, double latency_ms, size_t bytes)
{
    if (f->samples != NULL && f->count % f->sample_every == 0)
        f->samples[f->sample_count++] = (uint32_t)latency_ms;
    f->count++;
    f->bytes += bytes;
    f->latency_sum_ms += latency_ms;
    f->latency_max_ms = MAX(f->latency_max_ms, latency_ms);
}

static int compare_samples(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t percentile(const struct figures *f, double share)
{
    return f->sample_count == 0 ? 0 : f->samples[(size_t)(share * (double)f->sample_count)];
}

static void print_window(const struct cli_context *context, const struct figures *f, int64_t now_ns)
{
    const double seconds = (double)MAX(now_ns - f->start_ns, INT64_C(1)) / (double)NS_PER_SECOND;
    cli_out(context,
            "%" PRIu64
            "%s records sent, %.1f records/sec (%.2f MB/sec), %.1f ms avg latency, %.1f ms "
            "max latency.\n",
            f->count, f->is_steady ? " steady state" : "", (double)f->count / seconds,
            (double)f->bytes / seconds / (1024.0 * 1024.0),
            f->count == 0 ? 0.0 : f->latency_sum_ms / (double)f->count, f->latency_max_ms);
}

static void print_total(const struct cli_context *context, struct figures *f, int64_t now_ns)
{
    const double seconds = (double)MAX(now_ns - f->start_ns, INT64_C(1)) / (double)NS_PER_SECOND;
    if (f->sample_count > 0)
        qsort(f->samples, f->sample_count, sizeof(*f->samples), compare_samples);
    cli_out(context,
            "%" PRIu64
            "%s records sent, %f records/sec (%.2f MB/sec), %.2f ms avg latency, %.2f ms "
            "max latency, %u ms 50th, %u ms 95th, %u ms 99th, %u ms 99.9th.\n",
            f->count, f->is_steady ? " steady state" : "", (double)f->count / seconds,
            (double)f->bytes / seconds / (1024.0 * 1024.0),
            f->count == 0 ? 0.0 : f->latency_sum_ms / (double)f->count, f->latency_max_ms,
            percentile(f, 0.5), percentile(f, 0.95), percentile(f, 0.99), percentile(f, 0.999));
}

/* ---- payloads -------------------------------------------------------------------------------- */

struct payloads {
    uint8_t *text; /* owned */
    VEC(struct bytes) list;
    char number[24];
    bool is_monotonic;
};

static int payloads_init(const struct cli_context *context, const struct cli_options *o,
                         struct payloads *p)
{
    const char *path = cli_text(o, "payload-file", NULL);
    p->is_monotonic = cli_has(o, "payload-monotonic");
    if (path == NULL && !p->is_monotonic) {
        const size_t size = (size_t)cli_number(o, "record-size", 0);
        struct rng rng = rng_from_seed(PAYLOAD_SEED);
        p->text = mem_alloc(size);
        for (size_t i = 0; i < size; i++)
            p->text[i] = (uint8_t)('A' + rng_below(&rng, 26));
        VEC_ADD(&p->list, bytes_from(p->text, size));
    }
    if (path == NULL)
        return 0;
    size_t size;
    cli_out(context, "Reading payloads from: %s\n", path);
    const int r =
        io_fs_read_whole(io_get_fs(context->io), path, PAYLOAD_BYTES_MAX, &p->text, &size);
    if (r < 0) {
        cli_err(context, "%s cannot be read: %s\n", path, err_sentence(r));
        return r;
    }
    const char *delimiter = cli_text(o, "payload-delimiter", "\n");
    if (strcmp(delimiter, "\\n") == 0 || delimiter[0] == '\0')
        delimiter = "\n";
    const size_t delimiter_size = strlen(delimiter);
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memmem(p->text + at, size - at, delimiter, delimiter_size);
        const size_t part = end == NULL ? size - at : (size_t)(end - p->text) - at;
        VEC_ADD(&p->list, bytes_from(p->text + at, part));
        at += part + delimiter_size;
    }
    if (p->list.count == 0) {
        cli_err(context, "File does not exist or empty file provided: %s\n", path);
        return -ERR_INVALID_ARGUMENT;
    }
    cli_out(context, "Number of records read: %zu\n", p->list.count);
    return 0;
}

static struct bytes payload(struct payloads *p, struct rng *rng, uint64_t index)
{
    if (p->is_monotonic) {
        char *text = mem_printf("%" PRIu64, index);
        memcpy(p->number, text, strlen(text) + 1);
        mem_free(text);
        return bytes_from_text(p->number);
    }
    return p->list.items[p->list.count == 1 ? 0 : rng_below(rng, p->list.count)];
}

/* ---- the run --------------------------------------------------------------------------------- */

struct sent {
    int64_t at_ns;
    size_t bytes;
    bool is_steady;
};

struct run {
    struct cli_remote remote;
    struct producer *producer;
    struct payloads payloads;
    struct figures all;
    struct figures steady;
    struct figures window;
    int64_t interval_ns;
    uint64_t failed;
    bool is_transactional;
    bool is_open; /* a transaction */
    int64_t transaction_ns;
    int64_t transaction_began_ns;
};

static void on_delivery(void *context, const struct producer_delivery *delivery)
{
    struct run *run = context;
    struct sent *sent = delivery->context;
    const int64_t now_ns = io_monotonic_ns(run->remote.context->io);
    const double latency_ms = (double)(now_ns - sent->at_ns) / (double)NS_PER_MS;
    if (delivery->error == KAFKA_NONE) {
        figures_add(&run->all, latency_ms, sent->bytes);
        if (sent->is_steady)
            figures_add(&run->steady, latency_ms, sent->bytes);
        if (sent->is_steady == run->window.is_steady)
            figures_add(&run->window, latency_ms, sent->bytes);
    } else if (run->failed++ == 0) {
        cli_err(run->remote.context, "A record was not written: %s (%s)\n", delivery->words,
                kafka_error_name(delivery->error));
    }
    if (now_ns - run->window.start_ns >= run->interval_ns) {
        print_window(run->remote.context, &run->window, now_ns);
        run->window = (struct figures){ .start_ns = now_ns, .is_steady = run->window.is_steady };
    }
    mem_free(sent);
}

static bool never(void *context)
{
    (void)context;
    return false;
}

/* Waits until the schedule allows record `index`. */
static int keep_pace(struct run *run, double throughput, uint64_t index, int64_t start_ns)
{
    if (throughput <= 0)
        return 0;
    const int64_t due_ns = start_ns + (int64_t)((double)index / throughput * (double)NS_PER_SECOND);
    if (due_ns <= io_monotonic_ns(run->remote.context->io))
        return 0;
    const int r = client_loop_wait(&run->remote.loop, never, NULL, due_ns);
    return r == -ERR_TIMEOUT ? 0 : r;
}

/* From here on lines are of the records after the warm-up. */
static void begin_steady_state(struct run *run, uint64_t count)
{
    const int64_t now_ns = io_monotonic_ns(run->remote.context->io);
    figures_init(&run->steady, now_ns, count);
    run->window = (struct figures){ .start_ns = now_ns };
    run->steady.is_steady = run->window.is_steady = true;
}

static int tell(const struct run *run, int result, const struct err_note *note)
{
    if (result < 0)
        cli_err(run->remote.context, "%s\n",
                note->text[0] == '\0' ? err_sentence(result) : note->text);
    return result;
}

static int begin_transaction(struct run *run)
{
    struct err_note note = { 0 };
    if (!run->is_transactional || run->is_open)
        return 0;
    run->is_open = true;
    run->transaction_began_ns = io_monotonic_ns(run->remote.context->io);
    return tell(run, producer_begin_transaction(run->producer, &note), &note);
}

static int commit_transaction(struct run *run)
{
    struct err_note note = { 0 };
    if (!run->is_open)
        return 0;
    run->is_open = false;
    return tell(run, producer_commit_transaction(run->producer, &note), &note);
}

static int send_one(struct run *run, struct bytes topic, struct bytes value)
{
    struct err_note note = { 0 };
    int r = begin_transaction(run);
    if (r < 0)
        return r;
    struct sent *sent = MEM_NEW(struct sent);
    const struct producer_record record = {
        .topic = topic, .partition = -1, .timestamp_ms = -1, .value = value, .context = sent
    };
    sent->at_ns = io_monotonic_ns(run->remote.context->io);
    sent->bytes = value.size;
    sent->is_steady = run->steady.is_steady;
    const int64_t at_ns = sent->at_ns;
    r = tell(run, producer_send_wait(run->producer, &record, &note), &note);
    if (r < 0)
        mem_free(sent);
    else if (run->is_open && at_ns - run->transaction_began_ns >= run->transaction_ns)
        r = commit_transaction(run);
    return r;
}

static int loop(struct run *run, const struct cli_options *o)
{
    const uint64_t count = (uint64_t)cli_number(o, "num-records", 0);
    const uint64_t warmup = (uint64_t)MAX(cli_number(o, "warmup-records", 0), INT64_C(0));
    const double throughput = cli_double(o, "throughput", -1);
    const struct bytes topic = bytes_from_text(cli_text(o, "topic", ""));
    struct rng rng = rng_from_seed(PAYLOAD_SEED);
    const int64_t start_ns = io_monotonic_ns(run->remote.context->io);
    if (warmup > 0)
        cli_out(run->remote.context,
                "Warmup first %" PRIu64 " records. Steady state results will print after the "
                "complete test summary.\n",
                warmup);
    figures_init(&run->all, start_ns, count);
    run->window = (struct figures){ .start_ns = start_ns };
    for (uint64_t i = 0; i < count; i++) {
        int r = keep_pace(run, throughput, i, start_ns);
        if (r < 0)
            return r;
        if (warmup > 0 && i == warmup)
            begin_steady_state(run, count - warmup);
        r = send_one(run, topic, payload(&run->payloads, &rng, i));
        if (r < 0)
            return r;
    }
    const int r = commit_transaction(run);
    return r < 0 ? r : producer_flush(run->producer);
}

/* A transactional id where one is wanted and none is given. */
static int add_id(struct run *run, const struct cli_options *o, struct cli_properties *properties,
                  const char **items)
{
    if (!cli_has(o, "transaction-duration-ms") ||
        !config_is_null(run->remote.config, SETTING_PRODUCER_TRANSACTIONAL_ID))
        return 0;
    char text[UUID_TEXT_SIZE];
    uuid_to_text(io_random_uuid(run->remote.context->io), text);
    AUTO(mem_freep) char *item = mem_printf("transactional.id=performance-producer-%s", text);
    items[properties->property_count++] = item;
    config_unref(TAKE(run->remote.config));
    return cli_client_config(run->remote.context, SETTING_KIND_PRODUCER, properties,
                             &run->remote.config);
}

static int make_producer(struct run *run, const struct cli_options *o)
{
    struct err_note note = { 0 };
    const struct producer_owner owner = { .on_delivery = on_delivery, .context = run };
    int r = producer_new(&run->remote.loop, run->remote.config, &run->remote.diag, &owner,
                         &run->producer, &note);
    run->is_transactional = !config_is_null(run->remote.config, SETTING_PRODUCER_TRANSACTIONAL_ID);
    run->transaction_ns = cli_number(o, "transaction-duration-ms", TRANSACTION_MS) * NS_PER_MS;
    if (r == 0 && run->is_transactional)
        r = producer_init_transactions(run->producer, &note);
    return tell(run, r, &note);
}

static int start(struct run *run, const struct cli_options *o)
{
    const char *items[128];
    size_t count = 0;
    static const char *const names[] = { "producer-props", "command-property" };
    if (cli_has(o, "producer-props"))
        cli_out(run->remote.context,
                "Option --producer-props has been deprecated and will be removed in a future "
                "version. Use --command-property instead.\n");
    if (cli_has(o, "producer.config"))
        cli_out(run->remote.context,
                "Option --producer.config has been deprecated and will be removed in a future "
                "version. Use --command-config instead.\n");
    items[count++] = "client.id=perf-producer-client";
    for (size_t k = 0; k < ARRAY_LEN(names); k++) {
        for (size_t i = 0; i < cli_count(o, names[k]) && count < ARRAY_LEN(items) - 2; i++)
            items[count++] = cli_text_at(o, names[k], i);
    }
    AUTO(mem_freep)
    char *id = mem_printf("transactional.id=%s", cli_text(o, "transactional-id", ""));
    if (cli_has(o, "transactional-id"))
        items[count++] = id;
    struct cli_properties properties = {
        .bootstrap = cli_text(o, "bootstrap-server", NULL),
        .config_path = cli_text(o, "command-config", cli_text(o, "producer.config", NULL)),
        .properties = items,
        .property_count = count,
    };
    int r = cli_client_config(run->remote.context, SETTING_KIND_PRODUCER, &properties,
                              &run->remote.config);
    if (r == 0)
        r = add_id(run, o, &properties, items);
    return r < 0 ? r : make_producer(run, o);
}

static int measure(const struct cli_context *context, const struct cli_options *o)
{
    struct run run = { .interval_ns = cli_number(o, "reporting-interval", 5000) * NS_PER_MS };
    cli_loop_init(&run.remote, context);
    int r = payloads_init(context, o, &run.payloads);
    if (r == 0)
        r = start(&run, o);
    if (r == 0) {
        r = loop(&run, o);
        print_total(context, &run.all, io_monotonic_ns(context->io));
        if (run.steady.is_steady)
            print_total(context, &run.steady, io_monotonic_ns(context->io));
    }
    producer_free(run.producer);
    cli_remote_deinit(&run.remote);
    VEC_DEINIT(&run.payloads.list);
    mem_free(run.payloads.text);
    mem_free(run.all.samples);
    mem_free(run.steady.samples);
    return r < 0 || run.failed > 0 ? 1 : 0;
}

/* What argparse checks, in its words. */
static int check_syntax(const struct cli_options *o, struct err_note *note)
{
    static const char *const payloads[] = { "record-size", "payload-file", "payload-monotonic" };
    const int r = cli_check_exclusive(o, payloads, ARRAY_LEN(payloads), note);
    if (r < 0)
        return r;
    if (!cli_has(o, "record-size") && !cli_has(o, "payload-file") &&
        !cli_has(o, "payload-monotonic"))
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "one of the arguments --record-size --payload-file --payload-monotonic is "
                        "required");
    if (o->rest.count > 0)
        return err_note(note, -ERR_INVALID_ARGUMENT, "unrecognized arguments: '%s'",
                        o->rest.items[0]);
    return 0;
}

/* Which options say the same in an old and a new way, and that there is somewhere to go to. */
static int check_client(const struct cli_options *o, struct err_note *note)
{
    if (!cli_has(o, "bootstrap-server") && !cli_has(o, "command-property") &&
        !cli_has(o, "producer-props") && !cli_has(o, "producer.config") &&
        !cli_has(o, "command-config"))
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "At least one of --bootstrap-server, --command-property, --producer-props, "
                        "--producer.config or --command-config must be specified.");
    if (cli_has(o, "command-property") && cli_has(o, "producer-props"))
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "--command-property and --producer-props cannot be specified together.");
    if (cli_has(o, "command-config") && cli_has(o, "producer.config"))
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "--command-config and --producer.config cannot be specified together.");
    return 0;
}

/* In the order in which Kafka's tool checks. */
static int check(const struct cli_options *o, struct err_note *note)
{
    const int64_t count = cli_number(o, "num-records", 0);
    int r = check_syntax(o, note);
    if (r < 0)
        return r;
    if (count <= 0)
        return err_note(note, -ERR_INVALID_ARGUMENT, "--num-records should be greater than zero.");
    if (cli_number(o, "warmup-records", 0) >= count)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "The value for --warmup-records must be strictly fewer than the number of "
                        "records in the test, --num-records.");
    if (cli_number(o, "record-size", 1) <= 0)
        return err_note(note, -ERR_INVALID_ARGUMENT, "--record-size should be greater than zero.");
    if (cli_number(o, "record-size", 1) > PAYLOAD_BYTES_MAX)
        return err_note(note, -ERR_INVALID_ARGUMENT, "--record-size is at most %u.",
                        PAYLOAD_BYTES_MAX);
    r = check_client(o, note);
    if (r < 0)
        return r;
    if (cli_number(o, "transaction-duration-ms", 1) <= 0)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "--transaction-duration-ms should be greater than zero.");
    if (cli_number(o, "reporting-interval", 5000) <= 0)
        return err_note(note, -ERR_INVALID_ARGUMENT,
                        "--reporting-interval should be greater than zero.");
    if (cli_has(o, "print-metrics"))
        return err_note(note, -ERR_UNSUPPORTED, "--print-metrics is not possible yet");
    return 0;
}

static void show_help(const struct cli_context *context)
{
    cli_synopsis(context, false, spec.name, &spec);
    cli_out(context, "\n%s\n\n", spec.words);
    cli_help(context, false, &spec);
}

static int run(const struct cli_context *context, int argc, char **argv)
{
    struct cli_options options;
    struct err_note note = { 0 };
    int r = cli_options_parse(&spec, argc, argv, &options, &note);
    int exit_code = 1;
    if (argc == 1) {
        cli_synopsis(context, false, spec.name, &spec);
        exit_code = 0;
    } else if (cli_has(&options, "help")) {
        show_help(context); /* and 1, as Kafka's tools have it */
    } else {
        if (r == 0)
            r = check(&options, &note);
        if (r < 0) {
            cli_synopsis(context, true, spec.name, &spec);
            cli_err(context, "%s: error: %s\n", spec.name, note.text);
        } else {
            exit_code = measure(context, &options);
        }
    }
    cli_options_deinit(&options);
    return exit_code;
}

const struct cli_tool producer_perf_test_tool = {
    .name = "kafka-producer-perf-test",
    .words = "measures producing",
    .run = run,
};
