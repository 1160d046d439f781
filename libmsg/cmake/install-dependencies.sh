#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# install-dependencies.sh - have what dependencies.txt lists.
#
# Debian and its relatives are asked through dpkg-query and served by apt-get;
# elsewhere nothing is changed: the Fedora names are printed.  It touches the
# network only when something is missing, and never asks a question.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
	cat <<'HELP'
usage: libmsg/cmake/install-dependencies.sh [build|run|test|peers|all] [--print]

Install the packages of dependencies.txt that are missing.

  build    what compiling needs, and running (the default)
  run      what running needs on a machine that builds nothing
  test     what the tests need, besides
  peers    those that tests/perf/peers compares us with
  all      all of them but the last
  --print  only print the line that would install what is missing

Exit status: 0 when nothing is missing (any more); 2 when something is and
this user may not install it: the line to run is printed.
HELP
}

say() { echo "dependencies: $*" >&2; }

what=build print=''
for argument; do
	case $argument in
	build | run | test | peers | all) what=$argument ;;
	--print) print=yes ;;
	--help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
done
case $what in
build) uses='build run' ;;
all) uses='build run test' ;;
*) uses=$what ;;
esac

# The packages of a column (1 Debian, 2 Fedora) for $uses.
packages() {
	local debian fedora use rest name
	while read -r debian fedora use rest; do
		case $debian in '' | '#'*) continue ;; esac
		[[ " $uses " == *" $use "* ]] || continue
		name=$debian
		[ "$1" = 1 ] || name=$fedora
		[ "$name" = - ] || echo "$name"
	done <"$here/dependencies.txt"
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	mapfile -t wanted < <(packages 2)
	line="dnf install ${wanted[*]}"
	if [ -n "$print" ]; then
		echo "$line"
		exit 0
	fi
	# What the build needs most decides; the rest of the list is its company.
	for program in cmake ninja pkg-config protoc-c cc; do
		command -v "$program" >/dev/null && continue
		say "$program is missing and this is no Debian; its like is had with"
		echo "  $line"
		exit 2
	done
	exit 0
fi

# Not `dpkg-query -W NAME`: it also lists packages that were removed, and
# answers for another architecture.
installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' |
	sed -n 's/^.i. *//p')
missing=()
while read -r package; do
	grep -qxF -- "$package" <<<"$installed" || missing+=("$package")
done < <(packages 1)

if [ ${#missing[@]} = 0 ]; then
	exit 0
fi
command="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
if [ -n "$print" ]; then
	echo "$command"
	exit 0
fi
if [ "$(id -u)" != 0 ]; then
	say "${#missing[@]} packages are missing; as root run"
	echo "  $command"
	exit 2
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive

# Run quietly; all of it is shown when it fails.
quietly() {
	if ! "$@" >"$log" 2>&1 </dev/null; then
		cat "$log" >&2
		say "failed: $*"
		exit 1
	fi
}

# Another apt-get may be at work: wait for it.
apt=(apt-get -o DPkg::Lock::Timeout=300 -q)
say "installing ${#missing[@]} packages: ${missing[*]}"
quietly "${apt[@]}" update

# A line now and then, so that a long fetch is seen to move.
fetched=0 unpacked=0
while read -r line; do
	echo "$line" >>"$log"
	case $line in
	Get:*)
		fetched=$((fetched + 1))
		[ $((fetched % 40)) != 0 ] || say "$fetched files fetched" ;;
	Unpacking*)
		unpacked=$((unpacked + 1))
		[ $((unpacked % 40)) != 0 ] || say "$unpacked packages unpacked" ;;
	esac
done < <("${apt[@]}" install -y --no-install-recommends "${missing[@]}" \
	</dev/null 2>&1; echo "status $?")
if [ "$(tail -n 1 "$log")" != 'status 0' ]; then
	cat "$log" >&2
	say "failed: ${apt[*]} install ${missing[*]}"
	exit 1
fi
say "done: $unpacked packages unpacked"
