# SPDX-License-Identifier: BSD-2-Clause
"""Subscriber and view: one topic or pattern, incoming."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import select
import time
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Callable,
    Iterator,
    List,
    Optional,
)

from ._errors import AGAIN, SIZE_MAX, fail_steady, number, text
from ._library import (
    CSegment,
    CSubscriberOptions,
    CView,
    Event,
    Loss,
    Reliability,
    Slow,
    TypePolicy,
    blocking,
    steady,
)
from ._memory import Memory
from ._object import Counted
from ._type import Type, handle_of

if TYPE_CHECKING:
    from ._node import Node

BATCH = 32
# How long to leave a subscriber alone that says "take first" and has nothing: it
# waits for a late frame, or all its buffers are in our hands.
IDLE_S = 50e-6
IDLE_MAX_S = 1e-3


class View:
    """A received message in your hands, or an event (see `event`).

    It goes back when you release it, when its `with` ends, or when nobody refers
    to it or to its memory any more; on any thread.  What `data` gave is invalid
    then: later access to it raises ValueError.  While something made of it is alive
    (a slice, a cast, a numpy array), release raises BufferError and the view stays
    held.  A view held is a receive buffer missing.
    """

    __slots__ = ("_subscriber", "_raw", "_memory")

    def __init__(self, subscriber: "Subscriber", raw: Any) -> None:
        self._subscriber = subscriber
        self._raw = raw
        one = raw.segment_count == 1
        self._memory = Memory(
            raw.data or 0,
            raw.bytes if one else 0,
            functools.partial(_release, subscriber, raw),
            subscriber._alive,
        )

    def _need(self) -> Any:
        if not self._memory.held:
            raise ValueError("the view is released")
        return self._raw

    @property
    def data(self) -> memoryview:
        """The message in place, read-only: no copy.

        BufferError if it is in several pieces: see `pieces` and `tobytes`.
        """
        raw = self._need()
        if raw.segment_count > 1:
            raise BufferError(
                f"the message is in {raw.segment_count} pieces: use pieces() for "
                "them in place, or tobytes() for a copy"
            )
        return self._memory.show(read_only=True)

    def pieces(self) -> List[memoryview]:
        """The message in place, in order, read-only; mostly one piece."""
        raw = self._need()
        if raw.segment_count <= 1:
            return [self.data]
        found = (CSegment * raw.segment_count)()
        n = steady.msg_subscriber_segments(
            self._subscriber._c, raw, found, raw.segment_count
        )
        if n < 0:
            fail_steady(n, "msg_subscriber_segments")
        return [self._memory.show_piece(p.data, p.bytes) for p in found[:n]]

    def tobytes(self) -> bytes:
        """A copy of all of it, in however many pieces."""
        raw = self._need()
        if raw.segment_count <= 1:
            return ctypes.string_at(raw.data, raw.bytes) if raw.bytes else b""
        copy = bytearray(raw.bytes)
        self._copy_into(copy, raw)
        return bytes(copy)

    def copy_into(self, buffer: Any) -> int:
        """Copy all of it into a writable buffer; how many bytes that were.

        TooLarge if there is no room.
        """
        return self._copy_into(buffer, self._need())

    def _copy_into(self, buffer: Any, raw: Any) -> int:
        room = memoryview(buffer).nbytes
        into = (ctypes.c_ubyte * room).from_buffer(buffer) if room else None
        result = steady.msg_subscriber_copy(self._subscriber._c, raw, into, room)
        if result < 0:
            fail_steady(result, "msg_subscriber_copy")
        return int(raw.bytes)

    @property
    def value(self) -> Any:
        """What the subscriber's `decode` makes of it; without one, a copy.

        It is called each time, with a bytes-like object: the message in place if it
        is one piece, else a copy.
        """
        decode = self._subscriber.decode
        if decode is None:
            return self.tobytes()
        if self._need().segment_count > 1:
            return decode(self.tobytes())
        return decode(self.data)

    @property
    def topic(self) -> str:
        """Its topic, for patterns."""
        return str(
            steady.msg_subscriber_topic(self._subscriber._c, self._need()).decode()
        )

    @property
    def publisher(self) -> int:
        """Who sent it: Publisher.id there."""
        return int(self._raw.publisher)

    @property
    def sequence(self) -> int:
        """Per publisher, from 0; of an event, that of the next message."""
        return int(self._raw.sequence)

    @property
    def lost_before(self) -> int:
        """Messages of this publisher lost right before it."""
        return int(self._raw.lost_before)

    @property
    def event(self) -> Event:
        """What it is: Event.MESSAGE unless the subscriber asked for events."""
        return Event(self._raw.event)

    @property
    def reason(self) -> Loss:
        """Why something is lost, of Event.LOST."""
        return Loss(self._raw.reason)

    @property
    def released(self) -> bool:
        """Whether it went back."""
        return not self._memory.held

    def release(self) -> None:
        """Give it back now; nothing if it went back already."""
        self._memory.give_up()

    def __len__(self) -> int:
        return int(self._raw.bytes)

    def __bool__(self) -> bool:
        return True  # A message of no bytes is one.

    def __bytes__(self) -> bytes:
        return self.tobytes()

    def __enter__(self) -> "View":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.release()

    def __repr__(self) -> str:
        state = " (released)" if self.released else ""
        return (
            f"<msg.View {self.event.name} {self.sequence} of "
            f"{self.publisher:#x}, {len(self)} bytes{state}>"
        )


def _release(subscriber: "Subscriber", raw: Any) -> None:
    steady.msg_subscriber_release(subscriber._c, raw, 1)


class Subscriber(Counted):
    """One topic or pattern, incoming.  One thread at a time, but for its views.

    message_bytes_max, buffer_count, publisher_count_max, reorder_us, slow, spin_us,
    reliability, history_count, give_up_ms, tagged, large_bytes_max,
    large_memory_bytes
            as msg.h says
    type    what it expects, as a Type; type_policy: what becomes of others
    events  views of what happens come, too: see View.event
    decode  what View.value calls

    `for view in subscriber` waits for messages for ever, `async for` lets others run
    meanwhile; both go on while the loop's body keeps views or not.
    """

    _noun = "subscriber"
    _close_call = "msg_subscriber_close"
    _counter_call = "msg_subscriber_counter"
    _rank = 1

    def __init__(
        self,
        node: "Node",
        topic: str,
        *,
        message_bytes_max: int = 0,
        buffer_count: int = 0,
        publisher_count_max: int = 0,
        reorder_us: int = 0,
        slow: Slow = Slow.DEFAULT,
        spin_us: int = 0,
        reliability: Reliability = Reliability.DEFAULT,
        history_count: int = 0,
        give_up_ms: int = 0,
        tagged: bool = False,
        events: bool = False,
        large_bytes_max: int = 0,
        large_memory_bytes: int = 0,
        type: Optional[Type] = None,
        type_policy: TypePolicy = TypePolicy.DEFAULT,
        decode: Optional[Callable[[Any], Any]] = None,
    ) -> None:
        super().__init__()
        self._node = node
        #: The topic or pattern.
        self.topic = topic
        #: What View.value calls; None: it is a copy.
        self.decode = decode
        self._idle = 0
        self._waiting = False
        o = CSubscriberOptions(struct_bytes=ctypes.sizeof(CSubscriberOptions))
        o.topic = text("topic", topic)
        o.message_bytes_max = number("message_bytes_max", message_bytes_max)
        o.buffer_count = number("buffer_count", buffer_count)
        o.publisher_count_max = number("publisher_count_max", publisher_count_max)
        o.reorder_us = number("reorder_us", reorder_us)
        o.slow = number("slow", slow)
        o.spin_us = number("spin_us", spin_us)
        o.reliability = number("reliability", reliability)
        o.history_count = number("history_count", history_count)
        o.give_up_ms = number("give_up_ms", give_up_ms)
        o.tagged = bool(tagged)
        o.events = bool(events)
        o.large_bytes_max = number("large_bytes_max", large_bytes_max, SIZE_MAX)
        o.large_memory_bytes = number(
            "large_memory_bytes", large_memory_bytes, SIZE_MAX
        )
        o.type = handle_of(type)
        o.type_policy = number("type_policy", type_policy)
        with node._lock:
            self._opened(blocking.msg_subscriber_open(node._need(), o, self._c))
        self._poll = select.poll()
        self._poll.register(self.fileno(), select.POLLIN)
        node._children.add(self)

    def take(self, count: int = BATCH) -> List[View]:
        """What waits, at most `count`, oldest first per publisher; maybe nothing.

        Raises Evicted, FabricError.
        """
        c = self._need()
        raws = (CView * number("count", count, 65536))()
        views: List[View] = []
        try:
            n = steady.msg_subscriber_take(c, raws, len(raws))
            for i in range(n):
                views.append(View(self, raws[i]))
        except BaseException:
            # Ctrl-C in between: what has no View yet goes back, too.
            for raw in raws[len(views) :]:
                if raw.publisher or raw.opaque:
                    _release(self, raw)
            raise
        if n < 0:
            fail_steady(n, "msg_subscriber_take")
        if n > 0:
            self._idle = 0
        return views

    def fileno(self) -> int:
        """The descriptor to poll for reading; never read, write or close it."""
        return int(steady.msg_subscriber_fd(self._need()))

    def arm(self) -> bool:
        """Ask for one wake-up on the descriptor.

        True: safe to sleep; False: take (or release) first.
        """
        result = steady.msg_subscriber_arm(self._need())
        if result < 0 and result != AGAIN:
            fail_steady(result, "msg_subscriber_arm")
        return bool(result == 0)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Sleep until messages wait, or `timeout` seconds are over (None: no limit).

        True: take now, though rarely there is nothing after all; False: time is
        over.  Signals are handled meanwhile.
        """
        if not self.arm():
            pause = self._pause()
            if pause:
                time.sleep(pause if timeout is None else min(pause, timeout))
            return True
        if timeout is None:
            self._poll.poll()
            return True
        # Up, lest a last fraction of a millisecond is spun away.
        return bool(self._poll.poll(int(max(timeout, 0) * 1000 + 0.999)))

    def _pause(self) -> float:
        # The first time at once; then ever longer, until a take brings something.
        self._idle += 1
        return min((self._idle - 1) * IDLE_S, IDLE_MAX_S)

    def messages(self, timeout: Optional[float] = None) -> Iterator[View]:
        """Views as they come; ends when none came for `timeout` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            # One by one: who leaves the loop loses none that it has not seen.
            views = self.take(1)
            if views:
                yield views.pop()  # So that nobody refers to it here.
                end = None if timeout is None else time.monotonic() + timeout
            elif end is None:
                self.wait()
            elif not self.wait(max(end - time.monotonic(), 0)):
                if time.monotonic() >= end:
                    return

    def __iter__(self) -> Iterator[View]:
        return self.messages()

    async def wait_async(self, timeout: Optional[float] = None) -> bool:
        """As wait, and others run meanwhile.  One task at a time."""
        if self._waiting:
            raise RuntimeError("another task waits for this subscriber")
        self._waiting = True
        try:
            if not self.arm():
                await asyncio.sleep(self._pause())
                return True
            return await self._readable(timeout)
        finally:
            self._waiting = False

    async def _readable(self, timeout: Optional[float]) -> bool:
        loop = asyncio.get_running_loop()
        woken: "asyncio.Future[None]" = loop.create_future()
        descriptor = self.fileno()

        def wake() -> None:
            # Once: it stays readable until somebody takes.
            loop.remove_reader(descriptor)
            if not woken.done():
                woken.set_result(None)

        loop.add_reader(descriptor, wake)
        try:
            await asyncio.wait_for(woken, timeout)
        except asyncio.TimeoutError:
            return False
        finally:
            loop.remove_reader(descriptor)
        return True

    async def messages_async(
        self, timeout: Optional[float] = None
    ) -> AsyncIterator[View]:
        """As messages, and others run while none wait, and now and then."""
        row = 0
        while True:
            views = self.take(1)
            if views:
                yield views.pop()
                # A stream that never pauses must not keep all others from running.
                row += 1
                if row % BATCH == 0:
                    await asyncio.sleep(0)
            elif not await self.wait_async(timeout):
                return

    def __aiter__(self) -> AsyncIterator[View]:
        return self.messages_async()
