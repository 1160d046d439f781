# SPDX-License-Identifier: BSD-2-Clause
"""Types: what the bytes of a topic mean, for who has never seen its classes."""

from __future__ import annotations

import ctypes
import json
from typing import TYPE_CHECKING, Any, Dict, Optional

from ._errors import fail_setup, text
from ._library import Encoding, blocking, steady

if TYPE_CHECKING:
    from ._node import Directory


class Type:
    """A schema, and the type of it that a topic carries: msg/type.h.

    Fetch that of a topic (Directory.type), or make one of a schema or of a class
    that protoc made.  Its `decode` is one for a Subscriber, and needs no protobuf
    module.  Publishers and subscribers opened with it keep what they need.
    """

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._c = handle

    @classmethod
    def of_schema(cls, encoding: Encoding, name: str, schema: bytes) -> "Type":
        """The type `name` of a schema: a FileDescriptorSet, or a cstruct's."""
        handle = ctypes.c_void_p()
        result = steady.msg_type_of_schema(
            encoding, text("name", name), schema, len(schema), handle
        )
        if result < 0:
            fail_setup(result)
        return cls(handle)

    @classmethod
    def of_protobuf(cls, message_class: Any) -> "Type":
        """The type of a class that protoc made for Python."""
        # pylint: disable=import-outside-toplevel
        from google.protobuf.descriptor_pb2 import (  # type: ignore[import]
            FileDescriptorSet,
        )

        files = FileDescriptorSet()
        seen: Dict[str, bool] = {}

        def add(file: Any) -> None:
            if file.name in seen:
                return
            seen[file.name] = True
            for needed in file.dependencies:
                add(needed)
            file.CopyToProto(files.file.add())

        add(message_class.DESCRIPTOR.file)
        return cls.of_schema(
            Encoding.PROTOBUF,
            message_class.DESCRIPTOR.full_name,
            files.SerializeToString(),
        )

    @property
    def name(self) -> str:
        """Its full name, "md.v1.Quote"."""
        return str(steady.msg_type_name(self._c).decode())

    @property
    def encoding(self) -> Encoding:
        """How its messages are written."""
        return Encoding(steady.msg_type_encoding(self._c))

    @property
    def hash(self) -> int:
        """A hash of what its messages mean, as in TopicInfo."""
        return int(steady.msg_type_hash(self._c))

    def schema_text(self) -> str:
        """The schema for people: a .proto file, or a C struct."""
        return _written(lambda out, room: steady.msg_type_print(self._c, out, room))

    def json(self, data: Any) -> str:
        """A message (bytes-like) as one line of JSON.

        ArgumentError if the bytes are no message of this type.
        """
        message = bytes(data)
        return _written(
            lambda out, room: steady.msg_type_json(
                self._c, message, len(message), out, room
            )
        )

    def decode(self, data: Any) -> Any:
        """A message as what json.loads makes of it: a dict of its fields."""
        return json.loads(self.json(data))

    def __del__(self) -> None:
        steady.msg_type_close(self._c)

    def __repr__(self) -> str:
        return f"<msg.Type {self.name} {self.hash:#x}>"


def _written(write: Any) -> str:
    """What a call in the way of snprintf writes."""
    room = 1024
    while True:
        out = ctypes.create_string_buffer(room)
        needed = write(out, room)
        if needed < 0:
            fail_setup(needed)
        if needed < room:
            return out.value.decode(errors="replace")
        room = needed + 1


def fetch(directory: "Directory", topic: str, of_hash: int, wait_ns: int) -> Type:
    """See Directory.type."""
    handle = ctypes.c_void_p()
    result = blocking.msg_type_fetch(
        directory._need(), text("topic", topic), of_hash, wait_ns, handle
    )
    if result < 0:
        fail_setup(result)
    return Type(handle)


def handle_of(one: Optional[Type]) -> Optional[ctypes.c_void_p]:
    """For the options of publisher and subscriber."""
    if one is not None and not isinstance(one, Type):
        raise TypeError(f"type must be a msg.Type, not {type(one).__name__}")
    return None if one is None else one._c
