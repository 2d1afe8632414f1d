import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DeletedRecords;
import org.apache.kafka.clients.admin.DescribeClusterOptions;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** Records, offsets, groups, producers, the cluster, its disks and its quorum, as an operator sees them. */
final class AdminCases {
    static void add(Suite suite) {
        suite.add("admin_delete_records", AdminCases::deleteRecords);
        suite.add("admin_list_offsets", AdminCases::listOffsets);
        suite.add("admin_groups_listed", AdminCases::groupsListed);
        suite.add("admin_group_deleted", AdminCases::groupDeleted);
        suite.add("admin_group_offsets", AdminCases::groupOffsets);
        suite.add("admin_group_offsets_in_use", AdminCases::groupOffsetsInUse);
        suite.add("admin_cluster", AdminCases::cluster);
        suite.add("admin_log_dirs", AdminCases::logDirs);
        suite.add("admin_producers", AdminCases::producers);
        suite.add("admin_quorum", AdminCases::quorum);
        suite.add("admin_features", AdminCases::features);
    }

    private static TopicPartition tp(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    private static void deleteRecords(Env env) throws Exception {
        Admin admin = env.admin();
        String topic = env.topic(2);
        env.fill(topic, 0, 50);
        env.fill(topic, 1, 50);
        var deleted = admin.deleteRecords(Map.of(tp(topic, 0), RecordsToDelete.beforeOffset(10),
            tp(topic, 1), RecordsToDelete.beforeOffset(-1)));
        DeletedRecords some = deleted.lowWatermarks().get(tp(topic, 0)).get();
        Suite.same(10L, some.lowWatermark(), "low watermark");
        Suite.same(50L, deleted.lowWatermarks().get(tp(topic, 1)).get().lowWatermark(), "low watermark, all deleted");
        Suite.same(10L, admin.deleteRecords(Map.of(tp(topic, 0), RecordsToDelete.beforeOffset(3)))
            .lowWatermarks().get(tp(topic, 0)).get().lowWatermark(), "low watermark never goes back");
        Suite.fails(OffsetOutOfRangeException.class,
            e -> admin.deleteRecords(Map.of(tp(topic, 0), RecordsToDelete.beforeOffset(51))).all().get());
        Suite.same("v10", env.readAll(topic, 0, 40).get(0).value(), "first value");
        env.fill(topic, 1, 1);
        Suite.same(50L, env.readAll(topic, 1, 1).get(0).offset(), "offset after all were deleted");
    }

    private static ListOffsetsResultInfo list(Env env, TopicPartition tp, OffsetSpec spec) throws Exception {
        return env.admin().listOffsets(Map.of(tp, spec)).partitionResult(tp).get();
    }

    private static void listOffsets(Env env) throws Exception {
        String topic = env.topicForAges(1);
        TopicPartition tp = tp(topic, 0);
        Suite.same(-1L, list(env, tp, OffsetSpec.maxTimestamp()).offset(), "offset of the latest time, while empty");
        long[] times = { 1000, 3000, 2000, 2500 };
        var producer = env.producer();
        for (long time : times)
            producer.send(new ProducerRecord<>(topic, 0, time, "k", "v")).get();
        env.admin().deleteRecords(Map.of(tp, RecordsToDelete.beforeOffset(1))).all().get();
        Suite.same(1L, list(env, tp, OffsetSpec.earliest()).offset(), "earliest");
        Suite.same(4L, list(env, tp, OffsetSpec.latest()).offset(), "latest");
        Suite.same(1L, list(env, tp, OffsetSpec.earliestLocal()).offset(), "earliest local");
        Suite.same(-1L, list(env, tp, OffsetSpec.latestTiered()).offset(), "latest tiered");
        Suite.same(1L, list(env, tp, OffsetSpec.maxTimestamp()).offset(), "offset of the latest time");
        Suite.same(3000L, list(env, tp, OffsetSpec.maxTimestamp()).timestamp(), "the latest time");
        Suite.same(1L, list(env, tp, OffsetSpec.forTimestamp(2000)).offset(), "offset at time 2000");
        Suite.same(-1L, list(env, tp, OffsetSpec.forTimestamp(3001)).offset(), "offset after the latest time");
    }

    private static void groupsListed(Env env) throws Exception {
        String topic = env.topic(1);
        String live = env.unique();
        String idle = env.unique();
        var member = env.member(live);
        member.subscribe(List.of(topic));
        GroupCases.awaitShared(List.of(member), 1);
        env.admin().alterConsumerGroupOffsets(idle, Map.of(tp(topic, 0), new OffsetAndMetadata(1))).all().get();
        Map<String, GroupListing> all = new HashMap<>();
        for (GroupListing g : env.admin().listGroups().all().get())
            all.put(g.groupId(), g);
        Suite.same(GroupState.STABLE, all.get(live).groupState().get(), "state of the one with a member");
        Suite.same(GroupType.CLASSIC, all.get(live).type().get(), "type");
        Suite.same("consumer", all.get(live).protocol(), "protocol");
        Suite.same(GroupState.EMPTY, all.get(idle).groupState().get(), "state of the one without");
        var empty = env.admin().listGroups(new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY))).all().get()
            .stream().map(GroupListing::groupId).toList();
        Suite.check(empty.contains(idle) && !empty.contains(live), "filtered by state");
        var consumer_type = env.admin().listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all()
            .get().stream().map(GroupListing::groupId).toList();
        Suite.check(!consumer_type.contains(live), "filtered by type");
    }

    private static void groupDeleted(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        var member = env.member(group);
        member.subscribe(List.of(topic));
        GroupCases.awaitShared(List.of(member), 1);
        Suite.fails(GroupNotEmptyException.class, e -> env.admin().deleteConsumerGroups(List.of(group)).all().get());
        member.commitSync(Map.of(tp(topic, 0), new OffsetAndMetadata(1)));
        member.close();
        env.admin().deleteConsumerGroups(List.of(group)).all().get();
        Suite.fails(GroupIdNotFoundException.class, e -> env.admin().deleteConsumerGroups(List.of(group)).all().get());
        Suite.same(Map.of(), env.admin().listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get(), "offsets");
    }

    private static void groupOffsets(Env env) throws Exception {
        Admin admin = env.admin();
        String topic = env.topic(3);
        String group = env.unique();
        admin.alterConsumerGroupOffsets(group, Map.of(tp(topic, 0), new OffsetAndMetadata(5, "five"),
            tp(topic, 1), new OffsetAndMetadata(6))).all().get();
        var offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Suite.same(2, offsets.size(), "offsets");
        Suite.same(new OffsetAndMetadata(5, "five"), offsets.get(tp(topic, 0)), "offset of partition 0");
        admin.deleteConsumerGroupOffsets(group, Set.of(tp(topic, 0))).all().get();
        offsets = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Suite.same(Set.of(tp(topic, 1)), offsets.keySet(), "partitions left");
        Suite.fails(UnknownTopicOrPartitionException.class, e -> admin.alterConsumerGroupOffsets(group,
            Map.of(tp(env.unique(), 0), new OffsetAndMetadata(5))).all().get());
        Suite.fails(GroupIdNotFoundException.class,
            e -> admin.deleteConsumerGroupOffsets(env.unique(), Set.of(tp(topic, 0))).all().get());
    }

    private static void groupOffsetsInUse(Env env) throws Exception {
        String topic = env.topic(1);
        String group = env.unique();
        var member = env.member(group);
        member.subscribe(List.of(topic));
        GroupCases.awaitShared(List.of(member), 1);
        member.commitSync(Map.of(tp(topic, 0), new OffsetAndMetadata(1)));
        Suite.fails(GroupSubscribedToTopicException.class, e -> env.admin().deleteConsumerGroupOffsets(group,
            Set.of(tp(topic, 0))).partitionResult(tp(topic, 0)).get());
        Suite.fails(UnknownMemberIdException.class, e -> env.admin().alterConsumerGroupOffsets(group,
            Map.of(tp(topic, 0), new OffsetAndMetadata(0))).all().get());
    }

    private static void cluster(Env env) throws Exception {
        var cluster = env.admin().describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
        Suite.same(22, cluster.clusterId().get().length(), "length of the cluster id");
        Suite.same(1, cluster.nodes().get().size(), "nodes");
        Suite.check(cluster.nodes().get().contains(cluster.controller().get()), "the controller is a node");
        Suite.check(!cluster.nodes().get().iterator().next().isFenced(), "not fenced");
    }

    private static void logDirs(Env env) throws Exception {
        String topic = env.topic(2);
        env.fill(topic, 1, 100);
        int node = env.admin().describeCluster().nodes().get().iterator().next().id();
        var dirs = env.admin().describeLogDirs(List.of(node)).allDescriptions().get().get(node);
        Suite.check(!dirs.isEmpty(), "a directory");
        long size = -1;
        for (var dir : dirs.values()) {
            Suite.same(null, dir.error(), "error");
            Suite.check(dir.totalBytes().getAsLong() >= dir.usableBytes().getAsLong(), "bytes in all and usable");
            Suite.check(dir.usableBytes().getAsLong() > 0, "usable bytes");
            var info = dir.replicaInfos().get(tp(topic, 1));
            if (info != null) {
                size = info.size();
                Suite.same(0L, info.offsetLag(), "lag");
                Suite.check(!info.isFuture(), "not a future replica");
            }
        }
        Suite.check(size > 100, "size of the partition is " + size);
        var replica = new org.apache.kafka.common.TopicPartitionReplica(topic, 1, node);
        var info = env.admin().describeReplicaLogDirs(List.of(replica)).all().get().get(replica);
        Suite.check(dirs.containsKey(info.getCurrentReplicaLogDir()), "directory of the replica");
    }

    private static void producers(Env env) throws Exception {
        String topic = env.topic(1);
        var producer = env.producer("enable.idempotence", "true");
        for (int i = 0; i < 3; i++)
            producer.send(new ProducerRecord<>(topic, "k", "v")).get();
        var states = env.admin().describeProducers(List.of(tp(topic, 0))).partitionResult(tp(topic, 0)).get()
            .activeProducers();
        Suite.same(1, states.size(), "producers");
        Suite.same(2, states.get(0).lastSequence(), "last sequence");
        Suite.same(0, states.get(0).producerEpoch(), "epoch");
        Suite.check(states.get(0).currentTransactionStartOffset().isEmpty(), "no transaction");
    }

    private static void quorum(Env env) throws Exception {
        var quorum = env.admin().describeMetadataQuorum().quorumInfo().get();
        Suite.same(1, quorum.voters().size(), "voters");
        Suite.same(quorum.leaderId(), quorum.voters().get(0).replicaId(), "the leader is the voter");
        Suite.check(quorum.leaderEpoch() > 0, "epoch");
        Suite.check(quorum.highWatermark() > 0, "high watermark");
        Suite.check(quorum.voters().get(0).logEndOffset() >= quorum.highWatermark(), "log end");
        Suite.same(1, quorum.nodes().size(), "nodes");
    }

    private static void features(Env env) throws Exception {
        var features = env.admin().describeFeatures().featureMetadata().get();
        Suite.check(features.finalizedFeatures().containsKey("metadata.version"), "metadata.version is finalized");
        Suite.check(features.supportedFeatures().containsKey("metadata.version"), "metadata.version is supported");
    }
}
