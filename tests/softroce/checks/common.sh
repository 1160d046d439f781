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

# The product's programs, for the checks of the whole of it.
msg=${BUILD:-}/libmsg/tool/msg
msgbrokerd=${BUILD:-}/broker/msgbrokerd

need_built() {
	local program
	for program in "$@"; do
		[ -x "$program" ] || { echo "$program is not built"; exit 77; }
	done
}

# await SECONDS COMMAND: until it succeeds.
await() {
	local limit=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $limit ] || fail "waited in vain for: $*"
		sleep 0.1
	done
}

# start_broker: on rxe0, its log $work/broker.err.  From then on
# whoever is run by `through` has no other lane, and by `direct` none of its.
start_broker() {
	need_built "$msg" "$msgbrokerd"
	work=$(mktemp -d /run/broker.XXXXXX)
	chmod 755 "$work"
	# Tests open and close much, and what they had comes back a bit later.
	printf '%s\n' '[quota]' 'connections = 1000' 'subscriptions = 1000' \
		'publishers = 1000' 'held_slots = 4Mi' 'bytes = 8Gi' \
		>"$work/conf"
	"$msgbrokerd" --device rxe0 --config "$work/conf" \
		--socket "$work/b.sock" 2>"$work/broker.err" &
	# shellcheck disable=SC2034 # for the checks
	broker=$!
	await 30 grep -q 'info: started:' "$work/broker.err"
}

# With `how` as exec they take the place of the shell.
how=
through() {
	MSG_BROKER=$work/b.sock MSG_BROKER_POLICY=require $how "$msg" "$@"
}
direct() {
	local command=$1
	shift
	MSG_BROKER_POLICY=never $how "$msg" "$command" --device rxe0 "$@"
}

# listen NAME through|direct ECHO-ARGUMENT...: in the background, until it is
# attached; its messages in $work/NAME, its process in ${pids[NAME]}.
listen() {
	local name=$1
	shift
	how='exec' "$1" echo "${@:2}" >"$work/$name" 2>"$work/$name.err" &
	pids[$name]=$!
	await 30 grep -q 'listening to' "$work/$name.err"
}
declare -A pids=()

# heard NAME WANTED: it ended well, and got those bytes.
heard() {
	wait "${pids[$1]}" || { cat "$work/$1.err"; fail "$1 failed"; }
	cmp "$2" "$work/$1" || fail "$1: other bytes"
	echo "$1: $(tail -n 1 "$work/$1.err")"
}

# counts NAME: its values in what `msg info` says of the broker, in order.
counts() {
	through info -t 0 --json "$work/b.sock" | grep -o "\"$1\":[0-9][0-9]*" |
		cut -d : -f 2
}

# Queue pairs of a process.
queue_pairs() { rdma resource show qp | grep -c " pid $1 " || true; }

# Messages of all the kinds there are, in files: an entry of a ring, a frame,
# fragments; the first is $work/m.0.
make_messages() {
	local i=0 bytes
	for bytes in 1 32 33 960 1000 1001 4000 65536; do
		head -c $bytes /dev/urandom >"$work/m.$i"
		i=$((i + 1))
	done
}

# ---- accounts of subscribers on the right, of messages from the left -------

# number NAME FILE: of the summary a subscriber prints last.
number() {
	tail -n 1 "$2" | tr ',{}' '\n' | sed -n "s/^ *\"$1\": *//p"
}

# account N OUT COUNT: what `echo --json` wrote into OUT/right/N says of each of
# COUNT that it was delivered or lost; $lost is what the wire dropped, $dropped
# frames, but for announcements.
account() {
	local out=$2 count=$3 delivered
	dropped=$(sed -e 's/.*"left_to_right":\(.*\),"right_to_left".*/\1/' \
		-e 's/.*"roce_multicast":{\([^}]*\)}.*/\1/' "$out/relay.json" |
		tr , '\n' | sed -n 's/^"dropped"://p')
	delivered=$(number messages "$out/right/$1")
	lost=$(number lost "$out/right/$1")
	echo "subscriber $1: $delivered delivered, $lost lost;" \
		"the wire dropped $dropped frames"
	[ $((delivered + lost)) = "$count" ] ||
		fail "of $count messages, $((delivered + lost)) accounted for"
	[ "$lost" -le "$dropped" ] || fail "more lost than the wire dropped"
	[ $((dropped - lost)) -le 60 ] || fail "drops that nobody counted"
}

# as_lossy_as PERCENT: behind an account, the wire was as bad as it was to be.
as_lossy_as() {
	if [ "$1" = 0 ]; then
		[ "$dropped" = 0 ] || fail "a wire without faults dropped frames"
	else
		[ "$lost" -gt 0 ] || fail "nothing was lost: the wire was too good"
	fi
}
