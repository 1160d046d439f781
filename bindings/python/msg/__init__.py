# SPDX-License-Identifier: BSD-2-Clause
"""msg: publish and subscribe over RDMA, messages as memoryviews in place.

    import msg

    with msg.Node() as node:
        subscriber = node.subscriber("lab.*")
        publisher = node.publisher("lab.oven")
        publisher.publish(b"180 degrees")
        for view in subscriber.messages(timeout=1):
            print(view.topic, bytes(view.data))

The same nouns and verbs as msg.h, whose words on threads and paths hold here, too.
A message is read where the network put it; View says for how long.
"""

from ._errors import (
    Again,
    ArgumentError,
    Busy,
    Denied,
    DeviceError,
    Error,
    Evicted,
    FabricError,
    OutOfMemory,
    Timeout,
    TooLarge,
)
from ._library import (
    VERSION,
    Broker,
    Encoding,
    ErrorCode,
    Event,
    Flow,
    Lane,
    LogLevel,
    Loss,
    Reliability,
    Slow,
    TypePolicy,
)
from ._node import Directory, Node, NodeInfo, TopicInfo, topic_match, version
from ._object import COUNTERS, Counter
from ._publisher import Loan, Publisher
from ._subscriber import Subscriber, View
from ._type import Type

__version__ = VERSION

__all__ = [
    "COUNTERS",
    "Again",
    "ArgumentError",
    "Broker",
    "Busy",
    "Counter",
    "Denied",
    "DeviceError",
    "Directory",
    "Encoding",
    "Error",
    "ErrorCode",
    "Event",
    "Evicted",
    "FabricError",
    "Flow",
    "Lane",
    "Loan",
    "LogLevel",
    "Loss",
    "Node",
    "NodeInfo",
    "OutOfMemory",
    "Publisher",
    "Reliability",
    "Slow",
    "Subscriber",
    "Timeout",
    "TooLarge",
    "TopicInfo",
    "Type",
    "TypePolicy",
    "View",
    "topic_match",
    "version",
]
