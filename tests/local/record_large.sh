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
for i, size in enumerate([100, 3000000, 0, 20 << 20, r.randrange(1 << 20), 7]):
    with open("%s/%d" % (sys.argv[1], i), "wb") as f:
        f.write(r.randbytes(size))
PYTHON
files=("$work"/data/*)

recording record "$work/a.mcap" 'big.>' --large 24Mi
start before "$MSG" echo 'big.>' --json --large 24Mi
listening before
# Nothing leaves before both are there.
"$MSG" pub -q big.reliable -f "${files[@]}" --large 24Mi \
	--reliability reliable --flow 2 || fail "pub: exit $?"
"$MSG" pub -q big.rc -f "${files[@]}" --large 24Mi --reliability rc \
	--flow 2 || fail "pub by connections: exit $?"
seq 300 | "$MSG" pub -q big.lines --reliability rc --flow 2 ||
	fail "pub of lines: exit $?"
await 30 shown before 312
kill -INT "${pids[before]}"
finish before
stop_recording record
is "exit of record" 0 $code
check "summary" grep -q '312 messages.* 0 lost on the way, 0 dropped here' \
	"$work/record.err"
whole "$work/a.mcap"
told "$work/a.mcap"
streams "$work/before.out" >"$work/wanted"
is "what was published" 312 "$(wc -l <"$work/wanted")"

# What is played is recorded by another one, so that it can be asked for all of it.
recording copy "$work/b.mcap" 'copy.>' --large 24Mi
start after "$MSG" echo 'copy.>' --json --large 24Mi
# Who asks for nothing gets nothing of a topic that is had by connections.
start best "$MSG" echo 'copy.big.lines' --json --reliability best-effort
listening after
listening best
"$MSG" play "$work/a.mcap" --prefix copy --speed 0 --flow 2 \
	2>"$work/play.err" || fail "play: exit $?"
await 30 shown after 312
for name in after best; do
	kill -INT "${pids[$name]}"
	finish $name
done
stop_recording copy
streams "$work/after.out" copy. >"$work/got"
check "the same messages" cmp "$work/wanted" "$work/got"
check "best effort got something" [ "$(grep -c '"event":"message"' \
	"$work/best.out")" = 0 ]
deliveries='sorted((c["topic"].replace("copy.", ""), c["reliability"])
	for c in f["channels"])'
is "deliveries" "[('big.lines', 'rc'), ('big.rc', 'rc'), ('big.reliable', 'reliable')]" \
	"$(info "$work/a.mcap" "$deliveries")"
is "deliveries when played" "$(info "$work/a.mcap" "$deliveries")" \
	"$(info "$work/b.mcap" "$deliveries")"

# Without --large they are told as lost, each where it is.
recording small "$work/c.mcap" 'none.>'
"$MSG" pub -q none.rc -f "${files[@]}" --large 24Mi --reliability rc \
	--flow 1 || fail "pub: exit $?"
stop_recording small
is "messages without --large" "3 3" \
	"$(info "$work/c.mcap" '"%d %d" % (f["messages"], f["lost"])')"
