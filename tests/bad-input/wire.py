"""As much of Kafka's protocol as it takes to be rude in it: frames, a few requests in their last versions without tagged
fields, record batches."""
import socket
import struct
import time
import zlib

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP = 8, 9, 10, 11
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS = 18, 19, 20, 21

NONE = 0
STORAGE_ERROR = 56


def string(text):
    if text is None:
        return struct.pack(">h", -1)
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def blob(data):
    return struct.pack(">i", -1) if data is None else struct.pack(">i", len(data)) + data


def array(items):
    return struct.pack(">i", len(items)) + b"".join(items)


def header(key, version, correlation=1, client="rude"):
    return struct.pack(">hhi", key, version, correlation) + string(client)


def framed(body):
    return struct.pack(">i", len(body)) + body


def request(key, version, body=b"", correlation=1):
    return framed(header(key, version, correlation) + body)


# ---- record batches

def _table():
    out = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ 0x82F63B78 if n & 1 else n >> 1
        out.append(n)
    return out


_TABLE = _table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def varint(value):
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def batch(values):
    timestamp = int(time.time() * 1000)  # older ones would not be retained
    records = b""
    for i, value in enumerate(values):
        record = b"\0" + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(record)) + record
    tail = struct.pack(">hiqqqhii", 0, len(values) - 1, timestamp, timestamp, -1, -1, -1, len(values)) + records
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def swollen_batch(size, timestamp):
    """Two records, a millisecond apart, the first with `size` zeros, in a thousandth of that."""
    head = b"\0" + varint(0) + varint(0) + varint(-1) + varint(size)
    second = b"\0" + varint(1) + varint(1) + varint(-1) + varint(0) + varint(0)
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    packed = packer.compress(varint(len(head) + size + 1) + head)
    zeros = bytes(1 << 20)
    for left in range(size, 0, -len(zeros)):
        packed += packer.compress(zeros[:left])
    packed += packer.compress(varint(0) + varint(len(second)) + second) + packer.flush()
    tail = struct.pack(">hiqqqhii", 1, 1, timestamp, timestamp + 1, -1, -1, -1, 2) + packed
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc32c(tail)) + tail


def values_of(data):
    """(offset, value) of every record of whole, uncompressed batches."""
    found = []
    while len(data) >= 61:
        base, size = struct.unpack_from(">qi", data)
        if len(data) < 12 + size:
            break
        count, = struct.unpack_from(">i", data, 57)
        at = 61
        for _ in range(count):
            _, at = _read_varint(data, at)
            at += 1
            _, at = _read_varint(data, at)
            delta, at = _read_varint(data, at)
            key, at = _read_varint(data, at)
            at += max(key, 0)
            length, at = _read_varint(data, at)
            found.append((base + delta, data[at:at + length]))
            at += length
            _, at = _read_varint(data, at)
        data = data[12 + size:]
    return found


def _read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), at


# ---- requests

def produce(topic, partition, values, acks=-1, timeout_ms=30000):
    return produce_batch(topic, partition, batch(values), acks, timeout_ms)


def produce_batch(topic, partition, records, acks=-1, timeout_ms=30000):
    data = array([struct.pack(">i", partition) + blob(records)])
    return string(None) + struct.pack(">hi", acks, timeout_ms) + array([string(topic) + data])


def fetch(topic, partition, offset, max_wait_ms=500, max_bytes=1 << 20):
    asked = array([struct.pack(">iqi", partition, offset, max_bytes)])
    return struct.pack(">iiiib", -1, max_wait_ms, 1, max_bytes, 0) + array([string(topic) + asked])


def list_offsets(topic, partition, timestamp):
    asked = array([struct.pack(">iq", partition, timestamp)])
    return struct.pack(">i", -1) + array([string(topic) + asked])


def create_topic(name, partitions, configs=()):
    config = array([string(k) + string(v) for k, v in configs])
    return array([string(name) + struct.pack(">ih", partitions, 1) + array([]) + config]) + struct.pack(">ib", 30000, 0)


def metadata(topics):
    return struct.pack(">i", -1) if topics is None else array([string(t) for t in topics])


# ---- conversations

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def string(self):
        size = self.take("h")
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at].decode()

    def blob(self):
        size = self.take("i")
        self.at += max(size, 0)
        return self.data[self.at - max(size, 0):self.at]


def receive_exactly(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(min(size - len(data), 1 << 20))
        if not more:
            raise ConnectionError(f"the end after {len(data)} of {size} bytes")
        data += more
    return data


def receive(s):
    """The next answer: correlation id and a reader of the rest."""
    size, = struct.unpack(">i", receive_exactly(s, 4))
    reader = Reader(receive_exactly(s, size))
    return reader.take("i"), reader


def is_closed(s, timeout_s=5):
    """Whether the other side ends the connection, reading what may come before."""
    s.settimeout(timeout_s)
    try:
        while s.recv(1 << 16):
            pass
        return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False


class Client:
    """Asks one thing at a time."""

    def __init__(self, node, timeout_s=20):
        self.socket = node.connect(timeout_s)
        self.correlation = 0

    def close(self):
        self.socket.close()

    def ask(self, key, version, body=b""):
        self.correlation += 1
        self.socket.sendall(request(key, version, body, self.correlation))
        correlation, reader = receive(self.socket)
        if correlation != self.correlation:
            raise ConnectionError(f"answer {correlation} where {self.correlation} was due")
        return reader

    def create_topic(self, name, partitions=1, configs=()):
        r = self.ask(CREATE_TOPICS, 2, create_topic(name, partitions, configs))
        r.take("ii")
        r.string()
        return r.take("h")

    def delete_topic(self, name):
        r = self.ask(DELETE_TOPICS, 1, array([string(name)]) + struct.pack(">i", 30000))
        r.take("ii")
        r.string()
        return r.take("h")

    def delete_records(self, topic, partition, offset):
        """Error and the first offset that is left."""
        asked = string(topic) + array([struct.pack(">iq", partition, offset)])
        r = self.ask(DELETE_RECORDS, 0, array([asked]) + struct.pack(">i", 30000))
        r.take("ii")
        r.string()
        r.take("ii")
        start, error = r.take("qh")
        return error, start

    def commit(self, group, topic, partition, offset):
        """A commit of no member: the error."""
        part = struct.pack(">iq", partition, offset) + string(None)
        body = string(group) + struct.pack(">i", -1) + string("") + struct.pack(">q", -1)
        r = self.ask(OFFSET_COMMIT, 2, body + array([string(topic) + array([part])]))
        r.take("i")
        r.string()
        r.take("ii")
        return r.take("h")

    def find_coordinator(self, group):
        return self.ask(FIND_COORDINATOR, 0, string(group)).take("h")

    def produce(self, topic, partition, values, acks=-1):
        """Error and first offset."""
        return self.produce_batch(topic, partition, batch(values), acks)

    def produce_batch(self, topic, partition, records, acks=-1):
        r = self.ask(PRODUCE, 3, produce_batch(topic, partition, records, acks))
        r.take("i")
        r.string()
        r.take("ii")
        return r.take("hq")

    def fetch(self, topic, partition, offset, max_wait_ms=500):
        """Error, high watermark and the records from `offset` on."""
        r = self.ask(FETCH, 4, fetch(topic, partition, offset, max_wait_ms))
        r.take("ii")
        r.string()
        r.take("ii")
        error, high_watermark, _ = r.take("hqq")
        for _ in range(max(r.take("i"), 0)):
            r.take("qq")
        return error, high_watermark, [v for v in values_of(r.blob()) if v[0] >= offset]

    def read_all(self, topic, partition):
        found, offset = [], 0
        while True:
            error, end, records = self.fetch(topic, partition, offset)
            if error:
                raise ConnectionError(f"fetch at offset {offset}: error {error}")
            found += records
            if not records or records[-1][0] + 1 >= end:
                return found
            offset = records[-1][0] + 1

    def topics(self):
        r = self.ask(METADATA, 1, metadata(None))
        for _ in range(r.take("i")):
            r.take("i"), r.string(), r.take("i"), r.string()  # id, host, port, rack
        r.take("i")
        names = []
        for _ in range(r.take("i")):
            r.take("h")
            names.append(r.string())
            r.take("b")
            for _ in range(r.take("i")):
                r.take("hii")
                for _ in range(2):  # replicas, in sync
                    count = r.take("i")
                    r.at += 4 * count
        return names
