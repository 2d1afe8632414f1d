"""The clients that live through it all, and the model of what they were told."""

import random
import threading
import time

import confluent_kafka

from probe import Failure, expect, wait_until
from words import text

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
LONG_AGO_MS = 1500000000000
PATIENT = "86400000"  # a transaction may outlive several brokers on a busy machine, and so may a record
KEEP = {"retention.ms": "-1"}  # some records are old


class Model:
    """What was acknowledged: records by partition and offset; which transaction each belongs to."""

    def __init__(self):
        self.records = {}   # (topic, partition) -> {offset: (key, value)}
        self.fates = {}     # (topic, partition) -> {offset: Transaction}
        self.offsets = {}   # group -> {"topic-partition": offset}
        self.latest = {}    # of the compacted topic: key -> value

    def add(self, topic, partition, offset, key, value, transaction=None):
        at = (topic, partition)
        known = self.records.setdefault(at, {})
        expect(offset not in known, f"{topic}-{partition}: offset {offset} was given twice")
        known[offset] = (text(key), text(value))
        if transaction is not None:
            self.fates.setdefault(at, {})[offset] = transaction


class Transaction:
    def __init__(self):
        self.state = "open"
        self.offsets = []   # group, topic, partition, offset


class Rd:
    """A producer of librdkafka that stays.

    When it has lost all brokers, it forgets them and begins anew, but takes one of the forgotten for the coordinator of a group
    for ever: send_offsets_to_transaction() then never ends, whatever broker comes back. So it shall not forget.
    """

    def __init__(self, bootstrap, model, **settings):
        self.model = model
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2, "reconnect.backoff.max.ms": 200,
            "metadata.recovery.strategy": "none", "message.timeout.ms": int(PATIENT), "log_level": 0, **{k.replace("_", "."): v for k, v in settings.items()}})

    def send(self, topic, records, transaction=None):
        failures = []

        def told(error, message, record):
            if error is not None:
                failures.append(str(error))
            else:
                self.model.add(topic, message.partition(), message.offset(), record[2], record[3], transaction)

        for record in records:
            partition, timestamp, key, value, headers = record
            self.producer.produce(topic, partition=partition, key=key, value=value, timestamp=timestamp or 0,
                                  headers=[(k, v) for k, v in headers] or None,
                                  on_delivery=lambda error, message, record=record: told(error, message, record))
            self.producer.poll(0)
        left = self.producer.flush(200)
        expect(left == 0, f"{topic}: {left} records of librdkafka are not acknowledged")
        expect(not failures, f"{topic}: librdkafka is told {failures[:3]}")

    def init(self):
        self.producer.init_transactions(60)

    def begin(self):
        self.producer.begin_transaction()

    def offsets(self, group, offsets):
        consumer = confluent_kafka.Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": group, "log_level": 0})
        self.producer.send_offsets_to_transaction(
            [confluent_kafka.TopicPartition(t, p, o, m) for t, p, o, m in offsets], consumer.consumer_group_metadata(), 60)
        consumer.close()

    def commit(self):
        self.producer.commit_transaction(60)

    def abort(self):
        self.producer.abort_transaction(60)


class Jv:
    """A producer of Apache Kafka's client that stays."""

    def __init__(self, hand, model, name, **settings):
        self.hand, self.model, self.name = hand, model, name
        hand.do("open", name=name, settings={"delivery.timeout.ms": PATIENT, "max.block.ms": PATIENT, **{k.replace("_", "."): v for k, v in settings.items()}})

    def send(self, topic, records, transaction=None):
        offsets = self.hand.do("send", name=self.name, topic=topic, records=records)
        for record, offset in zip(records, offsets):
            self.model.add(topic, record[0], offset, record[2], record[3], transaction)

    def init(self):
        self.hand.do("init", name=self.name)

    def begin(self):
        self.hand.do("begin", name=self.name)

    def offsets(self, group, offsets):
        self.hand.do("offsets", name=self.name, group=group, offsets=offsets)

    def commit(self):
        self.hand.do("commit", name=self.name)

    def abort(self):
        self.hand.do("abort", name=self.name)


class Flow:
    """An idempotent producer of librdkafka that sends 0, 1, 2 … whatever becomes of the broker."""

    def __init__(self, bootstrap, topic, partitions):
        self.topic, self.partitions = topic, partitions
        self.producer = confluent_kafka.Producer({
            "bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 2, "reconnect.backoff.max.ms": 200,
            "message.timeout.ms": int(PATIENT), "log_level": 0})
        self.acknowledged, self.errors, self.sent = [], [], 0
        self.ending = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _told(self, error, message, number):
        if error is not None:
            self.errors.append(f"{number}: {error}")
        else:
            self.acknowledged.append([number, message.partition(), message.offset()])

    def _run(self):
        while not self.ending:
            number = self.sent
            self.sent += 1
            self.producer.produce(self.topic, partition=number % self.partitions, value=str(number),
                                  on_delivery=lambda e, m, n=number: self._told(e, m, n))
            self.producer.poll(0.003)
            while self.sent - len(self.acknowledged) - len(self.errors) > 200 and not self.ending:
                self.producer.poll(0.01)

    def end(self):
        self.ending = True
        self.thread.join()
        self.producer.flush(200)
        return {"acknowledged": self.acknowledged, "errors": self.errors, "sent": self.sent}


class Member:
    """A member of a group that stays, reads, and commits."""

    def __init__(self, bootstrap, group, topics, **settings):
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "reconnect.backoff.max.ms": 200, "isolation.level": "read_committed", "log_level": 0,
            **{k.replace("_", "."): v for k, v in settings.items()}})
        self.consumer.subscribe(topics)
        self.seen, self.share, self.ending = {}, 0, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        since = 0
        while not self.ending:
            message = self.consumer.poll(0.1)
            self.share = len(self.consumer.assignment())  # whoever else asks for it may never hear
            if message is None:
                continue
            if message.error() is not None:
                continue  # the broker is away
            self.seen.setdefault((message.topic(), message.partition()), {})[message.offset()] = message.value().decode()
            since += 1
            if since % 200 == 0:
                self.consumer.commit(asynchronous=True)

    def owned(self):
        return self.share

    def read(self):
        """What was seen: (topic, partition) → {offset: value}."""
        return self.seen

    def end(self):
        self.ending = True
        self.thread.join()
        self.consumer.close()


class JavaMember:
    """The same of Apache Kafka's client, in the consumer protocol; it reads the topics of a pattern, which the broker resolves."""

    def __init__(self, hand, group, pattern):
        self.hand = hand
        hand.do("join", name=group, pattern=pattern, settings={"group.id": group, "group.protocol": "consumer"})
        self.name = group

    def owned(self):
        return self.hand.do("owned", name=self.name)

    def read(self):
        seen = {}
        for topic, partition, offset, value in self.hand.do("seen", name=self.name):
            seen.setdefault((topic, partition), {})[offset] = value
        return seen

    def end(self):
        self.hand.do("leave", name=self.name)


def read_by(members):
    """What the members of a group have seen together; who takes over may see again what was not committed yet."""
    all_seen = {}
    for member in members:
        for at, records in list(member.read().items()):
            known = all_seen.setdefault(at, {})
            for offset, value in dict(records).items():
                expect(known.setdefault(offset, value) == value, f"{at}: two members have read different records at {offset}")
    return all_seen


class Crowd:
    """All clients together. `turn` is what they do while one broker runs."""

    def __init__(self, node, hand, seed):
        self.node, self.hand = node, hand
        self.rng = random.Random(seed)
        self.model = Model()
        self.producers, self.transactional = {}, {}
        self.open, self.left = {}, {}   # transactions by id: of clients that go on, of clients that are gone
        self.kept = []                  # producers that do nothing more
        self.turns = 0
        self.flow = None
        self.groups = {}                # name -> members that stay

    # ---- what they send

    def _records(self, partitions, count, is_old=False):
        records = []
        for n in range(count):
            size = self.rng.choice([0, 5, 40, 3000])
            value = None if self.rng.random() < 0.05 else f"{self.turns}.{n}:" + "".join(
                self.rng.choice("abcdefgh") for _ in range(min(size, 200))) * max(1, size // 200)
            records.append([self.rng.randrange(partitions), LONG_AGO_MS + n if is_old else None,
                            None if self.rng.random() < 0.2 else f"k{n}", value,
                            [["h", str(n)], ["empty", ""]] if self.rng.random() < 0.3 else []])
        return records

    def begin(self):
        do = self.hand.do
        do("create", topic="plain", partitions=4, configs=KEEP)
        do("create", topic="append-time", partitions=1, configs={"message.timestamp.type": "LogAppendTime"})
        do("create", topic="txn", partitions=3, configs=KEEP)
        do("create", topic="cut", partitions=2, configs=KEEP)
        do("create", topic="wide", partitions=1, configs=KEEP)
        do("create", topic="again", partitions=2, configs=KEEP)
        do("create", topic="keys", partitions=2, configs={
            "cleanup.policy": "compact", "segment.bytes": "1048576", "min.cleanable.dirty.ratio": "0.001"})
        for topic in ("flow-java", "flow-rd"):
            do("create", topic=topic, partitions=2, configs={"segment.bytes": "1048576"})
        for codec in CODECS:
            self.producers[f"java-{codec}"] = Jv(self.hand, self.model, f"java-{codec}", compression_type=codec)
            self.producers[f"rd-{codec}"] = Rd(self.node.bootstrap, self.model, compression_type=codec)
        # A producer whose last record is that old is forgotten at once; this one is not remembered at all.
        self.producers["old"] = Jv(self.hand, self.model, "old", enable_idempotence="false")
        for n in range(3):
            self._transactional(f"java-{n}")
            self._transactional(f"rd-{n}")
        do("open", name="flow", settings={"delivery.timeout.ms": PATIENT, "max.block.ms": PATIENT})
        do("flow", name="flow", topic="flow-java", partitions=2)
        self.producers["rd-none"].send("again", [[p, None, "k", None, []] for p in range(2)])
        self.flow = Flow(self.node.bootstrap, "flow-rd", 2)
        both, at = ["flow-java", "flow-rd"], self.node.bootstrap
        self.groups["member"] = [Member(at, "member", both)]
        self.groups["members"] = [Member(at, "members", both, group_protocol="consumer", group_instance_id="static"),
                                  JavaMember(self.hand, "members", "flow-(java|rd)")]
        wait_until(lambda: [m.owned() for members in self.groups.values() for m in members] == [4, 2, 2],
                   "the members of each group share four partitions")

    def _transactional(self, name):
        if name.startswith("java"):
            client = Jv(self.hand, self.model, name, transactional_id=name, transaction_timeout_ms=PATIENT)
        else:
            client = Rd(self.node.bootstrap, self.model, transactional_id=name, transaction_timeout_ms=PATIENT)
        client.init()
        self.transactional[name] = client
        return client

    # ---- transactions

    def _start(self, name, client, with_offsets):
        transaction = Transaction()
        client.begin()
        client.send("txn", self._records(3, 8), transaction)
        if with_offsets:
            group = f"txn-{name}"
            offset = self.turns + 1
            client.offsets(group, [["plain", 0, offset, f"by {name}"], ["plain", 1, offset + 1, ""]])
            transaction.offsets += [(group, "plain-0", offset), (group, "plain-1", offset + 1)]
        return transaction

    def settle(self, transaction, is_committed):
        transaction.state = "committed" if is_committed else "aborted"
        if is_committed:
            for group, partition, offset in transaction.offsets:
                self.model.offsets.setdefault(group, {})[partition] = offset

    def _finish(self, name, is_committed):
        transaction = self.open.pop(name)
        client = self.transactional[name]
        (client.commit if is_committed else client.abort)()
        self.settle(transaction, is_committed)

    def _transactions(self):
        for name in list(self.open):
            self._finish(name, self.rng.random() < 0.6)
        for name, client in self.transactional.items():
            for round_ in range(2):
                self.open[name] = self._start(name, client, with_offsets=self.rng.random() < 0.7)
                if round_ == 0:
                    self._finish(name, self.rng.random() < 0.6)
        # ... of which one is left open by each; and a client of each kind goes for good
        for kind in ("java", "rd"):
            self._finish(f"{kind}-2", True)
            name = f"{kind}-gone-{self.turns}"
            client = self._transactional(name)
            self.kept.append(self.transactional.pop(name))
            self.left[name] = self._start(name, client, with_offsets=True)

    # ---- the rest

    def _groups(self):
        self.hand.do("consume", topic="plain", settings={"group.id": f"classic-{self.turns}", "group.protocol": "classic"})
        self.hand.do("consume", topic="plain", settings={"group.id": "classic", "group.protocol": "classic"})
        self.hand.do("consume", topic="plain", settings={"group.id": f"new-{self.turns}", "group.protocol": "consumer"})
        self.hand.do("consume", topic="plain", settings={"group.id": "new", "group.protocol": "consumer"})
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.node.bootstrap, "group.id": "simple", "log_level": 0})
        offset = 100 + self.turns
        consumer.commit(offsets=[confluent_kafka.TopicPartition("plain", 2, offset, "by hand")], asynchronous=False)
        consumer.close()
        self.model.offsets.setdefault("simple", {})["plain-2"] = offset

    def _keys(self, count):
        records = []
        for n in range(count):
            key = f"key-{self.rng.randrange(150)}"
            value = None if self.rng.random() < 0.1 else f"{self.turns}.{n}." + "".join(
                self.rng.choice("abcdefghijklmnop") for _ in range(20)) * 30
            records.append([sum(key.encode()) % 2, None, key, value, []])
            self.model.latest[key] = text(value)
        self.producers["rd-none"].send("keys", records)

    def churn(self, is_cleaning):
        """Gives the cleaner work until it is seen at it."""
        for _ in range(20):
            self._keys(1500)
            deadline = time.monotonic() + 0.5
            while time.monotonic() < deadline:
                if is_cleaning():
                    return
                time.sleep(0.01)

    def _topics(self):
        do = self.hand.do
        do("create", topic=f"short-lived-{self.turns}", partitions=2, configs={"retention.ms": "100000"})
        if self.turns > 0:
            do("delete", topic=f"short-lived-{self.turns - 1}")
        do("widen", topic="wide", partitions=2 + self.turns)
        self.producers["java-lz4"].send("wide", self._records(2 + self.turns, 10))
        self._again()
        do("configure", type="TOPIC", name="plain", configs={"max.message.bytes": str(1000000 + self.turns),
                                                            "segment.ms": None if self.turns % 2 else "1000000"})
        do("configure", type="BROKER", name="", configs={"message.max.bytes": str(1048588 + self.turns)})
        do("configure", type="BROKER", name="1", configs={"log.cleaner.min.compaction.lag.ms": str(self.turns + 1)})
        self.producers["java-gzip"].send("cut", self._records(2, 20))
        for partition in range(2):
            end = max(self.model.records[("cut", partition)]) + 1
            do("cut", topic="cut", partition=partition, offset=end - 3)
            known = self.model.records[("cut", partition)]
            for offset in [o for o in known if o < end - 3]:
                del known[offset]

    def _again(self):
        """A topic goes, another of its name comes."""
        self.hand.do("delete", topic="again")
        for at in list(self.model.records):
            if at[0] == "again":
                del self.model.records[at]
        wait_until(lambda: self._created("again"), "a topic is created again")
        # A broker that has not heard of it yet takes records for the old one, and acknowledges them.
        wait_until(lambda: self._ends("again") == [0, 0], "the new topic is empty")
        # A producer that knew the old one would have to learn of the new: each time another.
        Rd(self.node.bootstrap, self.model).send("again", [[p, None, f"k{n}", None, []] for p in range(2) for n in range(3)])

    def _ends(self, topic):
        try:
            return self.hand.do("ends", topic=topic, partitions=2)
        except Failure as failure:
            if "UnknownTopic" in str(failure):
                return None
            raise

    def _created(self, topic):
        try:
            self.hand.do("create", topic=topic, partitions=2, configs=KEEP)
            return True
        except Failure as failure:
            if "TopicExists" in str(failure):
                return False
            raise

    def turn(self):
        for name, producer in self.producers.items():
            producer.send("plain", self._records(4, 12))
        self.producers["old"].send("plain", self._records(4, 10, is_old=True))
        self.producers["java-zstd"].send("append-time", self._records(1, 5))
        self._transactions()
        self._groups()
        self._topics()
        self._keys(3000)
        self.turns += 1

    # ---- the end of the flows

    def end(self):
        reports = {"flow-java": self.hand.do("dam", name="flow"), "flow-rd": self.flow.end()}
        wanted = {}
        for topic, report in reports.items():
            expect(not report["errors"], f"{topic}: {report['errors'][:3]}")
            expect(len(report["acknowledged"]) == report["sent"], f"{topic}: not all is acknowledged")
            for number, partition, offset in report["acknowledged"]:
                wanted.setdefault((topic, partition), {})[offset] = str(number)
        for name, members in self.groups.items():
            self._has_read(name, members, wanted)
        for at, records in wanted.items():
            numbers = [int(records[o]) for o in sorted(records)]
            expect(numbers == sorted(numbers) and sorted(records) == list(range(len(records))), f"{at}: not in order, or with holes")
        return sum(map(len, wanted.values()))

    @staticmethod
    def _has_read(name, members, wanted):
        def has_all():
            seen = read_by(members)
            return seen if all(len(seen.get(at, {})) >= len(wanted[at]) for at in wanted) else None

        seen = wait_until(has_all, f"group {name} reads all that the flows have sent", pause_s=0.5)
        for member in members:
            member.end()
        for at, records in wanted.items():
            expect(seen[at] == records, f"{at}: group {name} has read something else than was acknowledged")
