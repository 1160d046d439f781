#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh - install what is missing, build, run every test, count.
#
#   phase       build folder   what runs there
#   gcc         build/gcc      every label but softroce and long
#   clang       build/clang    nothing: it has to compile without a warning
#   address     build/asan     the labels of $address_labels, with leaks found;
#                              with --long also local
#   thread      build/tsan     the labels of $thread_labels
#   softroce    build/gcc      the label softroce: emulated RDMA machines
#   long        build/gcc      the label long and tests/fuzz/run.sh, with --long
#
# A phase that fails does not keep the others from running.  Each phase leaves
# ctest's JUnit file in its build folder; count.awk makes the numbers of it and
# lists what was skipped, and why.  The last line is always
#
#   N passed, N failed, N skipped
#
# where a program that counts its own tests stands for as many, any other for one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
address_labels='unit sim fuzz conformance contract bindings provider channel fault'
thread_labels='unit conformance contract'

usage() {
	cat <<'HELP'
usage: tests/run.sh [OPTION...]

Install what is missing (as root), build and run the tests.

  --quick          no sanitizers, no second compiler, no virtual machine, no
                   benchmarks, no models, no deaths by the hundred: a few
                   minutes after the build
  --long           the long tier too
  --sanitize NAME  only the build with this sanitizer: address or thread
  --only REGEX     only tests of such names (repeatable); builds with gcc, or
                   as --sanitize says
  --no-install     leave the machine's packages alone
  --help           this text

The last line is `N passed, N failed, N skipped`; each skip is listed with its
reason.  Exit status: 0; 1 when a test failed or none ran; 2 when packages are
missing (the line that installs them is printed) or the usage is wrong.
HELP
}

tier=default sanitize='' only='' install=yes
while [ $# -gt 0 ]; do
	case $1 in
	--quick) tier=quick ;;
	--long) tier=long ;;
	--no-install) install='' ;;
	--help) usage; exit 0 ;;
	--sanitize | --only)
		[ $# -ge 2 ] || { echo "run: $1 needs a value" >&2; exit 2; }
		if [ "$1" = --only ]; then
			only=${only:+$only|}$2
		else
			sanitize=$2
		fi
		shift ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
case $sanitize in
'' | address | thread) ;;
asan) sanitize=address ;;
tsan) sanitize=thread ;;
*) echo "run: --sanitize takes address or thread" >&2; exit 2 ;;
esac

# What a user set for his own work must not steer the tests, least of all onto
# a network; the seed is how a failure is run again.
for name in $(compgen -A variable MSG_); do
	[ "$name" = MSG_TEST_SEED ] || unset "$name"
done
# Whatever broker may run here is not theirs, either.
export MSG_BROKER_POLICY=never
unset FI_PROVIDER FI_PROVIDER_PATH CC CFLAGS LDFLAGS DESTDIR
export LC_ALL=C.UTF-8

passed=0 failed=0 skipped=0
reasons=$(mktemp)
trap 'rm -f "$reasons"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf '%s %s\n' "[$(date +%H:%M:%S)]" "$*"; }

count_failure() {
	failed=$((failed + 1))
	say "FAILED: $1"
}

jobs=$(nproc)
# Tests of processes wait more than they compute, but where a sanitizer watches.
tests_at_once=$((jobs + 1))

# build FOLDER [CMAKE ARGUMENT...]; its output is shown when it fails.
build() {
	local folder=$root/build/$1 log=$root/build/$1.log start=$SECONDS
	shift
	mkdir -p "$folder"
	say "building ${folder#"$root/"}"
	if ! { cmake -S "$root" -B "$folder" -G Ninja -DMSG_WERROR=ON "$@" &&
		progress ninja -C "$folder" -j "$jobs" -k 0; } >"$log" 2>&1; then
		sed -n '/^FAILED:\|^CMake Error/,$p' "$log" | head -n 80
		count_failure "build of ${folder#"$root/"} (${log#"$root/"})"
		return 1
	fi
	say "built ${folder#"$root/"} in $((SECONDS - start)) s"
}

# Run ninja with a line on the terminal every 15 seconds.
progress() {
	local pid
	"$@" &
	pid=$!
	(
		while sleep 15; do
			say "$(tail -n 1 "$log" | cut -c 1-76)" >&3
		done
	) &
	local ticker=$! code=0
	wait "$pid" || code=$?
	kill "$ticker" 2>/dev/null || true
	wait "$ticker" 2>/dev/null || true
	return "$code"
}
exec 3>&1

# run PHASE FOLDER [CTEST ARGUMENT...]
run() {
	local phase=$1 folder=$root/build/$2 junit numbers name
	shift 2
	junit=$folder/junit-$phase.xml
	rm -f "$junit"
	[ -z "$only" ] || set -- "$@" -R "$only"
	say "testing: $phase"
	# Its verdict is in the file; no file is a failure of its own.
	ctest --test-dir "$folder" -j "$tests_at_once" --output-on-failure \
		--test-output-size-passed 1000000 \
		--test-output-size-failed 1000000 \
		--output-junit "$junit" "$@" </dev/null 2>&1 |
		sed -u -e '/tests passed, .* tests* failed out of/,$d' \
			-e '/^Internal ctest\|^Test project\|^ *Start /d' \
			-e '/^$/d' || true
	if [ ! -s "$junit" ]; then
		count_failure "ctest of phase $phase left no result"
		return
	fi
	numbers=$(awk -v phase="$phase" -v reasons="$reasons" \
		-f "$root/tests/support/count.awk" "$junit")
	# shellcheck disable=SC2086 # three words
	set -- $numbers
	passed=$((passed + $1))
	failed=$((failed + $2))
	skipped=$((skipped + $3))
}

labels() { printf '^(%s)$' "${*// /|}"; }

phase_gcc() {
	local without='softroce|long'
	[ "$tier" != quick ] || without='softroce|long|perf|survive|explore|model'
	build gcc -DCMAKE_C_COMPILER=gcc || return 0
	tests_at_once=$((jobs * 2)) run gcc gcc -LE "^($without)\$"
}

phase_clang() {
	build clang -DCMAKE_C_COMPILER=clang || return 0
	passed=$((passed + 1))
}

phase_address() {
	build asan -C "$root/libmsg/cmake/asan.cmake" || return 0
	# Check's time limits are made for a build that is not watched.
	[ "$tier" != long ] || address_labels+=' local'
	CK_TIMEOUT_MULTIPLIER=5 run address asan -L "$(labels "$address_labels")" -LE '^long$'
}

phase_thread() {
	build tsan -C "$root/libmsg/cmake/tsan.cmake" || return 0
	CK_TIMEOUT_MULTIPLIER=5 run thread tsan -L "$(labels "$thread_labels")" -LE '^long$'
}

phase_softroce() {
	[ -f "$root/build/gcc/CTestTestfile.cmake" ] || return 0
	run softroce gcc -L '^softroce$' -LE '^long$'
}

phase_long() {
	[ -f "$root/build/gcc/CTestTestfile.cmake" ] || return 0
	# The storm's broker is the one that sees what it does wrong.
	[ ! -x "$root/build/asan/broker/msgbrokerd" ] ||
		export MSG_TEST_STORM_BROKER=$root/build/asan/broker/msgbrokerd
	run long gcc -L '^long$'
	say "testing: long, ten million inputs for each fuzz target"
	if "$root/tests/fuzz/run.sh" --runs 10000000 >"$root/build/fuzz.log" 2>&1
	then
		passed=$((passed + 1))
	else
		tail -n 30 "$root/build/fuzz.log"
		count_failure 'fuzzing (build/fuzz.log)'
	fi
}

if [ -n "$install" ]; then
	"$root/libmsg/cmake/install-dependencies.sh" all
fi

export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1

if [ -n "$sanitize" ]; then
	phases=$sanitize
elif [ -n "$only" ]; then
	phases=only
else
	case $tier in
	quick) phases=gcc ;;
	default) phases='gcc clang address thread softroce' ;;
	long) phases='gcc clang address thread softroce long' ;;
	esac
fi
for phase in $phases; do
	case $phase in
	only)
		# A name was asked for: whatever its label.
		! build gcc -DCMAKE_C_COMPILER=gcc || run only gcc ;;
	*) "phase_$phase" ;;
	esac
done

if [ -s "$reasons" ]; then
	echo
	cat "$reasons"
fi
echo
say "took $((SECONDS / 60)) min $((SECONDS % 60)) s"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
