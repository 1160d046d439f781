/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gate.h - an object's owner, and a helper that comes when the owner is out.
 *
 * The owner enters and leaves with each of its calls, some ten million times a
 * second: a store, a load, a store, on a line of its own, and no lock.  A helper,
 * on another thread, comes some times a second; it only tries, and goes away
 * when the owner is in.  Each says first that it comes and looks for the other
 * then, so that one of them sees the other: the fence that this takes on both
 * sides the helper runs for both (membarrier(2)).
 *
 * An owner that meets a helper inside waits for it, asleep.  So helpers come
 * only where the owner has long been out.
 * Where they come often, an exchange on both sides costs less (the repairer's).
 *
 * Called by topic/.  Test: tests/unit/base/test_gate.c, under the thread
 * sanitizer too.
 */
#ifndef MSG_BASE_GATE_H
#define MSG_BASE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/* All zero: nobody is in. */
struct msg_gate {
	_Atomic uint32_t owner;
	_Atomic uint32_t helper;
};

/* Owner: wait until the helper is out. */
void msg_gate_wait(struct msg_gate *gate);

/* Owner: be in, or false: not before msg_gate_enter returned. */
static inline bool msg_gate_slip_in(struct msg_gate *gate)
{
	msg_store(&gate->owner, 1, relaxed);
	/* For the compiler; the processor's half is msg_gate_try's. */
	atomic_signal_fence(memory_order_seq_cst);
	/* Acquire; partner: msg_gate_help_done. */
	return __builtin_expect(msg_load(&gate->helper, acquire) == 0, 1);
}

static inline void msg_gate_enter(struct msg_gate *gate)
{
	if (!msg_gate_slip_in(gate))
		msg_gate_wait(gate);
}

static inline void msg_gate_leave(struct msg_gate *gate)
{
	/* Release; partner: msg_gate_try. */
	msg_store(&gate->owner, 0, release);
}

/* Helper: be in, if nobody is, until msg_gate_help_done.  False as well where
 * the kernel knows no membarrier (before 4.14, or forbidden). */
bool msg_gate_try(struct msg_gate *gate);
void msg_gate_help_done(struct msg_gate *gate);

#endif
