/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * socket_pair.h - a connection under test, and its other end; for test_socket.c and
 * its neighbours.
 *
 * The other end is another connection or, where rules are broken, the bare socket.
 * Every test ends with as many descriptors open as it began with.
 */
#ifndef TESTS_UNIT_LINK_SHM_SOCKET_PAIR_H
#define TESTS_UNIT_LINK_SHM_SOCKET_PAIR_H

#include "link/shm/socket.h"

#include "check_main.h"

extern struct msg_socket *ours;
extern struct msg_socket *theirs; /* NULL where `raw` is used. */
extern int raw;
extern int files[4]; /* Four different ones, to be passed. */
extern unsigned fds_before; /* Descriptors when the test began. */

/* Two connections; sndbuf 0: as it comes. */
void connect_pair(int sndbuf);
/* A connection and a bare socket. */
void connect_raw(void);
void hang_up(void);
void end(void);
void is_said(const char *text);
/* The frame that `from` should hold now. */
struct msg_control_frame expect(struct msg_socket *from, unsigned kind,
	const void *body, size_t bytes, unsigned fd_count);
/* It fails as said, goes on to fail so, and keeps no descriptor until it is
 * closed. */
void expect_failure(struct msg_socket *from, int code, const char *text);
void expect_nothing(struct msg_socket *from);
uint8_t *noise(size_t bytes, uint64_t seed);
/* Write bytes with descriptors, by hand. */
void write_raw(
	const void *data, size_t bytes, const int *fds, unsigned count);
void write_header(
	uint32_t length, unsigned announced, const int *fds, unsigned count);

/* Further cases of the program, in files of their own. */
void add_slow_tests(Suite *suite);    /* socket_slow.c */
void add_hostile_tests(Suite *suite); /* socket_hostile.c */

#endif
