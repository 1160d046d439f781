/* SPDX-License-Identifier: BSD-2-Clause */
/* wake.c - a descriptor for two links and a timer; see wake.h. */
#include "api/wake.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trail.h"

/* What is due so soon is worth no sleep. */
#define SOON_NS (50 * MSG_NS_PER_US)

static int add(const struct msg_wake *wake, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(wake->epoll, EPOLL_CTL_ADD, fd, &event);
}

int msg_wake_open(struct msg_wake *wake, const struct msg_receiver *r)
{
	*wake = MSG_WAKE_CLOSED;
	wake->fd = r->link->fd;
	if (!r->side.link && !r->options.events)
		return 0;
	wake->epoll = epoll_create1(EPOLL_CLOEXEC);
	wake->timer = timerfd_create(
		CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (wake->epoll < 0 || wake->timer < 0 || add(wake, r->link->fd) < 0 ||
		add(wake, wake->timer) < 0 ||
		(r->side.link && add(wake, r->side.link->fd) < 0) ||
		(r->pull && add(wake, r->pull->channels->fd) < 0) ||
		(r->fetch && add(wake, r->fetch->channels->fd) < 0))
		return msg_fail(MSG_ERROR_FABRIC,
			"no descriptor to wake a subscriber: %s; raise their "
			"limit (ulimit -n)",
			strerror(errno));
	wake->fd = wake->epoll;
	return 0;
}

int msg_wake_add(struct msg_wake *wake, int fd)
{
	return add(wake, fd) == 0
		       ? 0
		       : msg_fail(MSG_ERROR_FABRIC,
				 "no descriptor to wake a subscriber: %s",
				 strerror(errno));
}

void msg_wake_close(struct msg_wake *wake)
{
	if (wake->epoll >= 0)
		close(wake->epoll);
	if (wake->timer >= 0)
		close(wake->timer);
	*wake = MSG_WAKE_CLOSED;
}

/* A timer that has run out is readable until it is set anew. */
static int set(struct msg_wake *wake, uint64_t until)
{
	struct itimerspec at = {.it_value = {0}};

	if (until == wake->set_ns)
		return 0;
	if (until != UINT64_MAX) {
		at.it_value.tv_sec = (time_t)(until / MSG_NS_PER_S);
		at.it_value.tv_nsec = (long)(until % MSG_NS_PER_S);
	}
	if (timerfd_settime(wake->timer, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		return -MSG_ERROR_FABRIC;
	wake->set_ns = until;
	return 0;
}

int msg_wake_arm(struct msg_wake *wake, struct msg_direct *d)
{
	uint64_t until;
	int result;

	if (wake->epoll < 0)
		return msg_direct_arm(d);
	result = msg_direct_arm_until(d, &until);
	if (result < 0)
		return result;
	if (until != UINT64_MAX && until <= msg_clock_ns() + SOON_NS)
		return -MSG_ERROR_AGAIN;
	return set(wake, until);
}
