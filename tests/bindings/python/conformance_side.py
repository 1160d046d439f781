# SPDX-License-Identifier: BSD-2-Clause
"""conformance_side.py - what the lines of conformance.list stand on."""

import sys

import msg

BROKERED = len(sys.argv) > 1 and sys.argv[1] == "broker"
CHECKS = []


def check(function):
    """It is the line of the list that has its name; they run in this order."""
    CHECKS.append(function)
    return function


class Pair:
    """A node, a subscriber and a publisher of one topic."""

    def __init__(self, topic, subscriber=None, **publisher):
        self.node = msg.Node()
        self.subscriber = self.node.subscriber(topic, **(subscriber or {}))
        self.publisher = self.node.publisher(topic, **publisher)

    def __enter__(self):
        return self.node, self.subscriber, self.publisher

    def __exit__(self, kind, *_):
        if kind is None:  # Else the failure is what should be seen.
            self.publisher.close()
            self.subscriber.close()
            self.node.close()


def outside():
    """A node that no broker stands behind, and that announces often."""
    return msg.Node(broker=msg.Broker.NEVER, announce_ms=20, progress_thread=True)


def silent(subscriber):
    return not list(subscriber.messages(timeout=0.05))
