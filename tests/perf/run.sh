#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - libmsg against the raw programs, side by side.
#
# Times on a shared machine mean nothing by themselves, so what is judged are
# ratios: raw and libmsg take turns (A B A B ...), each pair gives a ratio, and
# the median of those is the figure.  See README.md for the figures we saw.
set -euo pipefail
LC_ALL=C
export LC_ALL

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)

usage() {
	cat <<'HELP'
usage: tests/perf/run.sh [OPTION...]

Measure the kernel UDP lane on loopback and, as root, on a veth pair between
two network namespaces that are made for it and removed.  Nothing leaves the
machine.  Results go to build/perf-results: runs.tsv (each run), summary.json,
latency.svg, rate.svg.

  --quick         3 pairs of short runs instead of 7
  --netns         only the veth pair
  --loopback      only loopback
  --device DEV    only this RDMA device, against raw verbs
  --softroce      as --device rxe0, on the machine of tests/softroce
  --frames        instead: the table of frame sizes
  --ipc           only processes of one host through a broker (ipc.sh)
  --broker        only what there is about the broker: ipc.sh, start.sh, deaf.sh,
                  and what receiving costs a host (peers/peers.sh --host)
  --peers         only libmsg beside ZeroMQ, nng, iceoryx and others, which are
                  installed for it (peers/peers.sh)
  --pairs N       how many pairs
  --build DIR     where the project was built (build/main, build/gcc, or MSG_BUILD)
  --results DIR   where results go
  --no-fifo       no real-time priority (only root gets it anyway)
  --help          this text

Exit status: 0 whether targets were met or not, for times are not a test; 1
when something did not run.  --broker: 1 also when start.sh or deaf.sh did not
hold.
HELP
}

die() { echo "perf: $*" >&2; exit 1; }

quick='' only='' device='' frames='' pairs='' fifo=--fifo
build=${MSG_BUILD:-} results=$project/build/perf-results
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=yes ;;
	--netns) only=veth ;;
	--loopback) only=loopback ;;
	--softroce) only=softroce ;;
	--frames) frames=yes ;;
	--ipc) only=ipc ;;
	--broker) only=broker ;;
	--peers) only=peers ;;
	--no-fifo) fifo='' ;;
	--device) device=${2:?}; only=device; shift ;;
	--pairs) pairs=${2:?}; shift ;;
	--build) build=${2:?}; shift ;;
	--results) results=${2:?}; shift ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
if [ -z "$build" ]; then
	for build in "$project/build/main" "$project/build/gcc" "$project/build"; do
		[ ! -x "$build/tests/perf/perf_msg" ] || break
	done
fi
programs=$(cd "$build" && pwd)/tests/perf
[ -x "$programs/perf_msg" ] || die "no $programs/perf_msg: build first, or say --build"
[ "$(id -u)" = 0 ] || fifo=''
asked_pairs=$pairs
[ -n "$pairs" ] || pairs=$([ -n "$quick" ] && echo 3 || echo 7)
count=$([ -n "$quick" ] && echo 4000 || echo 10000)
seconds=$([ -n "$quick" ] && echo 0.2 || echo 0.5)
mkdir -p "$results"
runs=$results/runs.tsv
work=$(mktemp -d)
netns=()
cleanup() {
	local name
	for name in "${netns[@]}"; do
		ip netns del "$name" 2>/dev/null || true
	done
	rm -rf "$work"
}
trap cleanup EXIT

# ---- one run, and pairs of them ---------------------------------------------

# run LANE WHAT PAIR PROGRAM ARGUMENT...: a line into runs.tsv
run() {
	local lane=$1 what=$2 pair=$3 program=$4 line
	shift 4
	line=$(timeout 90 "$programs/$program" "$@" "${where[@]}" $fifo) ||
		die "failed: $program $* ${where[*]}"
	printf '%s\t%s\t%s\t%s\n' "$lane" "$what" "$pair" "$line" >>"$runs"
	sleep 0.1 # Others use this machine as well.
}

# The median, lowest and highest of the numbers on stdin.
median() {
	sort -g | awk '{ a[NR] = $1 } END { if (NR) printf "%s %s %s\n",
		(NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2),
		a[1], a[NR] }'
}

# judge LANE WHAT COLUMN UNIT SENSE TARGET: compare what run has written.
# COLUMN is of runs.tsv; SENSE "<=" (time) or ">=" (rate); TARGET "-": none.
# Of several raw programs in a pair the best one counts.
judge() {
	local lane=$1 what=$2 column=$3 unit=$4 sense=$5 target=$6
	local raw ours ratio verdict
	awk -F '\t' -v lane="$lane" -v what="$what" -v c="$column" -v s="$sense" '
		$1 == lane && $2 == what {
			v = $c
			if ($4 == "libmsg") { ours[$3] = v; next }
			better = s == "<=" ? v < raw[$3] : v > raw[$3]
			if (raw[$3] == "" || better) raw[$3] = v
		}
		END { for (p in raw) if (raw[p] > 0)
			print raw[p], ours[p], ours[p] / raw[p] }' \
		"$runs" >"$work/ratios"
	read -r raw _ < <(cut -d' ' -f1 "$work/ratios" | median)
	read -r ours _ < <(cut -d' ' -f2 "$work/ratios" | median)
	read -r ratio low high < <(cut -d' ' -f3 "$work/ratios" | median)
	verdict=-
	if [ "$target" != - ]; then
		verdict=$(awk -v r="$ratio" -v t="$target" -v s="$sense" 'BEGIN {
			print (s == "<=" ? r <= t : r >= t) ? "PASS" : "MISS" }')
		target="$sense $target"
	fi
	printf '%-8s %-27s %10.4g %10.4g %-5s %7.3f  %6.3f-%-7.3f %-8s %s\n' \
		"$lane" "$what" "$raw" "$ours" "$unit" "$ratio" "$low" "$high" \
		"$target" "$verdict"
	printf '{"lane":"%s","what":"%s","unit":"%s","raw":%s,"libmsg":%s,"ratio":%.4f,"ratio_min":%.4f,"ratio_max":%.4f,"target":"%s","verdict":"%s","pairs":%s}\n' \
		"$lane" "$what" "$unit" "$raw" "$ours" "$ratio" "$low" "$high" \
		"$target" "$verdict" "$pairs" >>"$work/rows"
}

head_of_table() {
	printf '%-8s %-27s %10s %10s %-5s %7s  %-14s %-8s %s\n' lane what raw \
		libmsg unit ratio 'of all pairs' target verdict
}

P50=15 RATE=13 # Columns of runs.tsv.

kernel_lane() { # kernel_lane LANE; ${where[@]} says where
	local lane=$1 pair style
	for ((pair = 1; pair <= pairs; pair++)); do
		run "$lane" 'one-way p50 64 B spin' "$pair" perf_raw_udp latency \
			--count "$count" --samples "$work/$lane.raw-udp.$pair"
		run "$lane" 'one-way p50 64 B spin' "$pair" perf_msg latency \
			--count "$count" --samples "$work/$lane.libmsg.$pair"
	done
	judge "$lane" 'one-way p50 64 B spin' $P50 ns '<=' 1.10
	for ((pair = 1; pair <= pairs; pair++)); do
		run "$lane" 'rate 1 KiB datagrams' "$pair" perf_raw_udp rate \
			--bytes 1024 --seconds "$seconds"
		run "$lane" 'rate 1 KiB datagrams' "$pair" perf_msg rate \
			--bytes 1024 --seconds "$seconds" --frame-bytes 1048
	done
	judge "$lane" 'rate 1 KiB datagrams' $RATE 1/s '>=' 0.95
	for ((pair = 1; pair <= pairs; pair++)); do
		for style in lone batch connected; do
			run "$lane" 'rate 64 B messages' "$pair" perf_raw_udp \
				rate --style $style --seconds "$seconds"
		done
		run "$lane" 'rate 64 B messages' "$pair" perf_msg rate \
			--batch 512 --window 16384 --seconds "$seconds"
	done
	judge "$lane" 'rate 64 B messages' $RATE 1/s '>=' 20
	for ((pair = 1; pair <= pairs; pair++)); do
		run "$lane" 'one-way p50 64 B block' "$pair" perf_raw_udp latency \
			--block --rate 10000 --count $((count / 2))
		run "$lane" 'one-way p50 64 B block' "$pair" perf_msg latency \
			--block --rate 10000 --count $((count / 2))
	done
	judge "$lane" 'one-way p50 64 B block' $P50 ns '<=' -
}

# ---- the lanes --------------------------------------------------------------

loopback() {
	where=(--interface lo)
	kernel_lane loopback
}

veth() {
	local a=msg-perf-a-$$ b=msg-perf-b-$$ side=1 name
	for name in $a $b; do
		ip netns add "$name"
		netns+=("$name")
		ip -n "$name" link set lo up
	done
	ip link add perf0 netns $a type veth peer name perf0 netns $b
	for name in $a $b; do
		ip -n "$name" address add 10.99.78.$side/24 dev perf0
		ip -n "$name" link set perf0 mtu 1500 up
		ip -n "$name" route add 224.0.0.0/4 dev perf0
		side=2
	done
	sleep 2 # What the kernel itself has to say on a new link.
	where=(--interface perf0 --sender-netns $a --receiver-netns $b)
	kernel_lane veth
}

# Counts are small: an emulated machine does some thousand messages a second.
# The sender sleeps between messages, for a device made of software needs the
# processor that it would spin on.
verbs() {
	local lane=$device pair
	where=(--device "$device")
	fifo=''
	for ((pair = 1; pair <= pairs; pair++)); do
		for program in perf_raw_verbs perf_msg; do
			run "$lane" 'one-way p50 64 B spin' "$pair" $program \
				latency --count 500 --rate 200 --idle
		done
	done
	judge "$lane" 'one-way p50 64 B spin' $P50 ns '<=' 1.10
	for ((pair = 1; pair <= pairs; pair++)); do
		run "$lane" 'rate 1000 B datagrams' "$pair" perf_raw_verbs rate \
			--bytes 1000 --batch 16 --window 128 --seconds 2
		run "$lane" 'rate 1000 B datagrams' "$pair" perf_msg rate \
			--bytes 1000 --batch 16 --window 128 --seconds 2
	done
	judge "$lane" 'rate 1000 B datagrams' $RATE 1/s '>=' 0.95
	perftest
}

# perftest has no multicast that works on rxe: unicast UD, for comparison.
perftest() {
	local program
	command -v ib_send_lat >/dev/null || return 0
	for program in 'ib_send_lat -n 500 -s 64' 'ib_send_bw -n 1000 -s 1024'; do
		echo "--- $program -c UD, unicast, both sides here"
		timeout 60 $program -c UD -d "$device" >/dev/null 2>&1 &
		sleep 2
		timeout 60 $program -c UD -d "$device" localhost 2>&1 |
			grep -E '^ *#|^ *[0-9]+ ' || echo "(failed)"
		wait
	done
}

frame_sizes() {
	local size pair
	where=(--interface lo)
	for ((pair = 1; pair <= pairs; pair++)); do
		for size in 1472 4096 8192 16384 32768 65507; do
			run frames "64.$size" "$pair" perf_msg rate --batch 2048 \
				--window 32768 --frame-bytes $size --seconds "$seconds"
			run frames "1M.$size" "$pair" perf_msg rate --batch 1 \
				--window 4 --bytes 1048576 --frame-bytes $size \
				--seconds "$seconds"
			run frames "one.$size" "$pair" perf_msg latency \
				--count "$count" --frame-bytes $size
		done
	done
	echo '| frame bytes | 64 B messages, M/s | 1 MiB messages, MiB/s | 64 B one-way p50, ns | pool of 1024, MiB |'
	echo '|---:|---:|---:|---:|---:|'
	for size in 1472 4096 8192 16384 32768 65507; do
		local column figures=()
		for column in 64:$RATE 1M:$RATE one:$P50; do
			read -r figure _ < <(awk -F '\t' -v w="${column%:*}.$size" \
				-v c="${column#*:}" '$2 == w { print $c }' "$runs" | median)
			figures+=("$figure")
		done
		awk -v s=$size -v a="${figures[0]}" -v b="${figures[1]}" \
			-v c="${figures[2]}" 'BEGIN { printf "| %d | %.1f | %.0f | %d | %.0f |\n",
				s, a / 1e6, b, c, (s + 40) * 1024 / 1048576 }'
	done
}

# ---- pictures ---------------------------------------------------------------

# One curve a program: at each of the 1000 steps the median of all pairs.
curve() { # curve LANE PROGRAM
	awk -F '\t' '{ v[FNR] = v[FNR] " " $1; p[FNR] = $2 }
		END { for (i = 1; i <= 1000; i++) { n = split(v[i], a, " ")
			for (j = 2; j <= n; j++) for (k = j; k > 1 &&
				a[k - 1] + 0 > a[k] + 0; k--) {
				t = a[k]; a[k] = a[k - 1]; a[k - 1] = t }
			print a[int((n + 1) / 2)] / 1000, p[i] } }' \
		"$work/$1.$2".* >"$results/$1.$2.cdf"
}

pictures() {
	local lane files=()
	command -v gnuplot >/dev/null || { echo "(no gnuplot: no pictures)"; return; }
	for lane in loopback veth; do
		[ -e "$work/$lane.raw-udp.1" ] || continue
		curve $lane raw-udp
		curve $lane libmsg
		files+=("'$results/$lane.raw-udp.cdf' title '$lane, raw'"
			"'$results/$lane.libmsg.cdf' title '$lane, libmsg'")
	done
	[ ${#files[@]} != 0 ] || return 0
	sed -E 's/.*"lane":"([^"]*)","what":"(rate[^"]*)".*"raw":([^,]*),"libmsg":([^,]*),.*/"\1, \2" \3 \4/; t; d' \
		"$work/rows" >"$work/bars"
	gnuplot <<-END
		set terminal svg size 800,500 background rgb 'white'
		set output '$results/latency.svg'
		set title 'one-way latency, 64 B, spinning, multicast'
		set xlabel 'µs'
		set ylabel 'share of messages'
		set xrange [0:10]
		set key right bottom
		set grid
		plot $(IFS=,; echo "${files[*]/%/ with lines lw 2}")
		set output '$results/rate.svg'
		set title 'delivered messages a second'
		set style data histogram
		set style fill solid 0.7
		set logscale y
		set xrange [*:*]
		set yrange [1e4:*]
		set xlabel ''
		set ylabel '1/s'
		set key left top
		plot '$work/bars' using 2:xtic(1) title 'raw', '' using 3 title 'libmsg'
	END
	echo "pictures: $results/latency.svg $results/rate.svg"
}

machine() {
	local cpu
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
	echo "machine: ${cpu:-unknown}, $(nproc) processors, Linux $(uname -r), $(date +%F), load $(cut -d' ' -f1 /proc/loadavg)"
}

if [ "$only" = softroce ]; then
	exec "$project/tests/softroce/run.sh" --timeout 900 --out "$results" -- \
		"$here/run.sh" --device rxe0 --build "$build" --results /out \
		--pairs "${asked_pairs:-$([ -n "$quick" ] && echo 1 || echo 5)}"
fi

# The scripts about the broker, with what they share of our options.
about() { # about SCRIPT ARGUMENT...
	"$here/$1" "${@:2}" --build "$build" --results "$results"
}

ipc() {
	about ipc.sh ${quick:+--quick} ${asked_pairs:+--rounds "$asked_pairs"}
}

case $only in
ipc)
	ipc
	exit ;;
broker)
	code=0
	ipc
	about start.sh || code=1
	about deaf.sh ${quick:+--seconds 2 --rounds 1} || code=1
	about peers/peers.sh --host ${quick:+--rounds 1}
	exit $code ;;
peers)
	about peers/peers.sh --install ${quick:+--rounds 1} \
		${asked_pairs:+--rounds "$asked_pairs"}
	exit ;;
esac

printf 'lane\twhat\tpair\t' >"$runs"
"$programs/perf_msg" --columns >>"$runs"
: >"$work/rows"
machine
if [ -n "$frames" ]; then
	frame_sizes
	exit
fi
head_of_table
case $only in
loopback) loopback ;;
device) verbs ;;
veth) [ "$(id -u)" = 0 ] || die "--netns needs root"; veth ;;
*)
	loopback
	if [ "$(id -u)" = 0 ] && command -v ip >/dev/null; then
		veth
	else
		echo "veth: skipped, needs root and ip (iproute2)"
	fi ;;
esac
{ printf '{"machine":"%s","rows":[\n' "$(machine | sed 's/^machine: //')"
	sed '$!s/$/,/' "$work/rows"
	echo ']}'
} >"$results/summary.json"
pictures
if [ -z "$only" ] && [ -x "$build/broker/msgbrokerd" ]; then
	ipc
fi
