"""What two runs of one command may differ in, made alike."""
import re

# What a logger, a stack trace or an advertisement prints is no part of a tool's answer.
DROPPED = re.compile(r"^(The consumer rebalance protocol \(KIP-848\) is .*|\[\d{4}-\d\d-\d\d .*|\s+at \S+\(.*|Caused by: .*|\s+\.\.\. \d+ more)$")
ERROR = re.compile(r"^kafka-[a-z-]+:\s+error:")
OPTION = re.compile(r"^ {0,2}(?:-\w(?: [A-Z_]+)?, )?(--[a-z][\w.-]*)", re.M)
HELP = re.compile(r"^(Option +Description|usage: )")
ALIKE = [
    (re.compile(r"(?:[a-z]+\.)+(?:[A-Z]\w+\$)?[A-Z]\w*(?:Exception|Error): "), ""),
    (re.compile(r"(TopicId: |\"topicId\":\"|irectory\.id=|irectoryId\":\"|cluster\.id=|\"incarnationId\":\"|directories\":\[\")[\w-]{22}"), r"\1ID"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"\b1[5-9]\d{11}\b"), "TIME"),
    (re.compile(r"\bcrc: \d+"), "crc: N"),
    (re.compile(r'("(?:subscription|assignment)":)"[^"]*"'), r"\1BYTES"),  # clients encode them in several versions
    (re.compile(r"console-consumer-\d+\b"), "console-consumer-N"),
]
SENTENCE = re.compile(r"(skipping\. |due to:? |Error: (?!Deletion|Exec|Encoun|Assign|No reset)).*")  # why: each has words of its own
SETTINGS = re.compile(r"(Configs: )(\S+)")  # which come in the order of a hash table


def without_help(text):
    """The help is in our own words; of an error the lines above (options) or below (argparse) count."""
    lines, is_usage, is_error = [], False, False
    for line in text.split("\n"):
        if line.startswith("Option ") and HELP.match(line):
            break
        if line.startswith("usage: "):
            is_usage = True
        elif not (is_usage and line.startswith(" ")):
            is_usage = False
            lines.append(line)
        is_error = is_error or ERROR.match(line)
    if is_error:  # argparse breaks and pads its lines, also after "--"
        return re.sub(r"-- (\w)", r"--\1", " ".join(" ".join(lines).split()))
    return "\n".join(lines).rstrip("\n")


def once(text):
    """A message that a tool prints and throws, too, says nothing new the second time."""
    lines = text.split("\n")
    return "\n".join(line for i, line in enumerate(lines) if not line or line not in lines[max(0, i - 1):i])


def sort_settings(match):
    return match[1] + ",".join(sorted(match[2].split(",")))


def alike(command, code, out, err, names):
    if "quiet" in command.marks:
        return None
    if "ours" in command.marks:
        return f"exit code {code}"
    if "options" in command.marks:
        return "\n".join([f"exit code {code}", *sorted(set(OPTION.findall(out + err)))])
    texts = []
    for text in (out, err):
        text = "\n".join(line for line in text.replace("\r\n", "\n").split("\n") if not DROPPED.match(line))
        text = without_help(text)
        for name, value in names.items():
            text = text.replace(value, f"${name}")
        if "exact" not in command.marks:
            for pattern, word in ALIKE:
                text = pattern.sub(word, text)
            text = re.sub(r"(?<!\S)[\w+/-]{22}(?!\S)", "ID", text) if "id" in command.marks else text
            text = SETTINGS.sub(sort_settings, text)
        if "numbers" in command.marks:
            text = re.sub(r"-?\d+(\.\d+)?|\bNaN\b", "N", text)  # a rate of nothing in no time is NaN
        if "sizes" in command.marks:  # of what each client compresses in its own way
            text = re.sub(r"\bsize: \d+", "size: N", text)
        if "epochs" in command.marks:  # Kafka's console consumer goes back to what it has not printed, and knows its epoch no more
            text = re.sub(r'"leaderEpoch":-?\d+', '"leaderEpoch":N', text)
        if "spaces" in command.marks:
            text = re.sub(r" +", " ", text)
        if "sentence" in command.marks:
            text = SENTENCE.sub(r"\1…", text)
        if "words" in command.marks:  # of a list that has no order
            text = "\n".join(" ".join(sorted(re.split(r"[ ,]+", line))) for line in text.split("\n"))
        if "set" in command.marks:  # also of JSON values without ends of lines
            only = next((m[5:] for m in command.marks if m.startswith("only=")), "")
            text = "\n".join(sorted({line for line in text.replace("}}{", "}}\n{").split("\n") if only in line}))
        if "sort" in command.marks:
            text = "\n".join(sorted(text.split("\n")))
        texts.append(once(text))
    if "out" in command.marks:
        texts[1] = ""
    told = texts[0].split("\n")  # a stack trace says again what was told
    texts[1] = "\n".join(line for line in texts[1].split("\n") if not line or not any(line in t for t in told))
    texts[1] = texts[1].strip("\n")
    return f"exit code {code}\n{texts[0]}\n" + (f"--- standard error\n{texts[1]}" if texts[1] else "")
