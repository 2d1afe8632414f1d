import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What one case works with: names of its own, and clients that are closed after it. */
final class Env implements AutoCloseable {
    private static final String RUN = Long.toString(System.currentTimeMillis(), 36)
        + Integer.toString(ThreadLocalRandom.current().nextInt(36 * 36), 36);
    private static final Duration CLOSE = Duration.ofSeconds(5);

    final String bootstrap;
    private final String name;
    private final List<AutoCloseable> open = new ArrayList<>();
    private Admin admin;
    private final List<String> topics = new ArrayList<>();
    private int names;

    Env(String bootstrap, String name) {
        this.bootstrap = bootstrap;
        this.name = name;
    }

    /** Another each time, and in each run; legal for topics and groups. */
    String unique() {
        return "java." + RUN + "." + name + "." + names++;
    }

    synchronized Admin admin() {
        if (admin == null) {
            admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
            open.add(() -> admin.close(CLOSE));
            open.add(() -> admin.deleteTopics(topics).all().get()); // after all clients but this are closed
        }
        return admin;
    }

    String topic(int partitions) throws Exception {
        return topic(partitions, Map.of());
    }

    /** Creates a topic and waits until the broker answers for it. */
    String topic(int partitions, Map<String, String> configs) throws Exception {
        String topic = unique();
        admin().createTopics(List.of(new NewTopic(topic, Optional.of(partitions), Optional.empty()).configs(configs)))
            .all().get();
        topics.add(topic);
        awaitTopic(topic, partitions);
        return topic;
    }

    /** For records of long ago: the broker must not find them too old while they are read. */
    String topicForAges(int partitions) throws Exception {
        return topic(partitions, Map.of("retention.ms", "-1"));
    }

    /**
     * Waits until each partition has a leader that answers. Kafka may describe a topic a moment before it accepts
     * records; a producer whose first batch is refused then, and whose second is not, never recovers the order.
     */
    void awaitTopic(String topic, int partitions) throws Exception {
        Suite.await("topic " + topic, () -> {
            try {
                var described = admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic);
                return described.partitions().size() == partitions
                    && described.partitions().stream().allMatch(p -> p.leader() != null);
            } catch (ExecutionException e) {
                if (e.getCause() instanceof UnknownTopicOrPartitionException)
                    return false;
                throw e;
            }
        });
        Map<TopicPartition, OffsetSpec> ends = new HashMap<>();
        for (int p = 0; p < partitions; p++)
            ends.put(new TopicPartition(topic, p), OffsetSpec.latest());
        admin().listOffsets(ends).all().get();
    }

    Producer<String, String> producer(Object... settings) {
        Map<String, Object> all = map(settings);
        all.putIfAbsent("bootstrap.servers", bootstrap);
        Producer<String, String> p = new KafkaProducer<>(all, new StringSerializer(), new StringSerializer());
        open.add(() -> p.close(CLOSE));
        return p;
    }

    Producer<byte[], byte[]> rawProducer(Object... settings) {
        Map<String, Object> all = map(settings);
        all.putIfAbsent("bootstrap.servers", bootstrap);
        Producer<byte[], byte[]> p = new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
        open.add(() -> p.close(CLOSE));
        return p;
    }

    private Map<String, Object> consumerSettings(Object... settings) {
        Map<String, Object> all = map(settings);
        all.putIfAbsent("bootstrap.servers", bootstrap);
        all.putIfAbsent("auto.offset.reset", "earliest");
        all.putIfAbsent("enable.auto.commit", "false");
        all.putIfAbsent("group.protocol", "classic");
        return all;
    }

    KafkaConsumer<String, String> consumer(Object... settings) {
        return keep(new KafkaConsumer<>(consumerSettings(settings), new StringDeserializer(), new StringDeserializer()));
    }

    KafkaConsumer<byte[], byte[]> rawConsumer(Object... settings) {
        return keep(new KafkaConsumer<>(consumerSettings(settings), new ByteArrayDeserializer(),
            new ByteArrayDeserializer()));
    }

    /** A member of a group, with the shortest times that a broker allows by default. */
    KafkaConsumer<String, String> member(String group, Object... settings) {
        Map<String, Object> all = map(settings);
        all.put("group.id", group);
        all.putIfAbsent("session.timeout.ms", 6000);
        all.putIfAbsent("heartbeat.interval.ms", 500);
        all.putIfAbsent(ConsumerConfig.CLIENT_ID_CONFIG, "client-" + open.size());
        return consumer(all.entrySet().stream().flatMap(e -> java.util.stream.Stream.of(e.getKey(), e.getValue()))
            .toArray());
    }

    private <K, V> KafkaConsumer<K, V> keep(KafkaConsumer<K, V> consumer) {
        open.add(() -> {
            consumer.wakeup();
            consumer.close(org.apache.kafka.clients.consumer.CloseOptions.timeout(CLOSE));
        });
        return consumer;
    }

    /** Sends values v0, v1, … to one partition and waits for the last acknowledgement. */
    List<RecordMetadata> fill(String topic, int partition, int count) throws Exception {
        Producer<String, String> producer = producer("linger.ms", 5);
        List<java.util.concurrent.Future<RecordMetadata>> sent = new ArrayList<>();
        for (int i = 0; i < count; i++)
            sent.add(producer.send(new ProducerRecord<>(topic, partition, "k" + i, "v" + i)));
        return all(sent);
    }

    static <T> List<T> all(List<java.util.concurrent.Future<T>> futures) throws Exception {
        List<T> out = new ArrayList<>();
        for (var future : futures)
            out.add(future.get(100, TimeUnit.SECONDS));
        return out;
    }

    /** Polls until so many records have come, and then once more: there must be no further ones. */
    static <K, V> List<ConsumerRecord<K, V>> read(Consumer<K, V> consumer, int count) throws Exception {
        List<ConsumerRecord<K, V>> out = new ArrayList<>();
        Suite.await(count + " records", () -> {
            consumer.poll(Duration.ofMillis(200)).forEach(out::add);
            return out.size() >= count;
        });
        Suite.same(count, out.size(), "records");
        return out;
    }

    /** All records of a partition from its beginning, read by offset. */
    List<ConsumerRecord<String, String>> readAll(String topic, int partition, int count) throws Exception {
        KafkaConsumer<String, String> consumer = consumer();
        TopicPartition tp = new TopicPartition(topic, partition);
        consumer.assign(List.of(tp));
        consumer.seekToBeginning(List.of(tp));
        return read(consumer, count);
    }

    static Map<String, Object> map(Object... pairs) {
        Map<String, Object> out = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2)
            out.put((String) pairs[i], pairs[i + 1]);
        return out;
    }

    @Override
    public void close() {
        for (int i = open.size() - 1; i >= 0; i--) {
            try {
                open.get(i).close();
            } catch (Exception e) {
                // A case that failed has said why; one that passed has nothing more to lose.
            }
        }
    }
}
