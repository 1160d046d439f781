# SPDX-License-Identifier: BSD-2-Clause
"""decode.py - messages of protobuf and of numpy, through encode= and decode=.

    decode.py direct|broker

Each half is skipped where its module is missing; 77 when both are.
"""

import functools
import sys

import msg
from msg.protobuf import decoder, encoder
from support import must, one, raises

try:
    from google.protobuf.message import DecodeError
    from google.protobuf.timestamp_pb2 import Timestamp
except ImportError:
    Timestamp = None
try:
    import numpy
except ImportError:
    numpy = None


def of_protobuf(node):
    with node.subscriber("stamp", decode=decoder(Timestamp)) as subscriber:
        with node.publisher("stamp", encode=encoder(Timestamp)) as publisher:
            publisher.publish(Timestamp(seconds=12, nanos=34))
            view = one(subscriber)
            value = view.value
            must((value.seconds, value.nanos) == (12, 34))
            view.release()  # The value is a copy: nothing holds the view.
            raises(TypeError, lambda: publisher.publish(b"no Timestamp"))
            loan = publisher.loan(1)
            loan.data[0] = 255
            loan.send()
            view = one(subscriber)
            raises(DecodeError, lambda: view.value)
            view.release()


def of_numpy(node):
    def decode(data):
        return numpy.frombuffer(data, dtype="<f8")

    with node.subscriber("wave", decode=decode) as subscriber:
        with node.publisher("wave") as publisher:
            wave = numpy.linspace(0, 1, 1000)
            publisher.publish(wave)  # Anything with a buffer.
            loan = publisher.loan(wave.nbytes)
            into = numpy.frombuffer(loan.data, dtype="<f8")
            into[:] = wave * 2
            raises(BufferError, loan.send)
            del into
            loan.send()
            first, second = one(subscriber), one(subscriber)
            array = first.value
            must((array == wave).all() and not array.flags.writeable)
            raises(ValueError, functools.partial(array.setflags, write=True))
            # In place: no copy was made.
            must(array.ctypes.data == numpy.frombuffer(first.data, "u1").ctypes.data)
            raises(BufferError, first.release)
            kept = array[10:20]
            del first, array
            must((kept == wave[10:20]).all())
            must((second.value == wave * 2).all())
            del kept, second


if not (Timestamp or numpy):
    print("SKIP decode: neither google.protobuf nor numpy")
    sys.exit(77)
with msg.Node() as shared:
    for name, module, test in (
        ("google.protobuf", Timestamp, of_protobuf),
        ("numpy", numpy, of_numpy),
    ):
        if module:
            test(shared)
            print(f"{name}: holds")
        else:
            print(f"SKIP {name}: it is not here")
