"""Stands between a client and a broker and cuts connections at random: before a request reaches
the broker, after it did and before the answer comes back, or in the middle of either."""

import random
import socket
import threading


def _exactly(sock, size):
    out = b""
    while len(out) < size:
        more = sock.recv(size - len(out))
        if not more:
            raise ConnectionError
        out += more
    return out


class Proxy:
    """Cuts at each frame with this chance, until so many cuts have been made. The broker's address
    in its answers, a host and then a port, becomes the proxy's own."""

    def __init__(self, host, port, seed, chance=0.1, cuts_max=60):
        self.broker = (host, port)
        self.random = random.Random(seed)
        self.chance = chance
        self.cuts_max = cuts_max
        self.cuts = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        own_port = self.listener.getsockname()[1]
        self.bootstrap = f"{host}:{own_port}"
        self.address = host.encode() + port.to_bytes(4, "big")
        self.own_address = host.encode() + own_port.to_bytes(4, "big")
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(self.broker)
            for a, b in (client, server), (server, client):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _cut_at(self, size):
        with self.lock:
            if self.cuts == self.cuts_max or self.random.random() >= self.chance:
                return None
            self.cuts += 1
            return self.random.choice((0, size, self.random.randrange(size)))

    def _pump(self, source, sink):
        try:
            source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                head = _exactly(source, 4)
                frame = head + _exactly(source, int.from_bytes(head, "big"))
                frame = frame.replace(self.address, self.own_address)
                cut = self._cut_at(len(frame))
                sink.sendall(frame[:cut])
                if cut is not None:
                    break
        except OSError:
            pass  # one side has closed, and so does the other
        for sock in source, sink:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
