"""Transactions: what is committed is seen whole, what is aborted not at all, and nobody acts for one who was fenced."""

import threading

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from suite import acknowledged, case, check, fails, finish, read, same, send, wait

OFFSET_NONE = -1001  # what the client says of a partition for which nothing is committed


def transactional(env, transactional_id, **config):
    producer = env.producer(transactional_id=transactional_id, **config)
    producer.init_transactions(60)
    return producer


def begun(env, transactional_id, **config):
    producer = transactional(env, transactional_id, **config)
    producer.begin_transaction()
    return producer


def committed(env, topic, partition, count):
    """The values that a reader of committed records sees, who must see no further ones."""
    return [m.value().decode() for m in env.read_all(topic, partition, count, isolation_level="read_committed")]


@case()
def transaction_commits_over_partitions(env):
    topic = env.topic(3)
    producer = transactional(env, env.unique())
    for number in range(5):
        producer.begin_transaction()
        for partition in range(3):
            send(producer, topic, f"v{number}", partition=partition)
        producer.commit_transaction(60)
    for partition in range(3):
        same([f"v{n}" for n in range(5)], committed(env, topic, partition, 5), f"partition {partition}")


@case("flushed", "unsent")
def transaction_aborts(env, how):
    topic = env.topic()
    producer = begun(env, env.unique())
    send(producer, topic, "gone")
    if how == "flushed":
        finish(producer)
    producer.abort_transaction(60)
    producer.begin_transaction()
    send(producer, topic, "there")
    producer.commit_transaction(60)
    same(["there"], committed(env, topic, 0, 1), "committed")
    if how == "flushed":
        messages = env.read_all(topic, 0, 2, isolation_level="read_uncommitted")
        same([b"gone", b"there"], [m.value() for m in messages], "for who reads uncommitted ones")


@case()
def transaction_holds_readers_of_committed_records(env):
    topic = env.topic()
    producer = begun(env, env.unique())
    acknowledged(producer, topic, "open")
    acknowledged(env.producer(), topic, "behind")
    same([b"open", b"behind"], [m.value() for m in env.read_all(topic, 0, 2, isolation_level="read_uncommitted")],
         "for who reads uncommitted ones")
    reader = env.consumer(isolation_level="read_committed")
    reader.assign([TopicPartition(topic, 0, 0)])
    same([], reader.consume(1, timeout=1), "records before the transaction ends")
    producer.commit_transaction(60)
    same([b"open", b"behind"], [m.value() for m in read([reader], 2)], "records after it")


@case()
def transaction_fences_the_producer_before(env):
    topic = env.topic()
    transactional_id = env.unique()
    zombie = begun(env, transactional_id)
    acknowledged(zombie, topic, "open")
    producer = begun(env, transactional_id)
    acknowledged(producer, topic, "second")

    def act():
        try:
            send(zombie, topic, "zombie")
            zombie.commit_transaction(60)
        except KafkaException as e:
            check(e.args[0].fatal(), f"a fenced producer's error is final: {e}")
            raise

    fails(KafkaError._FENCED, act)
    producer.commit_transaction(60)
    same(["second"], committed(env, topic, 0, 1), "committed")


@case()
def transaction_takes_too_long(env):
    topic = env.topic()
    producer = begun(env, env.unique(), transaction_timeout_ms=1000, message_timeout_ms=1000)
    acknowledged(producer, topic, "late")
    acknowledged(env.producer(), topic, "behind")  # read when the coordinator has aborted what is before it
    same(["behind"], committed(env, topic, 0, 1), "committed")
    try:
        producer.commit_transaction(60)
        check(False, "a transaction that was given up cannot be committed")
    except KafkaException as e:
        check(e.args[0].fatal() or e.args[0].txn_requires_abort(), f"the producer is told: {e}")
    same(["behind"], committed(env, topic, 0, 1), "committed afterwards")


@case()
def transaction_timeout_out_of_range(env):
    producer = env.producer(transactional_id=env.unique(), transaction_timeout_ms=900_001)
    fails(KafkaError.INVALID_TRANSACTION_TIMEOUT, lambda: producer.init_transactions(60))


@case()
def transaction_moves_offsets_with_records(env):
    source, target = env.topic(), env.topic()
    env.fill(source, 0, 20)
    group = env.unique()
    consumer = env.member(group, source)
    producer = transactional(env, env.unique())
    done = rounds = 0
    while done < 20:
        messages = [m for m in consumer.consume(5, timeout=0.5) if m.error() is None]
        if not messages:
            continue
        producer.begin_transaction()
        for message in messages:
            send(producer, target, message.value())
        position = [TopicPartition(source, 0, messages[-1].offset() + 1)]
        producer.send_offsets_to_transaction(position, consumer.consumer_group_metadata(), 60)
        rounds += 1
        if rounds % 2 == 1:  # every other one fails, and is done again
            producer.abort_transaction(60)
            consumer.seek(TopicPartition(source, 0, done))
        else:
            producer.commit_transaction(60)
            done = messages[-1].offset() + 1
    same([f"v{i}" for i in range(20)], committed(env, target, 0, 20), "each record once, in order")
    same(20, consumer.committed([TopicPartition(source, 0)], timeout=60)[0].offset, "committed offset")


@case()
def transaction_keeps_its_offsets_until_the_end(env):
    topic = env.topic()
    env.fill(topic, 0, 3)
    group = env.unique()
    consumer = env.member(group, topic)
    read([consumer], 3)
    producer = transactional(env, env.unique())

    def stable():
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        return env.admin.list_consumer_group_offsets([asked], require_stable=True)[group].result().topic_partitions[0]

    for end, want in (producer.abort_transaction, OFFSET_NONE), (producer.commit_transaction, 2):
        producer.begin_transaction()
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 2)], consumer.consumer_group_metadata(), 60)
        same(KafkaError.UNSTABLE_OFFSET_COMMIT, stable().error.code(), "answer while the transaction is open")
        end(60)
        same(want, wait("a stable offset", lambda: (tp := stable()).error is None and tp).offset, "offset")


@case()
def transaction_refuses_offsets_of_a_member_that_left(env):
    topic = env.topic()
    env.fill(topic, 0, 3)
    group = env.unique()
    consumer = env.member(group, topic)
    read([consumer], 3)
    stale = consumer.consumer_group_metadata()
    consumer.unsubscribe()
    wait("the member's leave", lambda: not env.admin.describe_consumer_groups([group])[group].result().members)
    producer = begun(env, env.unique())
    offsets = [TopicPartition(topic, 0, 3)]
    try:
        producer.send_offsets_to_transaction(offsets, stale, 60)
        check(False, "the offsets of a member that left are refused")
    except KafkaException as e:
        refusals = KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION
        check(e.args[0].code() in refusals and e.args[0].txn_requires_abort(), f"refused: {e}")
    producer.abort_transaction(60)
    kept = env.consumer(group_id=group).committed([TopicPartition(topic, 0)], timeout=60)[0]
    same(OFFSET_NONE, kept.offset, "committed offset")


@case("commit", "abort")
def transaction_is_large(env, how):
    partitions, records = 60, 200
    topic = env.topic(partitions)
    producer = begun(env, env.unique(), linger_ms=5)
    for number in range(records):
        for partition in range(partitions):
            send(producer, topic, f"{partition}/{number}" + "x" * 100, partition=partition)
    if how == "abort":
        finish(producer)
        producer.abort_transaction(60)
        producer.begin_transaction()
        for partition in range(partitions):
            send(producer, topic, f"{partition}/0" + "x" * 100, partition=partition)
        records = 1
    producer.commit_transaction(60)
    reader = env.consumer(isolation_level="read_committed")
    reader.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    found = {p: [] for p in range(partitions)}
    for message in read([reader], partitions * records):
        found[message.partition()].append(message.value().decode().rstrip("x"))
    for partition in range(partitions):
        same([f"{partition}/{n}" for n in range(records)], found[partition], f"partition {partition}")


@case()
def transactional_id_is_used_again_and_again(env):
    topic = env.topic()
    transactional_id = env.unique()
    want = []
    for number in range(12):
        producer = begun(env, transactional_id)
        acknowledged(producer, topic, f"v{number}")
        if number % 3 == 0:
            producer.commit_transaction(60)
            want.append(f"v{number}")
        elif number % 3 == 1:
            producer.abort_transaction(60)
        # else it is left open, and the next one's init ends it
    transactional(env, transactional_id)
    same(want, committed(env, topic, 0, len(want)), "committed")


@case()
def transactions_side_by_side(env):
    """Many producers on the same partitions: each transaction whole, each producer's in order."""
    topic = env.topic(2)
    workers, rounds = 8, 10
    failures = []

    def work(number):
        try:
            producer = transactional(env, env.unique())
            for n in range(rounds):
                producer.begin_transaction()
                for partition in range(2):
                    send(producer, topic, f"{number} {n}", partition=partition)
                (producer.abort_transaction if n % 3 == 2 else producer.commit_transaction)(60)
        except Exception as e:
            failures.append(f"producer {number}: {e}")

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    same([], failures, "failures")
    want = [f"{n}" for n in range(rounds) if n % 3 != 2]
    for partition in range(2):
        values = [v.split() for v in committed(env, topic, partition, workers * len(want))]
        for number in range(workers):
            same(want, [n for who, n in values if who == f"{number}"], f"of producer {number} in {partition}")
