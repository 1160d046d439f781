// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - see wait.h.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core.h"

int udmc_wait_open(struct udmc_wait *wait, enum fi_wait_obj object)
{
	int ret = 0;

	wait->fd = -1;
	wait->signal = -1;
	if (object == FI_WAIT_NONE)
		return 0;
	if (object != FI_WAIT_FD && object != FI_WAIT_UNSPEC) {
		UDMC_INFO(CORE, "wait object %d is not offered: use "
				"FI_WAIT_FD\n", (int)object);
		return -FI_ENOSYS;
	}
	wait->fd = epoll_create1(EPOLL_CLOEXEC);
	if (wait->fd < 0)
		return -errno;
	wait->signal = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wait->signal < 0)
		ret = -errno;
	if (!ret)
		ret = udmc_wait_watch(wait, wait->signal, EPOLLIN);
	if (ret)
		udmc_wait_close(wait);
	return ret;
}

void udmc_wait_close(struct udmc_wait *wait)
{
	if (wait->signal >= 0)
		close(wait->signal);
	if (wait->fd >= 0)
		close(wait->fd);
	wait->fd = -1;
	wait->signal = -1;
}

int udmc_wait_control(const struct udmc_wait *wait, int command, void *arg)
{
	switch (command) {
	case FI_GETWAIT:
		if (wait->fd < 0)
			return -FI_ENODATA;
		*(int *)arg = wait->fd;
		return 0;
	case FI_GETWAITOBJ:
		*(enum fi_wait_obj *)arg =
				wait->fd < 0 ? FI_WAIT_NONE : FI_WAIT_FD;
		return 0;
	default:
		return -FI_ENOSYS;
	}
}

static int control(const struct udmc_wait *wait, int how, int fd,
		uint32_t events)
{
	struct epoll_event event = {.events = events};

	if (wait->fd < 0)
		return 0;
	return epoll_ctl(wait->fd, how, fd, &event) ? -errno : 0;
}

int udmc_wait_watch(const struct udmc_wait *wait, int fd, uint32_t events)
{
	return control(wait, EPOLL_CTL_ADD, fd, events);
}

int udmc_wait_change(const struct udmc_wait *wait, int fd, uint32_t events)
{
	return control(wait, EPOLL_CTL_MOD, fd, events);
}

int udmc_wait_raise(const struct udmc_wait *wait)
{
	uint64_t one = 1;

	if (wait->signal < 0)
		return 0;
	return write(wait->signal, &one, sizeof(one)) < 0 ? -errno : 0;
}

bool udmc_wait_lower(const struct udmc_wait *wait)
{
	uint64_t value;

	return wait->signal >= 0 &&
		read(wait->signal, &value, sizeof(value)) == sizeof(value);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t udmc_wait_end(int timeout)
{
	return timeout < 0 ? -1 : now_ms() + timeout;
}

bool udmc_wait_over(int64_t end)
{
	return end >= 0 && now_ms() >= end;
}

int udmc_wait_sleep(const struct udmc_wait *wait, int64_t end)
{
	struct pollfd fd = {.fd = wait->fd, .events = POLLIN};
	int64_t left = end < 0 ? -1 : end - now_ms();

	if (end >= 0 && left < 0)
		left = 0;
	return poll(&fd, 1, (int)left) < 0 ? -errno : 0;
}
