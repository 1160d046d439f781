/* SPDX-License-Identifier: BSD-2-Clause */
/* pull.c - large messages, read from their publishers; see pull.h. */
#include "engine/receive_internal.h"

#include <string.h>

#define EVENTS 32
#define PIECE_BYTES_MAX ((size_t)1 << 20)
#define PIECE_BYTES_MIN ((size_t)1 << 16)
#define PAGE_BYTES 4096u
#define SEAL_STRIDE 64u
/* Tokens: item 16 | 1 seal, or piece 15. */
#define TOKEN_SEAL 0x8000u
#define TOKEN_PIECE 0x7fffu
/* From one attempt to connect to the next: doubled up to the second. */
#define AGAIN_NS MSG_NS_PER_MS
#define AGAIN_DOUBLED_MAX 6u
/* The publisher hears so often that we get on. */
#define TELL_NS (5 * MSG_NS_PER_MS)
/* A connection that is not used for so long goes. */
#define IDLE_NS (5 * MSG_NS_PER_S)
/* How often memory that was short is looked for. */
#define MEMORY_NS MSG_NS_PER_MS
/* In a broker who has yet to take loses that for memory after so long. */
#define REVOKE_NS (100 * MSG_NS_PER_MS)

void msg_pull_open(struct msg_pull *f, const struct msg_pull_options *o)
{
	memset(f, 0, sizeof *f);
	f->channels = o->channels;
	f->bytes_max = o->bytes_max;
	f->give_up_ns = o->give_up_ns;
	f->seals = o->memory;
	f->deadline = UINT64_MAX;
	f->piece_max = o->channels->message_bytes_max < PIECE_BYTES_MAX
			       ? o->channels->message_bytes_max
			       : PIECE_BYTES_MAX;
	msg_large_open_in(&f->pool, o->channels, MSG_CHANNEL_LOCAL,
		o->memory_bytes, &o->area);
}

void msg_pull_close(struct msg_pull *f)
{
	for (uint32_t i = 0; i < MSG_PULL_ITEMS; i++)
		if (f->items[i].line == MSG_PULL_ASKING ||
			f->items[i].line == MSG_PULL_CONNECTED)
			f->channels->ops->hang_up(
				f->channels, f->items[i].handle);
	msg_large_close(&f->pool);
}

static uint32_t number_of(
	const struct msg_pull *f, const struct msg_pull_item *it)
{
	return (uint32_t)(it - f->items);
}

static void hang_up(struct msg_pull *f, struct msg_pull_item *it)
{
	if (it->line != MSG_PULL_ASKING && it->line != MSG_PULL_CONNECTED)
		return;
	f->channels->ops->hang_up(f->channels, it->handle);
	it->line = MSG_PULL_ENDING;
}

/* ---- the end of a message ----------------------------------------------- */

/* Nothing is out; the buffer is somebody else's by now, or of no use. */
static void end_reading(struct msg_receiver *r, struct msg_pull_item *it)
{
	struct msg_pull *f = r->pull;
	struct msg_stream *s = it->stream;

	it->reading = false;
	it->failed = 0;
	it->again_ns = turn_now(r) + IDLE_NS;
	f->reading--;
	r->side.attention -= MSG_RECEIVE_EXPECT;
	msg_recover_resume(&s->recover);
	recovery_drain(r, s);
}

static void put_buffer(struct msg_pull *f, struct msg_pull_item *it)
{
	if (it->buffer != MSG_LARGE_NONE)
		msg_large_put(&f->pool, it->buffer);
	it->buffer = MSG_LARGE_NONE;
}

static void note_lost(
	struct msg_receiver *r, struct msg_stream *s, enum msg_loss reason)
{
	if (reason == MSG_LOSS_TOO_LARGE)
		count(r, MSG_COUNTER_TOO_LARGE, 1);
	else if (reason == MSG_LOSS_HISTORY)
		count(r, MSG_COUNTER_GONE, 1);
	else
		count(r, MSG_COUNTER_GIVEN_UP, 1);
	receive_note_loss(r, s, 1, reason);
}

/* It will not come.  What is under way may still be written to its buffer. */
static void lose(struct msg_receiver *r, struct msg_pull_item *it,
	enum msg_loss reason)
{
	it->failed = reason + 1u;
	if (it->out > 0) {
		hang_up(r->pull, it);
		return;
	}
	put_buffer(r->pull, it);
	note_lost(r, it->stream, reason);
	end_reading(r, it);
}

/* All of it is here: a view's worth. */
static void finish(struct msg_receiver *r, struct msg_pull_item *it)
{
	struct msg_stream *s = it->stream;
	struct msg_ring_writer *ring = receive_ring(r, s);
	struct msg_ring_item item = {
		.sequence = it->sequence,
		.publisher = s->publisher,
		.topic = s->topic,
		.kind = MSG_RING_LARGE,
		.place = r->pull->pool.area.base
				 ? msg_large_page(&r->pull->pool, it->buffer)
				 : it->buffer,
		.total = (uint32_t)it->large.total,
	};

	if (!msg_ring_room(ring, 1)) {
		lose(r, it, MSG_LOSS_TOO_LARGE);
		return;
	}
	if (s->lost > 0 && r->options.events)
		happen_lost(r, s, it->sequence);
	item.lost = s->lost < UINT32_MAX ? (uint32_t)s->lost : UINT32_MAX;
	s->lost = 0;
	msg_ring_put(ring, 0, &item, r->pool.count + it->buffer);
	msg_ring_advance(ring, 1);
	r->published++;
	it->buffer = MSG_LARGE_NONE;
	end_reading(r, it);
}

/* ---- reading ------------------------------------------------------------ */

static int read_from(struct msg_pull *f, const struct msg_pull_item *it,
	struct msg_channel_read *read)
{
	read->handle = it->handle;
	read->key = it->large.key;
	read->token |= number_of(f, it) << 16;
	return f->channels->ops->read(f->channels, read);
}

static uint8_t *seal_place(
	const struct msg_pull *f, const struct msg_pull_item *it)
{
	return f->seals + (size_t)number_of(f, it) * SEAL_STRIDE;
}

static void read_seal(struct msg_pull *f, struct msg_pull_item *it)
{
	struct msg_channel_read read = {
		.into = seal_place(f, it),
		.bytes = MSG_LARGE_SEAL_BYTES,
		.address = it->large.address - MSG_LARGE_SEAL_AT,
		.token = TOKEN_SEAL,
	};

	if (read_from(f, it, &read) < 0)
		return;
	it->seals++;
	it->out++;
}

/* The next piece; false: not now. */
static bool read_piece(struct msg_pull *f, struct msg_pull_item *it)
{
	uint64_t left = it->large.total - it->asked;
	struct msg_channel_read read = {
		.into = msg_large_data(&f->pool, it->buffer) + it->asked,
		.bytes = left < it->piece ? left : it->piece,
		.address = it->large.address + it->asked,
		.token = (uint32_t)(it->asked / it->piece) & TOKEN_PIECE,
		.region = &f->pool.buffers[it->buffer].region,
	};

	if (read_from(f, it, &read) < 0)
		return false;
	it->asked += read.bytes;
	it->out++;
	return true;
}

/* The first seal goes ahead of the pieces, so that what is gone is not read for
 * nothing; the second when they are all here. */
static void read_on(struct msg_pull *f, struct msg_pull_item *it)
{
	if (it->seals == 0)
		read_seal(f, it);
	while (it->seals > 0 && it->asked < it->large.total &&
		it->out < MSG_PULL_READS && read_piece(f, it))
		;
	if (it->seals == 1 && it->out == 0 && it->have == it->large.total)
		read_seal(f, it);
}

static void tell(struct msg_receiver *r, struct msg_pull_item *it)
{
	struct msg_recover *recover = &it->stream->recover;

	it->told_ns = turn_now(r);
	msg_recover_read(recover, (uint32_t)(it->have / PAGE_BYTES));
	if (msg_recover_deadline(recover) < r->deadline)
		r->deadline = msg_recover_deadline(recover);
}

static void piece_done(
	struct msg_receiver *r, struct msg_pull_item *it, uint32_t token)
{
	uint32_t first = (uint32_t)(it->have / it->piece);

	it->here |= 1u << ((token - first) & TOKEN_PIECE & 31);
	while (it->here & 1) {
		it->here >>= 1;
		it->have += it->piece;
	}
	if (it->have > it->large.total)
		it->have = it->large.total;
	it->moved_ns = turn_now(r);
	if (it->moved_ns - it->told_ns >= TELL_NS)
		tell(r, it);
}

static void seal_done(struct msg_receiver *r, struct msg_pull_item *it)
{
	if (msg_load64(seal_place(r->pull, it)) != it->large.serial)
		lose(r, it, MSG_LOSS_HISTORY);
	else if (it->seals == 2)
		finish(r, it);
}

/* ---- connections -------------------------------------------------------- */

static void call(
	struct msg_receiver *r, struct msg_pull_item *it, uint64_t now)
{
	struct msg_pull *f = r->pull;
	uint8_t greeting[MSG_LARGE_GREETING_BYTES];
	uint32_t doubled =
		it->tries < AGAIN_DOUBLED_MAX ? it->tries : AGAIN_DOUBLED_MAX;

	if (now < it->again_ns)
		return;
	it->tries++;
	it->again_ns = now + (AGAIN_NS << doubled);
	it->reach = it->large.reach;
	msg_large_greet(greeting, it->stream->tag, it->stream->publisher);
	if (f->channels->ops->connect(f->channels, it->reach.data,
		    it->reach.bytes, greeting, sizeof greeting,
		    &it->handle) == 0)
		it->line = MSG_PULL_ASKING;
}

/* What was under way has come back before. */
static void closed(struct msg_receiver *r, struct msg_pull_item *it)
{
	it->line = MSG_PULL_UNCONNECTED;
	it->out = 0;
	it->seals = 0;
	it->here = 0;
	it->asked = it->have;
	if (!it->stream)
		put_buffer(r->pull, it);
	else if (it->failed != 0)
		lose(r, it, (enum msg_loss)(it->failed - 1));
}

static struct msg_pull_item *item_of(struct msg_pull *f, uint32_t handle)
{
	for (uint32_t i = 0; i < MSG_PULL_ITEMS; i++)
		if (f->items[i].line != MSG_PULL_UNCONNECTED &&
			f->items[i].handle == handle)
			return &f->items[i];
	return NULL;
}

static void event(struct msg_receiver *r, const struct msg_channel_event *e)
{
	struct msg_pull_item *it = item_of(r->pull, e->handle);

	if (!it)
		return;
	switch (e->type) {
	case MSG_CHANNEL_CONNECTED:
		if (it->line == MSG_PULL_ASKING)
			it->line = MSG_PULL_CONNECTED;
		it->tries = 0;
		break;
	case MSG_CHANNEL_READ_DONE:
		it->out--;
		if (it->failed != 0 || !it->stream)
			break;
		if (e->token & TOKEN_SEAL)
			seal_done(r, it);
		else
			piece_done(r, it, e->token);
		break;
	case MSG_CHANNEL_READ_FAILED:
		it->out--;
		break;
	case MSG_CHANNEL_CLOSED:
		closed(r, it);
		break;
	default:
		break;
	}
}

/* ---- turns -------------------------------------------------------------- */

/* Memory for all of it; what readers gave back is seen when it is short. */
static int take_memory(
	struct msg_receiver *r, struct msg_pull_item *it, uint64_t now)
{
	struct msg_pull *f = r->pull;
	int result = msg_large_take(&f->pool, it->large.total, &it->buffer);

	if (result == -MSG_ERROR_AGAIN) {
		receive_reclaim(r);
		result = msg_large_take(&f->pool, it->large.total, &it->buffer);
	}
	if (result == -MSG_ERROR_AGAIN && r->options.revoke) {
		receive_recall(r, now - it->moved_ns >= REVOKE_NS);
		result = msg_large_take(&f->pool, it->large.total, &it->buffer);
		if (result == 0)
			receive_recalled(r);
	}
	return result;
}

/* Who sleeps comes back so often; what is longer nobody looked. */
static uint64_t stride(const struct msg_pull *f)
{
	return f->give_up_ns / 8;
}

/* The time in which nobody looked counts for no message. */
static void stop_clocks(struct msg_pull *f, uint64_t now)
{
	uint64_t most = f->turned_ns + 2 * stride(f);

	for (uint32_t i = 0; now > most && i < MSG_PULL_ITEMS; i++)
		if (f->items[i].reading)
			f->items[i].moved_ns += now - most;
	f->turned_ns = now;
}

/* In a broker, what the most patient reader of the topic says. */
static uint64_t give_up(
	const struct msg_receiver *r, const struct msg_stream *s)
{
	return r->options.revoke ? receive_wish(r, s).give_up_ns
				 : r->pull->give_up_ns;
}

/* One step; when the next is due. */
static uint64_t step(
	struct msg_receiver *r, struct msg_pull_item *it, uint64_t now)
{
	uint64_t at;

	if (it->failed != 0)
		return UINT64_MAX; /* CLOSED follows. */
	if (it->buffer == MSG_LARGE_NONE) {
		int result = take_memory(r, it, now);

		if (result == -MSG_ERROR_AGAIN &&
			(!r->options.revoke ||
				now - it->moved_ns < give_up(r, it->stream))) {
			r->pull->waits = true;
			return now + MEMORY_NS;
		}
		if (result < 0) {
			lose(r, it, MSG_LOSS_TOO_LARGE);
			return now;
		}
		it->moved_ns = now;
	}
	if (now - it->moved_ns >= give_up(r, it->stream)) {
		lose(r, it, MSG_LOSS_GAVE_UP);
		return now;
	}
	if (it->line == MSG_PULL_UNCONNECTED)
		call(r, it, now);
	if (it->line == MSG_PULL_CONNECTED)
		read_on(r->pull, it);
	at = now + stride(r->pull);
	return it->line == MSG_PULL_UNCONNECTED && it->again_ns < at
		       ? it->again_ns
		       : at;
}

/* A connection that nobody reads by; when it is due. */
static uint64_t rest(struct msg_pull *f, struct msg_pull_item *it, uint64_t now)
{
	if (it->line != MSG_PULL_CONNECTED)
		return UINT64_MAX;
	if (now >= it->again_ns)
		hang_up(f, it);
	return it->again_ns;
}

int pull_turn(struct msg_receiver *r)
{
	struct msg_channel_event events[EVENTS];
	struct msg_pull *f = r->pull;
	uint64_t now = turn_now(r);
	int n;

	if (f->reading == 0 && !f->look && now < f->deadline)
		return 0;
	f->look = f->waits = false;
	stop_clocks(f, now);
	n = f->channels->ops->poll(f->channels, events, EVENTS);
	for (int i = 0; i < n; i++)
		event(r, &events[i]);
	f->deadline = UINT64_MAX;
	for (uint32_t i = 0; i < MSG_PULL_ITEMS; i++) {
		struct msg_pull_item *it = &f->items[i];
		uint64_t at = it->reading ? step(r, it, now) : rest(f, it, now);

		if (at < f->deadline)
			f->deadline = at;
	}
	return n;
}

/* ---- beginning and stopping --------------------------------------------- */

/* The stream's own, one of nobody, or the one that was not used for longest. */
static struct msg_pull_item *find_item(
	struct msg_pull *f, const struct msg_stream *s)
{
	struct msg_pull_item *found = NULL;

	for (uint32_t i = 0; i < MSG_PULL_ITEMS; i++) {
		struct msg_pull_item *it = &f->items[i];

		if (it->stream == s)
			return it;
		/* One of nobody whose buffer is still written to is not free. */
		if (it->reading || it->out > 0)
			continue;
		if (!found || (found->stream && (!it->stream ||
				it->again_ns < found->again_ns)))
			found = it;
	}
	return found;
}

/* So many that all reads are under way, and none takes long on a slow path: who
 * gets on is seen by the pieces that are done. */
static size_t piece_of(const struct msg_pull *f, uint64_t total)
{
	size_t piece = PIECE_BYTES_MIN;

	while (piece < f->piece_max && piece * 2 * MSG_PULL_READS <= total)
		piece *= 2;
	return piece < f->piece_max ? piece : f->piece_max;
}

static bool same_reach(const struct msg_reach *a, const struct msg_reach *b)
{
	return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

/* What the slot says is to be read; false: we do not take it. */
static bool begin(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_large *large, uint64_t sequence)
{
	struct msg_pull *f = r->pull;
	struct msg_pull_item *it;

	if (!f || s->kind != MSG_STREAM_RELIABLE ||
		large->total > f->bytes_max ||
		large->total > receive_wish(r, s).large_bytes_max)
		return false;
	it = find_item(f, s);
	if (!it)
		return false;
	if (it->stream != s || !same_reach(&it->reach, &large->reach))
		hang_up(f, it);
	it->stream = s;
	it->reading = true;
	it->large = *large;
	it->piece = piece_of(f, large->total);
	it->sequence = sequence;
	it->buffer = MSG_LARGE_NONE;
	it->asked = it->have = 0;
	it->here = it->seals = it->tries = 0;
	it->moved_ns = it->told_ns = turn_now(r);
	if (f->reading == 0)
		f->turned_ns = it->moved_ns;
	it->again_ns = 0;
	f->reading++;
	r->side.attention += MSG_RECEIVE_EXPECT;
	msg_recover_pause(&s->recover);
	return true;
}

void pull_begin(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot)
{
	const uint8_t *body = receive_frame(r, slot) + MSG_FRAME_HEADER_BYTES;
	struct msg_large large;
	/* Checked when it arrived; read again, not remembered. */
	bool sound = msg_large_read(
		body, frame->bytes - MSG_FRAME_HEADER_BYTES, &large);

	msg_receive_put(&r->pool, slot);
	r->calls_left = 0;
	if (!sound || !begin(r, s, &large, frame->sequence))
		note_lost(r, s, MSG_LOSS_TOO_LARGE);
}

void pull_stop(struct msg_receiver *r, struct msg_stream *s)
{
	struct msg_pull *f = r->pull;

	for (uint32_t i = 0; f && i < MSG_PULL_ITEMS; i++) {
		struct msg_pull_item *it = &f->items[i];

		if (it->stream != s)
			continue;
		if (it->reading) {
			f->reading--;
			r->side.attention -= MSG_RECEIVE_EXPECT;
			msg_recover_resume(&s->recover);
		}
		it->stream = NULL;
		it->reading = false;
		it->failed = 0;
		/* What is out comes back with the end of its connection. */
		f->look = true;
		hang_up(f, it);
		if (it->out == 0)
			put_buffer(f, it);
	}
}

void pull_free(struct msg_receiver *r, uint32_t buffer)
{
	msg_large_put(&r->pull->pool, buffer);
}
