"""Ottla's compaction held against Apache Kafka's: see README.md."""

import collections
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import confluent_kafka
import confluent_kafka.admin
from probe import Failure, free_port_pair, wait_until

HERE = pathlib.Path(__file__).resolve().parent
ORACLE = HERE.parent / "oracle" / "kafka"
PATIENCE_S = 180
SEGMENT_BYTES = 1048576
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]

# name -> (delete.retention.ms, how many records, how many keys)
TOPICS = {
    "plain": (86400000, 60000, 900),
    "tombs": (0, 40000, 500),
    "txn": (86400000, 40000, 300),
}

NO_CLEANER = ["log.cleaner.backoff.ms=3600000"]
CLEANER = ["log.cleaner.backoff.ms=200", "log.cleaner.min.cleanable.ratio=0.001"]


def kafka(*words, check=True):
    return subprocess.run([str(ORACLE), *map(str, words)], check=check, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout


# ---- input --------------------------------------------------------------------------------------

def make_topics(bootstrap):
    admin = confluent_kafka.admin.AdminClient({"bootstrap.servers": bootstrap})
    made = admin.create_topics([
        confluent_kafka.admin.NewTopic(name, 1, 1, config={
            "cleanup.policy": "compact", "segment.bytes": str(SEGMENT_BYTES),
            "delete.retention.ms": str(retention), "min.cleanable.dirty.ratio": "0.001",
        }) for name, (retention, _, _) in TOPICS.items()])
    for future in made.values():
        future.result()


def one(rng, topic, keys, number):
    tombstone = rng.random() < 0.15
    key = f"{topic}-key-{rng.randrange(keys)}"
    value = None if tombstone else f"{number}:" + "v" * rng.randrange(10, 220)
    headers = [("h", str(number))] if rng.random() < 0.1 else None
    return key, value, headers


def produce(bootstrap, topic, rng, latest):
    """Several producers after one another, each with a codec of its own; on "txn" by transactions."""
    _, count, keys = TOPICS[topic]
    share = count // len(CODECS)
    for at, codec in enumerate(CODECS):
        settings = {"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 5,
                    "batch.num.messages": 50, "enable.idempotence": at % 2 == 0}
        if topic == "txn":
            settings.update({"transactional.id": f"id-{at}", "enable.idempotence": True})
        producer = confluent_kafka.Producer(settings)
        if topic == "txn":
            producer.init_transactions(60)
        left = share
        while left > 0:
            size = min(left, rng.randrange(1, 700) if topic == "txn" else share)
            aborts = topic == "txn" and rng.random() < 0.3
            if topic == "txn":
                producer.begin_transaction()
            for _ in range(size):
                key, value, headers = one(rng, topic, keys, left)
                producer.produce(topic, key=key, value=value, headers=headers)
                producer.poll(0)
                if not aborts:
                    latest[key] = value
                left -= 1
            producer.flush(60)
            if topic == "txn":
                (producer.abort_transaction if aborts else producer.commit_transaction)(60)
        producer.flush(60)


def consume(bootstrap, topic):
    consumer = confluent_kafka.Consumer({
        "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True,
        "auto.offset.reset": "earliest"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    found = {}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error() is not None:
            if message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                consumer.close()
                return found
            raise Failure(f"{topic}: {message.error()}")
        value = message.value()
        found[message.key().decode()] = None if value is None else value.decode()
    raise Failure(f"{topic}: no end of the partition in sight")


# ---- what a directory holds ---------------------------------------------------------------------

def segments(data, topic):
    return sorted((data / f"{topic}-0").glob("*.log"))


def is_cleaned(data, topic):
    """Up to the active segment, as the checkpoint tells it; and no swap is under way."""
    try:
        lines = (data / "cleaner-offset-checkpoint").read_text().splitlines()[2:]
    except FileNotFoundError:
        return False
    ends = {line.split()[0]: int(line.split()[2]) for line in lines if line.split()[1] == "0"}
    last = segments(data, topic)[-1]
    busy = [p for p in (data / f"{topic}-0").iterdir() if p.suffix in (".cleaned", ".swap")]
    return ends.get(topic, -1) >= int(last.stem) and not busy


RECORD = re.compile(r"^\|? ?offset: (\d+) .*?keySize: (-?\d+) valueSize: (-?\d+) sequence: (-?\d+) (.*)$")


def dump(data, topic):
    """Records and control records by offset, as Kafka's tool prints them."""
    found = collections.OrderedDict()
    for path in segments(data, topic):
        text = kafka("tool", "dump-log", "--files", path, "--print-data-log", "--deep-iteration")
        for line in text.splitlines():
            if "isvalid: false" in line or "Exception" in line:
                raise Failure(f"{path}: {line}")
            match = RECORD.match(line.strip())
            if match is None:
                continue
            offset = int(match.group(1))
            if offset in found:
                raise Failure(f"{path}: offset {offset} comes twice")
            found[offset] = match.groups()[1:]
    return found


def check_indexes(data, topic):
    for path in sorted((data / f"{topic}-0").glob("*index")):
        if path.stat().st_size == 0 or path.suffix == ".txnindex":
            continue
        text = kafka("tool", "dump-log", "--files", path)
        if "Exception" in text or "mismatch" in text.lower() or "not found" in text.lower():
            raise Failure(f"{path}: {text[-500:]}")


def compare(topic, theirs, ours):
    if theirs == ours:
        print(f"ok   {topic}: the same {len(ours)} records are left")
        return
    only_theirs = [o for o in theirs if o not in ours]
    only_ours = [o for o in ours if o not in theirs]
    differ = [o for o in ours if o in theirs and ours[o] != theirs[o]]
    for name, offsets, source in (("only Kafka has", only_theirs, theirs),
                                  ("only Ottla has", only_ours, ours), ("differ", differ, ours)):
        print(f"     {name}: {len(offsets)}", [(o, source[o]) for o in offsets[:3]])
    raise Failure(f"{topic}: {len(theirs)} records are left by Kafka, {len(ours)} by Ottla")


# ---- the run ------------------------------------------------------------------------------------

def start_ottla(binary, base):
    """In a directory that `kafka format` has made settings for."""
    with open(base / "ottla.log", "w", encoding="utf-8") as log:
        return subprocess.Popen([binary, "kafka-server-start.sh", str(base / "server.properties")],
                                stdout=log, stderr=subprocess.STDOUT)


def move(source, target, port, settings):
    """A copy of a stopped node's data, on other ports."""
    shutil.copytree(source, target)
    kafka("format", target, port, *settings)


def clean_with_kafka(base, port):
    kafka("start", base, port, *CLEANER)
    for topic in TOPICS:
        wait_until(lambda t=topic: is_cleaned(base / "data", t), f"Kafka cleans {topic}", PATIENCE_S)
    kafka("stop", base)


def clean_with_ottla(binary, base):
    process = start_ottla(binary, base)
    try:
        for topic in TOPICS:
            wait_until(lambda t=topic: is_cleaned(base / "data", t), f"Ottla cleans {topic}", PATIENCE_S)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def run(binary, work, port):
    rng = random.Random(1)
    latest = {topic: {} for topic in TOPICS}
    work.mkdir(parents=True, exist_ok=True)
    source, theirs, ours = work / "source", work / "theirs", work / "ours"
    for path in (source, theirs, ours):
        if path.exists():
            shutil.rmtree(path)
    kafka("start", source, port, *NO_CLEANER)
    bootstrap = f"127.0.0.1:{port}"
    try:
        make_topics(bootstrap)
        for topic in TOPICS:
            produce(bootstrap, topic, rng, latest[topic])
    finally:
        kafka("stop", source)
    move(source, theirs, port, CLEANER)
    move(source, ours, port, CLEANER)
    before = {topic: len(segments(source / "data", topic)) for topic in TOPICS}
    clean_with_kafka(theirs, port)
    clean_with_ottla(binary, ours)
    for topic in TOPICS:
        print(f"     {topic}: {before[topic]} segments became {len(segments(theirs / 'data', topic))} of Kafka's, "
              f"{len(segments(ours / 'data', topic))} of Ottla's")
        compare(topic, dump(theirs / "data", topic), dump(ours / "data", topic))
        check_indexes(ours / "data", topic)
    go_on(ours, port, bootstrap, latest)


def go_on(base, port, bootstrap, latest):
    kafka("start", base, port, *CLEANER)
    try:
        for topic in TOPICS:
            found = consume(bootstrap, topic)
            wanted = {k: v for k, v in latest[topic].items() if v is not None}
            left = {k: v for k, v in found.items() if v is not None}
            if left != wanted:
                raise Failure(f"{topic}: a consumer finds {len(left)} keys, not the {len(wanted)} of the input")
            print(f"ok   {topic}: a read-committed consumer of Kafka finds the latest value of each of {len(wanted)} keys")
    finally:
        kafka("stop", base)
    text = (base / "kafka.log").read_text(errors="replace")
    if "uncleanable" in text or "CorruptRecordException" in text:
        raise Failure("Kafka objects to what Ottla has left: see " + str(base / "kafka.log"))


def main():
    if len(sys.argv) not in (2, 4):
        print("usage: run OTTLA [DIR PORT]", file=sys.stderr)
        return 2
    binary = os.path.abspath(sys.argv[1])
    try:
        if len(sys.argv) == 4:
            run(binary, pathlib.Path(sys.argv[2]).resolve(), int(sys.argv[3]))
        else:
            with tempfile.TemporaryDirectory(prefix="ottla-compaction-") as work:
                run(binary, pathlib.Path(work), free_port_pair())
    except Failure as failure:
        print(f"FAIL {failure}")
        print("0 passed, 1 failed")
        return 1
    print("1 passed, 0 failed")
    return 0


sys.exit(main())
