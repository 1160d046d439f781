# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# lib.sh - what the checks of this folder share.  Sourced, not run.
#
#   NAME.sh [TREE]     checks the tree that holds it, or another one, as
#                      selftest.sh does; every complaint is FILE:LINE: TEXT
#
#   files REGEX        names of the tree's files, tracked ones in a checkout
#   complain TEXT...   the check fails in the end
#   verdict TEXT       last line of a check

set -euo pipefail
export LC_ALL=C.UTF-8
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$here/../..}"
complaints=0

# What git does not track is nobody's yet; a tree that is no checkout (a
# released archive, a sample of the self-test) is read whole.
if [ "$(git rev-parse --show-toplevel 2>/dev/null)" = "$PWD" ]; then
	# Without those removed and not yet committed.
	listing=$(comm -23 <(git ls-files | sort) <(git ls-files -d | sort))
else
	listing=$(find . -type f ! -path './build*' ! -path './.git/*' |
		sed 's|^\./||' | sort)
fi

files() {
	grep -E -- "$1" <<<"$listing" || true
}

complain() {
	echo "$*"
	complaints=$((complaints + 1))
}

# Complaints of a program, a line each.
complain_all() {
	local line
	while read -r line; do
		complain "$line"
	done
}

verdict() {
	if [ $complaints != 0 ]; then
		echo "FAIL: $complaints complaints: $1"
		exit 1
	fi
	echo "ok: $1"
}
