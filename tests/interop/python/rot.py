"""A flipped bit on the disk, and what a consumer of librdkafka makes of it; see ../rot."""

import os
import struct
import sys

import suite
from suite import TopicPartition, check, same, wait

BATCHES = 3
RECORDS = 10  # of each batch
END = BATCHES * RECORDS


def fill(bootstrap, topic):
    """Two partitions of three batches each."""
    env = suite.Env(bootstrap, "rot")
    env.admin.create_topics([suite.NewTopic(topic, num_partitions=2)])[topic].result()
    env.wait_topic(topic, 2)
    for partition in range(2):
        for first in range(0, END, RECORDS):
            producer = env.producer(linger_ms=1000)
            for i in range(first, first + RECORDS):
                suite.send(producer, topic, f"v{i}", partition=partition)
            suite.finish(producer)


def flip(path):
    """A bit of a value in the second batch; prints the batch's first and last offset."""
    with open(path, "r+b") as log:
        data = log.read()
        position = 12 + struct.unpack_from(">i", data, 8)[0]
        first, length = struct.unpack_from(">qi", data, position)
        delta = struct.unpack_from(">i", data, position + 23)[0]
        at = position + 12 + length - 2  # the last record's value, before the count of its headers
        log.seek(at)
        log.write(bytes([data[at] ^ 1]))
    check(0 < first <= first + delta < END - 1, f"the second batch has offsets {first} to {first + delta}")
    print(first, first + delta)


def read(bootstrap, topic, first, last):
    env = suite.Env(bootstrap, "rot")
    # Apache Kafka sends the batch as it is, and librdkafka looks at checksums only where it is told to.
    consumer = env.consumer(check_crcs=True)
    consumer.assign([TopicPartition(topic, p, 0) for p in range(2)])
    offsets = ([], [])
    errors = []

    def is_told():
        for message in consumer.consume(100, timeout=0.1):
            if message.error() is not None:
                errors.append((len(offsets[0]), message.error().str()))
            else:
                check(message.value() == f"v{message.offset()}".encode(), f"{message.value()} at offset {message.offset()}")
                offsets[message.partition()].append(message.offset())
        return errors and len(offsets[1]) == END

    wait("an error", is_told)
    same(list(range(END)), offsets[1], "offsets of the other partition")
    same(list(range(first)), offsets[0][:first], "offsets before the damage")
    same(first, errors[0][0], f"records before the error ({errors[0][1]})")
    del offsets[0][:]
    consumer.seek(TopicPartition(topic, 0, last + 1))
    wait("what lies behind", lambda: is_told() and offsets[0][-1:] == [END - 1])
    same(list(range(last + 1, END)), offsets[0], "offsets behind the damage")
    env.close()
    print(f"ok librdkafka_is_told_of_a_damaged_batch ({errors[0][1]})")


def main(command, *arguments):
    if command == "fill":
        fill(*arguments)
    elif command == "flip":
        flip(*arguments)
    else:
        try:
            read(*arguments[:2], *map(int, arguments[2:]))
            print("1 passed, 0 failed", flush=True)
        except Exception as e:
            print(f"FAIL librdkafka_is_told_of_a_damaged_batch: {type(e).__name__} {e}".replace("\n", " ")[:1000])
            print("0 passed, 1 failed", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    os._exit(code)
