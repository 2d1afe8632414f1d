"""A producer that writes for as long as something is done to the broker."""

import threading

import suite

IN_FLIGHT_MAX = 300


class Stream:
    """Sends v0, v1, … to the partitions in turn until it is stopped."""

    def __init__(self, env, topic, partition_count, **config):
        self.topic = topic
        self.partition_count = partition_count
        self.producer = env.producer(linger_ms=2, batch_num_messages=20, **config)
        self.acknowledged = {}  # value's number → offset
        self.errors = []
        self.sent = 0
        self.stopping = False
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _send(self):
        while not self.stopping:
            number = self.sent
            suite.send(self.producer, self.topic, f"v{number}", self.reports(number), partition=number % self.partition_count)
            self.sent += 1
            while self.sent - len(self.acknowledged) > IN_FLIGHT_MAX and not self.stopping:
                self.producer.poll(0.01)

    def reports(self, number):
        """Where suite.send() puts the report of one record."""
        stream = self

        class Report:
            def append(self, report):
                error, message = report
                if error is None:
                    stream.acknowledged[number] = message.offset()
                else:
                    stream.errors.append(str(error))

        return Report()

    def stop(self):
        self.stopping = True
        self.thread.join()
        suite.finish(self.producer)
