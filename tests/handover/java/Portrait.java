import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.MemberAssignment;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** All that clients can learn of a broker and that must outlive it. */
final class Portrait {
    private static final JsonNodeFactory JSON = JsonNodeFactory.instance;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final Admin admin;
    private final String bootstrap;

    Portrait(Admin admin, String bootstrap) {
        this.admin = admin;
        this.bootstrap = bootstrap;
    }

    ObjectNode paint() throws Exception {
        ObjectNode all = JSON.objectNode();
        paintTopics(all.putObject("topics"));
        paintTransactions(all.putObject("transactions"));
        paintGroups(all.putObject("groups"));
        paintConfigs(all.putObject("brokers"), ConfigResource.Type.BROKER, List.of("", "1"));
        ObjectNode features = all.putObject("features");
        new TreeMap<>(admin.describeFeatures().featureMetadata().get().finalizedFeatures())
            .forEach((name, levels) -> features.put(name, levels.maxVersionLevel()));
        return all;
    }

    /** Transactions that are decided and whose markers are still to come. */
    static JsonNode unsettled(Admin admin) throws Exception {
        ArrayNode found = JSON.arrayNode();
        for (TransactionListing one : admin.listTransactions().all().get()) {
            if (one.state() == TransactionState.PREPARE_COMMIT || one.state() == TransactionState.PREPARE_ABORT) {
                found.add(one.transactionalId());
            }
        }
        return found;
    }

    private void paintConfigs(ObjectNode to, ConfigResource.Type type, List<String> names) throws Exception {
        List<ConfigResource> resources = new ArrayList<>();
        names.forEach(name -> resources.add(new ConfigResource(type, name)));
        for (var one : admin.describeConfigs(resources).all().get().entrySet()) {
            Map<String, String> set = new TreeMap<>();
            for (ConfigEntry entry : one.getValue().entries()) {
                switch (entry.source()) {
                    case DYNAMIC_TOPIC_CONFIG:
                    case DYNAMIC_BROKER_CONFIG:
                    case DYNAMIC_DEFAULT_BROKER_CONFIG:
                        if (type == ConfigResource.Type.BROKER || entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                            set.put(entry.name(), entry.value());
                        }
                        break;
                    default:
                }
            }
            ObjectNode values = to.withObject("/" + one.getKey().name()).putObject("configs");
            set.forEach(values::put);
        }
    }

    private void paintTopics(ObjectNode to) throws Exception {
        List<String> names = new ArrayList<>(admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get());
        List<TopicPartition> read = new ArrayList<>();
        for (TopicDescription topic : new TreeMap<>(admin.describeTopics(names).allTopicNames().get()).values()) {
            ObjectNode one = to.putObject(topic.name());
            one.put("id", topic.topicId().toString()).put("internal", topic.isInternal());
            ObjectNode partitions = one.putObject("partitions");
            topic.partitions().forEach(p -> {
                partitions.putObject(Integer.toString(p.partition()));
                if (!topic.isInternal() && !topic.name().startsWith("flow-")) { // those move on meanwhile
                    read.add(new TopicPartition(topic.name(), p.partition()));
                }
            });
        }
        paintConfigs(to, ConfigResource.Type.TOPIC, names);
        paintPartitions(to, read);
    }

    private void paintPartitions(ObjectNode to, List<TopicPartition> read) throws Exception {
        var producers = admin.describeProducers(read).all().get();
        Map<TopicPartition, OffsetSpec> first = new TreeMap<>(java.util.Comparator.comparing(TopicPartition::toString));
        read.forEach(p -> first.put(p, OffsetSpec.earliest()));
        var starts = admin.listOffsets(first).all().get();
        Map<TopicPartition, OffsetSpec> newest = new TreeMap<>(java.util.Comparator.comparing(TopicPartition::toString));
        read.forEach(p -> newest.put(p, OffsetSpec.maxTimestamp()));
        var latest = admin.listOffsets(newest).all().get();
        for (TopicPartition p : read) {
            ObjectNode one = at(to, p);
            one.put("start", starts.get(p).offset());
            one.put("newest", latest.get(p).timestamp() + "@" + latest.get(p).offset());
            TreeMap<Long, String> known = new TreeMap<>();
            producers.get(p).activeProducers().forEach(state -> known.put(state.producerId(), "epoch " + state.producerEpoch()
                + " sequence " + state.lastSequence() + " at " + state.lastTimestamp() + " coordinator "
                + state.coordinatorEpoch() + " open " + state.currentTransactionStartOffset()));
            ObjectNode list = one.putObject("producers");
            known.forEach((id, words) -> list.put(id.toString(), words));
        }
        read(to, read, "read_uncommitted", "end", "records");
        read(to, read, "read_committed", "stable", "committed");
    }

    private static ObjectNode at(ObjectNode topics, TopicPartition p) {
        return (ObjectNode) topics.get(p.topic()).get("partitions").get(Integer.toString(p.partition()));
    }

    private void read(ObjectNode to, List<TopicPartition> from, String isolation, String end, String records) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", bootstrap, "isolation.level", isolation, "auto.offset.reset", "none",
            "max.poll.records", "10000", "default.api.timeout.ms", "60000");
        Map<TopicPartition, ArrayNode> found = new TreeMap<>(java.util.Comparator.comparing(TopicPartition::toString));
        try (var consumer = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(from);
            consumer.seekToBeginning(from);
            Map<TopicPartition, Long> ends = consumer.endOffsets(from);
            ends.forEach((p, offset) -> {
                at(to, p).put(end, offset);
                found.put(p, at(to, p).putArray(records));
            });
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (from.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException(isolation + ": no end in sight");
                }
                for (ConsumerRecord<byte[], byte[]> one : consumer.poll(Duration.ofMillis(200))) {
                    if (one.offset() < ends.get(new TopicPartition(one.topic(), one.partition()))) {
                        ArrayNode list = found.get(new TopicPartition(one.topic(), one.partition()));
                        if (records.equals("committed")) {
                            list.add(one.offset());
                        } else {
                            list.add(words(one));
                        }
                    }
                }
            }
        }
    }

    private static ArrayNode words(ConsumerRecord<byte[], byte[]> one) throws Exception {
        StringBuilder headers = new StringBuilder();
        for (Header header : one.headers()) {
            headers.append(' ').append(header.key()).append('=').append(text(header.value()));
        }
        return JSON.arrayNode().add(one.offset()).add(text(one.key())).add(text(one.value()))
            .add(one.timestampType() + " " + one.timestamp() + " epoch " + one.leaderEpoch().orElse(-1) + headers);
    }

    /** A long value by its sum. */
    private static String text(byte[] bytes) throws Exception {
        if (bytes == null) {
            return null;
        }
        if (bytes.length <= 64) {
            return new String(bytes, StandardCharsets.ISO_8859_1);
        }
        return bytes.length + " bytes " + HexFormat.of().formatHex(MessageDigest.getInstance("SHA-1").digest(bytes));
    }

    private void paintTransactions(ObjectNode to) throws Exception {
        List<String> ids = new ArrayList<>();
        admin.listTransactions().all().get().forEach(one -> ids.add(one.transactionalId()));
        new TreeMap<>(admin.describeTransactions(ids).all().get()).forEach((id, one) -> to.put(id, one.state() + " producer "
            + one.producerId() + " epoch " + one.producerEpoch() + " time-out " + one.transactionTimeoutMs() + " since "
            + one.transactionStartTimeMs() + " "
            + new TreeSet<>(one.topicPartitions().stream().map(TopicPartition::toString).toList())));
    }

    private void paintGroups(ObjectNode to) throws Exception {
        for (GroupListing group : admin.listGroups().all().get()) {
            ObjectNode one = to.putObject(group.groupId());
            one.put("type", group.type().orElse(GroupType.UNKNOWN).toString()).put("protocol", group.protocol());
            one.put("state", group.groupState().map(Object::toString).orElse(""));
            ObjectNode offsets = one.putObject("offsets");
            var all = admin.listConsumerGroupOffsets(group.groupId()).partitionsToOffsetAndMetadata().get();
            TreeMap<String, String> sorted = new TreeMap<>();
            all.forEach((p, o) -> sorted.put(p.toString(), o == null ? "none" : o.offset() + " '" + o.metadata() + "' epoch "
                + o.leaderEpoch().map(Object::toString).orElse("none")));
            sorted.forEach(offsets::put);
        }
        paintMembers(to);
    }

    /** Those of the consumer protocol know their epochs, which only a change of the group may raise. */
    private void paintMembers(ObjectNode groups) throws Exception {
        List<String> names = new ArrayList<>();
        groups.properties().forEach(one -> {
            if (one.getValue().get("type").asText().equals(GroupType.CONSUMER.toString())) {
                names.add(one.getKey());
            }
        });
        for (var one : admin.describeConsumerGroups(names).all().get().entrySet()) {
            ConsumerGroupDescription group = one.getValue();
            TreeMap<String, String> sorted = new TreeMap<>();
            group.members().forEach(m -> sorted.put(m.consumerId(), "instance " + m.groupInstanceId().orElse("none") + " epoch "
                + m.memberEpoch().orElse(-1) + " has " + partitions(m.assignment()) + " of "
                + m.targetAssignment().map(Portrait::partitions).orElse("none")));
            ObjectNode told = ((ObjectNode) groups.get(one.getKey())).putObject("members");
            told.put("group", "epoch " + group.groupEpoch().orElse(-1) + " assigned " + group.targetAssignmentEpoch().orElse(-1));
            sorted.forEach(told::put);
        }
    }

    private static String partitions(MemberAssignment assignment) {
        return new TreeSet<>(assignment.topicPartitions().stream().map(TopicPartition::toString).toList()).toString();
    }
}
