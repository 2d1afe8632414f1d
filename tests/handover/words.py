"""What all parts of the test say and ask."""

import hashlib
import time


class Failure(Exception):
    """Something is not as it must be."""


def expect(condition, words):
    if not condition:
        raise Failure(words)


def wait_until(condition, words, patience_s=60):
    """The value of `condition` as soon as it is true."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"{words}: not within {patience_s} s")
        time.sleep(0.05)


def text(value):
    """As java/Portrait.java shows a key or a value: a long one by its sum."""
    if value is None or len(value) <= 64:
        return value
    return f"{len(value)} bytes {hashlib.sha1(value.encode()).hexdigest()}"
