"""The rows of the table, in its order. A new one: a class in a file here (see row.py), and its name below."""
from rows.compaction import Compaction
from rows.consume import Consume
from rows.flush import Flush
from rows.groups import ClassicGroup, ConsumerGroup, IdleGroups
from rows.life import Connections, FirstProduce, IdlePartitions, ListTopics, Memory, Restart
from rows.produce import ProduceAll, ProduceLz4, ProduceSmall, ProduceZstd
from rows.requests import Latency, Requests
from rows.transactions import Transactions

ALL = [ProduceSmall, ProduceAll, ProduceLz4, ProduceZstd, Consume, Requests, Latency,
       Connections, FirstProduce, Restart, ListTopics, Memory, IdlePartitions,
       Transactions, Flush, Compaction, ClassicGroup, ConsumerGroup, IdleGroups]
