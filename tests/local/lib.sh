# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# lib.sh - what the scripts of this folder share.  Sourced, not run.
#
#   start NAME COMMAND...   in the background: $work/NAME.out, $work/NAME.err
#   await SECONDS COMMAND   until it succeeds; fails the test after that long
#   finish NAME [SECONDS]   wait for it; its exit code in $code
#   stand_still NAME...     SIGSTOP, until it does
#   check TEXT COMMAND      fail the test unless the command succeeds

set -u
export LC_ALL=C.UTF-8
: "${MSG:?is not set: the path of the program msg}"
case $MSG in /*) ;; *) MSG=$PWD/$MSG ;; esac

work=$(mktemp -d)
declare -A pids
code=0

# For `msg pub`: long enough for a pattern to hear of the topic and to join it, on a
# machine that has ten times as much to do as it can.
# shellcheck disable=SC2034 # the scripts use it
to_patterns=(--wait-ms 1500)

# Loopback, and a port and groups nobody else uses: two scripts that run at the
# same time have different process ids.
export MSG_LANE=${MSG_LANE:-udp}
[ "$MSG_LANE" = udp ] && export MSG_INTERFACE=${MSG_INTERFACE:-lo}
export MSG_PORT=$((20000 + $$ % 12000))
export MSG_GROUPS=239.$((16 + $$ % 200)).$(($$ / 200 % 250)).0+64

cleanup() {
	local name
	for name in "${!pids[@]}"; do
		kill "${pids[$name]}" 2>/dev/null
	done
	wait
	rm -rf "$work"
}
trap cleanup EXIT

fail() {
	echo "FAIL: $*" >&2
	local file
	for file in "$work"/*.err "$work"/*.out; do
		[ -s "$file" ] || continue
		echo "--- ${file##*/}" >&2
		head -c 2000 "$file" | cat -v >&2
	done
	exit 1
}

skip() {
	echo "SKIP: $*"
	exit 77
}

check() {
	local text=$1
	shift
	"$@" || fail "$text"
}

start() {
	local name=$1
	shift
	# Here, so that nobody reads what an earlier one of that name left.
	: >"$work/$name.out"
	: >"$work/$name.err"
	"$@" >"$work/$name.out" 2>"$work/$name.err" </dev/null &
	pids[$name]=$!
}

await() {
	local limit=$((SECONDS + $1 + 1)) # The second that runs is not a whole one.
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $limit ] || fail "waited in vain for: $*"
		sleep 0.02
	done
}

ended() {
	! kill -0 "${pids[$1]}" 2>/dev/null
}

finish() {
	await "${2:-30}" ended "$1"
	wait "${pids[$1]}"
	code=$?
	unset "pids[$1]"
}

stopped_all() {
	local name
	for name; do
		grep -q '^State:.*T' "/proc/${pids[$name]}/status" || return
	done
}

stand_still() {
	local name
	for name; do
		kill -STOP "${pids[$name]}"
	done
	await 10 stopped_all "$@"
}

# A subscriber started by `start` has joined.
listening() {
	await 30 grep -q 'listening to' "$work/$1.err"
}

is() { # is TEXT WANTED GOT
	[ "$2" = "$3" ] || fail "$1: wanted '$2', got '$3'"
}

# Whether a file holds one JSON value (or one a line with `lines`).
json_tool() {
	if python3 -c '' 2>/dev/null; then
		echo python3
	elif node -e '' 2>/dev/null; then
		echo node
	fi
}

json_valid() {
	case $(json_tool) in
	python3)
		python3 - "$1" "${2:-whole}" <<-'END'
		import json, sys
		text = open(sys.argv[1], encoding="utf-8").read()
		parts = text.splitlines() if sys.argv[2] == "lines" else [text]
		assert parts
		for part in parts:
		    json.loads(part)
		END
		;;
	node)
		node -e '
		const text = require("fs").readFileSync(process.argv[1], "utf8");
		const parts = process.argv[2] === "lines" ?
			text.trimEnd().split("\n") : [text];
		parts.forEach(part => JSON.parse(part));' \
			"$1" "${2:-whole}"
		;;
	*) skip "neither python3 nor node to check JSON with" ;;
	esac
}
