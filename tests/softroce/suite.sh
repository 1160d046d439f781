#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# suite.sh - run the tests of suite.list on the emulated machines.
#
#   tests/softroce/suite.sh [--build DIR] [--only GLOB] [--except GLOB]
#
# Prints "PASS name", "FAIL name" or "SKIP name: reason" as they come and a
# summary at the end; what each test printed is in a file of its own.
#
#   suite.list ─┬─ single ─▶ run.sh ─▶ suite.sh --inside NAME...   one boot
#               ├─ pair ───▶ pair.sh                   for each test its own
#               └─ host ───▶ the command, here
#
# Booting costs 5 to 20 seconds, so all single-machine tests of equal options
# share one machine.  Each runs in a cgroup of its own, which is emptied after
# it: no test meets what another left running.  A test that takes the machine
# down fails, and so do those that were to follow it there.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SOURCE=$(cd "$here/../.." && pwd)
CHECKS=$here/checks
export SOURCE CHECKS

usage() {
	cat <<'HELP'
usage: tests/softroce/suite.sh [OPTION...]

Run the tests of tests/softroce/suite.list.

  --build DIR     the build folder to test (build/)
  --only GLOB     only tests whose name matches (repeatable)
  --except GLOB   not those (repeatable)
  --list          print the names and where they run, and stop
  --out DIR       where logs go (softroce/suite below the build folder); two
                  suites at a time need two folders
  --kernel FILE.deb  --cache DIR     as for run.sh

Exit status: 0 if none failed; 1 if one did; 77 if nothing could run here; 2 on
wrong usage.
HELP
}

# Splits a line of the table into name, where, seconds, command, right.
# shellcheck disable=SC2034 # not all callers look at all of them
split() {
	local rest=$1
	name=${rest%% :: *} rest=${rest#* :: }
	where=${rest%% :: *} rest=${rest#* :: }
	seconds=${rest%% :: *} rest=${rest#* :: }
	command=${rest%% :: *} right=''
	[ "$command" = "$rest" ] || right=${rest#* :: }
	[[ $name =~ ^[A-Za-z0-9_.-]+$ && $seconds =~ ^[0-9]+$ ]] ||
		die "suite.list: cannot read: $1"
}

die() { echo "suite: $1" >&2; exit "${2:-2}"; }

# verdict STATUS NAME LOG: prints the line and keeps it in $verdicts.
verdict() {
	local line status=$1
	case $status in
	0) line="PASS $2" ;;
	77) line="SKIP $2: $(tail -n 1 "$3")" ;;
	*) line="FAIL $2" ;;
	esac
	echo "$line" | tee -a "$verdicts"
	case $line in FAIL*) ;; *) return 0 ;; esac
	[ "$status" != 124 ] || echo "    | ended after its time limit"
	tail -n 25 "$3" | sed 's/^/    | /'
}

# In the guest: run the named tests one after the other.
inside() {
	local group status line
	verdicts=/out/verdicts
	for wanted in "$@"; do
		line=$(grep "^$wanted :: " "$here/suite.list")
		split "$line"
		group=/sys/fs/cgroup/$name
		mkdir "$group"
		status=0
		(
			echo "$BASHPID" >"$group/cgroup.procs"
			exec timeout -k 5 "$seconds" bash -c "$command"
		) </dev/null >"/out/$name.log" 2>&1 || status=$?
		echo 1 >"$group/cgroup.kill"
		verdict "$status" "$name" "/out/$name.log"
	done
}

if [ "${1:-}" = --inside ]; then
	shift
	inside "$@"
	exit 0
fi

build=$SOURCE/build out='' list='' only=() except=() machine=()
while [ $# -gt 0 ]; do
	case $1 in
	--help) usage; exit 0 ;;
	--list) list=yes; shift; continue ;;
	--*) [ $# -ge 2 ] || die "$1 needs a value; see --help" ;;
	*) die "unknown word $1; see --help" ;;
	esac
	case $1 in
	--build) build=$2 ;;
	--only) only+=("$2") ;;
	--except) except+=("$2") ;;
	--out) out=$2 ;;
	--kernel | --cache) machine+=("$1" "$2") ;;
	*) die "unknown option $1; see --help" ;;
	esac
	shift 2
done

# matches NAME GLOB...
matches() {
	local word=$1 glob
	shift
	for glob in "$@"; do
		# shellcheck disable=SC2053 # the right side is a pattern
		[[ $word != $glob ]] || return 0
	done
	return 1
}

lines=()
while IFS= read -r line; do
	case $line in '' | '#'*) continue ;; esac
	split "$line"
	[ ${#only[@]} = 0 ] || matches "$name" "${only[@]}" || continue
	[ ${#except[@]} = 0 ] || ! matches "$name" "${except[@]}" || continue
	lines+=("$line")
	[ -z "$list" ] || printf '%-36s %s\n' "$name" "$where"
done <"$here/suite.list"
[ -z "$list" ] || exit 0
[ ${#lines[@]} -gt 0 ] || die "no test has such a name"

mkdir -p "$build"
BUILD=$(cd "$build" && pwd)
export BUILD
cd "$BUILD"
out=${out:-$BUILD/softroce/suite}
mkdir -p "$out"
out=$(cd "$out" && pwd)
rm -f "$out"/*.log
verdicts=$out/verdicts
: >"$verdicts"

if ! "$here/run.sh" "${machine[@]}" --prepare 2>"$out/prepare.log"; then
	cat "$out/prepare.log" >&2
	echo "SKIP all: no emulated machine here (see above)"
	exit 77
fi

# Ctrl-C and SIGTERM reach the machine we wait for, too.
child=''
# shellcheck disable=SC2317 # called by the trap
stop() { [ -z "$child" ] || kill "$child" 2>/dev/null || true; wait; exit "$1"; }
trap 'stop 130' INT
trap 'stop 143' TERM HUP

# run_child LOG COMMAND...: output to LOG, or here if it is -; status in $status.
run_child() {
	local log=$1
	shift
	status=0
	if [ "$log" = - ]; then
		setpriv --pdeathsig TERM "$@" </dev/null &
	else
		setpriv --pdeathsig TERM "$@" </dev/null >"$log" 2>&1 &
	fi
	child=$!
	wait "$child" || status=$?
	child=''
}

is_built() {
	local word
	for word in "$command" "$right"; do
		word=${word%% *}
		case $word in
		'$'* | '') continue ;;
		*/*) [ -e "$word" ] || {
			echo "$word is not built"
			return 1
		} ;;
		esac
	done
}

variables=(--env SOURCE --env CHECKS --env BUILD)
declare -A boots=() limits=()
order=()
for line in "${lines[@]}"; do
	split "$line"
	if ! reason=$(is_built); then
		echo "SKIP $name: $reason" | tee -a "$verdicts"
	elif [[ $where == single* ]]; then
		key=${where#single}
		[ -n "${boots[x$key]+set}" ] || order+=("$key")
		boots[x$key]+=" $name"
		limits["x$key"]=$((${limits["x$key"]:-0} + seconds))
	fi
done

for key in "${order[@]}"; do
	read -ra names <<<"${boots[x$key]}"
	read -ra options <<<"$key"
	limit=$((${limits["x$key"]} + 120))
	run_child - "$here/run.sh" --quiet "${machine[@]}" "${options[@]}" \
		"${variables[@]}" --out "$out/inside" \
		--timeout "$limit" \
		-- "$here/suite.sh" --inside "${names[@]}"
	cat "$out/inside/verdicts" >>"$verdicts" 2>/dev/null || true
	for name in "${names[@]}"; do
		[ ! -e "$out/inside/$name.log" ] ||
			mv "$out/inside/$name.log" "$out/"
		grep -Eq "^[A-Z]+ $name(:|\$)" "$verdicts" && continue
		echo "FAIL $name" | tee -a "$verdicts"
		echo "    | the machine went down (status $status)"
	done
	rm -rf "$out/inside"
done

for line in "${lines[@]}"; do
	split "$line"
	! grep -Eq "^[A-Z]+ $name(:|\$)" "$verdicts" || continue
	log=$out/$name.log
	case $where in
	pair*)
		read -ra options <<<"${where#pair}"
		run_child "$log" "$here/pair.sh" --build "$BUILD" \
			"${machine[@]}" "${options[@]}" "${variables[@]}" \
			--timeout $((seconds + 120)) \
			--left "timeout -k 5 $seconds bash -c $(printf %q "$command")" \
			--right "timeout -k 5 $seconds bash -c $(printf %q "$right")"
		if [ "$status" = 77 ]; then
			reason=$(grep -E '^(left|right)\| ' "$log" | tail -n 1)
			echo "$reason" >>"$log"
		fi ;;
	host)
		MACHINE_OPTIONS="${machine[*]}" run_child "$log" \
			timeout -k 10 $((seconds + 120)) bash -c "$command" ;;
	*) die "suite.list: $name: unknown place: $where" ;;
	esac
	verdict "$status" "$name" "$log"
done

passed=$(grep -c ^PASS "$verdicts") || true
failed=$(grep -c ^FAIL "$verdicts") || true
skipped=$(grep -c ^SKIP "$verdicts") || true
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
