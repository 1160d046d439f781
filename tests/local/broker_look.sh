#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# broker_look.sh - what one sees of a broker from outside, whatever state it is
# in: msg info, msg top, msg list.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1
: "${TALK:?is not set: the path of the program broker_talk}"
need_python
export XDG_RUNTIME_DIR=$work/run
mkdir -p "$XDG_RUNTIME_DIR"
place=$XDG_RUNTIME_DIR/msg
mkdir "$place"

# value FILE EXPRESSION: of a JSON file, as python sees it in `d`.
value() {
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
def subscriber(pid):
    return next(r for s in d["streams"] if s["local"]
                for r in s["subscribers"] if r["pid"] == pid)
print(eval("(" + sys.argv[2] + ")"))' "$1" "$2"
}

info() {
	"$MSG" info --json --interval 0.6 "$@" a >"$work/info.json" 2>"$work/info.err"
}

# ---- a broker with nobody, one with some -------------------------------------

broker a
is "mode of the counters" 444 "$(stat -c %a "$place/a.stats")"
info || fail "info: exit $?"
check "JSON" json_valid "$work/info.json"
is "its state" running "$(value "$work/info.json" 'd["broker"]["state"]')"
is "its pid" "${pids[a]}" "$(value "$work/info.json" 'd["broker"]["pid"]')"
is "its lane" none "$(value "$work/info.json" 'd["broker"]["lane"]')"
MSG_BROKER=a "$MSG" info >"$work/info" || fail "info by MSG_BROKER: exit $?"
check "by its name" grep -q "^broker 'a': running" "$work/info"

talk pub publish md.acme 1000
talk taker subscribe 'md.>' take lap
talk holder subscribe md.acme hold lap
talk stuck subscribe md.acme stuck lap
talk doomed subscribe md.acme stuck evict
sees() {
	info && [ "$(value "$work/info.json" \
		"subscriber(${pids[stuck]})['state'] == 'stuck' and
		subscriber(${pids[doomed]})['slow'] and
		subscriber(${pids[holder]})['held'] == 16")" = True ]
}
await 20 sees
check "JSON" json_valid "$work/info.json"
is "publisher" "${pids[pub]} broker_talk $(id -u)" "$(value "$work/info.json" \
	'"%(pid)d %(program)s %(uid)d" % d["streams"][0]["publishers"][0]')"
rate=$(value "$work/info.json" 'int(d["streams"][0]["publishers"][0]["rate"])')
# Who had to wait for the processor makes up for it a moment later.
near() {
	info && rate=$(value "$work/info.json" \
		'int(d["streams"][0]["publishers"][0]["rate"])') &&
		[ "$rate" -ge 300 ] && [ "$rate" -le 1500 ]
}
[ "$rate" -ge 300 ] && [ "$rate" -le 1500 ] || await 20 near
is "who is slow" "${pids[stuck]} ${pids[doomed]}" "$(value "$work/info.json" \
	'" ".join(str(p) for p in sorted(r["pid"]
	for r in d["streams"][0]["subscribers"] if r["slow"]))')"
is "how slow it is" "stuck lap" "$(value "$work/info.json" \
	"'%(state)s %(policy)s' % subscriber(${pids[stuck]})")"
is "the pattern of the taker" 'md.>' "$(value "$work/info.json" \
	"next(c['topic'] for c in d['clients'] if c['pid'] == ${pids[taker]})")"
is "connections charged" 5 "$(value "$work/info.json" \
	'd["users"][0]["connections"]')"

# ---- top -----------------------------------------------------------------------

"$MSG" top --once --json a >"$work/top.json" || fail "top --json: exit $?"
check "one line of JSON" json_valid "$work/top.json" lines
is "one object" 1 "$(wc -l <"$work/top.json")"
"$MSG" top --json --count 3 --interval 0.2 a >"$work/top.json" ||
	fail "top --count: exit $?"
is "three objects" 3 "$(wc -l <"$work/top.json")"
check "JSON" json_valid "$work/top.json" lines
"$MSG" top --once --sort lag a >"$work/top" || fail "top --once: exit $?"
check "titles" grep -q '^TOPIC .*LAG .*HELD .*LOST .*STATE' "$work/top"
check "one that takes nothing first" grep -Eq \
	"subscriber +(${pids[stuck]}|${pids[doomed]}) .* (stuck|evicted)$" \
	<(sed -n 3p "$work/top")
is "a line each" 7 "$(wc -l <"$work/top")"
start running "$MSG" top --interval 0.1 a
await 10 grep -q TOPIC "$work/running.out"
kill -INT "${pids[running]}"
finish running
is "exit of top after SIGINT" 0 $code
if command -v script >/dev/null; then
	# A terminal of its own: keys in, a screen out.
	mkfifo "$work/keys"
	TERM=xterm timeout 90 script -qec "'$MSG' top --interval 0.2 a" \
		/dev/null <"$work/keys" >"$work/screen" 2>&1 &
	pids[screen]=$!
	exec 8>"$work/keys"
	await 30 grep -qa 'md\.acme' "$work/screen"
	printf s >&8
	await 20 grep -qa 'rate' "$work/screen"
	# Of 80 columns or fewer: what matters most is not what is cut.
	check "who is slow is shown" grep -qa 'STATE' "$work/screen"
	printf q >&8
	finish screen
	is "exit of top on a terminal" 0 $code
	exec 8>&-
else
	echo "SKIP screen: there is no script(1)"
fi

evicted() {
	info --interval 0 && [ "$(value "$work/info.json" \
		"subscriber(${pids[doomed]})['state']")" = evicted ]
}
await 20 evicted
is "readers evicted" 1 "$(value "$work/info.json" \
	'sum(s["evicted"] for s in d["streams"])')"

# ---- list ----------------------------------------------------------------------

listed() {
	MSG_BROKER=a "$MSG" list -q --json --wait 0.5 'md.>' >"$work/list.json" &&
		[ "$(wc -l <"$work/list.json")" = 1 ]
}
await 20 listed
check "the local publisher" grep -q "\"pid\":${pids[pub]}," "$work/list.json"
"$MSG" list --brokers >"$work/brokers" || fail "list --brokers: exit $?"
check "the broker" grep -Eq "^a +running +${pids[a]} .* none .*$place/a.sock" \
	"$work/brokers"

# ---- stopped -------------------------------------------------------------------

kill -STOP "${pids[a]}"
stopped() {
	info && [ "$(value "$work/info.json" 'd["broker"]["state"]')" = stopped ]
}
await 10 stopped
is "the publisher is still seen" "${pids[pub]}" "$(value "$work/info.json" \
	'd["streams"][0]["publishers"][0]["pid"]')"
"$MSG" top --once a >"$work/top" || fail "top of a stopped broker: exit $?"
check "top says so" grep -q "^broker 'a': stopped" "$work/top"
check "list says so" grep -Eq '^a +stopped' <("$MSG" list --brokers)
kill -CONT "${pids[a]}"

# Subscribers that are stopped are no matter at all.
kill -STOP "${pids[taker]}" "${pids[holder]}"
info || fail "info while subscribers are stopped: exit $?"
kill -CONT "${pids[taker]}" "${pids[holder]}"

# ---- killed, and back ------------------------------------------------------------

start follower "$MSG" top --json --interval 0.1 a
await 10 test -s "$work/follower.out"
kill -KILL "${pids[a]}"
finish a
info --interval 0
is "exit for a broker that is gone" 1 $?
is "its state" gone "$(value "$work/info.json" 'd["broker"]["state"]')"
check "JSON" json_valid "$work/info.json"
check "what it left is told" grep -q 'the broker is gone' "$work/info.err"
check "list says so" grep -Eq '^a +gone' <("$MSG" list --brokers)
for name in pub taker holder stuck doomed; do
	await 10 ended $name
	finish $name
done
broker a
info || fail "info after a restart: exit $?"
is "the new pid" "${pids[a]}" "$(value "$work/info.json" 'd["broker"]["pid"]')"
again() { tail -1 "$work/follower.out" | grep -q "\"pid\":${pids[a]},"; }
await 10 again
kill -INT "${pids[follower]}"
finish follower
is "exit of the top that went on" 0 $code
check "JSON" json_valid "$work/follower.out" lines
kill "${pids[a]}"
finish a
check "counters go with the broker" test ! -e "$place/a.stats"
"$MSG" info a >"$work/none" 2>"$work/none.err"
is "exit without a broker" 3 $?
is "and says nothing else" "" "$(cat "$work/none")"
check "says what to do" grep -q 'start msgbrokerd' "$work/none.err"

# ---- without a file --------------------------------------------------------------

mkdir "$place/a.stats"
broker a
check "it warns" grep -q 'warning: counters-hidden:' "$work/a.err"
info || fail "info over the socket: exit $?"
is "pid over the socket" "${pids[a]}" \
	"$(value "$work/info.json" 'd["broker"]["pid"]')"
kill -STOP "${pids[a]}"
info
is "exit when it cannot be asked" 1 $?
check "says that it hangs" grep -q 'does not answer' "$work/info.err"
kill -CONT "${pids[a]}"
kill "${pids[a]}"
finish a
rmdir "$place/a.stats"

# ---- a network -------------------------------------------------------------------

# What a feed counts is what its subscriber takes: single messages, packed ones
# and fragments, all from a publisher that needs no broker.
quiet=(--config "$work/empty.conf")
broker a --interface lo
start echo env MSG_BROKER=a MSG_BROKER_POLICY=require "$MSG" echo fed \
	--no-payload --count 260 --timeout 60
listening echo
MSG_BROKER_POLICY=never "$MSG" pub -q fed --wait-ms 500 --size 100 --count 50 \
	--rate 5k || fail "pub: exit $?"
MSG_BROKER_POLICY=never "$MSG" pub -q fed --wait-ms 500 --size 40 --count 200 \
	--batch 20 --rate 5k || fail "pub of batches: exit $?"
MSG_BROKER_POLICY=never "$MSG" pub -q fed --wait-ms 500 --size 100000 --count 10 \
	--rate 50 || fail "pub of fragments: exit $?"
finish echo 65
is "exit of echo" 0 $code
info || fail "info: exit $?"
is "what the feed has counted" "260 1013000" "$(value "$work/info.json" \
	'"%(messages)d %(bytes)d" % d["feeds"][0]')"
kill "${pids[a]}"
finish a
quiet=(--no-network --config "$work/empty.conf")

# ---- what may lie there ------------------------------------------------------------

for mode in 660 600; do
	broker a --socket-mode 0$mode
	is "mode of the counters of a socket of $mode" $((mode * 2 / 3)) \
		"$(stat -c %a "$place/a.stats")"
	kill "${pids[a]}"
	finish a
done
for junk in empty short noise; do
	case $junk in
	empty) : >"$place/junk.stats" ;;
	short) head -c 100 /dev/zero >"$place/junk.stats" ;;
	noise) head -c 100000 /dev/urandom >"$place/junk.stats" ;;
	esac
	"$MSG" info junk >/dev/null 2>"$work/junk.err"
	is "exit for a file of $junk" 3 $?
done
rm "$place/junk.stats"
mkfifo "$place/junk.stats"
timeout 10 "$MSG" info junk >/dev/null 2>&1
is "exit for a pipe" 3 $?
"$MSG" list --brokers --json >"$work/brokers.json" || fail "brokers: exit $?"
check "JSON" json_valid "$work/brokers.json" lines
check "a pipe is no broker" grep -q '"name":"junk".*"state":"gone"' \
	"$work/brokers.json"
