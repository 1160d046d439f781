/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - what a queue offers to sleep on.
 *
 *	fd, an epoll --+-- signal, an eventfd of our own
 *	               +-- whatever else may end the sleep (udmc_wait_watch)
 *
 * One descriptor for the life of the queue, of levels only, so it may be part
 * of the caller's own poll.  A queue opened with FI_WAIT_NONE has neither; then
 * watching, raising and lowering do nothing.
 *
 * Neighbours: completion.c and event.c own one each; the transports add to it.
 */
#ifndef UDMC_WAIT_H
#define UDMC_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include <rdma/fi_eq.h>

struct udmc_wait {
	int fd;     /* -1: FI_WAIT_NONE. */
	int signal; /* Inside it. */
};

/* FI_WAIT_UNSPEC means FI_WAIT_FD; any other than that and FI_WAIT_NONE is
 * -FI_ENOSYS.  After an error there is nothing to close. */
int udmc_wait_open(struct udmc_wait *wait, enum fi_wait_obj object);
void udmc_wait_close(struct udmc_wait *wait);
/* The queue's fi_control: FI_GETWAIT and FI_GETWAITOBJ. */
int udmc_wait_control(const struct udmc_wait *wait, int command, void *arg);
/* End the sleep at these epoll events of fd, until fd is closed; other ones. */
int udmc_wait_watch(const struct udmc_wait *wait, int fd, uint32_t events);
int udmc_wait_change(const struct udmc_wait *wait, int fd, uint32_t events);

/* Raise our own signal, lower it; lower tells whether it was raised. */
int udmc_wait_raise(const struct udmc_wait *wait);
bool udmc_wait_lower(const struct udmc_wait *wait);

/* When a sleep of timeout ms from now ends; -1: never. */
int64_t udmc_wait_end(int timeout);
bool udmc_wait_over(int64_t end);
/* Sleep until then at most; 0, or -FI_EINTR and the like. */
int udmc_wait_sleep(const struct udmc_wait *wait, int64_t end);

#endif
