#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_kill.sh - a recorder that is killed leaves a file that is readable up to
# its last sync at least: no gap in it, it plays, and it can be made whole.
# SEED in the environment replays the instants.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1
seed=${SEED:-$RANDOM}
echo "SEED=$seed"
RANDOM=$seed

start pub "$MSG" pub -q kill.a --size 300 --rate 4000
start slow "$MSG" pub -q kill.b --size 70000 --rate 50
for round in 1 2 3; do
	file=$work/$round.mcap
	recording record "$file" 'kill.*' --sync=group:5ms --queue-bytes 64Mi
	await 30 grep -qE '"synced":[1-9]' "$work/record.out"
	sleep 0.$((RANDOM % 900 + 100))
	kill -KILL "${pids[record]}"
	finish record
	synced=$(python3 -c '
import json, sys
print(json.loads(open(sys.argv[1]).read().splitlines()[-1])["synced"])' \
		"$work/record.out")
	"$MSG" file info "$file" >"$work/info.out"
	is "exit of info" 1 $?
	check "it says so" grep -q ': not finished$' "$work/info.out"
	is "state" "not finished" "$(info "$file" 'f["state"]')"
	told "$file"
	is "losses" 0 "$(info "$file" 'f["lost"] + f["dropped"]')"
	messages=$(info "$file" 'f["messages"]')
	check "$messages messages of $synced that were synced a while before" \
		[ "$messages" -ge "$synced" -a "$synced" -gt 0 ]

	"$MSG" file recover -q "$file" -o "$work/whole.mcap" --overwrite ||
		fail "recover: exit $?"
	whole "$work/whole.mcap"
	ln -f "$file" "$work/other.mcap"
	"$MSG" file recover -q "$file" -o "$work/other.mcap" --overwrite \
		2>"$work/itself.err" && fail "recovered into itself"
	check "says so" grep -q 'into itself' "$work/itself.err"
	is "messages recovered" "$messages" \
		"$(info "$work/whole.mcap" 'f["messages"]')"
	"$MSG" play "$file" --prefix again --speed 0 --wait-ms 0 \
		2>"$work/play.err" || fail "play: exit $?"
	check "all of it plays" grep -q " $messages messages, " "$work/play.err"
	echo "round $round: $messages messages, $synced known to be synced"
done
kill -INT "${pids[pub]}" "${pids[slow]}"
finish pub
finish slow

# A recorder that is asked to end finishes its file.
recording record "$work/term.mcap" 'term.*'
"$MSG" pub -q term.a -m one -m two "${to_patterns[@]}" || fail "pub: exit $?"
await 20 has_come record 2
kill -TERM "${pids[record]}"
finish record
is "exit at SIGTERM" 0 $code
whole "$work/term.mcap"
is "messages" 2 "$(info "$work/term.mcap" 'f["messages"]')"
