#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# selftest.sh - the emulated machines keep what run.sh and pair.sh promise.
#
#   tests/softroce/selftest.sh [--build DIR] [--quick]
#
# First what is seen from the host: output, exit status, files, environment,
# limits, two at a time, and that no end leaves a process or a folder behind.
# Then, unless --quick, the machine_ tests of suite.list: rxe0 is active,
# libfabric lists it, messages and multicast pass, losses are as foretold.
# Exits 77, with the reason, where no machine can be booted.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "$here/../.." && pwd)/build quick=''
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=$2; shift 2 ;;
	--quick) quick=yes; shift ;;
	*) echo "usage: selftest.sh [--build DIR] [--quick]" >&2; exit 2 ;;
	esac
done
run=$here/run.sh

"$run" --prepare || {
	echo "SKIP: no emulated machine here (see above)"
	exit 77
}

# All temporary folders of this test go below one, to see what is left.
scratch=$(mktemp -d)
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
trap 'rm -rf "$scratch"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; wait; exit 143' INT TERM
failed=0

# expect NAME ACTUAL WANTED
expect() {
	if [ "$2" = "$3" ]; then
		echo "PASS $1"
	else
		echo "FAIL $1: $2 instead of $3"
		failed=1
	fi
}

leftovers() {
	local i
	# Each process of ours has the folder in its arguments; the search for
	# it reads the name from a file, not to find itself.
	echo "$TMPDIR/softroce" >"$scratch/name"
	for ((i = 0; i < 50; i++)); do
		grep -lsF -f "$scratch/name" /proc/[0-9]*/cmdline >/dev/null ||
			break
		sleep 0.1
	done
	grep -lsF -f "$scratch/name" /proc/[0-9]*/cmdline | wc -l
	find "$TMPDIR" -mindepth 1 | wc -l
}

two_at_a_time() {
	local status=0 i first
	# shellcheck disable=SC2016 # for the guest
	for i in 1 2; do
		VALUE="two words $i" "$run" --quiet --env VALUE --env OTHER=x \
			--out "$scratch/out $i" -- bash -c '
				echo "$VALUE$OTHER$1"; echo wrong >&2
				echo result >/out/file; touch "$2/trace"
				exit $3' \
			bash "it's" "$scratch" "$((i + 2))" \
			>"$scratch/stdout $i" 2>"$scratch/stderr $i" &
		[ "$i" = 2 ] || first=$!
	done
	wait "$first" || status=$?
	expect status_of_the_command_is_ours $status 3
	status=0
	wait $! || status=$?
	expect two_machines_at_a_time $status 4
	expect stdout_is_the_command\'s "$(cat "$scratch/stdout 2")" \
		"two words 2xit's"
	expect stderr_is_apart "$(cat "$scratch/stderr 2")" wrong
	expect files_come_out "$(cat "$scratch/out 1/file")" result
	expect host_is_not_written "$(ls "$scratch/trace" 2>/dev/null)" ''
}

long_output_is_whole() {
	local there
	"$run" --quiet -- bash -c 'head -c 3000000 /dev/urandom | tee \
		>(sha256sum >&2); wait; sleep 0.5' \
		2>"$scratch/sum" | sha256sum >"$scratch/here"
	there=$(cat "$scratch/sum")
	expect long_output_is_whole "$(cat "$scratch/here")" "$there"
}

timeouts_end_it() {
	local status=0
	"$run" --quiet --timeout 1 -- true 2>/dev/null || status=$?
	expect timeout_while_booting $status 124
	expect nothing_is_left_after_timeout "$(leftovers | xargs)" "0 0"
}

# The first QEMU of this name crashes, the next one is the real one.
a_crash_at_boot_is_no_end() {
	local status=0
	mkdir "$scratch/bin"
	cat >"$scratch/bin/qemu-system-x86_64" <<-END
		#!/bin/bash
		mkdir "$scratch/crashed" 2>/dev/null && kill -SEGV \$\$
		exec $(command -v qemu-system-x86_64) "\$@"
	END
	chmod +x "$scratch/bin/qemu-system-x86_64"
	PATH=$scratch/bin:$PATH "$run" --quiet -- bash -c 'echo up; exit 5' \
		>"$scratch/second" 2>/dev/null || status=$?
	expect a_crash_at_boot_is_no_end "$status $(cat "$scratch/second")" '5 up'
}

signals_end_it() {
	local status=0 machine i
	"$run" --quiet -- bash -c 'echo up; sleep 600' >"$scratch/up" &
	machine=$!
	for ((i = 0; i < 1200; i++)); do
		[ ! -s "$scratch/up" ] || break
		sleep 0.1
	done
	expect output_is_live "$(cat "$scratch/up")" up
	kill -TERM $machine
	wait $machine || status=$?
	expect status_after_sigterm $status 143
	expect nothing_is_left_after_sigterm "$(leftovers | xargs)" "0 0"
}

two_at_a_time
long_output_is_whole
timeouts_end_it
a_crash_at_boot_is_no_end
signals_end_it
if [ -z "$quick" ]; then
	"$here/suite.sh" --build "$build" --only 'machine_*' \
		--out "$build/softroce/selftest" || failed=1
fi
[ $failed = 0 ]
