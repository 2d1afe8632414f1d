#!/usr/bin/env python3
"""Runs harness_fixture and checks that the unit test harness tells each way to end a test rightly."""
import os
import re
import subprocess
import sys

program = sys.argv[1]
passed = failed = 0


def run(*arguments):
    r = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
    return r.returncode, r.stdout + r.stderr


def check(what, condition, output=""):
    global passed, failed
    if condition:
        passed += 1
    else:
        failed += 1
        print(f"FAIL harness: {what}\n{output}")


def ends(name, *texts, arguments=()):
    code, out = run(*arguments, name.replace("_", " "))
    ok = code == 1 and re.search(rf"^FAIL fixture: {name.replace('_', ' ')} \(", out, re.M)
    ok = ok and out.endswith("0 passed, 1 failed\n") and all(t in out for t in texts)
    check(name, ok, out)


code, out = run("-v", "fixture: passes")
check("a pass", code == 0 and out == "ok   fixture: passes\n1 passed, 0 failed\n", out)
code, out = run("fixture: passes")
check("a pass says nothing without -v", code == 0 and out == "1 passed, 0 failed\n", out)
code, out = run("no such test")
check("no test at all is a failure", code == 1 and "'no such test'" in out and out.endswith("\n0 passed, 1 failed\n"), out)
code, out = run("fixture: passes", "no such test")
check("a name that is no test's", code == 1 and "'no such test'" in out and out.endswith("\n1 passed, 1 failed\n"), out)
code, out = run("--nonsense")
check("an unknown option", code == 2 and "usage" in out, out)
code, out = run("--seed", "x")
check("a bad seed", code == 2 and "usage" in out, out)
code, out = run("--list")
check("the list", code == 0 and "fixture: fails eq\n" in out and "passed" not in out, out)

ends("fails_eq", "two + 2 is 4, 5 is 5", "harness_fixture.c:")
ends("fails_condition", "context == NULL is false")
ends("fails_ok", "-ERR_CORRUPT is ERR_CORRUPT")
ends("fails_err_by_success", "is a success, not ERR_LIMIT")
ends("fails_text_null", "NULL is NULL, not ought")
ends("fails_bytes", "they differ from byte 6", "69 73", "77 61 73")
ends("fails_stops", "does not stop")
ends("crashes", "killed by signal 6")
ends("exits_early", "exit status 7")
ends("hangs", "no end within 1 s", arguments=("--deadline", "1"))

code, out = run("fixture: directory")
place = re.search(r"^directory (.*)$", out, re.M)
check("a directory, removed afterwards", code == 0 and place and not os.path.exists(place[1]), out)
code, out = run("--seed", "77", "fixture: seed")
check("the seed", code == 0 and "seed is 77\n" in out, out)
code, out = run("--no-fork", "fixture: crashes")
check("without fork a crash is the program's own", code < 0, out)

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
