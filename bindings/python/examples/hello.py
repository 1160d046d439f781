# SPDX-License-Identifier: BSD-2-Clause
"""hello.py - ten readings sent, taken and printed, in one process."""

import struct

import msg

reading = struct.Struct("=Qd")

with msg.Node() as node:
    subscriber = node.subscriber("lab.oven", decode=reading.unpack)
    publisher = node.publisher("lab.oven")

    for number in range(10):
        with publisher.loan(reading.size) as loan:
            reading.pack_into(loan.data, 0, number, 180.0 + number)
            loan.send()

    for view in subscriber.messages(timeout=0.5):
        with view:
            number, celsius = view.value
            print(f"{number}: {celsius:.1f} ({view.lost_before} lost before)")
