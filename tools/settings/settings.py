#!/usr/bin/env python3
"""Keeps what the table of settings says of itself true, and docs/settings.md with it.

usage: settings.py [--write] [BUILD]      from anywhere; BUILD is a build directory, by default build
       settings.py --check SETTINGS_DOC   as a test: SETTINGS_DOC is the built tools/settings/settings_doc

A setting is honoured if its id (SETTING_TOPIC_SEGMENT_BYTES) is named by a file in src/ outside src/config, tests aside,
and not yet if none does. Who begins or ceases to use one runs --write, which mends the rows and the page.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/settings.md"

# Settings that are read inside src/config, by the function that hands on what they decide.
BY_FUNCTION = {
    "config_listeners": [
        "advertised.listeners", "controller.listener.names", "inter.broker.listener.name",
        "listener.security.protocol.map", "listeners"],
    "config_log_dirs": ["log.dir", "log.dirs"],
    "config_metadata_log_dir": ["metadata.log.dir"],
    "config_has_role_broker": ["process.roles"],
    "config_has_role_controller": ["process.roles"],
}
# Bounds of what groups may ask for: checked there too, on behalf of the settings that they bound.
BOUND = re.compile(r"group\.(consumer|share|streams)\.(min|max)\.(.+)")


def ident(kind, name):
    return "SETTING_" + re.sub(r"[^A-Z0-9]", "_", f"{kind}_{name}".upper())


def read_rows(settings_doc):
    """{id: (kind, name, status, broker names behind it)}"""
    rows = {}
    for line in subprocess.run([settings_doc, "--ids"], check=True, text=True, capture_output=True).stdout.splitlines():
        kind, name, status, *behind = line.split("\t")
        rows[ident(kind, name)] = (kind, name, status, behind)
    return rows


def used_ids(rows):
    """Ids named by the rooms, and those that stand behind them."""
    used = set()
    for path in sorted((ROOT / "src").rglob("*.[ch]")):
        if path.is_relative_to(ROOT / "src/config") or path.name.endswith("_test.c"):
            continue
        text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.S)
        used.update(name for name in re.findall(r"\bSETTING_[A-Z0-9_]+\b", text) if name in rows)
        for function, names in BY_FUNCTION.items():
            if re.search(rf"\b{function}\(", text):
                used.update(ident("broker", name) for name in names)
    if ident("broker", "node.id") in used:
        used.add(ident("broker", "broker.id"))
    for name in list(used):
        used.update(ident("broker", other) for other in rows[name][3])
    for name, (kind, text, _, _) in rows.items():
        bound = BOUND.fullmatch(text) if kind == "broker" else None
        if bound and ident("broker", f"group.{bound[1]}.{bound[3].replace('standby', 'num.standby')}") in used:
            used.add(name)
    return used


def wrong_rows(rows):
    """[(id, status that it should have, or None where a person must decide)]"""
    used = used_ids(rows)
    wrong = []
    for name, (_, _, status, _) in rows.items():
        if status in ("honoured", "not yet"):
            wanted = "honoured" if name in used else "not yet"
            if status != wanted:
                wrong.append((name, wanted))
        elif name in used:
            wrong.append((name, None))
    return wrong


def page(settings_doc):
    return subprocess.run([settings_doc], check=True, text=True, capture_output=True).stdout


def check(settings_doc):
    rows = read_rows(settings_doc)
    faults = []
    for name, wanted in wrong_rows(rows):
        status = rows[name][2]
        if wanted is None:
            faults.append(f"{name} is '{status}' and yet used: its row in src/config needs another status")
        else:
            faults.append(f"{name} is '{status}', but {wanted}: run tools/settings/settings.py --write")
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != page(settings_doc):
        faults.append("docs/settings.md is not current: run tools/settings/settings.py --write")
    print("\n".join(faults))
    return 1 if faults else 0


def write(build):
    settings_doc = build / "tools/settings/settings_doc"

    def rebuild():
        subprocess.run(["ninja", "-C", build, "tools/settings/settings_doc"], check=True, stdout=subprocess.DEVNULL)

    rebuild()
    rows = read_rows(settings_doc)
    wanted = {name: status for name, status in wrong_rows(rows) if status}
    columns = {"honoured": "HONOURED", "not yet": "NOT_YET"}
    for table in sorted((ROOT / "src/config").glob("settings_*.def")):
        text = table.read_text(encoding="utf-8")

        def mend(row):
            name = f"SETTING_{row[1]}_{row[2]}"
            if name not in wanted:
                return row[0]
            return re.sub(r"\b(HONOURED|NOT_YET),(?=\s*(\"|WORDS_))", columns[wanted[name]] + ",", row[0])

        mended = re.sub(r"SETTING\((\w+), (\w+),.*?(?=\nSETTING\(|\Z)", mend, text, flags=re.S)
        if mended != text:
            table.write_text(mended, encoding="utf-8")
    rebuild()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(settings_doc), encoding="utf-8")
    return check(settings_doc)


def main(args):
    if len(args) == 2 and args[0] == "--check":
        return check(args[1])
    rest = [a for a in args if a != "--write"]
    if len(rest) > 1 or any(a.startswith("-") for a in rest):
        print(__doc__)
        return 2
    build = pathlib.Path(rest[0]).resolve() if rest else ROOT / "build"
    return write(build) if "--write" in args else check(build / "tools/settings/settings_doc")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
