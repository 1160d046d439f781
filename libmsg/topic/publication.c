/* SPDX-License-Identifier: BSD-2-Clause */
/* publication.c - outlets, their readers, and moving; see publication.h. */
#include "topic/publication.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"
#include "pool/ring_wait.h"

/* How long readers of a ring may take to find the next one: they look for the
 * broker each 50 ms, and the network waits meanwhile. */
#define FOLLOW_NS (500 * MSG_NS_PER_MS)
/* Who may not lose anything has as long as the broker has to answer him, while he
 * lives: that is looked at so often. */
#define FOLLOW_LONG_NS MSG_CLIENT_ANSWER_NS
#define LOOK_NS (50 * MSG_NS_PER_MS)
/* A broker that threw us out may go on for a second with what is in the old
 * ring; the next one's frames have other numbers. */
#define FRAMES_BETWEEN 4096u
/* Sends that do not look at the clock, behind one that does, at most. */
#define UNLOOKED_MAX 15
/* The rare way, apart: what is usual saves no registers for it. */
#define APART __attribute__((noinline))

/* ---- outlets ----------------------------------------------------------- */

static void drop_reader(struct msg_outlet *outlet, uint32_t number)
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

static void drop_dead(struct msg_outlet *outlet)
{
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		if (is_deaf(&outlet->readers[i]))
			drop_reader(outlet, i);
}

static void unmap_outlet(struct msg_outlet *outlet)
{
	msg_shm_segment_close(&outlet->ring);
	msg_shm_segment_close(&outlet->pool);
	msg_shm_segment_close(&outlet->area);
}

static void close_outlet(struct msg_outlet *outlet)
{
	if (!outlet->is_open)
		return;
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++)
		drop_reader(outlet, i);
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

/* The outlets look at the word of whatever session there is. */
static void follow_news(struct msg_publication *p)
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
	follow_news(p);
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

static int open_outlet(struct msg_publication *p, struct msg_outlet *outlet,
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
	drop_dead(p->current);
	p->move_by = now + LOOK_NS;
	return !has_lossless(p->current);
}

/* To the ring the broker made, if nothing of the old one is in the
 * application's hands. */
static void move(struct msg_publication *p)
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
	p->next = NULL;
	p->current = to;
	close_outlet(from);
}

/* ---- what the broker says ---------------------------------------------- */

/* The schema, for whoever asks the broker for it. */
static int say_schema(struct msg_publication *p)
{
	struct msg_control control = {.kind = MSG_CONTROL_SCHEMA};
	struct msg_control_schema *said = &control.schema;
	int result = 0;

	if (p->schema_bytes == 0)
		return 0;
	if (!p->client.welcome.types)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the broker at %s takes no types; start a newer one, or "
			"leave `type` out",
			p->client.path);
	said->hash = p->said.type_hash;
	said->bytes = p->schema_bytes;
	for (said->offset = 0; said->offset < said->bytes && result == 0;
		said->offset += said->part.bytes) {
		said->part.bytes = said->bytes - said->offset;
		if (said->part.bytes > MSG_CONTROL_PART_BYTES_MAX)
			said->part.bytes = MSG_CONTROL_PART_BYTES_MAX;
		memcpy(said->part.data, p->schema + said->offset,
			said->part.bytes);
		result = msg_client_say(&p->client, &control);
	}
	return result;
}

static int ask(void *context)
{
	struct msg_publication *p = context;
	struct msg_control control = {.kind = MSG_CONTROL_PUBLISH};
	const struct msg_outlet *from = p->current;
	int result;

	if (p->said.reliability && !p->client.welcome.reliable)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the broker at %s takes no reliable topics; start a "
			"newer one, or open the node with MSG_BROKER_NEVER",
			p->client.path);
	if (p->said.reliability == MSG_RELIABILITY_RC &&
		!p->client.welcome.connected)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the broker at %s takes no rc topics; start a newer one, "
			"or open the node with MSG_BROKER_NEVER",
			p->client.path);
	if (p->said.large_bytes_max && !p->client.welcome.large)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"the broker at %s takes no large messages; start a newer "
			"one, leave large_bytes_max 0, or open the node with "
			"MSG_BROKER_NEVER",
			p->client.path);
	if (from) {
		p->said.next_sequence = msg_lender_next(&from->outbox.lender);
		p->said.next_frame = from->first_frame +
				     msg_outbox_frames(&from->outbox) +
				     from->outbox.lender.pack.count +
				     FRAMES_BETWEEN;
	}
	result = say_schema(p);
	if (result < 0)
		return result;
	control.publish = p->said;
	return msg_client_say(&p->client, &control);
}

static int publishing(struct msg_publication *p,
	const struct msg_control_publishing *granted, const int *fds)
{
	struct msg_control mapped = {.kind = MSG_CONTROL_MAPPED};
	struct msg_outlet *outlet =
		p->current == &p->outlets[0] ? &p->outlets[1] : &p->outlets[0];
	int result;

	if (p->coming)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s answers what was not asked",
			p->client.path);
	result = open_outlet(p, outlet, granted, fds);
	if (result < 0)
		return result;
	p->coming = outlet;
	return msg_client_say(&p->client, &mapped);
}

/* Whoever waited for the topic is among the readers: it may begin. */
static int started(struct msg_publication *p)
{
	if (!p->coming || p->client.phase != MSG_CLIENT_ASKING)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s says Started out of turn",
			p->client.path);
	p->said.session++;
	if (p->current) {
		p->next = p->coming;
		p->current->outbox.quick = 0;
		p->move_by = msg_clock_coarse_ns() + FOLLOW_NS;
		p->move_end = p->move_by + FOLLOW_LONG_NS;
		msg_counter_add(&p->counters[MSG_COUNTER_REATTACHED], 1);
	} else {
		p->current = p->coming;
	}
	p->client.phase = MSG_CLIENT_SERVED;
	return 0;
}

static int reader(struct msg_publication *p,
	const struct msg_control_reader *said, struct msg_control_frame *frame)
{
	struct msg_publication_reader *r;
	struct msg_outlet *outlet;
	int result;

	if (!p->coming)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s gives a reader before the ring",
			p->client.path);
	outlet = p->coming;
	r = &outlet->readers[said->reader];
	if (r->ledger.base)
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s gives reader %u twice",
			p->client.path, said->reader);
	result = msg_shm_segment_map_readonly(&r->ledger, frame->fds[0],
		msg_ring_ledger_bytes(said->hold_max));
	if (result < 0)
		return result;
	r->pid = said->pid;
	r->is_broker = said->pid == p->client.welcome.pid;
	outlet->reader_count += !r->is_broker;
	r->doorbell = -1;
	if (frame->fd_count > 1) {
		r->doorbell = frame->fds[1];
		frame->fds[1] = -1;
	}
	msg_ring_writer_add(&outlet->outbox.ring, said->reader,
		(const struct msg_ring_ledger *)r->ledger.base, said->hold_max,
		(enum msg_ring_slow)(said->policy - MSG_CONTROL_LAP));
	if (said->awaited)
		msg_ring_await(&outlet->outbox.ring, said->reader);
	if (r->is_broker)
		outlet->outbox.ring.readers[said->reader].keeps =
			outlet->keep_max;
	return 0;
}

static int hear(void *context, const struct msg_control *said,
	struct msg_control_frame *frame)
{
	struct msg_publication *p = context;

	switch (said->kind) {
	case MSG_CONTROL_PUBLISHING:
		return publishing(p, &said->publishing, frame->fds);
	case MSG_CONTROL_READER:
		return reader(p, &said->reader, frame);
	case MSG_CONTROL_READER_GONE:
		if (!p->coming)
			return 0;
		drop_reader(p->coming, said->reader_gone.reader);
		msg_ring_vacate(
			&p->coming->outbox.ring, said->reader_gone.reader);
		return 0;
	case MSG_CONTROL_STARTED:
		return started(p);
	default:
		return msg_fail(MSG_ERROR_FABRIC,
			"the broker at %s says %s to a publisher",
			p->client.path, msg_control_kind_name(said->kind));
	}
}

/* Nobody is to wait for a broker that is gone; the other readers read on. */
static void lost(void *context, bool refused)
{
	struct msg_publication *p = context;
	uint32_t pid = p->client.welcome.pid;

	(void)refused;
	follow_news(p);
	if (p->coming != p->current && p->coming)
		close_outlet(p->coming);
	p->coming = p->next = NULL;
	for (uint32_t i = 0; p->current && i < MSG_RING_READERS_MAX; i++)
		if (p->current->readers[i].ledger.base &&
			p->current->readers[i].pid == pid)
			drop_reader(p->current, i);
}

static const struct msg_client_calls calls = {
	.ask = ask,
	.hear = hear,
	.lost = lost,
};

/* ---- turns ------------------------------------------------------------- */

/* Is the broker there, is there another ring to move to? */
static void attend(struct msg_publication *p)
{
	msg_client_turn(&p->client);
	follow_news(p);
	move(p);
}

static void attend_idle(void *context)
{
	attend(context);
}

/* ---- open, close ------------------------------------------------------- */

static void close_all(struct msg_publication *p)
{
	msg_client_close(&p->client);
	close_outlet(&p->outlets[0]);
	close_outlet(&p->outlets[1]);
}

int msg_publication_open(
	struct msg_publication *p, const struct msg_publication_options *o)
{
	int result;

	memset(p, 0, sizeof *p);
	p->attended.due = &p->client.due;
	p->attended.turn = attend_idle;
	p->attended.context = p;
	snprintf(p->said.topic, sizeof p->said.topic, "%s", o->topic);
	p->said.incarnation = o->incarnation;
	p->said.message_bytes_max = o->message_bytes_max;
	p->said.loan_count_max = o->loan_count_max;
	p->said.period_ms = o->period_ms;
	p->said.reliability = o->reliability;
	p->said.flow = o->flow;
	p->said.flow_count = o->flow_count;
	p->said.history_bytes = o->history_bytes;
	p->said.history_ms = o->history_ms;
	p->said.give_up_ms = o->give_up_ms;
	p->said.linger_ms = o->linger_ms;
	p->said.large_bytes_max = o->large_bytes_max;
	p->said.large_memory_bytes = o->large_memory_bytes;
	if (o->type_name) {
		snprintf(p->said.type_name, sizeof p->said.type_name, "%s",
			o->type_name);
		p->said.type_encoding = o->type_encoding;
		p->said.type_hash = o->type_hash;
		p->schema = o->schema;
		p->schema_bytes = o->schema_bytes;
	}
	result = msg_client_open(
		&p->client, o->path, MSG_CONTROL_PUBLISHER, &calls, p);
	if (result == 0)
		result = msg_client_await(&p->client, MSG_CLIENT_ANSWER_NS);
	if (result < 0) {
		close_all(p);
		return result;
	}
	follow_news(p);
	return 0;
}

/* Whether other hosts may miss something that nobody tells them of but the next
 * broker: what the last one kept to send it again is gone with it. */
static bool is_missed(const struct msg_publication *p)
{
	return p->said.reliability && p->client.welcome.lane != 0 &&
	       msg_lender_next(&p->current->outbox.lender) > 0;
}

/* Whether the broker has in hand all that was published, or never will: it maps
 * the pool by itself. */
static bool is_relayed(struct msg_publication *p)
{
	struct msg_outlet *outlet = p->current;
	bool found = false;

	if (p->client.phase != MSG_CLIENT_SERVED)
		return !is_missed(p);
	if (p->client.welcome.lane == 0)
		return true;
	for (uint32_t i = 0; i < MSG_RING_READERS_MAX; i++) {
		const struct msg_publication_reader *r = &outlet->readers[i];
		const struct msg_ring_ledger *ledger =
			(const struct msg_ring_ledger *)r->ledger.base;

		if (!ledger || r->pid != p->client.welcome.pid)
			continue;
		found = true;
		if (msg_load(&ledger->next, acquire) < outlet->outbox.ring.head)
			return false;
	}
	return found || outlet->outbox.ring.head == 0;
}

/* Nothing follows, so nobody has to follow us. */
static void move_now(struct msg_publication *p)
{
	p->move_by = p->move_end = 0;
	move(p);
}

void msg_publication_close(struct msg_publication *p, uint64_t limit_ns)
{
	struct msg_control bye = {.kind = MSG_CONTROL_BYE};
	uint64_t deadline = msg_clock_ns() + limit_ns;

	msg_outbox_flush(&p->current->outbox);
	move_now(p);
	while (!is_relayed(p) && msg_clock_ns() < deadline) {
		poll(NULL, 0, 1);
		msg_client_tick(&p->client);
		follow_news(p);
		move_now(p);
	}
	bye.bye.next_sequence = msg_lender_next(&p->current->outbox.lender);
	if (p->client.phase == MSG_CLIENT_SERVED)
		(void)msg_client_say(&p->client, &bye);
	close_all(p);
}

/* ---- the calls --------------------------------------------------------- */

/* The owner stays in while a frame is being filled: the usual lend and queue,
 * which are inline, pass no gate then. */
static void leave(struct msg_publication *p)
{
	if (p->current->outbox.lender.pack.count == 0)
		msg_gate_leave(&p->attended.gate);
}

/* Whether it is time for a turn.  While sends come faster than the clock ticks
 * fewer and fewer look at it; when they become slow, those that are not to look
 * pass once, and each looks from there on. */
static bool is_due(struct msg_publication *p)
{
	uint64_t now;

	if (--p->unlooked >= 0)
		return false;
	now = msg_clock_coarse_ns();
	p->unlooked_of = now == p->looked_ns
				 ? (2 * p->unlooked_of + 1) & UNLOOKED_MAX
				 : 0;
	p->unlooked = p->unlooked_of;
	p->looked_ns = now;
	return now >= msg_load(&p->client.due, relaxed);
}

APART int publication_lend_slowly(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	int result;

	msg_gate_enter(&p->attended.gate);
	if (p->next)
		move(p);
	result = msg_outbox_lend(&p->current->outbox, bytes, loan);
	/* Whoever waits for room must learn that who held it is gone. */
	if (result == -MSG_ERROR_AGAIN && msg_client_is_due(&p->client)) {
		attend(p);
		/* A broker that is away tells of nobody, and the next one of
		 * the next ring's readers alone. */
		if (p->current != p->coming)
			drop_dead(p->current);
	}
	leave(p);
	return result;
}

/* Nothing is being filled behind what goes alone: the owner leaves. */
static APART int lend_alone(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	if (p->next || !msg_outbox_lend_alone(&p->current->outbox, bytes, loan))
		return publication_lend_slowly(p, bytes, loan);
	msg_gate_leave(&p->attended.gate);
	return 0;
}

APART int publication_lend_behind(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	struct msg_outbox *o = &p->current->outbox;

	if (p->next || o->lender.pack.count == 0 ||
		!msg_outbox_lend_behind(o, bytes, loan))
		return lend_alone(p, bytes, loan);
	return 0;
}

APART int publication_queue_slowly(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	int result;

	msg_gate_enter(&p->attended.gate);
	result = msg_outbox_queue(&p->current->outbox, loan, bytes);
	leave(p);
	return result;
}

/* Behind a send: it may be time for the broker. */
static APART int attend_if_due(struct msg_publication *p)
{
	if (is_due(p))
		attend(p);
	leave(p);
	return 0;
}

/* Somebody sleeps, or there is news. */
static APART int tell(struct msg_publication *p)
{
	msg_outbox_tell(&p->current->outbox);
	return attend_if_due(p);
}

static APART int send_slowly(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	int result;

	msg_gate_enter(&p->attended.gate);
	result = msg_outbox_send(&p->current->outbox, loan, bytes);
	if (is_due(p))
		attend(p);
	leave(p);
	return result;
}

/* It is published, and nobody was told. */
MSG_LENDER_INLINE int sent_alone(
	struct msg_publication *p, struct msg_outbox *o)
{
	if (!msg_outbox_is_quiet(o))
		return tell(p);
	if (--p->unlooked < 0)
		return attend_if_due(p);
	msg_gate_leave(&p->attended.gate);
	return 0;
}

/* A lone message, but not of the loan given out last; else the slow way, which
 * the gate lets in again. */
static APART int send_noted(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	struct msg_outbox *o;

	if (!msg_gate_slip_in(&p->attended.gate))
		return send_slowly(p, loan, bytes);
	o = &p->current->outbox;
	if (!msg_outbox_send_alone(o, loan, bytes))
		return send_slowly(p, loan, bytes);
	return sent_alone(p, o);
}

/* The usual lone message. */
MSG_LENDER_INLINE int send_quickly(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	struct msg_outbox *o;

	if (!msg_gate_slip_in(&p->attended.gate))
		return send_noted(p, loan, bytes);
	o = &p->current->outbox;
	if (!msg_outbox_send_quick(o, loan, bytes))
		return send_noted(p, loan, bytes);
	return sent_alone(p, o);
}

APART int publication_send_small(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	if (bytes > MSG_RING_INLINE_BYTES)
		__builtin_unreachable();
	return send_quickly(p, loan, bytes);
}

APART int publication_send_other(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	if (bytes <= MSG_RING_INLINE_BYTES)
		__builtin_unreachable();
	return send_quickly(p, loan, bytes);
}

void msg_publication_flush(struct msg_publication *p)
{
	msg_gate_enter(&p->attended.gate);
	msg_outbox_flush(&p->current->outbox);
	if (is_due(p))
		attend(p);
	leave(p);
}

void msg_publication_abandon(struct msg_publication *p, struct msg_loan *loan)
{
	msg_gate_enter(&p->attended.gate);
	msg_outbox_abandon(&p->current->outbox, loan);
	leave(p);
}
