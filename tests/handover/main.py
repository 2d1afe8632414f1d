"""Apache Kafka and Ottla in turn on the same directories: see README.md."""

import argparse
import faulthandler
import os
import pathlib
import signal
import sys
import tempfile
import time

import compare
import disk
from crowd import Crowd
from hand import Hand
from node import Node
from probe import Failure, free_port_pair, wait_until

CLEANER = ["log.cleaner.backoff.ms=100", "log.cleaner.min.cleanable.ratio=0.001", "log.cleaner.io.max.bytes.per.second=2500000"]
SMALL = ["offsets.topic.num.partitions=3", "transaction.state.log.num.partitions=3", "offsets.topic.segment.bytes=1048576",
         "transaction.state.log.segment.bytes=1048576", "group.initial.rebalance.delay.ms=0",
         "log.flush.start.offset.checkpoint.interval.ms=200", "log.initial.task.delay.ms=200",
         "log.cleaner.dedupe.buffer.size=4000000", "transaction.max.timeout.ms=86400000"]


class World:
    def __init__(self, work, port, options):
        self.options = options
        self.dirs = [work / "data", work / "data2"]
        self.meta = work / "meta"
        self.node = Node(work, port, [f"log.dirs={','.join(map(str, self.dirs))}", f"metadata.log.dir={self.meta}", *CLEANER, *SMALL])
        self.hand = Hand(self.node.bootstrap, work / "hand.log")
        self.crowd = Crowd(self.node, self.hand, options.seed)
        self.before, self.decided = None, {}
        self.faults = 0

    def tell(self, words, found):
        for sentence in found:
            self.faults += 1
            print(f"FAIL {words}: {sentence[:1200]}", flush=True)
        if not found:
            print(f"ok   {words}", flush=True)

    def portrait(self):
        wait_until(lambda: not self.hand.do("unsettled"), "transactions that are decided are completed")
        return self.hand.do("portrait")

    def arrive(self, name, program, last_end):
        """The broker starts, and all is there that the one before has left."""
        self.node.start(program)
        for transaction, is_committed in self.decided.values():
            self.crowd.settle(transaction, is_committed)
        now = self.portrait()
        self.tell(f"{name}: all is as it was left", compare.differences(self.before, now, self.decided))
        self.tell(f"{name}: all is as clients were told", compare.against_model(now, self.crowd.model))
        if last_end == "stop":
            self.tell(f"{name}: nothing had to be recovered", self.node.recovered())

    def turn(self, name, program, end, last_end, next_program):
        if last_end is None:
            self.node.start(program)
            self.crowd.begin()
        else:
            self.arrive(name, program, last_end)
        self.crowd.turn()
        self.before = self.portrait()
        self.tell(f"{name}: and so at its end", compare.against_model(self.before, self.crowd.model))
        self.leave(name, end)
        self.decided = {}
        # Apache Kafka takes these partitions for deleted while its broker is still fenced, and never writes the markers.
        if end == "kill" and next_program != "kafka":
            self.decide()

    def leave(self, name, end):
        self.crowd.churn(self.is_cleaning)
        words = end + (", amid a cleaning" if self.is_cleaning() else "")
        (self.node.kill if end == "kill" else self.node.stop)()
        print(f"     {name}: {words}")
        self.look(name, end)

    def look(self, name, end):
        self.tell(f"{name}: nothing is wrong in its log", self.node.complaints())
        self.tell(f"{name}: its files are sound", disk.look(self.hand, [*self.dirs, self.meta], end == "stop"))
        if end == "stop":  # what came last may not be told yet when one is killed
            self.tell(f"{name}: each replica lies where it is said to lie", disk.misplaced(self.dirs, self.meta))

    def decide(self):
        """As if the coordinator had died between the decision of a transaction and its first marker."""
        for at, (name, transaction) in enumerate(list(self.crowd.left.items())):
            is_committed = at % 2 == 0
            self.hand.do("prepare", dirs=list(map(str, self.dirs)), id=name, commit=is_committed)
            self.decided[name] = (transaction, is_committed)
            del self.crowd.left[name]

    def is_cleaning(self):
        return any(name.endswith((".cleaned", ".swap")) for base in self.dirs for entry in os.scandir(base)
                   if entry.name.startswith("keys-") for name in os.listdir(entry.path))

    def end(self):
        self.node.end()
        self.hand.end()


def run(work, port, options):
    world = World(work, port, options)
    players, ends = options.players.split(","), options.ends.split(",")
    last_end = None
    try:
        for number in range(options.turns):
            began = time.monotonic()
            program, end = players[number % len(players)], ends[number % len(ends)]
            world.turn(f"turn {number}, {program}", program, end, last_end, players[(number + 1) % len(players)])
            print(f"     {time.monotonic() - began:.0f} s", flush=True)
            last_end = end
        program = players[options.turns % len(players)]
        world.arrive(f"last, {program}", program, last_end)
        print(f"ok   {world.crowd.end()} records of clients that stayed connected came once, in order")
        world.node.stop()
        world.look(f"last, {program}", "stop")
    finally:
        world.end()
    return world.faults


def main():
    faulthandler.register(signal.SIGUSR1)  # where it waits
    parser = argparse.ArgumentParser()
    parser.add_argument("ottla")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--players", default="kafka,ottla")
    parser.add_argument("--ends", default="stop,stop,kill,kill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dir")
    parser.add_argument("--port", type=int)
    options = parser.parse_args()
    os.environ["OTTLA_BINARY"] = disk.OTTLA = os.path.abspath(options.ottla)
    try:
        if options.dir:
            work = pathlib.Path(options.dir).resolve()
            work.mkdir(parents=True)
            faults = run(work, options.port or free_port_pair(), options)
        else:
            with tempfile.TemporaryDirectory(prefix="ottla-handover-") as directory:
                faults = run(pathlib.Path(directory), options.port or free_port_pair(), options)
    except Failure as failure:
        print(f"FAIL {failure}")
        print("0 passed, 1 failed")
        return 1
    print("1 passed, 0 failed" if faults == 0 else f"0 passed, {faults} failed")
    return faults > 0


sys.exit(main())
