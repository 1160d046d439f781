/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * inbox_views.c - records become views, and views come back; see inbox.h.
 *
 * Orders: the bits of a word are taken back with acq_rel, so that every read
 * of the payload by any releasing thread happens before the taking thread sees
 * the record empty (is_back, acquire), and so before the ring's writer may use
 * the place again.
 */
#include "engine/inbox_internal.h"

#include <assert.h>
#include <string.h>

#include "base/hash.h"
#include "base/probe.h"

/* ---- losses ------------------------------------------------------------ */

struct msg_inbox_stream *inbox_find_stream(
	struct msg_inbox *inbox, uint32_t publisher, uint32_t topic)
{
	uint32_t at = (uint32_t)msg_hash_mix((uint64_t)publisher << 32 | topic) &
		      inbox->stream_mask;

	/* At most half full, so an empty place is always met. */
	for (;; at = (at + 1) & inbox->stream_mask) {
		struct msg_inbox_stream *s = &inbox->streams[at];

		if (!s->used ||
			(s->publisher == publisher && s->topic == topic))
			return s;
	}
}

/* But for those that were counted when they were refused. */
static void count_lost(
	struct msg_inbox *inbox, struct msg_inbox_stream *s, uint64_t lost)
{
	uint64_t counted = s->counted < lost ? s->counted : lost;

	s->counted -= counted;
	if (inbox->counts_losses && lost > counted)
		inbox_count(inbox, MSG_COUNTER_LOST, lost - counted);
}

uint64_t inbox_missing_slow(struct msg_inbox *inbox, uint32_t publisher,
	uint32_t topic, uint64_t sequence, uint32_t messages, uint64_t lost)
{
	struct msg_inbox_stream *s = inbox_find_stream(inbox, publisher, topic);

	if (s->used) {
		uint64_t gap = sequence - s->expected;

		/* Behind what is expected: its own story, told by its writer. */
		if ((int64_t)gap >= 0)
			lost = gap;
	} else {
		/* Full: forget all rather than search for who is gone.  What
		 * the writers say of losses still counts. */
		if (inbox->stream_count == inbox->stream_max) {
			memset(inbox->streams, 0,
				(inbox->stream_mask + 1) *
					sizeof *inbox->streams);
			inbox->stream_count = 0;
			s = inbox_find_stream(inbox, publisher, topic);
		}
		inbox->stream_count++;
		if (inbox->counts_losses)
			inbox_count(inbox, MSG_COUNTER_PUBLISHERS, 1);
		s->used = true;
		s->publisher = publisher;
		s->topic = topic;
	}
	inbox->latest = s;
	s->expected = sequence + messages;
	if (lost > 0) {
		count_lost(inbox, s, lost);
		MSG_PROBE3(lost, publisher, sequence, lost);
	}
	return lost;
}

/* ---- out --------------------------------------------------------------- */

static uint64_t missing(struct msg_inbox *inbox,
	const struct msg_inbox_record *r, uint32_t messages)
{
	return inbox_missing(inbox, r->publisher, r->topic, r->sequence,
		messages, r->lost);
}

/* The record goes out as `views` views. */
static void set_bits(struct msg_inbox *inbox, uint32_t record, uint32_t views)
{
	struct msg_inbox_record *r = &inbox->records[record];
	_Atomic uint64_t *word = inbox_word(inbox, record, 0);
	uint64_t tag;
	uint16_t words = 0;

	assert(views <= MSG_INBOX_WORDS * MSG_INBOX_WORD_BITS);
	tag = inbox_new_life(r);
	/* Relaxed: a view reaches another thread only by the application's own
	 * synchronisation. */
	for (; views > MSG_INBOX_WORD_BITS; views -= MSG_INBOX_WORD_BITS)
		msg_store(&word[words++], tag | UINT32_MAX, relaxed);
	msg_store(&word[words++], tag | ((1ull << views) - 1), relaxed);
	r->words = words;
}

static uint64_t handle_of(
	const struct msg_inbox *inbox, uint32_t record, uint32_t view)
{
	return (uint64_t)inbox->records[record].generation << 32 |
	       (uint64_t)view << MSG_INBOX_RECORD_BITS | record;
}

static void fill(const struct msg_inbox *inbox, uint32_t record,
	uint32_t index, const void *data, uint32_t bytes, uint64_t lost,
	struct msg_view *view)
{
	const struct msg_inbox_record *r = &inbox->records[record];

	view->data = data;
	view->bytes = bytes;
	view->publisher = r->publisher;
	view->sequence = r->sequence + index;
	view->lost_before = lost;
	view->opaque = handle_of(inbox, record, index);
	view->segment_count = r->segments;
	view->topic = r->topic;
	view->event = MSG_EVENT_MESSAGE;
	view->reason = MSG_LOSS_UNKNOWN;
}

/* A record all of whose views are out, or that is void: the next one. */
static void delivered(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	ring->deliver = inbox->records[ring->deliver].younger;
	ring->delivered = 0;
}

/* Views of what is left in the pack.  All that they have in common is read
 * once: their memory might be the record's, as far as a compiler knows. */
static int fill_packed(const struct msg_inbox *inbox,
	struct msg_inbox_ring *ring, struct msg_view *views, int count,
	uint64_t *sum)
{
	const struct msg_inbox_record *r = &inbox->records[ring->deliver];
	struct msg_pack_reader pack = ring->pack;
	uint64_t total = 0;
	uint64_t sequence = r->sequence + ring->delivered;
	uint64_t publisher = r->publisher;
	uint32_t topic = r->topic;
	uint64_t handle = (uint64_t)r->generation << 32 |
			  (uint64_t)ring->delivered << MSG_INBOX_RECORD_BITS |
			  ring->deliver;
	int n = 0;

	while (n < count) {
		struct msg_view *view = &views[n];
		const uint8_t *data;
		uint32_t bytes;

		if (!msg_pack_next(&pack, &data, &bytes))
			break;
		view->data = data;
		view->bytes = bytes;
		view->publisher = publisher;
		view->sequence = sequence++;
		view->lost_before = 0;
		view->opaque = handle;
		view->segment_count = 1;
		view->topic = topic;
		view->event = MSG_EVENT_MESSAGE;
		view->reason = MSG_LOSS_UNKNOWN;
		handle += 1ull << MSG_INBOX_RECORD_BITS;
		total += bytes;
		n++;
	}
	ring->delivered += (uint32_t)n;
	ring->pack = pack;
	*sum = total;
	return n;
}

/* The first messages of a pack are not to be taken: as if they were back. */
static void skip_first(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	const struct msg_inbox_record *r = &inbox->records[ring->deliver];

	while (ring->delivered < r->total) {
		struct msg_view view = {
			.opaque = handle_of(
				inbox, ring->deliver, ring->delivered++)};
		const uint8_t *data;
		uint32_t bytes;

		msg_pack_next(&ring->pack, &data, &bytes);
		msg_inbox_release(inbox, &view, 1);
	}
}

/* The record goes back as it came. */
static int drop(struct msg_inbox *inbox, struct msg_inbox_ring *ring)
{
	inbox->records[ring->deliver].words = 0;
	delivered(inbox, ring);
	return 0;
}

static bool was_told(struct msg_inbox *inbox, const struct msg_inbox_record *r)
{
	const struct msg_inbox_stream *s =
		inbox_find_stream(inbox, r->publisher, r->topic);

	return s->used && s->told;
}

/* Not a message: nothing is missing but what it says, and nothing is counted.
 * Where a stream begins, its first message says. */
static int deliver_event(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *view)
{
	uint32_t record = ring->deliver;
	const struct msg_inbox_record *r = &inbox->records[record];
	uint64_t lost = r->event == MSG_EVENT_LOST ? missing(inbox, r, 0) : 0;

	/* How far a stream is: nothing of it is missing here; or that it is
	 * there, said to us alone, which its first message of before told. */
	if (r->event == MSG_EVENT_LOST ? lost == 0
				       : r->lost != 0 && was_told(inbox, r))
		return drop(inbox, ring);
	inbox_set_bit(inbox, record);
	fill(inbox, record, 0, NULL, 0, lost, view);
	view->event = r->event;
	view->reason = r->total;
	inbox->events++;
	delivered(inbox, ring);
	return 1;
}

void inbox_expect(struct msg_inbox *inbox, uint32_t publisher, uint32_t topic,
	uint64_t sequence)
{
	if (!inbox_find_stream(inbox, publisher, topic)->used)
		inbox_missing_slow(inbox, publisher, topic, sequence, 0, 0);
}

void inbox_refused(struct msg_inbox *inbox, uint32_t publisher, uint32_t topic,
	uint64_t sequence)
{
	inbox_expect(inbox, publisher, topic, sequence);
	if (!inbox->counts_losses)
		return;
	inbox_find_stream(inbox, publisher, topic)->counted++;
	inbox_count(inbox, MSG_COUNTER_LOST, 1);
}

static int deliver_packed(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count)
{
	uint32_t record = ring->deliver;
	struct msg_inbox_record *r = &inbox->records[record];
	uint64_t lost = 0;
	uint64_t sum = 0;
	int n;

	if (ring->delivered == 0) {
		int messages = msg_pack_open(&ring->pack, r->data, r->bytes);

		if (messages <= (int)r->total) {
			/* Else all of it is from before we came. */
			if (r->index >= ring->late_end)
				inbox_count(inbox, MSG_COUNTER_MALFORMED, 1);
			return drop(inbox, ring);
		}
		set_bits(inbox, record, (uint32_t)messages);
		if (r->total > 0)
			skip_first(inbox, ring);
		lost = inbox_missing(inbox, r->publisher, r->topic,
			r->sequence + r->total, (uint32_t)messages - r->total,
			r->lost);
	}
	n = fill_packed(inbox, ring, views, count, &sum);
	views[0].lost_before = lost;
	inbox_count(inbox, MSG_COUNTER_BYTES, sum);
	if (ring->pack.left > 0)
		return n;
	/* A writer that changed its table meanwhile: the rest never was. */
	for (uint32_t i = ring->delivered;
		i < r->words * MSG_INBOX_WORD_BITS; i++)
		if (msg_inbox_find(inbox, handle_of(inbox, record, i))) {
			struct msg_view never = {
				.opaque = handle_of(inbox, record, i)};

			msg_inbox_release(inbox, &never, 1);
		}
	delivered(inbox, ring);
	return n;
}

int inbox_deliver(struct msg_inbox *inbox, struct msg_inbox_ring *ring,
	struct msg_view *views, int count)
{
	uint32_t record = ring->deliver;
	struct msg_inbox_record *r = &inbox->records[record];

	if (r->index < ring->late_end && ring->delivered == 0 &&
		inbox_is_unwanted(inbox, r))
		return drop(inbox, ring);
	if (r->kind == MSG_RING_PACKED)
		return deliver_packed(inbox, ring, views, count);
	if (r->kind == MSG_RING_EVENT)
		return deliver_event(inbox, ring, views);
	inbox_set_bit(inbox, record);
	fill(inbox, record, 0, r->data, r->total, missing(inbox, r, 1), views);
	inbox_count(inbox, MSG_COUNTER_BYTES, r->total);
	delivered(inbox, ring);
	return 1;
}

/* ---- back -------------------------------------------------------------- */

static uint32_t handle_record(uint64_t handle)
{
	return (uint32_t)handle & ((1u << MSG_INBOX_RECORD_BITS) - 1);
}

static uint32_t handle_view(uint64_t handle)
{
	return (uint32_t)handle >> MSG_INBOX_RECORD_BITS &
	       ((1u << MSG_INBOX_VIEW_BITS) - 1);
}

/* The word that holds a handle's bit; NULL for what no handle can be. */
static _Atomic uint64_t *handle_word(
	const struct msg_inbox *inbox, uint64_t handle)
{
	uint32_t record = handle_record(handle);
	uint32_t word = handle_view(handle) / MSG_INBOX_WORD_BITS;

	if (record >= inbox->record_count || word >= MSG_INBOX_WORDS)
		return NULL;
	return inbox_word(inbox, record, word);
}

static uint64_t handle_bit(uint64_t handle)
{
	return 1ull << (handle_view(handle) % MSG_INBOX_WORD_BITS);
}

const struct msg_inbox_record *msg_inbox_find(
	const struct msg_inbox *inbox, uint64_t handle)
{
	const _Atomic uint64_t *word = handle_word(inbox, handle);
	uint64_t now;

	if (!word)
		return NULL;
	now = msg_load(word, relaxed);
	if (now >> 32 != handle >> 32 || !(now & handle_bit(handle)))
		return NULL;
	return &inbox->records[handle_record(handle)];
}

/* Clear `mask` in `word` as far as it is set under this generation; returns
 * the bits that were. */
static uint64_t take_back(
	_Atomic uint64_t *word, uint64_t generation, uint64_t mask)
{
	uint64_t now = msg_load(word, relaxed);
	uint64_t mine;

	do {
		if (now >> 32 != generation)
			return 0;
		mine = now & mask;
		if (mine == 0)
			return 0;
		/* Acq_rel; partners: the same operation of other threads that
		 * release views of this record, and is_back. */
	} while (!atomic_compare_exchange_weak_explicit(word, &now, now & ~mine,
		memory_order_acq_rel, memory_order_relaxed));
	return mine;
}

static uint32_t bits_in(uint64_t mask)
{
	uint32_t bits = 0;

	for (; mask; mask &= mask - 1)
		bits++;
	return bits;
}

/* How many of the views from the first on follow each other as they were taken,
 * and have their bits in one word. */
static int neighbours(const struct msg_view *views, int count)
{
	uint64_t handle = views[0].opaque;
	uint32_t left = MSG_INBOX_WORD_BITS -
			handle_view(handle) % MSG_INBOX_WORD_BITS;
	int most = (uint32_t)count < left ? count : (int)left;
	int n = 1;

	while (n < most && views[n].opaque ==
				   (handle += 1ull << MSG_INBOX_RECORD_BITS))
		n++;
	return n;
}

/* What two views have in common if one word holds both bits: the record, its
 * generation, and the view's number but for its place in the word. */
#define SAME_WORD                                                              \
	(~((uint64_t)(MSG_INBOX_WORD_BITS - 1) << MSG_INBOX_RECORD_BITS))

static void refuse(struct msg_inbox *inbox, uint32_t views)
{
	atomic_fetch_add_explicit(
		&inbox->refused, views, memory_order_relaxed);
}

/* More than one: neighbours in one word go back in one operation.  A handle
 * that is in the run twice is refused the second time. */
static void release_many(
	struct msg_inbox *inbox, const struct msg_view *views, int count)
{
	int i = 0;

	while (i < count) {
		uint64_t handle = views[i].opaque;
		_Atomic uint64_t *word = handle_word(inbox, handle);
		uint64_t mask = handle_bit(handle);
		int first = i;
		uint64_t mine;

		i += neighbours(views + i, count - i);
		mask = (mask << (i - first)) - mask;
		for (; i < count; i++) {
			uint64_t next = views[i].opaque;
			uint64_t bit = handle_bit(next);

			if (((next ^ handle) & SAME_WORD) != 0 || (mask & bit))
				break;
			mask |= bit;
		}
		mine = word ? take_back(word, handle >> 32, mask) : 0;
		if (mine != mask)
			refuse(inbox, (uint32_t)(i - first) - bits_in(mine));
	}
}

void msg_inbox_release(
	struct msg_inbox *inbox, const struct msg_view *views, int count)
{
	uint64_t handle;
	_Atomic uint64_t *word;

	if (count != 1) {
		release_many(inbox, views, count);
		return;
	}
	handle = views->opaque;
	word = handle_word(inbox, handle);
	if (!word || take_back(word, handle >> 32, handle_bit(handle)) == 0)
		refuse(inbox, 1);
}

bool inbox_partly_out(
	const struct msg_inbox *inbox, const struct msg_inbox_ring *ring)
{
	for (uint32_t i = 0; i < ring->delivered; i++)
		if (msg_inbox_find(inbox, handle_of(inbox, ring->deliver, i)))
			return true;
	return false;
}

/* ---- reading ----------------------------------------------------------- */

int msg_inbox_segments(const struct msg_inbox *inbox,
	const struct msg_view *view, struct msg_segment *segments, int count)
{
	const struct msg_inbox_record *r = msg_inbox_find(inbox, view->opaque);
	int n = 0;

	if (!r || count < 1)
		return -MSG_ERROR_ARGUMENT;
	if (view->segment_count == 1) {
		segments[0].data = view->data;
		segments[0].bytes = view->bytes;
		return 1;
	}
	while (n < count) {
		segments[n].data = r->data;
		segments[n].bytes = r->bytes;
		n++;
		if (r->next == MSG_INBOX_NONE)
			break;
		r = &inbox->records[r->next];
	}
	return n;
}

int msg_inbox_copy(const struct msg_inbox *inbox, const struct msg_view *view,
	void *data, size_t capacity)
{
	const struct msg_inbox_record *r = msg_inbox_find(inbox, view->opaque);
	uint8_t *at = data;

	if (!r)
		return -MSG_ERROR_ARGUMENT;
	if (capacity < (view->segment_count == 1 ? view->bytes : r->total))
		return -MSG_ERROR_TOO_LARGE;
	if (view->segment_count == 1) {
		/* Of nothing, `data` may be NULL. */
		if (view->bytes > 0)
			memcpy(data, view->data, view->bytes);
		return 0;
	}
	for (;;) {
		memcpy(at, r->data, r->bytes);
		at += r->bytes;
		if (r->next == MSG_INBOX_NONE)
			return 0;
		r = &inbox->records[r->next];
	}
}
