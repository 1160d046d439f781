#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""terminal.py - what stands on a terminal, as SVG: text stays text.

    tmux capture-pane -p -e | terminal.py COLUMNS TITLE 'ABOUT' >screen.svg

Reads lines with the attributes that tmux writes (colours of 16 and 256, bold, dim,
reverse).  ABOUT becomes a comment in front: how the picture was made.
"""

import re
import sys
from xml.sax.saxutils import escape

CELL, LINE, SIZE = 8.4, 19, 14
MARGIN, BAR = 16, 34
BACK, TEXT, DIM = "#11161d", "#dce3ea", "#7d8894"
COLOURS = (
    "#3b434d #f2777a #7fc47f #e8c36a #6ca9ef #c792ea #5cc8c2 #c9d1d9 "
    "#7d8894 #ff9a9c #a5dda5 #f5d98b #93c4ff #dbb2f5 #8fe3de #ffffff"
).split()
TOKEN = re.compile(r"\x1b\[([0-9;]*)m|\x1b\([A-Z0-9]|[\x0e\x0f]")


class Look:
    """The attributes of a character."""

    def __init__(self):
        self.fore = self.back = None
        self.bold = self.dim = self.reverse = False

    def take(self, codes):
        codes = [int(code or 0) for code in codes.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.__init__()
            elif code in (1, 2, 7):
                setattr(self, {1: "bold", 2: "dim", 7: "reverse"}[code], True)
            elif code == 22:
                self.bold = self.dim = False
            elif code == 27:
                self.reverse = False
            elif code in (38, 48) and len(codes) > 1 and codes[0] == 5:
                self.colour(code == 48, colour_of_256(codes[1]))
                del codes[:2]
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.colour(False, COLOURS[code % 10 + 8 * (code >= 90)])
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.colour(True, COLOURS[code % 10 + 8 * (code >= 100)])
            elif code in (39, 49):
                self.colour(code == 49, None)

    def colour(self, back, value):
        if back:
            self.back = value
        else:
            self.fore = value

    def seen(self):
        fore = self.fore or (DIM if self.dim else TEXT)
        back = self.back
        if self.reverse:
            fore, back = back or BACK, fore
        return fore, back, self.bold


def colour_of_256(number):
    if number < 16:
        return COLOURS[number]
    if number >= 232:
        return "#" + "%02x" % (8 + 10 * (number - 232)) * 3
    steps = (0, 95, 135, 175, 215, 255)
    number -= 16
    return "#%02x%02x%02x" % (
        steps[number // 36], steps[number // 6 % 6], steps[number % 6])


def runs(line, look):
    """Pieces of a line that look the same: column, text, look."""
    column, at, out = 0, 0, []
    for token in list(TOKEN.finditer(line)) + [None]:
        text = line[at : token.start() if token else len(line)]
        if text:
            out.append((column, text, look.seen()))
        column += len(text)
        if token:
            at = token.end()
            if token.group(1) is not None:
                look.take(token.group(1))
    return out


def draw(lines, columns, title, about):
    width = columns * CELL + 2 * MARGIN
    height = len(lines) * LINE + BAR + MARGIN
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">'
    )
    yield f"<!-- {about.replace('--', '- -')} -->"
    yield f"<title>{escape(title)}</title>"
    yield (
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" '
        f'fill="{BACK}"/>'
    )
    for i, colour in enumerate(COLOURS[1:4]):
        yield f'<circle cx="{MARGIN + 4 + 18 * i}" cy="17" r="5.5" fill="{colour}"/>'
    yield (
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, '
        f"'DejaVu Sans Mono', monospace\" font-size=\"{SIZE}\" "
        'xml:space="preserve">'
    )
    yield (
        f'<text x="{width / 2:.0f}" y="22" text-anchor="middle" '
        f'fill="{DIM}">{escape(title)}</text>'
    )
    look = Look()
    for row, line in enumerate(lines):
        y = BAR + LINE * row
        for column, text, (fore, back, bold) in runs(line, look):
            x, wide = MARGIN + column * CELL, len(text) * CELL
            if back:
                yield (
                    f'<rect x="{x:.1f}" y="{y}" width="{wide:.1f}" '
                    f'height="{LINE}" fill="{back}"/>'
                )
            # Blanks at its ends only move it, so that any font fits.
            bare = text.strip(" ")
            if not bare:
                continue
            x += (len(text) - len(text.lstrip(" "))) * CELL
            weight = ' font-weight="bold"' if bold else ""
            yield (
                f'<text x="{x:.1f}" y="{y + 14}" fill="{fore}"{weight} '
                f'textLength="{len(bare) * CELL:.1f}" '
                f'lengthAdjust="spacingAndGlyphs">{escape(bare)}</text>'
            )
    yield "</g>"
    yield "</svg>"


def main():
    columns, title, about = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    lines = sys.stdin.read().split("\n")
    while lines and not TOKEN.sub("", lines[-1]).strip():
        lines.pop()
    for line in draw(lines, columns, title, about):
        print(line)


if __name__ == "__main__":
    main()
