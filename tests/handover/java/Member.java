import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member of a group of the consumer protocol that stays, reads the topics of a pattern, and commits. */
final class Member {
    private static final int COMMITS_EACH = 200;

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final List<ConsumerRecord<byte[], byte[]>> seen = new ArrayList<>();
    private final Thread thread = new Thread(this::run);
    private volatile boolean ending;
    private volatile Collection<TopicPartition> owned = List.of();
    private volatile String failure;

    Member(Map<String, Object> settings, String pattern) {
        consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(new SubscriptionPattern(pattern));
        thread.setDaemon(true);
        thread.start();
    }

    private void run() {
        try {
            int since = 0;
            while (!ending) {
                var records = consumer.poll(Duration.ofMillis(100));
                owned = Set.copyOf(consumer.assignment());
                synchronized (this) {
                    records.forEach(seen::add);
                }
                since += records.count();
                if (since >= COMMITS_EACH) {
                    consumer.commitAsync();
                    since = 0;
                }
            }
            consumer.close();
        } catch (RuntimeException e) {
            failure = e.toString();
        }
    }

    private void check() {
        if (failure != null) {
            throw new IllegalStateException("the member has ended: " + failure);
        }
    }

    int owned() {
        check();
        return owned.size();
    }

    /** [topic, partition, offset, value] … */
    synchronized JsonNode seen() {
        check();
        ArrayNode all = JsonNodeFactory.instance.arrayNode();
        for (var one : seen) {
            all.addArray().add(one.topic()).add(one.partition()).add(one.offset())
                .add(new String(one.value(), StandardCharsets.UTF_8));
        }
        return all;
    }

    void end() throws InterruptedException {
        ending = true;
        thread.join();
        check();
    }
}
