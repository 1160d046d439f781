# SPDX-License-Identifier: BSD-2-Clause
"""decode and encode for topics whose messages are protobuf.

    from msg.protobuf import decoder, encoder

    publisher = node.publisher("md.acme", encode=encoder(Quote))
    subscriber = node.subscriber("md.acme", decode=decoder(Quote))

A Quote is a class that protoc made for Python; python3-protobuf is what it needs,
and imported by it, not by this module.
"""

from __future__ import annotations

from typing import Any, Callable


def decoder(message_class: Any) -> Callable[[Any], Any]:
    """A `decode` that makes a new `message_class` of each message.

    protobuf's DecodeError is raised for bytes that are none.
    """

    def decode(data: Any) -> Any:
        message = message_class()
        message.ParseFromString(bytes(data))
        return message

    return decode


def encoder(message_class: Any) -> Callable[[Any], bytes]:
    """An `encode` that takes messages of `message_class`, and no others."""

    def encode(message: Any) -> bytes:
        if not isinstance(message, message_class):
            raise TypeError(
                f"this topic carries {message_class.__name__}, "
                f"not {type(message).__name__}"
            )
        return bytes(message.SerializeToString())

    return encode
