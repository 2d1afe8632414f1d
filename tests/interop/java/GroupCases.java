import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidGroupIdException;

/** Committed offsets, and what a group keeps of them. */
final class GroupCases {
    static void add(Suite suite) {
        suite.add("group_resumes_at_committed_offset", GroupCases::resumes);
        suite.add("group_commits_with_metadata", GroupCases::commitsWithMetadata);
        suite.add("group_commits_asynchronously", GroupCases::commitsAsync);
        suite.add("group_auto_commit", GroupCases::autoCommit);
        suite.add("group_commit_without_members", GroupCases::commitWithoutMembers);
        suite.add("group_commit_of_removed_member_fails", GroupCases::commitOfRemovedMember);
        suite.add("group_offsets_of_many_partitions", GroupCases::manyPartitions);
        suite.add("group_id_missing", GroupCases::idMissing);
        suite.add("group_new_partitions_are_assigned", GroupCases::newPartitions);
    }

    /** Polls all members until this holds of their assignments. */
    static void awaitAssignment(List<? extends Consumer<?, ?>> members, String what, Suite.Condition condition)
        throws Exception {
        Suite.await(what, () -> {
            for (Consumer<?, ?> member : members)
                member.poll(Duration.ofMillis(50));
            return condition.holds();
        });
    }

    /** Each partition has one owner, and each member owns this many. */
    static void awaitShared(List<? extends Consumer<?, ?>> members, int partitions) throws Exception {
        awaitAssignment(members, partitions + " partitions shared by " + members.size(), () -> {
            Set<TopicPartition> all = new HashSet<>();
            int sum = 0;
            for (Consumer<?, ?> member : members) {
                int own = member.assignment().size();
                if (own < partitions / members.size() || own > (partitions + members.size() - 1) / members.size())
                    return false;
                all.addAll(member.assignment());
                sum += own;
            }
            return sum == partitions && all.size() == partitions;
        });
    }

    private static void resumes(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        env.fill(topic, 0, 100);
        TopicPartition tp = new TopicPartition(topic, 0);
        try (KafkaConsumer<String, String> first = env.member(group, "max.poll.records", 10)) {
            first.subscribe(List.of(topic));
            List<Object> read = new ArrayList<>();
            Suite.await("30 records", () -> {
                first.poll(Duration.ofMillis(100)).forEach(read::add);
                return read.size() == 30;
            });
            first.commitSync();
            first.poll(Duration.ofMillis(100)); // read and not committed
        }
        var second = env.member(group);
        second.subscribe(List.of(topic));
        var rest = Env.read(second, 70);
        Suite.same(30L, rest.get(0).offset(), "first offset");
        second.commitSync();
        Suite.same(100L, second.committed(Set.of(tp)).get(tp).offset(), "committed offset");
    }

    private static void commitsWithMetadata(Env env) throws Exception {
        String topic = env.topic(3);
        var consumer = env.member(env.unique());
        consumer.subscribe(List.of(topic));
        awaitShared(List.of(consumer), 3);
        TopicPartition p0 = new TopicPartition(topic, 0);
        TopicPartition p1 = new TopicPartition(topic, 1);
        TopicPartition p2 = new TopicPartition(topic, 2);
        // Else committed() may get the answer to the same question which poll() asked before the commits.
        consumer.assignment().forEach(consumer::position);
        consumer.commitSync(Map.of(p0, new OffsetAndMetadata(7, "seven ü"), p1, new OffsetAndMetadata(0)));
        consumer.commitSync(Map.of(p0, new OffsetAndMetadata(5, java.util.Optional.of(0), "back again")));
        var committed = consumer.committed(Set.of(p0, p1, p2));
        Suite.same(5L, committed.get(p0).offset(), "offset of partition 0");
        Suite.same("back again", committed.get(p0).metadata(), "metadata of partition 0");
        Suite.same(java.util.Optional.of(0), committed.get(p0).leaderEpoch(), "epoch of partition 0");
        Suite.same(0L, committed.get(p1).offset(), "offset of partition 1");
        Suite.same("", committed.get(p1).metadata(), "metadata of partition 1");
        Suite.same(null, committed.get(p2), "what was never committed");
    }

    private static void commitsAsync(Env env) throws Exception {
        String topic = env.topic(1);
        TopicPartition tp = new TopicPartition(topic, 0);
        var consumer = env.member(env.unique());
        consumer.subscribe(List.of(topic));
        awaitShared(List.of(consumer), 1);
        AtomicReference<Map<TopicPartition, OffsetAndMetadata>> done = new AtomicReference<>();
        for (int i = 1; i <= 20; i++)
            consumer.commitAsync(Map.of(tp, new OffsetAndMetadata(i)), (offsets, e) -> {
                Suite.check(e == null, "commit failed: " + e);
                done.set(offsets);
            });
        Suite.await("the last commit", () -> {
            consumer.poll(Duration.ofMillis(20));
            return done.get() != null && done.get().get(tp).offset() == 20;
        });
        Suite.same(20L, consumer.committed(Set.of(tp)).get(tp).offset(), "committed offset");
    }

    private static void autoCommit(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        env.fill(topic, 0, 25);
        TopicPartition tp = new TopicPartition(topic, 0);
        try (var consumer = env.member(group, "enable.auto.commit", "true", "auto.commit.interval.ms", 100)) {
            consumer.subscribe(List.of(topic));
            Env.read(consumer, 25);
            Suite.await("commit by the clock", () -> {
                consumer.poll(Duration.ofMillis(50));
                OffsetAndMetadata committed = consumer.committed(Set.of(tp)).get(tp);
                return committed != null && committed.offset() == 25;
            });
            env.fill(topic, 0, 5);
            Env.read(consumer, 5);
        } // and by closing
        var offsets = env.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Suite.same(30L, offsets.get(tp).offset(), "offset committed by closing");
    }

    private static void commitWithoutMembers(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        TopicPartition tp = new TopicPartition(topic, 0);
        var consumer = env.consumer("group.id", group);
        consumer.assign(List.of(tp));
        consumer.commitSync(Map.of(tp, new OffsetAndMetadata(12)));
        Suite.same(12L, consumer.committed(Set.of(tp)).get(tp).offset(), "committed offset");
        var other = env.consumer("group.id", group);
        other.assign(List.of(tp));
        Suite.same(12L, other.position(tp), "position of another consumer");
    }

    private static void commitOfRemovedMember(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        TopicPartition tp = new TopicPartition(topic, 0);
        var consumer = env.member(group);
        consumer.subscribe(List.of(topic));
        awaitShared(List.of(consumer), 1);
        env.admin().removeMembersFromConsumerGroup(group,
            new org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions()).all().get();
        Suite.fails(CommitFailedException.class, e -> consumer.commitSync(Map.of(tp, new OffsetAndMetadata(1))));
        awaitShared(List.of(consumer), 1); // it joins again
        consumer.position(tp); // otherwise committed() may answer from a question that poll() asked before the commit
        consumer.commitSync(Map.of(tp, new OffsetAndMetadata(2)));
        Suite.same(2L, consumer.committed(Set.of(tp)).get(tp).offset(), "committed offset");
    }

    private static void manyPartitions(Env env) throws Exception {
        int partitions = 50;
        String topic = env.topic(partitions);
        var consumer = env.consumer("group.id", env.unique());
        Map<TopicPartition, OffsetAndMetadata> want = new HashMap<>();
        for (int p = 0; p < partitions; p++)
            want.put(new TopicPartition(topic, p), new OffsetAndMetadata(p * 1000L, "p" + p));
        consumer.commitSync(want);
        Suite.same(want, consumer.committed(want.keySet()), "committed offsets");
    }

    private static void idMissing(Env env) throws Exception {
        String topic = env.topic(1);
        var consumer = env.consumer();
        Suite.fails(InvalidGroupIdException.class, e -> consumer.subscribe(List.of(topic)));
    }

    private static void newPartitions(Env env) throws Exception {
        String topic = env.topic(1);
        var consumer = env.member(env.unique(), "metadata.max.age.ms", 300);
        consumer.subscribe(List.of(topic));
        awaitShared(List.of(consumer), 1);
        env.admin().createPartitions(Map.of(topic, org.apache.kafka.clients.admin.NewPartitions.increaseTo(4))).all().get();
        awaitShared(List.of(consumer), 4);
    }
}
