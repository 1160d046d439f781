#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# help.sh - help, version, counters, and commands of others on PATH.
. "${BASH_SOURCE%/*}/lib.sh"

"$MSG" --help >"$work/help" || fail "--help: exit $?"
"$MSG" help >"$work/help2" || fail "help: exit $?"
check "two ways, one text" cmp "$work/help" "$work/help2"
"$MSG" help --help >"$work/help2" || fail "help --help: exit $?"
check "a third" cmp "$work/help" "$work/help2"
check "exit codes are told" grep -q '3 no usable lane' "$work/help"
for command in pub echo losses record play file list info top hz graph bench doctor broker counters version; do
	check "$command is listed" grep -q "^  $command " "$work/help"
	"$MSG" $command --help >"$work/a" 2>"$work/a.err" ||
		fail "$command --help: exit $?"
	"$MSG" help $command >"$work/b" || fail "help $command: exit $?"
	check "$command: two ways, one text" cmp "$work/a" "$work/b"
	check "$command: usage" grep -q "^Usage: msg $command" "$work/a"
	is "$command: stderr" "" "$(cat "$work/a.err")"
done
for option in interface device lane groups port ttl frame-bytes quiet; do
	check "echo --$option is told" grep -q -- "--$option" \
		<("$MSG" echo --help)
done

version=$("$MSG" --version) || fail "--version: exit $?"
[[ $version =~ ^msg\ [0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "version '$version'"
is "version command" "$version" "$("$MSG" version)"

"$MSG" counters >"$work/counters" || fail "counters: exit $?"
check "a counter" grep -q '^lost$' "$work/counters"
"$MSG" counters --json >"$work/counters.json" || fail "counters: exit $?"
check "JSON" json_valid "$work/counters.json" lines
is "the same number" "$(grep -c '^[a-z]' "$work/counters")" \
	"$(wc -l <"$work/counters.json")"

# `msg-greet` on PATH is `msg greet`.
mkdir "$work/bin"
cat >"$work/bin/msg-greet" <<'END'
#!/bin/sh
echo "hello $*"
exit 7
END
chmod +x "$work/bin/msg-greet"
greeting=$(PATH=$work/bin:$PATH "$MSG" greet a --b)
is "exit of an external command" 7 $?
is "its arguments" "hello a --b" "$greeting"
is "help of an external command" "hello --help" \
	"$(PATH=$work/bin:$PATH "$MSG" help greet)"

# A full disk is an error, not silence.
if [ -w /dev/full ]; then
	for command in counters "echo --help"; do
		# shellcheck disable=SC2086 # two words
		"$MSG" $command >/dev/full 2>"$work/full.err"
		is "exit of $command with a full disk" 1 $?
		check "says so" grep -q 'cannot write' "$work/full.err"
	done
fi

# So is a standard output that is closed: nothing else is opened in its place.
for command in counters "help echo" doctor "bench latency --block --seconds 0.1"; do
	# shellcheck disable=SC2086 # words
	"$MSG" $command >&- 2>"$work/closed.err"
	is "exit of $command without a standard output" 1 $?
	check "$command says so" grep -q 'cannot write' "$work/closed.err"
done
