/* SPDX-License-Identifier: BSD-2-Clause */
/* show.c - messages on their way to the terminal; see show.h. */
#include "show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "pace.h"

/* Three periods of announcements by default: one may be lost, and the type is to
 * be fetched. */
#define PATIENCE_NS 3000000000u

static bool needs_types(const struct show *show)
{
	return show->filter || show->decode;
}

bool show_open(struct show *show, struct msg_node *node, char **patterns,
	int count)
{
	const struct print *print = show->print;

	show->decode = (print->form == PRINT_AUTO ||
			       print->form == PRINT_JSON) &&
		       !print->no_payload && !show->no_decode;
	/* A pattern may find many types; a topic has one, most of the time. */
	show->exact = count == 1 && !strpbrk(patterns[0], "*>");
	if (!needs_types(show))
		return true;
	show->types = types_open(node, patterns, count, show->filter);
	return show->types || !show->filter;
}

void show_close(struct show *show)
{
	struct shown *shown;

	while ((shown = waiting_take(&show->waiting)))
		free(shown);
	types_close(show->types);
}

/* Said once; with one topic it is the end. */
static void complain_of_filter(struct show *show)
{
	const char *complaint = types_complaint(show->types);

	if (show->complained || !*complaint)
		return;
	show->complained = true;
	complain("%s", complaint);
	if (show->exact)
		show->failed = true;
}

/* Whether the filter lets it pass. */
static bool passes(struct show *show, const struct shown *shown,
	const struct types_entry *entry)
{
	int result;

	if (!show->filter)
		return true;
	if (!entry || !entry->filter) {
		if (entry)
			complain_of_filter(show);
		show->left_out++;
		return false;
	}
	result = msg_filter_match(
		entry->filter, shown->view.data, shown->view.bytes);
	if (result < 0) {
		complain("message %llu of '%s': %s",
			(unsigned long long)shown->view.sequence, shown->topic,
			msg_error_text());
		show->left_out++;
	}
	return result == 1;
}

/* Show it, unless its type may still become known; false: later. */
static bool decide(struct show *show, const struct shown *shown, bool now)
{
	const struct types_entry *entry = NULL;
	enum types_answer answer = TYPES_NONE;

	if (shown->view.event != MSG_EVENT_MESSAGE) {
		print_event(show->print, shown->topic, &shown->view);
		return true;
	}
	if (show->types)
		answer = types_find(show->types, shown->topic,
			shown->view.publisher, &entry);
	if (answer == TYPES_UNKNOWN && !now &&
		clock_ns() - shown->since_ns < PATIENCE_NS)
		return false;
	if (answer != TYPES_FOUND)
		entry = NULL;
	if (passes(show, shown, entry))
		print_message(show->print, shown->topic, &shown->view,
			entry && show->decode ? entry->type : NULL);
	else if (shown->view.lost_before > 0)
		print_lost(show->print, shown->topic, &shown->view);
	return true;
}

void show_turn(struct show *show, bool all)
{
	while (show->waiting.first) {
		bool now = all || waiting_is_full(&show->waiting);

		if (!decide(show, show->waiting.first, now))
			return;
		free(waiting_take(&show->waiting));
	}
}

void show_view(struct show *show, const struct msg_subscriber *subscriber,
	const struct msg_view *view)
{
	struct shown shown = {.view = *view, .since_ns = clock_ns()};

	snprintf(shown.topic, sizeof shown.topic, "%s",
		msg_subscriber_topic(subscriber, view));
	shown.view.data = print_contiguous(show->print, subscriber, view);
	if (!shown.view.data) {
		if (view->bytes > 0) {
			complain("no memory for a message of %zu bytes",
				view->bytes);
			return;
		}
		shown.view.data = "";
	}
	show_turn(show, false);
	if (!show->waiting.first && decide(show, &shown, false))
		return;
	if (!waiting_add(&show->waiting, &shown)) {
		show_turn(show, true);
		decide(show, &shown, true);
	}
}

uint64_t show_until(const struct show *show)
{
	const struct shown *first = show->waiting.first;

	return first ? first->since_ns + PATIENCE_NS : 0;
}
