# SPDX-License-Identifier: BSD-2-Clause
"""Memory of the library that Python code looks at, and when nobody does any more.

A view or loan shows its memory as a memoryview over a ctypes array that lies there.
Whatever is made of that memoryview (a slice, a cast, a numpy array) refers to the
array, so the array lives as long as anybody can reach the memory: its death is
what gives a message back.  So nothing dangles:

    nobody refers to it      it goes back by itself, on whatever thread that is
    release(), send()        the memoryview handed out is invalidated, later access
                             raises ValueError; and if something made of it is
                             still alive, that is refused with BufferError, and
                             the memory is kept until it is gone

This counts on CPython's reference counts, which tell at once.
"""

from __future__ import annotations

import ctypes
import functools
import weakref
from typing import Any, Callable, List, Optional, Set


@functools.lru_cache(maxsize=4096)
def _array_of(size: int) -> Any:
    # A type for each size, kept because making one takes some 10 us.
    return ctypes.c_ubyte * size


class _Token:
    """Stands for memory that is not one piece."""

    __slots__ = ("__weakref__",)


class _Guard(weakref.ref):  # type: ignore[type-arg]
    """Calls `back` once nobody refers to the memory."""

    __slots__ = ("back", "alive")
    back: Callable[[], None]
    alive: Set["_Guard"]

    def __new__(cls, token: Any, *_: Any) -> "_Guard":
        return super().__new__(cls, token, _gone)  # type: ignore[arg-type]

    def __init__(
        self, token: Any, back: Callable[[], None], alive: Set["_Guard"]
    ) -> None:
        super().__init__(token, _gone)  # type: ignore[call-arg]
        self.back = back
        self.alive = alive
        alive.add(self)
        _ALIVE.add(self)

    # As an object, not as what it refers to.
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


# A guard lives as long as its memory is looked at, whoever has forgotten it.
_ALIVE: Set[_Guard] = set()


def _gone(guard: _Guard, everything: Set[_Guard] = _ALIVE) -> None:
    everything.discard(guard)
    guard.alive.discard(guard)
    guard.back()


class Memory:
    """Memory that the library lent, until it goes back.

    `back` is called once, when the memory is given up or nobody refers to it any
    more; it must keep alive what it needs.  `alive` is the owner's set of what is
    out.
    """

    __slots__ = ("_guard", "_token", "_shown")

    def __init__(
        self,
        address: int,
        size: int,
        back: Callable[[], None],
        alive: Set[_Guard],
    ) -> None:
        token: Any
        if size > 0 and address:
            token = _array_of(size).from_address(address)
        else:
            token = _Token()
        self._token: Optional[Any] = token
        self._shown: List[memoryview] = []
        self._guard: Optional[_Guard] = _Guard(token, back, alive)

    @property
    def held(self) -> bool:
        """Whether it has not gone back."""
        return self._guard is not None

    def show(self, read_only: bool) -> memoryview:
        """All of it, as one memoryview."""
        if not self._shown:
            token: Any = self._token
            if isinstance(token, _Token):
                return memoryview(b"" if read_only else bytearray())
            shown = memoryview(token).cast("B")
            self._shown.append(shown.toreadonly() if read_only else shown)
        return self._shown[0]

    def show_piece(self, address: int, size: int) -> memoryview:
        """A piece of it that lies elsewhere, read-only."""
        array = _array_of(size).from_address(address)
        array.token = self._token  # Whoever refers to the piece keeps all.
        shown = memoryview(array).cast("B").toreadonly()
        self._shown.append(shown)
        return shown

    def give_up(self, back: Optional[Callable[[], None]] = None) -> None:
        """Give it back now, by calling `back` if given; nothing the second time.

        Raises BufferError while something made of what was shown is alive; then
        it is kept, and shown anew when asked for.
        """
        guard = self._guard
        if guard is None:
            return
        before = guard.back
        if back is not None:
            guard.back = back
        try:
            for shown in self._shown:
                shown.release()
        except BufferError:
            guard.back = before
            self._shown = []
            raise self._in_use() from None
        self._shown = []
        self._token = None
        self._token = guard()
        if self._token is not None:
            guard.back = before
            raise self._in_use()
        self._guard = None

    @staticmethod
    def _in_use() -> BufferError:
        return BufferError(
            "its memory is in use: delete what was made of it (slices, casts, "
            "numpy arrays) first"
        )
