#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# usage.sh - a bad command line: exit 2, the problem named, nothing on stdout.
. "${BASH_SOURCE%/*}/lib.sh"

rows=0
refused() { # refused SENTENCE ARGUMENTS...
	local sentence=$1
	shift
	timeout 30 "$MSG" "$@" >"$work/bad.out" 2>"$work/bad.err" </dev/null
	is "exit of: msg $*" 2 $?
	grep -qF -- "$sentence" "$work/bad.err" ||
		fail "msg $*: wanted '$sentence', got '$(cat "$work/bad.err")'"
	is "stdout of: msg $*" "" "$(cat "$work/bad.out")"
	rows=$((rows + 1))
}

refused "Usage: msg COMMAND"
refused "unknown command 'ecko'; did you mean 'echo'?" ecko t
refused "unknown command 'puub'; did you mean 'pub'?" puub
refused "unknown command 'xyzzy'" xyzzy
refused "unknown option '--frobnicate' before a command" --frobnicate
refused "unknown command 'recipes'; did you mean 'help recipes'?" recipes
refused "unknown command 'dcotor'; did you mean 'doctor'?" help dcotor

refused "TOPIC is missing" pub
refused "too many arguments" pub a.b c.d
refused "unknown option '--mesage'; did you mean '--message'?" pub t --mesage x
refused "unknown option '--zzz'" pub t --zzz
refused "unknown option '-Z'" pub t -Z
refused "option '--message' needs a value" pub t --message
refused "--count '0x10' is not a whole number" pub t --count 0x10
refused "--count '-3' is not a whole number" pub t --count -3
refused "--count '1.5' is not a whole number" pub t --count 1.5
refused "--count 0 is out of range: 1 to" pub t --count 0
refused "--size 17825792 is above 16777216; give --large too" pub t --size 17Mi
refused "--size 2Gi is out of range: 0 to 1073741824" pub t --size 2Gi
refused "--rate 'fast' is not a rate" pub t --size 8 --rate fast
refused "--rate 'inf' is not a rate" pub t --size 8 --rate inf
refused "exclude each other" pub t --size 8 --message x
refused "exclude each other" pub t --message x --file y
refused "topic" pub a..b --message x
refused "topic" pub 'a.*' --message x
refused "topic" pub $'a.\033[31m' --message x

refused "--interface is empty" pub t --message x -i ''
refused "--device is empty" pub t --message x --device ''
refused "--groups is empty" pub t --message x --groups ''
refused "--flow is nothing for a best-effort topic; give --reliability" \
	pub t --message x --flow min
refused "--history is nothing for a best-effort" pub t -m x --history 1Mi
refused "--large is nothing for a best-effort" pub t -m x --large 1Mi

refused "PATTERN is missing" echo
refused "--history and --reliability best-effort exclude" \
	echo t --history all --reliability best-effort
refused "--filter is empty" echo t --filter ''
refused "--timeout is out of range: above 0" echo t --timeout 0
refused "exclude each other" echo t --raw --json
refused "exclude each other" echo t --raw --no-payload
refused "--timeout 'soon' is not a time" echo t --timeout soon
refused "option '--json=yes' takes no value" echo t --json=yes
refused "--buffers 3 is out of range: 16 to 65536" echo t --buffers 3
refused "--require 'los' is none of loss, messages; did you mean 'loss'?" \
	echo t --require los=0
refused "--require 'loss' is not NAME=VALUE" echo t --require loss
refused "pattern" echo 'a.>.b'

refused "only PATTERN is expected" losses a b
refused "--seconds 'x' is not a time" losses --seconds x
refused "--seconds is out of range: above 0" losses --seconds 0
refused "--tagged and --reliability best-effort exclude" \
	losses --tagged --reliability best-effort
refused "--count 0 is out of range: 1 to" losses --count 0
refused "--buffers 3 is out of range: 16 to 65536" losses --buffers 3
refused "pattern" losses 'a.>.b'

refused "--output is missing" record a
refused "--output is missing" record a -o ''
refused "--large and --reliability best-effort exclude" \
	record -o "$work/no.mcap" a --large 1Mi --reliability best-effort
refused "PATTERN is missing" record -o "$work/no.mcap"
refused "--sync 'group' is neither none nor as group:5ms" \
	record -o "$work/no.mcap" a --sync group
refused "--sync 'group:x' is neither" record -o "$work/no.mcap" a --sync group:x
refused "is out of range: 100us to 60s" \
	record -o "$work/no.mcap" a --sync=group:1us
refused "--compression 'zst' is none of none, zstd; did you mean 'zstd'?" \
	record -o "$work/no.mcap" a --compression zst
refused "--rotate-bytes 1k is out of range: 65536 to" \
	record -o "$work/no.mcap" a --rotate-bytes 1k
refused "--rotate-seconds is out of range" \
	record -o "$work/no.mcap" a --rotate-seconds 0
refused "--queue-bytes is too small for messages of 1048576 bytes" \
	record -o "$work/no.mcap" a --queue-bytes 1M
refused "--json and --output - exclude each other" record -o - a --json
refused "standard output cannot be rotated" record -o - a --rotate-seconds 5
refused "pattern" record -o "$work/no.mcap" 'a.>.b'
check "no file for a bad line" [ ! -e "$work/no.mcap" ]

refused "FILE is missing" play
refused "--speed 'quick' is not a number" play a --speed quick
refused "--speed 1G is out of range" play a --speed 1G
refused "--from 'noon' is neither seconds" play a --from noon
refused "--to '2026-11-28T06:34:24' is neither seconds" \
	play a --to 2026-11-28T06:34:24
refused "--prefix 'a.*' is no topic" play a --prefix 'a.*'
refused "pattern" play a --topic 'a..b'
refused "--flow is nothing for a best-effort topic" \
	play a --reliability best-effort --flow min
refused "--flow 'mni' is none of none, min, tagged; did you mean 'min'?" \
	play a --flow mni

refused "SUBCOMMAND (info or recover) is missing" file
refused "did you mean 'info'?" file inof a
refused "FILE is missing" file info
refused "--output is missing" file recover a
refused "only FILE is expected" file recover a b -o c
refused "are for recover" file info a -o b
refused "are for info" file recover a -o b --json

refused "only PATTERN is expected" list a b
refused "--wait 'x' is not a time" list --wait x
refused "--names goes with none of" list --names --json
refused "--brokers goes with neither" list --brokers --watch
refused "--brokers goes with neither" list --brokers a

refused "topic 'a.>' has a wildcard at byte 2" type 'a.>'
refused "topic '\\\\xff' is not UTF-8" type $'\377'

refused "only NAME is expected" info a b
refused "--interval 'x' is not a time" info --interval x
refused "only NAME is expected" top a b
refused "--sort 'lagg' is none of topic, rate, lag, held, lost; did you mean 'lag'?" \
	top --sort lagg
refused "--count 0 is out of range" top --count 0
refused "--interval is out of range" top --interval 0
refused "a broker's name may hold letters" info 'a b'
refused "a broker's name may not begin with a dot" top .a

refused "MODE (throughput, latency or roundtrip) is missing" bench
refused "did you mean 'latency'?" bench latencyy
refused "--size 4 is out of range: 8 to" bench latency --size 4
refused "--spin and --block exclude each other" bench latency --spin --block
refused "--role is for roundtrip" bench latency --role ping
refused "--flow is nothing for a best-effort topic" bench latency --flow min
refused "did you mean 'pong'?" bench roundtrip --role pogn
refused "--subscribers 65 is out of range: 1 to 64" \
	bench throughput --subscribers 65
refused "--window 4 is smaller than --batch 32" bench throughput --window 4
refused "--require 'p99' is none of loss, loss_percent, rate" \
	bench throughput --require p99=1ms
refused "--require p99 'quick' is not a time" bench latency --require p99=quick
refused "too many arguments: none is expected" doctor what
refused "did you mean 'check-config'?" broker check-confg
refused "only FILE is expected" broker check-config a b
refused "too many arguments: none is expected" counters what

refused "--lane 'verb' is none of verbs, udp; did you mean 'verbs'?" \
	echo t --lane verb
refused "--port 70000 is out of range: 1 to 65535" echo t --port 70000
refused "--ttl 0 is out of range: 1 to 255" echo t --ttl 0
refused "--frame-bytes 12 is out of range: 256 to 65507" \
	echo t --frame-bytes 12
refused "groups" echo t --groups 10.0.0.1+4
refused "groups" echo t --groups nonsense

# What is shown of the command line is escaped too.
refused "unknown command '\\x1b[31m'" $'\033[31m'
refused "unknown option '--\\x1b]0;x'" echo t $'--\033]0;x'

# A lane that does not exist is not bad usage: exit 3, with the next step.
timeout 30 "$MSG" echo t --interface nosuch0 2>"$work/lane.err"
is "exit with an unknown interface" 3 $?
check "names the interface" grep -q nosuch0 "$work/lane.err"
env -u MSG_INTERFACE -u MSG_LANE timeout 30 "$MSG" echo t --device nosuch_rxe 2>"$work/lane.err"
is "exit with an unknown device" 3 $?
check "names the device" grep -q nosuch_rxe "$work/lane.err"
echo "$rows bad command lines"
