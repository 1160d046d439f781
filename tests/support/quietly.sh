# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
#
# quietly.sh - for scripts of many steps, which source it.
#
#   quietly WHAT COMMAND...   "ok: WHAT"; or the end of what it printed, and exit 1
: "${work:?is not set: a folder}"

quietly() {
	local what=$1
	shift
	if ! "$@" >"$work/said" 2>&1; then
		tail -n 60 "$work/said"
		echo "FAIL: $what"
		exit 1
	fi
	echo "ok: $what"
}
