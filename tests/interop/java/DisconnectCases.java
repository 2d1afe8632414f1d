import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.RetriableCommitFailedException;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/** Connections that are cut anywhere, any number of times: nothing is lost, and nothing comes twice. */
final class DisconnectCases {
    private static final int RECORDS = 3000;
    private static final int CUTS_MIN = 15;

    static void add(Suite suite) {
        for (int seed = 1; seed <= 3; seed++) {
            int s = seed;
            suite.add("disconnects_idempotent_producer_seed_" + seed, env -> idempotent(env, s));
        }
        suite.add("disconnects_plain_producer", DisconnectCases::plain);
        suite.add("disconnects_consumer", DisconnectCases::consumer);
        suite.add("disconnects_group", DisconnectCases::group);
        suite.add("idempotent_many_producers", DisconnectCases::manyProducers);
    }

    private static Proxy proxy(Env env, int seed) throws Exception {
        return new Proxy(env.admin().describeCluster().nodes().get().iterator().next(), seed, 0.1, 60);
    }

    private static void enough(Proxy proxy) {
        Suite.check(proxy.cuts() >= CUTS_MIN, "only " + proxy.cuts() + " connections were cut");
    }

    private static List<Future<RecordMetadata>> send(Producer<String, String> producer, String topic, int partitions)
        throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < RECORDS; i++) {
            sent.add(producer.send(new ProducerRecord<>(topic, i % partitions, "k", "v" + i)));
            if (i % 100 == 99)
                producer.flush(); // many batches, not a few large ones
        }
        return sent;
    }

    private static void idempotent(Env env, int seed) throws Exception {
        int partitions = 3;
        String topic = env.topic(partitions);
        try (Proxy proxy = proxy(env, seed)) {
            var producer = env.producer("bootstrap.servers", proxy.bootstrap(), "enable.idempotence", "true",
                "batch.size", 200, "linger.ms", 0, "max.in.flight.requests.per.connection", 5,
                "reconnect.backoff.ms", 5, "reconnect.backoff.max.ms", 20, "retry.backoff.ms", 5,
                "retry.backoff.max.ms", 20);
            List<RecordMetadata> acks = Env.all(send(producer, topic, partitions));
            enough(proxy);
            for (int p = 0; p < partitions; p++) {
                var read = env.readAll(topic, p, RECORDS / partitions);
                for (int i = 0; i < read.size(); i++) {
                    Suite.same("v" + (i * partitions + p), read.get(i).value(), "value at offset " + i);
                    RecordMetadata ack = acks.get(i * partitions + p);
                    // The broker no longer knows the offset of a batch that came again very late.
                    Suite.check(ack.offset() == i || ack.offset() == -1, "acknowledged as " + ack.offset() + ", is " + i);
                }
            }
        }
    }

    private static void plain(Env env) throws Exception {
        String topic = env.topic(1);
        try (Proxy proxy = proxy(env, 4)) {
            var producer = env.producer("bootstrap.servers", proxy.bootstrap(), "enable.idempotence", "false",
                "batch.size", 200, "reconnect.backoff.ms", 5, "reconnect.backoff.max.ms", 20, "retry.backoff.ms", 5);
            Env.all(send(producer, topic, 1));
        }
        var consumer = env.consumer();
        TopicPartition tp = new TopicPartition(topic, 0);
        consumer.assign(List.of(tp));
        long end = consumer.endOffsets(List.of(tp)).get(tp);
        Set<String> values = new HashSet<>();
        for (ConsumerRecord<String, String> record : Env.read(consumer, (int) end))
            values.add(record.value());
        Suite.same(RECORDS, values.size(), "different values");
    }

    private static void consumer(Env env) throws Exception {
        String topic = env.topic(2);
        Env.all(send(env.producer("batch.size", 200), topic, 2));
        try (Proxy proxy = proxy(env, 5)) {
            var consumer = env.consumer("bootstrap.servers", proxy.bootstrap(), "max.partition.fetch.bytes", 500,
                "reconnect.backoff.ms", 5, "reconnect.backoff.max.ms", 20, "retry.backoff.ms", 5);
            consumer.assign(List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)));
            int[] next = new int[2];
            for (var record : Env.read(consumer, RECORDS))
                Suite.same((long) next[record.partition()]++, record.offset(), "offset");
            enough(proxy);
        }
    }

    /** Records may come twice after a cut, but none is passed over, and the last commit holds. */
    private static void group(Env env) throws Exception {
        String topic = env.topic(2);
        String group = env.unique();
        TopicPartition p0 = new TopicPartition(topic, 0);
        TopicPartition p1 = new TopicPartition(topic, 1);
        Env.all(send(env.producer("batch.size", 200), topic, 2));
        try (Proxy proxy = proxy(env, 6)) {
            var member = env.member(group, "bootstrap.servers", proxy.bootstrap(), "max.poll.records", 100,
                "reconnect.backoff.ms", 5, "reconnect.backoff.max.ms", 20, "retry.backoff.ms", 5);
            member.subscribe(List.of(topic));
            Set<String> seen = new HashSet<>();
            Suite.await("every record", () -> {
                for (var record : member.poll(Duration.ofMillis(100)))
                    seen.add(record.partition() + "/" + record.offset());
                try {
                    member.commitSync();
                } catch (RetriableCommitFailedException | org.apache.kafka.clients.consumer.CommitFailedException e) {
                    // the next commit covers it
                }
                return seen.size() == RECORDS && proxy.cuts() >= CUTS_MIN;
            });
            Suite.await("the last commit", () -> {
                try {
                    member.poll(Duration.ofMillis(20));
                    member.commitSync();
                    return true;
                } catch (RetriableCommitFailedException | org.apache.kafka.clients.consumer.CommitFailedException e) {
                    return false;
                }
            });
        }
        var offsets = env.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Suite.same(RECORDS / 2L, offsets.get(p0).offset(), "committed offset of partition 0");
        Suite.same(RECORDS / 2L, offsets.get(p1).offset(), "committed offset of partition 1");
    }

    /** Each has an id of its own, so that their equal sequence numbers do not meet. */
    private static void manyProducers(Env env) throws Exception {
        String topic = env.topic(1);
        int count = 20;
        for (int i = 0; i < count; i++)
            try (Producer<String, String> producer = env.producer("enable.idempotence", "true")) {
                Suite.same((long) i, producer.send(new ProducerRecord<>(topic, "k", "v" + i)).get().offset(), "offset");
            }
        var states = env.admin().describeProducers(List.of(new TopicPartition(topic, 0)))
            .partitionResult(new TopicPartition(topic, 0)).get().activeProducers();
        Suite.same(count, (int) states.stream().map(s -> s.producerId()).distinct().count(), "different producers");
    }
}
