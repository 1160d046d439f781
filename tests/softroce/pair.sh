#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# pair.sh - run two commands on two machines joined by a wire with faults.
#
#   tests/softroce/pair.sh [OPTION...] --left 'COMMAND' --right 'COMMAND'
#
#   left| ◀── run.sh ── left machine     right machine ── run.sh ──▶ right|
#                       10.77.0.1           10.77.0.2
#                          eth0 ──── relay ──── eth0
#                                 drop, duplicate,
#                                 reorder by seed
#
# Each side is a run.sh; the relay (relay.c) carries the frames between their
# cards over unix-domain sockets of a temporary folder.  A folder of the host
# that both can write serves barrier.sh and wire.sh, which are on PATH in the
# guests.  Tested by selftest.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
project=$(cd "$here/../.." && pwd)

usage() {
	cat <<'HELP'
usage: tests/softroce/pair.sh [OPTION...] --left 'COMMAND' --right 'COMMAND'

Run each COMMAND by bash on a machine of its own, as run.sh does, the two
joined by a wire.  left is 10.77.0.1, right is 10.77.0.2; each finds the
other's address in SOFTROCE_PEER and its own in SOFTROCE_ADDRESS.  A machine
goes down when its command ends: meet at a barrier.sh before leaving.

Faults, for RoCEv2 frames alone (ARP, IGMP and TCP always pass):
  --loss PERCENT --duplicate PERCENT --reorder PERCENT    each 0 if not given
  --seed N            what the faults are drawn from (1)
  --multicast-only    only frames to a group meet faults
  --from left|right   only what this side sends meets faults
The machines:
  --out DIR           /out of the guests becomes DIR/left and DIR/right, the
                      relay's counts DIR/relay.json
  --env NAME[=VALUE]  --timeout SECONDS  --mtu 1500|9000  --memory SIZE
  --memlock KB  --kernel FILE.deb  --cache DIR               as for run.sh
  --cpus N            of each (2 if the host has 4 or more, else 1)
  --build DIR         where softroce_relay was built (build/); compiled into
                      the cache folder when it was not
  --help              this text
In the guests, on PATH:
  barrier.sh NAME [SECONDS]           wait until the other side is here too
  wire.sh cut|heal [left|right]       drop every frame (that side sends)

What the commands print comes out with "left| " and "right| " before each
line, and last "relay| " with one line of JSON: what was seen, dropped,
duplicated, reordered, forwarded, by direction, unicast and multicast.

Exit status: 0 if both commands succeeded; 77 if neither failed but one exited
77 (skipped); 124 after the timeout; 125 when a machine or the relay failed; 2
on wrong usage or when something is missing to start; else 1.  When one side fails the
other has 15 more seconds.
HELP
}

die() { echo "softroce: $1" >&2; exit "${2:-2}"; }

build=$project/build cache=$project/build/softroce out='' left='' right=''
faults=() machine=() kernel=()
# More emulated processors than the host has slow both sides down: ping-pong
# of 1.37 ms with two each on two cores, 0.93 ms with one each.
cpus=$(($(nproc) >= 4 ? 2 : 1))
while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--multicast-only) faults+=("$1"); shift; continue ;;
	--*) [ $# -ge 2 ] || die "$1 needs a value; see --help" ;;
	*) die "unknown word $1; see --help" ;;
	esac
	case $1 in
	--left) left=$2 ;;
	--right) right=$2 ;;
	--loss | --duplicate | --reorder | --seed | --from)
		faults+=("$1" "$2") ;;
	--cpus) cpus=$2 ;;
	--env | --timeout | --mtu | --memory | --memlock)
		machine+=("$1" "$2") ;;
	--kernel) kernel=(--kernel "$2") ;;
	--cache) cache=$2 ;;
	--build) build=$2 ;;
	--out) out=$2 ;;
	*) die "unknown option $1; see --help" ;;
	esac
	shift 2
done
if [ -z "$left" ] || [ -z "$right" ]; then
	die "both --left and --right are needed; see --help"
fi
machine+=(--cpus "$cpus" --cache "$cache" "${kernel[@]}")

"$here/run.sh" "${machine[@]}" --prepare

# The relay: CMake's, or else compiled here, so that a fresh tree works.
relay=$build/tests/softroce/softroce_relay
if [ ! -x "$relay" ] || [ "$here/relay.c" -nt "$relay" ]; then
	relay=$cache/softroce_relay-$(sha256sum <"$here/relay.c" | cut -c 1-12)
	if [ ! -x "$relay" ]; then
		command -v cc >/dev/null ||
			die "no compiler; run: apt-get install gcc libc6-dev"
		cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$relay.$$" "$here/relay.c"
		mv "$relay.$$" "$relay"
	fi
fi

tmp=$(mktemp -d "${TMPDIR:-/tmp}/softroce-pair.XXXXXX")
declare -A pids=()
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	trap '' INT TERM HUP
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait
	rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

mkdir "$tmp/wire" "$tmp/shared"
setpriv --pdeathsig TERM "$relay" "${faults[@]}" --cut "$tmp/shared" \
	"$tmp/wire" >"$tmp/relay.json" &
pids[relay]=$!
for ((i = 0; i < 100; i++)); do
	[ ! -e "$tmp/wire/right.relay" ] || break
	kill -0 "${pids[relay]}" 2>/dev/null || die "the relay does not start"
	sleep 0.05
done

# start SIDE COMMAND
start() {
	local side=$1 socket=${tmp//,/,,}/wire/$1 results=()
	[ -z "$out" ] || results=(--out "$out/$side")
	mkfifo "$tmp/$side"
	stdbuf -oL sed "s/^/$side| /" <"$tmp/$side" &
	pids[$side.prefix]=$!
	setpriv --pdeathsig TERM "$here/run.sh" "${machine[@]}" \
		"${results[@]}" --quiet --side "$side" --shared "$tmp/shared" \
		--wire "local.type=unix,local.path=$socket.qemu,remote.type=unix,remote.path=$socket.relay" \
		-- bash -c "$2" >"$tmp/$side" 2>&1 &
	pids[$side]=$!
}

echo "softroce: booting two machines" >&2
start left "$left"
start right "$right"

declare -A status=()
deadline=''
while [ ${#status[@]} -lt 2 ]; do
	for side in left right; do
		[ -z "${status[$side]+set}" ] || continue
		kill -0 "${pids[$side]}" 2>/dev/null && continue
		code=0
		wait "${pids[$side]}" || code=$?
		status[$side]=$code
		[ "$code" = 0 ] || deadline=$((SECONDS + 15))
	done
	if [ -n "$deadline" ] && [ $SECONDS -ge "$deadline" ]; then
		for side in left right; do
			[ -n "${status[$side]+set}" ] ||
				kill "${pids[$side]}" 2>/dev/null || true
		done
	fi
	sleep 0.1
done
wait "${pids[left.prefix]}" "${pids[right.prefix]}" || true

kill -TERM "${pids[relay]}"
relay_status=0
wait "${pids[relay]}" || relay_status=$?
pids=()
[ -z "$out" ] || cp "$tmp/relay.json" "$out/relay.json"
sed 's/^/relay| /' "$tmp/relay.json"

left=${status[left]} right=${status[right]}
echo "softroce: left exited $left, right exited $right" >&2
for code in 125 124; do
	case $left-$right in $code-* | *-$code) exit $code ;; esac
done
[ "$relay_status" = 0 ] || die "the relay failed" 125
case $left-$right in
0-0) exit 0 ;;
77-77 | 77-0 | 0-77) exit 77 ;;
*) exit 1 ;;
esac
