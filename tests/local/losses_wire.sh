#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# losses_wire.sh - msg losses behind a cable that loses 5 % (needs root): who
# asks for nothing is told each message that is missing, by its number and as the
# network's fault; who asks loses nothing; and the numbers add up.
# COUNT and SEED in the environment replay a run.
# shellcheck source=tests/local/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh" || exit 1
: "${SIDES:?is not set: the path of the program reliable_sides}"
case $SIDES in /*) ;; *) SIDES=$PWD/$SIDES ;; esac
case $WIRE in /*) ;; *) WIRE=$PWD/$WIRE ;; esac
seed=${SEED:-$RANDOM$RANDOM}
count=${COUNT:-20000}
# shellcheck disable=SC2034 # hosts.sh wants it
wire="50 $seed"
echo "SEED=$seed COUNT=$count"
# shellcheck source=tests/local/hosts.sh
. "$(dirname "${BASH_SOURCE[0]}")/hosts.sh"
export MSG_BROKER_POLICY=never MSG_INTERFACE=veth0

start asks on "$b" losses --all
start takes on "$b" losses --all --json --reliability best-effort
start three on "$b" losses --count 3 --reliability best-effort
listening asks
listening takes
listening three
# It waits, for its first announcements may be lost.
start pub at "$a" "$SIDES" publish wire.a "$count" "$seed" 1 3500 20000
finish pub 60
is "exit of the publisher" 0 $code
await 20 grep -q ' left, having sent' "$work/asks.out"
# Who asks for nothing learns by the same goodbye what is missing at the end.
await 20 grep -q '"event":"left"' "$work/takes.out"
kill -INT "${pids[asks]}" "${pids[takes]}"
finish asks
is "exit of who asks" 0 $code
check "it got repairs" grep -qE \
	": 0 losses, 0 messages lost; $count came of 1 .* [1-9][0-9]* frames" \
	"$work/asks.err"
finish three
is "exit after --count" 1 $code
is "lines of --count" 3 "$(grep -c ' lost [0-9]* (.*): network' "$work/three.out")"
finish takes
is "exit of who does not" 1 $code
check "JSON" json_valid "$work/takes.out" lines
python3 -c '' 2>/dev/null || skip "no python3 to add with"
python3 - "$work/takes.out" "$count" <<'END' || fail "the books are wrong"
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
count = int(sys.argv[2])
lost = [r for r in rows if r["event"] == "lost"]
total = [r for r in rows if r["event"] == "total"]
end = rows[-1]
assert end["event"] == "summary"
for r in lost:
    assert r["reason"] == "network" and r["program"] == "reliable_sides", r
    assert r["last"] - r["first"] + 1 == r["lost"], r
for one, other in zip(lost, lost[1:]):
    assert one["last"] < other["first"], (one, other)
assert sum(r["lost"] for r in lost) == end["lost"] > count / 1000, end
assert sum(r["lost"] for r in total) == end["lost"], total
assert end["messages"] + end["lost"] == count, end
print("%(losses)d losses, %(lost)d messages" % end)
END
