/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publication.c - what is said to the broker and what it answers, from open to
 * close; see publication.h.
 *
 *     ask         PUBLISH, as it was said the first time, and where numbers go on
 *     publishing  it has made a ring: an outlet, `coming`
 *     reader      who reads that ring
 *     started     it is to be used: `current` of the first broker, `next` of others
 *     lost        the broker is gone, and with it what it had not started
 */
#include "topic/publication_internal.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/trail.h"
#include "pool/ring_wait.h"

/* A broker that threw us out may go on for a second with what is in the old
 * ring; the next one's frames have other numbers. */
#define FRAMES_BETWEEN 4096u

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
	result = publication_open_outlet(p, outlet, granted, fds);
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
		publication_prepare_move(p);
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
		outlet_drop_reader(p->coming, said->reader_gone.reader);
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
	publication_follow_news(p);
	if (p->coming != p->current && p->coming)
		outlet_close(p->coming);
	p->coming = p->next = NULL;
	for (uint32_t i = 0; p->current && i < MSG_RING_READERS_MAX; i++)
		if (p->current->readers[i].ledger.base &&
			p->current->readers[i].pid == pid)
			outlet_drop_reader(p->current, i);
}

static const struct msg_client_calls calls = {
	.ask = ask,
	.hear = hear,
	.lost = lost,
};

/* ---- turns ------------------------------------------------------------- */

void publication_attend(struct msg_publication *p)
{
	msg_client_turn(&p->client);
	publication_follow_news(p);
	publication_move(p);
}

static void attend_idle(void *context)
{
	publication_attend(context);
}

/* ---- open, close ------------------------------------------------------- */

static void close_all(struct msg_publication *p)
{
	msg_client_close(&p->client);
	outlet_close(&p->outlets[0]);
	outlet_close(&p->outlets[1]);
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
	publication_follow_news(p);
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
	publication_move(p);
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
		publication_follow_news(p);
		move_now(p);
	}
	bye.bye.next_sequence = msg_lender_next(&p->current->outbox.lender);
	if (p->client.phase == MSG_CLIENT_SERVED)
		(void)msg_client_say(&p->client, &bye);
	close_all(p);
}
