import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producers and members of groups by name, that stay; consumers, an admin. */
final class Clients {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final String bootstrap;
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final Map<String, Flow> flows = new HashMap<>();
    private final Map<String, Member> members = new HashMap<>();
    private Admin admin;

    Clients(String bootstrap) {
        this.bootstrap = bootstrap;
    }

    String bootstrap() {
        return bootstrap;
    }

    Admin admin() {
        if (admin == null) {
            admin = Admin.create(Map.of("bootstrap.servers", bootstrap, "default.api.timeout.ms", "60000",
                "reconnect.backoff.max.ms", "200"));
        }
        return admin;
    }

    JsonNode carryOut(JsonNode r) throws Exception {
        String name = r.path("name").asText();
        switch (r.get("do").asText()) {
            case "open":
                producers.put(name, producer(r.get("settings")));
                return JSON.nullNode();
            case "init":
                producers.get(name).initTransactions();
                return JSON.nullNode();
            case "begin":
                producers.get(name).beginTransaction();
                return JSON.nullNode();
            case "send":
                return send(producers.get(name), r);
            case "offsets":
                producers.get(name).sendOffsetsToTransaction(offsets(r), group(r.get("group").asText()));
                return JSON.nullNode();
            case "commit":
                producers.get(name).commitTransaction();
                return JSON.nullNode();
            case "abort":
                producers.get(name).abortTransaction();
                return JSON.nullNode();
            case "close":
                producers.remove(name).close(PATIENCE);
                return JSON.nullNode();
            case "flow":
                flows.put(name, new Flow(producers.get(name), r.get("topic").asText(), r.get("partitions").asInt()));
                return JSON.nullNode();
            case "flowed":
                return JSON.numberNode(flows.get(name).acknowledged());
            case "dam":
                return flows.remove(name).end();
            case "consume":
                return consume(r);
            case "join":
                members.put(name, join(r));
                return JSON.nullNode();
            case "owned":
                return JSON.numberNode(members.get(name).owned());
            case "seen":
                return members.get(name).seen();
            case "leave":
                members.remove(name).end();
                return JSON.nullNode();
            default:
                return manage(r);
        }
    }

    private static Map<String, Object> settings(JsonNode given) {
        Map<String, Object> settings = new HashMap<>();
        given.properties().forEach(e -> settings.put(e.getKey(), e.getValue().asText()));
        return settings;
    }

    private KafkaProducer<byte[], byte[]> producer(JsonNode given) {
        Map<String, Object> settings = settings(given);
        settings.put("bootstrap.servers", bootstrap);
        settings.putIfAbsent("max.block.ms", "60000");
        settings.put("reconnect.backoff.max.ms", "200");
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static byte[] bytes(JsonNode text) {
        return text.isNull() ? null : text.asText().getBytes(StandardCharsets.UTF_8);
    }

    /** "records": [partition, timestamp or null, key, value, [[header, value], …]] …; answers the offsets. */
    private static JsonNode send(KafkaProducer<byte[], byte[]> producer, JsonNode r) throws Exception {
        var reports = new ArrayList<java.util.concurrent.Future<org.apache.kafka.clients.producer.RecordMetadata>>();
        for (JsonNode one : r.get("records")) {
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(r.get("topic").asText(), one.get(0).asInt(),
                one.get(1).isNull() ? null : one.get(1).asLong(), bytes(one.get(2)), bytes(one.get(3)));
            for (JsonNode header : one.get(4)) {
                record.headers().add(new RecordHeader(header.get(0).asText(), bytes(header.get(1))));
            }
            reports.add(producer.send(record));
        }
        producer.flush();
        ArrayNode offsets = JSON.arrayNode();
        for (var report : reports) {
            offsets.add(report.get().offset());
        }
        return offsets;
    }

    /** What somebody says who commits for a group without being a member of it. */
    private ConsumerGroupMetadata group(String name) {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "group.id", name);
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            return consumer.groupMetadata();
        }
    }

    /** "offsets": [topic, partition, offset, metadata] … */
    private static Map<TopicPartition, OffsetAndMetadata> offsets(JsonNode r) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (JsonNode one : r.get("offsets")) {
            offsets.put(new TopicPartition(one.get(0).asText(), one.get(1).asInt()),
                new OffsetAndMetadata(one.get(2).asLong(), Optional.empty(), one.get(3).asText()));
        }
        return offsets;
    }

    /** A member reads something, commits, and leaves. */
    private JsonNode consume(JsonNode r) throws Exception {
        Map<String, Object> settings = settings(r.get("settings"));
        settings.put("bootstrap.servers", bootstrap);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("default.api.timeout.ms", "60000");
        long end = System.nanoTime() + PATIENCE.toNanos();
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(r.get("topic").asText()));
            int count = 0;
            while (count == 0) {
                count = consumer.poll(Duration.ofMillis(200)).count();
                if (System.nanoTime() > end) {
                    throw new IllegalStateException("nothing to read");
                }
            }
            consumer.commitSync();
            return JSON.numberNode(count);
        }
    }

    /** "settings", "pattern" of topics. */
    private Member join(JsonNode r) {
        Map<String, Object> settings = settings(r.get("settings"));
        settings.put("bootstrap.servers", bootstrap);
        settings.put("enable.auto.commit", "false");
        settings.put("auto.offset.reset", "earliest");
        settings.put("isolation.level", "read_committed");
        settings.put("reconnect.backoff.max.ms", "200");
        return new Member(settings, r.get("pattern").asText());
    }

    private JsonNode manage(JsonNode r) throws Exception {
        String topic = r.path("topic").asText();
        switch (r.get("do").asText()) {
            case "create":
                Map<String, String> configs = new HashMap<>();
                settings(r.get("configs")).forEach((k, v) -> configs.put(k, v.toString()));
                admin().createTopics(List.of(new NewTopic(topic, r.get("partitions").asInt(), (short) 1).configs(configs))).all().get();
                return JSON.nullNode();
            case "delete":
                admin().deleteTopics(List.of(topic)).all().get();
                return JSON.nullNode();
            case "widen":
                admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(r.get("partitions").asInt()))).all().get();
                return JSON.nullNode();
            case "cut":
                admin().deleteRecords(Map.of(new TopicPartition(topic, r.get("partition").asInt()),
                    RecordsToDelete.beforeOffset(r.get("offset").asLong()))).all().get();
                return JSON.nullNode();
            case "ends":
                return ends(topic, r.get("partitions").asInt());
            case "configure":
                configure(r);
                return JSON.nullNode();
            default:
                throw new IllegalArgumentException(r.toString());
        }
    }

    private JsonNode ends(String topic, int partitions) throws Exception {
        ArrayNode ends = JSON.arrayNode();
        for (int p = 0; p < partitions; p++) {
            TopicPartition at = new TopicPartition(topic, p);
            ends.add(admin().listOffsets(Map.of(at, OffsetSpec.latest())).partitionResult(at).get().offset());
        }
        return ends;
    }

    private void configure(JsonNode r) throws Exception {
        Collection<AlterConfigOp> changes = new ArrayList<>();
        r.get("configs").properties().forEach(e -> changes.add(new AlterConfigOp(
            new ConfigEntry(e.getKey(), e.getValue().isNull() ? null : e.getValue().asText()),
            e.getValue().isNull() ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
        ConfigResource of = new ConfigResource(ConfigResource.Type.valueOf(r.get("type").asText()), r.get("name").asText());
        admin().incrementalAlterConfigs(Map.of(of, changes)).all().get();
    }

    /** What a flow has been told: [number, partition, offset] … and errors. */
    static ObjectNode report(Collection<long[]> acknowledged, Collection<String> errors, long sent) {
        ObjectNode all = JSON.objectNode();
        ArrayNode list = all.putArray("acknowledged");
        acknowledged.forEach(a -> list.addArray().add(a[0]).add(a[1]).add(a[2]));
        ArrayNode words = all.putArray("errors");
        errors.forEach(words::add);
        return all.put("sent", sent);
    }
}
