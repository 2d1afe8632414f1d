"""Transactions of several producers, one after the other each: what one costs, and how long its commit takes."""
from lab import cpu_of, load
from row import Figure, Row, kafka_times_at_least, kafka_times_at_most, no_goal

PARTITIONS = 10
SIZES = {1: 3000, 10: 3000, 1000: 1000}  # records of one: how many of them


def _figures():
    for records in SIZES:
        words = f"{records:,} record{'s' if records > 1 else ''}: "
        yield Figure(f"rate-{records}", words + "transactions per broker CPU s", kafka_times_at_least(3), decimals=0)
        yield Figure(f"p99-{records}", words + "p99 of a commit, ms", kafka_times_at_most(1 / 2, "1/2"))
        yield Figure(f"whole-{records}", words + "p99 of the whole, with its Produce, ms", no_goal())


class Transactions(Row):
    name = "transactions"
    title = "transactions of 16 producers, 100 B records over 10 partitions"
    figures = tuple(_figures())
    repetitions_max = 3
    connections = 16

    def prepare(self, system):
        system.create_topic(self.name, PARTITIONS)

    def measure(self, system):
        result = {}
        for records, full in SIZES.items():
            count = self.count(full)
            cpu_seconds, told = cpu_of(system.process, lambda records=records, count=count: load(
                system.address, "transact", topic=self.name, partitions=PARTITIONS, connections=self.connections,
                requests=count, records=records))
            result[f"rate-{records}"] = count / cpu_seconds
            result[f"p99-{records}"] = told["commit_p99_us"] / 1e3
            result[f"whole-{records}"] = told["p99_us"] / 1e3
        return result
