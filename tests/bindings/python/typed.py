# SPDX-License-Identifier: BSD-2-Clause
"""typed.py - typed topics from Python: made, named, fetched, decoded, refused.

    typed.py direct|broker

The type is a FileDescriptorSet written here by hand, so that no protobuf module is
needed; with one, the same is done from a class.
"""

import msg
from support import must, one, raises

try:
    from google.protobuf.timestamp_pb2 import Timestamp
except ImportError:
    Timestamp = None


def part(number, content):
    """A length-delimited field of protobuf."""
    return bytes([number << 3 | 2, len(content)]) + content


def field(name, number, kind):
    # FieldDescriptorProto: name, number, label optional, type.
    return part(2, part(1, name) + bytes([0x18, number, 0x20, 1, 0x28, kind]))


def schema(*fields):
    message = part(1, b"Quote") + b"".join(fields)
    file = part(1, b"quote.proto") + part(2, b"md") + part(4, message)
    return part(1, file)


UINT64, STRING = 4, 9
QUOTE = schema(field(b"price", 1, UINT64), field(b"name", 2, STRING))
OTHER = schema(field(b"price", 1, STRING))
# price: 300, name: "acme"
MESSAGE = b"\x08\xac\x02" + part(2, b"acme")


def made(kind):
    must(kind.name == "md.Quote" and kind.encoding is msg.Encoding.PROTOBUF)
    must(kind.hash != 0 and "uint64 price = 1;" in kind.schema_text())
    must(kind.decode(MESSAGE) == {"price": 300, "name": "acme"})
    must(kind.decode(memoryview(MESSAGE)) == kind.decode(bytearray(MESSAGE)))
    raises(msg.ArgumentError, kind.json, b"\xff")
    long = b"\x08\x01" + b"\x12\x88\x27" + b"x" * 5000
    must(kind.decode(long)["name"] == "x" * 5000)
    raises(msg.ArgumentError, msg.Type.of_schema, msg.Encoding.PROTOBUF, "x", QUOTE)
    raises(msg.ArgumentError, msg.Type.of_schema, msg.Encoding.PROTOBUF, "x", b"\xff")


def fetched(node, kind):
    with node.publisher("typed.quote", type=kind) as publisher:
        with node.directory("typed.*") as listing:
            found = listing.type("typed.quote")
            raises(msg.Timeout, listing.type, "typed.none", timeout=0.05)
            must(found.hash == kind.hash and found.name == kind.name)
            infos = []
            while not infos:
                infos = listing.read(0.1)
            must(infos[0].type_name == "md.Quote" and infos[0].type_hash == kind.hash)
            must(infos[0].encoding is msg.Encoding.PROTOBUF)
        with node.subscriber("typed.quote", decode=found.decode) as subscriber:
            publisher.publish(MESSAGE)
            with one(subscriber) as view:
                must(view.value == {"price": 300, "name": "acme"})


def refused(node, kind):
    other = msg.Type.of_schema(msg.Encoding.PROTOBUF, "md.Quote", OTHER)
    must(other.hash != kind.hash)
    options = {"type": other, "type_policy": msg.TypePolicy.REFUSE}
    with node.subscriber("typed.refused", **options) as subscriber:
        del other  # The subscriber keeps what it needs.
        with node.publisher("typed.refused", type=kind) as publisher:
            for _ in range(200):
                publisher.publish(MESSAGE, timeout=10)
                subscriber.take()
                node.progress()
                if subscriber.counter("type_refused") > 3:
                    break
                subscriber.wait(0.02)
            must(subscriber.counter("type_refused") > 3)
    raises(TypeError, node.publisher, "typed.refused", type=Timestamp or str)


def of_a_class(node):
    kind = msg.Type.of_protobuf(Timestamp)
    must(kind.name == "google.protobuf.Timestamp")
    with node.subscriber("typed.stamp", decode=kind.decode) as subscriber:
        with node.publisher("typed.stamp", type=kind) as publisher:
            publisher.publish(Timestamp(seconds=12, nanos=34).SerializeToString())
            with one(subscriber) as view:
                must(view.value["nanos"] == 34, view.value)


QUOTE_TYPE = msg.Type.of_schema(msg.Encoding.PROTOBUF, "md.Quote", QUOTE)
made(QUOTE_TYPE)
with msg.Node(announce_ms=50, progress_thread=True) as shared:
    fetched(shared, QUOTE_TYPE)
    refused(shared, QUOTE_TYPE)
    if Timestamp:
        of_a_class(shared)
    else:
        print("SKIP google.protobuf: it is not here")
print("types hold")
