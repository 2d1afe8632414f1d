"""Admin calls of librdkafka."""

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)
from suite import case, check, fails, same, shared, wait


def result(futures):
    """Of a call on one thing."""
    (future,) = futures.values()
    return future.result()


def describe(env, kind, name):
    return result(env.admin.describe_configs([ConfigResource(kind, name)]))


def alter(env, kind, name, *ops):
    entries = [ConfigEntry(k, v, incremental_operation=op) for k, v, op in ops]
    return result(env.admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=entries)]))


@case()
def admin_topics(env):
    topic = env.topic(3, retention_ms=3_600_000)
    described = result(env.admin.describe_topics(TopicCollection([topic])))
    same(3, len(described.partitions), "partitions")
    same([1], sorted({len(p.isr) for p in described.partitions}), "in-sync replicas")
    listed = env.admin.list_topics(timeout=10).topics[topic]
    same({0, 1, 2}, set(listed.partitions), "partitions in the list")
    result(env.admin.create_partitions([NewPartitions(topic, 5)]))
    env.wait_topic(topic, 5)
    fails(KafkaError.INVALID_PARTITIONS, lambda: result(env.admin.create_partitions([NewPartitions(topic, 2)])))
    result(env.admin.delete_topics([topic]))
    wait("the topic is gone", lambda: topic not in env.admin.list_topics(timeout=10).topics)
    fails(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: result(env.admin.delete_topics([topic])))


@case()
def admin_topic_refusals(env):
    def create(name, **more):
        return lambda: result(env.admin.create_topics([NewTopic(name, **more)]))

    fails(KafkaError.TOPIC_ALREADY_EXISTS, create(env.topic(), num_partitions=1))
    fails(KafkaError.TOPIC_EXCEPTION, create("no spaces", num_partitions=1))
    fails(KafkaError.INVALID_PARTITIONS, create(env.unique(), num_partitions=0))
    fails(KafkaError.INVALID_REPLICATION_FACTOR, create(env.unique(), num_partitions=1, replication_factor=9))
    fails(KafkaError.INVALID_CONFIG, create(env.unique(), num_partitions=1, config={"no.such": "1"}))
    fails(KafkaError.INVALID_REPLICA_ASSIGNMENT,
          create(env.unique(), num_partitions=1, replica_assignment=[[77]]))
    valid = env.unique()
    result(env.admin.create_topics([NewTopic(valid, num_partitions=1)], validate_only=True))
    check(valid not in env.admin.list_topics(timeout=10).topics, "only validated")


@case()
def admin_topic_configs(env):
    topic = env.topic()
    kind = ResourceType.TOPIC
    alter(env, kind, topic, ("retention.ms", "1234567", AlterConfigOpType.SET),
          ("cleanup.policy", "compact", AlterConfigOpType.APPEND))
    wait("retention.ms", lambda: describe(env, kind, topic)["retention.ms"].value == "1234567")
    same("delete,compact", describe(env, kind, topic)["cleanup.policy"].value, "cleanup.policy")
    alter(env, kind, topic, ("retention.ms", None, AlterConfigOpType.DELETE),
          ("cleanup.policy", "delete", AlterConfigOpType.SUBTRACT))
    wait("retention.ms", lambda: describe(env, kind, topic)["retention.ms"].value == "604800000")
    same("compact", describe(env, kind, topic)["cleanup.policy"].value, "cleanup.policy")
    fails(KafkaError.INVALID_CONFIG, lambda: alter(env, kind, topic, ("no.such", "1", AlterConfigOpType.SET)))
    fails(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: describe(env, kind, env.unique()))


@case()
def admin_topic_configs_replaced(env):
    """AlterConfigs replaces all settings: what is not named falls back to its default."""
    topic = env.topic(segment_ms=777777)
    resource = ConfigResource(ResourceType.TOPIC, topic, set_config={"retention.ms": "1234567"})
    result(env.admin.alter_configs([resource]))
    wait("retention.ms", lambda: describe(env, ResourceType.TOPIC, topic)["retention.ms"].value == "1234567")
    same("604800000", describe(env, ResourceType.TOPIC, topic)["segment.ms"].value, "segment.ms")


@case()
def admin_broker_configs(env):
    broker = next(iter(env.admin.list_topics(timeout=10).brokers))
    configs = describe(env, ResourceType.BROKER, str(broker))
    same("1048588", configs["message.max.bytes"].value, "message.max.bytes")
    check(configs["log.dirs"].is_read_only, "log.dirs is read-only")
    check(configs["ssl.keystore.password"].is_sensitive, "passwords are sensitive")


@case()
def admin_delete_records(env):
    topic = env.topic()
    env.fill(topic, 0, 50)

    def delete(offset):
        return result(env.admin.delete_records([TopicPartition(topic, 0, offset)]))

    same(10, delete(10).low_watermark, "low watermark")
    fails(KafkaError.OFFSET_OUT_OF_RANGE, lambda: delete(51))
    same(50, delete(-1).low_watermark, "low watermark of all")


@case()
def admin_list_offsets(env):
    topic = env.topic()
    env.fill(topic, 0, 5)
    tp = TopicPartition(topic, 0)

    def offset(spec):
        return result(env.admin.list_offsets({tp: spec}, isolation_level=IsolationLevel.READ_COMMITTED)).offset

    same(0, offset(OffsetSpec.earliest()), "earliest")
    same(5, offset(OffsetSpec.latest()), "latest")
    check(0 <= offset(OffsetSpec.max_timestamp()) < 5, "of the latest time")
    same(0, offset(OffsetSpec.for_timestamp(1)), "at a time")


@case()
def admin_groups(env):
    topic = env.topic(2)
    group = env.unique()
    member = env.member(group, topic, client_id="the-client")
    shared([member], 2)
    described = result(env.admin.describe_consumer_groups([group]))
    same("STABLE", described.state.name, "state")
    same("range", described.partition_assignor, "assignor")
    same(["the-client"], [m.client_id for m in described.members], "client ids")
    same(2, len(described.members[0].assignment.topic_partitions), "assignment")
    check(group in [g.group_id for g in env.admin.list_consumer_groups().result().valid], "listed")
    fails(KafkaError.NON_EMPTY_GROUP, lambda: result(env.admin.delete_consumer_groups([group])))
    env.consumers.remove(member)
    member.close()
    result(env.admin.delete_consumer_groups([group]))
    fails(KafkaError.GROUP_ID_NOT_FOUND, lambda: result(env.admin.delete_consumer_groups([group])))


@case()
def admin_group_offsets(env):
    topic = env.topic(2)
    group = env.unique()
    offsets = [TopicPartition(topic, 0, 5), TopicPartition(topic, 1, 6)]

    def altered():
        """On a new node this may be the first group of all; librdkafka leaves it to us to ask again while that loads."""
        answer = result(env.admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, offsets)]))
        errors = {tp.error.code() for tp in answer.topic_partitions if tp.error is not None}
        same(set(), errors - {KafkaError.COORDINATOR_LOAD_IN_PROGRESS}, "errors")
        return not errors

    wait("offsets are taken", altered)
    listed = result(env.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
    same([(0, 5), (1, 6)], sorted((tp.partition, tp.offset) for tp in listed.topic_partitions), "offsets")


@case()
def admin_cluster(env):
    cluster = env.admin.describe_cluster().result()
    same(22, len(cluster.cluster_id), "length of the cluster id")
    same(1, len(cluster.nodes), "nodes")
    same(cluster.nodes[0].id, cluster.controller.id, "controller")
