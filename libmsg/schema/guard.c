/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.c - how deep a message nests, before protobuf-c finds out.
 *
 * protobuf_c_message_unpack recurses for each message in a message, as often as
 * the sender likes, with some hundred bytes of stack each time for two bytes of
 * input (1.4.1: 29 KB overflow 8 MiB).  So we look first, level by level, with a
 * stack of our own.  What protobuf-c does not know it keeps as bytes, and so
 * nothing is looked at in there.
 */
#include "schema/type.h"

#include "base/trail.h"

struct level {
	struct msg_wire wire;
	uint32_t message;
};

static int refuse(const struct msg_schema *s)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"the message is no %s: it is cut short, or of another type",
		s->messages[0].name);
}

int schema_guard(const struct msg_schema *s, const void *data, size_t bytes)
{
	struct level levels[MSG_SCHEMA_DEPTH_MAX];
	uint32_t depth = 1;

	levels[0] = (struct level){msg_wire_over(data, bytes), 0};
	while (depth > 0) {
		struct level *l = &levels[depth - 1];
		const struct msg_schema_field *known;
		struct msg_wire_field f;

		if (!msg_wire_next(&l->wire, &f)) {
			if (l->wire.bad)
				return refuse(s);
			depth--;
			continue;
		}
		if (f.type != MSG_WIRE_BYTES)
			continue;
		known = msg_schema_find(s, &s->messages[l->message], f.number);
		if (!known || known->type != MSG_SCHEMA_MESSAGE)
			continue;
		if (depth == MSG_SCHEMA_DEPTH_MAX)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"the message nests deeper than %u",
				MSG_SCHEMA_DEPTH_MAX);
		levels[depth++] = (struct level){
			msg_wire_over(f.data, f.bytes), known->ref};
	}
	return 0;
}
