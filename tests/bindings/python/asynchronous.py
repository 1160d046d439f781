# SPDX-License-Identifier: BSD-2-Clause
"""asynchronous.py - subscribers and publishers among the tasks of asyncio.

    asynchronous.py direct|broker

Messages wake their task and no other, none is lost between arm and sleep, others
run meanwhile, and time limits and cancelling leave nothing behind.
"""

import asyncio
import struct
import sys
import time

import msg
from support import must

ROUNDS = 300


async def echo(subscriber, publisher):
    async for view in subscriber:
        publisher.publish(view.data, timeout=10)
        del view  # A task that is cancelled keeps what it knew.


async def ping(subscriber, publisher):
    """Each message meets the other side now before, now in its sleep."""
    answers = subscriber.messages_async(timeout=10)
    for i in range(ROUNDS):
        if i % 3 == 0:
            await asyncio.sleep(0)
        publisher.publish(struct.pack("i", i))
        view = await answers.__anext__()
        must(struct.unpack("i", view.data) == (i,), "out of order")
        must(view.lost_before == 0)
        del view
    await answers.aclose()


async def count(ticks):
    while True:
        await asyncio.sleep(0.001)
        ticks.append(time.monotonic())


async def no_wake_is_lost(node):
    ticks = []
    with node.subscriber("there") as there, node.subscriber("back") as back:
        with node.publisher("there") as out, node.publisher("back") as answer:
            tasks = [
                asyncio.create_task(echo(there, answer)),
                asyncio.create_task(count(ticks)),
            ]
            await asyncio.wait_for(ping(back, out), 60)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    must(ticks, "others did not run")


async def a_limit_is_kept(node):
    with node.subscriber("limit") as subscriber:
        start = time.monotonic()
        while await subscriber.wait_async(0.05):
            must(subscriber.take() == [])
        must(time.monotonic() - start >= 0.045)
        found = [view async for view in subscriber.messages_async(timeout=0.02)]
        must(found == [])


async def cancelled_tasks_leave_nothing(node):
    loop = asyncio.get_running_loop()
    with node.subscriber("cancel") as subscriber:
        for _ in range(20):
            task = asyncio.create_task(subscriber.wait_async())
            await asyncio.sleep(0.002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        must(not loop.remove_reader(subscriber.fileno()), "a reader was left")
        first = asyncio.create_task(subscriber.wait_async(5))
        await asyncio.sleep(0.01)
        if not first.done():
            try:
                await subscriber.wait_async()
                must(False, "two tasks wait")
            except RuntimeError:
                pass
        with node.publisher("cancel") as publisher:
            publisher.publish(b"x")
            must(await first)


async def a_busy_stream_lets_others_run(node):
    ticks = []
    counter = asyncio.create_task(count(ticks))
    with node.subscriber("busy", buffer_count=4096) as subscriber:
        with node.publisher("busy") as publisher:
            for i in range(3000):
                loan = publisher.loan(4, timeout=10)
                loan.data[:] = struct.pack("i", i)
                loan.queue()
            publisher.flush()
            before, seen = len(ticks), 0
            async for view in subscriber.messages_async(timeout=2):
                seen += 1 + view.lost_before
                time.sleep(0.0001)
                if seen >= 3000:
                    break
            del view
    counter.cancel()
    must(len(ticks) > before + 3, f"others ran {len(ticks) - before} times")


async def a_full_publisher_waits(node):
    with node.publisher("full", loan_count_max=2) as publisher:
        whole = node.info.frame_bytes - 24
        loans = [publisher.loan(whole), publisher.loan(whole)]
        task = asyncio.create_task(publisher.publish_async(bytes(whole)))
        await asyncio.sleep(0.02)
        must(not task.done())
        try:
            await publisher.publish_async(bytes(whole), timeout=0.01)
            must(False, "it was not full")
        except msg.Again:
            pass
        loans.pop().abandon()
        await asyncio.wait_for(task, 10)
        del loans


async def main():
    for test in (
        no_wake_is_lost,
        a_limit_is_kept,
        cancelled_tasks_leave_nothing,
        a_busy_stream_lets_others_run,
        a_full_publisher_waits,
    ):
        with msg.Node() as node:
            await test(node)
        print(test.__name__, "holds", flush=True)


print(sys.version.split()[0])
asyncio.run(main())
