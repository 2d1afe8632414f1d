"""The files of a node that does not run, as both dump tools see them."""

import glob
import json
import os
import re
import subprocess

OTTLA = os.path.abspath(os.environ.get("OTTLA_BINARY", "build/src/app/ottla"))
TROUBLE = re.compile(r"isvalid: false|Exception|[Mm]ismatch|not found|Non-consecutive|trailing|Invalid|corrupt|Error|Could not", re.IGNORECASE)
DECODERS = {"__consumer_offsets": ["--offsets-decoder"], "__transaction_state": ["--transaction-log-decoder"],
            "__cluster_metadata": ["--cluster-metadata-decoder"]}
# A file that shrank during a dump, or one of a partition that is being removed, says nothing.
LEFTOVERS = ("-delete", "-stray", "-future")


def directories(dirs):
    for base in dirs:
        for entry in sorted(os.scandir(base), key=lambda e: e.name):
            if entry.is_dir() and not entry.name.endswith(LEFTOVERS):
                yield entry


def files(dirs, *suffixes):
    """(decoder's options, paths): per kind of log."""
    kinds = {}
    for entry in directories(dirs):
        topic = entry.name.rpartition("-")[0]
        for name in sorted(os.listdir(entry.path)):
            if name.endswith(suffixes) and os.path.getsize(os.path.join(entry.path, name)) > 0:
                kinds.setdefault((topic.startswith("flow"), tuple(DECODERS.get(topic, []))), []).append(os.path.join(entry.path, name))
    return [(is_flow, list(decoder), paths) for (is_flow, decoder), paths in kinds.items()]


def ours(args):
    done = subprocess.run([OTTLA, "kafka-dump-log.sh", *args], text=True, check=False, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout


def normal(text):
    return [line.rstrip() for line in text.splitlines()]


def look(hand, dirs, is_clean):
    """Sentences: trouble that a tool sees, and where the two see different things."""
    found = []
    calls = []
    for is_flow, decoder, paths in files(dirs, ".log", ".checkpoint"):
        calls.append(["--files", ",".join(paths), *([] if is_flow else ["--print-data-log", "--deep-iteration"]), *decoder])
    for _, _, paths in files(dirs, ".snapshot", ".txnindex"):
        calls.append(["--files", ",".join(paths)])
    # A kill leaves an index unfinished: Kafka's own tool ends with an exception at Kafka's.
    for _, _, paths in files(dirs, ".index", ".timeindex") if is_clean else []:
        for how in (["--verify-index-only"], ["--index-sanity-check"], []):
            calls.append(["--files", ",".join(paths), *how])
    for args in calls:
        theirs, mine = normal(hand.do("dump", args=args)), normal(ours(args))
        trouble = [line for line in theirs if TROUBLE.search(line) and not line.startswith("|")]
        if trouble:
            found.append(f"Kafka's dump: {trouble[:3]}")
        if theirs != mine:
            apart = next(((a, b) for a, b in zip(theirs, mine) if a != b), (len(theirs), len(mine)))
            found.append(f"dump {args[2:]} {os.path.basename(os.path.dirname(args[1]))}: Kafka's says {apart[0]!r}, ours {apart[1]!r}")
    return found


def misplaced(dirs, meta):
    """Sentences: replicas that lie in another directory than the metadata tell (KIP-858)."""
    ids = {}
    for base in dirs:
        with open(os.path.join(base, "meta.properties"), encoding="utf-8") as properties:
            ids[re.search(r"^directory\.id=(\S+)", properties.read(), re.MULTILINE)[1]] = base
    logs = sorted(glob.glob(os.path.join(meta, "__cluster_metadata-0", "*.log")))
    topics, told = {}, {}
    for payload in re.findall(r"payload: (\{.*\})", ours(["--cluster-metadata-decoder", "--files", ",".join(logs)])):
        record = json.loads(payload)
        kind, data = record["type"], record["data"]
        if kind == "TOPIC_RECORD":
            topics[data["topicId"]] = data["name"]
        elif kind == "REMOVE_TOPIC_RECORD":
            topics.pop(data["topicId"])
        elif kind.startswith("PARTITION_") and data.get("directories"):
            told[data["topicId"], data["partitionId"]] = data["directories"][0]
    lies = {(topics[topic], number): ids.get(at, at) for (topic, number), at in told.items() if topic in topics}
    if not lies:
        return ["the metadata tell of no partition"]
    return [f"{name}-{number} lies not in {at}" for (name, number), at in lies.items() if not os.path.isdir(f"{at}/{name}-{number}")]
