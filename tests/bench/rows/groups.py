"""Consumer groups: one that is large, and many that are idle."""
import re

from lab import READY_SECONDS_MAX, ROOT, command, cpu_of, load
from row import Figure, Row, at_most, no_goal


class _Group(Row):
    """Members that only speak the group protocol: each is a connection, and reads nothing."""
    figures = (Figure("seconds", "from the last join until all have converged, s", at_most(2)),
               Figure("cpu", "broker CPU s, from the first join", no_goal()))
    is_shared = False
    is_goal_of_whole = True
    repetitions_max = 1
    members_full = 1000
    partitions_full = 10000
    protocol = ""
    settings = ()

    def prepare_topic(self, system, partitions):
        pass

    def measure(self, system):
        members, partitions = self.count(self.members_full), self.count(self.partitions_full)
        system.start(*self.settings)
        self.prepare_topic(system, partitions)
        small = dict(topic=self.name, partitions=partitions, connections=members // 10)
        load(system.address, self.protocol, group="warm-up", **small)
        cpu_seconds, told = cpu_of(system.process, lambda: load(
            system.address, self.protocol, group=self.name, **{**small, "connections": members}))
        return {"seconds": told["seconds"], "cpu": cpu_seconds}


class ClassicGroup(_Group):
    """The coordinator waits for members to come as long as group.initial.rebalance.delay.ms says: 3 s by default, which
    would be all that is measured. It has no use for the topic, which is not there."""
    name = "classic-group"
    title = "a group of 1,000 members over 10,000 partitions, classic protocol (0.5 s initial delay)"
    protocol = "group"
    settings = ("group.initial.rebalance.delay.ms=500",)


class ConsumerGroup(_Group):
    """Members hear of what they are to give up with their next heartbeat: every 5 s by default, which would be all that is
    measured."""
    name = "consumer-group"
    title = "a group of 1,000 members over 10,000 partitions, consumer protocol (heartbeats every 0.5 s)"
    protocol = "consumer-group"
    settings = ("group.consumer.heartbeat.interval.ms=500", "group.consumer.min.heartbeat.interval.ms=500")

    def prepare_topic(self, system, partitions):
        """In two steps: the controller makes no more than 10,000 records for one request."""
        system.create_topic(self.name, partitions // 2)
        command(ROOT / "bin" / "kafka-topics.sh", "--bootstrap-server", system.address, "--alter", "--topic", self.name,
                "--partitions", partitions)
        load(system.address, "ready", topic=self.name, partitions=partitions, patience=READY_SECONDS_MAX)


class IdleGroups(Row):
    """Sizes are told by two steps: groups with an offset each, then nine more offsets each. Held are resident bytes of
    Ottla, and of Apache Kafka what a full garbage collection leaves."""
    name = "idle-groups"
    title = "10,000 idle groups with 100,000 committed offsets"
    figures = (Figure("seconds", "exec until all offsets are told and a partition has accepted a produce, s", at_most(1)),
               Figure("group", "bytes held for a group", no_goal(), decimals=0),
               Figure("offset", "bytes held for an offset", no_goal(), decimals=0))
    is_shared = False
    is_goal_of_whole = True
    repetitions_max = 1
    groups_full = 10000
    partitions = 10

    @staticmethod
    def held_bytes(system):
        if system.kind == "ottla":
            return system.process.resident_bytes()
        told = command("jcmd", system.process.pid, "GC.class_histogram")  # of what is alive after a full collection
        return int(re.search(r"^Total\s+\d+\s+(\d+)", told, re.MULTILINE).group(1))

    def restart(self, system, groups, partitions):
        system.kill()
        told = system.launch(topic=self.name, partitions=partitions, groups=groups)
        return told["seconds"], self.held_bytes(system)

    def measure(self, system):
        groups = self.count(self.groups_full)
        system.start()
        system.create_topic(self.name, self.partitions)
        load(system.address, "commit", topic=self.name, partitions=1, groups=1)
        _, empty = self.restart(system, 1, 1)
        load(system.address, "commit", topic=self.name, partitions=1, groups=groups)
        _, with_groups = self.restart(system, groups, 1)
        load(system.address, "commit", topic=self.name, first=1, partitions=self.partitions, groups=groups)
        seconds, with_offsets = self.restart(system, groups, self.partitions)
        offset = (with_offsets - with_groups) / (groups * (self.partitions - 1))
        return {"seconds": seconds, "group": (with_groups - empty) / groups - offset, "offset": offset}
