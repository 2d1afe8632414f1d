"""Producers of librdkafka against a broker that takes no records for a while; see ../full."""

import os
import sys
import time

import suite
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from stream import Stream
from suite import check, same, wait

MARK = "ottla.disk.min.free.bytes"
STALL_S = 1.5
ACKS = 2000


def set_mark(env, value):
    operation = AlterConfigOpType.DELETE if value is None else AlterConfigOpType.SET
    entry = ConfigEntry(MARK, value, incremental_operation=operation)
    broker = str(min(env.admin.list_topics(timeout=10).brokers))
    resource = ConfigResource(ResourceType.BROKER, broker, incremental_configs=[entry])
    for future in env.admin.incremental_alter_configs([resource]).values():
        future.result()


def await_acks(streams, count):
    goals = [len(s.acknowledged) + count for s in streams]
    wait(f"{count} acknowledgements", lambda: all(len(s.acknowledged) >= g for s, g in zip(streams, goals)))


def await_stall(streams):
    """Nothing is acknowledged for a while."""
    def is_stalled():
        before = [len(s.acknowledged) for s in streams]
        time.sleep(STALL_S)
        return before == [len(s.acknowledged) for s in streams]
    wait("appends that are refused", is_stalled)


def check_stream(env, stream, is_once):
    same([], stream.errors, "errors of the producer")
    same(stream.sent, len(stream.acknowledged), "acknowledged")
    consumer = env.consumer()
    consumer.assign([suite.TopicPartition(stream.topic, 0, 0)])
    end = consumer.get_watermark_offsets(suite.TopicPartition(stream.topic, 0))[1]
    values = [m.value() for m in suite.read([consumer], end)]
    for number, offset in stream.acknowledged.items():
        check(offset < 0 or values[offset] == f"v{number}".encode(), f"v{number} is not at offset {offset}")
    if is_once:
        same([f"v{n}".encode() for n in range(stream.sent)], values, "values")


def main(bootstrap):
    env = suite.Env(bootstrap, "full")
    configs = {"idempotent": {"enable_idempotence": True}, "acks_1": {"acks": 1}, "acks_all": {}}
    streams = {name: Stream(env, env.topic(1), 1, **config) for name, config in configs.items()}
    passed = failed = 0
    try:
        await_acks(streams.values(), ACKS)
        set_mark(env, str(2**63 - 1))
        await_stall(streams.values())
        set_mark(env, None)
        await_acks(streams.values(), ACKS)
        for name, stream in streams.items():
            stream.stop()
            check_stream(env, stream, name == "idempotent")
            passed += 1
            print(f"ok librdkafka_{name}_waits_for_space", flush=True)
    except Exception as e:
        failed = 1
        print(f"FAIL librdkafka_waits_for_space: {type(e).__name__} {e}".replace("\n", " ")[:1000], flush=True)
    set_mark(env, None)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    code = main(sys.argv[1])
    sys.stdout.flush()
    os._exit(code)
