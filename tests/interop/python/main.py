"""Runs every case of confluent-kafka-python against the broker at the address given."""

import sys

import admin_cases  # noqa: F401 (they register themselves)
import consume_cases  # noqa: F401
import produce_cases  # noqa: F401
import suite
import transaction_cases  # noqa: F401


def member(bootstrap, group, topic):
    """A member to be killed: what --member runs in a process of its own."""
    consumer = suite.Env(bootstrap, "member").member(group, topic)
    while True:
        consumer.poll(0.1)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "--member":
        member(*sys.argv[2:])
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: main.py BOOTSTRAP [part of a case's name]")
    failed = suite.run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
    sys.stdout.flush()
    # A case that was given up may still hold a client; it must not keep the process.
    import os

    os._exit(1 if failed else 0)
