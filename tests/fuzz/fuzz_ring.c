/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_ring.c - a ring whose other side lies.
 *
 * The first byte chooses.  A reader against a hostile writer: the input is
 * written over header, entries and pool, piece by piece, while an inbox takes,
 * keeps and releases; whatever it hands out must lie in the pool, or be a large
 * message in its area.  Or a writer
 * against a hostile reader: the input is one ledger, again and again, beside an
 * honest one, whose slots must stay its own, and no slot may be freed twice.  Either
 * of them also with what was kept: the reader comes late, and begins where the writer
 * says, as its broker reads it; the writer keeps its newest, and takes them back.
 *
 * An input is a list of commands: a byte, and what it asks for.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "engine/inbox.h"
#include "pool/ring_writer.h"
#include "receiver.h"

#define ENTRIES 8u
#define HELD 6u
#define SLOTS 12u
#define POOL_BYTES 2048u
#define AREA_BYTES (3 * MSG_LARGE_PAGE)
#define LEDGER_BYTES (sizeof(struct msg_ring_ledger) + HELD * sizeof(uint64_t))

struct input {
	const uint8_t *at;
	size_t left;
};

static uint64_t get(struct input *in, size_t bytes)
{
	uint64_t value = 0;

	if (bytes > in->left)
		bytes = in->left;
	memcpy(&value, in->at, bytes);
	in->at += bytes;
	in->left -= bytes;
	return value;
}

/* Memory that the address sanitizer watches to the byte. */
static void *zeroed(size_t bytes)
{
	void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);

	MUST(memory != NULL);
	memset(memory, 0, (bytes + 63) & ~(size_t)63);
	return memory;
}

/* ---- a hostile writer -------------------------------------------------- */

/* A number that is near what the reader waits for, or any. */
static uint64_t number(struct input *in, uint64_t near)
{
	uint8_t how = (uint8_t)get(in, 1);

	return how < 240 ? near + how - 8 : get(in, 8);
}

static void write_entry(
	struct msg_ring_header *header, uint64_t next, struct input *in)
{
	uint64_t at = number(in, next + 8);
	struct msg_ring_entry *e =
		&msg_ring_entries(header)[at & (ENTRIES - 1)];
	uint32_t kind = (uint32_t)get(in, 1) & 7;
	uint32_t bytes = (uint32_t)get(in, 2);
	uint32_t place = (uint32_t)get(in, 1);

	if (bytes >> 15)
		bytes <<= 14;
	if (place > 250)
		place = (uint32_t)get(in, 4);
	atomic_store(&e->turn, at + 1);
	atomic_store(&e->sequence, get(in, 1));
	atomic_store(&e->from, get(in, 1) << 32 | 1);
	atomic_store(&e->what, msg_ring_what(kind, bytes, place));
	atomic_store(&e->more[0], get(in, 1));
	atomic_store(&e->more[1], get(in, 2) << 32 | (get(in, 1) & 7));
}

static void look_at(const struct msg_inbox *inbox, const struct msg_view *view,
	const uint8_t *pool, const uint8_t *area)
{
	struct msg_segment segments[16];
	int n = msg_inbox_segments(inbox, view, segments, 16);

	MUST(n >= 1);
	if (view->event != MSG_EVENT_MESSAGE) {
		MUST(n == 1 && segments[0].bytes == 0);
		return;
	}
	for (int i = 0; i < n; i++) {
		const uint8_t *data = segments[i].data;
		const struct msg_inbox_record *r =
			msg_inbox_find(inbox, view->opaque);

		if (r && data == (const uint8_t *)r->inline_data) {
			MUST(segments[i].bytes <= MSG_RING_INLINE_BYTES);
			continue;
		}
		if (r && r->kind == MSG_RING_LARGE) {
			MUST(n == 1 && data >= area + MSG_LARGE_PAGE &&
				data <= area + AREA_BYTES);
			MUST(segments[i].bytes <=
				(size_t)(area + AREA_BYTES - data));
			continue;
		}
		MUST(data >= pool && data <= pool + POOL_BYTES);
		MUST(segments[i].bytes <= (size_t)(pool + POOL_BYTES - data));
	}
}

/* As stream.c and relay.c of the broker choose it. */
static void begin_late(struct msg_ring_header *header,
	struct msg_inbox_ring_options *ring, struct input *in)
{
	uint64_t head = number(in, 8);
	uint64_t oldest;

	atomic_store(&header->kept, number(in, head));
	oldest = msg_ring_oldest(header, head, ENTRIES / 4);
	ring->start = head;
	ring->history_count = (uint32_t)get(in, 1);
	if (oldest >= head || head - oldest > ENTRIES)
		return;
	ring->start = oldest;
	ring->history = (uint32_t)(head - oldest);
}

static void read_hostile(struct input *in, bool late)
{
	static msg_counter_t counters[MSG_COUNTER_COUNT];
	struct msg_inbox_options options = {.record_count = 8,
		.ring_max = 1,
		.publisher_count_max = 2,
		.large_bytes_max = MSG_LARGE_PAGE + 1,
		.events = true,
		.counters = counters};
	struct msg_inbox_ring_options ring = {.entry_count = ENTRIES,
		.pool_bytes = POOL_BYTES,
		.topic = MSG_INBOX_NONE,
		.held_max = HELD};
	struct msg_ring_header *header = zeroed(msg_ring_bytes(ENTRIES));
	uint8_t *pool = zeroed(POOL_BYTES);
	uint8_t *area = zeroed(AREA_BYTES);
	struct msg_inbox_ring *opened;
	struct msg_view views[8 + MSG_PACK_COUNT_MAX];
	struct msg_inbox inbox;
	int n = 0;

	ring.header = header;
	ring.pool = pool;
	ring.area = area;
	ring.area_bytes = AREA_BYTES;
	ring.ledger = zeroed(LEDGER_BYTES);
	atomic_store(&header->head, number(in, 8));
	if (late) {
		begin_late(header, &ring, in);
		for (unsigned i = 0; i < ENTRIES / 2; i++)
			write_entry(header, ring.start, in);
	}
	MUST(msg_inbox_open(&inbox, &options) == 0);
	MUST(msg_inbox_add(&inbox, &ring, &opened) == 0);
	while (in->left > 0) {
		uint64_t next = opened->reader.next;

		switch (get(in, 1) % 7) {
		case 0:
		case 1:
			write_entry(header, next, in);
			break;
		case 2:
			atomic_store(&header->floor[0], number(in, next));
			break;
		case 3:
			atomic_store(&header->head, number(in, next));
			break;
		case 4:
			memset(pool + get(in, 1) * 8, (int)get(in, 1), 8);
			break;
		case 5:
			n += msg_inbox_take(
				&inbox, views + n, 1 + (int)get(in, 1) % 8);
			for (int i = 0; i < n; i++)
				look_at(&inbox, &views[i], pool, area);
			if (n > (int)MSG_PACK_COUNT_MAX) {
				msg_inbox_release(&inbox, views, n);
				n = 0;
			}
			break;
		default:
			if (n > 0) {
				int at = (int)(get(in, 1) % (uint64_t)n);

				msg_inbox_release(&inbox, &views[at], 1);
				views[at] = views[--n];
			}
		}
		MUST(opened->in_hand <= HELD);
	}
	msg_inbox_release(&inbox, views, n);
	MUST(atomic_load(&inbox.refused) == 0);
	msg_inbox_settle(&inbox);
	msg_inbox_close(&inbox);
	free(ring.ledger);
	free(header);
	free(pool);
	free(area);
}

/* ---- a hostile reader -------------------------------------------------- */

static struct {
	bool out[SLOTS];
	bool in_hand[SLOTS]; /* Of the honest one. */
} slots;

static void freed(void *context, uint32_t slot)
{
	(void)context;
	MUST(slot < SLOTS && slots.out[slot] && !slots.in_hand[slot]);
	slots.out[slot] = false;
}

static void publish(struct msg_ring_writer *w)
{
	struct msg_ring_item item = {.kind = MSG_RING_SINGLE};
	uint32_t slot = 0;

	while (slot < SLOTS && slots.out[slot])
		slot++;
	if (slot == SLOTS) {
		msg_ring_reclaim(w, w->tail + 1);
		return;
	}
	if (!msg_ring_room(w, 1))
		return;
	item.place = slot;
	slots.out[slot] = true;
	msg_ring_put(w, 0, &item, slot);
	msg_ring_advance(w, 1);
	msg_ring_flush(w);
}

static void read_honestly(struct msg_ring_reader *r)
{
	struct msg_ring_item item;
	uint64_t at = r->next;

	if (r->next - r->low == HELD) {
		memset(slots.in_hand, 0, sizeof slots.in_hand);
		msg_ring_settle(r, r->next);
		return;
	}
	switch (msg_ring_peek(r, at, &item)) {
	case MSG_RING_GONE:
		memset(slots.in_hand, 0, sizeof slots.in_hand);
		msg_ring_settle(r, r->next);
		MUST(msg_ring_lap(r));
		break;
	case MSG_RING_ENTRY:
		if (msg_ring_hold(r, at + 1, true) == at) {
			MUST(slots.out[item.place]);
			slots.in_hand[item.place] = true;
		}
		break;
	default:
		break;
	}
}

static void write_ledger(
	struct msg_ring_ledger *ledger, uint64_t head, struct input *in)
{
	uint8_t which = (uint8_t)get(in, 1);

	if (which & 1)
		atomic_store(&ledger->low, number(in, head - 8));
	if (which & 2)
		atomic_store(&ledger->next, number(in, head - 8));
	if (which & 4)
		atomic_store(&ledger->held_top,
			(uint32_t)number(in, 8) % (HELD + 2));
	if (which & 8)
		atomic_store(&ledger->sleeping, (uint32_t)get(in, 4));
	if (which & 16)
		atomic_store(
			&ledger->held[get(in, 1) % HELD], number(in, head - 8));
}

/* As an outbox does that is short of memory. */
static void give_way(struct msg_ring_writer *w)
{
	uint64_t oldest = w->tail;

	while (oldest < w->head && msg_ring_is_needed(w, oldest))
		oldest++;
	if (oldest == w->head)
		return;
	msg_ring_yield(w, oldest + 1);
	msg_ring_reclaim(w, oldest + 1);
}

static void write_to_hostile(struct input *in, bool keeps)
{
	static struct msg_ring_writer w;
	struct msg_ring_header *header = zeroed(msg_ring_bytes(ENTRIES));
	struct msg_ring_ledger *hostile = zeroed(LEDGER_BYTES);
	struct msg_ring_ledger *honest = zeroed(LEDGER_BYTES);
	enum msg_ring_slow slow = (enum msg_ring_slow)(get(in, 1) % 3);
	struct msg_ring_reader reader;
	struct msg_ring_writer_options options = {.header = header,
		.entry_count = ENTRIES,
		.pin_max = SLOTS,
		.shared = true,
		.first = number(in, 8),
		.free = freed};

	memset(&slots, 0, sizeof slots);
	options.first &= UINT64_MAX >> 1;
	MUST(msg_ring_writer_open(&w, &options) == 0);
	w.strict = keeps;
	w.retain = keeps ? ENTRIES / 4 : 0;
	msg_ring_writer_add(&w, 0, hostile, HELD, slow);
	msg_ring_writer_add(&w, 1, honest, HELD, MSG_RING_LAP);
	msg_ring_reader_open(
		&reader, header, ENTRIES, honest, 1, MSG_RING_HEAD);
	while (in->left > 0)
		switch (get(in, 1) % 6) {
		case 0:
		case 1:
			publish(&w);
			break;
		case 2:
			write_ledger(hostile, w.head, in);
			break;
		case 3:
			msg_ring_reclaim(&w, number(in, w.tail));
			if (keeps)
				give_way(&w);
			break;
		case 4:
			if (msg_ring_writer_has(&w, 0))
				break;
			msg_ring_writer_remove(&w, 0);
			msg_ring_writer_add(&w, 0, hostile, HELD, slow);
			break;
		default:
			read_honestly(&reader);
		}
	MUST(msg_ring_writer_has(&w, 1));
	memset(slots.in_hand, 0, sizeof slots.in_hand);
	msg_ring_writer_remove(&w, 0);
	msg_ring_writer_remove(&w, 1);
	if (keeps)
		msg_ring_yield(&w, w.head);
	msg_ring_reclaim(&w, 0);
	for (uint32_t i = 0; i < SLOTS; i++)
		MUST(!slots.out[i]);
	msg_ring_writer_close(&w);
	free(header);
	free(hostile);
	free(honest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input in = {data, bytes};
	uint8_t which = (uint8_t)get(&in, 1);
	bool kept = (which & 14) == 8;

	if (which & 1)
		write_to_hostile(&in, kept);
	else
		read_hostile(&in, kept);
	return 0;
}
