"""Producing where an acknowledgement means that the record is on the disk."""
from lab import flushed_rate, load
from row import Figure, Row, at_least, kafka_times_at_least, no_goal

CONNECTIONS = 100
IN_FLIGHT = 5
RECORD_BYTES = 1000
WRITTEN_BYTES = 1086  # of a batch that holds one such record
REQUESTS_MAX = 3000000
SETTINGS = {"kafka": "flush.messages=1", "ottla": "ottla.flush.before.ack=true"}


def _figures(partitions):
    where = f"{partitions} partition{'s' if partitions > 1 else ''}: "
    yield Figure(f"rate-{partitions}", where + "records a second", kafka_times_at_least(5), decimals=0)
    yield Figure(f"p99-{partitions}", where + "p99, ms", no_goal())
    yield Figure(f"cached-{partitions}", where + "records a second, acknowledged from the page cache", no_goal(), decimals=0)
    yield Figure(f"disk-{partitions}", where + "records a second, what is in flight written and synced in turn", no_goal(),
                 decimals=0)
    yield Figure(f"share-{partitions}", where + "the first of these, against the smaller of these two", at_least(0.8),
                 decimals=2)


class Flush(Row):
    """The disk's own rate: the same bytes, appended by one thread that writes all requests in flight to their partitions'
    files, file by file, and syncs each file before it goes on to the next."""
    name = "flush"
    title = "acknowledged when flushed, 1 KB records, 100 connections with 5 in flight each"
    figures = (*_figures(1), *_figures(100))
    repetitions_max = 3
    seconds_full = 4

    def topic(self, kind, partitions):
        return f"{self.name}-{kind}-{partitions}"

    def prepare(self, system):
        for partitions in (1, 100):
            system.create_topic(self.topic("synced", partitions), partitions, SETTINGS[system.kind])
            system.create_topic(self.topic("cached", partitions), partitions)

    def run(self, system, kind, partitions):
        told = load(system.address, "produce", topic=self.topic(kind, partitions), partitions=partitions,
                    connections=CONNECTIONS, in_flight=IN_FLIGHT, record_bytes=RECORD_BYTES, acks=-1,
                    requests=REQUESTS_MAX, seconds=self.count(self.seconds_full))
        return told["records"] / told["seconds"], told["p99_us"] / 1e3

    def measure(self, system):
        result = {}
        for partitions in (1, 100):
            rate, p99_ms = self.run(system, "synced", partitions)
            cached, _ = self.run(system, "cached", partitions)
            disk = flushed_rate(system.directory, partitions, CONNECTIONS * IN_FLIGHT // partitions, WRITTEN_BYTES,
                                self.count(self.seconds_full) / 2)
            result.update({f"rate-{partitions}": rate, f"p99-{partitions}": p99_ms, f"cached-{partitions}": cached,
                           f"disk-{partitions}": disk, f"share-{partitions}": rate / min(cached, disk)})
        return result
