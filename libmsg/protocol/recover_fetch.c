/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_fetch.c - what is had without being asked for; see recover.h.
 *
 *      next                unasked            scanned
 *       │ asked, or fetched   │ not asked yet    │
 *
 * A frame that is fetched has been neither asked for nor forgotten: it lies among
 * those that were, and never falls due.
 */
#include "protocol/recover_internal.h"

void msg_recover_fetches(struct msg_recover *r, bool fetches, uint64_t now)
{
	r->fetches = fetches;
	if (!fetches)
		msg_recover_unfetch(r, now);
	msg_recover_refresh(r);
}

uint64_t msg_recover_unasked(const struct msg_recover *r)
{
	uint64_t end;
	uint64_t from = msg_recover_first_unasked(r, &end);

	return r->begun && !r->joining && from < r->top ? r->top - from : 0;
}

uint32_t msg_recover_fetch(
	struct msg_recover *r, uint32_t most, uint64_t *frame)
{
	uint64_t end, from;
	uint32_t count = 0;

	if (!r->fetches || !r->begun || r->joining)
		return 0;
	msg_recover_catch_up(r);
	from = msg_recover_next_missing(r, msg_recover_first_unasked(r, &end));
	if (from >= end || end - from < MSG_RECOVER_FETCH_MIN)
		return 0;
	while (count < most && from + count < end &&
		msg_recover_is_missing(r, from + count)) {
		msg_recover_place(r, from + count)->asked = MSG_RECOVER_FETCHED;
		count++;
	}
	*frame = from;
	r->unasked = from + count;
	msg_recover_refresh(r);
	return count;
}

void msg_recover_room(struct msg_recover *r, uint32_t frames)
{
	msg_recover_catch_up(r);
	r->room = r->next + frames;
	msg_recover_refresh(r);
}

uint32_t msg_recover_room_left(const struct msg_recover *r)
{
	uint64_t end;
	uint64_t from = msg_recover_first_unasked(r, &end);

	return from < r->room ? (uint32_t)(r->room - from) : 0;
}

/* The first frame that is fetched; r->scanned: none. */
static uint64_t first_fetched(const struct msg_recover *r)
{
	uint64_t n = msg_recover_next_missing(r, r->next);

	while (n < r->scanned &&
		msg_recover_place(r, n)->asked != MSG_RECOVER_FETCHED)
		n = msg_recover_next_missing(r, n + 1);
	return n;
}

/* Those that were asked for meanwhile, too, if they lie behind: else they would
 * be neither what falls due again nor what there is room for. */
void msg_recover_unfetch(struct msg_recover *r, uint64_t now)
{
	uint64_t first;

	msg_recover_catch_up(r);
	first = first_fetched(r);
	for (uint64_t n = first; n < r->scanned;
		n = msg_recover_next_missing(r, n + 1)) {
		struct msg_recover_place *place = msg_recover_place(r, n);

		r->asked_count -= place->asked > 0 &&
				  place->asked != MSG_RECOVER_FETCHED;
		if (place->asked == MSG_RECOVER_FETCHED && place->patience == 0)
			place->since = msg_recover_found_time(r, now);
		if (place->asked > 0)
			place->patience = 1;
		place->asked = 0;
		place->last = now;
	}
	if (first < r->unasked)
		r->unasked = first;
	msg_recover_refresh(r);
}
