/* A load by librdkafka, as C, C++, Python and Go programs make it: many records, a few settings, and every delivery
 * report looked at.
 *
 *     bench_rdkafka TOPIC RECORDS RECORD_BYTES NAME=VALUE…     settings of librdkafka, bootstrap.servers among them
 *
 * Prints one JSON object. Records go to partitions as librdkafka chooses for those without a key.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "value.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUES_BYTES (16u << 20) /* of different ones, used in turn: more than a codec looks back */
#define FLUSH_MS     120000
#define POLL_EVERY   1024
#define FULL_WAIT_MS 10

struct deliveries {
    int64_t good;
    int64_t bad;
    const char *first_error;
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "bench_rdkafka: %s: %s\n", what, why);
    exit(1);
}

static double now_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail */
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque)
{
    (void)client;
    struct deliveries *deliveries = opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        deliveries->good++;
        return;
    }
    deliveries->bad++;
    if (deliveries->first_error == NULL)
        deliveries->first_error = rd_kafka_err2name(message->err);
}

static rd_kafka_t *client_new(int count, char **settings, struct deliveries *deliveries)
{
    char error[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (int i = 0; i < count; i++) {
        char *equals = strchr(settings[i], '=');
        if (equals == NULL)
            fail(settings[i], "is not NAME=VALUE");
        *equals = 0;
        if (rd_kafka_conf_set(conf, settings[i], equals + 1, error, sizeof(error)) !=
            RD_KAFKA_CONF_OK)
            fail(settings[i], error);
    }
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_conf_set_opaque(conf, deliveries);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (client == NULL)
        fail("rd_kafka_new", error);
    return client;
}

static void produce_all(rd_kafka_t *client, rd_kafka_topic_t *topic, int64_t records, size_t size)
{
    struct rng rng = rng_from_seed(1);
    const int64_t count = (int64_t)MAX(VALUES_BYTES / size, (size_t)1);
    uint8_t *values = mem_alloc((size_t)count * size);
    for (int64_t i = 0; i < count; i++)
        bench_fill_value(&rng, values + (size_t)i * size, size);
    for (int64_t i = 0; i < records; i++) {
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                                values + (size_t)(i % count) * size, size, NULL, 0, NULL) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL)
                fail("produce", rd_kafka_err2name(rd_kafka_last_error()));
            rd_kafka_poll(client, FULL_WAIT_MS);
        }
        if (i % POLL_EVERY == 0)
            rd_kafka_poll(client, 0);
    }
    if (rd_kafka_flush(client, FLUSH_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("flush", "not everything was delivered in time");
    mem_free(values);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: bench_rdkafka TOPIC RECORDS RECORD_BYTES NAME=VALUE…\n");
        return 2;
    }
    int64_t records = 0;
    int64_t size = 0;
    if (bytes_to_i64(bytes_from_text(argv[2]), &records) < 0 ||
        bytes_to_i64(bytes_from_text(argv[3]), &size) < 0 || records < 1 || size < 1)
        fail("RECORDS and RECORD_BYTES", "are numbers from 1 on");
    struct deliveries deliveries = { 0 };
    rd_kafka_t *client = client_new(argc - 4, argv + 4, &deliveries);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[1], NULL);
    const double start = now_seconds();
    produce_all(client, topic, records, (size_t)size);
    const double seconds = now_seconds() - start;
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    if (deliveries.good != records)
        fail("not every record was delivered",
             deliveries.first_error == NULL ? "no report" : deliveries.first_error);
    printf("{\"records\":%lld,\"bytes\":%lld,\"seconds\":%.6f}\n", (long long)records,
           (long long)(records * size), seconds);
    return 0;
}
