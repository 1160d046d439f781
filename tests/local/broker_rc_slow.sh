#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_rc_slow.sh [CASE...] - a reader behind a broker holds back the publisher of
# a topic by connections, which sends as fast as it goes.  A case is WHAT.WHERE; the
# publisher is on another host, straight on the lane or behind a broker of its own,
# or behind the same broker:
#
#   stops      the reader stands still for 50 and for 500 ms: it loses nothing, nor
#              does anybody else, and another topic goes on meanwhile
#   gives_up   for longer than the publisher waits: it loses some, and is told; who
#              reads beside it loses nothing
#   dies       it is killed while it stands still: nobody else notices
#   hoards     it gives nothing back: the same
seed=${SEED:-$RANDOM$RANDOM}
count=${COUNT:-150000}
# shellcheck source=tests/local/brokers_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/brokers_lib.sh" || exit 1
command -v ss >/dev/null || skip "no ss command (iproute2)"
[ $# -gt 0 ] || set -- {stops,gives_up,dies,hoards}.{lane,broker,local}
echo "SEED=$seed COUNT=$count $*"
base=(SIDES_RC=0 SIDES_LAP=1)
patience=1000
side_env=("${base[@]}")

# Who stands still does not end.
go_on() {
	[ -z "${pids[slow]:-}" ] || kill -CONT "${pids[slow]}" 2>/dev/null
	remove
}
trap go_on EXIT

signal() { kill "-$1" "${pids[$2]}"; } # The process of a side itself.
alive() { kill -0 "${pids[$1]}" 2>/dev/null; }
begun() { grep -q begins "$work/$1.out"; }
number() { # number NAME WHAT: what stands before that
	sed -En "s/(.*[^0-9])?([0-9]+) $2.*/\2/p" "$work/$1.out" | head -n 1
}

connections() { # from host b to host a
	at "$b" ss -Htn state established dst 10.77.0.1 | wc -l
}
connected() { [ "$(connections)" -gt "$1" ]; }
none_is_left() { [ "$(connections)" = 0 ]; }

# publish TOPIC NAME COUNT: from $from, and wait until it has begun.
publish() {
	local before
	rm -f "$work/go"
	before=$(connections)
	side_env=("${base[@]}" SIDES_GO="$work/go" SIDES_GIVE_UP_MS="$patience")
	side "$a" "$from" "$2" publish "$1" "$3" "$seed" 0 0 0
	side_env=("${base[@]}")
	[ "$to" = left ] || await 30 connected "$before"
	touch "$work/go"
	await 20 begun "$2"
}

# The slow one, which may lose so many, and one beside it.
readers() {
	side "$to_host" "$to" slow subscribe "$topic" "$count" "$seed" "$1"
	side "$to_host" "$to" fast subscribe "$topic" "$count" "$seed" 0
	publish "$topic" pub "$count"
	sleep 0.03
}

others_go_on() {
	ends "$topic" 60 fast pub
	is "$topic: connections cut off" 0 "$(number pub "cut off")"
}

stops() {
	# Programs are started meanwhile, on a machine that may have much to do.
	patience=20000
	readers 0
	patience=1000
	signal STOP slow
	sleep 0.05
	signal CONT slow
	sleep 0.03
	signal STOP slow
	side "$to_host" "$to" aside subscribe "$topic.other" 2000 "$seed" 0
	publish "$topic.other" aside.pub 2000
	ends "$topic.other" 20 aside aside.pub
	sleep 0.3
	check "$topic: the publisher did not wait" alive pub
	signal CONT slow
	ends "$topic" 60 slow
	others_go_on
	check "$topic: the publisher was not held back" \
		[ "$(number pub "loans refused")" -gt 0 ]
}

gives_up() {
	readers "$count"
	signal STOP slow
	others_go_on
	signal CONT slow
	ends "$topic" 60 slow
	check "$topic: it lost nothing" [ "$(number slow lost)" -gt 0 ]
	echo "$topic: $(grep 'all came' "$work/slow.out")"
}

dies() {
	readers 0
	signal STOP slow
	sleep 0.1
	signal KILL slow
	finish slow 2>/dev/null
	others_go_on
}

# A publisher of the same host has as many slots beside those that it may hold, so it
# is lapped for ever; a broker has not.
hoards() {
	base+=(SIDES_HOARD=1)
	side_env=("${base[@]}")
	side "$to_host" "$to" slow subscribe "$topic" "$count" "$seed" 0
	base=("${base[@]:0:2}")
	side_env=("${base[@]}")
	side "$to_host" "$to" fast subscribe "$topic" "$count" "$seed" 0
	publish "$topic" pub "$count"
	if [ "$to" = left ]; then
		others_go_on
		signal KILL slow
		finish slow 2>/dev/null
	else
		ends "$topic" 60 slow
		others_go_on
		echo "$topic: $(grep 'in hand' "$work/slow.out")"
	fi
}

: >"$work/empty.conf"
brokers
for topic; do
	case ${topic#*.} in
	lane) from=- to=right to_host=$b ;;
	broker) from=left to=right to_host=$b ;;
	# Nothing is sent: it goes several times as fast.
	local) from=left to=left to_host=$a count=$((8 * count)) ;;
	*) fail "no such case: $topic" ;;
	esac
	# A broker keeps those of a publisher that is gone for a while.
	await 20 none_is_left
	${topic%.*}
	echo "$topic: $(grep published "$work/pub.out")"
	[ "$to" = right ] || count=$((count / 8))
done
echo "all came"
