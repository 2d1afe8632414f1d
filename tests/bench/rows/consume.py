"""Consuming what lies in the page cache."""
from lab import Bare, cpu_of, load
from row import Figure, Row, at_most

PARTITIONS = 4
FETCH_BYTES = 1 << 20  # of one partition: the default of Kafka's consumers
RECORDS = 100          # in a batch
RECORD_BYTES = 1000


class Consume(Row):
    name = "consume"
    title = "consume, 1 KB records in batches of 100 KB"
    memory_bytes = 0  # prepare has filled it
    figures = (Figure("cpu", "broker CPU s per GB", at_most(0.35)),)

    def prepare(self, system):
        system.create_topic(self.name, PARTITIONS)
        load(system.address, "produce", topic=self.name, partitions=PARTITIONS, records=RECORDS,
             record_bytes=RECORD_BYTES, requests=self.count(20000), in_flight=4)

    def measure(self, system):
        cpu_seconds, read = cpu_of(system.process, lambda: load(
            system.address, "consume", topic=self.name, partitions=PARTITIONS, fetch_bytes=FETCH_BYTES))
        return {"cpu": cpu_seconds / read["bytes"] * 1e9}

    def floor(self, bench):
        with Bare(bench.directory, bench.bare_port, "send", PARTITIONS * FETCH_BYTES) as bare:
            cpu_seconds, read = cpu_of(bare.process, lambda: load(
                bare.address, "consume", bare=1, partitions=PARTITIONS, fetch_bytes=FETCH_BYTES,
                bytes=self.count(20000) * RECORDS * RECORD_BYTES))
        return {"cpu": cpu_seconds / read["bytes"] * 1e9}
