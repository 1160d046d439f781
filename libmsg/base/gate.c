/* SPDX-License-Identifier: BSD-2-Clause */
/* gate.c - the rare half of a gate: trying, and waiting; see gate.h. */
#include "base/gate.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/futex.h"

static long membarrier(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

/* A full fence on every thread of this process that runs; those that do not had
 * theirs when they stopped. */
static bool fence_everywhere(void)
{
	long result = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);

	/* Not registered yet: once a process. */
	if (result < 0 && errno == EPERM &&
		membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0)
		result = membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	return result == 0;
}

bool msg_gate_try(struct msg_gate *gate)
{
	uint32_t nobody = 0;

	if (msg_load(&gate->owner, relaxed) != 0 ||
		!atomic_compare_exchange_strong_explicit(&gate->helper,
			&nobody, 1, memory_order_acquire,
			memory_order_relaxed))
		return false;
	if (fence_everywhere() && msg_load(&gate->owner, acquire) == 0)
		return true;
	msg_gate_help_done(gate);
	return false;
}

void msg_gate_help_done(struct msg_gate *gate)
{
	msg_store(&gate->helper, 0, release);
	msg_futex_wake(&gate->helper);
}

void msg_gate_wait(struct msg_gate *gate)
{
	do {
		msg_store(&gate->owner, 0, release);
		while (msg_load(&gate->helper, acquire) != 0) {
			struct futex_waitv word =
				msg_futex_on(&gate->helper, 1);

			if (msg_futex_wait(&word, 1, UINT64_MAX) < 0 &&
				errno == ENOSYS)
				sched_yield();
		}
		msg_store(&gate->owner, 1, relaxed);
		msg_fence(seq_cst);
	} while (msg_load(&gate->helper, acquire) != 0);
}
