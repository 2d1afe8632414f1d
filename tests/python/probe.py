"""What the suites that are written in Python say and ask of processes."""

import socket
import time


class Failure(Exception):
    """Something is not as it must be."""


def expect(condition, words):
    if not condition:
        raise Failure(words)


def wait_until(condition, words, patience_s=60, pause_s=0.02):
    """The value of `condition` as soon as it is true. `words`: what is wrong otherwise, or who tells it then."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{words() if callable(words) else words}: not within {patience_s} s")
        time.sleep(pause_s)


def free_port_pair():
    """The first of two that follow one another: the second is the controller's."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port
