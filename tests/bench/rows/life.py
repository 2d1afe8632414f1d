"""From a start to many clients: how soon a broker is of use, what it takes to be there, and for how many."""
import os
import statistics
import time

from lab import READY_SECONDS_MAX, ROOT, BenchError, load, sync_ms
from row import Figure, Row, at_most, no_goal


class FirstProduce(Row):
    """What a start must put on the disk it waits for: so many syncs are allowed for, and 20 ms for all the rest."""
    name = "first-produce"
    title = "exec to the first acknowledged produce, formatted empty directory"
    figures = (Figure("ms", "ms", no_goal(), decimals=1),
               Figure("syncs", "of it: calls of fdatasync and fsync", at_most(8), decimals=0),
               Figure("sync_ms", "one fdatasync of a small write in this directory, ms", no_goal(), decimals=2),
               Figure("rest_ms", "all but so many fdatasyncs, ms", at_most(20), decimals=1))
    is_shared = False

    def measure(self, system):
        system.format()
        one_ms = sync_ms(system.directory)
        told = system.launch(topic="first", create=1)
        ms = told["seconds"] * 1e3
        return {"ms": ms, "syncs": told["syncs"], "sync_ms": one_ms, "rest_ms": ms - told["syncs"] * one_ms}


class Restart(Row):
    name = "restart"
    title = "restart after kill -9, 4,100 partitions and 3 GB, page cache warm"
    figures = (Figure("seconds", "until every partition has accepted a produce, s", at_most(1)),)
    is_shared = False
    is_goal_of_whole = True
    repetitions_max = 1
    restarts = {"kafka": 1, "ottla": 5}  # the median of them is the repetition
    partitions_full = 4100
    requests_per_partition = 8
    records = 96
    record_bytes = 1000

    def measure(self, system):
        partitions = self.count(self.partitions_full)
        system.start()
        system.create_topic(self.name, partitions)
        load(system.address, "produce", topic=self.name, partitions=partitions, connections=8, in_flight=4,
             requests=partitions * self.requests_per_partition, records=self.records, record_bytes=self.record_bytes,
             patience=READY_SECONDS_MAX)
        os.sync()  # what the kernel still has to write would be written while the restart is measured
        seconds = []
        for _ in range(self.restarts[system.kind]):
            system.kill()
            seconds.append(system.launch(topic=self.name, partitions=partitions)["seconds"])
        return {"seconds": statistics.median(seconds)}


class Connections(Row):
    name = "connections"
    title = "5,000 connections × 100 records/s (25 a request), 100 partitions"
    figures = (Figure("p99_ms", "p99 latency from the scheduled send time, ms", at_most(5), decimals=1),
               Figure("connect_s", "time to connect all of them, s", at_most(1)))
    connections = 5000
    partitions = 100
    rate = 4  # requests a second of each
    seconds_full = 10
    patience = 300  # to connect all takes Apache Kafka more than a minute, and it may be overtaxed by the load

    def repetitions_max_of(self, side):
        return 1 if side == "kafka" or self.scale < 1 else 3

    def prepare(self, system):
        system.create_topic(self.name, self.partitions)

    def run(self, system, connections, seconds):
        return load(system.address, "produce", topic=self.name, partitions=self.partitions, connections=connections,
                    rate=self.rate, requests=int(connections * self.rate * seconds), records=25, in_flight=8,
                    patience=self.patience)

    def warm_up(self, system):
        self.run(system, 500, 4)

    def measure(self, system):
        os.sync()  # what earlier loads left to be written is not this one's
        told = self.run(system, self.connections, max(4, self.count(self.seconds_full)))
        return {"p99_ms": told["p99_us"] / 1e3, "connect_s": told["connect_seconds"]}


class ListTopics(Row):
    name = "list"
    title = "kafka-topics.sh --list"
    figures = (Figure("ms", "from exec to exit, ms", at_most(15), decimals=1),)
    TOOLS = {"kafka": [ROOT / "tests" / "oracle" / "kafka", "tool", "topics"], "ottla": [ROOT / "bin" / "kafka-topics.sh"]}
    topic = "shown-by-the-list"

    def prepare(self, system):
        system.create_topic(self.topic)

    def measure(self, system):
        words = [str(word) for word in (*self.TOOLS[system.kind], "--bootstrap-server", system.address, "--list")]
        out, into = os.pipe()
        begin = time.perf_counter()
        pid = os.posix_spawnp(words[0], words, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, into, 1)])
        _, status = os.waitpid(pid, 0)
        ms = (time.perf_counter() - begin) * 1e3
        os.close(into)
        with os.fdopen(out) as file:
            names = file.read().split()
        if status != 0 or self.topic not in names:
            raise BenchError(f"{words[0]} ended with {status} and listed {names}")
        return {"ms": ms}


class Memory(Row):
    """Comes after all other shared rows."""
    name = "memory"
    title = "resident memory"
    figures = (Figure("idle", "idle, MB", at_most(10), decimals=1),
               Figure("after", "after the loads above, MB", at_most(64), decimals=1),
               Figure("peak", "at most, MB", no_goal(), decimals=1))
    repetitions_max = 1

    def measure(self, system):
        return {"idle": system.idle_bytes / 1e6, "after": system.process.resident_bytes() / 1e6,
                "peak": system.process.peak_resident_bytes() / 1e6}


class IdlePartitions(Row):
    name = "idle-partitions"
    title = "10,000 idle partitions"
    figures = (Figure("created", "resident after their creation, MB", at_most(100), decimals=1),
               Figure("restarted", "resident after kill -9 and a restart, MB", at_most(100), decimals=1))
    is_shared = False
    is_of_ottla_alone = True
    repetitions_max = 1
    topics = 10
    partitions = 1000

    def measure(self, system):
        system.start()
        for i in range(self.topics):
            system.create_topic(f"idle-{i}", self.partitions)
        created = system.process.resident_bytes()
        system.kill()
        system.start()
        return {"created": created / 1e6, "restarted": system.process.resident_bytes() / 1e6}
