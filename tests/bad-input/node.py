"""One Ottla node as a process: formatted, started, looked at, killed. Its lines are what a person would read."""
import os
import re
import resource
import shutil
import signal
import socket
import subprocess

from probe import Failure, expect, wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("OTTLA_BINARY", os.path.join(ROOT, "build/src/app/ottla"))
PATIENCE_S = 20
LINE = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] (DEBUG|INFO|WARN|ERROR) (.*) \(([^()]+)\)$")


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Node:
    """`settings` over a plain server.properties; None removes one."""

    def __init__(self, directory, settings=None):
        self.directory = directory
        self.data = os.path.join(directory, "data")
        self.port, self.controller_port = free_ports(2)
        self.settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller_port}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{self.controller_port}",
            "log.dirs": self.data,
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
        }
        self.settings.update(settings or {})
        self.descriptors_max = None  # ulimit -n
        self.process = None
        self.log_path = os.path.join(directory, "log")
        self.log_begin = 0
        os.makedirs(directory, exist_ok=True)

    @property
    def properties(self):
        return os.path.join(self.directory, "server.properties")

    def write_properties(self):
        with open(self.properties, "w") as out:
            for name, value in self.settings.items():
                if value is not None:
                    out.write(f"{name}={value}\n")

    def format(self, cluster="MkU3OEVBNTcwNTJENDM2Qg"):
        self.write_properties()
        done = subprocess.run([BINARY, "storage", "format", "--standalone", "-t", cluster, "-c", self.properties],
                              capture_output=True, text=True)
        expect(done.returncode == 0, f"format: {done.stdout}{done.stderr}")

    def spawn(self):
        """Starts it and waits for nothing. What the log says from here on is `lines`."""
        self.write_properties()
        with open(self.log_path, "ab") as out:
            self.log_begin = out.tell()
            self.process = subprocess.Popen([BINARY, "server-start", self.properties], stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=out, preexec_fn=self.limit)

    def limit(self):
        if self.descriptors_max:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors_max, self.descriptors_max))

    def start(self):
        self.spawn()
        wait_until(lambda: self.has_ended() or self.find("ready after"), "it does not get ready")
        expect(not self.has_ended(), lambda_text(self))
        return self

    def refuses_to_start(self):
        """Starts it, and it ends by itself: the lines of level ERROR."""
        self.spawn()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"it starts, or hangs: {self.last_lines()}")
        expect(self.process.returncode == 1, f"it ends with status {self.process.returncode}: {self.last_lines()}")
        return self.lines("ERROR")

    def has_ended(self):
        return self.process is None or self.process.poll() is not None

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        expect(self.process.wait(PATIENCE_S) == 0, f"it ends with status {self.process.returncode}: {self.last_lines()}")

    def kill(self):
        if not self.has_ended():
            self.process.kill()
            self.process.wait(PATIENCE_S)

    # ---- what it says

    def text(self):
        with open(self.log_path, "rb") as log:
            log.seek(self.log_begin)
            return log.read().decode("utf-8", "replace")

    def lines(self, *levels):
        """(level, words, part) of every line of this start; a line of another form is a failure."""
        found = []
        for line in self.text().splitlines():
            match = LINE.match(line)
            expect(match, f"a line of another form: {line!r}")
            if not levels or match[1] in levels:
                found.append(match[2])
        return found

    def find(self, part):
        """The first line of this start that contains `part`."""
        for line in self.text().splitlines():
            if part in line:
                return line
        return None

    def last_lines(self):
        return " | ".join(self.text().splitlines()[-3:])

    # ---- what it uses

    def status(self, name):
        """VmRSS, VmHWM … in kB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith(name + ":"):
                    return int(line.split()[1])
        raise Failure(f"no {name}")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    # ---- talking to it

    def connect(self, timeout_s=PATIENCE_S):
        s = socket.create_connection(("127.0.0.1", self.port), timeout_s)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s


def lambda_text(node):
    return f"it ended: {node.last_lines()}"


def tree(directory):
    """Name and content of every file below, for saying that nothing was touched."""
    found = {}
    for base, _, names in os.walk(directory):
        for name in names:
            path = os.path.join(base, name)
            if name == ".lock":
                continue
            with open(path, "rb") as content:
                found[os.path.relpath(path, directory)] = content.read()
    return found


def copy(source, target):
    shutil.copytree(source, target)
