"""Kills the broker and the workers of a consume-transform-produce loop again and again; see ../exactly-once.

A worker is a process of its own, a static member of a group with a transactional id. One that fails for whatever reason ends, and is
started anew: what it left open is ended by its successor's init_transactions. So all that is asked for is in the end of the run: each
record once, in order, and the group's offsets at the end of what was read.
"""

import random
import subprocess
import sys
import threading
import time

import suite
from confluent_kafka import TopicPartition
from suite import check, same, wait

PARTITIONS = 4
WORKERS = 2
RECORDS_A_TRANSACTION = 10
RECORDS_AHEAD = 1000  # so many at least wait to be read at any time
COMMITS_A_KILL = 4  # at most, before the next kill
HELD_SECONDS_MAX = 0.04  # that a transaction stays open
# When all connections are lost, librdkafka 2.16 forgets its brokers and begins anew with bootstrap.servers; but a send_offsets_to_transaction
# that is under way then waits for the group's coordinator among the forgotten, for ever, whatever its time limit. So it shall not forget.
CLIENT = {"reconnect_backoff_ms": 10, "reconnect_backoff_max_ms": 50, "retry_backoff_ms": 20, "metadata_recovery_strategy": "none"}


# ---- a worker ---------------------------------------------------------------------------------------


def work(bootstrap, source, target, group, number):
    env = suite.Env(bootstrap, "worker")
    consumer = env.member(group, source, group_instance_id=number, heartbeat_interval_ms=100,
                          isolation_level="read_committed", **CLIENT)
    producer = env.producer(transactional_id=f"{group}.{number}", linger_ms=0, **CLIENT)
    producer.init_transactions(30)
    while True:
        # Taken before the records: those of a later generation are refused, not committed twice.
        metadata = consumer.consumer_group_metadata()
        messages = [m for m in consumer.consume(RECORDS_A_TRANSACTION, timeout=0.1) if m.error() is None]
        if not messages:
            continue
        positions = {}
        producer.begin_transaction()
        for message in messages:
            positions[message.partition()] = message.offset() + 1
            producer.produce(target, message.value(), partition=message.partition())
        producer.flush(30)
        time.sleep(random.uniform(0, HELD_SECONDS_MAX))  # so that most kills find something to abort
        offsets = [TopicPartition(source, p, offset) for p, offset in positions.items()]
        producer.send_offsets_to_transaction(offsets, metadata, 30)
        producer.commit_transaction(30)
        print("committed", flush=True)


class Workers:
    """The processes, and how many transactions they have committed."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.lock = threading.Lock()
        self.commits = 0
        self.restarts = 0
        self.last_words = {}
        self.processes = [self._start(number) for number in range(WORKERS)]

    def _start(self, number):
        process = subprocess.Popen([sys.executable, __file__, "--worker", *self.arguments, f"{number}"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        threading.Thread(target=self._follow, args=(number, process), daemon=True).start()
        return process

    def _follow(self, number, process):
        for line in process.stdout:
            with self.lock:
                if line == "committed\n":
                    self.commits += 1
                else:
                    self.last_words[number] = line.strip()

    def revive(self):
        for number, process in enumerate(self.processes):
            if process.poll() is not None:
                self.restarts += 1
                self.processes[number] = self._start(number)

    def kill(self, number):
        self.processes[number].kill()
        self.processes[number].wait()

    def await_commits(self, count):
        goal = self.commits + count

        def done():
            self.revive()
            return self.commits >= goal

        try:
            wait(f"{count} more commits", done)
        except AssertionError as e:
            raise AssertionError(f"{e}; the workers' last words: {self.last_words}") from e

    def stop(self):
        for number in range(WORKERS):
            self.kill(number)


# ---- the run ----------------------------------------------------------------------------------------


def shell(command):
    subprocess.run(command, shell=True, check=True, timeout=120)


class Run:
    def __init__(self, bootstrap, start, kill, rng):
        self.start, self.kill, self.rng = start, kill, rng
        shell(start)
        self.env = suite.Env(bootstrap, "exactly-once")
        self.source, self.target = self.env.topic(PARTITIONS), self.env.topic(PARTITIONS)
        self.group = self.env.unique()
        self.sent = 0  # to each partition
        self.feed()
        self.workers = Workers(bootstrap, self.source, self.target, self.group)
        self.killed = {"broker": 0, "worker": 0}

    def feed(self):
        """Keeps the workers busy."""
        if self.sent * PARTITIONS - self.workers_have_read() >= RECORDS_AHEAD:
            return
        for partition in range(PARTITIONS):
            self.env.fill(self.source, partition, RECORDS_AHEAD, first=self.sent)
        self.sent += RECORDS_AHEAD

    def workers_have_read(self):
        return self.workers.commits * RECORDS_A_TRANSACTION if self.sent else 0  # at most

    def kill_one(self):
        """The broker, a worker, or both; mostly when some transactions are committed, sometimes at once after the last kill."""
        victims = self.rng.choice((["broker"], ["worker"], ["broker", "worker"]))
        if self.rng.random() < 0.8:
            self.workers.await_commits(self.rng.randint(1, COMMITS_A_KILL))
        time.sleep(self.rng.uniform(0, 0.02))  # anywhere in the next one
        for victim in victims:
            self.killed[victim] += 1
        if "broker" in victims:
            shell(self.kill)
        if "worker" in victims:
            self.workers.kill(self.rng.randrange(WORKERS))
        if "broker" in victims:
            shell(self.start)
        self.workers.revive()

    def offsets(self):
        try:
            asked = [TopicPartition(self.source, p) for p in range(PARTITIONS)]
            consumer = self.env.consumer(group_id=self.group, isolation_level="read_committed")
            return [tp.offset for tp in consumer.committed(asked, timeout=10)]
        except suite.KafkaException:
            return None  # its coordinator is not there yet

    def all_is_read(self):
        self.workers.revive()
        return self.offsets() == [self.sent] * PARTITIONS

    def check_once(self):
        want = [f"v{n}".encode() for n in range(self.sent)]
        for partition in range(PARTITIONS):
            messages = self.env.read_all(self.target, partition, self.sent, isolation_level="read_committed")
            same(want, [m.value() for m in messages], f"values of partition {partition}")

    def aborted(self):
        """So many records of the target are of transactions that were aborted: the kills did hit some."""
        count = 0
        consumer = self.env.consumer(isolation_level="read_uncommitted", enable_partition_eof=True)
        consumer.assign([TopicPartition(self.target, p, 0) for p in range(PARTITIONS)])
        ends = set()
        while len(ends) < PARTITIONS:
            for message in consumer.consume(500, timeout=0.1):
                if message.error() is None:
                    count += 1
                elif message.error().code() == suite.KafkaError._PARTITION_EOF:
                    ends.add(message.partition())
        return count - self.sent * PARTITIONS


def main(bootstrap, start, kill, kills, seed):
    passed = 0
    run = None

    def done(name):
        nonlocal passed
        passed += 1
        print(f"ok {name}", flush=True)

    try:
        run = Run(bootstrap, start, kill, random.Random(seed))
        while sum(run.killed.values()) < kills:
            run.kill_one()
            run.feed()
        print(f"killed {run.killed}; {run.workers.commits} commits seen, {run.workers.restarts} starts of workers", flush=True)
        wait("the workers have read all", run.all_is_read)
        done("workers_go_on")
        run.workers.stop()
        run.check_once()
        done("each_record_is_there_once_in_order")
        shell(kill)
        shell(start)
        run.check_once()
        same([run.sent] * PARTITIONS, wait("committed offsets", run.offsets), "committed offsets")
        done("and_after_one_more_kill")
        aborted = run.aborted()
        check(aborted > 0, "no kill hit an open transaction")
        print(f"{aborted} records were aborted")
        done("kills_hit_open_transactions")
        failed = 0
    except Exception as e:
        print(f"FAIL exactly-once, seed {seed}: {type(e).__name__} {e}".replace("\n", " "))
        failed = 1
    if run is not None:
        run.workers.stop()
    shell(kill)
    print(f"{passed} passed, {failed} failed", flush=True)
    return failed


if __name__ == "__main__":
    if len(sys.argv) == 7 and sys.argv[1] == "--worker":
        work(*sys.argv[2:])
    if not 4 <= len(sys.argv) <= 6:
        sys.exit("usage: exactly-once BOOTSTRAP START KILL [kills [seed]]")
    code = main(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) > 4 else 100,
                int(sys.argv[5]) if len(sys.argv) > 5 else random.randrange(1 << 32))
    sys.stdout.flush()
    import os

    os._exit(code)
