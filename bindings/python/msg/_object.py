# SPDX-License-Identifier: BSD-2-Clause
"""What node, publisher, subscriber and directory have in common."""

from __future__ import annotations

import atexit
import ctypes
import threading
import warnings
import weakref
from typing import Any, Dict, List, NamedTuple, Set, TypeVar

from ._errors import Busy, fail_setup
from ._library import blocking, steady
from ._memory import _Guard

_Self = TypeVar("_Self", bound="Object")

_OPEN: "weakref.WeakSet[Object]" = weakref.WeakSet()


class Object:
    """An object of the library that is open until it is closed.

    Close it, or use it as a context manager; one that is forgotten is closed when
    Python finds it, with a ResourceWarning, and all at the end of the program.
    """

    #: Name of the object for people, and of its C close.
    _noun = "object"
    _close_call = ""
    #: Closed at the end of the program in this order.
    _rank = 0

    def __init__(self) -> None:
        self._c = ctypes.c_void_p()
        self._is_open = False
        # Around calls that let go of the interpreter's lock and must not meet.
        self._lock = threading.Lock()
        self._alive: Set[_Guard] = set()

    def _opened(self, result: int) -> None:
        if result < 0:
            fail_setup(result)
        self._is_open = True
        _OPEN.add(self)

    def _need(self) -> ctypes.c_void_p:
        if not self._is_open:
            raise ValueError(f"the {self._noun} is closed")
        return self._c

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return not self._is_open

    def close(self) -> None:
        """Close; nothing if it is closed already.

        Raises Busy while loans, views or children of it are out: then nothing is
        closed.
        """
        with self._lock:
            if not self._is_open:
                return
            # With something out it only says so, and keeps the interpreter's lock
            # lest the last of it goes back on another thread meanwhile.
            library = steady if self._alive else blocking
            self._is_open = False
            result = getattr(library, self._close_call)(self._c)
            if result < 0:
                self._is_open = True
                fail_setup(result)
            _OPEN.discard(self)

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            self.close()
        except Busy:
            # What went wrong holds views, and is what should be seen.
            if not exception or exception[0] is None:
                raise

    def __del__(self) -> None:
        if not getattr(self, "_is_open", False):
            return
        warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self)
        try:
            self.close()
        except Exception:  # Busy: it stays open, and nothing dangles.
            pass

    def __repr__(self) -> str:
        state = "" if self._is_open else " (closed)"
        return f"<msg.{type(self).__name__}{state}>"


for _close in ("msg_publisher_close", "msg_subscriber_close"):
    _function = getattr(steady, _close)
    _function.restype = ctypes.c_int
    _function.argtypes = [ctypes.c_void_p]


@atexit.register
def _close_all() -> None:
    for one in sorted(_OPEN, key=lambda one: one._rank):
        try:
            one.close()
        except Exception:  # Views are out; the process ends anyway.
            pass


# ---- counters -----------------------------------------------------------------


class Counter(NamedTuple):
    """What a counter counts, in the words of stats.h."""

    #: In enum msg_counter_index.
    position: int
    name: str
    #: One sentence.
    meaning: str
    #: What to do when it grows; one sentence.
    remedy: str


def _describe() -> Dict[str, Counter]:
    found: List[Counter] = []
    while True:
        c = steady.msg_counter_describe(len(found))
        if not c:
            return {one.name: one for one in found}
        words = (getattr(c.contents, f).decode() for f in ("name", "meaning", "remedy"))
        found.append(Counter(len(found), *words))


#: All counters of the library that runs, by name.
COUNTERS: Dict[str, Counter] = _describe()


class Counted(Object):
    """An object that counts."""

    _counter_call = ""

    def counter(self, name: str) -> int:
        """One counter of COUNTERS by its name; 0 if this object does not keep it.

        KeyError if there is none of that name.
        """
        call = getattr(steady, self._counter_call)
        return int(call(self._need(), COUNTERS[name].position))

    def counters(self) -> Dict[str, int]:
        """All counters, by name."""
        call, c = getattr(steady, self._counter_call), self._need()
        return {name: int(call(c, one.position)) for name, one in COUNTERS.items()}
