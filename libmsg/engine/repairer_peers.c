/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_peers.c - who reported: how he is reached alone, how far he is, and
 * whether he is waited for; see repairer.h.
 *
 * A table of fixed size, for strangers fill it: each name's hash has WAYS places,
 * and the longest silent gives way.  Flow control has a table of its own
 * (protocol/flow.h): who is forgotten here is answered by multicast, no more.
 *
 * Neighbours: repairer.c enters whoever reported, repairer_calls.c forgets whose
 * connection is gone; transmit_large.c, repairer_linger.c and the broker's keep_large.c
 * and relay.c ask whether somebody still wants what is kept.
 */
#include "engine/repairer_internal.h"

#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

#define WAYS 4u /* Places that a name's hash may take. */

/* Who reported so lately is waited for. */
#define HEARD_LATELY_NS (3 * MSG_NS_PER_S)
/* Who reads says so every few milliseconds, as far as he gets on. */
#define READING_NS (50 * MSG_NS_PER_MS)

/* ---- entered ------------------------------------------------------------ */

static bool same_reach(const struct msg_reach *a, const struct msg_reach *b)
{
	return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

static void drop_peer(struct msg_repairer *r, struct msg_repairer_peer *peer)
{
	/* A connection is not given up for want of a place here. */
	if (!r->session)
		r->link->ops->leave(r->link, peer->handle);
	peer->used = false;
}

/* Its place, or that of the one that gives way; never NULL. */
static struct msg_repairer_peer *find_peer(
	struct msg_repairer *r, uint64_t receiver)
{
	uint32_t set = (uint32_t)msg_hash_mix(receiver) &
		       (MSG_REPAIRER_PEERS / WAYS - 1);
	struct msg_repairer_peer *peers = &r->peers[set * WAYS];
	struct msg_repairer_peer *oldest = NULL;

	for (uint32_t i = 0; i < WAYS; i++) {
		if (peers[i].used && peers[i].receiver == receiver)
			return &peers[i];
		if (oldest && !oldest->used)
			continue;
		if (!oldest || !peers[i].used ||
			peers[i].heard_ns < oldest->heard_ns)
			oldest = &peers[i];
	}
	return oldest;
}

/* A way to a receiver alone; `call`: the connection that he reports by. */
static bool find_way(struct msg_repairer *r, const struct msg_report *report,
	uint32_t call, uint32_t *handle)
{
	if (r->session) {
		*handle = call;
		return true;
	}
	return report->reach.bytes > 0 &&
	       r->link->ops->reach(r->link, report->reach.data,
		       report->reach.bytes, handle) == 0;
}

static bool is_known(const struct msg_repairer *r,
	const struct msg_repairer_peer *peer, const struct msg_report *report,
	uint32_t call)
{
	if (!peer->used || peer->receiver != report->receiver)
		return false;
	return r->session ? peer->handle == call
			  : same_reach(&peer->reach, &report->reach);
}

static void note_position(struct msg_repairer *r, struct msg_repairer_peer *peer,
	const struct msg_report *report, uint64_t now)
{
	uint64_t position = msg_frame_near(r->repair.next, report->position);
	uint32_t pages = msg_report_read_pages(report);

	if (position > peer->position || pages > peer->pages)
		peer->moved_ns = now;
	if (pages > peer->pages)
		r->reading_ns = now;
	peer->position = position;
	peer->pages = pages;
}

struct msg_repairer_peer *repairer_take_peer(struct msg_repairer *r,
	const struct msg_report *report, uint32_t call, uint64_t now)
{
	struct msg_repairer_peer *peer = find_peer(r, report->receiver);
	bool known = is_known(r, peer, report, call);
	uint32_t handle;

	if (report->flags & MSG_REPORT_LEAVING) {
		if (known)
			drop_peer(r, peer);
		if (r->session)
			msg_session_hang_up(r->session, call);
		return NULL;
	}
	if (!known) {
		if (!find_way(r, report, call, &handle))
			return NULL;
		if (peer->used)
			drop_peer(r, peer);
		peer->handle = handle;
		peer->used = true;
		peer->receiver = report->receiver;
		peer->reach = report->reach;
		peer->position = 0;
		peer->pages = 0;
		peer->moved_ns = now;
	}
	peer->heard_ns = now;
	if (!(report->flags & MSG_REPORT_JOIN))
		note_position(r, peer, report, now);
	return peer;
}

/* ---- asked about -------------------------------------------------------- */

bool msg_repairer_wants(const struct msg_repairer *r, uint64_t frame,
	uint64_t since, uint64_t now)
{
	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++) {
		const struct msg_repairer_peer *peer = &r->peers[i];

		if (peer->used && peer->position <= frame &&
			now - peer->heard_ns < HEARD_LATELY_NS &&
			(now - since < r->options.give_up_ns ||
				now - peer->moved_ns < r->options.give_up_ns))
			return true;
	}
	return false;
}

bool msg_repairer_is_awaited(const struct msg_repairer *r, uint64_t now)
{
	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++) {
		const struct msg_repairer_peer *peer = &r->peers[i];

		if (peer->used && peer->position < r->repair.next &&
			now - peer->heard_ns < HEARD_LATELY_NS)
			return true;
	}
	return false;
}

bool msg_repairer_is_read(const struct msg_repairer *r, uint64_t now)
{
	return r->reading_ns != 0 && now - r->reading_ns < READING_NS;
}
