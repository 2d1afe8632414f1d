#!/usr/bin/env python3
"""Proves that every check of tools/tidy passes a good tree and fails on a bad example of its kind.

usage: tidy_test.py TIDY.PY
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile

tidy = sys.argv[1]
passed = failed = 0
cases = []  # (what, changes, options, judge)

# The smallest tree without a fault: two rooms and app, one library each, a test, a script.
GOOD = {
    ".clang-format": "DisableFormat: true\nSortIncludes: Never\n",
    "meson.build": "project('x', 'c')\n",
    "dev": "#!/bin/bash\n# The front door.\n",
    "docs/README.md": "docs\n",
    "docs/page.md": "words\n",
    "src/README.md": "src\n",
    "src/layers.txt": "# rooms\nbase:\nio: base\nlog: base io/io.h\nlog tests: io\n<zlib.h>: log\napp: base io log\n",
    "src/base/README.md": "base\n",
    "src/base/meson.build": "['base.c']\n",
    "src/base/base.h": "/* Words. */\n#pragma once\nint base_one(void);\n",
    "src/base/base.c": '/* Words. */\n#include "base/base.h"\n\nstatic const char *const names[] = { "a" };\nint base_one(void)\n'
    "{\n    return names[0][0];\n}\n",
    "src/io/README.md": "io\n",
    "src/io/meson.build": "['io.c']\n",
    "src/io/io.h": '/* Seam. */\n#pragma once\n#include "base/base.h"\nint io_now(void);\n',
    "src/io/epoll.h": "/* Driver. */\n#pragma once\nint io_epoll(void);\n",
    "src/io/io_int.h": "/* Inside. */\n#pragma once\n",
    "src/io/io.c": '/* Driver. */\n#include "io/io.h"\n\n#include "io/epoll.h"\n#include "io/io_int.h"\n\n#include <unistd.h>\n'
    "int io_now(void)\n{\n    return (int)read(0, (void *)0, 0);\n}\nint io_epoll(void)\n{\n    return 1;\n}\n",
    "src/log/README.md": "log\n",
    "src/log/meson.build": "['log.c']\n['log_test.c']\n",
    "src/log/log.h": "/* Log. */\n#pragma once\n#include <stdint.h>\nint64_t log_end(void);\n",
    "src/log/log.c": '/* Log. It does not call time(), nor "open(" anything. */\n#include "log/log.h"\n\n#include "io/io.h"\n'
    '/* #include "app/secret.h" */\nstruct file {\n    int (*open)(void);\n};\nint64_t log_end(void)\n{\n    struct file f = { io_now };\n'
    "    return f.open();\n}\n",
    "src/log/log_test.c": '/* Test. */\n#include "io/epoll.h"\n#include "log/log.h"\n\n#include <fcntl.h>\n'
    'int log_test(void);\nint log_test(void)\n{\n    return open("x", O_RDONLY);\n}\n',
    "src/app/README.md": "app\n",
    "src/app/meson.build": "['main.c']\n",
    "src/app/main.c": '/* The program. */\n#include "log/log.h"\n\n#include <time.h>\nint main(void)\n{\n    return (int)(time((void *)0) + log_end());\n}\n',
    "tools/README.md": "tools\n",
    "tools/tidy/README.md": "tidy\n",
    "tools/tidy/allow.txt": "# nothing\n",
}
ALONE = "int main(void)\n{\n    return 0;\n}\n"
THREADED = "#include <pthread.h>\nint main(void)\n{\n    return pthread_create((void *)0, (void *)0, (void *)0, (void *)0);\n}\n"
LIBRARIES = {"base": ["src/base/base.c"], "io": ["src/io/io.c"], "log": ["src/log/log.c"], "app": ["src/app/main.c"]}


def write(root, files):
    for name, text in files.items():
        path = pathlib.Path(root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())


def build(root, program, suites):
    """Libraries, and a unit test program of these suites."""
    for room, sources in LIBRARIES.items():
        folder = pathlib.Path(root, "build/src", room)
        folder.mkdir(parents=True)
        subprocess.run(["gcc", "-w", "-fPIC", "-c", "-Isrc", "-o", folder / "x.o", *sources], cwd=root, check=True)
        subprocess.run(["ar", "rcs", folder / f"lib{room}.a", folder / "x.o"], check=True)
    pathlib.Path(root, "build/compile_commands.json").write_text("[]")
    unit = os.path.realpath(os.path.join(root, "build/src/log/unit_log"))
    subprocess.run(["gcc", "-w", "-x", "c", "-o", unit, "-"], input=program, text=True, check=True)
    tests = [{"cmd": [unit], "suite": [f"x:{suite}" for suite in suites]}, {"cmd": [sys.executable, "x.py"], "suite": ["x:unit"]}]
    pathlib.Path(root, "build/meson-info").mkdir()
    pathlib.Path(root, "build/meson-info/intro-tests.json").write_text(json.dumps(tests))


def run(changes, built=False, arguments=(), program=ALONE, suites=("unit",)):
    """The output of tidy over the good tree with some files changed (None: without it)."""
    with tempfile.TemporaryDirectory() as root:
        write(root, {k: v for k, v in (GOOD | changes).items() if v is not None})
        if built:
            build(root, program, suites)
        builds = [os.path.join(root, "build")] if built else []
        r = subprocess.run([sys.executable, tidy, *arguments, root, *builds], capture_output=True, text=True)
    return r.returncode, r.stdout + r.stderr


def count(what, good, output):
    global passed, failed
    passed, failed = (passed + 1, failed) if good else (passed, failed + 1)
    if not good:
        print(f"FAIL tidy: {what}\n{output}")


def good(what, changes, **options):
    cases.append((what, changes, options, lambda code, out: code == 0 and " 0 failed" in out))


def bad(check, place, message, changes, **options):
    """Exactly one check fails, at the place, and says why."""
    def judge(code, out):
        lines = out.split("\n")[:-2]
        hit = any(l.startswith(place) and f" {check}: " in l and message in l for l in lines)
        return code == 1 and hit and all(f" {check}: " in l for l in lines) and " 1 failed" in out

    cases.append((f"{check}: {message}", changes, options, judge))


def append(name, text):
    return {name: GOOD[name] + text}


good("the good tree", {}, built=True)
good("the good tree, not built", {})

bad("layers", "src/layers.txt:3", "not above it", {"src/layers.txt": GOOD["src/layers.txt"].replace("io: base\n", "io: base log\n")})
bad("layers", "src/layers.txt:8", "twice", append("src/layers.txt", "base: io\n"))
bad("layers", "src/layers.txt:8", "cannot be read", append("src/layers.txt", "what is this\n"))
bad("layers", "src/new", "not in src/layers.txt", {"src/new/README.md": "new\n"})

bad("arrows", "src/base/base.c:9", 'may not use "io/io.h"', append("src/base/base.c", '#include "io/io.h"\n'))
bad("arrows", "src/log/log.c:14", 'may not use "io/epoll.h"', append("src/log/log.c", '#include "io/epoll.h"\n'))
bad("arrows", "src/log/log.c:14", "include by the path", append("src/log/log.c", '#include "log.h"\n'))
bad("arrows", "src/io/io.c:16", "belongs to log", append("src/io/io.c", "#include <zlib.h>\n"))
good("a library where it belongs", append("src/log/log.c", "#include <zlib.h>\n"))

bad("private_headers", "src/app/main.c:9", "private to src/io", append("src/app/main.c", '#include "io/io_int.h"\n'))

bad("header_comment", "src/log/log.c:1", "without a comment", {"src/log/log.c": GOOD["src/log/log.c"].split("\n", 1)[1]})
bad("header_comment", "dev:1", "without a comment", {"dev": "#!/bin/bash\nexit 0\n"})
bad("header_comment", "tests/x.py:1", "without a comment", {"tests/x.py": "import os\n", "tests/README.md": "tests\n"})
bad("pragma_once", "src/log/log.h:1", "lacks", {"src/log/log.h": GOOD["src/log/log.h"].replace("#pragma once\n", "")})
for folder in ("src/log", "src", "tools/tidy", "docs"):
    bad("folder_readme", f"{folder}:1", "README", {f"{folder}/README.md": None})
bad("folder_readme", "tests/rude:1", "README", {"tests/README.md": "tests\n", "tests/rude/deep/words.txt": "word\n"})
good("a folder deeper down without one", {"tools/tidy/deep/words.txt": "word\n"})
good("a folder without a file", {"tools/tidy/__pycache__/x.pyc": "", "tools/gone/__pycache__/x.pyc": ""})
bad("ascii_code", "src/log/log.c:14", "outside comments", append("src/log/log.c", "int gr\u00f6\u00dfe(void);\n"))
good("other alphabets in comments and strings", append("src/log/log.c", '/* gr\u00f6\u00dfe */\nconst char *w(void)\n{\n    return "\u20ac";\n}\n'))

bad("headers_alone", "src/log/log.h:1", "does not compile alone", {"src/log/log.h": GOOD["src/log/log.h"].replace("#include <stdint.h>\n", "")})
bad("formatted", "src/log/log.h:5", "not formatted", {".clang-format": "BasedOnStyle: LLVM\nIndentWidth: 4\n"} |
    append("src/log/log.h", "int  log_begin( void );\n"))

bad("orphans", "src/log/lost.c:1", "no meson.build", {"src/log/lost.c": "/* Lost. */\nint lost(void);\n"})
bad("orphans", "src/log/lost.cc:1", "no meson.build", {"src/log/lost.cc": "/* Lost. */\nint lost(void);\n"})
bad("orphans", "src/log/lost.h:1", "nobody includes", {"src/log/lost.h": "/* Lost. */\n#pragma once\n"})
bad("orphans", "src/log/lost.def:1", "nobody includes", {"src/log/lost.def": "ROW(1)\n"})

bad("threads", "src/log/unit_log:1", "can start threads", {}, built=True, program=THREADED)
good("threads that the suite for them has", {}, built=True, program=THREADED, suites=("unit", "threads"))

for word in ("strcpy", "sprintf", "strtok", "localtime", "rand"):
    bad("banned_words", "src/app/main.c:9", f"{word}()", append("src/app/main.c", f"#define USE(x) {word}(x)\n"))
for word in ("time", "getenv", "gettimeofday", "clock_gettime", "socket", "open", "read", "printf", "malloc", "exit"):
    bad("banned_words", "src/log/log.c:14", f"{word}()", append("src/log/log.c", f"#define USE(x) {word}(x)\n"))
    if word != "malloc":
        good(f"{word} in the program", append("src/app/main.c", f"#define USE(x) {word}(x)\n"))
good("a word allowed where it stands", append("src/log/log.c", "/* tidy: allow time: for the test */\n#define USE(x) time(x)\n"))
bad("banned_words", "src/log/log.c:15", "time()", append("src/log/log.c", "/* tidy: allow open: no */\n#define USE(x) time(x)\n"))
good("a word allowed by the list", append("src/log/log.c", "#define USE(x) time(x)\n") |
     {"tools/tidy/allow.txt": "banned_words src/log/* time because\n"})
bad("allow_list", "tools/tidy/allow.txt:1", "no longer needed", {"tools/tidy/allow.txt": "banned_words src/log/* time because\n"})
bad("allow_list", "tools/tidy/allow.txt:1", "a row is", {"tools/tidy/allow.txt": "banned_words src/log/*\n"})

STATE = {"int g = 3;": "g in .data", "int g;": "g in .bss", "static int g;\nint *at(void)\n{\n    return &g;\n}": "g in .bss",
         "int *at(void)\n{\n    static int g = 2;\n    return &g;\n}": "in .data", "_Thread_local int g;": "g in .tbss"}
for code, message in STATE.items():
    bad("mutable_globals", "src/log/liblog.a:1", message, append("src/log/log.c", code + "\n"), built=True)
good("global state in the program", append("src/app/main.c", "int g = 3;\n"), built=True)
good("tables that only the loader writes", append("src/log/log.c", "int at(void);\nint (*const table[])(void) = { at };\n"), built=True)
good("global state allowed by the list", append("src/log/log.c", "int g = 3;\n") |
     {"tools/tidy/allow.txt": "mutable_globals src/log/* g because\n"}, built=True)

cases.append(("the report", {}, {"arguments": ("--report",)},
              lambda code, out: code == 0 and "log_end (src/log/log.c:10)" in out and "src/log/log.c\n" in out))

with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    results = pool.map(lambda case: run(case[1], **case[2]), cases)
    for (what, _, _, judge), (code, out) in zip(cases, results):
        count(what, judge(code, out), out)
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
