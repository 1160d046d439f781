#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# echo_forms.sh - text, hex, raw and JSON show every byte of a payload.
. "${BASH_SOURCE%/*}/lib.sh"

# Every byte there is, in an order that is not UTF-8; text; nothing at all.
for ((i = 255; i >= 0; i--)); do
	printf '%b' "\\x$(printf %02x $i)"
done >"$work/binary"
printf 'caf\303\251 \\ tab\there\nline \033[31mred\302\205\342\200\256x' \
	>"$work/text"
: >"$work/empty"

start text "$MSG" echo forms.all --text --count 3 --timeout 50
start auto "$MSG" echo forms.all --count 3 --timeout 50
start hex "$MSG" echo forms.all --hex --count 3 --timeout 50
start raw "$MSG" echo forms.all --raw --count 3 --timeout 50
start json "$MSG" echo forms.all --json --count 3 --timeout 50
start bare "$MSG" echo forms.all --bare --text --count 3 --timeout 50
start none "$MSG" echo forms.all --no-payload --count 3 --timeout 50 --spin
for form in text auto hex raw json bare none; do
	listening $form
done
"$MSG" pub -q forms.all --file "$work/binary" "$work/text" "$work/empty" ||
	fail "pub: exit $?"
for form in text auto hex raw json bare none; do
	finish $form 55
	is "$form exit" 0 $code
done

cat "$work/binary" "$work/text" "$work/empty" >"$work/wanted"
check "raw is not byte-exact" cmp "$work/wanted" "$work/raw.out"

wanted='café \\ tab\there\nline \x1b[31mred\u0085\u202ex'
is "bare text" "$wanted" "$(sed -n 2p "$work/bare.out")"
is "text" "$wanted" "$(sed -n 2p "$work/text.out" | cut -d' ' -f4-)"
is "topic" forms.all "$(sed -n 1p "$work/text.out" | cut -d' ' -f1)"
is "sequences" "0 1 2 " "$(cut -d' ' -f3 "$work/text.out" | tr '\n' ' ')"
is "one publisher" 1 "$(cut -d' ' -f2 "$work/text.out" | sort -u | wc -l)"

# The dump is read back into bytes: offset, then up to sixteen of them.
undump() {
	grep -E '^[0-9a-f]{8}  ' "$1" | cut -c10-58 | tr -s ' ' '\n' |
		sed '/^$/d; s/^/\\x/' | tr -d '\n'
}
printf '%b' "$(undump "$work/hex.out")" >"$work/undumped"
check "hex is not byte-exact" cmp "$work/wanted" "$work/undumped"

# Auto: the binary as a dump, the text as text.
printf '%b' "$(undump "$work/auto.out")" >"$work/undumped"
check "auto: binary as hex" cmp "$work/binary" "$work/undumped"
check "auto: text as text" grep -qF "$wanted" "$work/auto.out"

is "sizes" "256 bytes|36 bytes|0 bytes|" \
	"$(cut -d' ' -f4- "$work/none.out" | tr '\n' '|')"

json_valid "$work/json.out" lines || fail "JSON is not valid"
is "base64 of the binary" "$(base64 -w0 "$work/binary")" \
	"$(sed -n 's/.*"base64":"\([^"]*\)".*/\1/p' "$work/json.out")"
case $(json_tool) in
python3)
	sed -n 2p "$work/json.out" | python3 -c '
import json, sys
sys.stdout.buffer.write(json.load(sys.stdin)["text"].encode())'
	;;
node)
	sed -n 2p "$work/json.out" | node -e '
const text = require("fs").readFileSync(0, "utf8");
process.stdout.write(JSON.parse(text).text);'
	;;
esac >"$work/json.text"
check "JSON text is not byte-exact" cmp "$work/text" "$work/json.text"
check "JSON summary" grep -q '"event":"summary","messages":3,.*"lost":0' \
	"$work/json.out"

# The four exclude each other only in pairs: no control byte but newline leaves.
for form in text auto hex json bare none; do
	if LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$work/$form.out"; then
		fail "$form: a control character came through"
	fi
done

# What several patterns match is shown once, as it is recorded once.
start twice "$MSG" echo 'two.>' two.a --timeout 60 --count 3
await 30 grep -q "listening to two.a" "$work/twice.err"
"$MSG" pub -q two.a -m 1 -m 2 --linger 1 "${to_patterns[@]}" || fail "pub: $?"
"$MSG" pub -q two.b -m 3 "${to_patterns[@]}" || fail "pub: $?"
finish twice 70
is "lines" "two.a 1|two.a 2|two.b 3|" \
	"$(cut -d' ' -f1,4 "$work/twice.out" | tr '\n' '|')"
