# SPDX-License-Identifier: BSD-2-Clause
"""conformance.py - the Python package against conformance.list.

    conformance.py direct|broker

One function for each line of the list, of the same name, here and in
conformance_closing.py; conformance.sh says where it runs.  The first thing that does
not hold ends the program.
"""

import gc
import os
import select
import struct
import sys
import threading
import time

import msg
from conformance_closing import CHECKS
from conformance_side import BROKERED, Pair, check, outside, silent
from support import must, one, raises

# An object left open, or an error in a destructor, that only a line on the terminal
# would tell.
UNSEEN = []
sys.unraisablehook = UNSEEN.append

# ---- messages -------------------------------------------------------------------


@check
def publish():
    with Pair("publish") as (_, s, p):
        p.publish(b"copied")
        loan = p.loan(6)
        loan.data[:] = b"filled"
        loan.send()
        must(loan.spent)
        p.publish(bytearray(b"writable"))
        p.publish(memoryview(b"read-only"))
        texts = [b"copied", b"filled", b"writable", b"read-only"]
        for i, text in enumerate(texts):
            with one(s) as view:
                must(view.data == text and bytes(view) == text)
                must(len(view) == len(text))
                must(view.sequence == i and view.lost_before == 0)
                must(view.publisher == p.id and view.topic == "publish")
                must(view.event is msg.Event.MESSAGE)


@check
def empty():
    with Pair("empty") as (_, s, p):
        p.publish(b"")
        p.publish(bytearray())
        p.loan(0).send()
        for _ in range(3):
            with one(s) as view:
                must(view and len(view) == 0 and bytes(view.data) == b"")
                must(view.tobytes() == b"" and view.value == b"")


@check
def queue():
    with Pair("queue") as (_, s, p):
        for i in range(100):
            loan = p.loan(4)
            loan.data[:] = struct.pack("i", i)
            loan.queue()
        must(p.flush())
        for i in range(100):
            must(struct.unpack("i", one(s).data) == (i,))
        must(p.counter("frames") < 100)


@check
def abandon():
    with Pair("abandon", loan_count_max=2) as (_, s, p):
        for i in range(90):
            loan = p.loan(8)
            if i % 3 == 0:
                loan.abandon()
                loan.abandon()
            elif i % 3 == 1:
                with loan:
                    pass
        del loan
        p.publish(b"last")
        with one(s) as view:
            must(view.data == b"last" and view.sequence == 0)
        must(p.counter("release_refused") == 0)


@check
def loan_once():
    with Pair("loan_once") as (_, s, p):
        loan = p.loan(8)
        data = loan.data
        loan.send(0)
        must(loan.spent)
        raises(ValueError, loan.send)
        raises(ValueError, loan.queue)
        raises(ValueError, lambda: loan.data)
        raises(ValueError, data.__setitem__, 0, 1)
        loan.abandon()
        must(one(s).sequence == 0)
        # More than was asked for is refused, and the loan still good.
        loan = p.loan(8)
        raises(ValueError, loan.send, 9)
        raises(ValueError, loan.send, -1)
        loan.abandon()
        must(silent(s) and p.counter("messages") == 1)


@check
def would_block():
    with msg.Node() as node:
        p = node.publisher("would_block", loan_count_max=2)
        whole = node.info.frame_bytes - 24
        loans = [p.loan(whole), p.loan(whole)]
        error = raises(msg.Again, p.loan, whole)
        must(error.code is msg.ErrorCode.AGAIN)
        raises(msg.Again, p.publish, bytes(whole))
        raises(msg.Again, p.publish, bytearray(whole))
        raises(msg.Again, p.publish, bytes(whole), timeout=0.01)
        loans.pop()
        p.publish(bytes(whole))
        loans.pop()


@check
def take():
    with Pair("take") as (_, s, p):
        must(s.take() == [])
        for i in range(5):
            p.publish(struct.pack("i", i))
        expected = 0
        while expected < 5:
            s.wait(1)
            views = s.take(3)
            must(len(views) <= 3)
            for view in views:
                must(struct.unpack("i", view.data) == (expected,))
                expected += 1
        for i in range(40):
            p.publish(struct.pack("i", i))
        found = [struct.unpack("i", v.data)[0] for v in s.messages(timeout=0.2)]
        must(found == list(range(40)))
        del view, views


# ---- holding --------------------------------------------------------------------


@check
def hold():
    with Pair("hold") as (_, s, p):
        held = []
        for i in range(300):
            p.publish(struct.pack("i", i), timeout=10)
            s.wait(1)
            for view in s.take():
                if view.sequence % 3 == 0:
                    held.append((view, view.data, view.data[1:]))
            if len(held) > 20:
                del held[7]  # One of the middle.
            for view, data, rest in held:
                want = struct.pack("i", view.sequence)
                must(data == want and rest == want[1:])
        must(len(held) > 10)
        del view, data, rest
        while held:
            held.pop()
        must(s.counter("lost") == 0)


@check
def release_once():
    with Pair("release_once") as (_, s, p):
        p.publish(b"x")
        view = one(s)
        view.release()
        view.release()
        with view:
            pass
        del view
        must(s.counter("release_refused") == 0)


@check
def release_anywhere():
    with Pair("release_anywhere") as (_, s, p):
        for i in range(50):
            p.publish(b"x", timeout=10)
            views = [one(s)]
            # By its release, or as the last who knew it.
            thread = threading.Thread(target=views[0].release if i % 2 else views.pop)
            thread.start()
            thread.join()
            del views, thread


@check
def release_final():
    with Pair("release_final") as (_, s, p):
        p.publish(b"final")
        view = one(s)
        data = view.data
        view.release()
        must(view.released and view.sequence == 0)
        for call in (lambda: data[0], data.tobytes, lambda: view.data):
            raises(ValueError, call)
        for call in (view.tobytes, view.pieces, lambda: view.topic, lambda: view.value):
            raises(ValueError, call)
        raises(ValueError, view.copy_into, bytearray(9))
        # What was made of it keeps it, and says so.
        p.publish(b"final")
        view = one(s)
        part = view.data[1:3]
        raises(BufferError, view.release)
        must(part == b"in" and view.data == b"final" and not view.released)
        del part
        view.release()


@check
def pieces():
    with msg.Node() as node, outside() as other:
        s = node.subscriber("pieces")
        p = other.publisher("pieces", message_bytes_max=200000)
        sent = bytes(i % 251 for i in range(150000))
        p.publish(sent)
        view = one(s)
        found = view.pieces()
        must(len(found) > 1 and b"".join(found) == sent)
        must(view.tobytes() == sent and view.value == sent)
        raises(BufferError, lambda: view.data)
        copy = bytearray(150001)
        must(view.copy_into(copy) == 150000 and copy[:-1] == sent)
        raises(msg.TooLarge, view.copy_into, bytearray(10))
        whole, size = found[0], len(found[0])
        part = found[1][5:]
        raises(BufferError, view.release)
        must(part == sent[size + 5 : size + 5 + len(part)])
        del part, found
        view.release()
        raises(ValueError, whole.tobytes)


@check
def typed():
    sample = struct.Struct("=Qd")
    options = {"decode": sample.unpack}
    with Pair("typed", options, encode=lambda v: sample.pack(*v)) as (_, s, p):
        p.publish((7, 0.5))
        loan = p.loan(sample.size)
        sample.pack_into(loan.data, 0, 8, 1.5)
        loan.send()
        must(one(s).value == (7, 0.5) and one(s).value == (8, 1.5))
        p.loan(7).send()
        view = one(s)
        raises(struct.error, getattr, view, "value")
        del view


# ---- sleeping -------------------------------------------------------------------


def asleep(subscriber, timeout):
    """Asleep on the descriptor until a message comes; None: none did."""
    # A wake for an announcement brings nothing.
    for _ in range(100000):
        for view in subscriber.take(1):
            return view
        if subscriber.arm():
            if not select.select([subscriber], [], [], timeout)[0]:
                return None
    raise AssertionError("it never sleeps")


@check
def wake():
    with Pair("wake") as (_, s, p):
        must(asleep(s, 0.02) is None)
        for i in range(20):
            # As far as select, then the message comes.
            sender = threading.Timer(0.002, p.publish, [b"x"])
            sender.start()
            view = asleep(s, 5)
            must(view is not None and view.sequence == i)
            sender.join()
        del view, sender


@check
def timeout():
    with Pair("timeout") as (_, s, p):
        start = time.monotonic()
        while s.wait(0.02):
            must(s.take() == [])
        must(time.monotonic() - start >= 0.02)
        must(list(s.messages(timeout=0)) == [])
        must(list(s.messages(timeout=0.01)) == [])


# ---- loss and events ------------------------------------------------------------


def drop_two(publisher):
    """Of four messages the second and third are above what we take."""
    publisher.publish(b"a")
    publisher.publish(bytes(100000))
    publisher.publish(bytes(100000))
    publisher.publish(b"b")


SMALL = {"message_bytes_max": 20000}


@check
def loss():
    with Pair("loss", SMALL, message_bytes_max=100000) as (_, s, p):
        drop_two(p)
        must(one(s).lost_before == 0)
        view = one(s)
        must(view.data == b"b" and view.lost_before == 2 and view.sequence == 3)
        must(s.counter("lost") == 2 and s.counter("too_large") == 2)
        del view


@check
def loss_event():
    # Straight from the lane what is too large is lost; through a broker, what is
    # not taken before its publisher needs the memory again.
    out = {"message_bytes_max": 100000, "loan_count_max": 16}
    with Pair("loss_event", dict(SMALL, events=True), **out) as (_, s, p):
        sent = 4
        if BROKERED:
            sent = 1000
            for _ in range(sent):
                p.publish(bytes(15000), timeout=10)
        else:
            drop_two(p)
        lost = taken = 0
        while lost + taken < sent:
            with one(s) as view:
                lost += view.lost_before
                if view.event is msg.Event.LOST:
                    must(len(view) == 0 and view.lost_before > 0)
                    must(bytes(view.data) == b"")
                    want = msg.Loss.LAPPED if BROKERED else msg.Loss.TOO_LARGE
                    must(view.reason is want, view.reason)
                elif view.event is msg.Event.MESSAGE:
                    must(view.sequence == lost + taken)
                    taken += 1
        must(lost == s.counter("lost"))
        must(lost > 0 if BROKERED else lost == 2)


@check
def events():
    with msg.Node() as node, outside() as other:
        s = node.subscriber("events", events=True)
        p = other.publisher("events")
        with one(s) as view:
            must(view.event is msg.Event.JOINED and view.publisher == p.id)
        p.publish(b"x")
        with one(s) as view:
            must(view.event is msg.Event.MESSAGE)
        name = p.id
        p.close()
        with one(s) as view:
            must(view.event is msg.Event.LEFT and view.publisher == name)


# ---- topics ---------------------------------------------------------------------


@check
def wildcard():
    with msg.Node() as node:
        names = ["md.acme.bid", "md.acme.ask", "weather.acme.bid"]
        publishers = {name: node.publisher(name) for name in names}
        bids, everything = node.subscriber("md.*.bid"), node.subscriber("md.>")
        seen = {"bids": 0, "md.acme.bid": 0, "md.acme.ask": 0}
        limit = time.monotonic() + 20
        # A pattern follows what is announced, a second later at most.
        while min(seen.values()) < 3:
            must(time.monotonic() < limit)
            for name, publisher in publishers.items():
                publisher.publish(name.encode(), timeout=10)
            bids.wait(0.02)
            for view in bids.take():
                must(view.topic == "md.acme.bid" and view.data == b"md.acme.bid")
                seen["bids"] += 1
            for view in everything.take():
                must(view.data == view.topic.encode())
                seen[view.topic] += 1
        del view


@check
def match():
    must(msg.topic_match("md.*.bid", "md.acme.bid") is True)
    must(msg.topic_match("md.*.bid", "md.acme.ask") is False)
    raises(msg.ArgumentError, msg.topic_match, "md..bid", "md")


@check
def counters():
    with Pair("counters") as (_, s, p):
        for _ in range(10):
            p.publish(b"12345")
        for _ in range(10):
            one(s)
        for counted in (p, s):
            must(counted.counter("messages") == 10)
            must(counted.counters()["bytes"] == 50)
        raises(KeyError, p.counter, "unheard of")
        must(msg.COUNTERS["lost"].meaning and msg.COUNTERS["lost"].remedy)


@check
def directory():
    with Pair("list.one", message_bytes_max=5000) as (node, _, p):
        with node.publisher("list.two"), node.publisher("else"):
            with node.directory("list.*") as listing:
                limit = time.monotonic() + 10
                infos = []
                while len(infos) < 2:
                    must(time.monotonic() < limit)
                    infos = listing.read(0.1)
                    node.progress()
        must([i.topic for i in infos] == ["list.one", "list.two"])
        must(infos[0].publisher == p.id and infos[0].pid == os.getpid())
        must(infos[0].message_bytes_max == 5000)


@check
def lane():
    logged = []
    with msg.Node(log=lambda *line: logged.append(line)) as node:
        info = node.info
        must(logged[0][:2] == (msg.LogLevel.INFO, "node-open") and logged[0][2])
        must(info.interface == "lo" and info.reason)
        must((info.broker != "") == (info.broker_pid != 0) == BROKERED)
    must(msg.version().startswith("0.1."))


if __name__ == "__main__":
    for function in CHECKS:
        function()
        gc.collect()
        must(not UNSEEN, UNSEEN)
        print("ok", function.__name__, flush=True)
