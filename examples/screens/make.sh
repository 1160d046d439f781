#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make.sh - the pictures of the README, each from a run that it makes now.
#
#   demo       examples/demo.sh, to its end          as it stood on a terminal
#   echo       msg echo on typed topics              the same
#   top        msg top of a broker with a slow one   the same
#   topology   msg graph of the same                 by Graphviz
#   latency    msg bench, four ways                  by gnuplot
#
# Nothing is drawn by hand: terminals are tmux's, as text.  Each picture begins with
# a comment that says the command, the date and the machine; tests/local/screens.sh
# holds it against the list below.
set -euo pipefail
export LC_ALL=C.UTF-8
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/examples/screens
build=$root/build/demo to=$here only=''

usage() {
	cat <<'HELP'
usage: examples/screens/make.sh [OPTION...] [PICTURE...]

Make the pictures of the README (all, or those named) from real runs.

  --build DIR   take the programs from there (build/demo, as demo.sh builds it)
  --to DIR      write the pictures there (examples/screens)
  --list        the pictures and what they show, a line each, and nothing else
  --help        this text

Needs tmux, python3, graphviz and gnuplot, some 40 s and a quiet machine; uses the
loopback, a port and groups of its own.
HELP
}

# NAME, tab, the command that it shows.
list() {
	printf '%s\t%s\n' \
		demo 'examples/demo.sh --seconds 5' \
		echo 'msg echo md.acme lab.oven' \
		top 'msg top' \
		topology 'msg graph | dot -Tsvg' \
		latency 'msg bench roundtrip --size 64'
}

while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2; shift ;;
	--to) to=$2; shift ;;
	--list) list; exit 0 ;;
	--help) usage; exit 0 ;;
	-*) usage >&2; exit 2 ;;
	*) only+=" $1" ;;
	esac
	shift
done
: "${only:= demo echo top topology latency}"
for program in tmux python3 dot gnuplot; do
	command -v $program >/dev/null || {
		echo "make.sh: $program is missing" >&2
		exit 2
	}
done
[ -x "$build/libmsg/tool/msg" ] || {
	echo "make.sh: $build holds no programs; run examples/demo.sh once" >&2
	exit 2
}
mkdir -p "$to"
to=$(cd "$to" && pwd) build=$(cd "$build" && pwd)
export PATH=$build/libmsg/tool:$build/broker:$build/examples:$PATH

work=$(mktemp -d)
pids=()
end_scene() {
	# A stopped one hears nothing else.
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null || true
		kill -CONT "$pid" 2>/dev/null || true
	done
	wait || true
	pids=()
}
clean_up() {
	trap '' INT TERM
	tmux -S "$work/tmux" kill-server 2>/dev/null || true
	end_scene
	rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT TERM

# Looked at before anybody writes there.
: >"$work/log"
export XDG_RUNTIME_DIR=$work MSG_LANE=udp MSG_INTERFACE=lo
export MSG_PORT=$((20000 + $$ % 12000)) MSG_GROUPS=239.255.$((100 + $$ % 100)).0+16
unset MSG_BROKER MSG_BROKER_POLICY

command_of() { list | awk -F '\t' -v name="$1" '$1 == name { print $2 }'; }

machine="$(nproc) processors, $(
	# shellcheck source=/dev/null
	. /etc/os-release && echo "$PRETTY_NAME")"
about() { echo "made by examples/screens/make.sh: $(command_of "$1"); $(
	date -u +%Y-%m-%d); $machine"; }

# drawing NAME: what another program drew, with a comment in front
drawing() {
	{
		head -n 1 "$work/$1.svg"
		about "$1" | sed 's/--/- -/g; s/.*/<!-- & -->/'
		tail -n +2 "$work/$1.svg"
	} | sed 's/[[:blank:]]*$//' >"$to/$1.svg"
	echo "$to/$1.svg"
}

# ---- terminals ---------------------------------------------------------------

# terminal COLUMNS LINES COMMAND...: begin
terminal() {
	local columns=$1 lines=$2
	shift 2
	tmux -S "$work/tmux" -f /dev/null new-session -d -s screen \
		-x "$columns" -y "$lines" "$*; exec sleep 1000"
}
# picture NAME COLUMNS: what stands there now, below its command
picture() {
	{
		[ "$1" = top ] || printf '\e[2m$\e[0m \e[1m%s\e[0m\n' \
			"$(command_of "$1")"
		tmux -S "$work/tmux" capture-pane -p -e -t screen
	} >"$work/$1.text"
	tmux -S "$work/tmux" kill-server
	python3 "$here/terminal.py" "$2" "$(command_of "$1")" \
		"$(about "$1")" <"$work/$1.text" >"$to/$1.svg"
	echo "$to/$1.svg"
}
# shows TEXT: wait until it stands there
shows() {
	for ((i = 0; i < 300; i++)); do
		! tmux -S "$work/tmux" capture-pane -p -t screen |
			grep -q "$1" || return 0
		sleep 0.1
	done
	tmux -S "$work/tmux" capture-pane -p -t screen >&2
	echo "make.sh: '$1' does not come" >&2
	return 1
}

make_demo() {
	terminal 104 20 "env -u MSG_GROUPS '$root/examples/demo.sh' --build '$build' --seconds 5"
	shows 'subscriber received every message'
	picture demo 104
}

# ---- a scene: one broker, and who uses it --------------------------------------

begin() { # begin COMMAND...: in the background
	"$@" >>"$work/log" 2>&1 </dev/null &
	pids+=($!)
}
scene() {
	[ ${#pids[@]} = 0 ] || return 0
	: >"$work/empty.conf"
	begin msgbrokerd --config "$work/empty.conf" --name screens \
		--interface lo --groups "$MSG_GROUPS" --port "$MSG_PORT"
	for ((i = 0; i < 100; i++)); do
		! grep -q ' started: ' "$work/log" || break
		sleep 0.1
	done
	export MSG_BROKER=screens MSG_BROKER_POLICY=require
	begin msg pub md.fast --size 200 --rate 5k --count 100M
	begin msg record --overwrite -o "$work/day.mcap" 'md.>'
	begin msg echo 'md.>' --no-payload
	begin msg echo 'lab.>' --no-payload
	# From another "host": straight on the lane.
	begin env MSG_BROKER_POLICY=never msg pub lab.far --size 64 \
		--rate 500 --count 100M
	sleep 2
	begin msg echo md.fast --no-payload
	sleep 1
	kill -STOP "${pids[-1]}"
	sleep 2
}

# Examples that publish for five seconds.
typed() {
	begin typed_publish
	begin typed_struct
}

make_echo() {
	scene
	terminal 92 14 msg echo -q md.acme lab.oven
	typed
	shows 'celsius'
	sleep 1.5
	picture echo 92
}

make_top() {
	scene
	sleep 6 # What was typed before is forgotten.
	typed
	terminal 118 28 msg top
	shows 'q end'
	sleep 3
	picture top 118
}

make_topology() {
	scene
	sleep 6
	typed
	sleep 1
	msg graph 2>>"$work/log" | dot -Tsvg -Gbgcolor=white -Gpad=0.3 \
		>"$work/topology.svg"
	drawing topology
}

# ---- latency -------------------------------------------------------------------

# curve FILE OPTION...: the time there and back
curve() {
	local file=$1
	shift
	msg bench roundtrip --size 64 --seconds 3 --histogram "$file" "$@" \
		>>"$work/log" 2>&1 && return
	tail -n 5 "$work/log" >&2
	return 1
}

make_latency() {
	local direct=$work/direct brokered=$work/brokered
	end_scene
	export MSG_BROKER_POLICY=never
	curve "$direct.spin" --spin
	curve "$direct.block" --block
	: >"$work/empty.conf"
	begin msgbrokerd --config "$work/empty.conf" --name latency --no-network
	sleep 1
	export MSG_BROKER=latency MSG_BROKER_POLICY=require
	unset MSG_LANE MSG_INTERFACE MSG_GROUPS MSG_PORT
	curve "$brokered.spin" --spin
	curve "$brokered.block" --block
	gnuplot <<-END
		set terminal svg size 860,480 background rgb 'white' \
			font 'sans-serif,13'
		set output '$work/latency.svg'
		set title 'there and back: 64 bytes between two processes'
		set xlabel 'share of round trips that took no longer'
		set ylabel 'µs'
		set logscale xy
		set xrange [1:20000]
		set yrange [0.1:*]
		set xtics ('0' 1, '50 %%' 2, '90 %%' 10, '99 %%' 100, \
			'99.9 %%' 1000, '99.99 %%' 10000)
		set grid lc rgb '#dddddd'
		set key above maxrows 2
		set format y '%g'
		x(p) = p < 100 ? 1 / (1 - p / 100) : 1/0
		plot '$direct.block' using (x(\$4)):1 with lines lw 2.5 \
				lc rgb '#d1495b' title 'kernel UDP, sleeping', \
			'$direct.spin' using (x(\$4)):1 with lines lw 2.5 \
				lc rgb '#edae49' title 'kernel UDP, spinning', \
			'$brokered.block' using (x(\$4)):1 with lines lw 2.5 \
				lc rgb '#00798c' title 'through the broker, sleeping', \
			'$brokered.spin' using (x(\$4)):1 with lines lw 2.5 \
				lc rgb '#30638e' title 'through the broker, spinning'
	END
	drawing latency
}

for name in $only; do
	list | grep -q "^$name	" || {
		echo "make.sh: there is no picture '$name'" >&2
		exit 2
	}
done
for name in $only; do
	make_"$name"
done
