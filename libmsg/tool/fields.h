/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fields.h - a message of a known type, as one line for people:
 *
 *     symbol="ACME" price=10.2 side=BUY legs=[{venue="X"} {venue="Y"}]
 */
#ifndef TOOL_FIELDS_H
#define TOOL_FIELDS_H

#include <stdio.h>

#include <msg/type.h>

/* 0; ARGUMENT or MEMORY: nothing was written, and msg_error_text says why. */
int fields_write(
	FILE *file, const struct msg_type *type, const void *data, size_t bytes);

#endif
