# SPDX-License-Identifier: BSD-2-Clause
"""conformance_closing.py - lines of conformance.list: closing, and what is refused."""

import msg
from conformance_side import CHECKS, Pair, check
from support import must, one, raises

__all__ = ["CHECKS"]  # With these in it.

# ---- closing --------------------------------------------------------------------


@check
def close_loans():
    with Pair("close_loans") as (_, s, p):
        loan = p.loan(5)
        error = raises(msg.Busy, p.close)
        must("busy" in str(error) or "out" in str(error))
        must(not p.closed)
        loan.data[:] = b"still"
        loan.send()
        must(one(s).data == b"still")
        p.close()
        raises(ValueError, p.publish, b"x")
        raises(ValueError, lambda: p.id)


@check
def close_views():
    with Pair("close_views") as (_, s, p):
        p.publish(b"first")
        view = one(s)
        raises(msg.Busy, s.close)
        must(view.data == b"first" and not s.closed)
        # Nobody but a slice knows it any more: that is out, too.
        part = view.data[1:]
        del view
        raises(msg.Busy, s.close)
        must(part == b"irst")
        del part
        p.publish(b"second")
        must(one(s).data == b"second")
        s.close()
        for call in (s.take, s.arm, s.wait, s.fileno, s.counters):
            raises(ValueError, call)


@check
def close_children():
    node = msg.Node()
    p = node.publisher("child")
    raises(msg.Busy, node.close)
    p.publish(b"x")
    listing = node.directory()
    p.close()
    raises(msg.Busy, node.close)
    listing.close()
    node.close()
    raises(ValueError, lambda: node.info)
    raises(ValueError, node.publisher, "child")
    # A `with` closes them itself.
    with msg.Node() as node:
        child = node.subscriber("child")
    must(child.closed)


@check
def close_twice():
    with Pair("close_twice") as (node, s, p):
        for closed in (p, s, node, p, s, node):
            closed.close()
        must(node.closed and s.closed and p.closed)


# ---- refusals -------------------------------------------------------------------


def refused(word, call, *arguments, **options):
    """Refused with ARGUMENT, in words that name `word`."""
    error = raises(msg.ArgumentError, call, *arguments, **options)
    must(isinstance(error, ValueError) and error.code is msg.ErrorCode.ARGUMENT)
    must(word in str(error), str(error))


@check
def arguments():
    with msg.Node() as node:
        refused("a.*", node.publisher, "a.*")
        refused("topic", node.publisher, "")
        refused("a..b", node.subscriber, "a..b")
        refused("a..b", node.directory, "a..b")
        refused("message_bytes_max", node.publisher, "a", message_bytes_max=2**24 + 1)
        refused("ttl", msg.Node, ttl=1000, broker=msg.Broker.NEVER)
        # What C could not even be told.
        refused("port", msg.Node, port=2**32 + 7400)
        refused("buffer_count", node.subscriber, "a", buffer_count=-1)
        refused("NUL", node.publisher, "a\0b")
        # A word where a number of an enum belongs, and what would be cut off.
        for value in "reliable", 2.5:
            error = raises(TypeError, node.publisher, "n", reliability=value)
            must("reliability must be an int" in str(error), error)
        raises(TypeError, node.publisher, b"bytes")
        p = node.publisher("a")
        s = node.subscriber("a")
        raises(TypeError, p.publish, "a str")
        raises(msg.ArgumentError, p.loan, -1)
        raises(msg.ArgumentError, s.take, 0)
        raises(msg.ArgumentError, s.take, -1)


@check
def too_large():
    with Pair("too_large", message_bytes_max=100) as (_, s, p):
        error = raises(msg.TooLarge, p.publish, bytes(101))
        must(error.code is msg.ErrorCode.TOO_LARGE)
        raises(msg.TooLarge, p.publish, bytearray(101))
        raises(msg.TooLarge, p.loan, 101)
        p.publish(bytes(100))
        must(len(one(s)) == 100)
