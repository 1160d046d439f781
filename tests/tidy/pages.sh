#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# pages.sh - the manual of the library is all of its interface, and no more:
#
#   each function of libmsg.map is on one page of section 3, by name, and with
#     the prototype that the headers give it (tests/abi/layout.golden, which
#     abi.layout holds to them)
#   each page's function, constant and cross-reference exists
#   each field of the structures an application fills in or reads has its word;
#     those of broker.h have theirs in that header's tables
#
# pages.awk reads the pages.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
golden=tests/abi/layout.golden
mapfile -t pages < <(files '^(libmsg|broker)/.*\.[1-8]$')
mapfile -t threes < <(files '^libmsg/.*\.3$')
mapfile -t headers < <(files '^libmsg/include/msg/.*\.h$')
for needed in libmsg/libmsg.map $golden; do
	[ -f $needed ] || complain "$needed:1: is missing"
done
[ ${#threes[@]} -gt 0 ] || complain "libmsg/man:1: holds no page of section 3"
[ $complaints = 0 ] || verdict "pages of section 3"

awk -f "$here/pages.awk" "${pages[@]}" >"$work/facts"
facts() { # KIND: FILE LINE REST
	sed -n "s/^$1 //p" "$work/facts"
}
is_three() { [[ $1 == *.3 ]]; }

# ---- functions ---------------------------------------------------------------

functions=$(sed -n 's/^[[:space:]]*\(msg_[a-z_0-9]*\);$/\1/p' libmsg/libmsg.map)
for function in $functions; do
	mapfile -t places < <(facts name | awk -v f="$function" \
		'$1 ~ /\.3$/ && $3 == f { print $1 ":" $2 }')
	[ ${#places[@]} != 0 ] ||
		complain "libmsg/man:1: no page names $function"
	[ ${#places[@]} -le 1 ] ||
		complain "${places[1]}: $function has a page already: ${places[0]}"
done
while read -r file line name; do
	is_three "$file" || continue
	[ "$name" = libmsg ] || grep -qx "$name" <<<"$functions" ||
		complain "$file:$line: there is no function $name"
done < <(facts name)
while read -r file line prototype; do
	grep -qxF -- "$prototype" $golden ||
		complain "$file:$line: the headers have no $prototype"
done < <(facts call)
while read -r prototype; do
	grep -qF -- " $prototype" < <(facts call) ||
		complain "libmsg/man:1: no page has $prototype"
done < <(grep -E '\);$' $golden)

# ---- constants, fields, other pages ------------------------------------------

while read -r file line word; do
	case $word in
	# Manual pages, a prefix in words, our structures.
	msg_*) grep -qw -- "$word" "${headers[@]}" ||
		grep -qE "^(.*/)?$word\.[1-8]$" < <(printf '%s\n' "${pages[@]}") ||
		complain "$file:$line: the headers have no $word" ;;
	MSG_COUNTER_*) grep -qE "X\(${word#MSG_COUNTER_}," "${headers[@]}" ||
		grep -qw -- "$word" "${headers[@]}" ||
		complain "$file:$line: the headers have no $word" ;;
	*) grep -qw -- "$word" "${headers[@]}" ||
		complain "$file:$line: the headers have no $word" ;;
	esac
done < <(facts word | awk '$1 ~ /\.3$/ || $3 ~ /^MSG_/ && $1 ~ /msg_topics/')
fields=$(sed -n 's/^msg_\([a-z_]*\.[a-z_0-9]*\) .*/\1/p' $golden |
	grep -v '^broker_')
told=$(facts field | awk '$1 ~ /\.3$/ { print $3 }' | sort -u)
for field in $fields; do
	grep -qx -- "${field#*.}" <<<"$told" ||
		complain "libmsg/man:1: no page has a word on msg_$field"
done

# A page of ours that is referred to exists, and the function's page by its name.
names=$(facts name | awk '{ n = $1; sub(/.*\./, "", n); print $3 " " n }')
while read -r file line page section; do
	[[ $page == msg* || $page == libmsg* ]] || continue
	grep -qE "(^|/)${page//./\\.}\.$section$" < <(printf '%s\n' "${pages[@]}") ||
		grep -qx -- "$page $section" <<<"$names" ||
		complain "$file:$line: there is no page $page($section)"
done < <(facts see)

verdict "${#threes[@]} pages of section 3 for $(wc -w <<<"$functions") functions"
