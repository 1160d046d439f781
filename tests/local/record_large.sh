#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# record_large.sh - messages that are too large for frames, and topics had by
# connections, are recorded and are the same when they are played: bit for bit,
# and with the same delivery.
# SEED in the environment replays a run.
# shellcheck source=tests/local/record_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/record_lib.sh" || exit 1
seed=${SEED:-$RANDOM$RANDOM}
echo "SEED=$seed"

# Of a frame, of fragments, above the 16 MiB that travel in frames.
mkdir "$work/data"
python3 - "$work/data" "$seed" <<'PYTHON'
import random, sys
r = random.Random(int(sys.argv[2]))
for i, size in enumerate([100, 3000000, 0, 20 << 20, r.randrange(1 << 19, 1 << 20), 7]):
    with open("%s/%d" % (sys.argv[1], i), "wb") as f:
        f.write(r.randbytes(size))
PYTHON
files=("$work"/data/*)
cat "${files[@]}" >"$work/files"
seq 300 | tr -d '\n' >"$work/lines"

recording record "$work/a.mcap" 'big.>' --large 24Mi
# Nothing leaves before the recorder is there.
"$MSG" pub -q big.reliable -f "${files[@]}" --large 24Mi \
	--reliability reliable --flow 1 || fail "pub: exit $?"
"$MSG" pub -q big.rc -f "${files[@]}" --large 24Mi --reliability rc \
	--flow 1 || fail "pub by connections: exit $?"
seq 300 | "$MSG" pub -q big.lines --reliability rc --flow 1 ||
	fail "pub of lines: exit $?"
stop_recording record 312
is "exit of record" 0 $code
check "summary" grep -q '312 messages.* 0 lost on the way, 0 dropped here' \
	"$work/record.err"
whole "$work/a.mcap"
told "$work/a.mcap"
deliveries='sorted((c["topic"].replace("copy.", ""), c["reliability"])
	for c in f["channels"])'
is "deliveries" "[('big.lines', 'rc'), ('big.rc', 'rc'), ('big.reliable', 'reliable')]" \
	"$(info "$work/a.mcap" "$deliveries")"

# Played to somebody who takes the bytes, and to a recorder, which says of whom.
recording copy "$work/b.mcap" 'copy.>' --large 24Mi
for name in reliable rc lines; do
	start $name "$MSG" echo copy.big.$name --raw --large 24Mi
	listening $name
done
# Who asks for nothing gets nothing of a topic that is had by connections.
start best "$MSG" echo 'copy.big.lines' --raw --reliability best-effort
listening best
"$MSG" play "$work/a.mcap" --prefix copy --speed 0 --flow 2 --linger 1 \
	2>"$work/play.err" || fail "play: exit $?"
check "summary of play" grep -q '312 messages,.* 0 failed' "$work/play.err"
all_there() {
	[ "$(stat -c %s "$work/$1.out")" = "$(stat -c %s "$work/$2")" ]
}
await 30 all_there reliable files
await 30 all_there rc files
await 30 all_there lines lines
for name in reliable rc lines best; do
	kill -INT "${pids[$name]}"
	finish $name
done
stop_recording copy 312
for name in reliable rc; do
	check "$name: the same messages" cmp "$work/files" "$work/$name.out"
done
check "lines: the same messages" cmp "$work/lines" "$work/lines.out"
check "best effort got something" [ ! -s "$work/best.out" ]
is "deliveries when played" "$(info "$work/a.mcap" "$deliveries")" \
	"$(info "$work/b.mcap" "$deliveries")"

# Without --large they are told as lost, each where it is.
recording small "$work/c.mcap" 'none.>'
"$MSG" pub -q none.rc -f "${files[@]}" --large 24Mi --reliability rc \
	--flow 1 || fail "pub: exit $?"
stop_recording small 6
is "messages without --large" "3 3" \
	"$(info "$work/c.mcap" '"%d %d" % (f["messages"], f["lost"])')"
