# SPDX-License-Identifier: BSD-2-Clause
"""Publisher and loan: one topic, outgoing."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import time
from typing import TYPE_CHECKING, Any, Callable, Optional, Tuple

from ._errors import AGAIN, SIZE_MAX, fail_steady, number, text
from ._library import (
    CLoan,
    CPublisherOptions,
    Flow,
    Reliability,
    blocking,
    steady,
)
from ._memory import Memory
from ._object import Counted
from ._type import Type, handle_of

if TYPE_CHECKING:
    from ._node import Node

# How long a full publisher is left alone: the first, and the longest.
PAUSE_S = 50e-6
PAUSE_MAX_S = 1e-3


class Loan:
    """A buffer of a publisher in your hands, together with the right to send it.

    Write `data`, then send or queue it; one that is left behind is abandoned, as is
    one whose `with` ends.  Once spent, `data` is invalid: later access to it raises
    ValueError.  While something made of `data` is alive (a slice, a numpy array)
    send, queue and abandon raise BufferError and nothing has happened: it would
    write into a message that is under way.  One thread at a time for all loans of a
    publisher.
    """

    __slots__ = ("_publisher", "_raw", "_memory", "_size")

    def __init__(self, publisher: "Publisher", raw: CLoan, size: int) -> None:
        self._publisher = publisher
        self._raw = raw
        self._size = size
        back = functools.partial(_abandon, publisher, raw)
        self._memory = Memory(raw.data, size, back, publisher._alive)

    @property
    def data(self) -> memoryview:
        """The buffer, of the size that was asked for; not zeroed."""
        if not self._memory.held:
            raise ValueError("the loan is spent")
        return self._memory.show(read_only=False)

    @property
    def spent(self) -> bool:
        """Whether it was sent, queued or abandoned."""
        return not self._memory.held

    def send(self, size: Optional[int] = None) -> None:
        """Send its first `size` bytes (all), after all that was queued."""
        self._finish(size, steady.msg_publisher_send, "msg_publisher_send")

    def queue(self, size: Optional[int] = None) -> None:
        """As send, but more follows: it leaves with the next send or flush."""
        self._finish(size, steady.msg_publisher_queue, "msg_publisher_queue")

    def abandon(self) -> None:
        """Hand it back unsent; nothing if it is spent."""
        self._memory.give_up()

    def _finish(self, size: Optional[int], call: Any, name: str) -> None:
        if not self._memory.held:
            raise ValueError("the loan is spent")
        size = self._size if size is None else size
        if not 0 <= size <= self._size:
            raise ValueError(f"{size} bytes of a loan of {self._size}")
        result = []

        def back() -> None:
            result.append(call(self._publisher._c, self._raw, size))

        self._memory.give_up(back)
        if result[0] < 0:
            fail_steady(result[0], name)

    def __len__(self) -> int:
        return self._size

    def __enter__(self) -> "Loan":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.abandon()

    def __repr__(self) -> str:
        state = " (spent)" if self.spent else ""
        return f"<msg.Loan of {self._size} bytes{state}>"


def _abandon(publisher: "Publisher", raw: CLoan) -> None:
    steady.msg_publisher_abandon(publisher._c, raw)


class Publisher(Counted):
    """One topic, outgoing.  One thread at a time.

    message_bytes_max  largest message; what one frame holds by default
    loan_count_max     buffers
    reliability, flow, history_bytes, history_ms, flow_count, give_up_ms, linger_ms,
    large_bytes_max, large_memory_bytes
                       of a reliable topic, as msg.h says
    type               what its messages are, for those who ask: a Type
    encode             called with what publish gets, returns bytes

    Back-pressure is msg.Again: nothing was sent, and the same call may succeed
    later.  Calls that take a `timeout` wait so many seconds for that.
    """

    _noun = "publisher"
    _close_call = "msg_publisher_close"
    _counter_call = "msg_publisher_counter"

    def __init__(
        self,
        node: "Node",
        topic: str,
        *,
        message_bytes_max: int = 0,
        loan_count_max: int = 0,
        reliability: Reliability = Reliability.DEFAULT,
        flow: Flow = Flow.NONE,
        history_bytes: int = 0,
        history_ms: int = 0,
        flow_count: int = 0,
        give_up_ms: int = 0,
        linger_ms: int = 0,
        large_bytes_max: int = 0,
        large_memory_bytes: int = 0,
        type: Optional[Type] = None,
        encode: Optional[Callable[[Any], Any]] = None,
    ) -> None:
        super().__init__()
        self._node = node
        self.topic = topic
        self._encode = encode
        o = CPublisherOptions(struct_bytes=ctypes.sizeof(CPublisherOptions))
        o.topic = text("topic", topic)
        o.message_bytes_max = number("message_bytes_max", message_bytes_max)
        o.loan_count_max = number("loan_count_max", loan_count_max)
        o.reliability = number("reliability", reliability)
        o.flow = number("flow", flow)
        o.history_bytes = number("history_bytes", history_bytes, SIZE_MAX)
        o.history_ms = number("history_ms", history_ms)
        o.flow_count = number("flow_count", flow_count)
        o.give_up_ms = number("give_up_ms", give_up_ms)
        o.linger_ms = number("linger_ms", linger_ms)
        o.large_bytes_max = number("large_bytes_max", large_bytes_max, SIZE_MAX)
        o.large_memory_bytes = number(
            "large_memory_bytes", large_memory_bytes, SIZE_MAX
        )
        o.type = handle_of(type)
        with node._lock:
            self._opened(blocking.msg_publisher_open(node._need(), o, self._c))
        node._children.add(self)

    @property
    def id(self) -> int:
        """This opening of the topic, as View.publisher there."""
        return int(steady.msg_publisher_id(self._need()))

    def loan(self, size: int, timeout: float = 0.0) -> Loan:
        """Borrow a buffer for a message of up to `size` bytes.

        Raises Again, TooLarge, FabricError.
        """
        result, loan = self._try_loan(size)
        if result == AGAIN and timeout > 0:
            for _ in _pauses(timeout):
                result, loan = self._try_loan(size)
                if result != AGAIN:
                    break
        if loan is None:
            fail_steady(result, "msg_publisher_loan")
        return loan

    def publish(self, data: Any, timeout: float = 0.0) -> None:
        """Copy `data` (bytes-like, or what `encode` takes) and send it.

        Raises Again, TooLarge, FabricError.
        """
        payload = self._bytes(data)
        result = self._try_publish(payload)
        if result == AGAIN and timeout > 0:
            for _ in _pauses(timeout):
                result = self._try_publish(payload)
                if result != AGAIN:
                    break
        if result < 0:
            fail_steady(result, "msg_publish")

    async def publish_async(self, data: Any, timeout: Optional[float] = None) -> None:
        """As publish, and while there is no buffer others run; None: no limit."""
        payload = self._bytes(data)
        result = self._try_publish(payload)
        if result == AGAIN:
            for pause in _pauses(timeout, sleep=False):
                await asyncio.sleep(pause)
                result = self._try_publish(payload)
                if result != AGAIN:
                    break
        if result < 0:
            fail_steady(result, "msg_publish")

    def flush(self) -> bool:
        """Send what is queued; False: the rest leaves with the next call."""
        result = steady.msg_publisher_flush(self._need())
        if result < 0 and result != AGAIN:
            fail_steady(result, "msg_publisher_flush")
        return bool(result == 0)

    def _try_loan(self, size: int) -> Tuple[int, Optional[Loan]]:
        c = self._need()
        raw = CLoan()
        result = steady.msg_publisher_loan(c, number("size", size, SIZE_MAX), raw)
        return result, Loan(self, raw, size) if result == 0 else None

    def _bytes(self, data: Any) -> Any:
        if self._encode is not None:
            data = self._encode(data)
        if isinstance(data, bytes):
            return data
        return memoryview(data).cast("B") if memoryview(data).nbytes else b""

    def _try_publish(self, payload: Any) -> int:
        c = self._need()
        if isinstance(payload, bytes):
            return int(steady.msg_publish(c, payload, len(payload)))
        # ctypes gives no address of read-only memory: straight into the buffer.
        raw = CLoan()
        size = len(payload)
        result = int(steady.msg_publisher_loan(c, size, raw))
        if result < 0:
            return result
        into = (ctypes.c_ubyte * size).from_address(raw.data)
        memoryview(into).cast("B")[:] = payload
        return int(steady.msg_publisher_send(c, raw, size))


def _pauses(timeout: Optional[float], sleep: bool = True) -> Any:
    """Pauses that grow, slept or told, until `timeout` seconds are over."""
    end = None if timeout is None else time.monotonic() + timeout
    pause = PAUSE_S
    while end is None or time.monotonic() < end:
        if sleep:
            time.sleep(pause)
        yield pause
        pause = min(2 * pause, PAUSE_MAX_S)
