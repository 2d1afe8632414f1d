"""A process that may open few files, and is asked for many partitions and connections: they share, and some wait. And signals that it should outlive."""
import os
import signal

import wire
from node import Node
from probe import expect, wait_until

DESCRIPTORS = 200
TOPICS, PARTITIONS = 4, 100
CROWD = 500


def checkpointed(node, topic, partition):
    """Its high watermark in the checkpoint, or None."""
    try:
        with open(os.path.join(node.data, "replication-offset-checkpoint")) as file:
            for line in file:
                if line.startswith(f"{topic} {partition} "):
                    return int(line.split()[2])
    except FileNotFoundError:
        pass
    return None


def produce_everywhere(client, word):
    for t in range(TOPICS):
        for p in range(PARTITIONS):
            error, _ = client.produce(f"t{t}", p, [word])
            expect(error == 0, f"produce to t{t}-{p}: error {error}")


def more_partitions_and_connections_than_descriptors(node):
    client = wire.Client(node)
    for t in range(TOPICS):
        expect(client.create_topic(f"t{t}", PARTITIONS) == 0, "a topic cannot be created")
    produce_everywhere(client, b"before")
    crowd = [node.connect() for _ in range(CROWD)]
    wait_until(lambda: node.find("new ones wait"), "nothing tells that connections wait")
    expect(node.descriptors() < DESCRIPTORS, "no descriptor is kept for files")
    # Whoever is in is served, and the files that a node writes by itself are written.
    produce_everywhere(client, b"meanwhile")
    wait_until(lambda: checkpointed(node, f"t{TOPICS - 1}", PARTITIONS - 1) == 2, "no checkpoint is written")
    for s in crowd:
        s.close()
    late = wire.Client(node)
    produce_everywhere(late, b"after")
    for t in range(TOPICS):
        records = late.read_all(f"t{t}", PARTITIONS - 1)
        expect([value for _, value in records] == [b"before", b"meanwhile", b"after"], f"t{t} holds {records}")
    expect(not node.lines("ERROR"), node.lines("ERROR"))
    full = [line for line in node.lines("WARN") if "new ones wait" in line]
    expect(len(full) == 1 and str(DESCRIPTORS) in node.find("ulimit -n"), full)
    client.close()
    late.close()


def signals_that_end_no_java_process(node):
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGHUP, signal.SIGQUIT):
        node.process.send_signal(number)
    wait_until(lambda: node.find("requests in flight"), "SIGQUIT tells nothing")
    client = wire.Client(node)
    expect(client.create_topic("signalled", 1) == 0, "a topic cannot be created")
    client.close()
    expect(not node.has_ended() and not node.find("stopping"), node.last_lines())


def run(directory, case):
    node = Node(directory, {"replica.high.watermark.checkpoint.interval.ms": "200", "log.initial.task.delay.ms": "200"})
    node.descriptors_max = DESCRIPTORS
    node.format()
    node.start()
    try:
        case("more_partitions_and_connections_than_descriptors",
             lambda: more_partitions_and_connections_than_descriptors(node))
        case("signals_that_end_no_java_process", lambda: signals_that_end_no_java_process(node))
        case("it_ends_in_good_order_with_few_descriptors", node.stop)
    finally:
        node.kill()
