# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# common.sh - what the checks of the machines share; they source it.

set -euo pipefail

fail() { echo "$*"; exit 1; }

# need PROGRAM PACKAGE: skip when it is not there.
need() {
	command -v "$1" >/dev/null && return
	echo "no $1; run: apt-get install $2"
	exit 77
}

# The index of rxe0's IPv4 address in its table of addresses.
gid_index() {
	local file
	for file in /sys/class/infiniband/rxe0/ports/1/gids/*; do
		if [[ $(<"$file") == 0000:0000:0000:0000:0000:ffff:* ]]; then
			echo "${file##*/}"
			return
		fi
	done
	fail "rxe0 has no IPv4 address"
}
