"""What tidy knows of C text: comments and strings blanked out, includes, calls, function lengths."""
import re

# A comment, a string or a character, whichever begins first; a line comment may be continued by a backslash.
TOKEN = re.compile(
    r"/\*.*?\*/|//(?:\\\n|[^\n])*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'",
    re.S,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)
CALL = re.compile(r"([A-Za-z_]\w*)\s*\(")
MEMBER = re.compile(r"(?:\.|->)\s*$")


def blanked(text):
    """The same text, every character of a comment, string or character constant a space: places stay."""
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


class Source:
    """One C file. `path` is relative to the root, with slashes."""

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.code = blanked(text)
        self.lines = text.split("\n")

    def line_of(self, position):
        return self.text.count("\n", 0, position) + 1

    def includes(self):
        """(line, '"' or '<', name) of each include that is no comment."""
        for m in INCLUDE.finditer(self.text):
            if "include" in self.code[m.start() : m.end()]:
                yield self.line_of(m.start()), m[1], m[2]

    def calls(self):
        """(line, name) of what looks like a call or a declaration of a plain name: members are left out."""
        for m in CALL.finditer(self.code):
            if not MEMBER.search(self.code, 0, m.start(1)):
                yield self.line_of(m.start(1)), m[1]

    def functions(self):
        """(lines, name, line) of each function: in this style both its braces stand at the first column."""
        begin = None
        code = self.code.split("\n")
        for number, line in enumerate(code, 1):
            if line.startswith("{"):
                begin = number
            elif line.startswith("}") and begin is not None:
                head = re.split("[;}]", " ".join(code[max(0, begin - 5) : begin - 1]))[-1]
                name = re.search(r"TEST\([^)]*\)|\w+(?=\s*\()", head)
                yield number - begin + 1, name[0] if name else "?", begin
                begin = None
