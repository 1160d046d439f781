/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notify.h - talking with a service manager: sd_notify(3) and its sockets.
 *
 * Both protocols are a few lines of text and two variables, so no library is
 * needed for them.  Without a manager every call does nothing.  The variables
 * are unset once read: a child must not answer for us.
 *
 * One manager per process, hence no object.  Test:
 * tests/unit/broker/test_notify.c.
 */
#ifndef BROKER_NOTIFY_H
#define BROKER_NOTIFY_H

#include <stdint.h>

/* Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and make the socket. 0,
 * or -MSG_ERROR_ARGUMENT with the trail when what they say makes no sense. */
int notify_open(void);
void notify_close(void);

/* "Ready", with a line of status; "stopping". */
void notify_ready(const char *status);
void notify_stopping(void);

/* How often notify_alive must be called, in ns: half of what the manager
 * waits; 0 when it does not watch. */
uint64_t notify_period_ns(void);

/* Tell the watchdog that the loop turns; sends only when a period is over, so
 * call it as often as you like.  `now_ns` is msg_clock_ns(). */
void notify_alive(uint64_t now_ns);

/* The one socket a manager opened for us (LISTEN_FDS), non-blocking and
 * close-on-exec, into *fd; -1 there when there is none.  0, or
 * -MSG_ERROR_ARGUMENT with the trail when there are several, or it is no
 * listening Unix stream socket. */
int notify_take_socket(int *fd);

#endif
