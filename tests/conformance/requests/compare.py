#!/usr/bin/env python3
"""Compares what two brokers answered to the same requests, field by field.

usage: compare.py KAFKA.jsonl OTTLA.jsonl KAFKA_SETUP OTTLA_SETUP [--part]

A SETUP is `PORT=DIRECTORY`: both are replaced in answers before they are compared. fields.txt says which fields hold ids and
times, and which arrays have no order of their own; differences.txt lists the differences that are meant, with reasons. Each
request in each version is one test; so is each line of differences.txt, which must still be needed, and each version of an API
that Ottla advertises, which must have been asked for. With --part, for some scripts only, neither of these two is judged. The
last line is `N passed, N failed`.
"""
import collections
import json
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ABSENT = object()
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOTHING_IDS = {"", "AAAAAAAAAAAAAAAAAAAAAA", 0, -1, None}  # ids that stand for none: the same on both sides
CLOCK_SLACK_MS = 3_600_000
ADVERTISED_ONLY = {(0, 0), (0, 1), (0, 2)}  # of Produce both say that they begin at 0, and serve it from 3 on


def glob(pattern):
    """A `*` is any text, everything else is itself."""
    return re.compile(".*".join(re.escape(part) for part in pattern.split("*")))


def show(value):
    return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)


class Fields:
    """What fields.txt declares: `id KIND PATTERN`, `time PATTERN`, `unordered PATTERN KEY`, `size PATTERN`, `words PATTERN`."""

    def __init__(self, path):
        self.rules = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            shape = {"id": 3, "time": 2, "unordered": 3, "size": 2, "words": 2}
            if shape.get(words[0]) != len(words):
                sys.exit(f"{path}:{number}: not understood")
            pattern = words[2] if words[0] == "id" else words[1]
            self.rules.append((words[0], glob(pattern), words))
        self.cache = {}

    def find(self, path):
        """(kind, words) of the first rule for a path without indices, or (None, None)."""
        if path not in self.cache:
            self.cache[path] = next(((kind, words) for kind, pattern, words in self.rules if pattern.fullmatch(path)),
                                    (None, None))
        return self.cache[path]


class Setup:
    """Where a broker runs, taken out of what it answers."""

    def __init__(self, text):
        port, self.directory = text.split("=")
        self.port = int(port)

    def hide(self, text):
        text = text.replace(self.directory, "<dir>")
        return re.sub(rf"\b({self.port}|{self.port + 1})\b", lambda m: f"<port+{int(m[0]) - self.port}>", text)

    def clean(self, value, name=""):
        if isinstance(value, dict):
            return {k: self.clean(v, k) for k, v in value.items()}
        if isinstance(value, list):
            return [self.clean(v, name) for v in value]
        if isinstance(value, str):
            return self.hide(value)
        if name == "port" and value in (self.port, self.port + 1):
            return f"<port+{value - self.port}>"
        return value


class Comparer:
    def __init__(self, fields):
        self.fields = fields
        self.pairs = collections.defaultdict(dict)  # kind of id: Kafka's -> Ottla's
        self.backs = collections.defaultdict(dict)

    def same_id(self, kind, a, b):
        """Whichever ids the brokers made up: what is one id here must be one id there."""
        if isinstance(a, str) and isinstance(b, str):
            ours, theirs = UUID.findall(b), UUID.findall(a)
            if theirs and len(ours) == len(theirs):
                return UUID.sub("", a) == UUID.sub("", b) and all(self.pair(kind, x, y) for x, y in zip(theirs, ours))
        return self.pair(kind, a, b)

    def pair(self, kind, a, b):
        if type(a) is not type(b) or a in NOTHING_IDS or b in NOTHING_IDS:
            return type(a) is type(b) and a == b
        return self.pairs[kind].setdefault(a, b) == b and self.backs[kind].setdefault(b, a) == a

    def translate(self, element, key):
        """The key that the element would have in Ottla's answer: ids that are known already are Ottla's."""
        label = key_of(element, key)
        for kind in self.pairs.values():
            for theirs in (label, *UUID.findall(label)):
                if isinstance(kind.get(theirs), str):
                    label = label.replace(theirs, kind[theirs])
        return label

    def compare(self, path, shown, a, b, is_success=False):
        """Yields (path that is shown, Kafka's value, Ottla's value)."""
        rule, words = self.fields.find(path)
        if a is ABSENT or b is ABSENT:
            if a is not b:
                yield shown, a, b
        elif isinstance(a, dict) and isinstance(b, dict):
            for name in list(a) + [k for k in b if k not in a]:
                is_success = b.get("errorCode") == 0
                yield from self.compare(f"{path}.{name}", f"{shown}.{name}", a.get(name, ABSENT), b.get(name, ABSENT),
                                        is_success)
        elif isinstance(a, list) and isinstance(b, list):
            key = words[2] if rule == "unordered" else None
            yield from self.compare_lists(path, shown, a, b, key)
        elif rule == "id":
            if not self.same_id(words[1], a, b):
                yield shown, a, b
        elif rule == "time":
            if a != b and not (is_now(a) and is_now(b)):
                yield shown, a, b
        elif rule == "size":
            if a != b and not (isinstance(a, int) and isinstance(b, int) and a > 0 and b > 0):
                yield shown, a, b
        elif rule == "words":
            # Ottla may say why where Kafka is silent; the other way round is a difference, and so are words without an error.
            if (a is None and b is not None and (is_success or not b)) or (a is not None and not b):
                yield shown, a, b
        elif a != b or type(a) is not type(b):
            yield shown, a, b

    def compare_lists(self, path, shown, a, b, key):
        if key is None or not all(isinstance(x, dict) for x in a + b):
            pairs = [(str(i), a[i] if i < len(a) else ABSENT, b[i] if i < len(b) else ABSENT)
                     for i in range(max(len(a), len(b)))]
            if key == "*":
                a, b = sorted(a, key=repr), sorted(b, key=repr)
                pairs = [(show(x), x if x in a else ABSENT, x if x in b else ABSENT) for x in dict.fromkeys(a + b)]
        else:
            pairs = match_by_key([(self.translate(x, key), x) for x in a], [(key_of(x, key), x) for x in b])
        for label, x, y in pairs:
            yield from self.compare(path, f"{shown}.{label}", x, y)


def key_of(element, key):
    """`a+b` is both fields, `a|b` the first of them that says something."""
    if "|" in key:
        return next((str(element[name]) for name in key.split("|") if element.get(name) not in NOTHING_IDS), "")
    return "/".join(str(element.get(name)) for name in key.split("+"))


def match_by_key(a, b):
    """(key, element) of both sides: the same keys, the nth of a key with the nth; in the order of their keys."""
    rows = {}
    for side, elements in enumerate((a, b)):
        seen = collections.Counter()
        for label, element in elements:
            rows.setdefault((label, seen[label]), [ABSENT, ABSENT])[side] = element
            seen[label] += 1
    pair_strangers(rows)
    return [(label, x, y) for (label, _), (x, y) in sorted(rows.items())]


def pair_strangers(rows):
    """Ids that are met for the first time: as many here as there are taken for the same, in the order of what else they hold."""
    keys = [key for key in rows if UUID.search(key[0])]
    theirs = sorted((k for k in keys if rows[k][1] is ABSENT), key=lambda k: UUID.sub("", repr(rows[k][0])))
    ours = sorted((k for k in keys if rows[k][0] is ABSENT), key=lambda k: UUID.sub("", repr(rows[k][1])))
    if len(theirs) == len(ours):
        for a, b in zip(theirs, ours):
            rows[b][0] = rows.pop(a)[0]


def is_now(value):
    return isinstance(value, int) and abs(value - time.time() * 1000) < CLOCK_SLACK_MS


class Accepted:
    """One line of differences.txt: request, versions, path, Kafka's value, Ottla's value; two spaces or more between."""

    def __init__(self, line, number, reason):
        columns = re.split(r" {2,}", line.strip())
        if len(columns) != 5:
            sys.exit(f"differences.txt:{number}: {len(columns)} columns instead of 5")
        if not reason:
            sys.exit(f"differences.txt:{number}: no reason above it")
        self.line, self.number, self.uses = line.strip(), number, 0
        self.patterns = [glob(c) for c in (columns[0], columns[2], columns[3], columns[4])]
        low, _, high = columns[1].partition("-")
        self.versions = None if columns[1] == "*" else range(int(low), int(high or low) + 1)

    def accepts(self, request, version, path, a, b):
        if self.versions is not None and version not in self.versions:
            return False
        if not all(p.fullmatch(t) for p, t in zip(self.patterns, (request, path, show(a), show(b)))):
            return False
        self.uses += 1
        return True


def read_accepted(path):
    """A reason is the comment above; an empty line ends it."""
    out, reason = [], ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            reason = ""
        elif line.startswith("#"):
            reason += line[1:]
        else:
            out.append(Accepted(line, number, reason))
    return out


def read_answers(path, setup):
    with open(path) as lines:
        return [setup.clean(json.loads(line)) for line in lines]


def version_ranges(numbers):
    out = []
    for n in sorted(numbers):
        if out and out[-1][1] == n - 1:
            out[-1][1] = n
        else:
            out.append([n, n])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)


class Report:
    """Failures of one request in many versions are told once."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.told = collections.defaultdict(set)

    def count(self, is_good):
        if is_good:
            self.passed += 1
        else:
            self.failed += 1

    def tell(self, text, version=None):
        self.told[text].add(version)

    def finish(self):
        for text, versions in self.told.items():
            known = [v for v in versions if v is not None]
            print(f"FAIL {text}" + (f"   [versions {version_ranges(known)}]" if known else ""))
        print(f"{self.passed} passed, {self.failed} failed")
        return self.failed > 0 or self.passed == 0


def compare_answers(kafka, ottla, accepted, report):
    comparer = Comparer(Fields(HERE / "fields.txt"))
    if len(kafka) != len(ottla):
        report.tell(f"{len(kafka)} answers of Kafka, {len(ottla)} of Ottla")
        report.count(False)
    for a, b in zip(kafka, ottla):
        request, version = a["request"], a.get("version")
        if (request, version, a["round"]) != (b["request"], b.get("version"), b["round"]):
            sys.exit(f"the answers are not of the same requests: {request} and {b['request']}")
        good = True
        for side, line in (("Kafka", a), ("Ottla", b)):
            if line["outcome"] in ("NO_ANSWER", "NEVER_REACHED"):
                good = False
                report.tell(f"{request}: {side}: {line['outcome']}", version)
        api = a.get("api", "raw")
        pairs = [(".outcome", a["outcome"], b["outcome"])]
        pairs += comparer.compare(api, "", a.get("answer", ABSENT), b.get("answer", ABSENT))
        for path, x, y in pairs:
            if x == y and type(x) is type(y):
                continue
            if not any([rule.accepts(request, version, path[1:], x, y) for rule in accepted]):
                good = False
                report.tell(f"{request}: {path[1:]}: Kafka {show(x)}, Ottla {show(y)}", version)
        report.count(good)


def check_accepted(accepted, report):
    for rule in accepted:
        report.count(rule.uses > 0)
        if rule.uses == 0:
            report.tell(f"differences.txt:{rule.number}: this difference is no more: {rule.line}")


def check_coverage(ottla, report):
    """Every version that Ottla says it serves, on either listener, must have been asked there and answered."""
    answered = [a for a in ottla if a["outcome"] == "ANSWER" and "listener" in a]
    asked = {(a["listener"], a["key"], a["version"]) for a in answered}
    for listener in ("broker", "controller"):
        told = next(a["answer"]["apiKeys"] for a in answered if a["listener"] == listener and a["api"] == "ApiVersions"
                    and a["answer"]["errorCode"] == 0)
        advertised = {(k["apiKey"], v) for k in told for v in range(k["minVersion"], k["maxVersion"] + 1)}
        for key, version in sorted(advertised - ADVERTISED_ONLY):
            good = (listener, key, version) in asked
            report.count(good)
            if not good:
                report.tell(f"API {key} is advertised on a {listener}'s listener and was not asked for", version)


def main():
    kafka_setup, ottla_setup = Setup(sys.argv[3]), Setup(sys.argv[4])
    kafka = read_answers(sys.argv[1], kafka_setup)
    ottla = read_answers(sys.argv[2], ottla_setup)
    accepted = read_accepted(HERE / "differences.txt")
    report = Report()
    compare_answers(kafka, ottla, accepted, report)
    if "--part" not in sys.argv:
        check_accepted(accepted, report)
        check_coverage(ottla, report)
    names = {a["request"] for a in kafka}
    print(f"{len(names)} requests, {len(kafka)} with their versions; {len(accepted)} rules for accepted differences")
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
