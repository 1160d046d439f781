#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# demo.sh - what libmsg does, in one command.
#
#   /proc ─> demo_publish ── multicast ──> msgbrokerd ──┬─> demo_subscribe 1 ─┐
#            (CPU, memory, network,        one member,  ├─> demo_subscribe 2 ─┼─> this
#             a time stamp, a checksum)    one receive  └─> demo_subscribe 3 ─┘   table
#
# Installs what is missing (as root), builds, runs the processes and shows what
# the subscribers see.  Then it looks at what the broker saved them: who is a
# member of the group is the kernel's word (/proc/net/igmp), who received how
# many frames is counted at both ends, and where each subscriber read is in its
# own /proc/self/maps.  It stays on this machine unless told otherwise.
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
	cat <<'HELP'
usage: examples/demo.sh [OPTION...]

Publish live data of this machine to three subscribers behind one broker and
judge what arrives, and at what cost.

  --subscribers N how many, 1 to 16 (3)
  --direct        without the broker: each subscriber for itself
  --rate N        messages a second (1000)
  --seconds N     how long (10)
  --interface IF  multicast on this interface instead of loopback, one hop
  --device DEV    use this RDMA device
  --plain         a line a second instead of a table rewritten in place
  --build DIR     use the programs of this build folder as they are
  --help          this text

Exit status: 0 when every subscriber received every message and the broker cost
one of each, 1 when not, 2 when packages are missing (the line that installs
them is printed) or the usage is wrong, 130 after Ctrl-C.
HELP
}

die() { echo "demo: $1" >&2; exit "${2:-1}"; }

rate=1000 seconds=10 count=3 direct='' plain='' build=''
[ -t 1 ] || plain=yes
while [ $# -gt 0 ]; do
	case $1 in
	--plain) plain=yes ;;
	--direct) direct=yes ;;
	--help) usage; exit 0 ;;
	--rate | --seconds | --subscribers | --interface | --device | --build)
		[ $# -ge 2 ] || die "$1 needs a value" 2
		case $1 in
		--rate) rate=$2 ;;
		--seconds) seconds=$2 ;;
		--subscribers) count=$2 ;;
		--interface) export MSG_INTERFACE=$2 ;;
		--device) export MSG_DEVICE=$2 ;;
		--build) build=$2 ;;
		esac
		shift ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[[ $rate =~ ^[1-9][0-9]{0,6}$ ]] || die "--rate is 1 to 9999999" 2
[[ $seconds =~ ^[1-9][0-9]{0,4}$ ]] || die "--seconds is 1 to 99999" 2
[[ $count =~ ^([1-9]|1[0-6])$ ]] || die "--subscribers is 1 to 16" 2

# ---- programs ----------------------------------------------------------------

# With a terminal, ninja's own line; without, one every few seconds.
progress() {
	local line last=$SECONDS
	while read -r line; do
		case $line in
		FAILED* | *error:* | *warning:*) echo "$line" ;;
		'['*)
			[ $((SECONDS - last)) -lt 5 ] && continue
			last=$SECONDS
			echo "demo: ${line%% *}" ;;
		esac
	done
}

make_programs() {
	local log=$root/build/demo.log
	"$root/libmsg/cmake/install-dependencies.sh" build
	build=$root/build/demo
	mkdir -p "$build"
	[ -x "$build/examples/demo_publish" ] ||
		echo "demo: building for the first time, about half a minute"
	cmake -S "$root" -B "$build" -G Ninja -DMSG_TESTS=OFF >"$log" 2>&1 ||
		{ cat "$log" >&2; die "cmake failed"; }
	if [ -n "$plain" ]; then
		ninja -C "$build" | progress
	else
		ninja -C "$build"
	fi || die "the build failed"
}
[ -n "$build" ] || make_programs
[ -x "$build/examples/demo_publish" ] ||
	die "$build holds no examples/demo_publish"

# ---- processes ---------------------------------------------------------------

work=$(mktemp -d)
topic=demo.machine.$$
pids=() broker='' publisher='' interrupted=''

# shellcheck disable=SC2317 # called by the trap
clean_up() {
	trap '' INT TERM
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait || true
	rm -rf "$work"
	[ -n "$plain" ] || printf '\e[?25h'
}
trap clean_up EXIT
# The publisher says how many it sent, which ends the subscribers.
# shellcheck disable=SC2317
interrupt() {
	[ -z "$interrupted" ] || exit 130
	interrupted=yes
	[ -z "$publisher" ] || kill -TERM "$publisher" 2>/dev/null || true
	[ -n "$publisher" ] || exit 130
}
trap interrupt INT TERM

# A network of others is entered by name only; an RDMA device too.
hint=''
if [ -z "${MSG_INTERFACE:-}${MSG_DEVICE:-}${MSG_LANE:-}" ]; then
	for device in /sys/class/infiniband/*; do
		[ -e "$device" ] || continue
		export MSG_LANE=udp
		hint="there is an RDMA device: --device ${device##*/}"
	done
fi

# A port and groups of its own keep the demo apart from others.  Of two groups
# the first is the directory's, so that the topic is in the second.
export MSG_PORT=${MSG_PORT:-$((20000 + $$ % 10000))}
group=''
if [ -z "${MSG_GROUPS:-}" ]; then
	net=239.255.$(($$ / 120 % 250)) host=$(($$ % 120 * 2))
	export MSG_GROUPS=$net.$host+2
	group=$net.$((host + 1))
fi

# All write lines shorter than a pipe takes whole.
mkfifo "$work/talk"
exec 4<>"$work/talk"

# hear: the next of these lines in $line, within half a second.  What of one was there
# when that was over is kept: bash reads a pipe byte by byte.
part=''
hear() {
	local piece=''
	if IFS= read -r -t 0.5 -u 4 piece; then
		line=$part$piece part=''
		return
	fi
	part+=$piece
	return 1
}

ask() { # the failure of a process, which it said itself
	cat "$work"/*.err >&2
	die "$1"
}

# A broker of the demo's own: its socket stands in for a name.
start_broker() {
	export MSG_BROKER=$work/demo.sock
	touch "$work/msg.conf"
	: >"$work/broker.err" # Looked at before it writes there.
	# Ctrl-C is not for it: it serves to the end.
	setsid "$build/broker/msgbrokerd" --config "$work/msg.conf" \
		--name demo --socket "$MSG_BROKER" --socket-mode 0600 \
		>"$work/broker.err" 2>&1 </dev/null 4>&- &
	broker=$!
	pids=("$broker")
	until grep -q ' started: ' "$work/broker.err"; do
		kill -0 "$broker" 2>/dev/null || ask "the broker did not start"
		sleep 0.05
	done
}

policy=never
[ -n "$direct" ] || { policy=require; start_broker; }

subscribers=()
for ((i = 1; i <= count; i++)); do
	MSG_BROKER_POLICY=$policy "$build/examples/demo_subscribe" "$i" "$topic" \
		>"$work/talk" 2>"$work/subscriber$i.err" </dev/null 4>&- &
	subscribers+=($!)
	pids+=($!)
done

ready=0 lane=''
deadline=$((SECONDS + 60))
while [ $ready -lt "$count" ]; do
	if hear; then
		read -r word who kind device interface reason <<<"$line"
		[ "$word" = ready ] || continue
		ready=$((ready + 1))
		where="kernel UDP on $interface"
		[ "$kind" = udp ] || where="RDMA device $device ($interface)" group=''
		lane="$where: $reason"
		continue
	fi
	for pid in "${subscribers[@]}"; do
		kill -0 "$pid" 2>/dev/null || ask "a subscriber did not start"
	done
	[ $SECONDS -lt $deadline ] || ask "the subscribers are not ready"
done
echo "lane   $lane"
[ -z "$hint" ] || echo "       $hint"
behind="behind one msgbrokerd (pid $broker)"
[ -z "$direct" ] || behind="each for itself"
echo "topic  $topic: $rate messages/s for $seconds s, subscribers: $count, $behind"
[ -n "$plain" ] || echo

# How often the topic's group was joined on this host: column 2 of its line.
# The kernel writes the address as the number it is in this machine's order.
members=''
if [ -n "$group" ] && [ -r /proc/net/igmp ]; then
	IFS=. read -r a b c d <<<"$group"
	members=$(awk -v group="$(printf '%02X%02X%02X%02X' "$d" "$c" "$b" "$a")" \
		'$1 == group { n += $2 } END { print n + 0 }' /proc/net/igmp)
fi

MSG_BROKER_POLICY=never "$build/examples/demo_publish" "$topic" "$rate" "$seconds" \
	>"$work/publisher.out" 2>"$work/publisher.err" </dev/null 4>&- &
publisher=$!
pids+=("$publisher")

# ---- table -------------------------------------------------------------------

# one_decimal NUMBER DIVISOR
one_decimal() {
	local tenths=$(($1 * 10 / $2))
	text="$((tenths / 10)).$((tenths % 10))"
}

bytes() {
	local n=$1
	if [ "$n" -ge 1073741824 ]; then one_decimal "$n" 1073741824; text+=' GiB'
	elif [ "$n" -ge 1048576 ]; then one_decimal "$n" 1048576; text+=' MiB'
	else one_decimal "$n" 1024; text+=' KiB'
	fi
}

declare -A received=() lost=() per_second=() p50=() p99=()
cpu=0 used=0 all=0 net=0 drawn=''

machine_line() {
	local a b c d
	one_decimal "$cpu" 10; a=$text
	bytes "$used"; b=$text
	bytes "$all"; c=$text
	bytes "$net"; d=$text
	machine="cpu $a %   memory $b of $c   network $d/s"
}

draw_table() {
	local i line
	[ -z "$drawn" ] && printf '\e[?25l' || printf '\e[%dA' $((count + 3))
	drawn=yes
	machine_line
	printf '  %s\e[K\n\e[K\n' "$machine"
	printf '  %-12s %10s %12s %8s %10s %10s\e[K\n' \
		subscriber rate/s messages lost 'p50 us' 'p99 us'
	for ((i = 1; i <= count; i++)); do
		one_decimal "${p50[$i]:-0}" 1000; line=$text
		one_decimal "${p99[$i]:-0}" 1000
		printf '  %-12s %10s %12s %8s %10s %10s\e[K\n' "$i" \
			"${per_second[$i]:-0}" "${received[$i]:-0}" \
			"${lost[$i]:-0}" "$line" "$text"
	done
}

draw_line() {
	local i rates='' p50s='' p99s='' losses=''
	machine_line
	for ((i = 1; i <= count; i++)); do
		rates+=" ${per_second[$i]:-0}"
		p50s+=" $((${p50[$i]:-0} / 1000))"
		p99s+=" $((${p99[$i]:-0} / 1000))"
		losses+=" ${lost[$i]:-0}"
	done
	echo "rate/s$rates   p50 us$p50s   p99 us$p99s   lost$losses   $machine"
}

draw() {
	if [ -n "$plain" ]; then draw_line; else draw_table; fi
}

# ---- until all have ended ----------------------------------------------------

declare -A ended=()
period=1
[ -n "$plain" ] || period=0
next_draw=$((SECONDS + 1))
changed=0
while [ ${#ended[@]} -lt "$count" ]; do
	if ! hear; then
		running=0
		for pid in "${subscribers[@]}"; do
			! kill -0 "$pid" 2>/dev/null || running=$((running + 1))
		done
		[ $running -gt 0 ] || break
		continue
	fi
	read -r word who rest <<<"$line"
	case $word in
	live)
		# shellcheck disable=SC2086 # words
		set -- $rest
		received[$who]=$1 lost[$who]=$2 per_second[$who]=$3
		p50[$who]=$4 p99[$who]=$5
		cpu=$6 used=$7 all=$8 net=$9
		changed=$((changed + 1)) ;;
	end)
		ended[$who]=$rest ;;
	esac
	[ ${#received[@]} = "$count" ] || continue
	if [ $SECONDS -ge $next_draw ] || { [ $period = 0 ] && [ $changed -ge "$count" ]; }
	then
		draw
		changed=0 next_draw=$((SECONDS + 1))
	fi
done

# ---- verdict -----------------------------------------------------------------

problems=() total='' worst50=0 worst99=0 got_frames='' places=()
for ((i = 1; i <= count; i++)); do
	if [ -z "${ended[$i]:-}" ]; then
		problems+=("subscriber $i gave no result $(
			head -n 1 "$work/subscriber$i.err")")
		continue
	fi
	read -r got sent wrong mean half most _ frames memory place hash \
		<<<"${ended[$i]}"
	got_frames+="${got_frames:+ }$frames"
	places+=("$memory $place $hash")
	# The last table is of the whole run.
	received[$i]=$got lost[$i]=$((sent > got ? sent - got : 0))
	per_second[$i]=$mean p50[$i]=$half p99[$i]=$most
	total=$sent
	[ "$half" -le "$worst50" ] || worst50=$half
	[ "$most" -le "$worst99" ] || worst99=$most
	if [ "$sent" = 0 ]; then
		problems+=("subscriber $i did not hear the publisher end (after $got messages)")
	elif [ "$got" != "$sent" ]; then
		problems+=("subscriber $i lost $((sent - got)) of $sent messages")
	fi
	[ "$wrong" = 0 ] ||
		problems+=("subscriber $i found $wrong wrong messages")
done
[ -n "$plain" ] || draw_table
wait "$publisher" 2>/dev/null ||
	problems+=("the publisher failed $(head -n 1 "$work/publisher.err")")
publisher=''

# field NAME: a count of the broker's one feed, as `msg info` has it
field() {
	"$build/libmsg/tool/msg" info --json --interval 0 2>>"$work/msg.err" |
		grep -o '"feeds":\[{[^}]*}\]' | grep -o "\"$1\":[0-9]*" |
		grep -o '[0-9]*$' || true
}

sent_frames=$(awk '$1 == "frames" { print $2 }' "$work/publisher.out")
plural() { [ "$1" = 1 ] && echo "1 $2" || echo "$1 $2s"; }
of=$(plural "$count" subscriber)

group_fact() {
	[ -n "$members" ] || return 0
	facts+=("group    $group joined $(plural "$members" time) for $of (/proc/net/igmp)")
	[ -n "$direct" ] || [ "$members" = 1 ] ||
		problems+=("the group was joined $members times, not once")
}

frames_fact() {
	local got=$got_frames
	if [ -n "$direct" ]; then
		facts+=("frames   $sent_frames sent, $((${got// /+})) received: $got")
		return
	fi
	# The broker writes its counters ten times a second.
	for _ in {1..30}; do
		got=$(field frames)
		[ "$got" != "$sent_frames" ] || break
		sleep 0.1
	done
	facts+=("frames   $sent_frames sent, $got received, by the broker for all (msg info)")
	[ "$got" = "$sent_frames" ] ||
		problems+=("the broker received ${got:-no} frames of $sent_frames")
}

memory_fact() {
	local different own
	different=$(printf '%s\n' "${places[@]}" | sort -u | wc -l)
	own=$(printf '%s\n' "${places[@]}" | grep -c '^own ' || true)
	read -r memory _ <<<"${places[0]:-}"
	if [ "$own" != 0 ]; then
		facts+=("memory   $(plural "$own" pool), no subscriber reads another's (/proc/self/maps)")
	elif [ "$different" = 1 ]; then
		facts+=("memory   $of read each message at the same place of memfd $memory (/proc/self/maps)")
	fi
	[ -z "$direct" ] || return 0
	[ "$different" = 1 ] && [ "$own" = 0 ] ||
		problems+=("the subscribers did not read at the same places: ${places[*]}")
	# So it is the memory that the network was read into.
	grep -q " ${memory%:*} ${memory##*:} " "/proc/$broker/maps" ||
		problems+=("that memory is not the broker's")
}

facts=()
group_fact
frames_fact
memory_fact
one_decimal "$worst50" 1000; worst50=$text
one_decimal "$worst99" 1000; worst99=$text

echo
[ ${#facts[@]} = 0 ] || printf '%s\n' "${facts[@]}"
if [ ${#problems[@]} != 0 ]; then
	printf 'FAILED: %s\n' "${problems[@]}"
	echo "p50 $worst50 us, p99 $worst99 us; \`msg doctor\` looks for the cause, a lower --rate helps a slow machine"
	exit 1
fi
early=''
[ -z "$interrupted" ] || early='stopped early; '
echo "${early}every subscriber received every message: $count x $total, p50 $worst50 us, p99 $worst99 us, 0 lost"
[ -z "$interrupted" ] || exit 130
