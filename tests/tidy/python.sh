#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# python.sh - every Python file compiles, is indented with blanks, has lines of 88
# columns at most and a docstring on top, imports nothing it does not use and uses
# no name it does not have: the last two by pyflakes, where that is.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t sources < <(files '\.py$')
if [ ${#sources[@]} = 0 ]; then
	verdict 'no Python'
	exit
fi
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3) || {
	echo 'SKIP python: no python3'
	exit 77
}

complain_all < <("$python" - "${sources[@]}" <<'PYTHON'
import ast
import sys

for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        text = file.read()
    try:
        tree = ast.parse(text, name)
    except SyntaxError as error:
        print(f"{name}:{error.lineno or 1}: {error.msg}")
        continue
    if not ast.get_docstring(tree):
        print(f"{name}:1: no docstring on top")
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("\t"):
            print(f"{name}:{number}: a tab; Python is indented with blanks")
        if len(line) > 88:
            print(f"{name}:{number}: {len(line)} columns")
PYTHON
)
if "$python" -c 'import pyflakes' 2>/dev/null; then
	complain_all < <("$python" -m pyflakes "${sources[@]}" 2>&1 || true)
else
	echo 'SKIP pyflakes: it is not here'
fi
verdict "${#sources[@]} files of Python"
