/* SPDX-License-Identifier: BSD-2-Clause */
/* roster.c - who announces what; see roster.h. */
#include "topic/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/trail.h"

#define CAPACITY_FIRST 64u

int msg_roster_open(struct msg_roster *roster)
{
	memset(roster, 0, sizeof *roster);
	roster->entries = calloc(CAPACITY_FIRST, sizeof *roster->entries);
	roster->sorted = calloc(CAPACITY_FIRST, sizeof *roster->sorted);
	if (!roster->entries || !roster->sorted) {
		msg_roster_close(roster);
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a directory");
	}
	roster->capacity = CAPACITY_FIRST;
	return 0;
}

void msg_roster_close(struct msg_roster *roster)
{
	free(roster->entries);
	free(roster->sorted);
	roster->entries = NULL;
	roster->sorted = NULL;
}

static uint64_t patience_ns(const struct msg_roster_entry *e)
{
	return MSG_ROSTER_PERIODS * e->said.period_ms * MSG_NS_PER_MS;
}

static bool gone(const struct msg_roster_entry *e, uint64_t now)
{
	return now - e->heard_ns > patience_ns(e);
}

static void forget_gone(struct msg_roster *roster, uint64_t now)
{
	struct msg_roster_entry *all = roster->entries;
	uint32_t kept = 0;

	roster->room_ns = UINT64_MAX;
	for (uint32_t i = 0; i < roster->count; i++) {
		uint64_t end = all[i].heard_ns + patience_ns(&all[i]);

		if (gone(&all[i], now))
			continue;
		if (kept < i)
			all[kept] = all[i];
		kept++;
		if (end < roster->room_ns)
			roster->room_ns = end;
	}
	roster->count = kept;
}

static struct msg_roster_entry *find(
	struct msg_roster *roster, uint64_t incarnation)
{
	for (uint32_t i = 0; i < roster->count; i++)
		if (roster->entries[i].said.incarnation == incarnation)
			return &roster->entries[i];
	return NULL;
}

static bool make_room(struct msg_roster *roster, uint64_t now)
{
	const struct msg_roster_entry **sorted;
	struct msg_roster_entry *grown;
	uint32_t capacity = roster->capacity * 2;

	if (roster->count < roster->capacity)
		return true;
	/* A flood of strangers looks through all of it once. */
	if (capacity > MSG_ROSTER_MAX && now <= roster->room_ns)
		return false;
	forget_gone(roster, now);
	if (roster->count < roster->capacity)
		return true;
	if (capacity > MSG_ROSTER_MAX)
		return false;
	sorted = realloc(roster->sorted, capacity * sizeof *sorted);
	if (!sorted)
		return false;
	roster->sorted = sorted;
	grown = realloc(roster->entries, capacity * sizeof *grown);
	if (!grown)
		return false;
	roster->entries = grown;
	roster->capacity = capacity;
	return true;
}

static void take_out(struct msg_roster *roster, struct msg_roster_entry *e)
{
	const struct msg_roster_entry *end = roster->entries + roster->count;

	memmove(e, e + 1, (size_t)(end - (e + 1)) * sizeof *e);
	roster->count--;
}

bool msg_roster_note(struct msg_roster *roster,
	const struct msg_announcement *said, uint64_t now)
{
	struct msg_roster_entry *e = find(roster, said->incarnation);
	uint64_t elapsed;

	if (said->closing) {
		if (e)
			take_out(roster, e);
		return e != NULL;
	}
	if (!e) {
		if (!make_room(roster, now))
			return false;
		e = &roster->entries[roster->count++];
		*e = (struct msg_roster_entry){
			.said = *said,
			.heard_ns = now,
			.number = ++roster->number,
			.rate = -1.0,
		};
		return true;
	}
	elapsed = now - e->heard_ns;
	/* The same announcement comes by two groups: no time has passed. */
	if (elapsed > MSG_NS_PER_MS) {
		uint64_t more = said->next_sequence - e->said.next_sequence;

		e->heard_ns = now;
		/* One that was overtaken by a newer one tells only of life. */
		if ((int64_t)more < 0)
			return true;
		e->rate = (double)more * 1e9 / (double)elapsed;
		e->said = *said;
	}
	return true;
}

static int by_topic(const void *a, const void *b)
{
	const struct msg_roster_entry *x =
		*(const struct msg_roster_entry *const *)a;
	const struct msg_roster_entry *y =
		*(const struct msg_roster_entry *const *)b;
	int order = strcmp(x->said.topic, y->said.topic);

	if (order)
		return order;
	return (x->said.incarnation > y->said.incarnation) -
	       (x->said.incarnation < y->said.incarnation);
}

static void describe(const struct msg_roster_entry *e, uint64_t now,
	struct msg_topic_info *info)
{
	*info = (struct msg_topic_info){
		.topic = e->said.topic,
		.host = e->said.host,
		.program = e->said.program,
		.publisher = e->said.publisher,
		.message_count = e->said.next_sequence,
		.age_ns = now - e->heard_ns,
		.rate = e->rate,
		.pid = e->said.pid,
		.uid = e->said.uid,
		.message_bytes_max = e->said.message_bytes_max,
		.frame_bytes = e->said.frame_bytes,
		.type_name = e->said.type.name,
		.type_hash = e->said.type.hash,
		.encoding = e->said.type.encoding,
		.reliability = msg_announce_reliability(&e->said),
	};
}

int msg_roster_read(struct msg_roster *roster, uint64_t now,
	struct msg_topic_info *infos, int count)
{
	forget_gone(roster, now);
	for (uint32_t i = 0; i < roster->count; i++)
		roster->sorted[i] = &roster->entries[i];
	qsort(roster->sorted, roster->count, sizeof *roster->sorted, by_topic);
	for (int i = 0; i < count && i < (int)roster->count; i++)
		describe(roster->sorted[i], now, &infos[i]);
	return (int)roster->count;
}

bool msg_roster_next(const struct msg_roster *roster, uint64_t now,
	uint64_t *after, struct msg_topic_info *info)
{
	uint32_t from = 0, to = roster->count;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (roster->entries[middle].number <= *after)
			from = middle + 1;
		else
			to = middle;
	}
	while (from < roster->count && gone(&roster->entries[from], now))
		from++;
	if (from == roster->count)
		return false;
	*after = roster->entries[from].number;
	describe(&roster->entries[from], now, info);
	return true;
}
