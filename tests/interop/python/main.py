"""Runs every case of confluent-kafka-python against the broker at the address given."""

import signal
import sys

import admin_cases  # noqa: F401 (they register themselves)
import consume_cases  # noqa: F401
import produce_cases  # noqa: F401
import protocol_cases  # noqa: F401
import suite
import transaction_cases  # noqa: F401


def member(bootstrap, group, topic, *settings):
    """A member in a process of its own, to be killed, or to leave when it is told to end (SIGTERM): what --member runs."""
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    config = dict(words.split("=", 1) for words in settings)
    consumer = suite.Env(bootstrap, "member").member(group, topic, **{k.replace(".", "_"): v for k, v in config.items()})
    while not ends:
        consumer.poll(0.1)
    consumer.close()


if __name__ == "__main__":
    if len(sys.argv) >= 5 and sys.argv[1] == "--member":
        member(*sys.argv[2:])
        sys.exit()
    if not 2 <= len(sys.argv) <= 3:
        sys.exit("usage: main.py BOOTSTRAP [part of a case's name]")
    failed = suite.run(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
    sys.stdout.flush()
    # A case that was given up may still hold a client; it must not keep the process.
    import os

    os._exit(1 if failed else 0)
