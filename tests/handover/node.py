"""The two programs that run in turn in one directory, and what they say there."""

import os
import pathlib
import re
import subprocess

from probe import Failure, expect

TESTS = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = {"kafka": TESTS / "oracle" / "kafka", "ottla": TESTS / "interop" / "ottla"}
LINE = re.compile(r"^\[[^]]*\] (TRACE|DEBUG|INFO|WARN|ERROR|FATAL) (.*)$")

# What a node says in a directory of its own, too; much of it on a busy machine only.
OFTEN_SAID = re.compile("|".join([
    r"AssignmentsManager|ASSIGN_REPLICAS_TO_DIRS",
    r"Auto topic creation failed .*TOPIC_ALREADY_EXISTS",
    r"Expected partition .* to exist, but it was missing. Creating",
    r"Performing controller activation\.",
    r"Reloading from producer snapshot and rebuilding producer state from offset",
    r"Error processing append operation on partition .*(txn|flow-\w+)-\d",  # a batch that overtook another
    r"Attempting to close NetworkClient that has already been closed|Connection to node .* could not be established",
    r"LogFutureTimestampLogger|EventPerformanceMonitor|ReplicationControlManager|BrokerLifecycleManager",
    r"Stopped loading records from .* because the partition is not online|scheduled task 'kafka-log-retention'",
    r"KafkaRaftClient|RaftManager|NodeToControllerRequestThread",
    r"error handling request RequestHeader\(apiKey=CONTROLLER_REGISTRATION",  # it leads, and does not know it yet
]))
# Words for damage, at whatever level; none of them belongs to a directory in order.
DAMAGE = re.compile(r"corrupt|invalid|mismatch|sanity|uncleanable|inconsisten|unexpected|rebuil", re.IGNORECASE)


class Node:
    def __init__(self, directory, port, settings):
        self.directory = directory
        self.port = port
        self.settings = settings
        self.program = None
        self.said_at = 0
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def bootstrap(self):
        return f"127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.directory / f"{self.program}.log"

    def _call(self, *words):
        done = subprocess.run([str(PROGRAMS[self.program]), *map(str, words)], text=True, check=False,
                              env={**os.environ, "KAFKA_HEAP": "512m"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              close_fds=True)
        if done.returncode != 0:
            raise Failure(f"{self.program} {words[0]}: {done.stdout}")

    def start(self, program):
        self.program = program
        self.said_at = self.log.stat().st_size if self.log.exists() else 0
        # The node must not inherit our pipe: we would wait for its end.
        with open(self.directory / "start.log", "w", encoding="utf-8") as out:
            done = subprocess.run([str(PROGRAMS[program]), "start", str(self.directory), str(self.port), *self.settings],
                                  env={**os.environ, "KAFKA_HEAP": "512m"}, stdout=out, stderr=subprocess.STDOUT, check=False)
        expect(done.returncode == 0, f"{program} does not start: {(self.directory / 'start.log').read_text()}")

    def stop(self):
        self._call("stop", self.directory)

    def kill(self):
        self._call("kill", self.directory)

    def end(self):
        if self.program is not None and (self.directory / "pid").exists():
            subprocess.run([str(PROGRAMS[self.program]), "kill", str(self.directory)], check=False,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def said(self):
        with open(self.log, "rb") as log:
            log.seek(self.said_at)
            return log.read().decode("utf-8", "replace").splitlines()

    def complaints(self):
        """Lines of this turn that speak of something wrong."""
        found = []
        for line in self.said():
            match = LINE.match(line)
            if match is None:
                continue
            level, words = match.groups()
            if level in ("WARN", "ERROR", "FATAL") or DAMAGE.search(words):
                if not OFTEN_SAID.search(words):
                    found.append(line)
        return found

    def recovered(self):
        """Lines of this turn by which a log was not taken as it was left: of Apache Kafka, which tells."""
        said = self.said()
        return [line for line in said if "Recovering unflushed segment" in line and "__cluster_metadata" not in line] + [
            line for line in said if "Skipping recovery" not in line and "clean shutdown file was not found" in line]
