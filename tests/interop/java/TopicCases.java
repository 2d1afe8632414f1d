import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.CreatePartitionsOptions;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.UnsupportedVersionException;

/** Topics made, described, grown and deleted. */
final class TopicCases {
    static void add(Suite suite) {
        suite.add("topics_create_answers_what_was_made", TopicCases::createAnswers);
        suite.add("topics_create_refusals", TopicCases::createRefusals);
        suite.add("topics_create_validate_only", TopicCases::validateOnly);
        suite.add("topics_create_with_assignment", TopicCases::assignment);
        suite.add("topics_create_fifty", TopicCases::fifty);
        suite.add("topics_describe_by_name_and_id", TopicCases::describe);
        suite.add("topics_delete_by_name", TopicCases::deleteByName);
        suite.add("topics_delete_by_id", TopicCases::deleteById);
        suite.add("topics_made_again_are_new", TopicCases::madeAgain);
        suite.add("topics_partitions_added", TopicCases::partitions);
        suite.add("topics_names_that_collide", TopicCases::collide);
    }

    private static NewTopic plain(String name, int partitions, int replicas) {
        return new NewTopic(name, partitions, (short) replicas);
    }

    private static void create(Env env, NewTopic topic) throws Exception {
        env.admin().createTopics(List.of(topic)).all().get();
    }

    private static void createAnswers(Env env) throws Exception {
        String topic = env.unique();
        var made = env.admin().createTopics(List.of(plain(topic, 3, 1).configs(Map.of("retention.ms", "3600000"))));
        Suite.same(3, made.numPartitions(topic).get(), "partitions");
        Suite.same(1, made.replicationFactor(topic).get(), "replication factor");
        Suite.same("3600000", made.config(topic).get().get("retention.ms").value(), "the setting given");
        Suite.same("delete", made.config(topic).get().get("cleanup.policy").value(), "a default");
        Uuid id = made.topicId(topic).get();
        env.awaitTopic(topic, 3);
        Suite.same(id, one(env, topic).topicId(), "id");
    }

    private static TopicDescription one(Env env, String topic) throws Exception {
        return env.admin().describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    private static void createRefusals(Env env) throws Exception {
        String topic = env.topic(1);
        Suite.fails(TopicExistsException.class, e -> create(env, plain(topic, 1, 1)));
        Suite.fails(InvalidTopicException.class, e -> create(env, plain("with space", 1, 1)));
        Suite.fails(InvalidTopicException.class, e -> create(env, plain("..", 1, 1)));
        Suite.fails(InvalidTopicException.class, e -> create(env, plain("x".repeat(250), 1, 1)));
        Suite.fails(InvalidPartitionsException.class, e -> create(env, plain(env.unique(), 0, 1)));
        Suite.fails(InvalidPartitionsException.class, e -> create(env, plain(env.unique(), -5, 1)));
        Suite.fails(InvalidReplicationFactorException.class, e -> create(env, plain(env.unique(), 1, 0)));
        Suite.fails(InvalidReplicationFactorException.class, e -> create(env, plain(env.unique(), 1, 20)));
        Suite.fails(InvalidConfigurationException.class,
            e -> create(env, plain(env.unique(), 1, 1).configs(Map.of("no.such.setting", "1"))));
        Suite.fails(InvalidConfigurationException.class,
            e -> create(env, plain(env.unique(), 1, 1).configs(Map.of("retention.ms", "soon"))));
        Suite.fails(InvalidReplicaAssignmentException.class,
            e -> create(env, new NewTopic(env.unique(), Map.of(0, List.of(77)))));
        // One bad topic does not harm the others of its request.
        String good = env.unique();
        var both = env.admin().createTopics(List.of(plain(good, 1, 1), plain(env.unique(), 1, 20)));
        both.values().get(good).get();
        env.awaitTopic(good, 1);
    }

    private static void validateOnly(Env env) throws Exception {
        String topic = env.unique();
        var options = new CreateTopicsOptions().validateOnly(true);
        env.admin().createTopics(List.of(plain(topic, 2, 1)), options).all().get();
        Suite.fails(InvalidReplicationFactorException.class,
            e -> env.admin().createTopics(List.of(plain(topic, 2, 30)), options).all().get());
        Suite.fails(UnknownTopicOrPartitionException.class, e -> one(env, topic));
    }

    private static void assignment(Env env) throws Exception {
        int node = env.admin().describeCluster().nodes().get().iterator().next().id();
        String topic = env.unique();
        create(env, new NewTopic(topic, Map.of(0, List.of(node), 1, List.of(node))));
        env.awaitTopic(topic, 2);
        Suite.same(node, one(env, topic).partitions().get(1).leader().id(), "leader");
        Suite.fails(InvalidReplicaAssignmentException.class,
            e -> create(env, new NewTopic(env.unique(), Map.of(0, List.of(node), 2, List.of(node)))));
        Suite.fails(InvalidReplicaAssignmentException.class,
            e -> create(env, new NewTopic(env.unique(), Map.of(0, List.of(node, node)))));
    }

    /** More than fit in one page of the description, when pages are small. */
    private static void fifty(Env env) throws Exception {
        List<NewTopic> topics = new ArrayList<>();
        List<String> names = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            names.add(env.unique());
            topics.add(plain(names.get(i), 2, 1));
        }
        env.admin().createTopics(topics).all().get();
        env.awaitTopic(names.get(49), 2);
        var described = env.admin().describeTopics(names, new DescribeTopicsOptions().partitionSizeLimitPerResponse(7))
            .allTopicNames().get();
        Suite.same(50, described.size(), "topics described");
        for (TopicDescription d : described.values())
            Suite.same(2, d.partitions().size(), "partitions of " + d.name());
        Suite.check(env.admin().listTopics().names().get().containsAll(names), "all are listed");
        env.admin().deleteTopics(names).all().get();
    }

    private static void describe(Env env) throws Exception {
        String topic = env.topic(2);
        TopicDescription by_name = one(env, topic);
        Suite.same(topic, by_name.name(), "name");
        Suite.check(!by_name.isInternal(), "not internal");
        Suite.same(0, by_name.partitions().get(0).partition(), "first partition");
        Suite.same(by_name.partitions().get(0).replicas(), by_name.partitions().get(0).isr(), "in-sync replicas");
        Uuid id = by_name.topicId();
        TopicDescription by_id = env.admin().describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get()
            .get(id);
        Suite.same(topic, by_id.name(), "name by id");
        Suite.same(by_name.partitions().get(1).isr(), by_id.partitions().get(1).isr(), "in-sync replicas by id");
        Suite.fails(UnknownTopicOrPartitionException.class, e -> one(env, env.unique()));
        Suite.fails(UnknownTopicIdException.class, e -> env.admin().describeTopics(
            TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()))).allTopicIds().get());
        Suite.fails(InvalidTopicException.class, e -> one(env, "a name with spaces"));
        var listed = env.admin().listTopics(new ListTopicsOptions().listInternal(true)).namesToListings().get();
        Suite.same(id, listed.get(topic).topicId(), "id in the list");
    }

    private static void awaitGone(Env env, String topic) throws Exception {
        Suite.await("topic is gone", () -> !env.admin().listTopics().names().get().contains(topic));
    }

    private static void deleteByName(Env env) throws Exception {
        String topic = env.topic(2);
        env.fill(topic, 1, 5);
        env.admin().deleteTopics(List.of(topic)).all().get();
        awaitGone(env, topic);
        Suite.fails(UnknownTopicOrPartitionException.class, e -> env.admin().deleteTopics(List.of(topic)).all().get());
    }

    private static void deleteById(Env env) throws Exception {
        String topic = env.topic(1);
        var id = TopicCollection.ofTopicIds(List.of(one(env, topic).topicId()));
        env.admin().deleteTopics(id).all().get();
        awaitGone(env, topic);
        Suite.fails(UnknownTopicIdException.class, e -> env.admin().deleteTopics(id).all().get());
    }

    private static void madeAgain(Env env) throws Exception {
        String topic = env.topic(1);
        env.fill(topic, 0, 5);
        Uuid before = one(env, topic).topicId();
        env.admin().deleteTopics(List.of(topic)).all().get();
        awaitGone(env, topic);
        create(env, plain(topic, 2, 1));
        env.awaitTopic(topic, 2);
        Suite.check(!one(env, topic).topicId().equals(before), "another id");
        env.fill(topic, 0, 2);
        Suite.same(2, env.readAll(topic, 0, 2).size(), "records of the new topic only");
    }

    private static void partitions(Env env) throws Exception {
        Admin admin = env.admin();
        String topic = env.topic(2);
        int node = one(env, topic).partitions().get(0).leader().id();
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3)),
            new CreatePartitionsOptions().validateOnly(true)).all().get();
        Suite.same(2, one(env, topic).partitions().size(), "partitions after validation only");
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4, List.of(List.of(node), List.of(node))))).all().get();
        env.awaitTopic(topic, 4);
        env.fill(topic, 3, 3);
        Suite.fails(InvalidPartitionsException.class,
            e -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get());
        Suite.fails(InvalidPartitionsException.class,
            e -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(1))).all().get());
        Suite.fails(InvalidReplicaAssignmentException.class,
            e -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5, List.of(List.of(99))))).all().get());
        Suite.fails(UnknownTopicOrPartitionException.class,
            e -> admin.createPartitions(Map.of(env.unique(), NewPartitions.increaseTo(5))).all().get());
    }

    /** A dot and an underscore are one and the same in names of metrics. */
    private static void collide(Env env) throws Exception {
        String topic = env.topic(1);
        Suite.fails(InvalidTopicException.class, e -> create(env, plain(topic.replaceFirst("\\.", "_"), 1, 1)));
    }
}
