#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# errors.sh TEST_PROVIDER - the list again while the kernel says no: no room
# for a send, interrupted calls.  strace injects the answers; loopback never
# gives them by itself.  What was held back must leave later, in order.
set -u
command -v strace >/dev/null || {
	echo "SKIP: no strace"
	exit 77
}
strace -qq -o /dev/null true 2>/dev/null || {
	echo "SKIP: strace may not trace here"
	exit 77
}

# The leak check cannot run under ptrace; provider.udp_lo has it.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0

program=$1 status=0
for case in message limits group join; do
	for what in EAGAIN:when=1+2 ENOBUFS:when=2+3 EINTR:when=1+3; do
		echo "== $case, the send says $what"
		CK_RUN_CASE=$case CK_TIMEOUT_MULTIPLIER=5 \
			strace -f --seccomp-bpf -qq -o /dev/null \
			-e trace=sendmmsg,sendmsg \
			-e inject=sendmmsg,sendmsg:error="$what" \
			"$program" --domain udp-lo || status=1
	done
done
exit $status
