/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * show.h - what `msg echo` does with a message: decode, filter, print.
 *
 * Messages of a publisher that is not known yet wait (waiting.h), and with them
 * all that comes behind, so that the order stays.
 */
#ifndef TOOL_SHOW_H
#define TOOL_SHOW_H

#include <stdbool.h>
#include <stdint.h>

#include "print.h"
#include "types.h"
#include "waiting.h"

struct show {
	struct print *print;
	const char *filter; /* Or NULL: all. */
	bool no_decode;     /* Payloads as they are. */
	bool exact;         /* One type is expected: it must fit the filter. */
	bool decode;        /* Whether types are printed. */
	bool failed;        /* The filter does not fit: said. */
	bool complained;
	struct types *types; /* NULL: nobody needs them. */
	struct waiting waiting;
	uint64_t left_out;  /* Messages the filter could not be asked about. */
};

/* False: it is said why. */
bool show_open(struct show *show, struct msg_node *node, char **patterns,
	int count);
void show_close(struct show *show);

/* A view that was taken, which stays the caller's to give back. */
void show_view(struct show *show, const struct msg_subscriber *subscriber,
	const struct msg_view *view);

/* Show what waits no more; `all`: and the rest, too. */
void show_turn(struct show *show, bool all);

/* Until when show_turn is to be called again; 0: need not. */
uint64_t show_until(const struct show *show);

#endif
