/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stranger.h - a client of the broker that speaks frames by hand: to be
 * refused, to lie, to keep what it was given, or to say nothing at all.
 */
#ifndef TESTS_SURVIVE_STRANGER_H
#define TESTS_SURVIVE_STRANGER_H

#include <stdbool.h>
#include <stddef.h>

#include "link/shm/control.h"
#include "link/shm/socket.h"

struct stranger {
	struct msg_socket *socket;
	struct msg_control got; /* The last message received. */
	int fds[MSG_CONTROL_FDS_MAX];
	unsigned fd_count;
};

/* False: nobody is there, or the broker's door is crowded. */
bool stranger_connect(struct stranger *stranger, const char *path);
void stranger_close(struct stranger *stranger);

/* False: the connection is over. */
bool stranger_say(struct stranger *s, const struct msg_control *what);
/* The next message within `ms`; false: none, or the connection is over.  Its
 * descriptors are closed by the next call. */
bool stranger_hear(struct stranger *s, int ms);

/* Hello and Welcome; Subscribe (to be heard: Subscribed, or Refused). */
bool stranger_greet(struct stranger *s, enum msg_control_role role);
bool stranger_subscribe(struct stranger *s, const char *pattern);

/* What a good client of a role says, as bytes; how many. */
size_t stranger_conversation(
	enum msg_control_role role, uint8_t *bytes, size_t capacity);

/* A connection that is nothing but a descriptor; -1: none to be had. */
int stranger_descriptor(const char *path);
/* Whether the other side hangs up within `ms`; what it says until then is
 * read. */
bool stranger_is_dropped(int fd, int ms);

#endif
