import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

/** What a producer sends is what a consumer reads; what the broker must refuse, it refuses by name. */
final class ProduceCases {
    private static final String[] CODECS = { "none", "gzip", "snappy", "lz4", "zstd" };

    static void add(Suite suite) {
        for (String codec : CODECS) {
            suite.add("produce_codec_" + codec, env -> roundTrip(env, codec, env.topicForAges(1)));
            suite.add("produce_recompressed_to_" + (codec.equals("none") ? "uncompressed" : codec), env -> roundTrip(env,
                codec.equals("lz4") ? "zstd" : "lz4",
                env.topic(1, Map.of("retention.ms", "-1", "compression.type", codec.equals("none") ? "uncompressed" : codec))));
            suite.add("produce_900_kb_" + codec, env -> large(env, codec));
        }
        suite.add("produce_acks_0", env -> acks(env, "0"));
        suite.add("produce_acks_1", env -> acks(env, "1"));
        suite.add("produce_acks_all", env -> acks(env, "all"));
        suite.add("produce_null_and_empty", ProduceCases::nullAndEmpty);
        suite.add("produce_headers", ProduceCases::headers);
        suite.add("produce_create_time", ProduceCases::createTime);
        suite.add("produce_log_append_time", env -> appendTime(env, "none"));
        suite.add("produce_log_append_time_compressed", env -> appendTime(env, "gzip"));
        suite.add("produce_too_large_for_broker", ProduceCases::tooLargeForBroker);
        suite.add("produce_too_large_for_topic", ProduceCases::tooLargeForTopic);
        suite.add("produce_timestamp_too_far_ahead", ProduceCases::timestampTooFarAhead);
        suite.add("produce_without_key_to_compacted_topic", ProduceCases::noKeyToCompacted);
        suite.add("produce_to_illegal_topic_name", ProduceCases::illegalName);
        suite.add("produce_creates_topic", ProduceCases::createsTopic);
        suite.add("produce_min_insync_above_replicas", ProduceCases::minInsyncReplicas);
        suite.add("produce_many_partitions_in_order", ProduceCases::manyPartitions);
    }

    private static void roundTrip(Env env, String codec, String topic) throws Exception {
        int count = 500;
        Producer<String, String> producer = env.producer("compression.type", codec, "linger.ms", 20,
            "batch.size", 20_000);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            var record = new ProducerRecord<>(topic, 0, 1_600_000_000_000L + i, "key " + i, value(i));
            record.headers().add("number", Integer.toString(i).getBytes(StandardCharsets.UTF_8));
            sent.add(producer.send(record));
        }
        List<RecordMetadata> acks = Env.all(sent);
        List<ConsumerRecord<String, String>> read = env.readAll(topic, 0, count);
        for (int i = 0; i < count; i++) {
            ConsumerRecord<String, String> r = read.get(i);
            Suite.same((long) i, acks.get(i).offset(), "acknowledged offset");
            Suite.same((long) i, r.offset(), "offset");
            Suite.same("key " + i, r.key(), "key");
            Suite.same(value(i), r.value(), "value");
            Suite.same(1_600_000_000_000L + i, r.timestamp(), "timestamp");
            Suite.same(Integer.toString(i), new String(r.headers().lastHeader("number").value(), StandardCharsets.UTF_8),
                "header");
        }
    }

    private static String value(int i) {
        return "value ".repeat(i % 50) + i;
    }

    /** Random bytes, so that no codec makes them small. */
    private static byte[] noise(int size) {
        byte[] out = new byte[size];
        new Random(size).nextBytes(out);
        return out;
    }

    private static void large(Env env, String codec) throws Exception {
        String topic = env.topic(1);
        byte[] value = noise(900_000);
        var producer = env.rawProducer("compression.type", codec);
        for (int i = 0; i < 3; i++)
            producer.send(new ProducerRecord<>(topic, new byte[] { (byte) i }, value)).get();
        var consumer = env.rawConsumer("group.id", env.unique());
        consumer.subscribe(List.of(topic));
        for (var record : Env.read(consumer, 3))
            Suite.check(Arrays.equals(value, record.value()), "the value at offset " + record.offset() + " is another");
    }

    private static void acks(Env env, String acks) throws Exception {
        String topic = env.topic(1);
        var producer = env.producer("acks", acks, "enable.idempotence", "false");
        for (int i = 0; i < 50; i++) {
            RecordMetadata ack = producer.send(new ProducerRecord<>(topic, "k", "v" + i)).get();
            Suite.same(acks.equals("0") ? -1L : i, ack.offset(), "acknowledged offset");
        }
        var read = env.readAll(topic, 0, 50);
        for (int i = 0; i < 50; i++)
            Suite.same("v" + i, read.get(i).value(), "value");
    }

    private static void nullAndEmpty(Env env) throws Exception {
        String topic = env.topic(1);
        var producer = env.producer();
        producer.send(new ProducerRecord<>(topic, 0, null, null));
        producer.send(new ProducerRecord<>(topic, 0, "", ""));
        producer.send(new ProducerRecord<>(topic, 0, "key", null));
        producer.send(new ProducerRecord<>(topic, 0, null, "value")).get();
        var read = env.readAll(topic, 0, 4);
        String[][] want = { { null, null }, { "", "" }, { "key", null }, { null, "value" } };
        for (int i = 0; i < want.length; i++) {
            Suite.same(want[i][0], read.get(i).key(), "key " + i);
            Suite.same(want[i][1], read.get(i).value(), "value " + i);
        }
    }

    /** One name may occur several times; order counts; a value may be null, a name empty. */
    private static void headers(Env env) throws Exception {
        String topic = env.topic(1);
        List<Header> headers = List.of(new RecordHeader("a", noise(3)), new RecordHeader("b", new byte[0]),
            new RecordHeader("a", noise(5000)), new RecordHeader("", null), new RecordHeader("ключ", noise(1)));
        env.producer().send(new ProducerRecord<>(topic, 0, "k", "v", headers)).get();
        env.producer().send(new ProducerRecord<>(topic, 0, "k", "v")).get();
        var read = env.readAll(topic, 0, 2);
        Suite.same(headers, List.of(read.get(0).headers().toArray()), "headers");
        Suite.same(0, read.get(1).headers().toArray().length, "headers of the second");
    }

    private static void createTime(Env env) throws Exception {
        String topic = env.topicForAges(1);
        long[] times = { 1, 1_000_000_000_000L, 5, System.currentTimeMillis(), 0 };
        var producer = env.producer("linger.ms", 50);
        Future<RecordMetadata> last = null;
        for (long time : times)
            last = producer.send(new ProducerRecord<>(topic, 0, time, "k", "v"));
        Suite.same(0L, last.get().timestamp(), "acknowledged timestamp");
        var read = env.readAll(topic, 0, times.length);
        for (int i = 0; i < times.length; i++) {
            Suite.same(times[i], read.get(i).timestamp(), "timestamp " + i);
            Suite.same(TimestampType.CREATE_TIME, read.get(i).timestampType(), "kind");
        }
    }

    private static void appendTime(Env env, String codec) throws Exception {
        String topic = env.topic(1, Map.of("message.timestamp.type", "LogAppendTime"));
        long before = System.currentTimeMillis();
        var producer = env.producer("compression.type", codec, "linger.ms", 20);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < 20; i++)
            sent.add(producer.send(new ProducerRecord<>(topic, 0, 1_000L + i, "k", "v")));
        for (RecordMetadata ack : Env.all(sent))
            Suite.check(ack.timestamp() >= before, "acknowledged with the broker's time, not " + ack.timestamp());
        for (var record : env.readAll(topic, 0, 20)) {
            Suite.check(record.timestamp() >= before, "read with the broker's time, not " + record.timestamp());
            Suite.same(TimestampType.LOG_APPEND_TIME, record.timestampType(), "kind");
        }
    }

    private static void tooLargeForBroker(Env env) throws Exception {
        String topic = env.topic(1);
        var producer = env.rawProducer("max.request.size", 10_000_000, "buffer.memory", 20_000_000);
        Suite.fails(RecordTooLargeException.class, e -> producer.send(new ProducerRecord<>(topic, noise(1_048_600))).get());
        Suite.same(0L, producer.send(new ProducerRecord<>(topic, noise(10))).get().offset(), "offset of the next");
    }

    private static void tooLargeForTopic(Env env) throws Exception {
        String topic = env.topic(1, Map.of("max.message.bytes", "1000"));
        var producer = env.rawProducer();
        Suite.fails(RecordTooLargeException.class, e -> producer.send(new ProducerRecord<>(topic, noise(1001))).get());
        Suite.same(0L, producer.send(new ProducerRecord<>(topic, noise(900))).get().offset(), "offset of the next");
        // What counts is the size as compressed.
        var squeezing = env.rawProducer("compression.type", "gzip");
        Suite.same(1L, squeezing.send(new ProducerRecord<>(topic, new byte[5000])).get().offset(), "compressed");
    }

    private static void timestampTooFarAhead(Env env) throws Exception {
        String topic = env.topic(1, Map.of("message.timestamp.after.max.ms", "60000", "message.timestamp.before.max.ms",
            "60000"));
        var producer = env.producer();
        long now = System.currentTimeMillis();
        Suite.fails(InvalidTimestampException.class,
            e -> producer.send(new ProducerRecord<>(topic, 0, now + 7_200_000, "k", "v")).get());
        Suite.fails(InvalidTimestampException.class,
            e -> producer.send(new ProducerRecord<>(topic, 0, now - 7_200_000, "k", "v")).get());
        Suite.same(0L, producer.send(new ProducerRecord<>(topic, 0, now, "k", "v")).get().offset(), "offset");
    }

    private static void noKeyToCompacted(Env env) throws Exception {
        String topic = env.topic(1, Map.of("cleanup.policy", "compact"));
        var producer = env.producer();
        Suite.fails(InvalidRecordException.class, e -> producer.send(new ProducerRecord<>(topic, null, "v")).get());
        Suite.same(0L, producer.send(new ProducerRecord<>(topic, "k", "v")).get().offset(), "offset");
    }

    private static void illegalName(Env env) throws Exception {
        Suite.fails(InvalidTopicException.class, e -> env.producer().send(new ProducerRecord<>("no spaces", "v")).get());
    }

    private static void createsTopic(Env env) throws Exception {
        String topic = env.unique();
        Suite.same(0L, env.producer().send(new ProducerRecord<>(topic, 0, "k", "v")).get().offset(), "offset");
        Suite.same("v", env.readAll(topic, 0, 1).get(0).value(), "value");
    }

    /** No more is asked than there are replicas (seen in 4.3.1, where KIP-966 is on). */
    private static void minInsyncReplicas(Env env) throws Exception {
        String topic = env.topic(1, Map.of("min.insync.replicas", "2"));
        Suite.same(0L, env.producer("acks", "all").send(new ProducerRecord<>(topic, "v")).get().offset(), "offset");
    }

    private static void manyPartitions(Env env) throws Exception {
        int partitions = 12;
        int each = 200;
        String topic = env.topic(partitions);
        var producer = env.producer("linger.ms", 5, "compression.type", "lz4");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < each * partitions; i++)
            sent.add(producer.send(new ProducerRecord<>(topic, i % partitions, "k", "v" + i / partitions)));
        Env.all(sent);
        var consumer = env.consumer("group.id", env.unique());
        consumer.subscribe(List.of(topic));
        int[] next = new int[partitions];
        for (var record : Env.read(consumer, each * partitions))
            Suite.same("v" + next[record.partition()]++, record.value(), "value in partition " + record.partition());
    }
}
