#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""count.py - what of llvm-cov's counts is a promise, and whether it is kept.

    count.py [--show] COUNTS ROOMS

COUNTS is what `llvm-cov export` wrote, ROOMS the folder that file names are
printed below.  A line a file: branches (each condition's two outcomes), and
conditions of decisions that were shown to matter by themselves (MC/DC).
Assertions are no branches of ours: their other side is an abort.  What may be
missing stands in `unreached` beside this file, with the reason; anything else
is printed, and exit status 1.
"""
import json
import pathlib
import re
import sys


def assertion_lines(source):
    """Numbers of the lines that an assertion stands on."""
    lines, inside = set(), False
    for number, line in enumerate(source, 1):
        inside = inside or re.match(r"\s*(static_)?assert\(", line) is not None
        if inside:
            lines.add(number)
            inside = ";" not in line
    return lines


def allowed(path):
    """What may be missing: {(file, text of the line)}."""
    rows = set()
    for line in path.read_text().splitlines():
        if line and not line.startswith("#") and not line.startswith("\t"):
            name, text = line.split(maxsplit=1)
            rows.add((name, text))
    return rows


def missing(entry, source, skip):
    """Branches and conditions of one file, and those that were not reached."""
    branches, conditions, gaps = {}, 0, []
    for at in entry["branches"]:
        if at[0] not in skip:
            key = tuple(at[:4])
            counts = branches.get(key, (0, 0))
            branches[key] = (counts[0] + at[4], counts[1] + at[5])
    reached = 0
    for (line, column, last, end), counts in sorted(branches.items()):
        text = source[line - 1][column - 1:end - 1 if last == line else None]
        for outcome, count in zip(("true", "false"), counts):
            reached += count > 0
            if count == 0:
                gaps.append((line, f"never {outcome}: {text}"))
    shown = 0
    for at in entry["mcdc_records"]:
        if at[0] in skip:
            continue
        conditions += len(at[-1])
        shown += sum(at[-1])
        for number, is_shown in enumerate(at[-1], 1):
            if not is_shown:
                gaps.append((at[0], f"condition {number} never decides: "
                             + source[at[0] - 1].strip()))
    return reached, 2 * len(branches), shown, conditions, gaps


def main():
    show = "--show" in sys.argv
    counts, rooms = [a for a in sys.argv[1:] if a != "--show"]
    known = allowed(pathlib.Path(__file__).with_name("unreached"))
    used, failed = set(), False
    print(f"{'':30}{'branches':>14}{'MC/DC':>14}")
    for entry in json.loads(pathlib.Path(counts).read_text())["data"][0]["files"]:
        name = entry["filename"].removeprefix(rooms + "/")
        source = pathlib.Path(entry["filename"]).read_text().splitlines()
        got, of, shown, conditions, gaps = missing(
            entry, source, assertion_lines(source))
        print(f"{name:30}{f'{got}/{of}':>14}{f'{shown}/{conditions}':>14}")
        for line, text in sorted(gaps):
            row = (name, source[line - 1].strip())
            if row in known:
                used.add(row)
            else:
                failed = True
            if show or row not in known:
                print(f"  {name}:{line}: {text}")
    for name, text in sorted(known - used):
        failed = True
        print(f"  reached by now, yet in `unreached`: {name} {text}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
