/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - sleeping until something arrives, for the calls that do.
 */
#ifndef MSG_API_WAIT_H
#define MSG_API_WAIT_H

#include <stdint.h>

#include "engine/direct.h"

/* When a wait of `timeout_ns` from now is over; UINT64_MAX: never. */
uint64_t msg_wait_deadline(int64_t timeout_ns);

/* Sleep until the link has something or `deadline`, but spin for `spin_us`
 * first; UINT32_MAX: spin only.  0, TIMEOUT, FABRIC. */
int msg_direct_wait(
	struct msg_direct *direct, uint64_t deadline, uint32_t spin_us);

#endif
