#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# recipes.sh - each command in `msg help recipes` is one: its subcommand exists,
# its options are listed by --help, and the usage is accepted.
# shellcheck source=tests/local/broker_lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/broker_lib.sh" || exit 1

"$MSG" help recipes >"$work/recipes" || fail "help recipes: exit $?"
check "80 columns" test -z "$(grep -nE '.{81}' "$work/recipes")"
check "the help names them" grep -q 'help recipes' <("$MSG" --help)
commands=0
while read -r line; do
	# The program's own part of the line, up to a pipe or redirection; what is
	# quoted is one word.
	line=$(sed "s/'[^']*'/QUOTED/g" <<<"$line")
	[[ $line =~ (^|[[:space:]\|])(msg|msgbrokerd)[[:space:]]([^\|\>\&]*) ]] ||
		fail "no command of ours: $line"
	program=${BASH_REMATCH[2]} rest=${BASH_REMATCH[3]}
	read -ra words <<<"$rest"
	help=("$MSG" "${words[0]}" --help)
	[ "$program" = msg ] || help=("$MSGBROKERD" --help)
	"${help[@]}" >"$work/help" 2>&1 || fail "'$line': no such command"
	for word in "${words[@]}"; do
		[[ $word == --* ]] || continue
		grep -qE -- "^ +(-[a-zA-Z], )? *$word( |$)" "$work/help" ||
			fail "'$line': no option $word"
	done
	commands=$((commands + 1))
done < <(sed -n 's/^  \$ //p' "$work/recipes")
check "there are recipes" test $commands -ge 20
# One that is run as it stands, for its values: bad ones are exit 2.
"$MSG" hz -q hz.none --seconds 0.2 --require rate=1k,gap=50ms >/dev/null 2>&1
is "exit of a recipe" 1 $?
