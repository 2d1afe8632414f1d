import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

/** Transactions: what is committed is seen whole, what is aborted not at all, and nobody acts for one who was fenced. */
final class TransactionCases {
    static void add(Suite suite) {
        suite.add("transaction_commits_over_partitions", TransactionCases::commits);
        suite.add("transaction_aborts", TransactionCases::aborts);
        suite.add("transaction_fences_the_producer_before", TransactionCases::fences);
        suite.add("transaction_left_open_is_aborted_by_the_next", TransactionCases::leftOpen);
        suite.add("transaction_moves_offsets_with_records", TransactionCases::consumeTransformProduce);
        suite.add("transaction_timeout_out_of_range", TransactionCases::timeoutOutOfRange);
        suite.add("transaction_is_described_and_listed", TransactionCases::described);
    }

    private static Producer<String, String> begin(Env env, String id) {
        Producer<String, String> producer = env.producer("transactional.id", id);
        producer.initTransactions();
        producer.beginTransaction();
        return producer;
    }

    private static List<String> committed(Env env, String topic, int partition, int count) throws Exception {
        KafkaConsumer<String, String> consumer = env.consumer("isolation.level", "read_committed");
        TopicPartition tp = new TopicPartition(topic, partition);
        consumer.assign(List.of(tp));
        consumer.seekToBeginning(List.of(tp));
        List<String> values = Env.read(consumer, count).stream().map(ConsumerRecord::value).toList();
        Suite.check(consumer.poll(Duration.ofMillis(300)).isEmpty(), "no more than " + count + " records");
        return values;
    }

    private static void commits(Env env) throws Exception {
        String topic = env.topic(3);
        Producer<String, String> producer = begin(env, env.unique());
        for (int round = 0; round < 5; round++) {
            if (round > 0)
                producer.beginTransaction();
            for (int i = 0; i < 3; i++)
                producer.send(new ProducerRecord<>(topic, i, null, "v" + round));
            producer.commitTransaction();
        }
        for (int i = 0; i < 3; i++)
            Suite.same(List.of("v0", "v1", "v2", "v3", "v4"), committed(env, topic, i, 5), "partition " + i);
    }

    private static void aborts(Env env) throws Exception {
        String topic = env.topic(1);
        Producer<String, String> producer = begin(env, env.unique());
        producer.send(new ProducerRecord<>(topic, 0, null, "gone")).get();
        producer.abortTransaction();
        producer.beginTransaction();
        producer.send(new ProducerRecord<>(topic, 0, null, "there")).get();
        producer.commitTransaction();
        Suite.same(List.of("there"), committed(env, topic, 0, 1), "committed");
        Suite.same(2, env.readAll(topic, 0, 2).size(), "records for who reads uncommitted ones");
    }

    private static void fences(Env env) throws Exception {
        String topic = env.topic(1);
        String id = env.unique();
        Producer<String, String> first = begin(env, id);
        Producer<String, String> second = begin(env, id);
        second.send(new ProducerRecord<>(topic, 0, null, "second")).get();
        KafkaException e = Suite.fails(KafkaException.class, unused -> {
            first.send(new ProducerRecord<>(topic, 0, null, "first"));
            first.commitTransaction();
        });
        Suite.check(e instanceof ProducerFencedException || e instanceof InvalidProducerEpochException,
            "the first is fenced: " + e);
        second.commitTransaction();
        Suite.same(List.of("second"), committed(env, topic, 0, 1), "committed");
    }

    private static void leftOpen(Env env) throws Exception {
        String topic = env.topic(1);
        String id = env.unique();
        Producer<String, String> first = begin(env, id);
        first.send(new ProducerRecord<>(topic, 0, null, "open")).get();
        Producer<String, String> second = begin(env, id);
        second.send(new ProducerRecord<>(topic, 0, null, "next")).get();
        second.commitTransaction();
        Suite.same(List.of("next"), committed(env, topic, 0, 1), "committed");
    }

    private static void consumeTransformProduce(Env env) throws Exception {
        String in = env.topic(1);
        String out = env.topic(1);
        env.fill(in, 0, 20);
        TopicPartition tp = new TopicPartition(in, 0);
        KafkaConsumer<String, String> consumer =
            env.member(env.unique(), "enable.auto.commit", "false", "max.poll.records", "5");
        consumer.subscribe(List.of(in));
        Producer<String, String> producer = env.producer("transactional.id", env.unique());
        producer.initTransactions();
        int done = 0;
        for (int round = 0; done < 20; ) {
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(500));
            if (records.isEmpty())
                continue;
            Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
            producer.beginTransaction();
            for (ConsumerRecord<String, String> record : records) {
                producer.send(new ProducerRecord<>(out, 0, null, record.value()));
                offsets.put(tp, new OffsetAndMetadata(record.offset() + 1));
            }
            producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
            if (round++ % 2 == 1) { // every other one fails, and is done again
                producer.abortTransaction();
                OffsetAndMetadata last = consumer.committed(Set.of(tp)).get(tp);
                consumer.seek(tp, last == null ? 0 : last.offset());
            } else {
                producer.commitTransaction();
                done += records.count();
            }
        }
        List<String> wanted = env.readAll(in, 0, 20).stream().map(ConsumerRecord::value).toList();
        Suite.same(wanted, committed(env, out, 0, 20), "each record once, in order");
        Suite.same(20L, consumer.committed(Set.of(tp)).get(tp).offset(), "committed offset");
    }

    private static void timeoutOutOfRange(Env env) {
        Producer<String, String> producer =
            env.producer("transactional.id", env.unique(), "transaction.timeout.ms", "900001");
        KafkaException e = Suite.fails(KafkaException.class, unused -> producer.initTransactions());
        Suite.check(e.getMessage().contains("transaction timeout is larger"), "the timeout is refused: " + e);
    }

    private static void described(Env env) throws Exception {
        String topic = env.topic(2);
        String id = env.unique();
        Producer<String, String> producer = begin(env, id);
        producer.send(new ProducerRecord<>(topic, 1, null, "v")).get();
        TransactionDescription open = env.admin().describeTransactions(List.of(id)).description(id).get();
        Suite.same(TransactionState.ONGOING, open.state(), "state");
        Suite.same(Set.of(new TopicPartition(topic, 1)), open.topicPartitions(), "partitions");
        Suite.check(env.admin().listTransactions().all().get().stream()
            .anyMatch(listing -> listing.transactionalId().equals(id)), "it is listed");
        producer.commitTransaction();
        Suite.await("the transaction's end", () -> env.admin().describeTransactions(List.of(id)).description(id)
            .get().state() == TransactionState.COMPLETE_COMMIT);
        ExecutionException e = Suite.fails(ExecutionException.class,
            unused -> env.admin().describeTransactions(List.of("nobody")).description("nobody").get());
        Suite.check(e.getCause() instanceof TransactionalIdNotFoundException, "nobody is not found: " + e.getCause());
    }
}
