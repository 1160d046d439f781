/* SPDX-License-Identifier: BSD-2-Clause */
/* keep_large.c - large messages of a relay; see keep_large.h. */
#include "broker/keep_large.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "broker/keep_show.h"
#include "broker/server_internal.h"

#include "base/trail.h"

/* ---- life --------------------------------------------------------------- */

int keep_large_open(
	struct publisher *p, const struct msg_control_publish *wish)
{
	struct keep_large *l = calloc(1, sizeof *l);

	p->keep->large = l;
	if (!l)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for large messages");
	l->area = p->area.base;
	l->area_bytes = p->shape.large_bytes;
	l->memory_bytes = wish->large_memory_bytes;
	l->bytes_max = wish->large_bytes_max;
	l->show = &p->keep->show->show;
	l->next = KEEP_LARGE_NONE;
	return 0;
}

static void drop_region(struct keep_large *l, struct keep_large_message *m)
{
	l->show->channels->ops->unshare(l->show->channels, &m->region);
	m->region.memory = NULL;
}

void keep_large_close(struct keep_large *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++)
		if (l->messages[i].region.memory)
			drop_region(l, &l->messages[i]);
	free(l);
}

/* ---- one message -------------------------------------------------------- */

static uint8_t *data_of(
	const struct keep_large *l, const struct msg_ring_item *item)
{
	return l->area + (uint64_t)item->place * MSG_LARGE_PAGE;
}

static size_t pages_of(const struct msg_ring_item *item)
{
	return MSG_LARGE_FRONT +
	       ((size_t)item->total + MSG_LARGE_PAGE - 1) / MSG_LARGE_PAGE *
		       MSG_LARGE_PAGE;
}

static bool overlaps(const struct keep_large_message *m, const uint8_t *from,
	size_t bytes)
{
	const uint8_t *memory = m->region.memory;

	return memory && memory < from + bytes &&
	       from < memory + m->region.bytes;
}

bool keep_large_believe(
	const struct keep_large *l, const struct msg_ring_item *item)
{
	const uint8_t *from;
	bool room = false;

	if (!l || item->bytes != 0 || item->total > l->bytes_max ||
		!msg_large_is_in(l->area_bytes, item->place, item->total))
		return false;
	from = data_of(l, item) - MSG_LARGE_FRONT;
	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++) {
		const struct keep_large_message *m = &l->messages[i];

		room |= !m->used;
		if (m->used && overlaps(m, from, pages_of(item)))
			return false;
	}
	return room;
}

/* One that was registered for it before, or a place for another.  What else was
 * registered of the same memory goes: nobody pins a page twice. */
static struct keep_large_message *find_place(
	struct keep_large *l, uint8_t *from, size_t bytes)
{
	struct keep_large_message *place = NULL;

	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++) {
		struct keep_large_message *m = &l->messages[i];

		if (!m->used && m->region.memory == from &&
			m->region.bytes >= bytes)
			return m;
	}
	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++) {
		struct keep_large_message *m = &l->messages[i];

		if (m->used)
			continue;
		if (overlaps(m, from, bytes))
			drop_region(l, m);
		if (!place || (place->region.memory && !m->region.memory))
			place = m;
	}
	if (place && place->region.memory)
		drop_region(l, place);
	return place;
}

/* The page of the seal must be there, or writing it could be our end: pages of the
 * area are made by whoever writes them first. */
static bool has_seal_page(uint8_t *page)
{
#ifdef MADV_POPULATE_WRITE
	return madvise(page, MSG_LARGE_FRONT, MADV_POPULATE_WRITE) == 0 ||
	       errno == EINVAL;
#else
	(void)page;
	return true;
#endif
}

const uint8_t *keep_large_show(
	struct keep_large *l, const struct msg_ring_item *item)
{
	uint8_t *data = data_of(l, item);
	uint8_t *from = data - MSG_LARGE_FRONT;
	struct keep_large_message *m;
	struct msg_large said;

	if (l->next != KEEP_LARGE_NONE)
		return l->messages[l->next].body;
	m = find_place(l, from, pages_of(item));
	if (!m || !has_seal_page(from))
		return NULL;
	if (!m->region.memory &&
		l->show->channels->ops->share(l->show->channels, from,
			pages_of(item), MSG_CHANNEL_SHARED, &m->region) < 0) {
		m->region.memory = NULL;
		return NULL;
	}
	msg_show_seal_at(l->show, data, &m->region, item->total, &said);
	msg_large_write(m->body, &said);
	m->used = true;
	m->sent = false;
	m->bytes = pages_of(item) - MSG_LARGE_FRONT;
	l->bytes += m->bytes;
	l->next = (uint32_t)(m - l->messages);
	return m->body;
}

void keep_large_sent(struct keep_large *l, uint64_t frame, uint64_t now)
{
	struct keep_large_message *m = &l->messages[l->next];

	m->sent = true;
	m->frame = frame;
	m->sent_ns = now;
	l->next = KEEP_LARGE_NONE;
	l->shown++;
}

static const struct keep_large_message *find(
	const struct keep_large *l, uint64_t frame)
{
	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++)
		if (l->messages[i].used && l->messages[i].sent &&
			l->messages[i].frame == frame)
			return &l->messages[i];
	return NULL;
}

const uint8_t *keep_large_body(const struct keep_large *l, uint64_t frame)
{
	const struct keep_large_message *m = find(l, frame);

	return m ? m->body : NULL;
}

void keep_large_forget(struct keep_large *l, uint64_t frame)
{
	const struct keep_large_message *found = find(l, frame);
	struct keep_large_message *m;

	if (!found)
		return;
	m = &l->messages[found - l->messages];
	msg_show_void_at((uint8_t *)m->region.memory + MSG_LARGE_FRONT);
	m->used = false;
	l->bytes -= m->bytes;
}

/* ---- room --------------------------------------------------------------- */

static const struct keep_large_message *oldest(const struct keep_large *l)
{
	const struct keep_large_message *found = NULL;

	for (uint32_t i = 0; i < MSG_LARGE_BUFFERS_MAX; i++) {
		const struct keep_large_message *m = &l->messages[i];

		if (m->used && m->sent && (!found || m->frame < found->frame))
			found = m;
	}
	return found;
}

bool keep_large_gives_way(struct keep *k)
{
	struct keep_large *l = k->large;
	const struct keep_large_message *m;
	uint64_t since;

	if (!l || l->bytes + l->bytes_max <= l->memory_bytes) {
		if (l)
			l->short_ns = 0;
		return false;
	}
	if (l->short_ns == 0)
		l->short_ns = k->now;
	m = oldest(l);
	if (!m || k->now - m->sent_ns < l->show->young_ns)
		return false;
	since = m->sent_ns > l->short_ns ? m->sent_ns : l->short_ns;
	return !msg_repairer_wants(&k->repairer, m->frame, since, k->now);
}
