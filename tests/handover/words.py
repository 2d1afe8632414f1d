"""How values are told."""

import hashlib


def text(value):
    """As java/Portrait.java shows a key or a value: a long one by its sum."""
    if value is None or len(value) <= 64:
        return value
    return f"{len(value)} bytes {hashlib.sha1(value.encode()).hexdigest()}"
