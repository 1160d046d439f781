# SPDX-License-Identifier: BSD-2-Clause
"""Node and directory: where this process meets the network, and who else does."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, Callable, List, NamedTuple, Optional

from ._errors import SIZE_MAX, fail_setup, fail_steady, number, text
from ._library import (
    NODE_PROGRESS_THREAD,
    Broker,
    CNodeInfo,
    CNodeOptions,
    CTopicInfo,
    Encoding,
    Lane,
    LogFunction,
    LogLevel,
    Reliability,
    blocking,
    steady,
)
from ._object import Object
from ._publisher import Publisher
from ._subscriber import Subscriber
from ._type import Type, fetch

#: Called with level, stable id and one line of text.
Log = Callable[[LogLevel, str, str], None]

FOREVER_S = 1e9


def to_ns(timeout: float) -> int:
    """Seconds in nanoseconds, as C takes them."""
    return int(min(max(timeout, 0.0), FOREVER_S) * 1e9)


class NodeInfo(NamedTuple):
    """What a node stands on: struct msg_node_info."""

    lane: Lane
    device: str
    interface: str
    address: str
    groups: str
    #: Why this lane: one clause for people.
    reason: str
    port: int
    frame_bytes: int
    #: Its name; "": straight from the lane.
    broker: str
    broker_pid: int


class TopicInfo(NamedTuple):
    """What a publisher says of itself, unverified: struct msg_topic_info."""

    topic: str
    host: str
    program: str
    publisher: int
    message_count: int
    age_ns: int
    #: Messages a second between its last two announcements; negative: one so far.
    rate: float
    pid: int
    uid: int
    message_bytes_max: int
    frame_bytes: int
    reliability: Reliability
    #: How its messages are written; NONE: it names no type.
    encoding: Encoding
    #: "" if it names none.
    type_name: str
    #: 0 if it names none.
    type_hash: int


def _text(value: Optional[bytes]) -> str:
    # What others say of themselves need not be UTF-8.
    return (value or b"").decode(errors="replace")


class Node(Object):
    """This process on one lane, or on the host's broker.

    What is left out is as msg.h says, and as the environment does (MSG_INTERFACE,
    MSG_BROKER and so on).

    interface     name or IP address
    device        RDMA device ("rxe0")
    groups        "ADDRESS+COUNT"
    port, ttl     of the groups
    frame_bytes   largest datagram payload
    lane          Lane.VERBS or Lane.UDP
    broker        whether to go through the host's broker
    broker_name   its name, or its socket's absolute path
    announce_ms   between announcements
    progress_thread
                  announce and repair from a thread of the library: for programs
                  that call their publishers rarely
    log           called with level, id and text of rare events, on the thread
                  whose call noticed it; must not call the library back

    As a context manager it closes what was opened on it first.
    """

    _noun = "node"
    _close_call = "msg_node_close"
    _rank = 2

    def __init__(
        self,
        *,
        interface: Optional[str] = None,
        device: Optional[str] = None,
        groups: Optional[str] = None,
        port: int = 0,
        ttl: int = 0,
        frame_bytes: int = 0,
        lane: Lane = Lane.DEFAULT,
        broker: Broker = Broker.DEFAULT,
        broker_name: Optional[str] = None,
        announce_ms: int = 0,
        progress_thread: bool = False,
        log: Optional[Log] = None,
    ) -> None:
        super().__init__()
        o = CNodeOptions(struct_bytes=ctypes.sizeof(CNodeOptions))
        o.interface = text("interface", interface)
        o.device = text("device", device)
        o.groups = text("groups", groups)
        o.port = number("port", port)
        o.ttl = number("ttl", ttl)
        o.frame_bytes = number("frame_bytes", frame_bytes)
        o.lane = number("lane", lane)
        o.broker = number("broker", broker)
        o.broker_name = text("broker_name", broker_name)
        o.announce_ms = number("announce_ms", announce_ms)
        o.flags = NODE_PROGRESS_THREAD if progress_thread else 0
        self._log: Any = None
        if log is not None:

            say = log

            def call(_: Any, level: int, name: bytes, line: bytes) -> None:
                say(LogLevel(level), name.decode(), _text(line))

            self._log = LogFunction(call)
        if self._log:
            o.log = self._log
        self._children: "weakref.WeakSet[Object]" = weakref.WeakSet()
        self._opened(blocking.msg_node_open(o, self._c))

    @property
    def info(self) -> NodeInfo:
        """What it stands on."""
        i = CNodeInfo()
        steady.msg_node_describe(self._need(), i)
        return NodeInfo(
            Lane(i.lane),
            _text(i.device),
            _text(i.interface),
            _text(i.address),
            _text(i.groups),
            _text(i.reason),
            i.port,
            i.frame_bytes,
            _text(i.broker),
            i.broker_pid,
        )

    def progress(self) -> None:
        """Announce and repair what is due; see msg_node_progress."""
        with self._lock:
            blocking.msg_node_progress(self._need())

    def publisher(self, topic: str, **options: Any) -> Publisher:
        """Open a Publisher on this node; options as there."""
        return Publisher(self, topic, **options)

    def subscriber(self, topic: str, **options: Any) -> Subscriber:
        """Open a Subscriber on this node; options as there."""
        return Subscriber(self, topic, **options)

    def directory(self, pattern: Optional[str] = None) -> "Directory":
        """Open a Directory of topics that match `pattern`; None: all."""
        return Directory(self, pattern)

    def __exit__(self, *exception: Any) -> None:
        for child in list(self._children):
            child.__exit__(*exception)
        super().__exit__(*exception)


class Directory(Object):
    """What others announce, of topics that match a pattern.  One thread at a time."""

    _noun = "directory"
    _close_call = "msg_directory_close"

    def __init__(self, node: Node, pattern: Optional[str] = None) -> None:
        super().__init__()
        self._node = node
        self._infos: Any = (CTopicInfo * 64)()
        bytes_of = text("pattern", pattern)
        with node._lock:
            self._opened(
                blocking.msg_directory_open(node._need(), bytes_of, self._c)
            )
        node._children.add(self)

    def read(self, timeout: float = 0.0) -> List[TopicInfo]:
        """Wait up to `timeout` seconds for news, then say who lives, by topic."""
        wait = to_ns(timeout)
        with self._lock:
            while True:
                room = len(self._infos)
                known = blocking.msg_directory_read(
                    self._need(), wait, self._infos, room
                )
                if known < 0:
                    fail_steady(known, "msg_directory_read")
                if known <= room:
                    return [_topic_info(i) for i in self._infos[:known]]
                self._infos = (CTopicInfo * (2 * known))()
                wait = 0

    def type(self, topic: str, of_hash: int = 0, timeout: float = 5.0) -> Type:
        """Fetch the type that a publisher of `topic` names.

        That of `of_hash` (TopicInfo.type_hash), or of the first that is heard.
        Raises Timeout if none comes within `timeout` seconds.
        """
        with self._lock:
            of_hash = number("of_hash", of_hash, SIZE_MAX)
            return fetch(self, topic, of_hash, to_ns(timeout))


def _topic_info(i: Any) -> TopicInfo:
    return TopicInfo(
        _text(i.topic),
        _text(i.host),
        _text(i.program),
        i.publisher,
        i.message_count,
        i.age_ns,
        i.rate,
        i.pid,
        i.uid,
        i.message_bytes_max,
        i.frame_bytes,
        Reliability(i.reliability),
        _encoding(i.encoding),
        _text(i.type_name),
        i.type_hash,
    )


def _encoding(value: int) -> Encoding:
    # What others say of themselves may be of a later version.
    return Encoding(value) if value in set(Encoding) else Encoding.NONE


def topic_match(pattern: str, topic: str) -> bool:
    """Whether `topic` matches `pattern`; ArgumentError if one is malformed."""
    result = steady.msg_topic_match(text("pattern", pattern), text("topic", topic))
    if result < 0:
        fail_setup(result)
    return bool(result == 1)


def version() -> str:
    """The version of the library that runs."""
    return str(steady.msg_version().decode())
