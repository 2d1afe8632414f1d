"""Compaction: what it costs, and what those notice who produce meanwhile."""
import os
import time

from lab import BackgroundLoad, BenchError, cpu_of, load
from row import Figure, Row, at_most, kafka_times_at_least, no_goal

BESIDE = "beside"
BESIDE_PARTITIONS = 10
BESIDE_RATE = 1000        # requests a second
FILL_SECONDS_MAX = 400
DONE_SECONDS_MAX = 300
LOOK_SECONDS = 0.02


class Compaction(Row):
    """Updates of keys drawn evenly from as many as fit log.cleaner.dedupe.buffer.size on both sides, so that one pass does.
    A topic becomes a compacted one when all is there; everything but its active segment is compacted then. One topic is
    compacted with nobody else at work, for its cost; then a smaller one beside those who produce."""
    name = "compaction"
    title = "compaction of 5 GB, 50 million updates of 4 million keys, default memory"
    figures = (Figure("rate", "MB compacted per broker CPU s", kafka_times_at_least(3), decimals=1),
               Figure("seconds", "time it took, s", no_goal(), decimals=1),
               Figure("left", "MB left", no_goal(), decimals=0),
               Figure("alone", f"{BESIDE_RATE:,} produce requests a second: p99 without, ms", no_goal()),
               Figure("beside", "p99 while a quarter of that is compacted, ms", no_goal()),
               Figure("ratio", "the same, times that without", at_most(1.5), decimals=2))
    is_shared = False
    is_goal_of_whole = True
    repetitions_max = 1
    updates_full = 50000000
    keys_full = 4000000
    records = 160     # a batch of 16 KB, as Kafka's producer makes them
    value_bytes = 82  # with its key and the rest a record is 100
    segment_bytes = 128 << 20
    seconds_alone = 8

    def __init__(self, scale):
        super().__init__(scale)
        self.memory_bytes = int((8 << 30) * scale)

    @staticmethod
    def beside(**options):
        """Options of the load of those who produce."""
        connections = 20
        return dict(topic=BESIDE, partitions=BESIDE_PARTITIONS, connections=connections, rate=BESIDE_RATE // connections,
                    in_flight=5, record_bytes=1000, **options)

    def fill(self, system, topic, updates, keys):
        system.create_topic(topic, 1, f"segment.bytes={self.segment_bytes}")
        load(system.address, "produce", topic=topic, keys=keys, records=self.records, record_bytes=self.value_bytes,
             requests=updates // self.records, connections=4, in_flight=2, acks=-1, patience=FILL_SECONDS_MAX)

    @staticmethod
    def sealed(system, topic):
        """Sizes of its segments but the active one, and where that begins."""
        files = sorted((system.directory / "data" / f"{topic}-0").glob("*.log"))
        return sum(file.stat().st_size for file in files[:-1]), int(files[-1].stem)

    @staticmethod
    def cleaned_end(system, topic):
        file = system.directory / "data" / "cleaner-offset-checkpoint"
        lines = file.read_text().splitlines() if file.exists() else []
        return max((int(line.split()[2]) for line in lines if line.startswith(topic + " ")), default=0)

    def compact(self, system, topic):
        """Gives the bytes that were compacted, those left, and how long it took."""
        size, end = self.sealed(system, topic)
        begin = time.monotonic()
        load(system.address, "alter", topic=topic, config="cleanup.policy=compact")
        while self.cleaned_end(system, topic) < end:
            if time.monotonic() - begin > DONE_SECONDS_MAX:
                raise BenchError(f"{topic} is not compacted after {DONE_SECONDS_MAX} s")
            time.sleep(LOOK_SECONDS)
        seconds = time.monotonic() - begin
        left, _ = self.sealed(system, topic)
        if not left < size / 2:
            raise BenchError(f"{left} of {size} bytes are left")
        return size, left, seconds

    def measure(self, system):
        updates, keys = self.count(self.updates_full), self.count(self.keys_full)
        system.start("log.cleaner.backoff.ms=500")
        system.create_topic(BESIDE, BESIDE_PARTITIONS)
        self.fill(system, "large", updates, keys)
        self.fill(system, "small", updates // 4, keys // 4)
        os.sync()  # what the kernel still has to write would be written while it is measured
        cpu_seconds, (size, left, seconds) = cpu_of(system.process, lambda: self.compact(system, "large"))
        os.sync()
        load(system.address, "produce", **self.beside(requests=4 * BESIDE_RATE))
        alone = load(system.address, "produce", **self.beside(requests=BESIDE_RATE * max(4, self.count(self.seconds_alone))))
        with BackgroundLoad(system.address, "produce", **self.beside(
                requests=BESIDE_RATE * DONE_SECONDS_MAX, until_eof=1)) as beside:
            self.compact(system, "small")
        return {"rate": size / cpu_seconds / 1e6, "seconds": seconds, "left": left / 1e6, "alone": alone["p99_us"] / 1e3,
                "beside": beside.told["p99_us"] / 1e3, "ratio": beside.told["p99_us"] / alone["p99_us"]}
