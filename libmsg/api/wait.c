/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.c - arm, sleep, and wake for whatever comes first: a frame, the end of
 * a gap that waits for a late frame, or the caller's patience.
 */
#include "api/wait.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>

#include "base/clock.h"

/* How often a wait looks for buffers that came back: only a release in another
 * thread can end it, and that makes no system call. */
#define STARVED_NS MSG_NS_PER_MS
/* A spinner lets others run so often; one of them may be who it waits for. */
#define YIELD_NS (50 * MSG_NS_PER_US)

uint64_t msg_wait_deadline(int64_t timeout_ns)
{
	uint64_t now = msg_clock_ns();

	if (timeout_ns < 0 || (uint64_t)timeout_ns > UINT64_MAX - 1 - now)
		return UINT64_MAX;
	return now + (uint64_t)timeout_ns;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Returns what ppoll does; an interruption by a signal counts as a wake. */
static int sleep_until(const struct msg_receiver *r, uint64_t deadline)
{
	const struct msg_link *side = r->side.link, *calls = r->calls.link;
	const struct msg_pull *pull = r->pull;
	const struct msg_fetch *fetch = r->fetch;
	struct pollfd wake[5] = {
		{.fd = r->link->fd, .events = POLLIN},
		{.fd = side ? side->fd : -1, .events = POLLIN},
		{.fd = calls ? calls->fd : -1, .events = POLLIN},
		{.fd = pull ? pull->channels->fd : -1, .events = POLLIN},
		{.fd = fetch ? fetch->channels->fd : -1, .events = POLLIN},
	};
	uint64_t now = msg_clock_ns();
	uint64_t left = deadline > now ? deadline - now : 0;
	struct timespec limit = {
		.tv_sec = (time_t)(left / MSG_NS_PER_S),
		.tv_nsec = (long)(left % MSG_NS_PER_S),
	};

	return ppoll(wake, fetch ? 5 : pull ? 4 : calls ? 3 : side ? 2 : 1,
		deadline == UINT64_MAX ? NULL : &limit, NULL);
}

/* 1: messages wait; 0: none came in time; FABRIC. */
static int spin(struct msg_direct *d, uint64_t end)
{
	uint64_t now = msg_clock_ns();
	uint64_t yield = now + YIELD_NS;
	int result;

	while (now < end) {
		result = msg_direct_progress(d);
		if (result != 0)
			return result;
		now = msg_clock_ns();
		if (now >= yield) {
			sched_yield();
			yield = now + YIELD_NS;
		}
	}
	return 0;
}

int msg_direct_wait(struct msg_direct *d, uint64_t deadline, uint32_t spin_us)
{
	struct msg_receiver *r = &d->receiver;

	if (spin_us > 0) {
		uint64_t end = spin_us == UINT32_MAX
				       ? UINT64_MAX
				       : msg_clock_ns() +
						 spin_us * MSG_NS_PER_US;
		int found = spin(d, earlier(end, deadline));

		if (found != 0)
			return found < 0 ? found : 0;
	}
	for (;;) {
		uint64_t gap = msg_receiver_deadline(r);
		int result = msg_direct_arm_link(d);

		if (result < 0 && result != -MSG_ERROR_AGAIN)
			return result;
		if (result == 0) {
			if (msg_receiver_starved(r))
				gap = earlier(gap, msg_clock_ns() + STARVED_NS);
			result = sleep_until(r, earlier(gap, deadline));
			if (result < 0)
				return errno == EINTR ? 0 : -MSG_ERROR_FABRIC;
		}
		/* What woke us may be no message: heartbeats, announcements. */
		result = msg_direct_progress(d);
		if (result != 0)
			return result < 0 ? result : 0;
		if (msg_clock_ns() >= deadline)
			return -MSG_ERROR_TIMEOUT;
	}
}
