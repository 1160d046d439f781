/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stop.h - end well: SIGINT and SIGTERM ask, a closed output pipe asks too.
 *
 * The first signal sets a flag and makes a descriptor readable, so that both
 * a spinning loop and one in poll() notice; another one, later, ends the program
 * as it would any other.  At once it does not: timeout(1) signals the process and
 * then its group, so that one request comes twice.  main ignores SIGPIPE: a reader that went away (as in
 * `msg echo t | head -1`) is an end, not an error.
 */
#ifndef TOOL_STOP_H
#define TOOL_STOP_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

void stop_catch(void);
bool stop_asked(void);

/* Whether nobody reads stdout any more: writing failed, or the other end of
 * the pipe is gone. */
bool stop_output_closed(void);
bool stop_reader_gone(void);

/* Sleep until one of the descriptors is ready, a stop is asked, or `until_ns`
 * (CLOCK_MONOTONIC; 0: no limit) has come.  A last descriptor may be that of
 * stop_output_watch. */
void stop_poll(struct pollfd *fds, int count, uint64_t until_ns);

/* What becomes ready when stdout's reader goes away. */
struct pollfd stop_output_watch(void);

/* Room that `fds` must leave at its end for stop_poll. */
#define STOP_POLL_EXTRA 1

/* Sleep until then or a stop. */
void stop_sleep(uint64_t until_ns);

#endif
