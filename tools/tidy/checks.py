"""The checks. Each takes the Tree and yields (path, line, message); tidy.py runs and counts them."""
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess

import words

HEADER_FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wundef", "-Wstrict-prototypes", "-Werror",
                "-fsyntax-only", "-x", "c"]
MUTABLE = re.compile(r"^(\.data(?!\.rel\.ro)|\.bss|\.tdata|\.tbss|\*COM\*)")
COMPILERS = (("gcc",), ("clang-14", "clang"))


def compilers():
    found = (next((n for n in names if shutil.which(n)), None) for names in COMPILERS)
    return [name for name in found if name]


def is_test(path):
    return path.endswith(("_test.c", "_test.h"))


# --- who may include whom -------------------------------------------------------------------------------------

def layers(tree):
    """src/layers.txt itself: every room named once, and using only rooms above it, so there is no ring."""
    for problem in tree.layer_problems:
        yield problem
    rooms = {p.name for p in (tree.root / "src").iterdir() if p.is_dir()}
    for room in sorted(rooms - tree.rooms.keys()):
        yield f"src/{room}", 1, f"room {room} is not in src/layers.txt"


def arrows(tree):
    for source in tree.sources("src"):
        room = tree.room_of(source.path)
        for line, kind, name in source.includes():
            if kind == "<":
                owners = tree.library_owners(name)
                if owners is not None and room not in owners:
                    yield source.path, line, f"<{name}> belongs to {', '.join(sorted(owners))} alone"
                continue
            if "/" not in name:
                yield source.path, line, f'"{name}": include by the path from src'
                continue
            if not tree.may_include(room, name, is_test(source.path)):
                yield source.path, line, f'room {room} may not use "{name}" (src/layers.txt)'


def private_headers(tree):
    for source in tree.sources("src", "tests", "tools"):
        for line, kind, name in source.includes():
            home = "src/" + os.path.dirname(name) + "/"
            if kind == '"' and name.endswith("_int.h") and not source.path.startswith(home):
                yield source.path, line, f'"{name}" is private to {home[:-1]}'


# --- what a file must be --------------------------------------------------------------------------------------

def header_comment(tree):
    for source in tree.sources("src", "tests", "tools"):
        if not re.match(r"\s*/[*/]\s*\S", source.text):
            yield source.path, 1, "begins without a comment that says what it is"
    for path, text in tree.scripts():
        body = text.split("\n", 1)[1] if text.startswith("#!") and "\n" in text else text
        if not re.match(r'\s*(#\s*\S|"""\s*\S)', body):
            yield path, 1, "begins without a comment that says what it is"


def pragma_once(tree):
    for source in tree.sources("src", "tests", "tools"):
        if source.path.endswith(".h") and not re.search(r"^#pragma once$", source.code, re.M):
            yield source.path, 1, "lacks #pragma once"


def folder_readme(tree):
    """Rooms, the folders of tests/ and tools/, and what lies beside them; a folder deeper down may be told of in the one above."""
    for folder in tree.folders():
        if not (tree.root / folder / "README.md").is_file():
            yield folder, 1, "lacks a README.md: what it owns, its invariants, where to start"


def ascii_code(tree):
    for source in tree.sources("src", "tests", "tools"):
        for m in re.finditer(r"[^\x00-\x7f]+", source.code):
            yield source.path, source.line_of(m.start()), f"{m[0]!r} outside comments and strings"


def headers_alone(tree):
    headers = [s.path for s in tree.sources("src") if s.path.endswith(".h")]
    roots = ["-I" + str(tree.root / "src")] + ["-I" + str(b / "src") for b in tree.builds]

    def compile_alone(pair):
        compiler, path = pair
        r = subprocess.run([compiler, *HEADER_FLAGS, *roots, "-"], input=f'#include "{path[4:]}"\n', capture_output=True, text=True)
        return r.returncode, r.stderr

    pairs = list(itertools.product(compilers(), headers))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for (compiler, path), (code, said) in zip(pairs, pool.map(compile_alone, pairs)):
            if code != 0:
                first = next((l for l in said.split("\n") if "error" in l), said.strip())
                yield path, 1, f"does not compile alone with {compiler}: {first.strip()}"


def formatted(tree):
    tool = shutil.which("clang-format-14")
    if tool is None:
        return
    paths = [s.path for s in tree.sources("src", "tests", "tools")]
    r = subprocess.run([tool, "--dry-run", *paths], capture_output=True, text=True, cwd=tree.root)
    seen = set()
    for m in re.finditer(r"^(\S+?):(\d+):\d+: warning: code should be clang-formatted", r.stderr, re.M):
        if m[1] not in seen:
            seen.add(m[1])
            yield m[1], int(m[2]), "is not formatted (./dev format)"


# --- files nobody uses ----------------------------------------------------------------------------------------

def _compiled(tree):
    """Paths that some build compiles, and the names that meson.build files mention."""
    paths = set()
    for build in tree.builds:
        for row in json.loads((build / "compile_commands.json").read_text()):
            full = pathlib.Path(row["directory"], row["file"]).resolve()
            if full.is_relative_to(tree.root):
                paths.add(full.relative_to(tree.root).as_posix())
    for meson in tree.meson_files():
        folder = meson.parent.relative_to(tree.root).as_posix()
        for name in re.findall(r"'([^'\n]+\.(?:cc|[cS]))'", meson.read_text()):
            paths.add(os.path.normpath(os.path.join(folder, name)))
    return paths


def orphans(tree):
    compiled = _compiled(tree)
    users = [*tree.sources("src", "tests", "tools"), *tree.tables(), *tree.generated()]
    included = {name for s in users for _, kind, name in s.includes() if kind == '"'}
    for source in tree.sources("src", "tests", "tools"):
        if source.path.endswith((".c", ".cc")) and source.path not in compiled:
            yield source.path, 1, "no meson.build compiles it"
    for path in tree.included_files():
        short = path[4:] if path.startswith("src/") else path
        if short not in included and os.path.basename(path) not in included:
            yield path, 1, "nobody includes it"


# --- what the thread sanitizer looks at -----------------------------------------------------------------------

def threads(tree):
    """The stage `thread` runs the suite threads alone: who starts none has nothing to show it."""
    for build in tree.builds[:1]:
        tests = json.loads((build / "meson-info/intro-tests.json").read_text())
        in_suite = {suite: {t["cmd"][0] for t in tests if any(name.endswith(":" + suite) for name in t["suite"])}
                    for suite in ("unit", "threads")}
        for program in sorted(in_suite["unit"] - in_suite["threads"]):
            path = pathlib.Path(program)
            if path.is_relative_to(build) and "pthread_create" in subprocess.run(
                    ["objdump", "-T", program], capture_output=True, text=True, check=True).stdout:
                yield path.relative_to(build).as_posix(), 1, "can start threads, and has no test in the suite threads"


# --- words and state ------------------------------------------------------------------------------------------

def _banned_in(tree, path):
    """The words that a file may not use, with reasons."""
    table = dict(words.EVERYWHERE)
    room = tree.room_of(path)
    if room is None or is_test(path):
        return table
    if room not in ("io", "app"):
        table.update(words.SYSTEM)
    if room not in ("app", "cli", "sim"):
        table.update(words.PRINTING)
    if room != "base":
        table.update(words.HEAP)
    return table


def banned_words(tree):
    for source in tree.sources("src", "tests", "tools"):
        table = _banned_in(tree, source.path)
        for line, name in source.calls():
            if name in table and not tree.allowed("banned_words", source, line, name):
                yield source.path, line, f"{name}() {table[name]}"


def mutable_globals(tree):
    """Writable symbols in the libraries of rooms below app, as the linker sees them."""
    libraries = [l for b in tree.builds[:1] for l in sorted(b.glob("src/**/lib*.a")) if not l.name.endswith("_test.a")]
    if tree.builds and not libraries:
        yield "build", 1, "holds no library; build first (./dev build)"
    for library in libraries:
        path = library.relative_to(tree.builds[0]).as_posix()
        if tree.room_of(path) in (None, "app"):
            continue
        r = subprocess.run(["objdump", "-t", str(library)], capture_output=True, text=True, check=True)
        member = "?"
        for line in r.stdout.split("\n"):
            if m := re.match(r"^(\S+):\s+file format", line):
                member = m[1]
            m = re.match(r"^[0-9a-f]{8,} (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$", line)
            if not m or "d" in m[1][5] or not MUTABLE.match(m[2]) or m[3].startswith("."):
                continue
            if not tree.allowed("mutable_globals", None, 0, m[3], path):
                yield path, 1, f"{member}: {m[3]} in {m[2]} is global state that can change"


ALL = [layers, arrows, private_headers, header_comment, pragma_once, folder_readme, ascii_code, headers_alone, formatted,
       orphans, threads, banned_words, mutable_globals]
