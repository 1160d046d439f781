/* SPDX-License-Identifier: BSD-2-Clause */
/* print.c - the forms in which `msg echo` shows a message; see print.h. */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "fields.h"
#include "json.h"
#include "options.h"
#include "text.h"

/* In place where it is, else copied together. */
const void *print_contiguous(struct print *print,
	const struct msg_subscriber *subscriber, const struct msg_view *view)
{
	if (view->segment_count <= 1)
		return view->data;
	if (print->capacity < view->bytes) {
		char *room = realloc(print->whole, view->bytes);

		if (!room)
			return NULL;
		print->whole = room;
		print->capacity = view->bytes;
	}
	if (msg_subscriber_copy(
		    subscriber, view, print->whole, print->capacity) < 0)
		return NULL;
	return print->whole;
}

/* The fields as JSON, in `print`; NULL: it is none of that type. */
static const char *decode(struct print *print, const struct msg_type *type,
	const struct msg_view *view)
{
	int bytes = msg_type_json(type, view->data, view->bytes, print->json,
		print->json_capacity);
	char *room;

	if (bytes < 0)
		return NULL;
	if ((size_t)bytes < print->json_capacity)
		return print->json;
	room = realloc(print->json, (size_t)bytes + 1);
	if (!room)
		return NULL;
	print->json = room;
	print->json_capacity = (size_t)bytes + 1;
	return msg_type_json(type, view->data, view->bytes, room,
		       print->json_capacity) < 0
		       ? NULL
		       : room;
}

/* The type and the fields, or why there are none. */
static void print_json_fields(struct print *print, struct json *json,
	const struct msg_view *view, const struct msg_type *type)
{
	const char *fields = decode(print, type, view);

	json_text(json, "type", msg_type_name(type));
	if (fields) {
		json_ready(json, "fields", fields);
		return;
	}
	json_text(json, "undecoded", msg_error_text());
	json_payload(json, view->data, view->bytes);
}

static void print_json(struct print *print, const char *topic,
	const struct msg_view *view, const struct msg_type *type)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "event", "message");
	json_text(&json, "topic", topic);
	json_id(&json, "publisher", view->publisher);
	json_count(&json, "sequence", view->sequence);
	json_count(&json, "lost_before", view->lost_before);
	json_count(&json, "bytes", view->bytes);
	if (type)
		print_json_fields(print, &json, view, type);
	else if (!print->no_payload)
		json_payload(&json, view->data, view->bytes);
	json_close(&json, '}');
	putchar('\n');
}

static void print_payload(const struct print *print,
	const struct msg_view *view, const struct msg_type *type)
{
	enum print_form form = print->form;
	const void *data = view->data;

	if (type && fields_write(stdout, type, data, view->bytes) == 0) {
		putchar('\n');
		return;
	}
	if (type)
		printf("(no %s) ", msg_type_name(type));
	if (form == PRINT_AUTO)
		form = text_likely(data, view->bytes) ? PRINT_TEXT : PRINT_HEX;
	if (print->no_payload) {
		printf("%zu bytes\n", view->bytes);
	} else if (form == PRINT_TEXT) {
		text_write(stdout, data, view->bytes);
		putchar('\n');
	} else {
		if (!print->bare)
			printf("%zu bytes\n", view->bytes);
		text_hex(stdout, data, view->bytes);
	}
}

/* Where lines go that are no payload; NULL: nowhere. */
static FILE *aside(const struct print *print)
{
	if (print->form != PRINT_RAW && !print->bare)
		return stdout;
	return options_quiet() ? NULL : stderr;
}

static void print_loss(const struct print *print, const char *topic,
	const struct msg_view *view)
{
	FILE *file = aside(print);

	if (!file)
		return;
	fprintf(file,
		"! lost %" PRIu64 " messages of publisher %016" PRIx64 " on ",
		view->lost_before, view->publisher);
	text_write(file, topic, strlen(topic));
	fprintf(file, " before %" PRIu64, view->sequence);
	if (view->event == MSG_EVENT_LOST)
		fprintf(file, " (%s)", delivery_loss(view->reason));
	putc('\n', file);
}

static void print_json_event(const char *topic, const struct msg_view *view)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "event", delivery_event(view->event));
	json_text(&json, "topic", topic);
	json_id(&json, "publisher", view->publisher);
	json_count(&json, "sequence", view->sequence);
	if (view->event == MSG_EVENT_LOST) {
		json_count(&json, "lost_before", view->lost_before);
		json_text(&json, "reason", delivery_loss(view->reason));
	}
	json_close(&json, '}');
	putchar('\n');
}

void print_lost(const struct print *print, const char *topic,
	const struct msg_view *view)
{
	struct msg_view lost = *view;

	lost.event = MSG_EVENT_LOST;
	lost.reason = MSG_LOSS_UNKNOWN;
	print_event(print, topic, &lost);
}

void print_event(const struct print *print, const char *topic,
	const struct msg_view *view)
{
	FILE *file = aside(print);

	if (print->form == PRINT_JSON) {
		print_json_event(topic, view);
		return;
	}
	if (view->event == MSG_EVENT_LOST) {
		print_loss(print, topic, view);
		return;
	}
	if (!file)
		return;
	fprintf(file, "! %s publisher %016" PRIx64 " on ",
		delivery_event(view->event), view->publisher);
	text_write(file, topic, strlen(topic));
	fprintf(file, " at %" PRIu64 "\n", view->sequence);
}

static void print_line(const struct print *print, const char *topic,
	const struct msg_view *view, const struct msg_type *type)
{
	if (view->lost_before > 0)
		print_loss(print, topic, view);
	if (print->form == PRINT_RAW) {
		fwrite(view->data, 1, view->bytes, stdout);
		return;
	}
	if (!print->bare) {
		text_write(stdout, topic, strlen(topic));
		printf(" %016" PRIx64 " %" PRIu64 " ", view->publisher,
			view->sequence);
	}
	print_payload(print, view, type);
}

void print_message(struct print *print, const char *topic,
	const struct msg_view *view, const struct msg_type *type)
{
	print->messages++;
	print->bytes += view->bytes;
	if (print->form == PRINT_JSON)
		print_json(print, topic, view, type);
	else
		print_line(print, topic, view, type);
}

void print_json_summary(const struct print *print, uint64_t lost,
	uint64_t publishers, double seconds)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "event", "summary");
	json_count(&json, "messages", print->messages);
	json_count(&json, "bytes", print->bytes);
	json_count(&json, "lost", lost);
	json_count(&json, "publishers", publishers);
	json_number(&json, "seconds", seconds);
	json_close(&json, '}');
	putchar('\n');
}

void print_close(struct print *print)
{
	free(print->whole);
	free(print->json);
	print->whole = print->json = NULL;
}
