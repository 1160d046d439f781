/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control_internal.h - the table of control messages (control.c), by which
 * control_pack.c writes them and control_unpack.c reads them.
 */
#ifndef MSG_LINK_SHM_CONTROL_INTERNAL_H
#define MSG_LINK_SHM_CONTROL_INTERNAL_H

#include "link/shm/control.h"

#include "broker.pb-c.h"

/* Of the stack, for protobuf-c.  The largest honest message, a LISTING whose every
 * text is full, takes some 26 KiB (test_control.c); the rest is for fields that
 * later versions add. */
#define CONTROL_ARENA_BYTES (40u << 10)

struct control_field {
	const char *name; /* As in broker.proto. */
	size_t offset;    /* In our struct. */
	size_t size;      /* There; of text with its final zero. */
	uint64_t min;     /* Of a number, or of a text's bytes. */
	uint64_t max;
	bool label; /* Text from outside: sent with bad ones replaced. */
	bool part;  /* No text: a struct msg_control_part. */
};

/* A kind of message, or a topic of a LISTING. */
struct control_shape {
	unsigned kind;
	const ProtobufCMessageDescriptor *descriptor;
	const struct control_field *fields; /* As many as the descriptor has. */
	size_t field_count;
	size_t size; /* Of our struct. */
	unsigned fds_min;
	unsigned fds_max;
};

extern const struct control_shape control_topic_shape;

/* NULL: no such kind. */
const struct control_shape *control_shape_of(unsigned kind);

/* What holds between fields.  0, or ARGUMENT with the reason on the trail. */
int control_check(const struct msg_control *control);

#endif
