"""Produce requests of one record each: what a request costs, and how long one takes."""
from lab import Bare, cpu_of, load
from row import Figure, Row, any_of, floor_rate_at_least, kafka_times_at_least, kafka_times_at_most


class Requests(Row):
    name = "requests"
    title = "1-record produce requests, 100 connections, closed loop"
    figures = (Figure("rate", "requests per broker CPU s",
                      any_of(kafka_times_at_least(3), floor_rate_at_least(1.25)), decimals=0),)
    connections = 100
    requests_full = 300000

    def prepare(self, system):
        system.create_topic(self.name)

    def run(self, process, address, **options):
        requests = self.count(self.requests_full)
        cpu_seconds, _ = cpu_of(process, lambda: load(
            address, "produce", topic=self.name, requests=requests, connections=self.connections, **options))
        return {"rate": requests / cpu_seconds}

    def measure(self, system):
        return self.run(system.process, system.address)

    def floor(self, bench):
        with Bare(bench.directory, bench.bare_port, "write") as bare:
            return self.run(bare.process, bare.address, bare=1)


class Latency(Row):
    name = "latency"
    title = "1-record produce requests, one connection: latency"
    figures = (Figure("p50", "p50, µs", kafka_times_at_most(1 / 2, "1/2"), decimals=0),
               Figure("p999", "p99.9, µs", kafka_times_at_most(1 / 4, "1/4"), decimals=0))
    requests_full = 40000

    def prepare(self, system):
        system.create_topic(self.name)

    def run(self, address, **options):
        told = load(address, "produce", topic=self.name, requests=self.count(self.requests_full), **options)
        return {"p50": told["p50_us"], "p999": told["p999_us"]}

    def measure(self, system):
        return self.run(system.address)

    def floor(self, bench):
        with Bare(bench.directory, bench.bare_port, "write") as bare:
            return self.run(bare.address, bare=1)
