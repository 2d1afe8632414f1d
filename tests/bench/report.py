"""The table: medians, ratios, verdicts; as text for a terminal and as docs/benchmarks.md."""
import collections
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess

from lab import sync_ms

SIDES = ("kafka", "ottla", "floor")
Medians = collections.namedtuple("Medians", SIDES)
STOLEN_PERCENT_TOLD = 0.5  # from here on it shows in latencies
COLUMNS = ("work", "figure", "Kafka", "Ottla", "bare", "Ottla/Kafka", "Ottla/bare", "wanted", "")


def medians(results, row, figure):
    """results: {(row name, side): [{key: number}, …]}, side being kafka, ottla or floor."""
    def median(side):
        values = [one[figure.key] for one in results.get((row.name, side), []) if figure.key in one]
        return statistics.median(values) if values else None
    return Medians(median("kafka"), median("ottla"), median("floor"))


def _number(value, decimals):
    return "–" if value is None else f"{value:,.{decimals}f}"


def _ratio(a, b):
    return "–" if a is None or not b else f"{a / b:.2f}"


def _verdict(reached):
    return {True: "met", False: "missed", None: "–"}[reached]


def lines(rows, results):
    """The cells of the table, one list a line."""
    for row in rows:
        for figure in row.figures:
            m = medians(results, row, figure)
            is_part = row.is_goal_of_whole and row.scale < 1
            reached = None if is_part else figure.goal.reached(m)
            title = f"{row.title} (here {row.scale:g} of that size)" if is_part else row.title
            yield [title, figure.words] + [_number(value, figure.decimals) for value in m[:3]] + [
                _ratio(m.ottla, m.kafka), _ratio(m.ottla, m.floor), figure.goal.text, _verdict(reached)]


def as_text(rows, results):
    table = [list(COLUMNS)] + list(lines(rows, results))
    widths = [max(len(line[i]) for line in table) for i in range(len(COLUMNS))]
    out = []
    for line in table:
        cells = [cell.ljust(width) if i < 2 or i > 6 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def _markdown_table(rows, results):
    out = ["| " + " | ".join(COLUMNS) + " |", "|---|---|---:|---:|---:|---:|---:|---|---|"]
    out += ["| " + " | ".join(line) + " |" for line in lines(rows, results)]
    return "\n".join(out)


def _spread(rows, results):
    """Every repetition, so that a reader sees how much a median hides."""
    out = ["| work | figure | side | repetitions |", "|---|---|---|---|"]
    for row in rows:
        for figure in row.figures:
            for side in SIDES:
                values = [one[figure.key] for one in results.get((row.name, side), []) if figure.key in one]
                if values:
                    out.append(f"| {row.name} | {figure.words} | {side} | "
                               + ", ".join(_number(value, figure.decimals) for value in values) + " |")
        for side in SIDES:
            values = [one["stolen"] for one in results.get((row.name, side), [])]
            if any(value >= STOLEN_PERCENT_TOLD for value in values):
                out.append(f"| {row.name} | processor time kept by the host, % | {side} | "
                           + ", ".join(_number(value, 1) for value in values) + " |")
    return "\n".join(out)


def machine(directory):
    """Words about where this ran."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory_kb = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    java = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True, check=False).stderr.splitlines()
    return [f"{os.cpu_count()} CPUs ({model}), {memory_kb / 1e6:.0f} GB of memory, Linux {platform.release()}",
            f"fdatasync of a small write: {sync_ms(directory):.2f} ms; "
            f"load average at the start: {os.getloadavg()[0]:.2f}",
            f"{java[0] if java else 'no java'}; heap of Apache Kafka 1 GB, default settings"]


class Run:
    """Rows that one command measured: as it is kept beside the page, so that a later run replaces the rows that it measured anew."""

    def __init__(self, rows, results, about, notes, words, date=None):
        self.rows = rows
        self.results = results
        self.about = about
        self.notes = notes
        self.words = words
        self.date = date or datetime.date.today().isoformat()

    def without(self, names):
        rows = [row for row in self.rows if row.name not in names]
        return Run(rows, self.results, self.about, [n for n in self.notes if n.split(",")[0] not in names], self.words, self.date)

    def as_json(self):
        return {"command": self.words, "date": self.date, "about": self.about, "notes": self.notes,
                "rows": [{"row": row.name, "scale": row.scale,
                          "sides": {side: self.results[row.name, side] for side in SIDES if (row.name, side) in self.results}}
                         for row in self.rows]}

    @staticmethod
    def from_json(told, row_of):
        """row_of(name, scale): the row, or None when there is none of that name any more."""
        known = [(row_of(one["row"], one["scale"]), one["sides"]) for one in told["rows"]]
        known = [(row, sides) for row, sides in known if row is not None]
        results = {(row.name, side): values for row, sides in known for side, values in sides.items()}
        return Run([row for row, _ in known], results, told["about"], told["notes"], told["command"], told["date"])

    def as_markdown(self):
        return [f"## {self.date}: `{self.words}`", "", *[f"- {line}" for line in [*self.about, *self.notes]], "",
                _markdown_table(self.rows, self.results), "", "Each repetition:", "", _spread(self.rows, self.results), ""]


def write(target, run, row_of):
    """The page, and the runs of which it tells beside it (.json): this one, and the rows of others that it did not measure."""
    kept = target.with_suffix(".json")
    older = [Run.from_json(one, row_of) for one in json.loads(kept.read_text())] if kept.exists() else []
    measured = {row.name for row in run.rows}
    runs = [run, *[one for one in (one.without(measured) for one in older) if one.rows]]
    kept.write_text(json.dumps([one.as_json() for one in runs], indent=1) + "\n")
    target.write_text("\n".join([
        "# Benchmarks", "",
        "Ottla and Apache Kafka 4.3.1 in turn on one machine, the same loads on both, beside bare loops of system calls. Written by the",
        "commands below, the newest first; a row stands where it was measured last. Medians; CPU seconds are those of the broker's",
        "process. How each is measured: `tests/bench/README.md`. What limits those that miss: `docs/performance.md`.", "",
        *[line for one in runs for line in one.as_markdown()]]))
