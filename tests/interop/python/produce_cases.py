"""What a producer sends is what a consumer reads; what a broker must refuse, it refuses by name."""

import os
import time

from confluent_kafka import (
    TIMESTAMP_CREATE_TIME,
    TIMESTAMP_LOG_APPEND_TIME,
    KafkaError,
)
from proxy import Proxy
from suite import acknowledged, case, check, fails, finish, same, send

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@case(*CODECS)
def produce_codec(env, codec):
    topic = env.topic(retention_ms=-1)  # its records are too old for the default
    producer = env.producer(compression_type=codec, linger_ms=20)
    reports = []
    for i in range(500):
        send(producer, topic, "value " * (i % 50) + str(i), reports, key=f"key {i}",
             timestamp=1_600_000_000_000 + i, headers=[("number", str(i))])
    finish(producer)
    same([(None, i) for i in range(500)], [(e, m.offset()) for e, m in reports], "reports")
    for i, message in enumerate(env.read_all(topic, 0, 500)):
        same(i, message.offset(), "offset")
        same(f"key {i}".encode(), message.key(), "key")
        same(("value " * (i % 50) + str(i)).encode(), message.value(), "value")
        same((TIMESTAMP_CREATE_TIME, 1_600_000_000_000 + i), message.timestamp(), "timestamp")
        same([("number", str(i).encode())], message.headers(), "headers")


@case(*CODECS)
def produce_900_kb(env, codec):
    topic = env.topic()
    value = os.urandom(900_000)
    producer = env.producer(compression_type=codec)
    for _ in range(3):
        acknowledged(producer, topic, value)
    for message in env.read_all(topic, 0, 3):
        check(message.value() == value, f"the value at offset {message.offset()} is another")


@case(0, 1, "all")
def produce_acks(env, acks):
    topic = env.topic()
    producer = env.producer(acks=acks)
    for i in range(30):
        message = acknowledged(producer, topic, f"v{i}")
        if acks != 0:
            same(i, message.offset(), "offset")
    same([f"v{i}".encode() for i in range(30)], [m.value() for m in env.read_all(topic, 0, 30)], "values")


@case()
def produce_null_and_empty(env):
    topic = env.topic()
    producer = env.producer()
    pairs = [(None, None), (b"", b""), (b"key", None), (None, b"value")]
    for key, value in pairs:
        send(producer, topic, value, key=key)
    finish(producer)
    same(pairs, [(m.key(), m.value()) for m in env.read_all(topic, 0, 4)], "pairs")


@case()
def produce_headers(env):
    topic = env.topic()
    headers = [("a", b"1"), ("b", b""), ("a", os.urandom(5000)), ("ключ", None)]
    acknowledged(env.producer(), topic, "v", headers=headers)
    same(headers, env.read_all(topic, 0, 1)[0].headers(), "headers")


@case()
def produce_log_append_time(env):
    topic = env.topic(message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000)
    acknowledged(env.producer(), topic, "v", timestamp=1000)
    kind, stamp = env.read_all(topic, 0, 1)[0].timestamp()
    same(TIMESTAMP_LOG_APPEND_TIME, kind, "kind")
    check(stamp >= before, f"the broker's time, not {stamp}")


@case()
def produce_too_large(env):
    topic = env.topic(max_message_bytes=1000)
    producer = env.producer()
    fails(KafkaError.MSG_SIZE_TOO_LARGE, lambda: acknowledged(producer, topic, os.urandom(2000)))
    same(0, acknowledged(producer, topic, os.urandom(900)).offset(), "offset of the next")


@case()
def produce_timestamp_too_far_ahead(env):
    topic = env.topic(message_timestamp_after_max_ms=60_000)
    ahead = int(time.time() * 1000) + 7_200_000
    fails(KafkaError.INVALID_TIMESTAMP, lambda: acknowledged(env.producer(), topic, "v", timestamp=ahead))


@case()
def produce_without_key_to_compacted_topic(env):
    topic = env.topic(cleanup_policy="compact")
    fails(KafkaError.INVALID_RECORD, lambda: acknowledged(env.producer(), topic, "v"))
    same(0, acknowledged(env.producer(), topic, "v", key="k").offset(), "offset")


@case()
def produce_to_unknown_partition(env):
    topic = env.topic()
    fails(KafkaError._UNKNOWN_PARTITION, lambda: acknowledged(env.producer(), topic, "v", partition=5))


@case()
def produce_creates_topic(env):
    topic = env.unique()
    same(0, acknowledged(env.producer(), topic, "v").offset(), "offset")
    same(b"v", env.read_all(topic, 0, 1)[0].value(), "value")


@case(1, 2, 3)
def disconnects_idempotent_producer(env, seed):
    topic = env.topic(3)
    node = next(iter(env.admin.list_topics(timeout=10).brokers.values()))
    proxy = Proxy(node.host, node.port, seed)
    producer = env.producer(bootstrap_servers=proxy.bootstrap, enable_idempotence=True, batch_num_messages=5,
                            linger_ms=1, reconnect_backoff_ms=5, reconnect_backoff_max_ms=20, retry_backoff_ms=5)
    reports = []
    for i in range(3000):
        send(producer, topic, f"v{i}", reports, partition=i % 3)
        if i % 100 == 99:
            producer.flush(0.05)
    finish(producer)
    proxy.close()
    same([], [e for e, _ in reports if e is not None], "errors")
    check(proxy.cuts >= 15, f"only {proxy.cuts} connections were cut")
    for p in range(3):
        values = [m.value() for m in env.read_all(topic, p, 1000)]
        same([f"v{i}".encode() for i in range(p, 3000, 3)], values, f"values of partition {p}")
