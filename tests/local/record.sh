#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record.sh - what is recorded is played again: the same messages, bit for bit
# and in order, to another place of the same lane and through a broker; in the
# time they came, faster, in part, and again and again.
# SEED in the environment replays a run.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1
seed=${SEED:-$RANDOM$RANDOM}
echo "SEED=$seed"

# ---- what is published -------------------------------------------------------

mkdir "$work/data"
python3 - "$work/data" "$seed" <<'PYTHON'
import random, sys
r = random.Random(int(sys.argv[2]))
for i in range(120):
    size = r.choice([0, 1, 7, r.randrange(2000), r.randrange(100000)])
    with open("%s/%03d" % (sys.argv[1], i), "wb") as f:
        f.write(r.randbytes(size))
PYTHON
reliable=(--reliability reliable --flow min --history 64Mi)
recording record "$work/a.mcap" 'rec.>' --sync=group:5ms
start before "$MSG" echo 'rec.>' --json
listening before
"$MSG" pub -q rec.files -f "$work"/data/* "${reliable[@]}" "${to_patterns[@]}" ||
	fail "pub: $?"
for i in 1 2; do
	seq 500 | "$MSG" pub -q rec.lines "${reliable[@]}" "${to_patterns[@]}" ||
		fail "pub $i: exit $?"
done
"$MSG" pub -q rec.paced --size 100 --rate 400 --count 600 \
	"${to_patterns[@]}" || fail "pub: exit $?"
await 30 shown before 1720
stop_recording record 1720
is "exit of record" 0 $code
check "summary" grep -q '1720 messages.* 0 lost on the way, 0 dropped here' \
	"$work/record.err"
kill -INT "${pids[before]}"
finish before

# ---- what is in the file -----------------------------------------------------

whole "$work/a.mcap"
told "$work/a.mcap"
is "messages" 1720 "$(info "$work/a.mcap" 'f["messages"]')"
is "channels" 4 "$(info "$work/a.mcap" 'len(f["channels"])')"
is "programs" "{'msg'}" \
	"$(info "$work/a.mcap" 'set(c["program"] for c in f["channels"])')"
is "numbers" "[(0, 120), (0, 500), (0, 500), (0, 600)]" \
	"$(info "$work/a.mcap" 'sorted((c["first_sequence"], c["next_sequence"])
		for c in f["channels"])')"
check "text of info" grep -q 'rec.files .*:msg\[[0-9]*\] *raw *- *120 ' \
	<("$MSG" file info "$work/a.mcap")
"$MSG" record -q -o "$work/a.mcap" x 2>"$work/again.err"
is "exit when the file is there" 1 $?
check "the next step" grep -q -- '--overwrite replaces it' "$work/again.err"
whole "$work/a.mcap"

# ---- the same messages -------------------------------------------------------

streams "$work/before.out" >"$work/wanted"
is "what was published" 1720 "$(wc -l <"$work/wanted")"
compare() { # compare NAME PLAY-OPTION...
	local name=$1
	shift
	start "$name" "$MSG" echo 'copy.rec.>' --json
	listening "$name"
	"$MSG" play "$work/a.mcap" --prefix copy "$@" "${to_patterns[@]}" \
		2>"$work/play.err" || fail "play $*: exit $?"
	await 30 shown "$name" 1720
	kill -INT "${pids[$name]}"
	finish "$name"
	streams "$work/$name.out" copy. >"$work/$name.got"
	check "$name: the same messages" cmp "$work/wanted" "$work/$name.got"
}
compare fast "${reliable[@]}" --speed 0
compare batches "${reliable[@]}" --speed 0 --batch 32
span=$(info "$work/a.mcap" 'f["seconds"]')
(
	trap 'kill "${pids[@]}" 2>/dev/null' EXIT # A failure leaves nobody behind.
	unset MSG_LANE MSG_INTERFACE MSG_PORT MSG_GROUPS
	export MSG_BROKER_POLICY=require MSG_BROKER=$place/fresh.sock
	broker fresh
	# In some time: who takes too slowly there is lapped.
	compare brokered --speed 2
	kill "${pids[fresh]}"
	finish fresh
) || exit 1

# ---- in its own time, in part, and again -------------------------------------

play() { # play NAME OPTION...: how many messages, in how many seconds
	local name=$1
	shift
	"$MSG" play "$work/a.mcap" --prefix timed --wait-ms 0 "$@" \
		2>"$work/$name.err" || fail "play $*: exit $?"
	sed -nE 's/.* ([0-9]+) messages, .* in ([0-9.]+) s; .*/\1 \2/p' \
		"$work/$name.err"
}
read -r count own < <(play own)
is "messages in their own time" 1720 "$count"
read -r count four < <(play four --speed 4)
is "messages at four times that" 1720 "$count"
python3 - "$span" "$own" "$four" <<'PYTHON' || fail "span $span, played in $own and $four s"
import sys
span, own, four = map(float, sys.argv[1:])
# Never early; how late is a matter of the machine.
assert own >= 0.99 * span and four >= 0.99 * span / 4 and four < own
PYTHON
half=$(info "$work/a.mcap" 'int(f["seconds"] * 5e8)')
read -r first _ < <(play first --speed 0 --to "${half}ns")
read -r rest _ < <(play rest --speed 0 --from "$((half + 1))ns")
check "both parts hold something" [ "$first" -gt 0 -a "$rest" -gt 0 ]
is "both parts" 1720 $((first + rest))
start=$(info "$work/a.mcap" 'f["start"]')
read -r count _ < <(play utc --speed 0 --from "$start")
is "from the first message's own time" 1720 "$count"
read -r count _ < <(play topics --speed 0 --topic rec.lines --topic '*.files')
is "messages of two topics" 1120 "$count"
read -r count _ < <(play loop --speed 0 --topic rec.files --loop --count 300)
is "messages, again and again" 300 "$count"

# ---- what cannot be played ---------------------------------------------------

refused() { # refused TEXT FILE OPTION...
	local text=$1
	shift
	"$MSG" play "$@" 2>"$work/refused.err"
	is "exit of play $*" 1 $?
	check "play $* says '$text'" grep -qF -- "$text" "$work/refused.err"
}
refused "No such file" "$work/none.mcap"
refused "not an MCAP file" "$MSG"
refused "Is a directory" "$work"
refused "no topic there matches --topic" "$work/a.mcap" --topic other
refused "longer than 255 bytes" "$work/a.mcap" \
	--prefix "$(printf 'a%.0s' {1..250})"
cp "$work/a.mcap" "$work/bad.mcap"
# In the middle of the largest message, whose random bytes pack to themselves.
python3 - "$work/bad.mcap" "$work"/data/* <<'PYTHON' || fail "no place to break"
import sys
largest = max((open(f, "rb").read() for f in sys.argv[2:]), key=len)
with open(sys.argv[1], "r+b") as f:
    f.seek(f.read().index(largest[1000:1032]))
    f.write(b"XXXX")
PYTHON
refused "wrong CRC" "$work/bad.mcap" -q --speed 0 --prefix bad --wait-ms 0
"$MSG" file info "$work/bad.mcap" >"$work/bad.out"
is "exit of info on a broken file" 1 $?
check "info says so" grep -q ': broken: a wrong CRC at byte' "$work/bad.out"
"$MSG" file recover "$work/bad.mcap" -o "$work/good.mcap" 2>"$work/rescue.err" ||
	fail "recover: exit $?"
whole "$work/good.mcap"
told "$work/good.mcap"
is "what was rescued, and what is told to be missing" 1720 \
	"$(info "$work/good.mcap" 'f["messages"] + f["dropped"]')"
check "something was missing" [ "$(info "$work/good.mcap" 'f["dropped"]')" -gt 0 ]
