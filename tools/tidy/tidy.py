#!/usr/bin/env python3
"""Small checks of the whole tree that no compiler makes.

usage: tidy.py [--report] ROOT [BUILD...]

ROOT is the source tree; each BUILD a configured and built Meson directory (generated headers, what is compiled,
libraries of the first one). Prints `path:line: check: message`, and last `N passed, N failed`, counting checks. With
--report also the ten longest functions and files, which are no failure. Rules and their reasons: tools/tidy/README.md.
"""
import argparse
import fnmatch
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import checks  # noqa: E402
from source import Source  # noqa: E402

TOPS = ("src", "tests", "tools")
MORE_TOPS = ("bin", "config", "docs")  # without code
FOREIGN = {"node_modules", "__pycache__", "venv", ".venv", "target"}  # made by package managers, not ours
LINE_MARK = re.compile(r"tidy: allow (\w+): \S")


class Tree:
    """The files under one root, and the tables that the checks go by."""

    def __init__(self, root, builds):
        self.root = pathlib.Path(root).resolve()
        self.builds = [pathlib.Path(b).resolve() for b in builds]
        self._sources = {}
        for path in self._files(*TOPS):
            if path.suffix in (".c", ".cc", ".h"):
                name = self._name(path)
                self._sources[name] = Source(name, path.read_text(encoding="utf-8"))
        self._read_layers()
        self._read_allowed()

    def _files(self, *tops):
        for top in tops:
            for path in sorted((self.root / top).rglob("*")):
                if path.is_file() and not FOREIGN & set(path.parts):
                    yield path

    def _name(self, path):
        return path.relative_to(self.root).as_posix()

    def folders(self):
        """The folders with files in them, here or deeper: the top ones, and those one below."""
        found = set()
        for path in self._files(*TOPS, *MORE_TOPS):
            parts = self._name(path).split("/")[:-1]
            found.update("/".join(parts[:depth]) for depth in (1, 2) if depth <= len(parts))
        return sorted(found)

    def sources(self, *tops):
        return [s for s in self._sources.values() if s.path.split("/")[0] in tops]

    def generated(self):
        """C files that a build has written."""
        for path in (p for b in self.builds for p in (b / "src").rglob("*.[ch]")):
            yield Source(str(path), path.read_text(encoding="utf-8"))

    def scripts(self):
        """(path, text) of what people and the suite run: Python and shell, wherever it lies."""
        front = self.root / "dev"
        for path in [*self._files(*TOPS, ".ci"), *([front] if front.is_file() else [])]:
            if path.suffix in (".py", ".sh") or path.suffix == "" and path.read_bytes()[:2] == b"#!":
                yield self._name(path), path.read_text(encoding="utf-8")

    def meson_files(self):
        return [self.root / "meson.build"] + [p for p in self._files(*TOPS) if p.name == "meson.build"]

    def included_files(self):
        """Headers and tables: files that live by being included."""
        return [self._name(p) for p in self._files(*TOPS) if p.suffix in (".h", ".def", ".inc")]

    def tables(self):
        """Tables as sources: they include one another."""
        for name in self.included_files():
            if not name.endswith(".h"):
                yield Source(name, (self.root / name).read_text(encoding="utf-8"))

    @staticmethod
    def room_of(path):
        parts = path.split("/")
        return parts[1] if parts[0] == "src" and len(parts) > 2 else None

    def _read_layers(self):
        self.rooms = {}        # room -> what it may use
        self.test_rooms = {}   # room -> what its tests may use besides
        self.libraries = {}    # prefix of an outside header -> rooms
        self.layer_problems = []
        name = "src/layers.txt"
        for number, line in enumerate((self.root / name).read_text().split("\n"), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            m = re.match(r"^(<[^>]+>|\w+)( tests)?:(.*)$", line)
            if not m:
                self.layer_problems.append((name, number, f"cannot be read: {line}"))
                continue
            who, used = m[1], m[3].split()
            if who.startswith("<"):
                self.libraries[who.strip("<>")] = set(used)
                continue
            if m[2]:
                self.test_rooms[who] = set(used)
                continue
            if who in self.rooms:
                self.layer_problems.append((name, number, f"room {who} is named twice"))
            for other in used:
                if other.split("/")[0] not in self.rooms:
                    self.layer_problems.append((name, number, f"{who} uses {other}, which is not above it"))
            self.rooms[who] = set(used)

    def may_include(self, room, header, from_test):
        target = header.split("/")[0]
        allowed = self.rooms.get(room, set()) | (self.test_rooms.get(room, set()) if from_test else set())
        return target == room or target in allowed or header in allowed

    def library_owners(self, header):
        for prefix, rooms in self.libraries.items():
            if header == prefix or prefix.endswith("/") and header.startswith(prefix):
                return rooms
        return None

    def _read_allowed(self):
        """allow.txt: `check path-pattern word-pattern  reason`."""
        self._rows = []
        path = self.root / "tools/tidy/allow.txt"
        for number, line in enumerate(path.read_text().split("\n") if path.is_file() else [], 1):
            parts = line.split("#")[0].split(None, 3)
            if parts:
                self._rows.append({"line": number, "parts": parts, "used": False})

    def allowed(self, check, source, line, word, path=None):
        if source is not None:
            near = source.lines[max(0, line - 2) : line]
            if any(m[1] == word for text in near for m in LINE_MARK.finditer(text)):
                return True
        for row in self._rows:
            parts = row["parts"]
            if len(parts) == 4 and parts[0] == check and fnmatch.fnmatchcase(path or source.path, parts[1]) and (
                    fnmatch.fnmatchcase(word, parts[2])):
                row["used"] = True
                return True
        return False

    def stale_rows(self):
        for row in self._rows:
            if len(row["parts"]) < 4:
                yield "tools/tidy/allow.txt", row["line"], "a row is: check path word reason"
            elif not row["used"]:
                yield "tools/tidy/allow.txt", row["line"], "is no longer needed"


def run(tree, out=sys.stdout):
    """Runs all checks and prints; answers how many failed."""
    passed = failed = 0
    rows = [(check.__name__, check) for check in checks.ALL] + [("allow_list", lambda t: t.stale_rows())]
    for name, check in rows:
        problems = list(check(tree))
        for path, line, message in problems:
            print(f"{path}:{line}: {name}: {message}", file=out)
        passed, failed = (passed, failed + 1) if problems else (passed + 1, failed)
    print(f"{passed} passed, {failed} failed", file=out)
    return failed


def report(tree, out=sys.stdout):
    sources = tree.sources("src", "tools", "tests")
    functions = sorted(((n, name, s.path, line) for s in sources for n, name, line in s.functions()), reverse=True)
    files = sorted(((len(s.lines) - 1, s.path) for s in sources), reverse=True)
    print("longest functions:", file=out)
    for count, name, path, line in functions[:10]:
        print(f"  {count:5} {name} ({path}:{line})", file=out)
    print("longest files:", file=out)
    for count, path in files[:10]:
        print(f"  {count:5} {path}", file=out)
    lengths = sorted(f[0] for f in functions)
    if lengths:
        print(f"{len(lengths)} functions: median {lengths[len(lengths) // 2]} lines, "
              f"90th percentile {lengths[len(lengths) * 9 // 10]}", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root")
    parser.add_argument("build", nargs="*")
    parser.add_argument("--report", action="store_true")
    options = parser.parse_args()
    tree = Tree(options.root, options.build)
    if options.report:
        report(tree)
    return 1 if run(tree) else 0


if __name__ == "__main__":
    sys.exit(main())
