"""Runs named cases, several at once, each within a time limit, and prints one line for each."""

import logging
import os
import random
import string
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

CASE_TIMEOUT_S = 120
CASES_AT_ONCE = 8  # nearly all of them wait nearly all of the time
RUN = "".join(random.choices(string.ascii_lowercase + string.digits, k=8))

# The clients complain of every cut connection; the suite says what matters.
SILENT = logging.getLogger("silent")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False

cases = []


def case(*variants):
    """Registers a function as a case, once for each variant, or as it is."""

    def register(function):
        name = function.__name__
        for variant in variants:
            cases.append((f"{name}_{variant}", lambda env, v=variant: function(env, v)))
        if not variants:
            cases.append((name, function))
        return function

    return register


def same(want, have, what):
    if want != have:
        raise AssertionError(f"{what}: want {want!r}, have {have!r}")


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def wait(what, condition, timeout_s=CASE_TIMEOUT_S - 10):
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        check(time.monotonic() < end, f"still not: {what}")
        time.sleep(0.02)


def fails(code, body):
    """The body must end with a KafkaException of this code, or answer an error of it."""
    try:
        answer = body()
    except KafkaException as e:
        answer = e.args[0]
    check(isinstance(answer, KafkaError), f"want error {code}, have {answer!r}")
    same(KafkaError(code).name(), answer.name(), "error")


class Env:
    """What one case works with: names of its own, and clients that are closed after it."""

    def __init__(self, bootstrap, name):
        self.bootstrap = bootstrap
        self.name = name
        self.names = 0
        self.consumers = []
        self.topics = []
        self._admin = None

    def unique(self):
        self.names += 1
        return f"python.{RUN}.{self.name}.{self.names}"

    @property
    def admin(self):
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self.bootstrap, "logger": SILENT})
        return self._admin

    def topic(self, partitions=1, **config):
        """Creates a topic, and waits until each partition has a leader that answers."""
        name = self.unique()
        config = {k.replace("_", "."): str(v) for k, v in config.items()}
        topic = NewTopic(name, num_partitions=partitions, config=config)
        self.admin.create_topics([topic])[name].result()
        self.topics.append(name)
        self.wait_topic(name, partitions)
        return name

    def wait_topic(self, name, partitions):
        def described():
            topic = self.admin.list_topics(timeout=10).topics.get(name)
            return topic is not None and len(topic.partitions) == partitions

        wait(f"topic {name}", described)
        ends = {TopicPartition(name, p): OffsetSpec.latest() for p in range(partitions)}

        def ready():
            try:
                for future in self.admin.list_offsets(ends).values():
                    future.result()
                return True
            except KafkaException:
                return False

        wait(f"leaders of {name}", ready)

    def producer(self, **config):
        return Producer(self.config(config))

    def config(self, config):
        out = {"bootstrap.servers": self.bootstrap, "logger": SILENT, "error_cb": lambda e: None}
        out.update({k.replace("_", "."): v for k, v in config.items()})
        return out

    def consumer(self, **config):
        config.setdefault("group_id", self.unique())
        config.setdefault("auto_offset_reset", "earliest")
        config.setdefault("enable_auto_commit", False)
        consumer = Consumer(self.config(config))
        self.consumers.append(consumer)
        return consumer

    def member(self, group, topic, **config):
        """A member of a group, with the shortest times that a broker allows by default; in the consumer protocol they are the broker's."""
        if config.get("group_protocol") != "consumer":
            config.setdefault("session_timeout_ms", 6000)
            config.setdefault("heartbeat_interval_ms", 500)
        consumer = self.consumer(group_id=group, **config)
        consumer.subscribe([topic])
        return consumer

    def fill(self, topic, partition, count, first=0):
        producer = self.producer(linger_ms=5)
        for i in range(first, first + count):
            send(producer, topic, f"v{i}", key=f"k{i}", partition=partition)
        finish(producer)

    def read_all(self, topic, partition, count, **config):
        consumer = self.consumer(**config)
        consumer.assign([TopicPartition(topic, partition, 0)])
        return read([consumer], count)

    def close(self):
        for consumer in self.consumers:
            consumer.close()
        if self.topics:
            for future in self.admin.delete_topics(self.topics).values():
                future.exception()  # some cases delete them themselves


def send(producer, topic, value, reports=None, **more):
    """Reports, if given, collect (error, message) in the order of acknowledgement."""
    callback = None if reports is None else lambda error, message: reports.append((error, message))
    while True:
        try:
            producer.produce(topic, value=value, on_delivery=callback, **more)
            break
        except BufferError:
            producer.poll(0.1)
    producer.poll(0)


def finish(producer):
    same(0, producer.flush(CASE_TIMEOUT_S - 10), "messages not delivered")


def acknowledged(producer, topic, value, **more):
    """Sends one record and answers its message, or raises the error of its report."""
    reports = []
    send(producer, topic, value, reports, **more)
    finish(producer)
    error, message = reports[0]
    if error is not None:
        raise KafkaException(error)
    return message


def read(consumers, count):
    """Polls until so many records have come, and a little more: there must be no further ones."""
    out = []

    def enough():
        for consumer in consumers:
            for message in consumer.consume(500, timeout=0.1):
                if message.error() is None:
                    out.append(message)
                elif not message.error().retriable():
                    raise KafkaException(message.error())
        return len(out) >= count

    wait(f"{count} records", enough)
    enough()
    same(count, len(out), "records")
    return out


def shared(consumers, partitions):
    """Polls until each partition has one owner, and the members own alike."""

    def done():
        owned = []
        for consumer in consumers:  # all, and first: a rebalance needs every one of them
            consumer.consume(100, timeout=0.05)
        for consumer in consumers:
            own = consumer.assignment()
            low, rest = divmod(partitions, len(consumers))
            if not low <= len(own) <= low + (rest > 0):
                return False
            owned += [(tp.topic, tp.partition) for tp in own]
        return len(owned) == partitions == len(set(owned))

    wait(f"{partitions} partitions shared by {len(consumers)}", done)


def killed_beside(env, stays, group, topic, *properties):
    """A member in a process of its own shares a topic of four partitions with one that stays, and is killed."""
    main = os.path.join(os.path.dirname(os.path.abspath(__file__)), "main.py")
    victim = subprocess.Popen([sys.executable, main, "--member", env.bootstrap, group, topic, *properties])
    try:
        def two_each():
            stays.consume(100, timeout=0.1)
            check(victim.poll() is None, "the victim ended by itself")
            return len(stays.assignment()) == 2

        wait("two partitions each", two_each)
    finally:
        victim.kill()
        victim.wait()
    shared([stays], 4)


def run(bootstrap, only):
    lock = threading.Lock()
    totals = {True: 0, False: 0}

    def one(name, body):
        env = Env(bootstrap, name)
        failure = [f"not done after {CASE_TIMEOUT_S} s"]

        def guarded():
            try:
                body(env)
                env.close()
                failure[0] = None
            except BaseException as e:
                at = next((f for f in reversed(traceback.extract_tb(e.__traceback__)) if "suite.py" not in f.filename), None)
                place = f" ({at.filename.rsplit('/', 1)[-1]}:{at.lineno})" if at else ""
                failure[0] = f"{type(e).__name__} {e}{place}".replace("\n", " ")

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        thread.join(CASE_TIMEOUT_S)
        with lock:
            totals[failure[0] is None] += 1
            print(f"ok {name}" if failure[0] is None else f"FAIL {name}: {failure[0]}", flush=True)

    with ThreadPoolExecutor(CASES_AT_ONCE) as pool:
        for name, body in cases:
            if only in name:
                pool.submit(one, name, body)
    print(f"{totals[True]} passed, {totals[False]} failed", flush=True)
    return totals[False]
