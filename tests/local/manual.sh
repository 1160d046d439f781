#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# manual.sh - msg(1), msgbrokerd(8) and msg-exporter(8) tell all that --help does:
# each subcommand has its section, or a page of its own, each option stands there,
# and they tell of none that is not.
. "${BASH_SOURCE%/*}/lib.sh"
: "${MSGBROKERD:?is not set: the path of the program msgbrokerd}"
source=$(cd "${BASH_SOURCE%/*}/../.." && pwd)
page=$source/libmsg/tool/msg.1

# section FILE TITLE: the lines of that .Ss
section() {
	awk -v title="$2" '/^\.S[hs] / { inside = 0 }
		$0 ~ "^\\.Ss " title "( |,|$)" { inside = 1 } inside' "$1"
}
# told: the long options of a page's text on stdin, one a line
told() {
	grep -oE -- 'Fl ([a-zA-Z] , )?-[a-z][a-z-]*' | sed 's/.* -/--/' | sort -u
}
# offered: the long options of a help text on stdin
offered() {
	grep -oE -- '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u
}

"$MSG" --help >"$work/help" || fail "--help: exit $?"
commands=$(sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' "$work/help")
check "commands are read" test "$(wc -w <<<"$commands")" -ge 12
section "$page" 'Lane options' | told >"$work/common"
check "the lane's options are read" test "$(wc -l <"$work/common")" -ge 9
faults=0
for command in $commands; do
	own=$source/libmsg/man/msg-$command.1
	if [ -e "$own" ]; then
		cat "$own" >"$work/section"
	else
		section "$page" "msg $command" >"$work/section"
	fi
	if [ ! -s "$work/section" ]; then
		echo "msg.1: no section 'msg $command'" >&2
		faults=$((faults + 1))
		continue
	fi
	[ "$command" != help ] || continue
	"$MSG" "$command" --help | offered >"$work/offered"
	told <"$work/section" >"$work/told"
	for option in $(comm -23 "$work/offered" "$work/told" |
		comm -23 - "$work/common"); do
		[ "$option" != --help ] || continue
		echo "msg.1: 'msg $command' does not tell of $option" >&2
		faults=$((faults + 1))
	done
	# What it names of another command stands after its name.
	for option in $(comm -13 "$work/offered" "$work/told"); do
		grep -qE -- "^ *(-[a-z], )?$option\\b" < <(for other in $commands
		do "$MSG" "$other" --help; done 2>&1) && continue
		echo "msg.1: 'msg $command' has no option $option" >&2
		faults=$((faults + 1))
	done
done

# same PROGRAM PAGE
same() {
	local option
	"$1" --help | offered >"$work/offered"
	told <"$source/$2" >"$work/told"
	for option in $(comm -3 "$work/offered" "$work/told"); do
		echo "$2 and --help: $option is in one of them only" >&2
		faults=$((faults + 1))
	done
}
same "$MSGBROKERD" broker/msgbrokerd.8
[ ! -x "${EXPORTER:-}" ] || same "$EXPORTER" libmsg/exporter/msg-exporter.8
is "faults" 0 $faults
