"""What may come on a port: garbage, lies about sizes, floods, silence. One node takes all of it, while a client that
behaves keeps asking; its records must be there in the end, and it may never have waited long."""
import random
import socket
import ssl
import struct
import threading
import time

import wire
from node import Node
from probe import Failure, expect, wait_until

RSS_MAX_KB = 400 * 1024    # whatever comes
IDLE_COUNT = 5000
IDLE_BYTES_MAX = 4096      # of memory for a connection that does nothing
WAIT_S_MAX = 3             # of the client that behaves
LINES_AT_ONCE_MAX, LINES_A_SECOND_MAX = 100, 6  # of one part of the log


class Steady(threading.Thread):
    """The client that behaves: produces one record after another, and reads each back."""

    def __init__(self, node):
        super().__init__(daemon=True)
        self.node = node
        self.count = 0
        self.longest_s = 0
        self.longest_in = ""  # the case that ran meanwhile
        self.case = ""
        self.failure = None
        self.is_ending = False

    def run(self):
        try:
            client = wire.Client(self.node)
            while not self.is_ending:
                began = time.monotonic()
                value = b"steady %d" % self.count
                error, offset = client.produce("steady", 0, [value])
                expect((error, offset) == (0, self.count), f"produce {self.count}: {error}, offset {offset}")
                error, _, records = client.fetch("steady", 0, offset)
                expect(error == 0 and records[:1] == [(offset, value)], f"fetch {offset}: {error}, {records[:1]}")
                self.count += 1
                took_s = time.monotonic() - began
                if took_s > self.longest_s:
                    self.longest_s, self.longest_in = took_s, self.case
                time.sleep(0.005)
            client.close()
        except Exception as e:  # told by the case `others_are_unharmed`
            self.failure = f"{type(e).__name__}: {e}"


def is_well(node):
    """It answers, and within its bounds."""
    expect(not node.has_ended(), f"it ended: {node.last_lines()}")
    client = wire.Client(node, 5)
    expect("steady" in client.topics(), "the topic is gone")
    client.close()
    rss = node.status("VmRSS")
    expect(rss < RSS_MAX_KB, f"{rss} kB are resident")


def expect_line(node, s_or_port, *parts):
    """A line that names this peer and the cause."""
    port = s_or_port if isinstance(s_or_port, int) else s_or_port.getsockname()[1]
    peer = f"connection from 127.0.0.1:{port} on listener PLAINTEXT: "
    line = wait_until(lambda: node.find(peer), f"no line names the peer, port {port}", 5)
    for part in parts:
        expect(part in line, f"the line lacks {part!r}: {line}")


def said(node, data, *parts):
    """Sends data; the connection is closed, and a line says why. What came before the end is the answer."""
    s = node.connect(5)
    s.sendall(data)
    answer = b""
    try:
        while True:
            more = s.recv(1 << 16)
            if not more:
                break
            answer += more
    except socket.timeout:
        raise Failure(f"it stays open after {data[:16]!r}")
    expect_line(node, s, *parts)
    s.close()
    return answer


# ---- cases

def sizes_that_are_none(node, _):
    said(node, b"\xff\xff\xff\xff", "frame size -1 is negative")
    said(node, struct.pack(">i", 104857601) + b"x" * 100, "frame size 104857601 is above socket.request.max.bytes=104857600")
    said(node, struct.pack(">i", 2**31 - 1), "frame size 2147483647 is above")
    said(node, struct.pack(">i", 0), "too short for a header")
    said(node, struct.pack(">i", 7) + b"\0" * 7, "too short for a header")
    said(node, b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 'frame size 1397966893 ("SSH-") is above')
    said(node, b"EHLO example.org\r\n", '("EHLO")')


def an_http_request_gets_an_answer(node, _):
    for head in (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", b"POST /x HTTP/1.0\r\nContent-Length: 500000\r\n\r\n" + b"y" * 500000,
                 b"PUT /x HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
        answer = said(node, head, "an HTTP request came on a port that speaks the Kafka protocol")
        expect(answer.startswith(b"HTTP/1.1 400 "), f"the answer is {answer[:40]!r}")
        top, _, body = answer.partition(b"\r\n\r\n")
        expect(b"Content-Length: %d\r\n" % len(body) in top + b"\r\n", "the length is wrong")
        expect(b"speaks the Kafka protocol" in body, "the answer says nothing")


def a_tls_hello_gets_an_answer(node, _):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    s = node.connect(5)
    port = s.getsockname()[1]
    try:
        context.wrap_socket(s)
        raise Failure("it spoke TLS")
    except ssl.SSLError as e:
        expect("PROTOCOL_VERSION" in str(e).upper(), f"the client reads {e}")
    expect_line(node, port, "a TLS handshake came on a plaintext port", "security.protocol=PLAINTEXT")


def versions_that_are_gone_are_named(node, _):
    said(node, wire.request(wire.PRODUCE, 2), "Produce version 2 is not served, only 3 to 13")
    said(node, wire.request(wire.FETCH, 3), "Fetch version 3 is not served, only 4 to")
    said(node, wire.request(wire.LIST_OFFSETS, 0), "ListOffsets version 0 is not served, only 1 to")
    said(node, wire.request(wire.METADATA, 99), "Metadata version 99 is not served, only 0 to 13")
    said(node, wire.request(52, 0), "API key 52 (Vote) is not served here")
    said(node, wire.request(9999, 0), "API key 9999 (unknown) is not served here")
    client = wire.Client(node)
    r = client.ask(wire.API_VERSIONS, 99)
    expect(r.take("h") == 35, "ApiVersions 99 is no UNSUPPORTED_VERSION")
    expect(r.take("i") == 1 and r.take("hhh")[0] == wire.API_VERSIONS, "its versions are not told")
    client.close()


def served_versions(node):
    client = wire.Client(node)
    r = client.ask(wire.API_VERSIONS, 0)
    expect(r.take("h") == 0, "ApiVersions fails")
    versions = {key: (low, high) for key, low, high in (r.take("hhh") for _ in range(r.take("i")))}
    client.close()
    return versions


def talk_rubbish(node, data, timeout_s=10):
    """Sends it; whatever comes back, the connection gets an answer or its end."""
    s = node.connect(timeout_s)
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        while s.recv(1 << 20):
            pass
    except socket.timeout:
        raise Failure(f"neither answer nor end within {timeout_s} s after {data[:24]!r}")
    except ConnectionError:
        pass
    finally:
        s.close()


def counts_and_lengths_that_lie(node, _):
    """Every API in every version, with bodies that announce more than there is."""
    lies = [b"", b"\x7f\xff\xff\xff" * 8, b"\x7f\xff" * 16, b"\xff" * 40, b"\x80" * 40, b"\0\0\0\x01" + b"\x7f\xff\xff\xff" * 6,
            b"\xff\xff\xff\xff\x07" * 8, b"\xff\xff\xff\xff\x0f" * 8, b"\x02" * 64, b"\xff\xff\xff\xfe" * 8, b"\x01\0" * 40]
    for key, (low, high) in served_versions(node).items():
        for version in range(low, high + 1):
            # What decodes by chance may wait for good reasons (JoinGroup, Fetch): its end is asked for at once.
            talk_rubbish_all(node, [framed for lie in lies for framed in
                                    (wire.request(key, version, lie), wire.request(key, version, b"\0" + lie))])
    is_well(node)


def talk_rubbish_all(node, frames):
    sockets = []
    for data in frames:
        s = node.connect()
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        sockets.append(s)
    for s, data in zip(sockets, frames):
        expect(wire.is_closed(s, 10), f"it stays open after {data[:24]!r}")
        s.close()


ELEMENTS = {
    # API: version, what stands before the array, the smallest element, what stands after it
    "produce topics": (wire.PRODUCE, 3, b"\xff\xff\xff\xff\0\0\x75\x30", b"\0\x01t\0\0\0\0", b""),
    "produce partitions": (wire.PRODUCE, 3, b"\xff\xff\xff\xff\0\0\x75\x30\0\0\0\x01\0\x01t", b"\0\0\0\0\xff\xff\xff\xff", b""),
    "fetch partitions": (wire.FETCH, 4, struct.pack(">iiiib", -1, 0, 1, 1 << 20, 0) + b"\0\0\0\x01\0\x06steady",
                         struct.pack(">iqi", 0, 0, 1), b""),
    "fetch topics": (wire.FETCH, 4, struct.pack(">iiiib", -1, 0, 1, 1 << 20, 0), b"\0\x01t\0\0\0\0", b""),
    "list offsets": (wire.LIST_OFFSETS, 1, b"\xff\xff\xff\xff\0\0\0\x01\0\x06steady", struct.pack(">iq", 0, -1), b""),
    "metadata": (wire.METADATA, 4, b"", b"\0\x06steady", b"\0"),
    "metadata absent": (wire.METADATA, 4, b"", b"\0\x01#", b"\x01"),
    "offset commit": (wire.OFFSET_COMMIT, 2, string_ := b"\0\x01g\xff\xff\xff\xff\0\0" + b"\xff" * 8,
                      b"\0\x01t\0\0\0\0", b""),
    "offset commit partitions": (wire.OFFSET_COMMIT, 2, string_ + b"\0\0\0\x01\0\x06steady", b"\0\0\0\0" + b"\0" * 8 + b"\0\0", b""),
    "offset fetch": (wire.OFFSET_FETCH, 1, b"\0\x01g\0\0\0\x01\0\x06steady", b"\0\0\0\0", b""),
    "offset fetch groups": (wire.OFFSET_FETCH, 8, None, b"\x02g\0\0", b"\0\0"),
    "find coordinator": (wire.FIND_COORDINATOR, 4, None, b"\x02g", b"\0"),
    "join group": (wire.JOIN_GROUP, 2, b"\0\x01g" + struct.pack(">ii", 30000, 30000) + b"\0\0\0\x08consumer", b"\0\0\0\0\0\0", b""),
    "describe groups": (15, 0, b"", b"\0\x01g", b""),
    "create topics": (wire.CREATE_TOPICS, 2, b"", b"\0\x01t\0\0\0\x01\0\x01" + b"\0" * 8, b"\0\0\x75\x30\x01"),
    "create topic configs": (wire.CREATE_TOPICS, 2, b"\0\0\0\x01\0\x01t\0\0\0\x01\0\x01\0\0\0\0", b"\0\0\0\0", b"\0\0\x75\x30\x01"),
    "create topic assignments": (wire.CREATE_TOPICS, 2, b"\0\0\0\x01\0\x01t\xff\xff\xff\xff\xff\xff", b"\0\0\0\0\0\0\0\0",
                                 b"\0\0\0\0" + b"\0\0\x75\x30\x01"),
    "delete topics": (wire.DELETE_TOPICS, 1, b"", b"\0\x01#", b"\0\0\x75\x30"),
    "delete records": (21, 0, b"\0\0\0\x01\0\x01t", b"\0\0\0\0" + b"\xff" * 8, b"\0\0\x75\x30"),
    "epochs": (23, 2, b"\0\0\0\x01\0\x06steady", b"\0\0\0\0" + b"\0" * 8, b""),
    "describe configs": (32, 1, b"", b"\x02\0\x06steady\xff\xff\xff\xff", b"\0"),
    "describe broker configs": (32, 1, b"", b"\x04\0\x011\xff\xff\xff\xff", b"\x01"),
    "alter configs": (33, 0, b"", b"\x02\0\x01t\0\0\0\0", b"\x01"),
    "alter config keys": (33, 0, b"\0\0\0\x01\x02\0\x06steady", b"\0\x01x\xff\xff", b"\x01"),
    "log dirs": (35, 1, b"", b"\0\x06steady\0\0\0\x01\0\0\0\0", b""),
    "create partitions": (37, 0, b"", b"\0\x01t\0\0\0\x01\xff\xff\xff\xff", b"\0\0\x75\x30\x01"),
    "delete groups": (42, 0, b"", b"\0\x01g", b""),
    "incremental alter configs": (44, 0, b"", b"\x02\0\x01t\0\0\0\0", b"\x01"),
    "incremental alter config keys": (44, 0, b"\0\0\0\x01\x02\0\x06steady", b"\0\x01x\x01\xff\xff", b"\x01"),
    "offset delete": (47, 0, b"\0\x01g\0\0\0\x01\0\x06steady", b"\0\0\0\0", b""),
    "describe producers": (61, 0, None, b"\x07steady\x02\0\0\0\0\0", b"\0"),
}


def uvarint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def arrays_as_long_as_a_frame_allows(node, _):
    """Counts that are true: as many of the smallest elements as a large frame holds. Each is answered or refused, in
    bounded memory and without holding up the others."""
    for name, (key, version, before, element, after) in ELEMENTS.items():
        for total in (512 << 10, 20 << 20):
            count = total // len(element)
            if before is None:  # flexible: the header has tags, the array a varint
                body = header_with_tags(key, version) + uvarint(count + 1) + element * count + after
            else:
                body = wire.header(key, version) + before + struct.pack(">i", count) + element * count + after
            began = time.monotonic()
            try:
                talk_rubbish(node, wire.framed(body), 20)
            except Failure as e:
                raise Failure(f"{name} × {count}: {e}")
            expect(not node.has_ended(), f"{name} × {count}: it ended: {node.last_lines()}")
            took_s = time.monotonic() - began
            expect(took_s < 5, f"{name} × {count} took {took_s:.1f} s")
            rss = node.status("VmRSS")
            expect(rss < RSS_MAX_KB, f"{name} × {count}: {rss} kB are resident")
    is_well(node)


def header_with_tags(key, version):
    return wire.header(key, version) + b"\0"


def garbage(node, seed):
    random_bytes = random.Random(seed)
    for _ in range(300):
        talk_rubbish(node, random_bytes.randbytes(random_bytes.randrange(1, 2000)))
    is_well(node)


def frames_cut_anywhere(node, seed):
    """Good requests, cut at every byte, and the peer goes: by an end or by a reset."""
    whole = wire.request(wire.METADATA, 1, wire.metadata(["steady"])) + \
        wire.request(wire.PRODUCE, 3, wire.produce("rude", 0, [b"x" * 100])) + \
        wire.request(wire.FETCH, 4, wire.fetch("rude", 0, 0))
    for cut in range(0, len(whole), 2):
        s = node.connect()
        s.sendall(whole[:cut])
        if cut % 4 == 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    is_well(node)


def peers_that_go_while_they_wait(node, seed):
    """In the middle of everything that may wait: long polls, joins, acks=all, answers half read."""
    chance = random.Random(seed)
    join = wire.string("g") + struct.pack(">ii", 30000, 30000) + wire.string("") + wire.string("consumer") + \
        wire.array([wire.string("range") + wire.blob(b"\0\0")])
    conversations = [
        [(wire.FETCH, 4, wire.fetch("rude", 0, 10**6, 20000))],
        [(wire.FETCH, 4, wire.fetch("steady", 0, 0, 20000))] * 20,
        [(wire.FIND_COORDINATOR, 0, wire.string("g")), (wire.JOIN_GROUP, 2, join)],
        [(wire.PRODUCE, 3, wire.produce("rude", 0, [b"y"] * 50))] * 50,
        [(wire.METADATA, 1, wire.metadata(None))] * 200,
        [(wire.CREATE_TOPICS, 2, wire.create_topic("short-lived", 3)), (wire.DELETE_TOPICS, 1, wire.array([wire.string("short-lived")]) + struct.pack(">i", 10000))],
    ]
    for i in range(240):
        frames = b"".join(wire.request(*asked) for asked in conversations[i % len(conversations)])
        s = node.connect()
        s.sendall(frames)
        if chance.random() < 0.5:
            s.settimeout(0.01)
            try:
                s.recv(chance.randrange(1, 5000))
            except socket.timeout:
                pass
        if chance.random() < 0.5:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    is_well(node)


def a_flood_that_reads_no_answers(node, _):
    """As many requests as the sockets take, on many connections, and not one answer read."""
    one = wire.request(wire.METADATA, 1, wire.metadata(None))
    many = one * 5000
    sockets = []
    for _ in range(50):
        s = node.connect()
        s.setblocking(False)
        sockets.append([s, 0])
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        for entry in sockets:
            try:
                entry[1] += entry[0].send(many[entry[1] % len(many):])
            except BlockingIOError:
                pass
        time.sleep(0.01)
    is_well(node)
    for s, sent in sockets[1:]:
        expect(sent > len(many), f"only {sent} bytes were taken")
        s.close()
    # The first one changes its mind: every answer is there, in order.
    s, sent = sockets[0]
    s.settimeout(10)
    for _ in range(min(sent // len(one), 20000)):
        correlation, _ = wire.receive(s)
        expect(correlation == 1, "an answer is not whole")
    s.close()


def a_batch_that_swells_is_searched_aside(node, _):
    """A third of a megabyte that stands for 300 MB. Who looks for the time of what is behind them waits; the others do not."""
    timestamp = int(time.time() * 1000)
    client = wire.Client(node)
    expect(client.create_topic("swollen") == 0, "no topic")
    expect(client.produce_batch("swollen", 0, wire.swollen_batch(300 << 20, timestamp)) == (0, 0), "the batch is not taken")
    asking = node.connect(60)
    asking.sendall(wire.request(wire.LIST_OFFSETS, 1, wire.list_offsets("swollen", 0, timestamp + 1)))
    time.sleep(0.05)
    client.topics()
    asking.setblocking(False)
    try:
        asking.recv(1, socket.MSG_PEEK)
        expect(False, "it was answered before one who asked after it")
    except BlockingIOError:
        pass
    asking.settimeout(60)
    _, r = wire.receive(asking)
    r.take("i")
    r.string()
    r.take("ii")
    expect(r.take("hqq") == (0, timestamp + 1, 1), "another offset is told")
    asking.close()
    client.close()
    is_well(node)


def thousands_that_do_nothing(node, _):
    before, open_before = node.status("VmRSS"), node.descriptors()
    began = time.monotonic()
    sockets = [node.connect() for _ in range(IDLE_COUNT)]
    took_s = time.monotonic() - began
    is_well(node)
    grown = (node.status("VmRSS") - before) * 1024 // IDLE_COUNT
    expect(grown < IDLE_BYTES_MAX, f"{grown} bytes for each of {IDLE_COUNT}")
    expect(took_s < 10, f"connecting {IDLE_COUNT} took {took_s:.1f} s")
    for s in sockets:
        s.close()
    wait_until(lambda: node.descriptors() < open_before + 50, lambda: f"{node.descriptors()} descriptors stay open")


def a_flood_of_lines_is_held_back(node, _):
    before = len(node.text())
    count = 3000
    began = time.monotonic()
    for _ in range(count):
        s = node.connect()
        s.sendall(b"\xff\xff\xff\xff")
        s.close()
    took_s = time.monotonic() - began
    time.sleep(1.1)
    said(node, b"\xff\xff\xff\xff", "negative")
    lines = node.text()[before:].splitlines()
    expect(len(lines) < LINES_AT_ONCE_MAX + LINES_A_SECOND_MAX * (took_s + 3), f"{len(lines)} lines in {took_s:.1f} s")
    expect(any("more lines of this part were held back" in line for line in lines), "nothing tells of those held back")


def slow_frames_end(node, slow):
    """Begun by `begin_slow_frames` at the start of the suite."""
    wait_until(lambda: time.monotonic() - slow.began > 31.5, "", 60)
    for s in slow.sockets:
        expect(wire.is_closed(s, 5), "a frame of 30 s stays open")
    expect_line(node, slow.first_port, "is still incomplete")


class SlowFrames:
    """Frames that get a byte now and then, and some that get none."""

    def __init__(self, node, count=200):
        self.began = time.monotonic()
        self.sockets = [node.connect() for _ in range(count)]
        self.first_port = self.sockets[0].getsockname()[1]
        for s in self.sockets:
            s.sendall(struct.pack(">i", 1 << 20) + b"\0\x03\0\x01")
        self.thread = threading.Thread(target=self.drip, daemon=True)
        self.thread.start()

    def drip(self):
        while time.monotonic() - self.began < 29:
            time.sleep(2)
            for s in self.sockets[::2]:
                try:
                    s.send(b"\0")
                except OSError:
                    return


def run(directory, case, seed):
    node = Node(directory)
    node.format()
    node.start()
    try:
        run_on(node, case, seed)
    finally:
        node.kill()


def run_on(node, case, seed):
    """Every case, in order, with the slow ones beside them."""
    client = wire.Client(node)
    for topic in ("steady", "rude"):
        expect(client.create_topic(topic) == 0, f"topic {topic} cannot be created")
    client.close()
    steady = Steady(node)
    steady.start()
    slow = SlowFrames(node)
    for body in (sizes_that_are_none, an_http_request_gets_an_answer, a_tls_hello_gets_an_answer,
                 versions_that_are_gone_are_named, garbage, frames_cut_anywhere, peers_that_go_while_they_wait,
                 counts_and_lengths_that_lie, a_flood_that_reads_no_answers, a_batch_that_swells_is_searched_aside, thousands_that_do_nothing,
                 arrays_as_long_as_a_frame_allows, a_flood_of_lines_is_held_back):
        steady.case = body.__name__
        case(body.__name__, lambda body=body: body(node, seed))
    steady.case = "slow_frames_end"
    case("slow_frames_end", lambda: slow_frames_end(node, slow))

    def others_are_unharmed():
        steady.is_ending = True
        steady.join(20)
        expect(not steady.is_alive(), "the client that behaves hangs")
        expect(steady.failure is None, f"the client that behaves: {steady.failure}")
        expect(steady.longest_s < WAIT_S_MAX, 
               f"the client that behaves waited {steady.longest_s:.1f} s in {steady.longest_in}")
        expect(steady.count > 100, f"only {steady.count} rounds")
        reader = wire.Client(node)
        records = reader.read_all("steady", 0)
        reader.close()
        expect(records == [(i, b"steady %d" % i) for i in range(steady.count)], "its records are not as it wrote them")

    case("others_are_unharmed", others_are_unharmed)
    case("every_line_has_its_form", lambda: expect(node.lines(), "it says nothing"))
    case("it_ends_in_good_order", node.stop)
