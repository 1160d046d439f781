#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# package.sh - `pip install` from the tree, with no network and nothing but Python,
# leaves a package that works: into a folder, as a wheel, from the sdist and
# editable; and without the library it says what to do.
#
#   PYTHON=... SOURCE=... MSG_LIBRARY=... package.sh
set -euo pipefail
: "${PYTHON:?}" "${SOURCE:?}" "${MSG_LIBRARY:?}"

"$PYTHON" -m pip --version >/dev/null 2>&1 ||
	{ echo 'SKIP package: this python3 has no pip'; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH PYTHONDONTWRITEBYTECODE
export HOME=$work PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore
cp -r "$SOURCE/bindings/python" "$work/tree"
cd "$work"

# shellcheck source=tests/support/quietly.sh
. "$SOURCE/tests/support/quietly.sh"

# works FOLDER: what is installed there sends itself ten messages.
works() {
	quietly "hello, $1" env PYTHONPATH="$work/$1" "$PYTHON" -I -c "
import sys
sys.path.insert(0, '$work/$1')
import runpy
runpy.run_path('$SOURCE/bindings/python/examples/hello.py')
import msg
assert msg.__file__.startswith('${2:-$work/$1}'), msg.__file__"
	grep -q '^9: 189.0 (0 lost before)' "$work/said" ||
		{ cat "$work/said"; echo "FAIL: hello, $1"; exit 1; }
}

quietly 'pip install' "$PYTHON" -m pip install --target "$work/installed" "$work/tree"
works installed
[ -f "$work/installed/msg/py.typed" ] || { echo 'FAIL: no py.typed'; exit 1; }
quietly 'metadata' "$PYTHON" -c "
import sys
sys.path.insert(0, '$work/installed')
from importlib.metadata import metadata, requires
import msg
m = metadata('msg')
assert m['Version'] == msg.__version__, m['Version']
assert m['Requires-Python'] == '>=3.8'
assert any('protobuf' in r for r in requires('msg'))"

# The same wheel from the same tree, whenever.
quietly 'pip wheel' "$PYTHON" -m pip wheel -q -w "$work/one" "$work/tree"
touch "$work/tree/msg/"*
quietly 'pip wheel, again' "$PYTHON" -m pip wheel -q -w "$work/two" "$work/tree"
cmp "$work"/one/*.whl "$work"/two/*.whl || { echo 'FAIL: two wheels'; exit 1; }

quietly 'sdist' "$PYTHON" -c "
import sys
sys.path.insert(0, '$work/tree')
import wheel_backend
print(wheel_backend.build_sdist('$work'))"
quietly 'pip install, sdist' "$PYTHON" -m pip install --target "$work/from_sdist" \
	"$work"/msg-*.tar.gz
works from_sdist

quietly 'editable' "$PYTHON" -c "
import sys
sys.path.insert(0, '$work/tree')
import wheel_backend
print(wheel_backend.build_editable('$work'))"
mkdir editable
quietly 'its wheel' "$PYTHON" -m zipfile -e "$work"/msg-*.whl "$work/editable"
[ "$(cat "$work/editable/msg.pth")" = "$work/tree" ] ||
	{ echo 'FAIL: editable'; exit 1; }
works tree

# Nothing is left in the tree but what Python itself caches.
rm -rf "$work"/tree/*/__pycache__ "$work/tree/__pycache__"
diff -r "$SOURCE/bindings/python" "$work/tree" -x __pycache__ ||
	{ echo 'FAIL: pip changed the tree'; exit 1; }

# Without the library.
if PYTHONPATH=$work/installed MSG_LIBRARY=$work/none.so "$PYTHON" -c 'import msg' \
	2>"$work/said"; then
	echo 'FAIL: imported without a library'
	exit 1
fi
grep -q "ImportError: libmsg cannot be used: .*MSG_LIBRARY" "$work/said" ||
	{ cat "$work/said"; echo 'FAIL: the error does not say what to do'; exit 1; }
echo 'ok: without the library'
