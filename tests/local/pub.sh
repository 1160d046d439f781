#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# pub.sh - where messages come from, how they are grouped and paced.
. "${BASH_SOURCE%/*}/lib.sh"

# Lines: an empty one, one without its newline, batches.
start lines "$MSG" echo pub.lines --bare --text --count 4 --timeout 50
listening lines
printf 'one\n\nthree\nfour' | "$MSG" pub pub.lines --batch 32 \
	2>"$work/pub.err" || fail "pub: exit $?"
finish lines
is "lines" "one||three|four|" "$(tr '\n' '|' <"$work/lines.out")"
check "summary" grep -q '4 messages' "$work/pub.err"

# A batch does not wait for lines that do not come.
start open "$MSG" echo pub.open --bare --count 1 --timeout 50
listening open
mkfifo "$work/fifo"
"$MSG" pub -q pub.open --batch 1000 <"$work/fifo" 2>"$work/pub.err" &
pids[fifo]=$!
exec 9>"$work/fifo"
echo at once >&9
finish open
is "first line of an open input" "at once" "$(cat "$work/open.out")"
exec 9>&-
finish fifo
is "end of input" 0 $code

# Texts repeat up to a count; a batch that is not full still leaves.
start texts "$MSG" echo pub.texts --bare --count 5 --timeout 50
listening texts
"$MSG" pub -q pub.texts -m a -m b --count 5 --batch 3 || fail "pub: exit $?"
finish texts
is "texts" "a|b|a|b|a|" "$(tr '\n' '|' <"$work/texts.out")"

# Messages larger than a frame arrive whole.
head -c 700000 /dev/urandom >"$work/large"
start large "$MSG" echo pub.large --raw --count 1 --timeout 50
start small "$MSG" echo pub.large --raw --count 1 --timeout 50 --max-bytes 70000
listening large
listening small
"$MSG" pub -q pub.large -f "$work/large" || fail "pub: exit $?"
finish large
is "exit" 0 $code
check "a large message is not byte-exact" cmp "$work/large" "$work/large.out"
"$MSG" pub -q pub.large -m after || fail "pub: exit $?"
finish small
is "too large for its subscriber" after "$(cat "$work/small.out")"
check "counted" grep -q 'too_large: 1' "$work/small.err"

# What cannot be sent is said, and the rest is sent.
start rest "$MSG" echo pub.rest --bare --count 2 --timeout 50
listening rest
{ echo first; head -c 3000 /dev/zero | tr '\0' x; echo; echo last; } |
	"$MSG" pub pub.rest --max-bytes 2000 2>"$work/pub.err"
is "exit with a long line" 1 $?
check "names the line" grep -q 'line 2: longer than 2000' "$work/pub.err"
finish rest
is "the others" "first|last|" "$(tr '\n' '|' <"$work/rest.out")"
"$MSG" pub -q pub.rest -f "$work/missing" 2>"$work/pub.err"
is "exit with a missing file" 1 $?
check "names the file" grep -q 'missing: No such file' "$work/pub.err"

# 300 messages at 200/s: the last leaves after 1.495 s.  Never sooner; how late is a
# matter of the machine, but lateness must not add up message by message.
start paced "$MSG" echo pub.paced --no-payload --count 300 --timeout 30
listening paced
"$MSG" pub pub.paced --size 100 --count 300 --rate 200/s --wait-ms 0 \
	2>"$work/pub.err" || fail "pub: exit $?"
took=$(sed -n 's/.* in \([0-9.]*\) s: .*/\1/p' "$work/pub.err")
awk -v t="$took" 'BEGIN { exit !(t >= 1.49 && t < 4) }' ||
	fail "300 messages at 200/s took $took s"
finish paced
is "sizes" 300 "$(grep -c ' 100 bytes$' "$work/paced.out")"

# Who waits for subscribers that are not there says so, and can be asked to end.
start alone "$MSG" pub pub.alone -m x --reliability reliable --flow 1
await 30 grep -q 'waiting for a free buffer: subscribers' "$work/alone.err"
kill -INT "${pids[alone]}"
finish alone
is "exit of one that waited in vain" 0 $code
