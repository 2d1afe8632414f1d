"""Reading by offset and by time, and as a member of a group."""

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, KafkaError, KafkaException, TopicPartition
from suite import acknowledged, case, check, fails, finish, killed_beside, read, same, send, shared, wait


@case()
def consume_seeks(env):
    topic = env.topic()
    env.fill(topic, 0, 300)
    consumer = env.consumer()
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    read([consumer], 300)
    for offset in 250, 0, 299, 17:
        consumer.seek(TopicPartition(topic, 0, offset))
        messages = read([consumer], 300 - offset)
        same((offset, f"v{offset}".encode()), (messages[0].offset(), messages[0].value()), "first record")
    consumer.seek(TopicPartition(topic, 0, 300))
    env.fill(topic, 0, 1, first=300)
    same(b"v300", read([consumer], 1)[0].value(), "value after the end")


@case()
def consume_offsets_for_times(env):
    topic = env.topic(2, retention_ms=-1)  # its records are too old for the default
    producer = env.producer(linger_ms=20)
    for i in range(100):
        send(producer, topic, f"v{i}", partition=0, timestamp=1_000_000 + i * 10)
    finish(producer)
    consumer = env.consumer()
    for time_ms, want in (1, 0), (1_000_000, 0), (1_000_001, 1), (1_000_500, 50), (1_000_990, 99), (1_000_991, OFFSET_END):
        asked = [TopicPartition(topic, 0, time_ms), TopicPartition(topic, 1, time_ms)]
        found = consumer.offsets_for_times(asked, timeout=10)
        same([want, OFFSET_END], [tp.offset for tp in found], f"offsets at time {time_ms}")


@case()
def consume_watermarks(env):
    topic = env.topic()
    env.fill(topic, 0, 10)
    env.admin.delete_records([TopicPartition(topic, 0, 4)])[TopicPartition(topic, 0, 4)].result()
    same((4, 10), env.consumer().get_watermark_offsets(TopicPartition(topic, 0), timeout=10), "watermarks")


@case()
def consume_reset_latest(env):
    topic = env.topic()
    env.fill(topic, 0, 10)
    consumer = env.member(env.unique(), topic, auto_offset_reset="latest")
    shared([consumer], 1)
    # The position is found some time after the assignment.
    count = [0]

    def arrived():
        env.fill(topic, 0, 1, first=10 + count[0])
        count[0] += 1
        return consumer.consume(1, timeout=0.5)

    check(wait("a new record", arrived)[0].offset() >= 10, "only new records")


@case()
def consume_reset_error(env):
    topic = env.topic()
    env.fill(topic, 0, 10)
    consumer = env.consumer(auto_offset_reset="error")
    consumer.assign([TopicPartition(topic, 0, 1000)])
    fails(KafkaError._AUTO_OFFSET_RESET, lambda: read([consumer], 1))


@case()
def consume_end_of_partition(env):
    topic = env.topic()
    env.fill(topic, 0, 5)
    consumer = env.consumer(enable_partition_eof=True)
    consumer.assign([TopicPartition(topic, 0, 0)])

    def at_end():
        message = consumer.poll(0.1)
        return message is not None and message.error() is not None and message

    message = wait("the end", at_end)
    same(KafkaError._PARTITION_EOF, message.error().code(), "error")
    same(5, message.offset(), "offset of the end")


@case()
def consume_small_fetches(env):
    topic = env.topic(3)
    for p in range(3):
        producer = env.producer(batch_num_messages=1)
        for i in range(20):
            send(producer, topic, f"v{i}" * 500, partition=p)
        finish(producer)
    consumer = env.consumer(fetch_message_max_bytes=1000, fetch_max_bytes=1100, max_partition_fetch_bytes=1000,
                            message_max_bytes=1000)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(3)])
    seen = {(m.partition(), m.offset()) for m in read([consumer], 60)}
    same(60, len(seen), "different records")


@case("range", "roundrobin", "cooperative-sticky")
def group_members_come_and_go(env, assignor):
    topic = env.topic(6)
    group = env.unique()
    members = []
    for _ in range(3):
        members.append(env.member(group, topic, partition_assignment_strategy=assignor))
        shared(members, 6)
    for p in range(6):
        env.fill(topic, p, 10)
    same(60, len({(m.partition(), m.offset()) for m in read(members, 60)}), "different records")
    while len(members) > 1:
        member = members.pop(0)
        env.consumers.remove(member)
        member.close()
        shared(members, 6)


@case()
def group_member_is_killed(env):
    topic = env.topic(4)
    group = env.unique()
    stays = env.member(group, topic)
    killed_beside(env, stays, group, topic)


@case()
def group_static_member_restarts_unnoticed(env):
    topic = env.topic(4)
    group = env.unique()
    revoked = []
    first = env.member(group, topic, group_instance_id="first", session_timeout_ms=30_000)
    first.subscribe([topic], on_revoke=lambda c, tps: revoked.append(len(tps)))
    second = env.member(group, topic, group_instance_id="second", session_timeout_ms=30_000)
    shared([first, second], 4)
    before = {tp.partition for tp in second.assignment()}
    del revoked[:]
    env.consumers.remove(second)
    second.close()
    again = env.member(group, topic, group_instance_id="second", session_timeout_ms=30_000)
    shared([first, again], 4)
    same(before, {tp.partition for tp in again.assignment()}, "assignment")
    same([], revoked, "revocations")


@case()
def group_static_member_is_fenced(env):
    topic = env.topic()
    group = env.unique()
    first = env.member(group, topic, group_instance_id="me")
    shared([first], 1)
    twin = env.member(group, topic, group_instance_id="me")
    shared([twin], 1)

    def fenced():
        for message in first.consume(10, timeout=0.1):
            if message.error() is not None:
                return message.error()
        return None

    try:
        error = wait("fencing", fenced)
    except KafkaException as e:
        error = e.args[0]
    check(error.name() in ("FENCED_INSTANCE_ID", "_FATAL"), f"error {error}")


@case()
def group_resumes_at_committed_offset(env):
    topic = env.topic()
    group = env.unique()
    env.fill(topic, 0, 100)
    first = env.member(group, topic)
    read_30 = [wait("a record", lambda: first.poll(0.2)) for _ in range(30)]
    first.commit(message=read_30[-1], asynchronous=False)
    first.close()
    env.consumers.remove(first)
    second = env.member(group, topic)
    same(30, read([second], 70)[0].offset(), "first offset")


@case()
def group_commits_and_committed_offsets(env):
    topic = env.topic(3)
    group = env.unique()
    consumer = env.member(group, topic)
    shared([consumer], 3)
    consumer.commit(offsets=[TopicPartition(topic, 0, 7, "seven ü"), TopicPartition(topic, 1, 0)], asynchronous=False)
    found = consumer.committed([TopicPartition(topic, p) for p in range(3)], timeout=10)
    same([7, 0, -1001], [tp.offset for tp in found], "offsets")
    same("seven ü", found[0].metadata, "metadata")
    done = []
    consumer.commit(offsets=[TopicPartition(topic, 2, 99)], asynchronous=True)

    def committed():
        consumer.consume(1, timeout=0.05)
        return consumer.committed([TopicPartition(topic, 2)], timeout=10)[0].offset == 99

    wait("the asynchronous commit", committed)


@case()
def group_auto_commit_by_closing(env):
    topic = env.topic()
    group = env.unique()
    env.fill(topic, 0, 20)
    consumer = env.member(group, topic, enable_auto_commit=True)
    read([consumer], 20)
    consumer.close()
    env.consumers.remove(consumer)
    offset = env.consumer(group_id=group).committed([TopicPartition(topic, 0)], timeout=10)[0].offset
    same(20, offset, "committed offset")


@case()
def group_pattern_subscription(env):
    name = env.unique()
    producer = env.producer()
    for suffix in ".one", ".two", "-other":
        acknowledged(producer, name + suffix, "v")
        env.wait_topic(name + suffix, 1)
    consumer = env.member(env.unique(), "^" + name.replace(".", "\\.") + "\\..*", topic_metadata_refresh_interval_ms=500)
    same({name + ".one", name + ".two"}, {m.topic() for m in read([consumer], 2)}, "topics")
