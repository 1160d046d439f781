# SPDX-License-Identifier: BSD-2-Clause
"""libmsg as ctypes sees it: structs, codes, prototypes, and where it is found.

The structs are those of msg.h and stats.h, field for field; a test compares them
with the layout that tests/abi freezes, which is made from the headers.

Calls that may block let go of the interpreter's lock; the steady ones keep it, for
they take less time than that would.  Because they do, two threads are never inside
calls of one object at once, whatever the program does.
"""

from __future__ import annotations

import ctypes
import enum
import os
from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any, Dict, List, Tuple

VERSION = "0.1.0"
SONAME = "libmsg.so.0"


# ---- codes --------------------------------------------------------------------


class ErrorCode(enum.IntEnum):
    """enum msg_error."""

    ARGUMENT = 1
    MEMORY = 2
    AGAIN = 3
    BUSY = 4
    FABRIC = 5
    DEVICE = 6
    TOO_LARGE = 7
    TIMEOUT = 8
    EVICTED = 9
    DENIED = 10


class Reliability(enum.IntEnum):
    """How hard a topic tries: enum msg_reliability."""

    DEFAULT = 0
    BEST_EFFORT = 1
    RELIABLE = 2
    RC = 3


class Flow(enum.IntEnum):
    """Whom a reliable publisher waits for: enum msg_flow_control."""

    NONE = 0
    MIN = 1
    TAGGED = 2
    K_OF_N = 3


class Event(enum.IntEnum):
    """What a view is: enum msg_event."""

    MESSAGE = 0
    LOST = 1
    JOINED = 2
    LEFT = 3
    SILENT = 4
    RESTARTED = 5
    EVICTED = 6
    OTHER_TYPE = 7


class Loss(enum.IntEnum):
    """Why something is lost: enum msg_loss."""

    UNKNOWN = 0
    NETWORK = 1
    LAPPED = 2
    HISTORY = 3
    GAVE_UP = 4
    TOO_LARGE = 5


class Lane(enum.IntEnum):
    """enum msg_lane."""

    DEFAULT = 0
    VERBS = 1
    UDP = 2


class Broker(enum.IntEnum):
    """Whether to go through the host's broker: enum msg_broker_policy."""

    DEFAULT = 0
    NEVER = 1
    AUTO = 2
    REQUIRE = 3


class Slow(enum.IntEnum):
    """What becomes of a subscriber that lags: enum msg_slow."""

    DEFAULT = 0
    LAP = 1
    EVICT = 2
    BLOCK = 3


class Encoding(enum.IntEnum):
    """How the messages of a type are written: enum msg_encoding."""

    NONE = 0
    PROTOBUF = 1
    CSTRUCT = 2


class TypePolicy(enum.IntEnum):
    """What becomes of publishers of another type: enum msg_type_policy."""

    DEFAULT = 0
    WARN = 1
    REFUSE = 2


class LogLevel(enum.IntEnum):
    """enum msg_log_level."""

    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4


NODE_PROGRESS_THREAD = 1

# How the C names of each begin.
ENUMS: Dict[str, Any] = {
    "MSG_ERROR_": ErrorCode,
    "MSG_RELIABILITY_": Reliability,
    "MSG_FLOW_": Flow,
    "MSG_EVENT_": Event,
    "MSG_LOSS_": Loss,
    "MSG_LANE_": Lane,
    "MSG_BROKER_": Broker,
    "MSG_SLOW_": Slow,
    "MSG_LOG_": LogLevel,
    "MSG_ENCODING_": Encoding,
    "MSG_TYPE_": TypePolicy,
}


# ---- structs ------------------------------------------------------------------

LogFunction = CFUNCTYPE(None, c_void_p, c_int, c_char_p, c_char_p)


class CNodeOptions(Structure):
    """struct msg_node_options."""

    _fields_ = [
        ("struct_bytes", c_size_t),
        ("interface", c_char_p),
        ("device", c_char_p),
        ("groups", c_char_p),
        ("port", c_uint32),
        ("ttl", c_uint32),
        ("frame_bytes", c_uint32),
        ("lane", c_uint32),
        ("broker", c_uint32),
        ("flags", c_uint32),
        ("announce_ms", c_uint32),
        ("log", LogFunction),
        ("log_context", c_void_p),
        ("broker_name", c_char_p),
    ]


class CNodeInfo(Structure):
    """struct msg_node_info."""

    _fields_ = [
        ("lane", c_int),
        ("device", c_char_p),
        ("interface", c_char_p),
        ("address", c_char_p),
        ("groups", c_char_p),
        ("reason", c_char_p),
        ("port", c_uint32),
        ("frame_bytes", c_uint32),
        ("broker", c_char_p),
        ("broker_pid", c_uint32),
        ("reserved", c_uint32),
    ]


class CPublisherOptions(Structure):
    """struct msg_publisher_options."""

    _fields_ = [
        ("struct_bytes", c_size_t),
        ("topic", c_char_p),
        ("message_bytes_max", c_uint32),
        ("loan_count_max", c_uint32),
        ("reliability", c_uint32),
        ("flow", c_uint32),
        ("history_bytes", c_size_t),
        ("history_ms", c_uint32),
        ("flow_count", c_uint32),
        ("give_up_ms", c_uint32),
        ("linger_ms", c_uint32),
        ("large_bytes_max", c_size_t),
        ("large_memory_bytes", c_size_t),
        ("type", c_void_p),
    ]


class CLoan(Structure):
    """struct msg_loan."""

    _fields_ = [
        ("data", c_void_p),
        ("capacity", c_size_t),
        ("opaque", c_uint64),
        ("reserved", c_uint64),
    ]


class CSubscriberOptions(Structure):
    """struct msg_subscriber_options."""

    _fields_ = [
        ("struct_bytes", c_size_t),
        ("topic", c_char_p),
        ("message_bytes_max", c_uint32),
        ("buffer_count", c_uint32),
        ("publisher_count_max", c_uint32),
        ("reorder_us", c_uint32),
        ("slow", c_uint32),
        ("spin_us", c_uint32),
        ("reliability", c_uint32),
        ("history_count", c_uint32),
        ("give_up_ms", c_uint32),
        ("tagged", c_uint32),
        ("events", c_uint32),
        ("type_policy", c_uint32),
        ("large_bytes_max", c_size_t),
        ("large_memory_bytes", c_size_t),
        ("type", c_void_p),
    ]


class CView(Structure):
    """struct msg_view."""

    _fields_ = [
        ("data", c_void_p),
        ("bytes", c_size_t),
        ("publisher", c_uint64),
        ("sequence", c_uint64),
        ("lost_before", c_uint64),
        ("opaque", c_uint64),
        ("segment_count", c_uint32),
        ("topic", c_uint32),
        ("event", c_uint32),
        ("reason", c_uint32),
    ]


class CSegment(Structure):
    """struct msg_segment."""

    _fields_ = [("data", c_void_p), ("bytes", c_size_t)]


class CTopicInfo(Structure):
    """struct msg_topic_info."""

    _fields_ = [
        ("topic", c_char_p),
        ("host", c_char_p),
        ("program", c_char_p),
        ("publisher", c_uint64),
        ("message_count", c_uint64),
        ("age_ns", c_uint64),
        ("rate", c_double),
        ("pid", c_uint32),
        ("uid", c_uint32),
        ("message_bytes_max", c_uint32),
        ("frame_bytes", c_uint32),
        ("reliability", c_uint32),
        ("encoding", c_uint32),
        ("type_name", c_char_p),
        ("type_hash", c_uint64),
    ]


class CCounter(Structure):
    """struct msg_counter."""

    _fields_ = [
        ("name", c_char_p),
        ("meaning", c_char_p),
        ("remedy", c_char_p),
    ]


STRUCTS: Dict[str, Any] = {
    "msg_node_options": CNodeOptions,
    "msg_node_info": CNodeInfo,
    "msg_publisher_options": CPublisherOptions,
    "msg_loan": CLoan,
    "msg_subscriber_options": CSubscriberOptions,
    "msg_view": CView,
    "msg_segment": CSegment,
    "msg_topic_info": CTopicInfo,
    "msg_counter": CCounter,
}


# ---- calls --------------------------------------------------------------------

_HANDLE = c_void_p

# name: (result, arguments).
STEADY: Dict[str, Tuple[Any, List[Any]]] = {
    "msg_error_text": (c_char_p, []),
    "msg_error_name": (c_char_p, [c_int]),
    "msg_version": (c_char_p, []),
    "msg_topic_match": (c_int, [c_char_p, c_char_p]),
    "msg_node_describe": (None, [_HANDLE, POINTER(CNodeInfo)]),
    "msg_publisher_loan": (c_int, [_HANDLE, c_size_t, POINTER(CLoan)]),
    "msg_publisher_send": (c_int, [_HANDLE, POINTER(CLoan), c_size_t]),
    "msg_publisher_queue": (c_int, [_HANDLE, POINTER(CLoan), c_size_t]),
    "msg_publisher_flush": (c_int, [_HANDLE]),
    "msg_publisher_abandon": (None, [_HANDLE, POINTER(CLoan)]),
    "msg_publish": (c_int, [_HANDLE, c_void_p, c_size_t]),
    "msg_publisher_id": (c_uint64, [_HANDLE]),
    "msg_publisher_counter": (c_uint64, [_HANDLE, c_int]),
    "msg_subscriber_take": (c_int, [_HANDLE, POINTER(CView), c_int]),
    "msg_subscriber_release": (None, [_HANDLE, POINTER(CView), c_int]),
    "msg_subscriber_fd": (c_int, [_HANDLE]),
    "msg_subscriber_arm": (c_int, [_HANDLE]),
    "msg_subscriber_segments": (
        c_int,
        [_HANDLE, POINTER(CView), POINTER(CSegment), c_int],
    ),
    "msg_subscriber_copy": (c_int, [_HANDLE, POINTER(CView), c_void_p, c_size_t]),
    "msg_subscriber_topic": (c_char_p, [_HANDLE, POINTER(CView)]),
    "msg_subscriber_counter": (c_uint64, [_HANDLE, c_int]),
    "msg_counter_describe": (POINTER(CCounter), [c_int]),
    "msg_type_name": (c_char_p, [_HANDLE]),
    "msg_type_encoding": (c_int, [_HANDLE]),
    "msg_type_hash": (c_uint64, [_HANDLE]),
    "msg_type_print": (c_int, [_HANDLE, c_char_p, c_size_t]),
    "msg_type_json": (c_int, [_HANDLE, c_void_p, c_size_t, c_char_p, c_size_t]),
    "msg_type_of_schema": (
        c_int,
        [c_int, c_char_p, c_void_p, c_size_t, POINTER(_HANDLE)],
    ),
    "msg_type_close": (None, [_HANDLE]),
}

BLOCKING: Dict[str, Tuple[Any, List[Any]]] = {
    "msg_node_open": (c_int, [POINTER(CNodeOptions), POINTER(_HANDLE)]),
    "msg_node_progress": (None, [_HANDLE]),
    "msg_node_close": (c_int, [_HANDLE]),
    "msg_publisher_open": (
        c_int,
        [_HANDLE, POINTER(CPublisherOptions), POINTER(_HANDLE)],
    ),
    "msg_publisher_close": (c_int, [_HANDLE]),
    "msg_subscriber_open": (
        c_int,
        [_HANDLE, POINTER(CSubscriberOptions), POINTER(_HANDLE)],
    ),
    "msg_subscriber_close": (c_int, [_HANDLE]),
    "msg_directory_open": (c_int, [_HANDLE, c_char_p, POINTER(_HANDLE)]),
    "msg_directory_read": (
        c_int,
        [_HANDLE, c_int64, POINTER(CTopicInfo), c_int],
    ),
    "msg_directory_close": (c_int, [_HANDLE]),
    "msg_type_fetch": (
        c_int,
        [_HANDLE, c_char_p, c_uint64, c_int64, POINTER(_HANDLE)],
    ),
}


def _bind(loader: Any, path: str, calls: Dict[str, Tuple[Any, List[Any]]]) -> Any:
    library = loader(path)
    for name, (result, arguments) in calls.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library


def _load() -> Tuple[Any, Any]:
    path = os.environ.get("MSG_LIBRARY") or SONAME
    try:
        steady = _bind(ctypes.PyDLL, path, STEADY)
        blocking = _bind(ctypes.CDLL, path, BLOCKING)
    except (OSError, AttributeError) as error:
        raise ImportError(
            f"libmsg cannot be used: {error}; install it (cmake --install, then "
            f"ldconfig), or set MSG_LIBRARY to the path of {SONAME}"
        ) from None
    found = steady.msg_version().decode()
    # Until 1.0 a minor version may break its users.
    if found.split(".")[:2] != VERSION.split(".")[:2]:
        raise ImportError(f"this package is of libmsg {VERSION}, {path} is {found}")
    return steady, blocking


steady, blocking = _load()
