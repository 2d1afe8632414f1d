#!/usr/bin/env python3
"""Runs the stages of a table (tests/stages.txt) in order, from the root of the tree.

usage: run.py TABLE LOG-DIRECTORY [STAGE...]

Prints one line a stage and the end of the log of those that failed; then where the time went, longest first, and last the
sum `N passed, N failed`. A stage fails that is not there, says no sum, runs no test, exits badly, or needs more than its minutes.
"""
import asyncio
import collections
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

Stage = collections.namedtuple("Stage", "name minutes needs command")
Result = collections.namedtuple("Result", "passed failed wrong seconds")


def read_table(path):
    """Rows `name minutes needs command...`; needs are parts of tests/setup joined by commas, or -. A row that begins with `&` runs
    beside the row above it: so the rows are groups."""
    groups = []
    for number, line in enumerate(pathlib.Path(path).read_text().split("\n"), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        is_beside = line.startswith("&")
        parts = line.removeprefix("&").split(None, 3)
        if len(parts) < 4 or not parts[1].isdigit() or is_beside and not groups:
            sys.exit(f"{path}:{number}: a row is: name minutes needs command, after & where it runs beside the one above")
        if not is_beside:
            groups.append([])
        needs = [] if parts[2] == "-" else parts[2].split(",")
        groups[-1].append(Stage(parts[0], int(parts[1]), needs, shlex.split(parts[3])))
    return groups


async def run_command(command, log, seconds):
    """The exit status, or a sentence. What the command started goes with it when time is up."""
    try:
        child = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                                     start_new_session=True)
    except OSError as e:
        return f"cannot run {command[0]}: {e.strerror}"
    try:
        return await asyncio.wait_for(child.wait(), seconds)
    except asyncio.TimeoutError:
        return f"no end within {seconds / 60:g} minutes"
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)  # stray servers and clients of an ended stage, too
        except OSError:  # none is left, or none of ours
            pass
        await child.wait()


def sums(text):
    """What the last sum in a log says: that of the whole stage, whatever its parts have said before."""
    found = [tuple(map(int, m.groups())) for line in text.split("\n") if (m := SUMMARY.match(line))]
    return found[-1] if found else None


async def run_stage(stage, logs):
    """A Result, with what went wrong besides failed tests."""
    begin = time.monotonic()
    path = logs / f"{stage.name}.log"
    with path.open("w") as log:
        status = await run_command(["tests/setup", *stage.needs], log, 1800) if stage.needs else 0
        if status == 0:
            status = await run_command(stage.command, log, stage.minutes * 60)
        elif isinstance(status, int):
            status = f"tests/setup {' '.join(stage.needs)} failed"
    passed, failed = sums(path.read_text(errors="replace")) or (0, 0)
    wrong = ""
    if isinstance(status, str):
        wrong = status
    elif status != 0 and failed == 0:
        wrong = f"exit status {status}"
    elif passed + failed == 0:
        wrong = "ran no test"
    return Result(passed, failed + (1 if wrong else 0), wrong, time.monotonic() - begin)


def tell(stage, result, logs):
    print(f"{stage.name:12} {result.passed} passed, {result.failed} failed  ({result.seconds:.1f} s)"
          + (f"  {result.wrong}" if result.wrong else ""), flush=True)
    if result.failed:
        path = logs / f"{stage.name}.log"
        for line in path.read_text(errors="replace").rstrip("\n").split("\n")[-LINES_SHOWN:]:
            print(f"    {line}")
        print(f"    (all of it: {path})", flush=True)


async def run_group(group, logs):
    """The results of stages side by side."""
    for stage in group:
        print(f"{stage.name}, at most {stage.minutes} min", file=sys.stderr, flush=True)
    return await asyncio.gather(*(run_stage(stage, logs) for stage in group))


def print_times(times, whole):
    """Where the time went, longest first: what to make quicker is what is on top."""
    for name, seconds in sorted(times.items(), key=lambda t: -t[1]):
        print(f"{seconds:8.1f} s  {100 * seconds / whole:3.0f} %  {name}")
    print(f"{whole:8.1f} s  {whole / 60:.1f} minutes in all")


def install_packages(stages):
    """In the foreground and first: sudo may ask for a password, which a stage without a terminal cannot."""
    if any(stage.needs for stage in stages) and subprocess.call(["tests/setup", "packages"]):
        sys.exit("tests/setup packages failed")


def main():
    table, logs, wanted = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    groups = read_table(table)
    names = [stage.name for group in groups for stage in group]
    if {"-h", "--help", "help"} & set(wanted):
        print(f"usage: ./dev test [STAGE...]    every stage without one; logs are in {logs}\nstages: {' '.join(names)}")
        return 0
    if unknown := [w for w in wanted if w not in names]:
        sys.exit(f"no stage {', '.join(unknown)}; there are: {' '.join(names)}")
    groups = [[stage for stage in group if not wanted or stage.name in wanted] for group in groups]
    groups = [group for group in groups if group]
    install_packages([stage for group in groups for stage in group])
    logs.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    total_passed = total_failed = 0
    times = {}
    for group in groups:
        for stage, result in zip(group, asyncio.run(run_group(group, logs))):
            tell(stage, result, logs)
            times[stage.name] = result.seconds
            total_passed += result.passed
            total_failed += result.failed
    if times:
        print_times(times, time.monotonic() - begin)
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
