/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * options.h - taking option structs from programs older or newer than us.
 *
 * Test: tests/unit/api/test_options.c.
 */
#ifndef MSG_API_OPTIONS_H
#define MSG_API_OPTIONS_H

#include <stdint.h>
#include <stdlib.h>

/* Copy `given` (its first field is its size) into `options` of `bytes`, whose
 * defaults are zero.  Fields we do not know must be zero: they ask for
 * something that this library cannot do.
 * 0, or -MSG_ERROR_ARGUMENT with the reason on the trail. */
int msg_options_copy(void *options, size_t bytes, const void *given,
	const char *initializer);

/* *value, or the environment's `name` when that is 0, or `fallback`; refused
 * unless it lies in [least, most]. */
int msg_options_number(uint32_t *value, const char *field, const char *name,
	uint32_t fallback, uint32_t least, uint32_t most);

/* `value`, or the environment's `name` when that is NULL; "" counts as NULL. */
const char *msg_options_text(const char *value, const char *name);

#endif
