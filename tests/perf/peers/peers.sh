#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# peers.sh - libmsg beside other ways to publish and subscribe on one host.
#
# Cells are measured in turns: in each round every way once, so that what else
# the machine does falls on all of them; the median over rounds is the figure.
set -euo pipefail
LC_ALL=C
export LC_ALL
# shellcheck source=tests/perf/broker.sh
. "$(dirname "${BASH_SOURCE[0]}")/../broker.sh"

usage() {
	cat <<'HELP'
usage: tests/perf/peers/peers.sh [OPTION...]

One publisher process and N subscriber processes of this host, every byte of
each message written and read: libmsg through a broker, ZeroMQ, nng, iceoryx,
Cyclone DDS and the kernel's multicast, those of them that were built.

  --modes LIST        of rate,spin,block (all): as fast as nothing is lost;
                      10000 messages a second, looking all the time; the same,
                      sleeping, with the processor time of all
  --subscribers LIST  (1,4); spin: 1 alone, for the processors do not suffice
  --bytes LIST        (64,1024,8192,65536)
  --peers LIST        of msg,udp,zmq,nng,iceoryx,cyclonedds
  --rounds N          (3)
  --seconds S         of a cell (0.4)
  --again             only make tables and picture of the peers.tsv that is there
  --full              --subscribers 1,2,4,8 --rounds 5
  --host              instead: what a datagram costs a host with N = 1 to 8
                      subscribers, behind a broker and each by itself
  --device NAME       with --host: on that RDMA device, not on loopback
  --rate R            messages a second where paced (10000; --host: 5000)
  --no-nice           ask for no priority over others (only root gets it anyway)
  --install           have the packages of others first (as root), and build
  --build DIR, --results DIR, --help

Results go to build/perf-results: peers.tsv, peers.txt, peers.png; with --host
host.tsv, host.txt, host.png.  Exit status: 0; 1 when one of ours did not run.
HELP
}

modes=rate,spin,block subscribers=1,4 sizes=64,1024,8192,65536 rounds=3
seconds=0.4 favour=yes peers=msg,udp,zmq,nng,iceoryx,cyclonedds host='' device='' install='' rate='' again=''
while [ $# -gt 0 ]; do
	case $1 in
	--modes) modes=${2:?}; shift ;;
	--subscribers) subscribers=${2:?}; shift ;;
	--bytes) sizes=${2:?}; shift ;;
	--peers) peers=${2:?}; shift ;;
	--rounds) rounds=${2:?}; shift ;;
	--seconds) seconds=${2:?}; shift ;;
	--rate) rate=${2:?}; shift ;;
	--full) subscribers=1,2,4,8 rounds=5 ;;
	--again) again=yes ;;
	--host) host=yes ;;
	--device) device=${2:?}; shift ;;
	--no-nice) favour='' ;;
	--install) install=yes ;;
	--build) build=${2:?}; shift ;;
	--results) results=${2:?}; shift ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
find_build
if [ -n "$install" ]; then
	"$project/libmsg/cmake/install-dependencies.sh" peers
	cmake "$build" >/dev/null
	cmake --build "$build" >/dev/null
fi
programs=$programs/peers
own_groups
# Not real-time, as elsewhere here: threads that some of these have would never
# get a processor beside a spinning one.
[ -z "$favour" ] || [ "$(id -u)" != 0 ] || renice -n -20 $$ >/dev/null

roudi_pid=''
roudi_start() {
	[ -x "$programs/perf_peer_iceoryx" ] && command -v iox-roudi >/dev/null ||
		return 0
	local i
	: >"$work/roudi.log"
	iox-roudi --monitoring-mode off >"$work/roudi.log" 2>&1 </dev/null &
	roudi_pid=$!
	for ((i = 0; i < 250; i++)); do
		! grep -q 'ready for clients' "$work/roudi.log" || return 0
		kill -0 "$roudi_pid" 2>/dev/null || break
		sleep 0.02
	done
	echo "(iox-roudi does not serve: $(tail -n 1 "$work/roudi.log"))"
	kill "$roudi_pid" 2>/dev/null || true
	roudi_pid=''
}
roudi_stop() {
	[ -z "$roudi_pid" ] || kill "$roudi_pid" 2>/dev/null || true
	[ -z "$roudi_pid" ] || wait "$roudi_pid" 2>/dev/null || true
}
trap 'roudi_stop; cleanup' EXIT

# On loopback and nowhere else.
export CYCLONEDDS_URI='<CycloneDDS><Domain><General><Interfaces>
<NetworkInterface name="lo" multicast="true"/></Interfaces>
<AllowMulticast>true</AllowMulticast></General></Domain></CycloneDDS>'

# cell PEER MODE SUBSCRIBERS BYTES [STYLE]: a line into $runs
cell() {
	local peer=$1 mode=$2 n=$3 bytes=$4 style=${5:-} line place=$work daemon=0
	[ -x "$programs/perf_peer_$peer" ] || return 0
	case $peer in
	msg) place=$broker daemon=$broker_pid ;;
	iceoryx) daemon=$roudi_pid; [ -n "$daemon" ] || return 0 ;;
	esac
	# A broker without a network takes no wishes for one.
	if line=$([ "$peer" != msg ] || [ -n "$host" ] || unset "${!MSG_@}"
		timeout 20 "$programs/perf_peer_$peer" "$mode" \
		--subscribers "$n" --bytes "$bytes" --seconds "$seconds" \
		--rate "$rate" --place "$place" --daemon "$daemon" \
		${style:+--style "$style"} 2>"$work/cell.err" | tail -n 1) &&
		[ -n "$line" ]; then
		echo "$line" >>"$runs"
	else
		echo "(failed: $peer $mode, $n subscribers, $bytes B:" \
			"$(tail -n 1 "$work/cell.err"))"
		[ "$peer" != msg ] || failed=1
	fi
	rm -f "$work/zmq" "$work/nng"
}

# Medians of the rounds: name (or style), mode, subscribers, bytes, and columns
# 7 to 13 of $runs.
medians() {
	awk -F '\t' '
		function median(k, c,    m, a, b, t) {
			m = n[k]
			for (a = 2; a <= m; a++)
				for (b = a; b > 1 && v[k, c, b - 1] > v[k, c, b]; b--) {
					t = v[k, c, b - 1]
					v[k, c, b - 1] = v[k, c, b]
					v[k, c, b] = t
				}
			return v[k, c, int((m + 1) / 2)]
		}
		{
			k = ($2 != "-" ? $2 : $1) "\t" $3 "\t" $4 "\t" $5
			if (!(k in n)) order[++keys] = k
			n[k]++
			for (c = 7; c <= 13; c++) v[k, c, n[k]] = $c + 0
		}
		END {
			for (i = 1; i <= keys; i++) {
				line = order[i]
				for (c = 7; c <= 13; c++)
					line = line "\t" median(order[i], c)
				print line
			}
		}' "$runs" | sort -t "$(printf '\t')" -s -k2,2 -k3,3n -k4,4n
}

# A table for each mode: a row a cell, a column a way.  A mark where another is
# ahead of libmsg: "!".
table() { # table MODE TITLE COLUMN SENSE SCALE
	medians | awk -F '\t' -v mode="$1" -v title="$2" -v c="$3" -v s="$4" \
		-v scale="$5" '
		$2 != mode { next }
		{ cell = $3 " x " $4 " B"
			if (!(cell in seen)) { cells[++rows] = cell; seen[cell] = 1 }
			if (!($1 in known)) { ways[++columns] = $1; known[$1] = 1 }
			v[cell, $1] = $c; got[cell, $1] = $5 }
		END {
			if (rows == 0) exit
			printf "\n%s\n%-16s", title, ""
			for (j = 1; j <= columns; j++) printf " %14s", ways[j]
			print ""
			for (i = 1; i <= rows; i++) {
				printf "%-16s", cells[i]
				for (j = 1; j <= columns; j++)
					printf " %14s", entry(cells[i], ways[j])
				print ""
			}
		}
		function entry(cell, way,    k, value, ours, text) {
			k = cell SUBSEP way
			if (!(k in v)) return "-"
			value = v[k] + 0
			ours = v[cell, "libmsg"] + 0
			text = sprintf("%.4g", value * scale)
			if (got[k] < 99.9) return sprintf("(%d%%) %s ", got[k], text)
			if (way == "libmsg") return text " "
			return text ((s == ">" ? value > ours : value < ours) ? "!" : " ")
		}'
}

tables() {
	table rate 'rate of each subscriber, million messages/s' 6 '>' 1e-6
	table spin 'spinning, one-way p50, us' 7 '<' 1
	table spin 'spinning, one-way p99, us' 8 '<' 1
	table block 'blocking, one-way p50, us' 7 '<' 1
	table block 'blocking, one-way p99, us' 8 '<' 1
	cpu_table
	echo
	echo 'N x bytes; "!": ahead of libmsg; (n%): delivered only so much.'
}

# Publisher, subscribers and daemon together: us a message are s a million.
cpu_table() {
	local runs=$work/cpu
	awk -F '\t' -v OFS='\t' '$3 == "block" { $9 = $11 + $12 + $13; print }' \
		"$results/peers.tsv" >"$runs"
	table block 'blocking, processor seconds a million messages, all processes' \
		7 '<' 1
}

# A curve for each way: the first number of subscribers, over the sizes.
draw() {
	local way ways
	medians >"$work/medians"
	mapfile -t ways < <(cut -f 1 "$work/medians" | awk '!seen[$0]++')
	cat <<-'END'
		set datafile separator "\t"
		set multiplot layout 1,2
		set style data linespoints
		set grid
		set logscale xy
		set xlabel 'bytes'
		set key bottom left
	END
	curves rate 6 'messages/s of each subscriber'
	echo 'set key top left'
	curves block 7 "blocking at $rate/s, one-way p50, us"
	echo 'unset multiplot'
}

curves() { # curves MODE COLUMN TITLE
	local list=() n=${subscribers%%,*}
	grep -q -P "\t$1\t$n\t" "$work/medians" || return 0
	for way in "${ways[@]}"; do
		list+=("'< grep -P \"^$way\t$1\t$n\t\" $work/medians' using 4:$2 title '$way' lw 2")
	done
	echo "set title '$3, $n subscriber(s)'"
	(IFS=,; echo "plot ${list[*]}")
}

# What a datagram costs the host: all receivers and the broker; the publisher
# apart, in whose time the kernel copies a datagram to each socket.
host_table() {
	medians >"$work/medians"
	awk -F '\t' '
		{ v[$1, $3] = $10 + $11; s[$1, $3] = $9; d[$1, $3] = $5
			if (!($3 in seen)) { ns[++rows] = $3; seen[$3] = 1 } }
		END {
			printf "%-12s %12s %12s %7s   %21s   %17s\n", "subscribers",
				"behind, us", "alone, us", "ratio",
				"with the publisher, us", "delivered %"
			for (i = 1; i <= rows; i++) { n = ns[i]
				b = v["behind", n]; a = v["alone", n]
				printf "%-12d %12.2f %12.2f %7.2f   %10.2f %10.2f   %8.2f %8.2f\n",
					n, b, a, b / a, b + s["behind", n],
					a + s["alone", n], d["behind", n],
					d["alone", n] } }' "$work/medians"
}

draw_host() {
	cat <<-END
		set datafile separator "\t"
		set style data linespoints
		set grid
		set yrange [0:*]
		set xlabel 'subscribers'
		set ylabel 'us of processor time a datagram'
		set key top left
		set title '1 KiB multicast, $rate/s: what receiving costs the host'
		plot '< grep -P "^behind" $work/medians' using 3:(\$10+\$11) \
			title 'behind a broker' lw 2, \
			'< grep -P "^alone" $work/medians' using 3:(\$10+\$11) \
			title 'each by itself' lw 2, \
			'< grep -P "^behind" $work/medians' using 3:(\$9+\$10+\$11) \
			title 'behind, with the publisher' dt 2, \
			'< grep -P "^alone" $work/medians' using 3:(\$9+\$10+\$11) \
			title 'each by itself, with the publisher' dt 2
	END
}

failed=0
if [ -n "$host" ]; then
	rate=${rate:-5000}
	runs=$results/host.tsv
	: >"$runs"
	if [ -n "$device" ]; then
		unset MSG_INTERFACE
		export MSG_LANE=verbs MSG_DEVICE=$device
		broker_start --lane verbs --device "$device"
	else
		broker_start --lane udp --interface lo
	fi
	machine | tee "$results/host.txt"
	for ((round = 0; round < rounds; round++)); do
		for n in 1 2 3 4 6 8; do
			for style in behind alone; do
				cell msg block $n 1024 $style
			done
		done
	done
	{ host_table; machine; } | tee -a "$results/host.txt"
	draw_host | picture "$results/host.png"
	exit $failed
fi

rate=${rate:-10000}
runs=$results/peers.tsv
measure_peers() {
	local round mode n bytes peer
	: >"$runs"
	broker_start --lane none
	roudi_start
	for ((round = 0; round < rounds; round++)); do
		for mode in ${modes//,/ }; do
			for n in ${subscribers//,/ }; do
				[ "$mode" != spin ] || [ "$n" = 1 ] || continue
				for bytes in ${sizes//,/ }; do
					for peer in ${peers//,/ }; do
						cell "$peer" "$mode" "$n" "$bytes"
					done
				done
			done
		done
	done
}
machine | tee "$results/peers.txt"
[ -n "$again" ] || measure_peers
{ tables; machine; } | tee -a "$results/peers.txt"
draw | picture "$results/peers.png"
exit $failed
