import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

/** Reading without the help of a group: positions, offsets, times, sessions, long polls. */
final class ConsumeCases {
    static void add(Suite suite) {
        suite.add("consume_seeks", ConsumeCases::seeks);
        suite.add("consume_offsets_for_times", ConsumeCases::offsetsForTimes);
        suite.add("consume_beginning_and_end_offsets", ConsumeCases::beginningAndEnd);
        suite.add("consume_reset_latest", ConsumeCases::resetLatest);
        suite.add("consume_reset_none", ConsumeCases::resetNone);
        suite.add("consume_reset_by_duration", ConsumeCases::resetByDuration);
        suite.add("consume_out_of_range", ConsumeCases::outOfRange);
        suite.add("consume_after_delete_records", ConsumeCases::afterDeleteRecords);
        suite.add("consume_with_small_fetches", ConsumeCases::smallFetches);
        suite.add("consume_sessions_of_many_partitions", ConsumeCases::manyPartitions);
        suite.add("consume_pause_and_resume", ConsumeCases::pauseAndResume);
        suite.add("consume_long_poll_is_woken", ConsumeCases::longPoll);
        suite.add("consume_read_committed", ConsumeCases::readCommitted);
        suite.add("consume_pattern", ConsumeCases::pattern);
        suite.add("consume_topic_metadata", ConsumeCases::metadata);
        suite.add("consume_topic_created_later", ConsumeCases::createdLater);
    }

    private static TopicPartition tp(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    private static KafkaConsumer<String, String> assigned(Env env, TopicPartition tp, Object... settings) {
        KafkaConsumer<String, String> consumer = env.consumer(settings);
        consumer.assign(List.of(tp));
        return consumer;
    }

    private static void seeks(Env env) throws Exception {
        String topic = env.topic(1);
        env.fill(topic, 0, 300);
        TopicPartition tp = tp(topic, 0);
        var consumer = assigned(env, tp, "max.poll.records", 10);
        for (long offset : new long[] { 250, 0, 299, 17, 100, 99 }) {
            consumer.seek(tp, offset);
            Suite.same(offset, consumer.position(tp), "position after seek");
            Suite.await("records from " + offset, () -> {
                var records = consumer.poll(Duration.ofMillis(200)).records(tp);
                if (records.isEmpty())
                    return false;
                Suite.same(offset, records.get(0).offset(), "first offset");
                Suite.same("v" + offset, records.get(0).value(), "first value");
                Suite.same(offset + records.size(), consumer.position(tp), "position");
                return true;
            });
        }
        consumer.seekToEnd(List.of(tp));
        Suite.same(300L, consumer.position(tp), "position at the end");
        consumer.seekToBeginning(List.of(tp));
        Suite.same(0L, consumer.position(tp), "position at the beginning");
    }

    private static void offsetsForTimes(Env env) throws Exception {
        String topic = env.topicForAges(2);
        var producer = env.producer("linger.ms", 20);
        for (int i = 0; i < 100; i++)
            producer.send(new ProducerRecord<>(topic, 0, 1_000_000L + i * 10, "k", "v" + i));
        producer.flush();
        var consumer = env.consumer();
        TopicPartition tp = tp(topic, 0);
        TopicPartition empty = tp(topic, 1);
        long[][] wanted = { { 0, 0 }, { 1_000_000, 0 }, { 1_000_001, 1 }, { 1_000_500, 50 }, { 1_000_990, 99 } };
        for (long[] want : wanted) {
            var found = consumer.offsetsForTimes(Map.of(tp, want[0], empty, want[0]));
            Suite.same(want[1], found.get(tp).offset(), "offset at time " + want[0]);
            Suite.same(1_000_000 + want[1] * 10, found.get(tp).timestamp(), "timestamp of that record");
            Suite.same(null, found.get(empty), "answer of the empty partition");
        }
        Suite.same(null, consumer.offsetsForTimes(Map.of(tp, 1_000_991L)).get(tp), "answer beyond the last");
    }

    private static void beginningAndEnd(Env env) throws Exception {
        String topic = env.topic(2);
        env.fill(topic, 0, 42);
        var consumer = env.consumer();
        var both = List.of(tp(topic, 0), tp(topic, 1));
        Suite.same(Map.of(both.get(0), 0L, both.get(1), 0L), consumer.beginningOffsets(both), "beginnings");
        Suite.same(Map.of(both.get(0), 42L, both.get(1), 0L), consumer.endOffsets(both), "ends");
    }

    private static void resetLatest(Env env) throws Exception {
        String topic = env.topic(1);
        env.fill(topic, 0, 10);
        TopicPartition tp = tp(topic, 0);
        var consumer = assigned(env, tp, "auto.offset.reset", "latest");
        Suite.same(10L, consumer.position(tp), "position");
        env.fill(topic, 0, 3);
        Suite.same(10L, Env.read(consumer, 3).get(0).offset(), "first offset");
    }

    private static void resetNone(Env env) throws Exception {
        String topic = env.topic(1);
        var consumer = assigned(env, tp(topic, 0), "auto.offset.reset", "none", "group.id", env.unique());
        Suite.fails(NoOffsetForPartitionException.class, e -> {
            for (;;)
                consumer.poll(Duration.ofMillis(200));
        });
    }

    private static void resetByDuration(Env env) throws Exception {
        String topic = env.topic(1);
        var producer = env.producer();
        long now = System.currentTimeMillis();
        producer.send(new ProducerRecord<>(topic, 0, now - 7_200_000, "k", "old")).get();
        producer.send(new ProducerRecord<>(topic, 0, now, "k", "new")).get();
        var consumer = assigned(env, tp(topic, 0), "auto.offset.reset", "by_duration:PT1H");
        Suite.same("new", Env.read(consumer, 1).get(0).value(), "value");
    }

    private static void outOfRange(Env env) throws Exception {
        String topic = env.topic(1);
        env.fill(topic, 0, 10);
        TopicPartition tp = tp(topic, 0);
        var strict = assigned(env, tp, "auto.offset.reset", "none");
        strict.seek(tp, 1000);
        var e = Suite.fails(OffsetOutOfRangeException.class, x -> {
            for (;;)
                strict.poll(Duration.ofMillis(200));
        });
        Suite.same(Map.of(tp, 1000L), e.offsetOutOfRangePartitions(), "what is out of range");
        var lenient = assigned(env, tp, "auto.offset.reset", "earliest");
        lenient.seek(tp, 1000);
        Suite.same(0L, Env.read(lenient, 10).get(0).offset(), "first offset after the reset");
    }

    private static void afterDeleteRecords(Env env) throws Exception {
        String topic = env.topic(1);
        env.fill(topic, 0, 100);
        TopicPartition tp = tp(topic, 0);
        env.admin().deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(60))).all().get();
        var consumer = assigned(env, tp);
        Suite.same(Map.of(tp, 60L), consumer.beginningOffsets(List.of(tp)), "beginning");
        Suite.same("v60", Env.read(consumer, 40).get(0).value(), "first value");
        consumer.seek(tp, 5);
        Suite.same(60L, Env.read(consumer, 40).get(0).offset(), "first offset after a seek before the beginning");
    }

    /** Records larger than every limit of a fetch still come, one at a time. */
    private static void smallFetches(Env env) throws Exception {
        String topic = env.topic(2);
        var producer = env.producer();
        for (int i = 0; i < 40; i++)
            producer.send(new ProducerRecord<>(topic, i % 2, "k", ("v" + i).repeat(500))).get();
        var consumer = env.consumer("max.partition.fetch.bytes", 100, "fetch.max.bytes", 150, "max.poll.records", 3);
        consumer.assign(List.of(tp(topic, 0), tp(topic, 1)));
        Set<String> values = new HashSet<>();
        for (var record : Env.read(consumer, 40))
            values.add(record.value());
        Suite.same(40, values.size(), "different values");
    }

    /** Partitions leave the consumer's fetch session and come back; each record is read once. */
    private static void manyPartitions(Env env) throws Exception {
        int partitions = 30;
        String topic = env.topic(partitions);
        var consumer = env.consumer();
        List<TopicPartition> all = new ArrayList<>();
        for (int p = 0; p < partitions; p++)
            all.add(tp(topic, p));
        int[] sent = new int[partitions];
        var producer = env.producer();
        for (int round = 0; round < 60; round++) {
            if (round % 20 == 0) {
                consumer.assign(round == 20 ? all.subList(0, 15) : all);
                for (TopicPartition tp : consumer.assignment())
                    consumer.seek(tp, sent[tp.partition()]);
            }
            int partition = (round * 7) % consumer.assignment().size();
            producer.send(new ProducerRecord<>(topic, partition, "k", "v" + round)).get();
            ConsumerRecord<String, String> record = Env.read(consumer, 1).get(0);
            Suite.same(partition, record.partition(), "partition");
            Suite.same((long) sent[partition]++, record.offset(), "offset");
            Suite.same("v" + round, record.value(), "value");
        }
    }

    private static void pauseAndResume(Env env) throws Exception {
        String topic = env.topic(2);
        var consumer = env.consumer();
        consumer.assign(List.of(tp(topic, 0), tp(topic, 1)));
        consumer.pause(List.of(tp(topic, 0)));
        env.fill(topic, 0, 10);
        env.fill(topic, 1, 10);
        for (var record : Env.read(consumer, 10))
            Suite.same(1, record.partition(), "partition while the other is paused");
        consumer.resume(List.of(tp(topic, 0)));
        for (var record : Env.read(consumer, 10))
            Suite.same(0, record.partition(), "partition after it is resumed");
    }

    /** The fetch would wait for ten minutes; only the record can end it. */
    private static void longPoll(Env env) throws Exception {
        String topic = env.topic(1);
        TopicPartition tp = tp(topic, 0);
        var consumer = assigned(env, tp, "fetch.max.wait.ms", 600_000, "request.timeout.ms", 700_000,
            "default.api.timeout.ms", 700_001);
        consumer.poll(Duration.ofMillis(500)); // the fetch is under way and waits
        env.fill(topic, 0, 1);
        Suite.same("v0", Env.read(consumer, 1).get(0).value(), "value");
    }

    private static void readCommitted(Env env) throws Exception {
        String topic = env.topic(1);
        env.fill(topic, 0, 50);
        TopicPartition tp = tp(topic, 0);
        var consumer = assigned(env, tp, "isolation.level", "read_committed");
        Suite.same(50, Env.read(consumer, 50).size(), "records");
        Suite.same(Map.of(tp, 50L), consumer.endOffsets(List.of(tp)), "last stable offset");
    }

    private static void pattern(Env env) throws Exception {
        String name = env.unique();
        for (String suffix : new String[] { ".one", ".two", "-other" }) {
            env.admin().createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(name + suffix, 1, (short) 1)))
                .all().get();
            env.awaitTopic(name + suffix, 1);
            env.fill(name + suffix, 0, 5);
        }
        var consumer = env.member(env.unique(), "metadata.max.age.ms", 500);
        consumer.subscribe(Pattern.compile(Pattern.quote(name) + "\\..*"));
        Map<String, Integer> counts = new HashMap<>();
        for (var record : Env.read(consumer, 10))
            counts.merge(record.topic(), 1, Integer::sum);
        Suite.same(Map.of(name + ".one", 5, name + ".two", 5), counts, "records by topic");
    }

    private static void metadata(Env env) throws Exception {
        String topic = env.topic(3);
        var consumer = env.consumer();
        List<PartitionInfo> partitions = consumer.partitionsFor(topic);
        Suite.same(3, partitions.size(), "partitions");
        for (PartitionInfo p : partitions) {
            Suite.same(1, p.replicas().length, "replicas");
            Suite.same(p.leader(), p.replicas()[0], "leader");
            Suite.same(1, p.inSyncReplicas().length, "in-sync replicas");
            Suite.same(0, p.offlineReplicas().length, "offline replicas");
        }
        Suite.same(3, consumer.listTopics().get(topic).size(), "partitions in the list of all topics");
    }

    private static void createdLater(Env env) throws Exception {
        String topic = env.unique();
        var consumer = env.consumer("allow.auto.create.topics", "false", "metadata.max.age.ms", 300);
        consumer.assign(List.of(tp(topic, 0)));
        consumer.poll(Duration.ofMillis(300));
        env.admin().createTopics(List.of(new org.apache.kafka.clients.admin.NewTopic(topic, 1, (short) 1))).all().get();
        env.awaitTopic(topic, 1);
        env.fill(topic, 0, 4);
        Suite.same(4, Env.read(consumer, 4).size(), "records");
    }
}
