import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What an old kafka-clients does every day. Compiled against the oldest, so that all run the same. */
public final class Old {
    private interface Body {
        void run() throws Exception;
    }

    private interface Condition {
        boolean holds() throws Exception;
    }

    private static final long PATIENCE_S = 100;
    private static final String RUN = Long.toString(System.currentTimeMillis(), 36) + ThreadLocalRandom.current().nextInt(1000);

    private final String version;
    private final String bootstrap;
    private final AdminClient admin;
    private final Map<String, Body> cases = new HashMap<>();
    private int passed;
    private int failed;
    private int names;

    private Old(String version, String bootstrap) {
        this.version = version;
        this.bootstrap = bootstrap;
        admin = AdminClient.create(Map.of("bootstrap.servers", bootstrap));
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd"))
            cases.put("produce_" + codec, () -> produce(codec));
        for (String assignor : List.of("Range", "RoundRobin", "Sticky"))
            cases.put("members_" + assignor, () -> members("org.apache.kafka.clients.consumer." + assignor + "Assignor"));
        if (!version.startsWith("2.1"))
            cases.put("members_CooperativeSticky", () -> members("org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
        cases.put("group_resumes", this::resumes);
        cases.put("offsets_for_times", this::times);
        cases.put("transactions", this::transactions);
        cases.put("transaction_moves_offsets", this::movesOffsets);
        cases.put("transaction_fences", this::fences);
        cases.put("admin_topics", this::topics);
        cases.put("admin_configs", this::configs);
        cases.put("admin_groups", this::groups);
    }

    // ---- what the cases are written with

    private static void check(boolean holds, String what) {
        if (!holds)
            throw new AssertionError(what);
    }

    private static void same(Object want, Object have, String what) {
        check(want.equals(have), what + ": want " + want + ", have " + have);
    }

    private static void await(String what, Condition condition) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
        while (!condition.holds()) {
            check(System.nanoTime() < end, "still not: " + what);
            Thread.sleep(10);
        }
    }

    /** By name: not every version has every class. */
    private static void fails(Set<String> names, Body body) throws Exception {
        try {
            body.run();
        } catch (KafkaException | ExecutionException e) {
            for (Throwable cause = e; cause != null; cause = cause.getCause())
                if (names.contains(cause.getClass().getSimpleName()))
                    return;
            throw e;
        }
        throw new AssertionError("want one of " + names + ", have success");
    }

    private synchronized String unique() {
        return "old-" + version + "." + RUN + "." + names++;
    }

    private String topic(int partitions, String... settings) throws Exception {
        String topic = unique();
        Map<String, String> configs = new HashMap<>();
        for (int i = 0; i < settings.length; i += 2)
            configs.put(settings[i], settings[i + 1]);
        admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1).configs(configs))).all().get();
        await("a leader of each partition", () -> {
            try (Consumer<String, String> consumer = consumer()) {
                Set<TopicPartition> all = new HashSet<>();
                for (int p = 0; p < partitions; p++)
                    all.add(new TopicPartition(topic, p));
                // One that has asked a broker too early never asks again.
                return consumer.endOffsets(all, Duration.ofSeconds(1)).size() == partitions;
            } catch (TimeoutException e) {
                return false;
            }
        });
        return topic;
    }

    private Map<String, Object> settings(Object[] pairs) {
        Map<String, Object> all = new HashMap<>();
        all.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2)
            all.put((String) pairs[i], pairs[i + 1]);
        return all;
    }

    private Producer<String, String> producer(Object... more) {
        return new KafkaProducer<>(settings(more), new StringSerializer(), new StringSerializer());
    }

    private Consumer<String, String> consumer(Object... more) {
        Map<String, Object> all = settings(more);
        all.putIfAbsent("auto.offset.reset", "earliest");
        all.putIfAbsent("enable.auto.commit", "false");
        if (all.containsKey("group.id")) {
            all.putIfAbsent("session.timeout.ms", 6000);
            all.putIfAbsent("heartbeat.interval.ms", 300);
        }
        return new KafkaConsumer<>(all, new StringDeserializer(), new StringDeserializer());
    }

    private void fill(String topic, int count) throws Exception {
        try (Producer<String, String> producer = producer()) {
            for (int i = 0; i < count; i++)
                producer.send(new ProducerRecord<>(topic, 0, "k" + i, "v" + i));
        }
    }

    /** So many records, and a little later no further ones. */
    private static List<ConsumerRecord<String, String>> read(Consumer<String, String> consumer, int count) throws Exception {
        List<ConsumerRecord<String, String>> out = new ArrayList<>();
        await(count + " records", () -> {
            consumer.poll(Duration.ofMillis(100)).forEach(out::add);
            return out.size() >= count;
        });
        consumer.poll(Duration.ofMillis(100)).forEach(out::add);
        same(count, out.size(), "records");
        return out;
    }

    private List<String> committed(String topic, int count) throws Exception {
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer = consumer("isolation.level", "read_committed")) {
            consumer.assign(List.of(at));
            consumer.seekToBeginning(List.of(at));
            List<String> values = new ArrayList<>();
            read(consumer, count).forEach(r -> values.add(r.value()));
            return values;
        }
    }

    // ---- the cases

    private void produce(String codec) throws Exception {
        String topic = topic(1, "retention.ms", "-1");
        try (Producer<String, String> producer = producer("compression.type", codec, "linger.ms", 20, "enable.idempotence", "true")) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 300; i++) {
                ProducerRecord<String, String> record = new ProducerRecord<>(topic, 0, 1_600_000_000_000L + i, "k" + i, "value ".repeat(i % 50) + i);
                record.headers().add("number", Integer.toString(i).getBytes(StandardCharsets.UTF_8));
                sent.add(producer.send(record));
            }
            for (int i = 0; i < 300; i++)
                same((long) i, sent.get(i).get().offset(), "offset");
        }
        TopicPartition at = new TopicPartition(topic, 0);
        try (Consumer<String, String> consumer = consumer()) {
            consumer.assign(List.of(at));
            consumer.seek(at, 7);
            int i = 7;
            for (ConsumerRecord<String, String> record : read(consumer, 293)) {
                same("k" + i + "value ".repeat(i % 50) + i, record.key() + record.value(), "record");
                same(1_600_000_000_000L + i, record.timestamp(), "timestamp");
                same(Integer.toString(i), new String(record.headers().lastHeader("number").value(), StandardCharsets.UTF_8), "header");
                i++;
            }
        }
    }

    private static void shared(List<Consumer<String, String>> members, int partitions) throws Exception {
        await(partitions + " partitions shared by " + members.size(), () -> {
            Set<TopicPartition> all = new HashSet<>();
            int count = 0;
            boolean isIdle = false;
            for (Consumer<String, String> member : members)
                member.poll(Duration.ofMillis(30));
            for (Consumer<String, String> member : members) {
                all.addAll(member.assignment());
                count += member.assignment().size();
                isIdle |= member.assignment().isEmpty();
            }
            return !isIdle && count == partitions && all.size() == partitions;
        });
    }

    private void members(String assignor) throws Exception {
        String topic = topic(4);
        String group = unique();
        List<Consumer<String, String>> members = new ArrayList<>();
        try {
            for (int i = 0; i < 2; i++) {
                members.add(consumer("group.id", group, "partition.assignment.strategy", assignor));
                members.get(i).subscribe(List.of(topic));
                shared(members, 4);
            }
            members.remove(0).close();
            shared(members, 4);
        } finally {
            members.forEach(Consumer::close);
        }
    }

    private void resumes() throws Exception {
        String topic = topic(1);
        String group = unique();
        TopicPartition at = new TopicPartition(topic, 0);
        fill(topic, 50);
        try (Consumer<String, String> first = consumer("group.id", group)) {
            first.subscribe(List.of(topic));
            read(first, 50);
            first.commitSync(Map.of(at, new OffsetAndMetadata(30, "thirty")));
            OffsetAndMetadata kept = first.committed(at);
            same("30thirty", kept.offset() + kept.metadata(), "committed");
        }
        try (Consumer<String, String> second = consumer("group.id", group)) {
            second.subscribe(List.of(topic));
            same(30L, read(second, 20).get(0).offset(), "first offset");
            second.seek(at, 10);
            same("v10", read(second, 40).get(0).value(), "after a seek");
        }
    }

    private void times() throws Exception {
        String topic = topic(1, "retention.ms", "-1");
        TopicPartition at = new TopicPartition(topic, 0);
        try (Producer<String, String> producer = producer()) {
            for (int i = 0; i < 10; i++)
                producer.send(new ProducerRecord<>(topic, 0, 1000L + 10 * i, null, "v" + i));
        }
        try (Consumer<String, String> consumer = consumer()) {
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(at, 1041L)).get(at);
            same("5@1050", found.offset() + "@" + found.timestamp(), "offset of a time");
            check(consumer.offsetsForTimes(Map.of(at, 1091L)).get(at) == null, "nothing is later");
            same(0L, consumer.beginningOffsets(List.of(at)).get(at), "beginning");
            same(10L, consumer.endOffsets(List.of(at)).get(at), "end");
        }
    }

    private Producer<String, String> transactional(String id) {
        Producer<String, String> producer = producer("transactional.id", id);
        producer.initTransactions();
        return producer;
    }

    private void transactions() throws Exception {
        String topic = topic(1);
        List<String> wanted = new ArrayList<>();
        try (Producer<String, String> producer = transactional(unique())) {
            for (int i = 0; i < 9; i++) {
                producer.beginTransaction();
                producer.send(new ProducerRecord<>(topic, 0, null, "v" + i));
                if (i % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                    wanted.add("v" + i);
                }
            }
        }
        same(wanted, committed(topic, wanted.size()), "committed");
    }

    /** By the name of the group alone, as clients before KIP-447 did. */
    private void movesOffsets() throws Exception {
        String source = topic(1);
        String target = topic(1);
        String group = unique();
        TopicPartition at = new TopicPartition(source, 0);
        fill(source, 10);
        try (Consumer<String, String> consumer = consumer("group.id", group);
             Producer<String, String> producer = transactional(unique())) {
            consumer.subscribe(List.of(source));
            List<ConsumerRecord<String, String>> records = read(consumer, 10);
            for (boolean isCommitted : new boolean[] { false, true }) {
                producer.beginTransaction();
                for (ConsumerRecord<String, String> record : records)
                    producer.send(new ProducerRecord<>(target, 0, record.key(), record.value()));
                producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(10)), group);
                if (isCommitted) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                    check(consumer.committed(at) == null, "an aborted transaction commits nothing");
                }
            }
            await("the offset of the transaction", () -> consumer.committed(at) != null && consumer.committed(at).offset() == 10);
        }
        same(10, new HashSet<>(committed(target, 10)).size(), "each record once");
    }

    private void fences() throws Exception {
        String topic = topic(1);
        String id = unique();
        Producer<String, String> zombie = transactional(id);
        zombie.beginTransaction();
        zombie.send(new ProducerRecord<>(topic, 0, null, "open")).get();
        try (Producer<String, String> producer = transactional(id)) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, 0, null, "second"));
            fails(Set.of("ProducerFencedException", "InvalidProducerEpochException"), () -> {
                zombie.send(new ProducerRecord<>(topic, 0, null, "zombie"));
                zombie.commitTransaction();
            });
            producer.commitTransaction();
        }
        zombie.close();
        same(List.of("second"), committed(topic, 1), "committed");
    }

    private void topics() throws Exception {
        String topic = topic(2);
        fails(Set.of("TopicExistsException"), () -> admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get());
        same(2, admin.describeTopics(List.of(topic)).all().get().get(topic).partitions().size(), "partitions");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        await("five partitions", () -> admin.describeTopics(List.of(topic)).all().get().get(topic).partitions().size() == 5);
        fill(topic, 20);
        TopicPartition at = new TopicPartition(topic, 0);
        same(5L, admin.deleteRecords(Map.of(at, RecordsToDelete.beforeOffset(5))).lowWatermarks().get(at).get().lowWatermark(), "start");
        int id = admin.describeCluster().controller().get().id();
        check(admin.describeLogDirs(List.of(id)).all().get().get(id).size() > 0, "a log directory");
        admin.deleteTopics(List.of(topic)).all().get();
        await("the topic is gone", () -> !admin.listTopics().names().get().contains(topic));
    }

    /** By AlterConfigs, which gives all settings at once: clients had no other before 2.3. */
    private void configs() throws Exception {
        String topic = topic(1, "retention.ms", "3600000");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        admin.alterConfigs(Map.of(resource, new Config(List.of(new ConfigEntry("segment.bytes", "2000000"))))).all().get();
        await("the change", () -> {
            Config told = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            return told.get("segment.bytes").value().equals("2000000") && told.get("retention.ms").isDefault();
        });
    }

    private void groups() throws Exception {
        String topic = topic(2);
        String group = unique();
        try (Consumer<String, String> member = consumer("group.id", group, "client.id", "the-member")) {
            member.subscribe(List.of(topic));
            shared(List.of(member), 2);
            member.commitSync(Map.of(new TopicPartition(topic, 1), new OffsetAndMetadata(3)));
            ConsumerGroupDescription told = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
            same("Stable 1 the-member range", told.state() + " " + told.members().size() + " "
                + told.members().iterator().next().clientId() + " " + told.partitionAssignor(), "described");
            same(2, told.members().iterator().next().assignment().topicPartitions().size(), "assigned");
        }
        check(admin.listConsumerGroups().all().get().stream().anyMatch(g -> g.groupId().equals(group)), "listed");
        same(3L, admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, 1)).offset(), "offset");
        admin.deleteConsumerGroups(Collections.singleton(group)).all().get();
        check(admin.listConsumerGroups().all().get().stream().noneMatch(g -> g.groupId().equals(group)), "deleted");
    }

    // ---- running them

    private void one(String name, Body body) {
        String fault = "";
        try {
            body.run();
        } catch (Exception | AssertionError e) {
            String place = Arrays.stream(e.getStackTrace()).filter(at -> at.getClassName().startsWith("Old"))
                .map(at -> " (line " + at.getLineNumber() + ")").findFirst().orElse("");
            fault = ": " + e + place;
        }
        report(name, fault);
    }

    private synchronized void report(String name, String fault) {
        passed += fault.isEmpty() ? 1 : 0;
        failed += fault.isEmpty() ? 0 : 1;
        System.out.println((fault.isEmpty() ? "ok " : "FAIL ") + version + "_" + name + fault.replace('\n', ' '));
    }

    public static void main(String[] args) throws InterruptedException {
        Old old = new Old(args[0], args[1]);
        ExecutorService threads = Executors.newFixedThreadPool(8);
        old.cases.forEach((name, body) -> {
            if (name.contains(args.length > 2 ? args[2] : ""))
                threads.execute(() -> old.one(name, body));
        });
        threads.shutdown();
        boolean isDone = threads.awaitTermination(5 * PATIENCE_S, TimeUnit.SECONDS);
        synchronized (old) {
            System.out.println(old.passed + " passed, " + (old.failed + (isDone ? 0 : 1)) + " failed");
            Runtime.getRuntime().halt(old.failed > 0 || !isDone ? 1 : 0);
        }
    }
}
