/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publication_outlet.c - rings of ours: mapped when a broker has made one, read by
 * those it tells us of, left for the next broker's; see publication.h.
 *
 *     broker 1: outlet 0  open ── current ────────────────────┐ closed
 *     broker 2: outlet 1            open, coming ── next ─────┴ current ──
 *
 * We move when no loan is out and the readers of the old ring read the new one, or
 * had their time: half a second, and those from whom nothing may be taken as long
 * as a broker has to answer, while they live.
 *
 * Neighbours: publication.c opens and prepares, publication_send.c moves and drops
 * the dead when it is short of room; calls engine/outbox and link/shm/segment.
 */
#include "topic/publication_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"

/* How long readers of a ring may take to find the next one: they look for the
 * broker each 50 ms, and the network waits meanwhile. */
#define FOLLOW_NS (500 * MSG_NS_PER_MS)
/* Who may not lose anything has as long as the broker has to answer him, while he
 * lives: that is looked at so often. */
#define FOLLOW_LONG_NS MSG_CLIENT_ANSWER_NS
#define LOOK_NS (50 * MSG_NS_PER_MS)

/* ---- outlets ----------------------------------------------------------- */

void outlet_drop_reader(struct msg_outlet *outlet, uint32_t number)
{
	struct msg_publication_reader *r = &outlet->readers[number];

	if (!r->ledger.base)
		return;
	/* It may read on, as of a ring that we have left. */
	msg_ring_writer_remove(&outlet->outbox.ring, number);
	outlet->reader_count -= !r->is_broker;
	msg_shm_segment_close(&r->ledger);
	if (r->doorbell >= 0)
		close(r->doorbell);
	r->doorbell = -1;
}

/* Whether whoever should hear this doorbell is no more.  The other end is its
 * own, and nobody else's: not a number that the next process could have. */
static bool is_deaf(const struct msg_publication_reader *r)
{
	if (!r->ledger.base || r->doorbell < 0 ||
		send(r->doorbell, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return false;
	return errno == ECONNREFUSED || errno == ECONNRESET ||
	       errno == ENOTCONN || errno == EPIPE;
}

void outlet_drop_dead(struct msg_outlet *outlet)
{
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		if (is_deaf(&outlet->readers[i]))
			outlet_drop_reader(outlet, i);
}

static void unmap_outlet(struct msg_outlet *outlet)
{
	msg_shm_segment_close(&outlet->ring);
	msg_shm_segment_close(&outlet->pool);
	msg_shm_segment_close(&outlet->area);
}

void outlet_close(struct msg_outlet *outlet)
{
	if (!outlet->is_open)
		return;
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		outlet_drop_reader(outlet, i);
	msg_outbox_close(&outlet->outbox);
	unmap_outlet(outlet);
	outlet->is_open = false;
}

/* A byte for a reader that sleeps on its descriptor.  Should the socket be full
 * of bytes, it is awake or will be. */
static void ring_doorbell(void *outbox, uint32_t reader)
{
	const struct msg_outlet *outlet = outbox;
	int fd = outlet->readers[reader].doorbell;

	if (fd >= 0)
		send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void publication_follow_news(struct msg_publication *p)
{
	for (int i = 0; i < 2; i++) {
		p->outlets[i].outbox.news = p->client.news;
		p->outlets[i].outbox.news_seen = p->client.news_seen;
	}
}

static void look(void *context)
{
	struct msg_publication *p = context;

	msg_client_turn(&p->client);
	publication_follow_news(p);
}

static bool is_sane(
	const struct msg_publication *p, const struct msg_control_publishing *g)
{
	return g->payload_bytes >= p->said.message_bytes_max &&
	       g->payload_bytes <= g->slot_bytes &&
	       g->slot_bytes % MSG_RING_PLACE_UNIT == 0 &&
	       g->slot_count < MSG_OUTBOX_SLOTS_MAX &&
	       (uint64_t)g->slot_count * g->slot_bytes / MSG_RING_PLACE_UNIT <=
		       UINT32_MAX &&
	       g->entry_count >= MSG_RING_ENTRIES_MIN &&
	       (g->entry_count & (g->entry_count - 1)) == 0;
}

static int map_outlet(struct msg_publication *p, struct msg_outlet *outlet,
	const struct msg_control_publishing *g, const int *fds)
{
	uint64_t area = p->said.large_bytes_max > 0
				? msg_large_area_bytes(
					  p->said.large_memory_bytes)
				: 0;
	int result;

	if (g->large_bytes != area)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s offers %llu bytes for large messages, "
			"not %llu",
			p->client.path, (unsigned long long)g->large_bytes,
			(unsigned long long)area);
	result = msg_shm_segment_map_writable(&outlet->ring, fds[0],
		msg_ring_bytes(g->entry_count));
	if (result == 0)
		result = msg_shm_segment_map_writable(&outlet->pool,
			fds[1], (size_t)g->slot_count * g->slot_bytes);
	if (result == 0 && area > 0)
		result = msg_shm_segment_map_sparse(
			&outlet->area, fds[2], area, true);
	return result;
}

int publication_open_outlet(struct msg_publication *p, struct msg_outlet *outlet,
	const struct msg_control_publishing *g, const int *fds)
{
	struct msg_outbox_options options = {
		.entry_count = g->entry_count,
		.epoch = p->client.welcome.epoch,
		.slot_count = g->slot_count,
		.loan_max = p->said.reliability ? p->said.loan_count_max : 0,
		.retain = g->retain,
		.slot_bytes = g->slot_bytes,
		.payload_bytes = g->payload_bytes,
		.frame_body_max = g->frame_body_max,
		.message_bytes_max = p->said.message_bytes_max,
		.large_bytes_max = p->said.large_bytes_max,
		.large_memory_bytes = p->said.large_memory_bytes,
		.large_patience_ns = p->said.give_up_ms * MSG_NS_PER_MS,
		.patience_ns = p->said.reliability == MSG_RELIABILITY_RC
				       ? p->said.give_up_ms * MSG_NS_PER_MS
				       : 0,
		.publisher = (uint32_t)p->said.incarnation,
		.first_sequence = p->said.next_sequence,
		.counters = p->counters,
		.look = look,
		.context = p,
		.wake = ring_doorbell,
	};
	int result;

	if (!is_sane(p, g))
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s offers a ring of %u entries and "
			"slots of %u bytes, which do not fit this libmsg",
			p->client.path, g->entry_count, g->slot_bytes);
	result = map_outlet(p, outlet, g, fds);
	if (result == 0) {
		options.ring = (struct msg_ring_header *)outlet->ring.base;
		options.pool = outlet->pool.base;
		options.area = outlet->area.base;
		options.news = p->client.news;
		options.news_seen = p->client.news_seen;
		result = msg_outbox_open(&outlet->outbox, &options);
	}
	if (result < 0) {
		unmap_outlet(outlet);
		return result;
	}
	outlet->is_open = true;
	outlet->keep_max = g->keep_max;
	outlet->first_frame = p->said.next_frame;
	return 0;
}

/* ---- moving ------------------------------------------------------------ */

void publication_prepare_move(struct msg_publication *p)
{
	p->current->outbox.quick = 0;
	p->move_by = msg_clock_coarse_ns() + FOLLOW_NS;
	p->move_end = p->move_by + FOLLOW_LONG_NS;
}

/* Whether somebody reads this ring from whom nothing is to be taken. */
static bool has_lossless(const struct msg_outlet *outlet)
{
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++) {
		const struct msg_ring_writer_reader *r =
			&outlet->outbox.ring.readers[i];

		if (r->ledger && (r->slow == MSG_RING_BLOCK || r->awaited))
			return true;
	}
	return false;
}

/* Whether those who read the old ring read the new one too, or had their time:
 * what is published before they do would be lost to them. */
static bool is_followed(struct msg_publication *p)
{
	uint64_t now;

	if (p->next->reader_count >= p->current->reader_count)
		return true;
	now = msg_clock_coarse_ns();
	if (now < p->move_by)
		return false;
	if (now >= p->move_end)
		return true;
	/* No broker tells of those who have died. */
	outlet_drop_dead(p->current);
	p->move_by = now + LOOK_NS;
	return !has_lossless(p->current);
}

void publication_move(struct msg_publication *p)
{
	struct msg_outlet *from = p->current;
	struct msg_outlet *to = p->next;

	if (!to || msg_lender_loans(&from->outbox.lender) > 0 || !is_followed(p))
		return;
	msg_outbox_flush(&from->outbox);
	/* That may have heard that the broker is gone again. */
	if (!p->next)
		return;
	to->outbox.lender.sequence = from->outbox.lender.sequence;
	/* Though nothing may follow for long. */
	msg_store(&to->outbox.ring.header->begin,
		msg_lender_next(&to->outbox.lender), release);
	p->next = NULL;
	p->current = to;
	outlet_close(from);
}
