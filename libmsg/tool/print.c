/* SPDX-License-Identifier: BSD-2-Clause */
/* print.c - the forms in which `msg echo` shows a message; see print.h. */
#include "print.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery.h"
#include "json.h"
#include "options.h"
#include "text.h"

/* The payload in one piece: in place where it is, else copied together. */
static const void *contiguous(struct print *print,
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

static void print_json(const struct print *print, const char *topic,
	const struct msg_view *view, const void *data)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "event", "message");
	json_text(&json, "topic", topic);
	json_id(&json, "publisher", view->publisher);
	json_count(&json, "sequence", view->sequence);
	json_count(&json, "lost_before", view->lost_before);
	json_count(&json, "bytes", view->bytes);
	if (!print->no_payload)
		json_payload(&json, data, view->bytes);
	json_close(&json, '}');
	putchar('\n');
}

static void print_payload(const struct print *print,
	const struct msg_view *view, const void *data)
{
	enum print_form form = print->form;

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

void print_event(const struct print *print,
	const struct msg_subscriber *subscriber, const struct msg_view *view)
{
	const char *topic = msg_subscriber_topic(subscriber, view);
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
	const struct msg_view *view, const void *data)
{
	if (view->lost_before > 0)
		print_loss(print, topic, view);
	if (print->form == PRINT_RAW) {
		fwrite(data, 1, view->bytes, stdout);
		return;
	}
	if (!print->bare) {
		text_write(stdout, topic, strlen(topic));
		printf(" %016" PRIx64 " %" PRIu64 " ", view->publisher,
			view->sequence);
	}
	print_payload(print, view, data);
}

void print_view(struct print *print, const struct msg_subscriber *subscriber,
	const struct msg_view *view)
{
	const char *topic = msg_subscriber_topic(subscriber, view);
	const void *data = contiguous(print, subscriber, view);

	print->messages++;
	print->bytes += view->bytes;
	if (!data && view->bytes > 0) {
		complain("no memory for a message of %zu bytes", view->bytes);
		return;
	}
	if (print->form == PRINT_JSON)
		print_json(print, topic, view, data ? data : "");
	else
		print_line(print, topic, view, data ? data : "");
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
	print->whole = NULL;
}
