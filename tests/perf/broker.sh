# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# broker.sh - what the scripts that measure the broker share.  Sourced, not run.
#
#   find_build            $build and $programs, from $build or MSG_BUILD
#   broker_start ARGUMENT...  the build's msgbrokerd, alone in a folder of its
#                         own: its socket is $broker, its process $broker_pid
#   broker_stop           end it
#   own_groups            MSG_* for loopback, a port and groups nobody else uses
#   machine               one line: what, when, under what load
#   picture FILE          gnuplot's script on stdin, if gnuplot is there
#
# $work is a temporary folder; it and the broker go with the script.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)
build=${MSG_BUILD:-} results=$project/build/perf-results fifo=''
work=$(mktemp -d)
# Whatever else its user has set is not meant for this.
unset "${!MSG_@}"
broker='' broker_pid=''

die() { echo "perf: $*" >&2; exit 1; }

broker_stop() {
	[ -n "$broker_pid" ] || return 0
	kill "$broker_pid" 2>/dev/null || true
	wait "$broker_pid" 2>/dev/null || true
	broker_pid=''
}

cleanup() {
	broker_stop
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

find_build() {
	if [ -z "$build" ]; then
		for build in "$project/build/main" "$project/build/gcc" \
			"$project/build"; do
			[ ! -x "$build/tests/perf/perf_msg" ] || break
		done
	fi
	[ -x "$build/broker/msgbrokerd" ] ||
		die "no $build/broker/msgbrokerd: build first, or say --build"
	build=$(cd "$build" && pwd)
	# shellcheck disable=SC2034 # for who sources this
	programs=$build/tests/perf
	[ "$(id -u)" = 0 ] || fifo=''
	mkdir -p "$results"
}

own_groups() {
	export MSG_LANE=udp MSG_INTERFACE=lo
	export MSG_PORT=$((20000 + $$ % 12000))
	export MSG_GROUPS=239.$((16 + $$ % 200)).$(($$ / 200 % 250)).0+8
}

broker_start() {
	local i
	broker=$work/broker.sock
	: >"$work/empty.conf"
	XDG_RUNTIME_DIR=$work "$build/broker/msgbrokerd" \
		--config "$work/empty.conf" --socket "$broker" "$@" \
		2>"$work/broker.log" </dev/null &
	broker_pid=$!
	for ((i = 0; i < 500; i++)); do
		! grep -q 'info: started:' "$work/broker.log" || break
		kill -0 $broker_pid 2>/dev/null || break
		sleep 0.02
	done
	grep -q 'info: started:' "$work/broker.log" ||
		die "msgbrokerd: $(cat "$work/broker.log")"
	[ -z "$fifo" ] || chrt -a -f -p 1 "$broker_pid" ||
		die "msgbrokerd has no real-time priority"
}

machine() {
	local cpu
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
	echo "machine: ${cpu:-unknown}, $(nproc) processors, Linux $(uname -r)," \
		"$(date +%F), load $(cut -d' ' -f1 /proc/loadavg)"
}

picture() {
	if command -v gnuplot >/dev/null; then
		{ echo "set terminal pngcairo size 1000,700 font 'sans,11'"
			echo "set output '$1'"
			cat; } >"$work/picture"
		if gnuplot "$work/picture"; then
			echo "picture: $1"
		else
			echo "(gnuplot: no picture)"
		fi
	else
		cat >/dev/null
		echo "(no gnuplot: no picture)"
	fi
}
