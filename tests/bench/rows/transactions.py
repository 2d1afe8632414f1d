"""Transactions of several producers, one after the other each: what one costs, and how long its commit takes, once as fast as
they go and once on a schedule: a latency at the rate that a broker just reaches tells more of the rate."""
from lab import cpu_of, load
from row import Figure, Row, kafka_times_at_least, kafka_times_at_most, no_goal

PARTITIONS = 10
SIZES = {1: 3000, 10: 3000, 1000: 1000}  # records of one: how many of them
CONNECTIONS = 16
RATE = 12  # transactions a second of one connection
PACED = 3000        # of each size on the schedule: its p99 is to be more than the disk's worst ten moments


def _figures():
    for records in SIZES:
        words = f"{records:,} record{'s' if records > 1 else ''}: "
        yield Figure(f"rate-{records}", words + "transactions per broker CPU s", kafka_times_at_least(3), decimals=0)
        yield Figure(f"p99-{records}", words + "p99 of a commit, ms", no_goal())
        yield Figure(f"whole-{records}", words + "p99 of the whole, with its Produce, ms", no_goal())
        yield Figure(f"paced-{records}", words + f"p99 of a commit, ms, at {RATE * CONNECTIONS} transactions a second",
                     kafka_times_at_most(1 / 2, "1/2"))


class Transactions(Row):
    name = "transactions"
    title = "transactions of 16 producers, 100 B records over 10 partitions"
    figures = tuple(_figures())
    repetitions_max = 3

    def prepare(self, system):
        system.create_topic(self.name, PARTITIONS)

    def measure(self, system):
        result = {}
        for records, full in SIZES.items():
            count = self.count(full)
            cpu_seconds, told = cpu_of(system.process, lambda records=records, count=count: self.run(system, records, count))
            paced = self.run(system, records, self.count(PACED), rate=RATE)
            result[f"rate-{records}"] = count / cpu_seconds
            result[f"p99-{records}"] = told["commit_p99_us"] / 1e3
            result[f"whole-{records}"] = told["p99_us"] / 1e3
            result[f"paced-{records}"] = paced["commit_p99_us"] / 1e3
        return result

    def run(self, system, records, count, **more):
        return load(system.address, "transact", topic=self.name, partitions=PARTITIONS, connections=CONNECTIONS, requests=count,
                    records=records, **more)
