"""A story: commands of tools, read from a file (README.md tells its notation)."""
import pathlib
import re
import shlex
import shutil
import subprocess
import time

MEMBER = pathlib.Path(__file__).resolve().parents[1] / "python/run"


class Command:
    def __init__(self, line, source):
        self.line, self.source = line, source
        self.lines = []  # of its standard input, or of the file
        head, rest = source[0], source[1:].strip()
        self.kind = {">": "tool", "&": "background", "?": "until", "+": "file", "=": "copy"}[head]
        self.marks = set()
        while rest.startswith("@"):
            mark, _, rest = rest.partition(" ")
            self.marks.add(mark[1:])
        self.rest = rest
        self.process = None

    def bind(self, names):
        """A copy for one side: $B and the like replaced."""
        bound = Command(self.line, self.source)
        put = lambda text: re.sub(r"\$([A-Z])", lambda m: names.get(m[1], m[0]), text)
        bound.lines = [put(x) for x in self.lines]
        rest, _, wanted = self.rest.partition(" :: ")
        words = shlex.split(put(rest))
        bound.tool, bound.words, bound.wanted = words[0], words[1:], wanted
        bound.text = "".join(x + "\n" for x in bound.lines)
        return bound

    def background(self, folder):
        """Started, and ended by `& end` or with the story."""
        if self.tool != "end":
            words = [MEMBER, "--member"] if self.tool == "member" else [folder / f"kafka-{self.tool}.sh"]
            self.process = subprocess.Popen([*words, *self.words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                            stderr=subprocess.DEVNULL)

    def until(self, tools, seconds):
        end = time.monotonic() + seconds
        while True:
            _, out, err = tools.run(self.tool, "", self.words)
            if re.search(self.wanted, out):
                return None
            if time.monotonic() > end:
                return f"never said '{self.wanted}', but {out}{err}"
            time.sleep(0.1)


class Story:
    def __init__(self, path):
        self.name = path.name.removesuffix(".txt")
        self.list = []
        for number, line in enumerate(path.read_text().split("\n"), 1):
            if line[:1] in (">", "&", "?", "+", "="):
                self.list.append(Command(number, line))
            elif line.startswith("| ") or line == "|":
                self.list[-1].lines.append(line[2:].replace("\\t", "\t"))
            elif line.strip() and not line.startswith("#"):
                raise SystemExit(f"{path}:{number}: a line begins with one of > & ? + = | #")

    def commands(self, names):
        """The commands for one side, each when it is its turn. Files are written, processes started and ended on the way."""
        running = []
        try:
            for command in self.list:
                bound = command.bind(names)
                if bound.kind == "file":
                    with open(f"{names['D']}/{bound.tool}", "w", encoding="utf-8") as file:
                        file.write(bound.text)
                elif bound.kind == "copy":
                    to = pathlib.Path(names["D"], bound.words[0])
                    to.parent.mkdir(exist_ok=True)
                    shutil.copy(bound.tool, to)
                elif bound.kind == "background" and bound.tool == "end":
                    end(running)
                yield bound
                if bound.process:
                    running.append(bound.process)
        finally:
            end(running)


def end(running):
    for process in running:
        process.terminate()
        process.wait(30)
    running.clear()
