#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# reliable.sh - what reliable topics cost, and what they give for it.
#
#   cost     beside best effort, nothing lost: perf_msg in turns with itself
#   repair   a cable that loses 1 %: how late comes what was lost
#   late     all that was sent before, for who comes late
#
# cost and late are on loopback.  For repair two network namespaces are joined by
# lossy_wire.c, which forwards every frame by hand: its round trip is measured by
# two sockets in the same minute (ping.c), and everything is said in it.
set -euo pipefail
LC_ALL=C
export LC_ALL
# shellcheck source=tests/perf/broker.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker.sh"

usage() {
	cat <<'HELP'
usage: tests/perf/reliable.sh [OPTION...] [cost] [repair] [late]

Measure reliable topics.  Results go to build/perf-results: reliable.txt,
reliable.json, reliable.png, and reliable.runs.tsv (each run).  repair needs root.

  --rounds N     how many rounds (7)
  --quick        3 rounds of a tenth
  --no-fifo      no real-time priority (only root gets it anyway)
  --build DIR    where the project was built (build/main, build/gcc, or MSG_BUILD)
  --results DIR  where results go
  --help         this text

Exit status: 0 whether targets were met or not, for times are not a test; 1
when something did not run.
HELP
}

rounds=7 fifo=--fifo count=10000 seconds=0.5 late_count=100000 parts=()
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=${2:?}; shift ;;
	--quick) rounds=3 count=2000 seconds=0.1 late_count=10000 ;;
	--no-fifo) fifo='' ;;
	--build) build=${2:?}; shift ;;
	--results) results=${2:?}; shift ;;
	--help) usage; exit 0 ;;
	cost | repair | late) parts+=("$1") ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
[ ${#parts[@]} -gt 0 ] || parts=(cost repair late)
find_build
own_groups
group=${MSG_GROUPS%+*} port=$MSG_PORT
runs=$results/reliable.runs.tsv
: >"$runs"
: >"$work/rows"

# The median, lowest and highest of the numbers on stdin.
median() {
	sort -g | awk '{ a[NR] = $1 } END { if (NR) printf "%s %s %s\n",
		(NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2),
		a[1], a[NR] }'
}

# row PART WHAT UNIT BASE OURS SENSE TARGET: of the ratios on stdin, one a round.
row() {
	local part=$1 what=$2 unit=$3 base=$4 ours=$5 sense=$6 target=$7
	local ratio low high verdict=-
	read -r ratio low high < <(median)
	if [ "$target" != - ]; then
		verdict=$(awk -v r="$ratio" -v t="$target" -v s="$sense" 'BEGIN {
			print (s == "<=" ? r <= t : r >= t) ? "PASS" : "MISS" }')
		target="$sense $target"
	fi
	printf '%-7s %-42s %10.5g %10.5g %-5s %7.3f  %6.3f-%-7.3f %-8s %s\n' \
		"$part" "$what" "$base" "$ours" "$unit" "$ratio" "$low" \
		"$high" "$target" "$verdict"
	printf '{"part":"%s","what":"%s","unit":"%s","base":%s,"reliable":%s,"ratio":%.4f,"low":%.4f,"high":%.4f,"target":"%s","verdict":"%s","rounds":%s}\n' \
		"$part" "$what" "$unit" "$base" "$ours" "$ratio" "$low" \
		"$high" "$target" "$verdict" "$rounds" >>"$work/rows"
}

# one TAG COLUMN ARGUMENT...: run perf_msg, the column of its line; all of it in
# $runs.
one() {
	local tag=$1 column=$2 line
	shift 2
	line=$(timeout 90 "$programs/perf_msg" "$@" --group "$group" \
		--port "$port" $fifo) || die "failed: perf_msg $*"
	printf '%s\t%s\n' "$tag" "$line" >>"$runs"
	awk -F '\t' -v c="$column" '{ print $c }' <<<"$line"
	sleep 0.1 # Others use this machine as well.
}

P50=12 P99=14 RATE=10 # Columns of perf_msg's line.

# compare WHAT COLUMN UNIT SENSE TARGET ARGUMENT...: best effort and reliable take
# turns, and who is first changes.
compare() {
	local what=$1 column=$2 unit=$3 sense=$4 target=$5 i
	shift 5
	: >"$work/base"
	: >"$work/ours"
	for ((i = 0; i < rounds; i++)); do
		[ $((i % 2)) = 1 ] ||
			one "$what" "$column" "$@" >>"$work/base"
		one "$what" "$column" --style reliable "$@" >>"$work/ours"
		[ $((i % 2)) = 0 ] ||
			one "$what" "$column" "$@" >>"$work/base"
	done
	paste "$work/base" "$work/ours" | awk '$1 > 0 { print $2 / $1 }' |
		row cost "$what" "$unit" "$(median <"$work/base" | cut -d' ' -f1)" \
			"$(median <"$work/ours" | cut -d' ' -f1)" "$sense" "$target"
}

cost() {
	compare 'one way, 64 B, p50' $P50 ns '<=' 1.05 latency --count "$count"
	compare '1 KiB, a frame each' $RATE 1/s '>=' 0.95 rate --bytes 1024 \
		--frame-bytes 1048 --seconds "$seconds"
	compare '64 B, one at a time' $RATE 1/s '>=' 0.95 rate --batch 1 \
		--seconds "$seconds"
	compare '64 B, batches of 8' $RATE 1/s '>=' 0.95 rate --batch 8 \
		--seconds "$seconds"
	compare '64 B, batches of 32' $RATE 1/s '>=' 0.95 rate --batch 32 \
		--window 4096 --seconds "$seconds"
	compare '64 B, batches of 512' $RATE 1/s '>=' 0.95 rate --batch 512 \
		--window 16384 --seconds "$seconds"
	compare '1 MiB' $RATE 1/s '>=' 0.95 rate --bytes 1048576 --batch 1 \
		--window 4 --seconds "$seconds"
}

# ---- a cable that loses -------------------------------------------------------

a=msg-perf-a-$$ b=msg-perf-b-$$ w=msg-perf-w-$$ wire_pid=''

wire_stop() {
	[ -n "$wire_pid" ] || return 0
	kill "$wire_pid" 2>/dev/null || true
	wait "$wire_pid" 2>/dev/null || true
	wire_pid=''
}

part_hosts() {
	local name
	wire_stop
	for name in "$a" "$b" "$w"; do
		ip netns del "$name" 2>/dev/null || true
	done
}

# In the subshell that tee reads from: what is left to be removed there.
join_hosts() {
	local name side=1
	trap part_hosts EXIT
	for name in "$a" "$b" "$w"; do
		ip netns add "$name"
	done
	ip link add perf0 netns "$a" type veth peer name left netns "$w"
	ip link add perf0 netns "$b" type veth peer name right netns "$w"
	for name in left right; do
		ip netns exec "$w" sysctl -q -w \
			"net.ipv6.conf.$name.disable_ipv6=1" 2>/dev/null || true
		ip -n "$w" link set $name up
	done
	for name in "$a" "$b"; do
		ip -n "$name" link set lo up
		ip -n "$name" address add 10.99.78.$side/24 dev perf0
		ip -n "$name" link set perf0 mtu 1500 up
		ip -n "$name" route add 224.0.0.0/4 dev perf0
		side=2
	done
	sleep 2 # What the kernel itself has to say on a new link.
}

# wire PER_MILLE SEED [LOG]
wire() {
	local i
	wire_stop
	ip netns exec "$w" ${fifo:+chrt -f 2} \
		"$build/tests/local/lossy_wire" left right "$@" >"$work/wire" &
	wire_pid=$!
	for ((i = 0; i < 100; i++)); do
		! grep -qs ready "$work/wire" || return 0
		sleep 0.05
	done
	die "lossy_wire does not start"
}

# What was lost, from the wire's log and the receiver's trace: how long after it
# was sent each such message was there.  A message that was lost twice counts
# once.  Only those of the data link, towards the subscriber, first time sent.
lost_latencies() {
	awk -F '\t' 'NR == FNR { if ($2 == "right" && $3 == 17 && $4 == 1)
			lost[$5] = 1; next }
		$1 in lost { print $2 }' "$1" "$2"
}

# One round: the round trip, the loss-free p99, and then with loss the p99 and
# what became of what was lost.
repair_round() {
	local round=$1 style=$2 rtt p99 lossy mean lost
	local where=(--interface perf0 --sender-netns "$a" --receiver-netns "$b"
		--block --rate 10000 --style "$style")
	wire 0 1
	rtt=$(${fifo:+chrt -f 1} "$programs/perf_ping" "$a" 10.99.78.1 "$b" \
		10.99.78.2 "$((count / 2))" 10000 88 | cut -f 3)
	p99=$(one "repair.$style.0" $P99 latency --count $((2 * count)) "${where[@]}" \
		--samples "$work/clean.$style.$round")
	wire 10 "$round" "$work/log"
	lossy=$(one "repair.$style.10" $P99 latency --count $((2 * count)) \
		"${where[@]}" --trace "$work/trace" \
		--samples "$work/lossy.$style.$round")
	wire_stop
	lost_latencies "$work/log" "$work/trace" >"$work/lost"
	read -r lost mean < <(awk '{ sum += $1 } END {
		if (NR) printf "%d %.0f\n", NR, sum / NR }' "$work/lost")
	[ "${lost:-0}" -gt 0 ] || die "the wire lost nothing"
	sort -g "$work/lost" >"$work/repaired.$style.$round"
	# How late it was beside one that was not lost.
	printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$rtt" "$p99" "$lossy" "$mean" \
		"$lost" "$(awk -F '\t' -v t="repair.$style.0" -v c=$((P50 + 1)) \
			'$1 == t { v = $c } END { print v }' "$runs")" \
		"$(awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }' \
			"$work/repaired.$style.$round")" >>"$work/repair.$style"
}

# The median over rounds of what awk makes of a line of repair_round.
middle() {
	awk -F '\t' "{ print $1 }" "$work/repair.$style" | median | cut -d' ' -f1
}

# in_rounds TEXT WHAT TARGET: it, in round trips.
in_rounds() {
	awk -F '\t' "{ print ($2) / \$1 }" "$work/repair.$style" |
		row repair "$1, round trips" ns "$(middle '$1')" \
			"$(middle "$2")" '<=' "$3"
}

# A message was lost 100 us before the next one, which tells of it: from there on
# its repair is counted, beside a message that was not lost; and once more since it
# was sent.
repair() {
	local style round
	if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null; then
		echo "repair: skipped, needs root and ip (iproute2)"
		return
	fi
	join_hosts
	unset MSG_INTERFACE
	for ((round = 1; round <= rounds; round++)); do
		for style in reliable thread; do
			repair_round "$round" $style
		done
	done
	for style in reliable thread; do
		local text=$style
		[ $style = thread ] || text='by its calls'
		# p99 beside five round trips and the loss-free p99.
		awk -F '\t' '{ print $3 / (5 * $1 + $2) }' "$work/repair.$style" |
			row repair "p99 at 1 %, $text" ns \
				"$(middle '5 * $1 + $2')" "$(middle '$3')" '<=' 1
		in_rounds "mean repair, $text" '$4 - $6 - 100000' 3
		in_rounds "median repair, $text" '$7 - $6 - 100000' -
		in_rounds "mean, since it was sent, $text" '$4 - $6' -
	done
}

# ---- who comes late -------------------------------------------------------------

late() {
	local bytes what column
	for bytes in 64 1024; do
		timeout 300 "$programs/perf_late" --interface lo --bytes $bytes \
			--count "$late_count" --rounds "$rounds" $fifo \
			>"$work/late" || die "failed: perf_late"
		sed "s/^/late\t/" "$work/late" >>"$runs"
		for what in copy:3 live:4; do
			column=${what#*:}
			awk -F '\t' -v c="$column" '{ print $5 / $c }' "$work/late" |
				row late "$late_count x $bytes B, beside ${what%:*}" ns \
					"$(cut -f "$column" "$work/late" | median | cut -d' ' -f1)" \
					"$(cut -f 5 "$work/late" | median | cut -d' ' -f1)" \
					'<=' -
		done
		cut -f 6 "$work/late" | awk '{ print $1 / 1e6 }' |
			row late "its first message, ms" ns 1e6 \
				"$(cut -f 6 "$work/late" | median | cut -d' ' -f1)" \
				'<=' -
	done
}

# ---- all of it --------------------------------------------------------------------

# Bars of the ratios, and the latencies of all messages and of those that were
# lost, the middle round of each.
draw() {
	local middle=$(((rounds + 1) / 2))
	sed -nE '/"part":"cost"/s/.*"what":"([^"]*)".*"ratio":([^,]*),"low":([^,]*),"high":([^,]*),.*"target":"[<>]?=? ?([^"]*)".*/"\1" \2 \3 \4 \5/p' \
		"$work/rows" | sed 's/ -$/ NaN/' >"$work/bars"
	echo 'set multiplot layout 2,1'
	if [ -s "$work/bars" ]; then
		cat <<-END
			set title 'reliable beside best effort, nothing lost (first: ns, the rest: rates)'
			set style fill solid 0.6
			set boxwidth 0.6
			set grid y
			set yrange [0:1.4]
			plot '$work/bars' using 0:2:xtic(1) with boxes title 'median', \
				'' using 0:2:3:4 with yerrorbars lc rgb 'black' \
				title 'lowest and highest round', \
				'' using 0:5 with points pt 13 ps 1.5 lc rgb 'red' title 'target'
		END
	fi
	if [ -e "$work/lossy.thread.$middle" ]; then
		cat <<-END
			unset xtics
			set xtics
			set title 'delivered latency at 10 k/s over a cable by hand, 1 % lost'
			set xlabel 'us'
			set ylabel 'share of messages'
			set logscale x
			set xrange [10:10000]
			set yrange [0.9:1]
			set key right bottom
			plot '$work/clean.thread.$middle' using (\$1/1000):2 with lines lw 2 \
				title 'nothing lost', \
				'$work/lossy.thread.$middle' using (\$1/1000):2 with lines lw 2 \
				title '1 %, a thread serves', \
				'$work/lossy.reliable.$middle' using (\$1/1000):2 with lines lw 2 \
				title '1 %, its calls serve'
		END
	fi
	echo 'unset multiplot'
}

{
	machine
	printf '%-7s %-42s %10s %10s %-5s %7s  %-14s %-8s %s\n' part what \
		base ours unit ratio 'of all rounds' target verdict
	for part in "${parts[@]}"; do
		$part
	done
	machine
} | tee "$results/reliable.txt"
{ printf '{"machine":"%s","rows":[\n' "$(machine | sed 's/^machine: //')"
	sed '$!s/$/,/' "$work/rows"
	echo ']}'
} >"$results/reliable.json"
draw | picture "$results/reliable.png"
