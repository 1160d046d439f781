#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# completion.sh - TAB after `msg`: subcommands, options, values, topics that are
# announced, brokers; in bounded time.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
source=$(cd "${BASH_SOURCE%/*}/../.." && pwd)
# shellcheck source=libmsg/tool/msg.bash
. "$source/libmsg/tool/msg.bash"

# offers WANTED WORD...: the last word is the one under the cursor; WANTED are
# words that must be offered, and with ! in front must not.  What is wrong is $wrong.
offers() {
	local wanted=$1 word
	shift
	COMP_WORDS=("$MSG" "$@")
	COMP_CWORD=$#
	_msg "$MSG"
	wrong=''
	for word in $wanted; do
		case $word in
		!*) [[ " ${COMPREPLY[*]} " != *" ${word#!} "* ]] ||
			wrong="'$*' offers ${word#!}: ${COMPREPLY[*]}" ;;
		*) [[ " ${COMPREPLY[*]} " == *" $word "* ]] ||
			wrong="'$*' does not offer $word: ${COMPREPLY[*]}" ;;
		esac
	done
	[ -z "$wrong" ]
}
completes() {
	offers "$@" || fail "$wrong"
}
# The same of topics, which a short look may miss: somebody presses TAB again.
finds() {
	local limit=$((SECONDS + 30)) begin took
	while :; do
		unset _msg_topics_at
		begin=$(date +%s%N)
		offers "$@" && return
		took=$((($(date +%s%N) - begin) / 1000000))
		[ $took -lt 10000 ] || fail "topics took $took ms"
		[ $SECONDS -lt $limit ] || fail "$wrong"
	done
}

check "bash knows it" grep -q _msg < <(complete -p msg)
completes 'pub echo losses record play file list hz graph help !--help' ''
completes 'echo !pub' ec
is "one left" echo "${COMPREPLY[*]}"
completes '--json --require --interface --help !-n' echo --
completes '--count !--json' echo --cou
is "one left" --count "${COMPREPLY[*]}"
completes 'verbs udp' pub --lane ''
completes 'best-effort reliable' pub --reliability ''
completes 'lo' pub --interface l
completes 'none zstd' record --compression ''
: >"$work/rec.mcap"
completes "$work/rec.mcap" play "$work/rec"
completes "$work/rec.mcap" record --output "$work/rec"
completes 'info recover' file ''
completes 'latency' bench la
completes 'recipes echo' help ''
completes 'check-config' broker ''

# Topics of whoever announces, straight from the lane.
export MSG_BROKER_POLICY=never XDG_RUNTIME_DIR=$work
start pub "$MSG" pub -q done.direct --size 8 --rate 10
announced() { "$MSG" list -q --names --wait 1.5 | grep -q "$1"; }
await 20 announced done.direct
finds 'done.direct' echo done.
finds 'done.direct' hz --json d
kill "${pids[pub]}"
finish pub

# And of a broker.
broker a
unset MSG_LANE MSG_INTERFACE MSG_GROUPS MSG_PORT _msg_topics_at
export MSG_BROKER=$place/a.sock MSG_BROKER_POLICY=require
start pub "$MSG" pub -q done.here --size 8 --rate 10
await 20 announced done.here
finds 'done.here !done.direct' losses done
mkdir "$work/msg"
ln -s "$place/a.sock" "$work/msg/seen.sock"
completes 'seen' info se

# A topic that the shell would run is only a word, and stays one when inserted.
export work
# shellcheck disable=SC2016 # it is the name
evil='done.$(touch${IFS}$work/harm)'
start evil "$MSG" pub -q "$evil" --size 8 --rate 10
await 20 announced touch
finds 'done.here' echo done.
evil_alone() {
	unset _msg_topics_at
	offers '' echo 'done.$' && [ -n "${COMPREPLY[0]}" ]
}
await 20 evil_alone
is "one left" 1 ${#COMPREPLY[@]}
eval "back=${COMPREPLY[0]}"
# shellcheck disable=SC2154
is "the same name" "$evil" "$back"
check "nothing is run" test ! -e "$work/harm"
completes '!x' echo "\$(touch $work/harm)"
check "nothing is run" test ! -e "$work/harm"
