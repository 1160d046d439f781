#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# rc.sh - a topic had by connections, between two hosts: nobody loses anything
# though one is slow, one is killed, the cable is cut, or the publisher dies.
. "${BASH_SOURCE%/*}/lib.sh"
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
. "${BASH_SOURCE%/*}/hosts.sh"

seed=${MSG_TEST_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
echo "MSG_TEST_SEED=$seed"
export MSG_BROKER_POLICY=never MSG_INTERFACE=veth0 MSG_LANE=udp
count=40000

side() { # side HOST ARGUMENT...: the program there, in place of this shell
	local host=$1
	shift
	exec ip netns exec "$host" "$SIDES" "$@"
}
publish() { # publish NAME TOPIC CONNECTIONS RATE
	SIDES_RC=$3 start "$1" side "$a" publish "$2" $count "$seed" 0 0 "$4"
}
subscribe() { # subscribe NAME TOPIC NAP_US
	SIDES_NAP_US=$3 start "$1" side "$b" subscribe "$2" $count "$seed" 0
	await 30 grep -q ready "$work/$1.out"
}
begun() {
	await 30 grep -q begins "$work/$1.out"
}
well() { # well NAME SECONDS
	finish "$1" "$2"
	is "exit of $1" 0 "$code"
}
number() { # number NAME WORD: what stands before it in what NAME said
	sed -n "s/.*\\b\\([0-9][0-9]*\\) $2.*/\\1/p" "$work/$1.out"
}

# One is slow: the publisher waits, and both have all.
subscribe fast slow.one 0
subscribe slow slow.one 3000
publish pub slow.one 2 0
well pub 60
well fast 20
well slow 20
check "nobody was waited for" [ "$(number pub 'held up')" -gt 0 ]
is "cut off" 0 "$(number pub 'cut off')"
is "broken" 0 "$(number pub broken)"
for name in fast slow; do
	is "lost by $name" 0 "$(number $name lost)"
done

# The publisher is idle when they come: its thread answers.
publish pub idle.one 2 0
sleep 1
subscribe late idle.one 0
sleep 0.5
subscribe later idle.one 0
for name in pub late later; do
	well $name 30
done

# One is killed while the publisher waits for it: the other has all.
subscribe lives kill.one 0
subscribe dies kill.one 2000
publish pub kill.one 2 0
begun pub
sleep 0.3
check "it was over before the kill" \
	bash -c "! grep -q published '$work/pub.out'"
kill -9 "${pids[dies]}"
finish dies
well pub 30
well lives 20
is "lost by who lives" 0 "$(number lives lost)"
is "broken" 1 "$(number pub broken)"

# The cable is cut for longer than who takes nothing is waited for.  Whether the
# connection outlasts it or another comes in its place, nothing is lost, for the
# history holds it (in 1024 buffers of a frame each).
all=$count count=1500
subscribe here cut.one 0
publish pub cut.one 1 200
begun pub
sleep 1
ip -n "$b" link set veth0 down
sleep 2.5
ip -n "$b" link set veth0 up
well pub 60
well here 30
is "lost over the cut" 0 "$(number here lost)"

# The connection is reset: another comes in its place.
if command -v ss >/dev/null; then
	subscribe here reset.one 0
	publish pub reset.one 1 300
	begun pub
	sleep 1
	(at "$b" ss -K state established dst 10.77.0.1) >"$work/ss.out" 2>&1
	well pub 60
	well here 30
	is "lost over the reset" 0 "$(number here lost)"
	# A kernel without INET_DIAG_DESTROY resets nothing.
	if grep -q 10.77.0.1 "$work/ss.out"; then
		is "connections" 2 "$(number pub connected)"
		is "broken" 1 "$(number pub broken)"
	else
		echo "no connection could be reset: $(head -c 200 "$work/ss.out")"
	fi
fi

count=$all
# The publisher is killed, and another takes its place.
subscribe here again.one 0
publish first again.one 1 20000
begun first
sleep 0.5
kill -9 "${pids[first]}"
finish first
publish second again.one 1 0
well second 30
well here 30
is "lost by the second" 0 "$(number here lost)"
check "there was but one" grep -q 'anew after [1-9]' "$work/here.out"
echo "all came"
