/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * print.h - the forms in which `msg echo` shows a message.
 */
#ifndef TOOL_PRINT_H
#define TOOL_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <msg/type.h>

enum print_form {
	PRINT_AUTO, /* Its fields when the type is known; else text when it reads
	               as text, else hex. */
	PRINT_TEXT,
	PRINT_HEX,
	PRINT_RAW,
	PRINT_JSON,
};

struct print {
	enum print_form form;
	bool bare;       /* Payload alone. */
	bool no_payload; /* All but the payload. */
	uint64_t messages;
	uint64_t bytes;
	char *whole; /* Room to put a message in pieces together. */
	size_t capacity;
	char *json; /* Room for a message's fields. */
	size_t json_capacity;
};

/* The payload in one piece, until the next call; NULL: no memory, or no bytes. */
const void *print_contiguous(struct print *print,
	const struct msg_subscriber *subscriber, const struct msg_view *view);
/* A message in one piece; `type`: what it is of, or NULL. */
void print_message(struct print *print, const char *topic,
	const struct msg_view *view, const struct msg_type *type);
/* What a view says in place of a message. */
void print_event(const struct print *print, const char *topic,
	const struct msg_view *view);
/* That messages are lost before one that is not shown. */
void print_lost(const struct print *print, const char *topic,
	const struct msg_view *view);
void print_json_summary(const struct print *print, uint64_t lost,
	uint64_t publishers, double seconds);
void print_close(struct print *print);

#endif
