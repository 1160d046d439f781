/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memory_wire.c - what is between links: a frame leaves, reaches everyone who
 * hears its group, or the one it is for, and is lost, doubled, cut or overtaken
 * on the way as the options say.
 */
#include "memory_link_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/frame.h"
#include "random.h"

struct memory_wire_options memory_wire_options;
struct memory_wire_counts memory_wire_counts;

struct memory_link *memory_wire_links[MEMORY_LINKS_MAX];
static struct random_stream dice;

void memory_wire_reset(const struct memory_wire_options *options)
{
	memory_wire_options = options ? *options
				      : (struct memory_wire_options){0};
	memory_wire_counts = (struct memory_wire_counts){
		.links = memory_wire_counts.links};
	dice.state = memory_wire_options.seed;
}

bool memory_wire_chance(unsigned per_mille)
{
	return per_mille > 0 && random_chance(&dice, per_mille);
}

/* ---- arriving ---------------------------------------------------------- */

static bool hears(const struct memory_link *l, const struct sockaddr_storage *g)
{
	for (uint32_t i = 0; i < MEMORY_JOINS_MAX; i++)
		if (l->joins[i].used &&
			l->joins[i].how == MSG_LINK_JOIN_RECEIVE &&
			memcmp(&l->joins[i].group, g, sizeof *g) == 0)
			return true;
	return false;
}

static void wake(struct memory_link *l)
{
	uint64_t one = 1;

	if (!l->armed)
		return;
	l->armed = false;
	if (write(l->link.fd, &one, sizeof one) != sizeof one)
		abort();
}

static void enqueue(
	struct memory_link *l, const uint8_t *frame, uint32_t bytes, bool fair)
{
	uint32_t distance = memory_wire_options.reorder_distance;
	struct arrived *last = &l->queue[l->queue_tail & l->queue_mask];
	uint32_t back;

	if (l->queue_tail - l->queue_head == l->queue_size ||
		bytes > l->cell_bytes) {
		memory_wire_counts.overflowed++;
		return;
	}
	last->cell = l->cells[--l->cell_count];
	last->bytes = bytes;
	memcpy(l->arena + last->cell * l->cell_bytes, frame, bytes);
	if (!fair && bytes > 0 && memory_wire_chance(memory_wire_options.cut)) {
		last->bytes = (uint32_t)random_below(&dice, bytes);
		memory_wire_counts.cut++;
	}
	l->queue_tail++;
	if (!fair && memory_wire_chance(memory_wire_options.reorder)) {
		back = 1 + (uint32_t)random_below(
				   &dice, distance ? distance : 8);
		if (back < l->queue_tail - l->queue_head) {
			struct arrived *other = &l->queue[
				(l->queue_tail - 1 - back) & l->queue_mask];
			struct arrived swap = *other;

			*other = *last;
			*last = swap;
			memory_wire_counts.reordered++;
		}
	}
	wake(l);
}

static bool is_announcement(const uint8_t *frame, uint32_t bytes)
{
	return bytes > 0 && frame[0] >> 4 == MSG_FRAME_ANNOUNCE;
}

/* To one link, or to all that hear the group. */
static void carry(uint32_t peer, const struct sockaddr_storage *group,
	const uint8_t *frame, uint32_t bytes)
{
	bool fair = memory_wire_options.data_only &&
		    is_announcement(frame, bytes);

	for (uint32_t i = 0; i < MEMORY_LINKS_MAX; i++) {
		struct memory_link *l = memory_wire_links[i];

		if (!l || l->link.receive_count == 0 ||
			(peer ? l->number != peer : !hears(l, group)))
			continue;
		if (!fair && memory_wire_chance(memory_wire_options.lose)) {
			memory_wire_counts.lost++;
			continue;
		}
		enqueue(l, frame, bytes, fair);
		if (!fair && memory_wire_chance(memory_wire_options.repeat)) {
			memory_wire_counts.repeated++;
			enqueue(l, frame, bytes, fair);
		}
	}
}

/* ---- leaving ----------------------------------------------------------- */

static void report(struct memory_link *l, const struct msg_link_send *send,
	enum msg_link_event_type type)
{
	if (l->done_tail - l->done_head > l->done_mask)
		abort(); /* Nobody polls. */
	l->done[l->done_tail++ & l->done_mask] = (struct msg_link_event){
		.type = type,
		.token = send->token,
		.bytes = type == MSG_LINK_SEND_FAILED ? EIO : 0,
	};
	memory_wire_counts.signalled++;
}

/* The oldest frame in flight leaves. */
static void transmit(struct memory_link *l)
{
	static uint8_t frame[65536];
	const struct flying *f =
		&l->flying[l->flying_tail++ & l->flying_mask];
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < f->send.iov_count; i++) {
		memcpy(frame + bytes, f->send.iov[i].iov_base,
			f->send.iov[i].iov_len);
		bytes += (uint32_t)f->send.iov[i].iov_len;
	}
	if (memory_wire_chance(memory_wire_options.fail)) {
		memory_wire_counts.failed++;
		report(l, &f->send, MSG_LINK_SEND_FAILED);
		return;
	}
	memory_wire_counts.transmitted++;
	if (memory_wire_options.tap)
		memory_wire_options.tap(
			memory_wire_options.tap_context, frame, bytes);
	if (l->joins[f->send.group].peer)
		memory_wire_counts.unicast++;
	carry(l->joins[f->send.group].peer, &l->joins[f->send.group].group,
		frame, bytes);
	if (f->send.signal)
		report(l, &f->send, MSG_LINK_SENT);
}

void memory_wire_release_held(struct memory_link *l)
{
	for (uint32_t i = l->flying_tail; i != l->flying_head; i++)
		l->flying[i & l->flying_mask].held = false;
}

void memory_wire_transmit_some(struct memory_link *l)
{
	uint32_t limit = memory_wire_options.lag
				 ? (uint32_t)random_below(&dice, 8)
				 : UINT32_MAX;

	while (limit-- > 0 && l->flying_tail != l->flying_head &&
		!l->flying[l->flying_tail & l->flying_mask].held)
		transmit(l);
}

/* ---- by hand ----------------------------------------------------------- */

void memory_wire_group(struct sockaddr_storage *address, uint32_t group)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;

	memset(address, 0, sizeof *address);
	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(0xefff0000u + group);
}

void memory_wire_inject(uint32_t group, const void *frame, uint32_t bytes)
{
	struct sockaddr_storage address;

	memory_wire_group(&address, group);
	carry(0, &address, frame, bytes);
}
