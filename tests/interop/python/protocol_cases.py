"""Groups of the consumer protocol (KIP-848): the broker assigns, and keeps each member's epoch."""

from confluent_kafka import ConsumerGroupType, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, ResourceType
from suite import acknowledged, case, check, killed_beside, read, same, send, shared, wait



def quick_group(env):
    """A group whose members are asked often and missed soon, as far as the broker allows it."""
    group = env.unique()
    for name, value in (("consumer.heartbeat.interval.ms", "300"), ("consumer.session.timeout.ms", "6000")):
        entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ResourceType.GROUP, group, incremental_configs=[entry])
        try:
            env.admin.incremental_alter_configs([resource])[resource].result()
        except KafkaException as e:
            same("INVALID_CONFIG", e.args[0].name(), "refused")
    return group


def member(env, group, topic, **config):
    return env.member(group, topic, group_protocol="consumer", **config)


def leaves(env, consumer):
    env.consumers.remove(consumer)
    consumer.close()


def owned(consumer):
    return {(tp.topic, tp.partition) for tp in consumer.assignment()}


def described(env, group):
    return env.admin.describe_consumer_groups([group])[group].result()


@case("uniform", "range")
def protocol_members_come_and_go(env, assignor):
    topic = env.topic(6)
    group = quick_group(env)
    members = []
    for _ in range(3):
        members.append(member(env, group, topic, group_remote_assignor=assignor))
        shared(members, 6)
    for p in range(6):
        env.fill(topic, p, 10)
    same(60, len({(m.partition(), m.offset()) for m in read(members, 60)}), "different records")
    told = described(env, group)
    same((ConsumerGroupType.CONSUMER, assignor, 3), (told.type, told.partition_assignor, len(told.members)), "described")
    while len(members) > 1:
        leaves(env, members.pop(0))
        shared(members, 6)


@case()
def protocol_unknown_assignor(env):
    consumer = member(env, env.unique(), env.topic(), group_remote_assignor="none-such")

    def error():
        return next((m.error() for m in consumer.consume(10, timeout=0.1) if m.error() is not None), None)

    told = wait("an error", error)
    check("assignor" in told.str(), f"it names the assignor: {told.str()}")


@case()
def protocol_member_is_killed(env):
    topic = env.topic(4)
    group = quick_group(env)
    stays = member(env, group, topic)
    killed_beside(env, stays, group, topic, "group.protocol=consumer")


@case()
def protocol_static_member_returns(env):
    topic = env.topic(4)
    group = quick_group(env)
    first = member(env, group, topic, group_instance_id="first")
    second = member(env, group, topic, group_instance_id="second")
    shared([first, second], 4)
    before = owned(first), owned(second)
    leaves(env, second)
    again = member(env, group, topic, group_instance_id="second")
    shared([first, again], 4)
    same(before, (owned(first), owned(again)), "assignments")


@case()
def protocol_static_member_has_a_twin(env):
    topic = env.topic()
    group = quick_group(env)
    first = member(env, group, topic, group_instance_id="me")
    shared([first], 1)
    twin = member(env, group, topic, group_instance_id="me")

    def refused():
        first.consume(10, timeout=0.05)
        return next((m.error() for m in twin.consume(10, timeout=0.1) if m.error() is not None), None)

    check(wait("the twin is refused", refused).name() in ("UNRELEASED_INSTANCE_ID", "_FATAL"), "error")
    env.fill(topic, 0, 3)
    read([first], 3)


@case()
def protocol_pattern(env):
    name = env.unique()
    producer = env.producer()
    for suffix in ".one", ".two", "-other":
        acknowledged(producer, name + suffix, "v")
        env.wait_topic(name + suffix, 1)
    consumer = member(env, quick_group(env), "^" + name.replace(".", "\\.") + "\\.(one|t[a-z]+)$")
    same({name + ".one", name + ".two"}, {m.topic() for m in read([consumer], 2)}, "topics")
    acknowledged(producer, name + ".three", "v")  # which is seen when the pattern is resolved again
    same([name + ".three"], [m.topic() for m in read([consumer], 1)], "the new topic")


@case()
def protocol_bad_pattern(env):
    consumer = member(env, env.unique(), "^(a)\\1")  # the client takes it, RE2 does not

    def error():
        return next((m.error() for m in consumer.consume(10, timeout=0.1) if m.error() is not None), None)

    check(wait("an error", error).name() in ("INVALID_REGULAR_EXPRESSION", "_FATAL"), "error")


@case()
def protocol_new_partitions(env):
    topic = env.topic(2)
    members = [member(env, group := quick_group(env), topic), member(env, group, topic)]
    shared(members, 2)
    env.admin.create_partitions([NewPartitions(topic, 6)])[topic].result()
    shared(members, 6)


@case()
def protocol_commits_and_resumes(env):
    topic = env.topic(2)
    group = quick_group(env)
    env.fill(topic, 0, 100)
    first = member(env, group, topic)
    some = [wait("a record", lambda: first.poll(0.2)) for _ in range(30)]
    first.commit(message=some[-1], asynchronous=False)
    first.commit(offsets=[TopicPartition(topic, 1, 7, "seven ü")], asynchronous=False)
    kept = first.committed([TopicPartition(topic, p) for p in range(2)], timeout=10)
    same([(30, ""), (7, "seven ü")], [(tp.offset, tp.metadata or "") for tp in kept], "committed")
    leaves(env, first)
    env.fill(topic, 1, 9)
    second = member(env, group, topic)
    firsts = {}
    for message in read([second], 72):
        firsts.setdefault(message.partition(), message.offset())
    same({0: 30, 1: 7}, firsts, "first offsets")


@case()
def protocol_auto_commit_by_closing(env):
    topic = env.topic()
    group = quick_group(env)
    env.fill(topic, 0, 20)
    consumer = member(env, group, topic, enable_auto_commit=True)
    read([consumer], 20)
    leaves(env, consumer)
    same(20, env.consumer(group_id=group).committed([TopicPartition(topic, 0)], timeout=10)[0].offset, "committed offset")


@case()
def protocol_seeks_and_pauses(env):
    topic = env.topic()
    env.fill(topic, 0, 100)
    consumer = member(env, quick_group(env), topic)
    read([consumer], 100)
    for offset in 50, 0, 99:
        consumer.seek(TopicPartition(topic, 0, offset))
        same(offset, read([consumer], 100 - offset)[0].offset(), "first offset")
    consumer.pause([TopicPartition(topic, 0)])
    env.fill(topic, 0, 1, first=100)
    same([], consumer.consume(1, timeout=1), "records while it is paused")
    consumer.resume([TopicPartition(topic, 0)])
    same(b"v100", read([consumer], 1)[0].value(), "value")


@case()
def protocol_strangers_commit_is_refused(env):
    topic = env.topic()
    group = quick_group(env)
    shared([member(env, group, topic)], 1)
    stranger = env.consumer(group_id=group)
    try:
        stranger.commit(offsets=[TopicPartition(topic, 0, 5)], asynchronous=False)
        check(False, "a group with members takes no stranger's offsets")
    except KafkaException as e:
        check(e.args[0].name() in ("UNKNOWN_MEMBER_ID", "STALE_MEMBER_EPOCH"), f"error {e}")


@case()
def protocol_moves_offsets_in_transactions(env):
    source, target = env.topic(), env.topic()
    env.fill(source, 0, 10)
    group = quick_group(env)
    consumer = member(env, group, source)
    messages = read([consumer], 10)
    producer = env.producer(transactional_id=env.unique())
    producer.init_transactions(60)
    producer.begin_transaction()
    for message in messages:
        send(producer, target, message.value())
    producer.send_offsets_to_transaction([TopicPartition(source, 0, 10)], consumer.consumer_group_metadata(), 60)
    producer.commit_transaction(60)
    same(10, consumer.committed([TopicPartition(source, 0)], timeout=60)[0].offset, "committed offset")
    stale = consumer.consumer_group_metadata()
    consumer.unsubscribe()
    wait("the member's leave", lambda: not described(env, group).members)
    producer.begin_transaction()
    send(producer, target, "zombie")
    try:
        producer.send_offsets_to_transaction([TopicPartition(source, 0, 3)], stale, 60)
        check(False, "the offsets of a member that left are refused")
    except KafkaException as e:
        check(e.args[0].txn_requires_abort(), f"refused: {e}")
    producer.abort_transaction(60)
    values = [m.value() for m in env.read_all(target, 0, 10, isolation_level="read_committed")]
    same([f"v{i}".encode() for i in range(10)], values, "each record once, in order")


@case()
def protocol_changes_while_it_is_used(env):
    """A classic group becomes one of the consumer protocol, member by member, and goes back."""
    topic = env.topic(4)
    group = quick_group(env)
    members = [env.member(group, topic, partition_assignment_strategy="range") for _ in range(2)]
    shared(members, 4)
    for protocol in "consumer", "classic":
        for _ in range(2):
            members.append(member(env, group, topic) if protocol == "consumer" else
                           env.member(group, topic, partition_assignment_strategy="range"))
            leaves(env, members.pop(0))
            shared(members, 4)
        want = ConsumerGroupType.CONSUMER if protocol == "consumer" else ConsumerGroupType.CLASSIC
        same(want, described(env, group).type, "type")
        listed = env.admin.list_consumer_groups(types={want}).result().valid
        check(group in {one.group_id for one in listed}, "it is listed by its type")
