# SPDX-License-Identifier: BSD-2-Clause
"""memory.py - nothing in Python ever points at memory that went back.

    memory.py direct|broker

Whatever is made of a view's or loan's memory (slices, casts, numpy arrays, exports
to C), by whom and in what order it is forgotten: either it is invalid and says so,
or it keeps the message.  conformance.sh says where this runs.
"""

import ctypes
import gc
import os
import random
import subprocess
import sys
import threading
import time
import weakref

import msg
import msg._memory
from support import must, one, raises

try:
    import numpy
except ImportError:
    numpy = None

SEED = int(os.environ.get("MSG_TEST_SEED") or time.time_ns() % 2**32)


def out():
    """How many views and loans are out."""
    return len(msg._memory._ALIVE)


class Exporter(ctypes.Structure):
    """What a C extension does: it holds the buffer itself."""

    class Buffer(ctypes.Structure):
        _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.py_object)] + [
            (f"rest{i}", ctypes.c_void_p) for i in range(8)
        ]

    def __init__(self, exported):
        super().__init__()
        self.buffer = self.Buffer()
        get = ctypes.pythonapi.PyObject_GetBuffer
        get.argtypes = [ctypes.py_object, ctypes.c_void_p, ctypes.c_int]
        must(get(exported, ctypes.addressof(self.buffer), 0) == 0)

    def end(self):
        release = ctypes.pythonapi.PyBuffer_Release
        release.argtypes = [ctypes.c_void_p]
        release(ctypes.addressof(self.buffer))


# Each makes something of a memoryview that lives on without it.
MAKERS = {
    "slice": lambda data: data[1:3],
    "cast": lambda data: data.cast("c"),
    "copy of the view": memoryview,
    "read-only": lambda data: data.toreadonly(),
    "steps": lambda data: data[::2],
    "slice of a slice": lambda data: data[1:][1:],
    "its object": lambda data: data.obj,
    "C": Exporter,
}
if numpy is not None:
    MAKERS["numpy"] = lambda data: numpy.frombuffer(data, dtype="u1")
    MAKERS["asarray"] = numpy.asarray
    MAKERS["numpy slice"] = lambda data: numpy.frombuffer(data, "u1")[2:]


def end(made):
    if isinstance(made, Exporter):
        made.end()


def views_are_kept(_, subscriber, publisher):
    for name, make in MAKERS.items():
        publisher.publish(b"12345678", timeout=10)
        view = one(subscriber)
        made = make(view.data)
        raises(BufferError, view.release)
        must(not view.released, name)
        must(view.data == b"12345678", name)
        must(out() == 1)
        raises(msg.Busy, subscriber.close)
        end(made)
        del made
        view.release()
        must(view.released and out() == 0, name)
        # Forgotten with something made of it: that is who gives it back.
        publisher.publish(b"12345678", timeout=10)
        made = make(one(subscriber).data)
        del view
        must(out() == 1, name)
        end(made)
        del made
        must(out() == 0, name)


def loans_are_kept(_, subscriber, publisher):
    for name, make in MAKERS.items():
        loan = publisher.loan(8)
        loan.data[:] = b"abcdefgh"
        made = make(loan.data)
        for call in (loan.send, loan.queue, loan.abandon):
            raises(BufferError, call)
            must(not loan.spent and loan.data == b"abcdefgh", name)
        raises(msg.Busy, publisher.close)
        end(made)
        del made
        loan.send()
        must(loan.spent and out() == 0, name)
        must(one(subscriber).tobytes() == b"abcdefgh", name)
        # Forgotten: abandoned when the last of it is, and not sent, though that was
        # tried.
        loan, sent = publisher.loan(8), publisher.counter("messages")
        made = make(loan.data)
        raises(BufferError, loan.send)
        del loan
        must(out() == 1, name)
        end(made)
        del made
        must(out() == 0 and publisher.counter("messages") == sent, name)


def what_was_shown_is_invalid(_, subscriber, publisher):
    publisher.publish(b"12345678")
    view = one(subscriber)
    data = view.data
    must(data is view.data and data.readonly)
    view.release()
    must("released" in str(raises(ValueError, lambda: data[0])))
    must("released" in str(raises(ValueError, lambda: view.data)))
    loan = publisher.loan(8)
    data = loan.data
    must(not data.readonly)
    loan.abandon()
    raises(ValueError, data.__setitem__, 0, 1)
    raises(TypeError, one_more(subscriber, publisher).data.__setitem__, 0, 1)


def one_more(subscriber, publisher):
    publisher.publish(b"12345678", timeout=10)
    return one(subscriber)


def memory_outlives_its_owners(node, *_):
    other = msg.Node()
    subscriber = other.subscriber("owners")
    publisher = node.publisher("owners")
    publisher.publish(b"12345678")
    part = one(subscriber).data[2:4]
    gone = weakref.ref(subscriber)
    del subscriber, other
    gc.collect()
    # The slice holds the view, that the subscriber, that the node.
    must(gone() is not None and part == b"34" and out() == 1)
    del part
    must(out() == 0 and gone() is None)
    publisher.close()


def cycles_are_found(_, subscriber, publisher):
    publisher.publish(b"12345678", timeout=10)
    ring = [one(subscriber)]
    ring.append(ring)
    ring.append(ring[0].data)
    must(out() == 1)
    del ring
    gc.collect()
    must(out() == 0)


def random_order(_, subscriber, publisher):
    """Many views, each with things made of it, forgotten in any order."""
    pick = random.Random(SEED)
    held = []
    for number in range(600):
        publisher.publish(number.to_bytes(8, "little") * 4, timeout=10)
        view = one(subscriber)
        things = [view] if pick.random() < 0.7 else []
        for _ in range(pick.randrange(4)):
            names = [n for n in MAKERS if n not in ("C", "its object", "asarray")]
            things.append(MAKERS[pick.choice(names)](view.data))
        held.append((view.sequence, things))
        del view
        things = None
        while len(held) > 40 or (held and pick.random() < 0.3):
            sequence, things = held[pick.randrange(len(held))]
            if things:
                thing = things.pop(pick.randrange(len(things)))
                if isinstance(thing, msg.View):
                    want = sequence.to_bytes(8, "little") * 4
                    must(thing.tobytes() == want, f"seed {SEED}")
                    if any(not isinstance(t, msg.View) for t in things):
                        raises(BufferError, thing.release)
                del thing
            else:
                held = [h for h in held if h[1]]
            things = None
        must(out() == sum(1 for h in held if h[1]), f"seed {SEED}")
    held.clear()
    must(out() == 0, f"seed {SEED}: {out()} are out")
    must(subscriber.counter("lost") == 0, f"seed {SEED}")


def threads_forget(_, subscriber, publisher):
    """Views forgotten on other threads while this one takes."""
    handed, lock = [], threading.Condition()
    done = []

    def forget():
        while True:
            with lock:
                while not handed and not done:
                    lock.wait()
                if not handed:
                    return
                view = handed.pop()
            must(view.data[0] == view.sequence % 256)
            if view.sequence % 2:
                view.release()
            del view

    threads = [threading.Thread(target=forget) for _ in range(3)]
    for thread in threads:
        thread.start()
    first = None
    for _ in range(2000):
        first = publisher.counter("messages") if first is None else first
        publisher.publish(bytes([publisher.counter("messages") % 256]), timeout=10)
        view = one(subscriber)
        with lock:
            handed.append(view)
            lock.notify()
        del view
    with lock:
        done.append(True)
        lock.notify_all()
    for thread in threads:
        thread.join()
    must(out() == 0 and subscriber.counter("release_refused") == 0)


# Programs that end with everything open and out.
ENDINGS = {
    "all": "keep = [part, view, loan.data[2:], loan]",
    "slice": "keep = part; del view, loan",
    "exit in a thread": "import threading; threading.Timer(0.01, int).start()",
    "hard": "import os; os._exit(0)",
}
PROGRAM = """
import msg
node = msg.Node(log=print)
subscriber, publisher = node.subscriber("ending"), node.publisher("ending")
publisher.publish(b"12345678")
for view in subscriber.messages(timeout=5):
    break
part = view.data[1:]
loan = publisher.loan(8)
"""


def programs_end(*_):
    for name, line in ENDINGS.items():
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", PROGRAM + line],
            capture_output=True,
            timeout=60,
            check=False,
        )
        must(done.returncode == 0, f"{name}: {done}")
        must(done.stderr == b"", f"{name}: {done.stderr.decode()}")


def main():
    print(f"seed {SEED}; numpy: {numpy.__version__ if numpy else 'SKIP, not here'}")
    for test in (
        views_are_kept,
        loans_are_kept,
        what_was_shown_is_invalid,
        memory_outlives_its_owners,
        cycles_are_found,
        random_order,
        threads_forget,
        programs_end,
    ):
        gc.collect()
        with msg.Node() as node:
            subscriber = node.subscriber("memory")
            test(node, subscriber, node.publisher("memory"))
            del subscriber
        must(out() == 0, test.__name__)
        print(test.__name__, "holds", flush=True)


main()
