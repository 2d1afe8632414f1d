"""Producing in big batches, by librdkafka."""
from lab import Bare, cpu_of, load, rdkafka
from row import Figure, Row, all_of, any_of, at_most, floor_times_at_most, kafka_times_at_most

PARTITIONS = 4
# Batches as full as librdkafka makes them: 10,000 records or 1,000,000 bytes.
SETTINGS = ("linger.ms=100", "queue.buffering.max.messages=1000000", "queue.buffering.max.kbytes=1048576")
BATCH_BYTES = 1000000
RECORD_OVERHEAD_BYTES = 9
IN_FLIGHT = 5


class _Produce(Row):
    record_bytes = 100
    records_full = 4000000
    memory_bytes = 1 << 30
    settings = ()

    def prepare(self, system):
        system.create_topic(self.name, PARTITIONS)

    def per(self, cpu_seconds, records):
        """The figure: by default CPU seconds per million records."""
        return cpu_seconds / records * 1e6

    def measure(self, system):
        records = self.count(self.records_full)
        before = load(system.address, "ends", topic=self.name, partitions=PARTITIONS)["records"]
        cpu_seconds, _ = cpu_of(system.process, lambda: rdkafka(
            system.address, self.name, records, self.record_bytes, *SETTINGS, *self.settings))
        added = load(system.address, "ends", topic=self.name, partitions=PARTITIONS)["records"] - before
        assert added == records, f"{records} records were acknowledged, {added} are in the log"
        return {"cpu": self.per(cpu_seconds, records)}

    def bare_floor(self, bench):
        """The same bytes in requests of the same size, received, summed and written."""
        records = BATCH_BYTES // (self.record_bytes + RECORD_OVERHEAD_BYTES)
        requests = max(1, self.count(self.records_full) // records)
        with Bare(bench.directory, bench.bare_port, "write", "crc") as bare:
            cpu_seconds, _ = cpu_of(bare.process, lambda: load(
                bare.address, "produce", bare=1, requests=requests, records=records, record_bytes=self.record_bytes,
                in_flight=IN_FLIGHT))
        return {"cpu": self.per(cpu_seconds, requests * records)}


class ProduceSmall(_Produce):
    name = "produce-100"
    title = "produce, 100 B records, big batches, acks=1, librdkafka"
    figures = (Figure("cpu", "broker CPU s per million records",
                      any_of(kafka_times_at_most(1 / 3, "1/3"), floor_times_at_most(1.5))),)
    settings = ("acks=1",)

    def floor(self, bench):
        return self.bare_floor(bench)


class ProduceAll(_Produce):
    name = "produce-1k-all"
    title = "produce, 1 KB records, acks=all, librdkafka"
    figures = (Figure("cpu", "broker CPU s per GB", all_of(at_most(0.9), kafka_times_at_most(1 / 2, "1/2"))),)
    record_bytes = 1000
    records_full = 1000000
    memory_bytes = 2 << 30
    settings = ("acks=all",)

    def per(self, cpu_seconds, records):
        return cpu_seconds / (records * self.record_bytes) * 1e9

    def floor(self, bench):
        return self.bare_floor(bench)


class ProduceLz4(_Produce):
    name = "produce-lz4"
    title = "produce, 100 B records, lz4, librdkafka"
    figures = (Figure("cpu", "broker CPU s per million records", kafka_times_at_most(1 / 2, "1/2")),)
    settings = ("acks=1", "compression.type=lz4")


class ProduceZstd(_Produce):
    name = "produce-zstd"
    title = "produce, 100 B records, zstd, librdkafka"
    figures = (Figure("cpu", "broker CPU s per million records", kafka_times_at_most(1 / 2, "1/2")),)
    settings = ("acks=1", "compression.type=zstd")
