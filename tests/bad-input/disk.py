"""A disk that runs full: a small file system of its own, filled by somebody else and by the node. Producers get an error that
they may try again, readers and admin calls go on, nothing that was acknowledged goes, and when there is space again writing
goes on by itself. Needs the right to mount; skipped without it."""
import os
import subprocess
import time

import wire
from node import Node
from probe import expect, wait_until

SIZE_KB = 24 * 1024
MARK_BYTES = SIZE_KB * 1024 // 32  # ottla.disk.min.free.bytes by default
RESERVE_BYTES = 1 << 20     # ottla.disk.reserve.bytes by default
EARLY_TOPICS = 300          # to be deleted when there is no space
RETRIABLE = {wire.STORAGE_ERROR, 7, 5, 9, 15, 41, 3}  # what clients try again


class Full:
    def __init__(self, directory):
        self.node = Node(directory, {"log.segment.bytes": "1048576", "log.index.size.max.bytes": "65536",
                                     "offsets.topic.segment.bytes": "1048576"})
        os.makedirs(self.node.data, exist_ok=True)
        self.is_mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "none", self.node.data],
                                         capture_output=True).returncode == 0
        self.filler = os.path.join(self.node.data, "filler")
        self.acknowledged = []  # values in order, of t-0
        self.early = [f"early-{n}" for n in range(EARLY_TOPICS)]

    def end(self):
        self.node.kill()
        if self.is_mounted:
            subprocess.run(["umount", self.node.data], check=True)

    def fill(self, left_bytes=0):
        """Somebody else takes what is left."""
        free = os.statvfs(self.node.data)
        take = max(free.f_bavail * free.f_frsize - left_bytes, 0)
        with open(self.filler, "ab", buffering=0) as out:
            try:
                while take > 0:
                    take -= out.write(bytes(min(take, 1 << 16)))
            except OSError:
                pass

    def free(self):
        os.remove(self.filler)


def produce(full, client, count):
    """So many records of some size; the first error, or 0."""
    for _ in range(count):
        value = b"%08d" % len(full.acknowledged) + bytes(8000)
        error, offset = client.produce("t", 0, [value])
        if error:
            return error
        expect(offset == len(full.acknowledged), f"offset {offset} after {len(full.acknowledged)} records")
        full.acknowledged.append(value)
    return 0


def expect_all(full, client):
    found = [value for _, value in client.read_all("t", 0)]
    expect(found == full.acknowledged, f"{len(found)} records are there, {len(full.acknowledged)} were acknowledged")


def free_bytes(full):
    free = os.statvfs(full.node.data)
    return free.f_bavail * free.f_frsize


def expect_quiet(full, client, count):
    """Refused appends, one after the other, fill no log."""
    before = len(full.node.text())
    for _ in range(count):
        error = produce(full, client, 1)
        expect(error in RETRIABLE, f"the error is {error}")
    expect(len(full.node.text()) - before < 2000, "the log is filled, too")


def appends_stop_at_the_mark(full):
    """A 32nd of the disk is left: groups commit, records are deleted, topics come and go there."""
    client = wire.Client(full.node)
    expect(client.create_topic("t") == 0 and client.create_topic("u") == 0, "no topic")
    for name in full.early:
        expect(client.create_topic(name) == 0, "no topic")
    expect(produce(full, client, 50) == 0, "no record")
    wait_until(lambda: client.find_coordinator("g") == 0 and client.commit("g", "t", 0, 1) == 0, "no group")
    wait_until(lambda: os.path.exists(os.path.join(full.node.data, ".ottla-reserve")), "nothing is kept back")
    full.fill(MARK_BYTES + 300 * 1024)
    error = produce(full, client, 1000)
    expect(error == wire.STORAGE_ERROR, f"the error is {error}")
    expect(free_bytes(full) > MARK_BYTES / 2, f"only {free_bytes(full)} bytes are left")
    expect_quiet(full, client, 200)
    expect_all(full, client)
    wait_until(lambda: full.node.find("ottla.disk.min.free.bytes keeps"), f"no line tells of it: {full.node.last_lines()}")
    expect(len(full.node.lines("ERROR")) == 1, f"it says {full.node.lines('ERROR')}")
    expect(client.commit("g", "t", 0, 2) == 0, "a group cannot commit")
    expect(client.delete_records("u", 0, 0) == (0, 0), "records cannot be deleted")
    expect(client.create_topic("x") == 0 and client.delete_topic("x") == 0, "topics cannot be made and deleted")
    client.close()


def appends_are_refused_and_reading_goes_on(full):
    """Somebody else takes the rest."""
    client = wire.Client(full.node)
    full.fill()
    expect_quiet(full, client, 50)
    expect_all(full, client)
    expect("t" in client.topics(), "metadata is not told")
    expect(not full.node.has_ended(), "it ended")
    client.close()


def admin_calls_are_answered(full):
    """What was kept back serves the metadata log: topics that take space can be deleted, and no new ones use it up."""
    client = wire.Client(full.node)
    full.fill()
    began = time.monotonic()
    wait_until(lambda: client.create_topic(f"late-{time.monotonic()}", 3) == wire.STORAGE_ERROR, "CreateTopics is not refused")
    given_up = "kept back for the metadata log is given up"
    while not full.node.find(given_up):
        full.fill()
        expect(full.early and client.delete_topic(full.early.pop()) == 0, "a change fails")
    time.sleep(1.5)  # the space is looked at each second
    for n in range(100):
        expect(client.create_topic(f"later-{n}", 20) == wire.STORAGE_ERROR, "CreateTopics takes what was kept back")
    expect(free_bytes(full) > RESERVE_BYTES / 2, f"only {free_bytes(full)} bytes are left of what was kept back")
    expect(client.delete_topic("u") == 0, "DeleteTopics fails")
    expect(time.monotonic() - began < 20, "it takes long to say no")
    expect(not full.node.has_ended(), f"it ended: {full.node.last_lines()}")
    expect_all(full, client)
    client.close()
    full.node.kill()
    full.node.start()  # with what is left of it
    client = wire.Client(full.node)
    expect_all(full, client)
    client.close()


def nothing_is_kept_back_any_more(full):
    """Without a reserve, and with no byte left, an admin is told the cause, and the log tells it once."""
    client = wire.Client(full.node)

    def delete():
        full.fill()
        return client.delete_topic(full.early.pop())
    while full.early and delete() != wire.STORAGE_ERROR:
        pass
    expect(full.early, "DeleteTopics never says why")
    time.sleep(1)
    before = len(full.node.lines("ERROR"))
    time.sleep(3)
    expect(full.node.find("until there is space no topic can be created"), "no line tells of it")
    said = full.node.lines("ERROR")[before:]  # another cause may come up, and is told once as well
    expect(len(said) == len(set(said)), f"it says {said}")
    expect_all(full, client)
    client.close()


def writing_resumes_when_space_returns(full):
    full.free()
    client = wire.Client(full.node)
    wait_until(lambda: produce(full, client, 1) == 0, "nothing can be written", 10)
    expect(produce(full, client, 20) == 0, "nothing more can be written")
    expect_all(full, client)
    wait_until(lambda: client.create_topic("after") == 0, "no topic can be created", 10)
    wait_until(lambda: client.produce("after", 0, [b"x"])[0] == 0, "a new topic is stuck", 10)
    wait_until(lambda: client.commit("g", "t", 0, 3) == 0, "a group cannot commit")
    wait_until(lambda: full.node.find("appends succeed again"), "no line tells of it", 10)
    client.close()


def a_start_on_a_full_disk(full):
    """It needs no space: what was kept back for its vote and its registration serves it."""
    client = wire.Client(full.node)
    wait_until(lambda: os.path.exists(os.path.join(full.node.data, ".ottla-reserve")), "nothing is kept back")
    full.fill(MARK_BYTES + 50000)
    produce(full, client, 10)
    client.close()
    full.node.kill()
    full.fill()
    full.node.start()
    client = wire.Client(full.node)
    expect_all(full, client)
    error = produce(full, client, 1)
    expect(error == wire.STORAGE_ERROR, f"the error is {error}")
    full.free()
    wait_until(lambda: produce(full, client, 5) == 0, "nothing can be written")
    expect_all(full, client)
    client.close()


def a_start_with_nothing_kept_back(full):
    """Not even its vote can be written: it says so, once, and goes on when there is space."""
    full.node.kill()
    full.node.settings["ottla.disk.reserve.bytes"] = "0"
    reserve = os.path.join(full.node.data, ".ottla-reserve")
    if os.path.exists(reserve):
        os.remove(reserve)
    full.fill()
    full.node.spawn()
    wait_until(lambda: full.node.has_ended() or full.node.find("No space left on device"), "it says nothing")
    time.sleep(3)
    expect(not full.node.has_ended(), f"it ended: {full.node.last_lines()}")
    expect(sum("No space left" in line for line in full.node.lines("ERROR")) == 1, f"it says {full.node.lines('ERROR')}")
    full.free()
    wait_until(lambda: full.node.find("ready after"), "it does not go on")
    client = wire.Client(full.node)
    expect_all(full, client)
    wait_until(lambda: produce(full, client, 5) == 0, "nothing can be written")
    client.close()


def a_stop_on_a_full_disk(full):
    full.fill()
    full.node.stop()
    full.free()
    full.node.start()
    client = wire.Client(full.node)
    expect_all(full, client)
    expect(produce(full, client, 5) == 0, "nothing can be written")
    expect_all(full, client)
    client.close()
    full.node.stop()


def run(directory, case):
    full = Full(directory)
    try:
        if not full.is_mounted:
            case("a_full_disk", lambda: "it may not mount a file system of its own")
            return
        full.node.format()
        full.node.start()
        for body in (appends_stop_at_the_mark, appends_are_refused_and_reading_goes_on, admin_calls_are_answered,
                     nothing_is_kept_back_any_more, writing_resumes_when_space_returns, a_start_on_a_full_disk,
                     a_start_with_nothing_kept_back, a_stop_on_a_full_disk):
            case(body.__name__, lambda body=body: body(full))
    finally:
        full.end()
