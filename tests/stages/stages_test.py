#!/usr/bin/env python3
"""Proves that the runner of stages (tools/stages/run.py) takes no failure, and no silence, for a success; and that tests/oracle says
what to run where it lacks what tests/setup installs.

usage: stages_test.py RUN.PY
"""
import pathlib
import shutil
import subprocess
import sys
import tempfile

runner = pathlib.Path(sys.argv[1]).resolve()
passed = failed = 0


def check(what, rows, code, *texts, wanted=()):
    """Runs a table in a directory of its own; the exit status and parts of what is printed must be as told."""
    global passed, failed
    with tempfile.TemporaryDirectory() as root:
        pathlib.Path(root, "table").write_text(rows)
        setup = pathlib.Path(root, "tests/setup")
        setup.parent.mkdir()
        setup.write_text('#!/bin/sh\necho "$1" >>asked\n[ "$1" != broken ]\n')
        setup.chmod(0o755)
        r = subprocess.run([sys.executable, runner, "table", "logs", *wanted], cwd=root, capture_output=True, text=True,
                           timeout=120)
    out = r.stdout + r.stderr
    good = r.returncode == code and all(t in out for t in texts)
    passed, failed = (passed + 1, failed) if good else (passed, failed + 1)
    if not good:
        print(f"FAIL stages: {what} (exit status {r.returncode})\n{out}")


GOOD = "a 1 - echo '2 passed, 0 failed'\n"
check("a stage that passes", GOOD, 0, "a            2 passed, 0 failed", "\n2 passed, 0 failed\n")
check("a stage is named when it begins", GOOD, 0, "a, at most 1 min")
check("help", GOOD, 0, "usage: ", "stages: a\n", wanted=("--help",))
check("packages come before the first stage", "a 1 python sh -c 'grep -cx packages asked && echo 1 passed, 0 failed'\n", 0,
      "\n1 passed, 0 failed\n")
check("sums are added", GOOD + "b 1 - echo '3 passed, 0 failed'\n", 0, "\n5 passed, 0 failed\n")
check("the times of all stages come before the sum", GOOD + "b 1 - echo '3 passed, 0 failed'\n", 0,
      " %  b\n", " %  a\n", " minutes in all\n5 passed, 0 failed\n")
check("the last sum of a stage counts", "a 1 - printf '9 passed, 9 failed\\n2 passed, 0 failed\\n'\n", 0, "\n2 passed, 0 failed\n")
check("a failed test fails the run", GOOD + "b 1 - sh -c 'echo broken here; echo 1 passed, 2 failed; exit 1'\n", 1,
      "b            1 passed, 2 failed", "    broken here", "\n3 passed, 2 failed\n")
check("a failed test fails the run even with a good exit status", "a 1 - echo '1 passed, 2 failed'\n", 1)
check("a later stage runs all the same", "a 1 - false\n" + GOOD.replace("a", "b", 1), 1, "b            2 passed, 0 failed")
check("a script that is missing", GOOD + "b 1 - ./nowhere\n", 1, "cannot run ./nowhere", "\n2 passed, 1 failed\n")
check("a stage that says nothing", "a 1 - true\n", 1, "ran no test", "\n0 passed, 1 failed\n")
check("a stage that runs no test", "a 1 - echo '0 passed, 0 failed'\n", 1, "ran no test")
check("a bad end after a good sum", "a 1 - sh -c 'echo 2 passed, 0 failed; exit 5'\n", 1, "exit status 5", "\n2 passed, 1 failed\n")
check("a stage killed", "a 1 - sh -c 'echo 2 passed, 0 failed; kill -9 $$'\n", 1, "exit status -9")
check("time is up", "a 0 - sleep 60\n", 1, "no end within 0 minutes")
check("what it needs is set up", "a 1 oracle,node echo '1 passed, 0 failed'\n", 0)
check("a set-up that fails", "a 1 broken echo '1 passed, 0 failed'\n", 1, "tests/setup broken failed", "0 passed, 1 failed")
check("one stage by name", GOOD + "b 1 - false\n", 0, "\n2 passed, 0 failed\n", wanted=["a"])
MEET = "{} 1 - sh -c 'touch {}.here; until [ -e {}.here ]; do sleep 0.05; done; echo 1 passed, 0 failed'\n"
check("stages side by side", MEET.format("a", "a", "b") + MEET.format("& b", "b", "a"), 0, "a            1 passed, 0 failed",
      "\nb            1 passed, 0 failed", "\n2 passed, 0 failed\n")
check("the next one waits for all of them", "a 1 - echo '1 passed, 0 failed'\n&b 1 - sh -c 'sleep 1; touch here; echo 1 passed, 0 failed'\n"
      "c 1 - sh -c '[ -e here ] && echo 1 passed, 0 failed'\n", 0, "\n3 passed, 0 failed\n")
check("one that fails beside another", GOOD + "& b 1 - false\n", 1, "b            0 passed, 1 failed", "\n2 passed, 1 failed\n")
check("one of those side by side by name", GOOD + "& b 1 - echo '3 passed, 0 failed'\n", 0, "\n3 passed, 0 failed\n", wanted=["b"])
check("beside none", "& a 1 - true\n", 1, "table:1: a row is")
check("an unknown stage", GOOD, 1, "no stage x; there are: a", wanted=["x"])
check("a row that cannot be read", "a b c\n", 1, "table:1: a row is")
check("an empty table", "# nothing\n", 1, "0 passed, 0 failed")



def check_lack(what, script, words, has=()):
    """Run where nothing is installed but what every system has, and `has`, the script ends with one line, which says what to run."""
    global passed, failed
    oracle = pathlib.Path(__file__).resolve().parent.parent / "oracle"
    with tempfile.TemporaryDirectory() as empty:
        for name in ("bash", "cat", "cut", "dirname", "find", "mkdir", "sha256sum", "sort"):
            pathlib.Path(empty, name).symlink_to(shutil.which(name))
        for name in has:
            program = pathlib.Path(empty, name)
            program.write_text("#!/bin/sh\n")
            program.chmod(0o755)
        r = subprocess.run([oracle / script[0], *script[1:]], capture_output=True, text=True, timeout=60, cwd=empty,
                           env={"PATH": empty, "HOME": empty, "OTTLA_CACHE": f"{empty}/cache"})
    good = r.returncode != 0 and r.stderr.splitlines() == [words] and r.stdout == ""
    passed, failed = (passed + 1, failed) if good else (passed, failed + 1)
    if not good:
        print(f"FAIL oracle: {what} (exit status {r.returncode})\n{r.stdout}{r.stderr}")


check_lack("no Java", ("kafka", "start", "dir", "1"), "kafka: there is no java: run tests/setup first")
check_lack("no Java for a tool", ("kafka", "tool", "topics"), "kafka: there is no java: run tests/setup first")
check_lack("no jars, and no Maven", ("kafka", "start", "dir", "1"), "fetch: there is no mvn: run tests/setup first", ("java",))

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
