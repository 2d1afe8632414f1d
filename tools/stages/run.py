#!/usr/bin/env python3
"""Runs the stages of a table (tests/stages.txt) one after the other, from the root of the tree.

usage: run.py TABLE LOG-DIRECTORY [STAGE...]

Prints one line a stage and the end of the log of those that failed; then where the time went, longest first, and last the
sum `N passed, N failed`. A stage fails that is not there, says no sum, runs no test, exits badly, or needs more than its minutes.
"""
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$")
LINES_SHOWN = 60


def read_table(path):
    """Rows `name minutes needs command...`; needs are parts of tests/setup joined by commas, or -."""
    stages = []
    for number, line in enumerate(pathlib.Path(path).read_text().split("\n"), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        parts = line.split(None, 3)
        if len(parts) < 4 or not parts[1].isdigit():
            sys.exit(f"{path}:{number}: a row is: name minutes needs command")
        stages.append((parts[0], int(parts[1]), [] if parts[2] == "-" else parts[2].split(","), shlex.split(parts[3])))
    return stages


def run_command(command, log, seconds):
    """The exit status, or a sentence. What the command started goes with it when time is up."""
    try:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 start_new_session=True)
    except OSError as e:
        return f"cannot run {command[0]}: {e.strerror}"
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return f"no end within {seconds / 60:g} minutes"
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)  # stray servers and clients of an ended stage, too
        except OSError:  # none is left, or none of ours
            pass
        child.wait()


def sums(text):
    """What the last sum in a log says: that of the whole stage, whatever its parts have said before."""
    found = [tuple(map(int, m.groups())) for line in text.split("\n") if (m := SUMMARY.match(line))]
    return found[-1] if found else None


def run_stage(stage, logs):
    """(passed, failed, what went wrong besides)."""
    name, minutes, needs, command = stage
    path = logs / f"{name}.log"
    with path.open("w") as log:
        status = run_command(["tests/setup", *needs], log, 1800) if needs else 0
        if status == 0:
            status = run_command(command, log, minutes * 60)
        elif isinstance(status, int):
            status = f"tests/setup {' '.join(needs)} failed"
    passed, failed = sums(path.read_text(errors="replace")) or (0, 0)
    wrong = ""
    if isinstance(status, str):
        wrong = status
    elif status != 0 and failed == 0:
        wrong = f"exit status {status}"
    elif passed + failed == 0:
        wrong = "ran no test"
    return passed, failed + (1 if wrong else 0), wrong


def print_times(times):
    """Where the time went, longest first: what to make quicker is what is on top."""
    whole = sum(times.values())
    for name, seconds in sorted(times.items(), key=lambda t: -t[1]):
        print(f"{seconds:8.1f} s  {100 * seconds / whole:3.0f} %  {name}")
    print(f"{whole:8.1f} s  {whole / 60:.1f} minutes in all")


def install_packages(stages):
    """In the foreground and first: sudo may ask for a password, which a stage without a terminal cannot."""
    if any(needs for _, _, needs, _ in stages) and subprocess.call(["tests/setup", "packages"]):
        sys.exit("tests/setup packages failed")


def main():
    if {"-h", "--help", "help"} & set(sys.argv[3:]):
        names = " ".join(s[0] for s in read_table(sys.argv[1]))
        print(f"usage: ./dev test [STAGE...]    every stage without one; logs are in {sys.argv[2]}\nstages: {names}")
        return 0
    table, logs, wanted = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    stages = read_table(table)
    names = [s[0] for s in stages]
    if unknown := [w for w in wanted if w not in names]:
        sys.exit(f"no stage {', '.join(unknown)}; there are: {' '.join(names)}")
    stages = [s for s in stages if not wanted or s[0] in wanted]
    install_packages(stages)
    logs.mkdir(parents=True, exist_ok=True)
    total_passed = total_failed = 0
    times = {}
    for stage in stages:
        print(f"{stage[0]}, at most {stage[1]} min", file=sys.stderr, flush=True)
        begin = time.monotonic()
        passed, failed, wrong = run_stage(stage, logs)
        times[stage[0]] = time.monotonic() - begin
        print(f"{stage[0]:12} {passed} passed, {failed} failed  ({times[stage[0]]:.1f} s)"
              + (f"  {wrong}" if wrong else ""), flush=True)
        if failed:
            path = logs / f"{stage[0]}.log"
            for line in path.read_text(errors="replace").rstrip("\n").split("\n")[-LINES_SHOWN:]:
                print(f"    {line}")
            print(f"    (all of it: {path})", flush=True)
        total_passed += passed
        total_failed += failed
    if times:
        print_times(times)
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
