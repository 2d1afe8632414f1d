"""Starts that cannot go well, or not at once: ports and directories that others have, files that are missing, cut or full of
garbage. Each start that fails says one sentence that names the thing, and leaves everything as it was; each that can go on
loses nothing that was whole."""
import os
import random
import re
import shutil
import socket
import struct
import subprocess

import wire
from node import Node, copy, tree
from probe import expect, wait_until

CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
OTHER_CLUSTER = "4L6g3nShT-eMCtK--X86sw"
RECORDS = 60


class World:
    """Data directories of a node that was stopped in good order, and of one that was killed, to be copied and damaged."""

    def __init__(self, directory):
        self.directory = directory
        self.count = 0
        self.stopped = self.fill("stopped", lambda node: node.stop())
        self.killed = self.fill("killed", lambda node: node.kill())

    def fill(self, name, end):
        node = Node(os.path.join(self.directory, name))
        node.format(CLUSTER)
        node.start()
        client = wire.Client(node)
        expect(client.create_topic("t", 2, [("segment.bytes", "1048576"), ("index.interval.bytes", "64")]) == 0, "no topic")
        for i in range(RECORDS):
            expect(client.produce("t", i % 2, [b"value %d" % i])[0] == 0, "no record")
        client.close()
        end(node)
        return node.data

    def node(self, source=None, settings=None):
        """A node of its own on a copy of a data directory; without one, on none."""
        self.count += 1
        node = Node(os.path.join(self.directory, f"start{self.count}"), settings)
        if source is not None:
            copy(source, node.data)
        return node


def refused(node, *parts):
    """It does not start, says so in one ERROR line with these words, and touches nothing."""
    before = tree(node.data)
    lines = node.refuses_to_start()
    expect(len(lines) == 1, f"{len(lines)} lines: {lines}")
    for part in parts:
        expect(part in lines[0], f"the line lacks {part!r}: {lines[0]}")
    after = tree(node.data)
    changed = sorted(n for n in set(before) | set(after) if before.get(n) != after.get(n))
    # The marker of a clean end may be taken away (a start that fails counts as a crash), and what is made from the logs
    # made anew.
    changed = [n for n in changed if n != ".kafka_cleanshutdown" and not n.endswith((".index", ".timeindex"))]
    expect(not changed, f"it touched {changed[:5]}")


def goes_on(node, *parts, first=0, lost=()):
    """It starts, says these words (each in some line), and every record is there but for those in `lost`."""
    node.start()
    for part in parts:
        expect(node.find(part), f"no line has {part!r}: {node.last_lines()}")
    client = wire.Client(node)
    for partition in range(2):
        found = dict(client.read_all("t", partition))
        for offset in range(RECORDS // 2):
            want = b"value %d" % (2 * offset + partition)
            if (partition, offset) not in lost:
                expect(found.get(offset) == want, f"offset {offset} of partition {partition} is {found.get(offset)!r}")
        end = max(found, default=-1) + 1
        error, offset = client.produce("t", partition, [b"new"])
        expect((error, offset) == (0, end), f"a new record of partition {partition}: {error}, offset {offset}, not {end}")
    client.close()
    expect(not node.lines("ERROR"), f"errors: {node.lines('ERROR')}")
    node.stop()


def damage(path, how, seed=1):
    with open(path, "rb") as f:
        data = f.read()
    if how == "garbage":
        data = random.Random(seed).randbytes(max(len(data), 200))
    elif how == "zeros":
        data = bytes(max(len(data), 200))
    elif how == "empty":
        data = b""
    elif how == "half":
        data = data[:len(data) // 2]
    elif how == "longer":
        data += b"\xff" * 77
    with open(path, "wb") as f:
        f.write(data)


def find(data, suffix, partition="t-0", must=True):
    names = sorted(n for n in os.listdir(os.path.join(data, partition)) if n.endswith(suffix))
    expect(names or not must, f"no {suffix} in {partition}")
    return os.path.join(data, partition, names[0]) if names else None


# ---- cases

def a_port_that_is_taken(world):
    other = socket.create_server(("127.0.0.1", 0))
    for listener in ("PLAINTEXT", "CONTROLLER"):
        node = world.node(world.stopped)
        port = other.getsockname()[1]
        node.settings["listeners"] = re.sub(rf"{listener}://127.0.0.1:\d+", f"{listener}://127.0.0.1:{port}",
                                            node.settings["listeners"])
        refused(node, "cannot start", listener, str(port), "in use")
    other.close()


def an_address_that_is_not_ours(world):
    node = world.node(world.stopped)
    node.settings["listeners"] = f"PLAINTEXT://192.0.2.1:{node.port},CONTROLLER://127.0.0.1:{node.controller_port}"
    refused(node, "listener PLAINTEXT", "192.0.2.1")


def a_directory_that_another_has(world):
    first = world.node(world.stopped)
    first.start()
    second = world.node(None, {"log.dirs": first.data})
    lines = second.refuses_to_start()
    expect(len(lines) == 1 and first.data in lines[0] and "another process" in lines[0], f"it says {lines}")
    client = wire.Client(first)
    expect(client.read_all("t", 0), "the first one is harmed")
    client.close()
    first.stop()


def a_directory_of_nobody(world):
    refused(world.node(), "cannot start", "kafka-storage.sh format", "data")
    empty = world.node()
    os.makedirs(empty.data)
    refused(empty, "cannot start", "kafka-storage.sh format")


def a_directory_of_another_node(world):
    refused(world.node(world.stopped, {"node.id": "7"}), "node.id", "7", "1", "meta.properties")


def directories_of_two_clusters(world):
    node = world.node(world.stopped)
    other = Node(os.path.join(world.directory, "other"))
    other.format(OTHER_CLUSTER)
    node.settings["log.dirs"] = f"{node.data},{other.data}"
    refused(node, CLUSTER, OTHER_CLUSTER, other.data)


def the_same_directory_twice(world):
    node = world.node(world.stopped)
    twin = os.path.join(node.directory, "twin")
    copy(node.data, twin)
    node.settings["log.dirs"] = f"{node.data},{twin}"
    refused(node, "directory.id", twin)


def a_directory_whose_disk_is_not_mounted(world):
    for is_there in (True, False):
        node = world.node(world.stopped)
        mountpoint = os.path.join(node.directory, "second")
        if is_there:
            os.makedirs(mountpoint)
        node.settings["log.dirs"] = f"{node.data},{mountpoint}"
        refused(node, "cannot start", mountpoint, "mount")
        expect(not os.path.exists(mountpoint) or not os.listdir(mountpoint), "it made something there")


def a_directory_with_another_id(world):
    for line in ("directory.id=AAAAAAAAAAAAAAAAAAAAEA\n", ""):
        node = world.node(world.stopped)
        path = os.path.join(node.data, "meta.properties")
        with open(path, encoding="utf-8") as old:
            kept = [text for text in old if not text.startswith("directory.id=")]
        with open(path, "w", encoding="utf-8") as new:
            new.write("".join(kept) + line)
        lines = node.refuses_to_start()
        expect(len(lines) == 1 and "directory.id" in lines[0] and path in lines[0], f"it says {lines}")


def one_directory_in_other_words(world):
    node = world.node(world.stopped)
    node.settings["log.dirs"] = f"{node.data}//"
    node.settings["metadata.log.dir"] = f"{os.path.dirname(node.data)}//{os.path.basename(node.data)}/"
    goes_on(node)
    node.stop()


def a_partition_that_is_gone(world):
    node = world.node(world.stopped)
    shutil.rmtree(os.path.join(node.data, "t-1"))
    node.start()
    expect(node.find("t-1 is not in"), f"no line tells of it: {node.last_lines()}")
    node.stop()


def a_meta_properties_that_is_none(world):
    contents = {
        "garbage": (random.Random(3).randbytes(300), "meta.properties"),
        "empty": (b"", "meta.properties"),
        "no version": (b"cluster.id=x\nnode.id=1\n", "version"),
        "another version": (b"version=7\ncluster.id=x\nnode.id=1\n", "version"),
        "no number": (b"version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=one\n", "node.id"),
        "no cluster": (b"version=1\nnode.id=1\n", "cluster.id"),
        "no node": (b"version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n", "node.id"),
        "bad id": (b"version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\nnode.id=1\ndirectory.id=???\n", "directory.id"),
        "huge": (b"#" * 100000, "meta.properties"),
    }
    for name, (content, part) in contents.items():
        node = world.node(world.stopped)
        with open(os.path.join(node.data, "meta.properties"), "wb") as out:
            out.write(content)
        try:
            refused(node, "meta.properties", part)
        except Exception as e:
            raise type(e)(f"{name}: {e}")


def a_log_directory_that_is_a_file(world):
    node = world.node()
    with open(node.data, "w") as out:
        out.write("no directory\n")
    node.spawn()
    expect(node.process.wait(20) == 1, "it starts")
    lines = node.lines("ERROR")
    expect(len(lines) == 1 and node.data in lines[0], f"it says {lines}")


def a_directory_that_cannot_be_written(world):
    """A read-only file system, where one may be mounted; else one without the right to write, unless we may do all."""
    node = world.node()
    os.makedirs(node.data)
    mounted = mount("-t", "tmpfs", "-o", "size=16m", "none", node.data)
    try:
        for name in os.listdir(world.stopped):
            source = os.path.join(world.stopped, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(node.data, name))
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", node.data], check=True)
        elif os.getuid() != 0:
            os.chmod(node.data, 0o500)
        else:
            return "neither may it mount, nor is anything forbidden to it"
        lines = node.refuses_to_start()
        expect(len(lines) == 1 and node.data in lines[0], f"it says {lines}")
    finally:
        if mounted:
            subprocess.run(["umount", node.data], check=True)
        os.chmod(node.data, 0o700)


def mount(*arguments):
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


def ends_of_logs_that_were_being_written(world):
    """A batch that is half there, or full of garbage, after the last whole one: it is cut, and a line tells where."""
    for tail in (b"\xff" * 40, bytes(4096), wire.batch([b"half"])[:50], random.Random(5).randbytes(777)):
        node = world.node(world.killed)
        log = find(node.data, ".log")
        with open(log, "ab") as out:
            out.write(tail)
        goes_on(node, "t-0", "cut")
    # The same after a clean end: nobody looks there, and nothing of it may be read.


def a_log_that_is_cut(world):
    """Bytes of the last batch are missing: what was before it is there, what was in it is not."""
    node = world.node(world.killed)
    log = find(node.data, ".log")
    with open(log, "r+b") as out:
        out.truncate(os.path.getsize(log) - 5)
    goes_on(node, "t-0", lost={(0, RECORDS // 2 - 1)})


def a_log_with_a_bad_byte_in_its_middle(world):
    """Above the recovery point it ends there, whichever byte of the batch it is: of its offset, length, CRC or records."""
    for at in (1, 9, 16, 19, 40, 70):
        node = world.node(world.killed)
        log = find(node.data, ".log")
        with open(log, "rb") as whole:
            data = bytearray(whole.read())
        begin = 0
        for _ in range(RECORDS // 4):
            begin += 12 + struct.unpack_from(">i", data, begin + 8)[0]
        data[begin + at] ^= 0x55
        with open(log, "wb") as out:
            out.write(data)
        node.start()
        expect(node.find("t-0"), f"byte {at}: no line tells of it: {node.last_lines()}")
        client = wire.Client(node)
        found = client.read_all("t", 0)
        expect(found == [(i, b"value %d" % (2 * i)) for i in range(RECORDS // 4)], f"byte {at}: {len(found)} records are there")
        expect(len(client.read_all("t", 1)) == RECORDS // 2, f"byte {at}: the other partition is harmed")
        client.close()
        node.stop()


def indexes_that_are_none(world):
    """They can be made anew from the log; nothing is lost, after a clean end or another."""
    for source in (world.stopped, world.killed):
        for suffix in (".index", ".timeindex"):
            for how in ("garbage", "half", "gone") if source is world.stopped else ("zeros", "empty", "longer"):
                node = world.node(source)
                path = find(node.data, suffix, must=source is world.stopped)
                if path is None:  # one that was killed may not have written it yet
                    continue
                os.remove(path) if how == "gone" else damage(path, how)
                try:
                    goes_on(node)
                    if how in ("garbage", "gone"):  # what is cut where an entry ends may be believed
                        expect(sum(path in line for line in node.lines("WARN")) == 1, f"not one line names it: {node.last_lines()}")
                except Exception as e:
                    raise type(e)(f"{suffix} {how} of {os.path.basename(os.path.dirname(source))}: {e}")


def small_files_that_are_none(world):
    """Of a log, and of a directory: each is made anew or read from the log, with a line that names it."""
    for source in (world.stopped, world.killed):
        for name in ("t-0/leader-epoch-checkpoint", "recovery-point-offset-checkpoint",
                     "replication-offset-checkpoint", "log-start-offset-checkpoint", "t-0/partition.metadata"):
            for how in ("garbage", "gone") if source is world.stopped else ("empty", "half"):
                node = world.node(source)
                path = os.path.join(node.data, name)
                if source is world.killed and name == "t-0/partition.metadata":
                    continue  # see a_topic_id_that_a_crash_took
                if not os.path.exists(path) or (how == "half" and os.path.getsize(path) < 6):
                    continue  # half of one without entries is one without entries
                os.remove(path) if how == "gone" else damage(path, how)
                before = tree(node.data)
                node.spawn()
                wait_until(lambda: node.has_ended() or node.find("ready after"), "it hangs")
                what = f"{name} {how}"
                if node.has_ended():
                    lines = node.lines("ERROR")
                    expect(node.process.returncode == 1 and len(lines) == 1, f"{what}: {node.last_lines()}")
                    expect(os.path.basename(name) in lines[0], f"{what}: {lines}")
                    after = tree(node.data)
                    expect(all(before[n] == after.get(n) for n in before if n.endswith(".log")), f"{what}: a log was touched")
                    continue
                if how in ("garbage", "half"):
                    expect(node.find(os.path.basename(name)), f"{what}: no line names it: {node.last_lines()}")
                node.kill()
                try:
                    goes_on(node)
                except Exception as e:
                    raise type(e)(f"{what}: {e}")


def a_topic_id_that_a_crash_took(world):
    """As Apache Kafka: the records may be those of another topic of this name, so that they are set aside, whole."""
    for how in ("empty", "half", "gone"):
        node = world.node(world.killed)
        directory = os.path.join(node.data, "t-0")
        path = os.path.join(directory, "partition.metadata")
        os.remove(path) if how == "gone" else damage(path, how)
        before = {n: data for n, data in tree(directory).items() if n.endswith(".log")}
        expect(any(before.values()), f"{how}: there is nothing to lose")
        node.start()
        aside = [n for n in os.listdir(node.data) if n.startswith("t-0.") and n.endswith("-stray")]
        expect(len(aside) == 1, f"{how}: {os.listdir(node.data)}")
        expect(node.find(aside[0]), f"{how}: no line names it: {node.last_lines()}")
        kept = tree(os.path.join(node.data, aside[0]))
        expect(all(kept.get(n) == data for n, data in before.items()), f"{how}: what was set aside is not whole")
        client = wire.Client(node)
        expect(len(client.read_all("t", 1)) == RECORDS // 2, f"{how}: the other partition is harmed")
        expect(client.produce("t", 0, [b"anew"])[0] == 0, f"{how}: the partition takes no records")
        expect(client.read_all("t", 0) == [(0, b"anew")], f"{how}: {client.read_all('t', 0)}")
        client.close()
        node.stop()


def producer_snapshots_that_are_none(world):
    node = world.node()
    node.format(CLUSTER)
    node.start()
    client = wire.Client(node)
    expect(client.create_topic("t", 2, [("segment.bytes", "1048576")]) == 0, "no topic")
    for i in range(RECORDS):
        expect(client.produce("t", i % 2, [b"value %d" % i])[0] == 0, "no record")
    client.close()
    node.stop()
    for how in ("garbage", "empty", "half"):
        damaged = world.node(node.data)
        for base, _, names in os.walk(damaged.data):
            for name in names:
                if name.endswith(".snapshot"):
                    damage(os.path.join(base, name), how)
        goes_on(damaged)


def a_metadata_log_that_is_none(world):
    """The cluster's memory: a tail that was being written is cut; anything else is refused, and nothing is thrown away."""
    for source in (world.stopped, world.killed):
        node = world.node(source)
        log = find(node.data, ".log", "__cluster_metadata-0")
        with open(log, "ab") as out:
            out.write(b"\xff" * 30)
        goes_on(node)
        for how in ("garbage", "zeros", "empty", "half", "gone"):
            if how == "half" and source is world.killed:
                continue  # its end was not checkpointed yet: what is missing cannot be told from what was never written
            node = world.node(source)
            log = find(node.data, ".log", "__cluster_metadata-0")
            if how == "gone":
                os.remove(log)
                lines = node.refuses_to_start()
                expect(len(lines) == 1 and "__cluster_metadata-0" in lines[0], f"it says {lines}")
                continue
            damage(log, how)
            refused(node, "cannot start", "__cluster_metadata-0", "flushed")


def a_quorum_state_that_is_none(world):
    for how in ("garbage", "empty", "half"):
        node = world.node(world.stopped)
        damage(os.path.join(node.data, "__cluster_metadata-0", "quorum-state"), how)
        refused(node, "cannot start", os.path.join(node.data, "__cluster_metadata-0") + ": quorum-state")


def metadata_snapshots_that_are_none(world):
    for how in ("garbage", "empty", "half"):
        node = world.node(world.stopped)
        damage(find(node.data, ".checkpoint", "__cluster_metadata-0"), how)
        refused(node, "cannot start", ".checkpoint")
        fresh = world.node()
        fresh.format(CLUSTER)
        damage(os.path.join(fresh.data, "bootstrap.checkpoint"), how)
        lines = fresh.refuses_to_start()
        expect(len(lines) == 1 and "bootstrap.checkpoint" in lines[0], f"it says {lines}")


def an_older_metadata_snapshot_that_is_none(world):
    """The newest is what counts: a start tells of the other, and needs it not."""
    node = world.node(world.stopped, {"metadata.log.max.record.bytes.between.snapshots": "1"})
    directory = os.path.join(node.data, "__cluster_metadata-0")

    def snapshots():
        return sorted(n for n in os.listdir(directory) if n.endswith(".checkpoint"))
    node.start()
    wait_until(lambda: len(snapshots()) > 1, "no second snapshot is written")
    node.stop()
    oldest = snapshots()[0]
    damage(os.path.join(directory, oldest), "garbage")
    goes_on(node)
    line = next((line for line in node.text().splitlines() if oldest in line), "")
    expect("WARN" in line and "a newer one is used" in line, f"it says {line}")


def directories_and_names_that_are_none(world):
    """What is no partition is told of and left alone; what the cluster does not know is set aside, as Apache Kafka does."""
    node = world.node(world.stopped)
    for name in ("lost+found", "notes", "t-x", "-0"):
        os.makedirs(os.path.join(node.data, name))
        with open(os.path.join(node.data, name, "keep"), "w") as out:
            out.write("me")
    copy(os.path.join(node.data, "t-0"), os.path.join(node.data, "t-9"))
    copy(os.path.join(node.data, "t-0"), os.path.join(node.data, "stranger-0"))
    goes_on(node)
    for name in ("lost+found", "notes", "t-x", "-0"):
        expect(os.path.exists(os.path.join(node.data, name, "keep")), f"{name} was touched")
    for name in ("t-9", "stranger-0"):
        left = [n for n in os.listdir(node.data) if n.startswith(name)]
        expect(len(left) == 1 and left[0].endswith("-stray"), f"{name} became {left}")
    goes_on(node)
    told = [line for line in node.lines() if "-stray" in line]
    expect(len(told) == 1 and "2 partitions that were set aside" in told[0], f"another start says {told}")


# ---- settings

def settings_with_a_slip_of_the_pen(world):
    node = world.node(world.stopped, {"log.retention.hrs": "10", "num.partitionss": "3", "listner.name.x": "1",
                                      "my.own.plugin.setting": "1", "zookeeper.connect": "localhost:2181"})
    node.start()
    for wrong, near in (("log.retention.hrs", "log.retention.hours"), ("num.partitionss", "num.partitions")):
        line = node.find(wrong)
        expect(line and near in line and "WARN" in line, f"{wrong}: {line}")
    expect(node.find("1 ZooKeeper setting is ignored"), "nothing tells of ZooKeeper's setting")
    node.stop()


def settings_with_bad_values(world):
    for name, value, parts in (
            ("num.partitions", "three", ("three",)), ("num.partitions", "0", ("0",)),
            ("log.segment.bytes", "13", ("13",)), ("log.retention.hours", "99999999999999999999", ("99999999999999999999",)),
            ("log.cleanup.policy", "shred", ("shred",)), ("compression.type", "rar", ("rar",)),
            ("auto.create.topics.enable", "maybe", ("maybe",)), ("node.id", "-4", ("-4",)),
            ("listeners", "PLAINTEXT:/here", ("PLAINTEXT:/here",)), ("listeners", "PLAINTEXT://:99999", ("99999",)),
            ("process.roles", "broker,king", ("king",)), ("broker.heartbeat.interval.ms", "", ())):
        node = world.node(world.stopped, {name: value})
        before = tree(node.data)
        lines = node.refuses_to_start()
        expect(any(name in line and all(part in line for part in parts) for line in lines), f"{name}={value}: {lines}")
        expect(tree(node.data) == before, f"{name}={value}: it touched the data")


def settings_that_would_be_unsafe_to_ignore(world):
    for name, value, part in (
            ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer", "authorizer.class.name"),
            ("remote.log.storage.system.enable", "true", "remote.log.storage.system.enable"),
            ("security.inter.broker.protocol", "SSL", "security.inter.broker.protocol"),
            ("listener.security.protocol.map", "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT", "SASL_PLAINTEXT"),
            ("listener.security.protocol.map", "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT", "SSL")):
        node = world.node(world.stopped, {name: value})
        lines = node.refuses_to_start()
        expect(any(part in line for line in lines), f"{name}: {lines}")
    # Without a listener that would use them they protect nothing: a line is enough.
    node = world.node(world.stopped, {"ssl.keystore.location": "/etc/kafka/key.jks", "sasl.enabled.mechanisms": "PLAIN"})
    node.start()
    for name in ("ssl.keystore.location", "sasl.enabled.mechanisms"):
        expect(node.find(f"{name}=") and "has no effect" in node.find(f"{name}="), f"nothing tells of {name}")
    node.stop()


def a_properties_file_that_is_none(world):
    node = world.node(world.stopped)
    node.write_properties()
    for what, make in (("missing", lambda: os.remove(node.properties)),
                       ("a directory", lambda: os.makedirs(node.properties)),
                       ("garbage", lambda: (os.rmdir(node.properties), open(node.properties, "wb").write(b"\\u12" + bytes(range(256)))))):
        make()
        done = subprocess.run([os.environ.get("OTTLA_BINARY", __import__("node").BINARY), "server-start", node.properties],
                              capture_output=True, text=True, errors="replace", timeout=20)
        expect(done.returncode == 1, f"{what}: status {done.returncode}")
        expect(node.properties in done.stdout + done.stderr, f"{what}: {done.stdout}{done.stderr}")


def run(directory, case):
    world = World(directory)
    for body in (a_port_that_is_taken, an_address_that_is_not_ours, a_directory_that_another_has, a_directory_of_nobody,
                 a_directory_of_another_node, directories_of_two_clusters, the_same_directory_twice,
                 a_directory_whose_disk_is_not_mounted, a_directory_with_another_id, one_directory_in_other_words,
                 a_partition_that_is_gone,
                 a_meta_properties_that_is_none, a_log_directory_that_is_a_file, a_directory_that_cannot_be_written,
                 ends_of_logs_that_were_being_written, a_log_that_is_cut, a_log_with_a_bad_byte_in_its_middle,
                 indexes_that_are_none, small_files_that_are_none, a_topic_id_that_a_crash_took, producer_snapshots_that_are_none,
                 a_metadata_log_that_is_none, a_quorum_state_that_is_none, metadata_snapshots_that_are_none,
                 an_older_metadata_snapshot_that_is_none,
                 directories_and_names_that_are_none, settings_with_a_slip_of_the_pen, settings_with_bad_values,
                 settings_that_would_be_unsafe_to_ignore, a_properties_file_that_is_none):
        case(body.__name__, lambda body=body: body(world))
