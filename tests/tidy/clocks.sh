#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# clocks.sh - what is sold reads no clock that jumps: neither the wall's nor a
# wait that is measured by it.  What is for people to see says so in its name:
# real_ns.
# shellcheck source=tests/tidy/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

mapfile -t sources < <(files '^(libmsg|broker|examples|bindings)/.*\.(c|h|hpp|cpp)$')

while read -r line; do
	complain "$(cut -d : -f 1,2 <<<"$line"): a clock that jumps:" \
		"$(cut -d : -f 3- <<<"$line" | cut -c 1-60)"
done < <(grep -nHE -- '\b(CLOCK_(REALTIME|TAI)[A-Z_]*|gettimeofday|timespec_get|sem_timedwait|mq_timed[a-z]+|pthread_(mutex|rwlock)_timed[a-z]+|FUTEX_CLOCK_REALTIME)\b|(^|[^[:alnum:]_>.])time\((NULL|0|&)' \
	"${sources[@]}" | grep -vE 'real_ns = |/\*.*CLOCK_REALTIME' || true)

# A condition measures by the wall unless told otherwise when it is made.
while read -r file; do
	grep -q 'condattr_setclock([^)]*CLOCK_MONOTONIC' "$file" ||
		complain "$file:1: pthread_cond_timedwait by the wall's clock"
done < <(grep -lE '\bpthread_cond_timedwait\b' "${sources[@]}" || true)

verdict "clocks of ${#sources[@]} files"
