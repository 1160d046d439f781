#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# readme.sh - READMEs tell the truth: code in them is a file of examples/, word
# for word; files and functions they name exist; links lead somewhere.
#
# A block of code that is a file has the line `<!-- examples/NAME.c -->` above.
# `path/file.c` is looked for beside the README, at the top and in libmsg/, a
# bare `file.c` in all rooms;
# in `path/file.c:function` the file has to hold that word.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# find_file README NAME
find_file() {
	local folder
	# A bare name may stand for a file of any room.
	[[ $2 == */* ]] || ! grep -m 1 -E "(^|/)${2//./\\.}$" <<<"$listing" || return 0
	for folder in "$(dirname "$1")" . libmsg libmsg/include; do
		if [ -e "$folder/$2" ]; then
			echo "$folder/$2"
			return
		fi
	done
	return 1
}

# shellcheck disable=SC2016 # these backquotes are text
named='`[a-z_0-9]+(/[a-z_0-9.]+)*\.(c|h|cpp|hpp|py|list|sh|proto|map|cmake|md|awk)(:[a-z_0-9]+)?`'
blocks=0 names=0 links=0
while read -r readme; do
	# Blocks of code.
	rm -f "$work"/*
	awk -v out="$work" '
		/^<!-- [^ ]+\.[a-z]+ -->$/ { name = $2; next }
		/^```/ && name != "" && !open {
			open = 1
			file = out "/" ++n
			print name > (file ".name")
			printf "" > (file ".text")
			next
		}
		/^```/ { open = 0; name = ""; next }
		open { print > (file ".text") }
		!open && !/^$/ { name = "" }' "$readme"
	for block in "$work"/*.name; do
		[ -e "$block" ] || continue
		blocks=$((blocks + 1))
		name=$(cat "$block")
		if [ ! -f "$name" ]; then
			complain "$readme:1: there is no $name to compare with"
		elif ! diff "$name" "${block%.name}.text" >"$work/diff"; then
			complain "$readme:1: its code is not $name: $(
				grep -m 1 '^[<>]' "$work/diff")"
		fi
	done

	# Files and functions.
	while IFS=: read -r line token; do
		name=${token%%:*} function=''
		[ "$name" = "$token" ] || function=${token#*:}
		names=$((names + 1))
		if ! file=$(find_file "$readme" "$name"); then
			complain "$readme:$line: there is no $name"
		elif [ -n "$function" ] && ! grep -qw -- "$function" "$file"; then
			complain "$readme:$line: $name has no $function"
		fi
	done < <(grep -noE "$named" "$readme" | tr -d '`')

	while IFS=: read -r line link; do
		links=$((links + 1))
		link=${link#*](} link=${link%)} link=${link%%#*}
		[ -z "$link" ] || [ -e "$(dirname "$readme")/$link" ] ||
			complain "$readme:$line: the link $link leads nowhere"
	done < <(grep -noE '\]\([^):]+\)' "$readme" || true)
done < <(files '(^|/)README\.md$')

if ! grep -qx README.md <<<"$listing"; then
	echo "SKIP code: there is no README.md at the top yet"
elif [ $blocks = 0 ]; then
	complain "README.md:1: holds no code of examples/"
elif [ "$(wc -l <README.md)" -gt 150 ]; then
	complain "README.md:151: is longer than 150 lines"
fi
verdict "$blocks blocks of code, $names names, $links links"
