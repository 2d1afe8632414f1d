import java.io.BufferedInputStream;
import java.io.DataInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.ConsumerGroupPartitionAssignor;
import org.apache.kafka.coordinator.group.api.assignor.MemberAssignment;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/** Puts every group of a file (see assignor_check.c) before Apache Kafka's assignors and compares. */
public final class AssignorCheck {
    private static final int FAILURES_SHOWN = 20;

    private record Member(String id, Optional<String> instance, Set<Uuid> topics, Map<Uuid, Set<Integer>> before,
                          Map<Uuid, Set<Integer>> after) {
    }

    private record Group(String assignor, Map<Uuid, Integer> topics, List<Member> members) {
        boolean isHomogeneous() {
            return members.stream().allMatch(member -> member.topics().equals(members.get(0).topics()));
        }
    }

    /** What an assignment comes to. */
    private static final class Sum {
        int low = Integer.MAX_VALUE;
        int high;
        long squares;
        int kept;
    }

    /** Over many groups: what both keep, and how even they are. */
    private static final class Total {
        int groups;
        long ourKept;
        long theirKept;
        int moreEven;
        int lessEven;

        void add(Sum ours, Sum theirs) {
            groups++;
            ourKept += ours.kept;
            theirKept += theirs.kept;
            moreEven += ours.squares < theirs.squares ? 1 : 0;
            lessEven += ours.squares > theirs.squares ? 1 : 0;
        }

        void print(String kind) {
            System.out.printf("%d groups with %s subscriptions: %d partitions stay where they were, with Apache Kafka %d;"
                + " %d are more even, %d less%n", groups, kind, ourKept, theirKept, moreEven, lessEven);
        }
    }

    private final Map<String, ConsumerGroupPartitionAssignor> assignors =
        Map.of("range", new RangeAssignor(), "uniform", new UniformAssignor());
    private int passed;
    private int failed;
    private final Total equal = new Total();
    private final Total mixed = new Total();

    private AssignorCheck() {
    }

    // ---- the file ----

    private static String readText(DataInputStream in) throws IOException {
        int size = in.readInt();
        return size < 0 ? null : new String(in.readNBytes(size), StandardCharsets.UTF_8);
    }

    private static Map<Uuid, Set<Integer>> readSet(DataInputStream in, List<Uuid> ids) throws IOException {
        Map<Uuid, Set<Integer>> set = new HashMap<>();
        for (int left = in.readInt(); left > 0; left--) {
            Uuid topic = ids.get(in.readInt());
            if (!set.computeIfAbsent(topic, key -> new HashSet<>()).add(in.readInt()))
                throw new IOException("a partition twice");
        }
        return set;
    }

    private static Group read(DataInputStream in) throws IOException {
        String assignor = readText(in);
        List<Uuid> ids = new ArrayList<>();
        Map<Uuid, Integer> topics = new HashMap<>();
        for (int left = in.readInt(); left > 0; left--) {
            ids.add(new Uuid(in.readLong(), in.readLong()));
            topics.put(ids.get(ids.size() - 1), in.readInt());
        }
        List<Member> members = new ArrayList<>();
        for (int left = in.readInt(); left > 0; left--) {
            String id = readText(in);
            Optional<String> instance = Optional.ofNullable(readText(in));
            Set<Uuid> subscribed = new HashSet<>();
            for (int count = in.readInt(); count > 0; count--)
                subscribed.add(ids.get(in.readInt()));
            members.add(new Member(id, instance, subscribed, readSet(in, ids), readSet(in, ids)));
        }
        return new Group(assignor, topics, members);
    }

    // ---- Apache Kafka's answer ----

    private Map<String, Map<Uuid, Set<Integer>>> ask(Group group) {
        Map<String, MemberSubscriptionAndAssignmentImpl> members = new HashMap<>();
        Map<Uuid, Map<Integer, String>> owners = new HashMap<>();
        for (Member member : group.members()) {
            members.put(member.id(), new MemberSubscriptionAndAssignmentImpl(Optional.empty(), member.instance(),
                member.topics(), new Assignment(Collections.unmodifiableMap(member.before()))));
            member.before().forEach((topic, partitions) -> partitions.forEach(partition ->
                owners.computeIfAbsent(topic, key -> new HashMap<>()).put(partition, member.id())));
        }
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
            @Override
            public int numPartitions(Uuid topic) {
                return group.topics().getOrDefault(topic, -1);
            }

            @Override
            public Set<String> racksForPartition(Uuid topic, int partition) {
                throw new IllegalStateException("racks are asked for");
            }
        };
        SubscriptionType type = group.isHomogeneous() ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS;
        Map<String, MemberAssignment> told = assignors.get(group.assignor())
            .assign(new GroupSpecImpl(members, type, owners), describer).members();
        Map<String, Map<Uuid, Set<Integer>>> answer = new HashMap<>();
        for (Member member : group.members()) {
            Map<Uuid, Set<Integer>> sets = new HashMap<>();
            if (told.containsKey(member.id()))
                told.get(member.id()).partitions().forEach((topic, set) -> sets.put(topic, new HashSet<>(set)));
            sets.values().removeIf(Set::isEmpty);
            answer.put(member.id(), sets);
        }
        return answer;
    }

    // ---- comparing ----

    private static int count(Map<Uuid, Set<Integer>> sets) {
        return sets.values().stream().mapToInt(Set::size).sum();
    }

    private static Sum sum(Group group, Map<String, Map<Uuid, Set<Integer>>> assignment) {
        Sum sum = new Sum();
        for (Member member : group.members()) {
            Map<Uuid, Set<Integer>> sets = assignment.get(member.id());
            int height = count(sets);
            sum.low = Math.min(sum.low, height);
            sum.high = Math.max(sum.high, height);
            sum.squares += (long) height * height;
            member.before().forEach((topic, partitions) ->
                sum.kept += (int) partitions.stream().filter(p -> sets.getOrDefault(topic, Set.of()).contains(p)).count());
        }
        return sum;
    }

    /** Every partition of a topic that somebody subscribes to has one owner, a subscriber. */
    private static String whatIsWrong(Group group) {
        Map<Uuid, Set<Integer>> seen = new HashMap<>();
        for (Member member : group.members()) {
            for (Map.Entry<Uuid, Set<Integer>> entry : member.after().entrySet()) {
                if (!member.topics().contains(entry.getKey()))
                    return "a member has partitions of a topic that it does not subscribe to";
                for (int partition : entry.getValue()) {
                    if (!seen.computeIfAbsent(entry.getKey(), key -> new HashSet<>()).add(partition))
                        return "a partition has two owners";
                }
            }
        }
        Set<Uuid> wanted = new HashSet<>();
        group.members().forEach(member -> wanted.addAll(member.topics()));
        for (Uuid topic : wanted) {
            if (seen.getOrDefault(topic, Set.of()).size() != group.topics().get(topic))
                return "a partition has no owner";
        }
        return "";
    }

    private String compare(Group group, boolean isHomogeneous, Map<String, Map<Uuid, Set<Integer>>> ours,
                           Map<String, Map<Uuid, Set<Integer>>> theirs) {
        if (group.assignor().equals("range"))
            return ours.equals(theirs) ? "" : "other ranges than Apache Kafka's";
        Sum our = sum(group, ours);
        Sum their = sum(group, theirs);
        (isHomogeneous ? equal : mixed).add(our, their);
        if (!isHomogeneous)
            return canBeBetter(group) ? "a move would make it more even" : "";
        if (our.high - our.low > 1)
            return "not even";
        if (our.kept < their.kept)
            return "moves more than Apache Kafka's: keeps " + our.kept + " and not " + their.kept;
        return "";
    }

    private static boolean canBeBetter(Group group) {
        for (Member from : group.members()) {
            for (Member to : group.members()) {
                if (count(from.after()) - count(to.after()) >= 2 && from.after().keySet().stream().anyMatch(to.topics()::contains))
                    return true;
            }
        }
        return false;
    }

    /** With mixed subscriptions both stop where no single move helps, and that is not always the same place. */
    private void judgeMixed() {
        boolean isGood = mixed.moreEven >= mixed.lessEven && mixed.ourKept * 100 >= mixed.theirKept * 98;
        passed += isGood ? 1 : 0;
        failed += isGood ? 0 : 1;
        if (!isGood)
            System.out.println("with mixed subscriptions Apache Kafka is better on the whole");
    }

    private void check(Group group, int number) {
        Map<String, Map<Uuid, Set<Integer>>> ours = new HashMap<>();
        group.members().forEach(member -> ours.put(member.id(), member.after()));
        String wrong = whatIsWrong(group);
        if (wrong.isEmpty())
            wrong = compare(group, group.isHomogeneous(), ours, ask(group));
        if (wrong.isEmpty()) {
            passed++;
            return;
        }
        if (++failed <= FAILURES_SHOWN)
            System.out.println("case " + number + ", " + group.assignor() + ": " + wrong);
    }

    private void run(String file) throws IOException {
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(new FileInputStream(file), 1 << 20))) {
            int count = in.readInt();
            for (int i = 0; i < count; i++)
                check(read(in), i);
        }
        equal.print("equal");
        mixed.print("mixed");
        judgeMixed();
        System.out.println(passed + " passed, " + failed + " failed");
    }

    public static void main(String[] arguments) throws IOException {
        AssignorCheck check = new AssignorCheck();
        check.run(arguments[0]);
        System.exit(check.failed == 0 ? 0 : 1);
    }
}
