"""Apache Kafka's clients and tools in a process of their own, which outlives the brokers: see java/Hand.java."""

import json
import os
import pathlib
import queue
import subprocess
import threading

from probe import Failure

HERE = pathlib.Path(__file__).resolve().parent
PATIENCE_S = 240


class Hand:
    def __init__(self, bootstrap, log_path):
        with open(log_path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                 f"-Dlog4j2.configurationFile={HERE}/java/log4j2.properties", "-cp", os.environ["HAND_CLASS_PATH"],
                 "Hand", bootstrap],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, encoding="utf-8")
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))

    def do(self, what, **rest):
        """What the clients answer; their failure is ours."""
        self.process.stdin.write(json.dumps({"do": what, **rest}) + "\n")
        self.process.stdin.flush()
        try:
            answer = self.answers.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise Failure(f"{what} {rest.get('name', '')}: no answer within {PATIENCE_S} s") from None
        if "error" in answer:
            raise Failure(f"{what} {rest.get('name', '')}: {answer['error']}")
        return answer["answer"]

    def end(self):
        self.process.kill()
        self.process.wait()
