# SPDX-License-Identifier: BSD-2-Clause
"""plot.py - live data as it comes: a line for each topic.

    plot.py 'lab.>'                        messages of "=Qd": a number, a value
    plot.py --struct '<iff' --field 1 'robot.*.pose'
    plot.py --demo                         sends something to look at, itself
    plot.py --text ...                     in the terminal
    plot.py --png FILE ...                 no window: one picture in the end

With matplotlib a window shows the last --seconds; without it, or with --text, the
terminal does.  Gaps in a line are messages that were lost.  Ends with its window,
with Ctrl-C, or after --for seconds.
"""

import argparse
import collections
import math
import shutil
import struct
import sys
import threading
import time

import msg

BARS = " ▁▂▃▄▅▆▇█"
FRAME_S = 0.1


class Line:
    """The last values of one topic; None where some were lost."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.points = collections.deque()
        self.count = self.lost = 0

    def add(self, now, value, lost):
        if lost:
            self.points.append((now, None))
        self.points.append((now, value))
        self.count += 1
        self.lost += lost
        while self.points[0][0] < now - self.seconds:
            self.points.popleft()


def receive(subscriber, options, lines):
    """Take what came in one frame of the picture, and no longer."""
    form, end = struct.Struct(options.struct), time.monotonic() + FRAME_S
    while True:
        now = time.monotonic()
        for view in subscriber.take():
            with view:
                if len(view) != form.size:
                    continue
                values = form.unpack(view.data)
                line = lines.setdefault(view.topic, Line(options.seconds))
                line.add(now, float(values[options.field]), view.lost_before)
        if now >= end or not subscriber.wait(end - now):
            return


def bars(points, width):
    """A line of text: `width` values of the points, as heights."""
    values = [value for _, value in points][-width:]
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return "", 0.0, 0.0
    low, high = min(known), max(known)
    scale = (len(BARS) - 2) / (high - low) if high > low else 0
    drawn = [
        "?" if v is None or not math.isfinite(v) else BARS[1 + int((v - low) * scale)]
        for v in values
    ]
    return "".join(drawn), low, high


def show_text(lines):
    width = max(shutil.get_terminal_size().columns - 60, 20)
    if sys.stdout.isatty():
        print("\033[H\033[J", end="")
    for topic, line in sorted(lines.items()):
        drawn, low, high = bars(line.points, width)
        print(
            f"{topic:20.20} {low:9.3g} .. {high:<9.3g} "
            f"{line.count:6} got {line.lost} lost {drawn}"
        )
    sys.stdout.flush()


class Picture:
    """The same with matplotlib."""

    def __init__(self, options):
        import matplotlib  # pylint: disable=import-outside-toplevel

        if options.png:
            matplotlib.use("Agg")
        import matplotlib.pyplot as plot  # pylint: disable=import-outside-toplevel

        self.plot, self.png, self.drawn = plot, options.png, {}
        self.figure, self.axes = plot.subplots()
        self.axes.set_xlabel("seconds")
        self.figure.canvas.mpl_connect("close_event", self.close)
        self.is_open = True
        if not self.png:
            plot.show(block=False)

    def close(self, _=None):
        self.is_open = False

    def show(self, lines):
        now = time.monotonic()
        for topic, line in sorted(lines.items()):
            if topic not in self.drawn:
                (self.drawn[topic],) = self.axes.plot([], [], label=topic)
                self.axes.legend(loc="upper left")
            xs = [when - now for when, _ in line.points]
            ys = [math.nan if v is None else v for _, v in line.points]
            self.drawn[topic].set_data(xs, ys)
        self.axes.relim()
        self.axes.autoscale_view()
        if not self.png:
            self.figure.canvas.draw_idle()
            self.plot.pause(0.001)

    def save(self):
        if self.png:
            self.figure.savefig(self.png)


def demo(node, stop):
    """Two waves, a hundred values a second each."""
    form = struct.Struct("=Qd")
    publishers = [node.publisher("demo.sine"), node.publisher("demo.saw")]
    number = 0
    while not stop.wait(0.01):
        values = math.sin(number / 30), number % 100 / 50 - 1
        for publisher, value in zip(publishers, values):
            publisher.publish(form.pack(number, value), timeout=1)
        number += 1
    for publisher in publishers:
        publisher.close()


def show_all(subscriber, options):
    picture, lines = None, {}
    if not options.text:
        try:
            picture = Picture(options)
        except ImportError as error:
            print(f"plot: {error}; drawn as text", file=sys.stderr)
    end = time.monotonic() + options.limit if options.limit else math.inf
    try:
        while time.monotonic() < end and (picture is None or picture.is_open):
            receive(subscriber, options, lines)
            if picture:
                picture.show(lines)
            else:
                show_text(lines)
    except KeyboardInterrupt:
        pass
    if picture:
        picture.save()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("topic", nargs="?", help="topic or pattern")
    parser.add_argument("--struct", default="=Qd", help="as of the module struct")
    parser.add_argument("--field", type=int, default=-1, help="which of its values")
    parser.add_argument("--seconds", type=float, default=10, help="shown at once")
    parser.add_argument("--for", type=float, dest="limit", help="end after so many s")
    parser.add_argument("--text", action="store_true")
    parser.add_argument("--png", metavar="FILE")
    parser.add_argument("--demo", action="store_true")
    options = parser.parse_args()
    if not options.topic and not options.demo:
        parser.error("a topic, or --demo")
    with msg.Node() as node:
        stop = threading.Event()
        sender = threading.Thread(target=demo, args=(node, stop))
        with node.subscriber(options.topic or "demo.*") as subscriber:
            if options.demo:
                sender.start()
            try:
                show_all(subscriber, options)
            finally:
                stop.set()
                if options.demo:
                    sender.join()


if __name__ == "__main__":
    try:
        main()
    except msg.Error as failure:
        sys.exit(f"plot: {failure}")
