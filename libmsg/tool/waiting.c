/* SPDX-License-Identifier: BSD-2-Clause */
/* waiting.c - a queue of copies; see waiting.h. */
#include "waiting.h"

#include <stdlib.h>
#include <string.h>

#define COUNT_MAX 4096u
#define BYTES_MAX ((size_t)16 << 20)

bool waiting_add(struct waiting *w, const struct shown *shown)
{
	size_t bytes = shown->view.bytes;
	struct shown *copy = malloc(sizeof *copy + bytes);

	if (!copy)
		return false;
	*copy = *shown;
	copy->next = NULL;
	if (bytes > 0)
		memcpy(copy + 1, shown->view.data, bytes);
	copy->view.data = copy + 1;
	copy->view.segment_count = 1;
	if (!w->first)
		w->last = &w->first;
	*w->last = copy;
	w->last = &copy->next;
	w->count += copy->view.event == MSG_EVENT_MESSAGE;
	w->bytes += sizeof *copy + bytes;
	return true;
}

struct shown *waiting_take(struct waiting *w)
{
	struct shown *shown = w->first;

	if (!shown)
		return NULL;
	w->first = shown->next;
	w->count -= shown->view.event == MSG_EVENT_MESSAGE;
	w->bytes -= sizeof *shown + shown->view.bytes;
	return shown;
}

bool waiting_is_full(const struct waiting *w)
{
	return w->count >= COUNT_MAX || w->bytes >= BYTES_MAX;
}
