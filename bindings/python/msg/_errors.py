# SPDX-License-Identifier: BSD-2-Clause
"""One exception for each code, all of them msg.Error."""

from __future__ import annotations

import operator
from typing import Dict, NoReturn, Optional, Type

from ._library import ErrorCode, steady


class Error(Exception):
    """A call of libmsg failed.

    The text of a call that sets something up is the library's own line, which
    names the next step; of a steady call it is the call and the code.
    """

    #: What failed.
    code: ErrorCode

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        try:
            self.code = ErrorCode(code)
        except ValueError:  # Of a newer library.
            self.code = code  # type: ignore[assignment]


class ArgumentError(Error, ValueError):
    """An argument or option is out of its range."""


class OutOfMemory(Error, MemoryError):
    """Memory or the locked-memory limit ran out."""


class Again(Error):
    """Not now; the same call may succeed later.  Back-pressure, no failure."""


class Busy(Error):
    """Loans, views or children are still out; nothing was closed."""


class FabricError(Error):
    """The device, the group or the lane failed."""


class DeviceError(Error):
    """No such device or interface, or not usable."""


class TooLarge(Error, ValueError):
    """More bytes than this topic may carry."""


class Timeout(Error):
    """The time given is over."""


class Evicted(Error):
    """Too slow: the subscription is over; close it."""


class Denied(Error):
    """The broker's rights do not allow it."""


_CLASSES: Dict[int, Type[Error]] = {
    ErrorCode.ARGUMENT: ArgumentError,
    ErrorCode.MEMORY: OutOfMemory,
    ErrorCode.AGAIN: Again,
    ErrorCode.BUSY: Busy,
    ErrorCode.FABRIC: FabricError,
    ErrorCode.DEVICE: DeviceError,
    ErrorCode.TOO_LARGE: TooLarge,
    ErrorCode.TIMEOUT: Timeout,
    ErrorCode.EVICTED: Evicted,
    ErrorCode.DENIED: Denied,
}

AGAIN = -int(ErrorCode.AGAIN)
SIZE_MAX = 2**64 - 1


def error_of(result: int, text: str) -> Error:
    """The exception for a code as a call returned it."""
    return _CLASSES.get(-result, Error)(-result, text)


def fail_setup(result: int) -> NoReturn:
    """Raise what a call that sets up failed with, on the thread it was made."""
    raise error_of(result, (steady.msg_error_text() or b"").decode(errors="replace"))


def fail_steady(result: int, call: str) -> NoReturn:
    """Raise what a steady call failed with: such calls leave no text."""
    raise error_of(result, f"{call}: {steady.msg_error_name(result).decode()}")


def number(name: str, value: int, limit: int = 0xFFFFFFFF) -> int:
    """`value`, if C can hold it: ctypes would cut it off without a word."""
    try:
        value = operator.index(value)
    except TypeError:
        raise TypeError(
            f"{name} must be an int (see the enums of msg), not {value!r}"
        ) from None
    if not 0 <= value <= limit:
        raise ArgumentError(
            ErrorCode.ARGUMENT, f"{name} is {value}; it may be 0 to {limit}"
        )
    return value


def text(name: str, value: Optional[str]) -> Optional[bytes]:
    """`value` for C, which would end it at its first NUL."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if "\0" in value:
        raise ArgumentError(ErrorCode.ARGUMENT, f"{name} has a NUL in it")
    return value.encode()
