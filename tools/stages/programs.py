#!/usr/bin/env python3
"""Stage: the test programs of one build directory that belong to one of the suites (Meson's); it builds them first, and no others.

usage: programs.py BUILD SUITE[,SUITE...] [PART-OF-A-PROGRAM'S-NAME]      suites: unit threads scenario corpus

Shows what failing programs print, then the sum of all `N passed, N failed`.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys

SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def run(test):
    """(name, passed, failed, output): a program that says no sum, or ends badly after it, has failed once."""
    try:
        r = subprocess.run(test["cmd"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                           cwd=test["workdir"] or test["build"], env=os.environ | test["env"], timeout=test["timeout"] or None)
        code, output = r.returncode, r.stdout
    except subprocess.TimeoutExpired as e:
        code, output = None, (e.stdout or b"").decode(errors="replace") + f"no end within {test['timeout']} s\n"
    sums = SUMMARY.findall(output)
    passed, failed = map(int, sums[-1]) if sums else (0, 0)
    if failed == 0 and (code != 0 or passed == 0):
        failed = 1
        output += f"{test['name']}: exit status {code}, {passed} tests\n"
    return test["name"], passed, failed, output


def chosen(build, suites, part):
    """The tests that are meant, those of a higher priority first; and what ninja has to build for them."""
    r = subprocess.run(["meson", "introspect", "--tests", "--targets", build], capture_output=True, text=True, check=True)
    known = json.loads(r.stdout)
    files = {target["id"]: os.path.relpath(target["filename"][0], build) for target in known["targets"]}
    tests = [t | {"build": build} for t in known["tests"] if suites & set(t["suite"]) and part in t["name"]]
    return sorted(tests, key=lambda t: -t["priority"]), sorted({files[d] for t in tests for d in t["depends"]})


def build_targets(build, *targets):
    return subprocess.run(["tools/build", build, *targets]).returncode == 0


def main():
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    build, suites = sys.argv[1], {f"ottla:{s}" for s in sys.argv[2].split(",")}
    part = sys.argv[3] if len(sys.argv) > 3 else ""
    if not build_targets(build, "build.ninja"):
        return 1
    tests, targets = chosen(build, suites, part)
    if targets and not build_targets(build, *targets):
        return 1
    total_passed = total_failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, passed, failed, output in pool.map(run, tests):
            total_passed += passed
            total_failed += failed
            if failed:
                print(f"--- {name}\n{output}", end="")
    print(f"{total_passed} passed, {total_failed} failed")
    return 1 if total_failed or not total_passed else 0


if __name__ == "__main__":
    sys.exit(main())
