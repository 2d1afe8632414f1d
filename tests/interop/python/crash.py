"""Kills the broker again and again under a producer and groups; see ../crash."""

import subprocess
import sys
import threading

import suite
from confluent_kafka import TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType
from stream import Stream
from suite import check, same, wait

PARTITIONS = 3
ACKS_A_ROUND = 600


class Group:
    """A member that commits what it has read, and remembers what it was told is committed."""

    def __init__(self, env, topic, protocol, **config):
        self.group = env.unique()
        self.protocol = protocol
        self.consumer = env.member(self.group, topic, group_protocol=protocol, **config)
        self.committed = {}  # partition → offset
        self.seen = set()
        self.stopping = False
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while not self.stopping:
            for message in self.consumer.consume(200, timeout=0.1):
                if message.error() is None:
                    self.seen.add((message.partition(), message.offset()))
            try:
                for tp in self.consumer.commit(asynchronous=False):
                    if tp.error is None:
                        self.committed[tp.partition] = tp.offset
            except suite.KafkaException:
                pass  # the broker is dead, or the group is rebalancing; the next commit covers it

    def stop(self):
        self.stopping = True
        self.thread.join()


def shell(command):
    subprocess.run(command, shell=True, check=True, timeout=120)


class Checks:
    """Prints one line for each check; the first failure of a kind ends the run."""

    def __init__(self):
        self.passed = 0

    def done(self, name):
        self.passed += 1
        print(f"ok {name}", flush=True)


def committed_survive(env, group, topic, checks, round_number):
    told = dict(group.committed)
    check(told, "nothing was committed")

    def offsets():
        try:
            consumer = env.consumer(group_id=group.group)
            asked = [TopicPartition(topic, p) for p in told]
            return {tp.partition: tp.offset for tp in consumer.committed(asked, timeout=10)}
        except suite.KafkaException:
            return None  # the coordinator is not there yet

    for p, offset in wait("committed offsets", offsets).items():
        check(offset >= told[p], f"partition {p}: {told[p]} was committed, {offset} is kept")
    checks.done(f"round_{round_number}_committed_offsets_survive_{group.protocol}")


def records_survive(env, topic, acknowledged, sent):
    for p in range(PARTITIONS):
        want = [f"v{n}".encode() for n in range(p, sent, PARTITIONS)]
        messages = env.read_all(topic, p, len(want))
        same(list(range(len(want))), [m.offset() for m in messages], f"offsets of partition {p}")
        same(want, [m.value() for m in messages], f"values of partition {p}")
        for i, n in enumerate(range(p, sent, PARTITIONS)):
            check(acknowledged[n] in (i, -1001), f"v{n} was acknowledged at {acknowledged[n]} and is at {i}")


def retention(env, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return env.admin.describe_configs([resource])[resource].result()["retention.ms"].value


def main(bootstrap, start, kill, rounds):
    checks = Checks()
    shell(start)
    try:
        env = suite.Env(bootstrap, "crash")
        topic = env.topic(PARTITIONS, retention_ms=987_654_321)
        stream = Stream(env, topic, PARTITIONS, enable_idempotence=True, reconnect_backoff_ms=20, reconnect_backoff_max_ms=100,
                        retry_backoff_ms=20)
        groups = [Group(env, topic, "classic", session_timeout_ms=10_000), Group(env, topic, "consumer")]
        for round_number in range(1, rounds + 1):
            goal = len(stream.acknowledged) + ACKS_A_ROUND
            wait("acknowledgements", lambda: len(stream.acknowledged) >= goal)
            wait("a commit", lambda: all(len(group.committed) == PARTITIONS for group in groups))
            shell(kill)
            shell(start)
            for group in groups:
                committed_survive(env, group, topic, checks, round_number)
        goal = len(stream.acknowledged) + ACKS_A_ROUND
        wait("acknowledgements after the last start", lambda: len(stream.acknowledged) >= goal)
        stream.stop()
        same([], stream.errors, "errors of the producer")
        checks.done("producer_goes_on")
        records_survive(env, topic, stream.acknowledged, stream.sent)
        checks.done("records_are_there_once_in_order")
        for group in groups:
            wait(f"the {group.protocol} group has read all", lambda group=group: len(group.seen) == stream.sent)
            group.stop()
            checks.done(f"group_goes_on_{group.protocol}")
        shell(kill)
        shell(start)
        records_survive(env, topic, stream.acknowledged, stream.sent)
        checks.done("records_are_there_after_one_more_kill")
        same("987654321", retention(env, topic), "retention.ms")
        checks.done("settings_survive")
        failed = 0
    except Exception as e:
        print(f"FAIL crash: {type(e).__name__} {e}".replace("\n", " "))
        failed = 1
    shell(kill)
    print(f"{checks.passed} passed, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    if not 4 <= len(sys.argv) <= 5:
        sys.exit("usage: crash BOOTSTRAP START KILL [rounds]")
    code = main(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) > 4 else 3)
    sys.stdout.flush()
    import os

    os._exit(code)
