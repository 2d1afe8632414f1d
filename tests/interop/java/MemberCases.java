import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.ClassicGroupDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.RoundRobinAssignor;
import org.apache.kafka.clients.consumer.StickyAssignor;
import org.apache.kafka.common.ClassicGroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.InconsistentGroupProtocolException;
import org.apache.kafka.common.errors.InvalidSessionTimeoutException;

/** Members that join, leave, crash, stall, come back under their own name. */
final class MemberCases {
    static void add(Suite suite) {
        for (Class<?> assignor : List.of(RangeAssignor.class, RoundRobinAssignor.class, StickyAssignor.class,
            CooperativeStickyAssignor.class))
            suite.add("member_joins_and_leaves_" + assignor.getSimpleName(), env -> joinsAndLeaves(env, assignor));
        suite.add("member_crashes", MemberCases::crashes);
        suite.add("member_stalls", MemberCases::stalls);
        suite.add("member_static_restarts_unnoticed", MemberCases::staticRestarts);
        suite.add("member_static_is_fenced_by_its_double", MemberCases::staticFenced);
        suite.add("member_static_is_removed_by_admin", MemberCases::staticRemoved);
        suite.add("member_cooperative_keeps_partitions", MemberCases::cooperativeKeeps);
        suite.add("member_session_timeout_out_of_bounds", MemberCases::sessionTimeout);
        suite.add("member_protocols_do_not_match", MemberCases::inconsistentProtocol);
        suite.add("member_description", MemberCases::description);
        suite.add("member_eight_at_once", MemberCases::eightAtOnce);
        suite.add("member_unsubscribes", MemberCases::unsubscribes);
    }

    private static KafkaConsumer<String, String> join(Env env, String group, String topic, Object... settings) {
        KafkaConsumer<String, String> member = env.member(group, settings);
        member.subscribe(List.of(topic));
        return member;
    }

    private static void joinsAndLeaves(Env env, Class<?> assignor) throws Exception {
        String topic = env.topic(6);
        String group = env.unique();
        Object[] how = { "partition.assignment.strategy", assignor.getName() };
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (int i = 1; i <= 3; i++) {
            members.add(join(env, group, topic, how));
            GroupCases.awaitShared(members, 6);
        }
        for (int p = 0; p < 6; p++)
            env.fill(topic, p, 10);
        int[] read = new int[1];
        Suite.await("60 records", () -> {
            for (var member : members)
                for (var record : member.poll(Duration.ofMillis(50))) {
                    Suite.check(member.assignment().contains(new TopicPartition(topic, record.partition())), "foreign");
                    read[0]++;
                }
            return read[0] >= 60;
        });
        Suite.same(60, read[0], "records read by all members");
        while (members.size() > 1) {
            members.remove(0).close();
            GroupCases.awaitShared(members, 6);
        }
    }

    /** Closed without a word: the session must expire, and the rest take over. */
    private static void crashes(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        var stays = join(env, group, topic);
        var dies = join(env, group, topic);
        GroupCases.awaitShared(List.of(stays, dies), 4);
        dies.close(CloseOptions.groupMembershipOperation(CloseOptions.GroupMembershipOperation.REMAIN_IN_GROUP));
        GroupCases.awaitShared(List.of(stays), 4);
    }

    /** Not polled for longer than it promised: it leaves by itself, and joins again when polled. */
    private static void stalls(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        var stays = join(env, group, topic);
        var stalls = join(env, group, topic, "max.poll.interval.ms", 7000);
        GroupCases.awaitShared(List.of(stays, stalls), 4);
        GroupCases.awaitShared(List.of(stays), 4);
        GroupCases.awaitShared(List.of(stays, stalls), 4);
    }

    private static void staticRestarts(Env env) throws Exception {
        String topic = env.topic(4);
        String group = env.unique();
        Object[] name = { "group.instance.id", "second", "session.timeout.ms", 30_000 };
        var first = join(env, group, topic, "group.instance.id", "first", "session.timeout.ms", 30_000);
        var second = join(env, group, topic, name);
        GroupCases.awaitShared(List.of(first, second), 4);
        int generation = first.groupMetadata().generationId();
        Set<TopicPartition> own = new HashSet<>(second.assignment());
        second.close();
        var again = join(env, group, topic, name);
        GroupCases.awaitShared(List.of(first, again), 4);
        Suite.same(own, again.assignment(), "assignment");
        Suite.same(generation, first.groupMetadata().generationId(), "generation of the first");
        Suite.same(generation, again.groupMetadata().generationId(), "generation of the second");
    }

    private static void staticFenced(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        var first = join(env, group, topic, "group.instance.id", "me");
        GroupCases.awaitShared(List.of(first), 1);
        var twin = join(env, group, topic, "group.instance.id", "me");
        GroupCases.awaitShared(List.of(twin), 1);
        Suite.fails(FencedInstanceIdException.class, e -> Suite.await("fencing", () -> {
            first.poll(Duration.ofMillis(50));
            first.commitSync();
            return false;
        }));
    }

    private static void staticRemoved(Env env) throws Exception {
        String topic = env.topic(2);
        String group = env.unique();
        var stays = join(env, group, topic, "group.instance.id", "stays", "session.timeout.ms", 30_000);
        var gone = join(env, group, topic, "group.instance.id", "gone", "session.timeout.ms", 30_000);
        GroupCases.awaitShared(List.of(stays, gone), 2);
        gone.close(); // a static member stays a member
        env.admin().removeMembersFromConsumerGroup(group,
            new RemoveMembersFromConsumerGroupOptions(List.of(new MemberToRemove("gone")))).all().get();
        GroupCases.awaitShared(List.of(stays), 2);
    }

    /** Of two members' partitions, a third takes only what it needs; the others keep the rest. */
    private static void cooperativeKeeps(Env env) throws Exception {
        String topic = env.topic(6);
        String group = env.unique();
        Object[] how = { "partition.assignment.strategy", CooperativeStickyAssignor.class.getName() };
        var a = join(env, group, topic, how);
        var b = join(env, group, topic, how);
        GroupCases.awaitShared(List.of(a, b), 6);
        Set<TopicPartition> of_a = new HashSet<>(a.assignment());
        Set<TopicPartition> of_b = new HashSet<>(b.assignment());
        var c = join(env, group, topic, how);
        GroupCases.awaitShared(List.of(a, b, c), 6);
        Suite.check(of_a.containsAll(a.assignment()), "the first got " + a.assignment() + ", had " + of_a);
        Suite.check(of_b.containsAll(b.assignment()), "the second got " + b.assignment() + ", had " + of_b);
    }

    private static void sessionTimeout(Env env) throws Exception {
        String topic = env.topic(1);
        for (int timeout : new int[] { 100, 100_000_000 }) {
            var member = join(env, env.unique(), topic, "session.timeout.ms", timeout, "heartbeat.interval.ms", 30);
            Suite.fails(InvalidSessionTimeoutException.class, e -> Suite.await("refusal", () -> {
                member.poll(Duration.ofMillis(100));
                return false;
            }));
        }
    }

    private static void inconsistentProtocol(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        var range = join(env, group, topic, "partition.assignment.strategy", RangeAssignor.class.getName());
        GroupCases.awaitShared(List.of(range), 1);
        var robin = join(env, group, topic, "partition.assignment.strategy", RoundRobinAssignor.class.getName());
        Suite.fails(InconsistentGroupProtocolException.class, e -> Suite.await("refusal", () -> {
            robin.poll(Duration.ofMillis(100));
            return false;
        }));
    }

    private static void description(Env env) throws Exception {
        String topic = env.topic(2);
        String group = env.unique();
        var member = join(env, group, topic, "client.id", "the-client", "group.instance.id", "the-instance");
        GroupCases.awaitShared(List.of(member), 2);
        var described = describe(env, group);
        Suite.same(ClassicGroupState.STABLE, described.state(), "state");
        Suite.same("consumer", described.protocol(), "kind of protocol");
        Suite.same("range", described.protocolData(), "chosen protocol");
        Suite.same(1, described.members().size(), "members");
        var only = described.members().iterator().next();
        Suite.same("the-client", only.clientId(), "client id");
        Suite.same(java.util.Optional.of("the-instance"), only.groupInstanceId(), "instance id");
        Suite.same(member.groupMetadata().memberId(), only.consumerId(), "member id");
        Suite.check(only.host().startsWith("/"), "host " + only.host());
        Suite.same(member.assignment(), only.assignment().topicPartitions(), "assignment");
        env.admin().removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all().get();
        Suite.await("the group is empty", () -> describe(env, group).state() == ClassicGroupState.EMPTY);
        env.admin().deleteConsumerGroups(List.of(group)).all().get();
        Suite.fails(org.apache.kafka.common.errors.GroupIdNotFoundException.class, e -> describe(env, group));
    }

    private static ClassicGroupDescription describe(Env env, String group) throws Exception {
        return env.admin().describeClassicGroups(List.of(group)).all().get().get(group);
    }

    private static void eightAtOnce(Env env) throws Exception {
        String topic = env.topic(16);
        String group = env.unique();
        List<KafkaConsumer<String, String>> members = new ArrayList<>();
        for (int i = 0; i < 8; i++)
            members.add(join(env, group, topic));
        GroupCases.awaitShared(members, 16);
    }

    private static void unsubscribes(Env env) throws Exception {
        String topic = env.topic(2);
        String other = env.topic(2);
        String group = env.unique();
        var a = join(env, group, topic);
        var b = join(env, group, topic);
        GroupCases.awaitShared(List.of(a, b), 2);
        b.unsubscribe();
        GroupCases.awaitShared(List.of(a), 2);
        b.subscribe(List.of(topic, other));
        GroupCases.awaitAssignment(List.of(a, b), "both topics are shared",
            () -> a.assignment().size() == 1 && b.assignment().size() == 3);
    }
}
