"""The things under measurement, as processes: Apache Kafka, Ottla, and the bare loops; and the loads on them.

A System is made for a directory and ports of its own and can be started, stopped, killed and started again. What a
process has spent is read from the kernel's clock of its CPU time, what it holds from /proc.
"""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "build" / "tests" / "bench"
LOAD_SECONDS_MAX = 180
START_SECONDS_MAX = 120
READY_SECONDS_MAX = 410


class BenchError(Exception):
    """A measurement that cannot be trusted: a load failed, a process went away."""


def command(*words, seconds=LOAD_SECONDS_MAX, env=None):
    """Runs a program to its end and gives what it printed."""
    words = [str(word) for word in words]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=seconds,
                              stdin=subprocess.DEVNULL, check=False, env=env)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{words[0]} took more than {seconds} s") from None
    if done.returncode != 0:
        raise BenchError(f"{' '.join(words[:3])}: {done.stderr.strip() or done.returncode}")
    return done.stdout


class Process:
    """A running process, by its id."""

    def __init__(self, pid):
        self.pid = pid

    def cpu_seconds(self):
        """All that its threads, also those that have ended, have spent so far."""
        clock = (~self.pid << 3) | 2  # clock_getcpuclockid(3): the kernel's number for "CPU time of that process"
        try:
            return time.clock_gettime_ns(clock) / 1e9
        except OSError:
            raise BenchError(f"process {self.pid} has gone") from None

    def _status_bytes(self, name):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        raise BenchError(f"process {self.pid} has gone")

    def resident_bytes(self):
        return self._status_bytes("VmRSS")

    def peak_resident_bytes(self):
        return self._status_bytes("VmHWM")


class System:
    """A broker: `kind` is kafka or ottla."""

    SCRIPTS = {"kafka": ROOT / "tests" / "oracle" / "kafka", "ottla": ROOT / "tests" / "interop" / "ottla"}
    NAMES = {"kafka": "Apache Kafka 4.3.1", "ottla": "Ottla"}

    def __init__(self, kind, directory, port):
        self.kind = kind
        self.name = self.NAMES[kind]
        self.directory = pathlib.Path(directory)
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.process = None
        self.idle_bytes = None  # resident before any load, where the run has looked

    def start(self, *settings):
        """Formats the directory on first use, and waits until it answers."""
        command(self.SCRIPTS[self.kind], "start", self.directory, self.port, *settings, seconds=START_SECONDS_MAX)
        self.process = Process(int((self.directory / "pid").read_text()))

    def format(self, *settings):
        """On first use, as start does; and does not start it."""
        command(self.SCRIPTS[self.kind], "format", self.directory, self.port, *settings)

    def launch(self, **options):
        """Starts it where it is formatted, and waits until each partition of a topic has taken a record: what
        bench_load ready tells, with times that count from when the process was asked for."""
        words = command(self.SCRIPTS[self.kind], "command", self.directory).splitlines()
        pid_file = self.directory / "pid"
        counter = self.directory / "syncs"
        counter.write_bytes(bytes(8))
        env = dict(os.environ, LD_PRELOAD=str(PROGRAMS / "libbench_sync_count.so"), BENCH_SYNC_COUNT=str(counter))
        try:
            return load(self.address, "ready", *words, env=env, patience=READY_SECONDS_MAX, pid_file=pid_file,
                        log_file=self.directory / f"{self.kind}.log", **options)
        finally:
            if pid_file.exists():
                self.process = Process(int(pid_file.read_text()))

    def stop(self):
        self._end("stop")

    def kill(self):
        self._end("kill")

    def _end(self, how):
        if self.process is not None:
            command(self.SCRIPTS[self.kind], how, self.directory, seconds=START_SECONDS_MAX)
            self.process = None

    def remove(self):
        """Ends it, if need be, and removes its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def create_topic(self, topic, partitions=1, settings=""):
        """settings: NAME=VALUE,…"""
        load(self.address, "create", topic=topic, partitions=partitions, config=settings, patience=READY_SECONDS_MAX)


class Bare:
    """bench_bare, for one `with`."""

    def __init__(self, directory, port, *mode):
        self.file = pathlib.Path(directory) / "bare"
        self.address = f"127.0.0.1:{port}"
        self.words = [str(word) for word in (PROGRAMS / "bench_bare", port, self.file, *mode)]
        self.child = None
        self.process = None

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.child = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self.process = Process(self.child.pid)
        for _ in range(200):
            if self.child.poll() is not None:
                raise BenchError("bench_bare ended at once")
            if subprocess.run([PROGRAMS / "bench_load", "hello", "--broker", self.address], check=False,
                              stderr=subprocess.DEVNULL).returncode == 0:
                return self
            time.sleep(0.02)
        raise BenchError("bench_bare does not listen")

    def __exit__(self, *_):
        self.child.stdin.close()
        self.child.wait(timeout=10)
        self.file.unlink(missing_ok=True)


def _load_words(address, what, options):
    """Options are named as on the command line, with _ for -."""
    words = [PROGRAMS / "bench_load", what, "--broker", address]
    for name, value in options.items():
        words += ["--" + name.replace("_", "-"), value]
    return [str(word) for word in words]


def load(address, what, *started, env=None, patience=LOAD_SECONDS_MAX, **options):
    """Runs bench_load. `started`: a command for it to start; `patience`: how many seconds it may take."""
    words = _load_words(address, what, options)
    if started:
        words += ["--", *started]
    out = command(*words, env=env, seconds=patience)
    return json.loads(out) if out.strip() else {}


class BackgroundLoad:
    """bench_load, for one `with`; it has to end when its standard input does. `told` is what it printed."""

    def __init__(self, address, what, **options):
        self.words = _load_words(address, what, options)
        self.child = None
        self.told = None

    def __enter__(self):
        # pylint: disable=consider-using-with
        self.child = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                      text=True)
        return self

    def __exit__(self, kind, *_):
        try:
            out, errors = self.child.communicate(timeout=LOAD_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise BenchError(f"{self.words[1]} does not end") from None
        if self.child.returncode != 0 and kind is None:
            raise BenchError(f"{' '.join(self.words[:2])}: {errors.strip() or self.child.returncode}")
        self.told = json.loads(out) if out.strip() else {}


def touch_memory(size_bytes):
    """Uses so much memory and gives it back: see bench_load touch."""
    available = int(next(line.split()[1] for line in pathlib.Path("/proc/meminfo").read_text().splitlines()
                         if line.startswith("MemAvailable:"))) * 1024
    if size_bytes > 0:
        command(PROGRAMS / "bench_load", "touch", "--bytes", min(size_bytes, available // 2))


def rdkafka(address, topic, records, record_bytes, *settings):
    """Produces by librdkafka; every record was acknowledged when this returns."""
    return json.loads(command(PROGRAMS / "bench_rdkafka", topic, records, record_bytes,
                              f"bootstrap.servers={address}", *settings))


def cpu_of(process, work):
    """(CPU seconds that the process spent while work() ran, what work() gave)."""
    before = process.cpu_seconds()
    result = work()
    return process.cpu_seconds() - before, result


class Stolen:
    """The share of the processors' time that the machine's host kept for itself, for one `with`."""

    def __enter__(self):
        self.before = self._ticks()
        self.percent = None
        return self

    def __exit__(self, *_):
        stolen, all_ticks = (after - before for after, before in zip(self._ticks(), self.before))
        self.percent = 100 * stolen / all_ticks if all_ticks else 0.0

    @staticmethod
    def _ticks():
        ticks = [int(word) for word in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return ticks[7], sum(ticks)


def sync_ms(directory, times=25):
    """The median of a small write and fdatasync in this directory."""
    took = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(times):
            file.write(b"x" * 512)
            file.flush()
            begin = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begin) * 1e3)
    return statistics.median(took)


def flushed_rate(directory, files, records, record_bytes, seconds):
    """Records a second that one thread appends to so many files and syncs: so many records to a file, fdatasync, the next
    file."""
    data = os.urandom(records * record_bytes)
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(tempfile.TemporaryFile(dir=directory, buffering=0)) for _ in range(files)]
        done = 0
        begin = time.perf_counter()
        while time.perf_counter() - begin < seconds:
            file = opened[done % files]
            file.write(data)
            os.fdatasync(file.fileno())
            done += 1
        return done * records / (time.perf_counter() - begin)
