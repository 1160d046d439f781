/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * top.h - what the two faces of `msg top` share: lines on a pipe (top.c) and a
 * screen (top_screen.c).
 */
#ifndef TOOL_TOP_H
#define TOOL_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "look.h"

struct top {
	struct look look;
	double interval;
	uint64_t count; /* Looks; 0: without end. */
	enum look_sort sort;
	bool reverse;
};

/* Until a key or a signal ends it; the exit code. */
int top_screen(struct top *top);

#endif
