import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** Groups of the consumer protocol (KIP-848): group.protocol=consumer. */
final class ConsumerProtocolCases {
    static void add(Suite suite) {
        suite.add("consumer_protocol_one_member_reads_all", ConsumerProtocolCases::readsAll);
        suite.add("consumer_protocol_members_share", ConsumerProtocolCases::share);
        suite.add("consumer_protocol_range", ConsumerProtocolCases::range);
        suite.add("consumer_protocol_unknown_assignor", ConsumerProtocolCases::unknownAssignor);
        suite.add("consumer_protocol_new_partitions", ConsumerProtocolCases::newPartitions);
        suite.add("consumer_protocol_pattern", ConsumerProtocolCases::pattern);
        suite.add("consumer_protocol_bad_pattern", ConsumerProtocolCases::badPattern);
        suite.add("consumer_protocol_static_member_returns", ConsumerProtocolCases::staticMember);
        suite.add("consumer_protocol_described", ConsumerProtocolCases::described);
        suite.add("consumer_protocol_group_settings", ConsumerProtocolCases::groupSettings);
        suite.add("consumer_protocol_upgrade", ConsumerProtocolCases::upgrade);
        suite.add("consumer_protocol_downgrade", ConsumerProtocolCases::downgrade);
        suite.add("consumer_protocol_empty_group_changes", ConsumerProtocolCases::emptyGroup);
    }

    /** Members are asked often, where the broker allows it: a case may take several of their heartbeats. */
    private static void hasten(Env env, String group) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        AlterConfigOp often = new AlterConfigOp(new ConfigEntry("consumer.heartbeat.interval.ms", "300"), AlterConfigOp.OpType.SET);
        try {
            env.admin().incrementalAlterConfigs(Map.of(resource, List.of(often))).all().get();
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof InvalidConfigurationException))
                throw e;
        }
    }

    private static KafkaConsumer<String, String> member(Env env, String group, Object... settings) throws Exception {
        hasten(env, group);
        Map<String, Object> all = Env.map(settings);
        all.put("group.id", group);
        all.put("group.protocol", "consumer");
        return env.consumer(all.entrySet().stream().flatMap(e -> Stream.of(e.getKey(), e.getValue())).toArray());
    }

    private static KafkaConsumer<String, String> subscribed(Env env, String group, String topic) throws Exception {
        KafkaConsumer<String, String> member = member(env, group);
        member.subscribe(List.of(topic));
        return member;
    }

    private static KafkaConsumer<String, String> classic(Env env, String group, String topic) {
        KafkaConsumer<String, String> member = env.member(group);
        member.subscribe(List.of(topic));
        return member;
    }

    private static ConsumerGroupDescription describe(Env env, String group) throws Exception {
        return env.admin().describeConsumerGroups(List.of(group)).all().get().get(group);
    }

    private static void readsAll(Env env) throws Exception {
        String topic = env.topic(3);
        String group = env.unique();
        for (int i = 0; i < 3; i++)
            env.fill(topic, i, 50);
        KafkaConsumer<String, String> member = subscribed(env, group, topic);
        int[] count = new int[1];
        Suite.await("150 records", () -> {
            count[0] += member.poll(Duration.ofMillis(100)).count();
            return count[0] == 150;
        });
        member.commitSync();
        Map<TopicPartition, OffsetAndMetadata> committed = member.committed(member.assignment());
        Suite.check(committed.values().stream().allMatch(o -> o.offset() == 50), "committed " + committed);
    }

    private static void share(Env env) throws Exception {
        String topic = env.topic(6);
        String group = env.unique();
        List<Consumer<?, ?>> members = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            members.add(subscribed(env, group, topic));
            GroupCases.awaitShared(members, 6);
        }
        members.remove(0).close();
        GroupCases.awaitShared(members, 6);
    }

    private static void range(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        List<Consumer<?, ?>> members = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            KafkaConsumer<String, String> member =
                member(env, group, "group.remote.assignor", "range");
            member.subscribe(List.of(topic));
            members.add(member);
        }
        GroupCases.awaitShared(members, 4);
        for (Consumer<?, ?> member : members) {
            Set<Integer> indexes = new HashSet<>();
            member.assignment().forEach(tp -> indexes.add(tp.partition()));
            Suite.check(indexes.equals(Set.of(0, 1)) || indexes.equals(Set.of(2, 3)), "no range: " + indexes);
        }
        Suite.check(describe(env, group).partitionAssignor().equals("range"), "assignor");
    }

    private static void unknownAssignor(Env env) throws Exception {
        KafkaConsumer<String, String> member = member(env, env.unique(), "group.remote.assignor", "none-such");
        member.subscribe(List.of(env.topic(1)));
        Suite.fails(UnsupportedAssignorException.class, e -> {
            for (int i = 0; i < 100; i++)
                member.poll(Duration.ofMillis(200));
        });
    }

    private static void newPartitions(Env env) throws Exception {
        String topic = env.topic(2);
        List<Consumer<?, ?>> members = List.of(subscribed(env, env.unique(), topic));
        GroupCases.awaitShared(members, 2);
        env.admin().createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
        GroupCases.awaitShared(members, 5);
    }

    private static void pattern(Env env) throws Exception {
        String first = env.topic(2);
        String prefix = first.substring(0, first.lastIndexOf('.'));
        KafkaConsumer<String, String> member = member(env, env.unique());
        member.subscribe(new SubscriptionPattern(prefix.replace(".", "\\.") + "\\..*"));
        List<Consumer<?, ?>> members = List.of(member);
        GroupCases.awaitShared(members, 2);
        env.topic(3);
        GroupCases.awaitShared(members, 5); // after the pause between two resolutions
    }

    private static void badPattern(Env env) throws Exception {
        KafkaConsumer<String, String> member = member(env, env.unique());
        member.subscribe(new SubscriptionPattern("a(b"));
        Suite.fails(InvalidRegularExpression.class, e -> {
            for (int i = 0; i < 100; i++)
                member.poll(Duration.ofMillis(200));
        });
    }

    private static void staticMember(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        KafkaConsumer<String, String> first = member(env, group, "group.instance.id", "one");
        first.subscribe(List.of(topic));
        List<Consumer<?, ?>> members = new ArrayList<>(List.of(first, subscribed(env, group, topic)));
        GroupCases.awaitShared(members, 4);
        Set<TopicPartition> had = new HashSet<>(first.assignment());
        members.remove(0).close();
        KafkaConsumer<String, String> again = member(env, group, "group.instance.id", "one");
        again.subscribe(List.of(topic));
        members.add(again);
        GroupCases.awaitShared(members, 4);
        Suite.check(again.assignment().equals(had), "had " + had + ", has " + again.assignment());
    }

    private static void described(Env env) throws Exception {
        String topic = env.topic(2);
        String group = env.unique();
        List<Consumer<?, ?>> members = List.of(subscribed(env, group, topic));
        GroupCases.awaitShared(members, 2);
        ConsumerGroupDescription told = describe(env, group);
        Suite.check(told.type() == GroupType.CONSUMER && told.groupState() == GroupState.STABLE, told.toString());
        MemberDescription member = told.members().iterator().next();
        Suite.check(told.members().size() == 1 && member.assignment().topicPartitions().size() == 2
            && member.targetAssignment().get().topicPartitions().size() == 2
            && member.memberEpoch().get().equals(told.groupEpoch().get())
            && !member.upgraded().orElse(true).equals(false), told.toString());
        ListGroupsOptions consumers = new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER));
        boolean isListed = false;
        for (GroupListing listing : env.admin().listGroups(consumers).all().get())
            isListed |= listing.groupId().equals(group);
        Suite.check(isListed, "not listed");
    }

    private static void groupSettings(Env env) throws Exception {
        String group = env.unique();
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        env.admin().incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(
            new ConfigEntry("consumer.assignment.interval.ms", "0"), AlterConfigOp.OpType.SET)))).all().get();
        String topic = env.topic(2);
        List<Consumer<?, ?>> members = List.of(subscribed(env, group, topic), subscribed(env, group, topic));
        GroupCases.awaitShared(members, 2);
    }

    /** One by one the classic members give way; offsets and partitions go on. */
    private static void upgrade(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        List<Consumer<?, ?>> members = new ArrayList<>();
        for (int i = 0; i < 2; i++)
            members.add(classic(env, group, topic));
        GroupCases.awaitShared(members, 4);
        members.add(subscribed(env, group, topic));
        awaitAll(members, 4);
        Suite.check(describe(env, group).type() == GroupType.CONSUMER, "not a consumer group");
        members.remove(0).close();
        awaitAll(members, 4);
        members.remove(0).close();
        awaitAll(members, 4);
    }

    private static void downgrade(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        List<Consumer<?, ?>> members = new ArrayList<>(List.of(subscribed(env, group, topic)));
        GroupCases.awaitShared(members, 4);
        members.add(classic(env, group, topic));
        awaitAll(members, 4);
        members.remove(0).close();
        awaitAll(members, 4);
        Suite.check(describe(env, group).type() == GroupType.CLASSIC, "not a classic group");
    }

    private static void emptyGroup(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        for (String protocol : List.of("consumer", "classic", "consumer")) {
            KafkaConsumer<String, String> member =
                protocol.equals("classic") ? classic(env, group, topic) : subscribed(env, group, topic);
            awaitAll(List.of(member), 1);
            member.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(7)));
            member.close();
        }
        long offset = env.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
            .get(new TopicPartition(topic, 0)).offset();
        Suite.check(offset == 7, "offset " + offset);
    }

    /** Every partition has one owner, and everybody has some. */
    private static void awaitAll(List<? extends Consumer<?, ?>> members, int partitions) throws Exception {
        GroupCases.awaitAssignment(members, partitions + " partitions among " + members.size(), () -> {
            Set<TopicPartition> all = new HashSet<>();
            int sum = 0;
            boolean isEmpty = false;
            for (Consumer<?, ?> member : members) {
                all.addAll(member.assignment());
                sum += member.assignment().size();
                isEmpty |= member.assignment().isEmpty();
            }
            return !isEmpty && sum == partitions && all.size() == partitions;
        });
    }
}
