/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publisher.c - the publisher's front door: checks and defaults.  The work is
 * engine/transmit's, the telling of others topic/announcer's; or both are
 * topic/publication's, through the broker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "api/delivery.h"
#include "api/node.h"
#include "api/options.h"
#include "base/probe.h"
#include "base/trail.h"
#include "engine/transmit.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "schema/type.h"
#include "topic/name.h"
#include "topic/publication.h"

#define LOAN_COUNT_DEFAULT 256u
#define LOAN_MEMORY_DEFAULT (32u << 20)
#define LINGER_NS MSG_NS_PER_S
/* A reliable topic says so often how far it is, at least. */
#define HEARTBEAT_MS 100u
/* A round trip, before one was measured. */
#define RTT_NS (100 * MSG_NS_PER_US)
#define RTT_SOFTWARE_NS MSG_NS_PER_MS
/* Receivers of a connected topic. */
#define CONNECTIONS_MAX 128u
/* So long receivers have to say that they want a large message. */
#define YOUNG_ROUND_TRIPS 200u

struct msg_publisher {
	struct msg_publication *publication; /* NULL: straight to the lane. */
	struct msg_transmitter transmitter;
	struct msg_node *node;
	struct msg_link *link;
	struct msg_link *side; /* Of a reliable topic, or NULL. */
	struct msg_session *session; /* Of a connected one, in place of both. */
	struct msg_channels *channels; /* For large messages, or NULL. */
	struct msg_region channel_memory;
	struct msg_show *show;
	struct msg_history_shelf shelf;
	bool shelved;          /* Its history is there. */
	uint64_t repair_ns;    /* How long close waits for its receivers. */
	struct msg_announce_source source;
	uint64_t id;
	const struct msg_type *type; /* Kept; or NULL. */
};

/* Check and complete. */
static int complete(
	struct msg_publisher_options *o, const struct msg_node *node)
{
	uint32_t bytes = msg_node_frame_bytes(node) - MSG_FRAME_HEADER_BYTES;
	uint32_t most = LOAN_COUNT_DEFAULT;
	uint32_t loans;
	int result;

	if (msg_node_is_brokered(node)) {
		bytes = node->broker.publish_message_bytes_max;
		most = node->broker.publish_loan_count_max;
	}
	/* No path bounds those frames, whoever sends them. */
	if (o->reliability == MSG_RELIABILITY_RC)
		bytes = MSG_CONNECTED_FRAME_BYTES - MSG_FRAME_HEADER_BYTES;
	if (!o->topic)
		return msg_fail(
			MSG_ERROR_ARGUMENT, "topic is missing; set it");
	result = msg_name_check_topic(o->topic);
	if (result == 0)
		result = msg_delivery_publisher(o, msg_node_delivery(node));
	if (result == 0)
		result = msg_options_number(&o->message_bytes_max,
			"message_bytes_max", NULL, bytes, 1,
			MSG_MESSAGE_BYTES_MAX);
	if (result < 0)
		return result;
	loans = LOAN_MEMORY_DEFAULT / o->message_bytes_max;
	if (loans > most)
		loans = most;
	return msg_options_number(&o->loan_count_max, "loan_count_max", NULL,
		loans, 2, 65536);
}

/* A new incarnation: 64 random bits, the low half of which is in each frame. */
static int draw_incarnation(uint64_t *incarnation)
{
	do {
		if (getrandom(incarnation, sizeof *incarnation, 0) !=
			(ssize_t)sizeof *incarnation)
			return msg_fail(MSG_ERROR_FABRIC,
				"no random numbers: %s", strerror(errno));
	} while ((uint32_t)*incarnation == 0);
	return 0;
}

static void describe_type(struct msg_publisher *p)
{
	struct msg_announced_type *said = &p->source.text.type;

	if (!p->type)
		return;
	snprintf(said->name, sizeof said->name, "%s", p->type->name);
	said->encoding = p->type->encoding;
	said->hash = p->type->hash;
	p->source.schema = p->type->schema_bytes;
	p->source.schema_bytes = (uint32_t)p->type->schema_size;
}

static uint32_t connected_most(const struct msg_publisher *p,
	const struct msg_publisher_options *o)
{
	return msg_connected_frame_most(
		p->node->domain->lane == MSG_LANE_VERBS, o->message_bytes_max);
}

static void describe(struct msg_publisher *p,
	const struct msg_publisher_options *o, uint64_t incarnation)
{
	struct msg_announcement *text = &p->source.text;

	snprintf(text->topic, sizeof text->topic, "%s", o->topic);
	snprintf(text->host, sizeof text->host, "%s", p->node->host);
	snprintf(text->program, sizeof text->program, "%.63s",
		program_invocation_short_name);
	text->incarnation = incarnation;
	text->publisher = (uint32_t)incarnation;
	text->pid = (uint32_t)getpid();
	text->uid = (uint32_t)getuid();
	text->message_bytes_max = o->message_bytes_max;
	text->frame_bytes = p->node->domain->frame_bytes;
	text->period_ms = p->node->announce_ms;
	text->reliable = o->reliability >= MSG_RELIABILITY_RELIABLE;
	if (o->reliability == MSG_RELIABILITY_RC) {
		text->frame_bytes = connected_most(p, o);
		text->give_up_ms = o->give_up_ms;
		/* Nobody can connect before he has heard it. */
		if (text->period_ms > HEARTBEAT_MS)
			text->period_ms = HEARTBEAT_MS;
	}
	describe_type(p);
	p->source.sent = &p->transmitter.sent;
	p->source.group =
		msg_name_group(o->topic, p->node->groups.count);
}

/* Where receivers of a reliable topic write to. */
static int connect_side(struct msg_publisher *p)
{
	struct msg_transmitter *t = &p->transmitter;
	struct msg_link_options options = {
		.memory = t->lender.pool.region.base,
		.memory_bytes = t->lender.pool.region.bytes,
		.beside = p->link,
	};
	uint32_t handle;
	int result;

	msg_repairer_link_options(t->repairer, &options);
	result = msg_node_link_open(p->node, &options, &p->side);
	if (result < 0)
		return result;
	result = msg_groups_join(&p->node->groups, p->side, p->source.group,
		MSG_LINK_JOIN_SEND, p->source.text.topic, &handle);
	if (result == 0)
		result = msg_repairer_start(t->repairer, p->side, handle);
	if (result == 0)
		p->source.repairer = t->repairer;
	return result;
}

/* Where they read large messages from.  Opened now and not with the first of
 * them: to find libfabric's providers takes a while. */
static int open_show(
	struct msg_publisher *p, const struct msg_publisher_options *o)
{
	struct msg_transmitter *t = &p->transmitter;
	struct msg_channels_options options = {
		.memory_bytes = MSG_SHOW_MEMORY_BYTES,
		.receive_count = 1,
		.send_count = 1,
		.connection_max = MSG_SHOW_CONNECTIONS_MAX,
		.listen = true,
	};
	struct msg_show_options show = {
		.bytes_max = o->large_bytes_max,
		.memory_bytes = o->large_memory_bytes,
		.young_ns = YOUNG_ROUND_TRIPS * t->options.rtt_ns,
		.tag = t->options.tag,
		.publisher = t->options.publisher,
	};
	int result = draw_incarnation(&show.first_serial);

	if (result == 0)
		result = msg_region_open(
			&p->channel_memory, MSG_SHOW_MEMORY_BYTES);
	options.memory = p->channel_memory.base;
	p->show = calloc(1, sizeof *p->show);
	if (!p->show)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for large messages");
	if (result == 0)
		result = msg_node_channels_open(p->node, &options, &p->channels);
	show.channels = p->channels;
	if (result == 0)
		result = msg_show_open(p->show, &show);
	if (result == 0)
		t->repairer->show = p->show;
	return result;
}

/* Where they read what was sent before.  Without it they ask for that. */
static int open_shelf(struct msg_publisher *p)
{
	struct msg_transmitter *t = &p->transmitter;
	struct msg_history_shelf_options options = {
		.channels = p->channels,
		.slots = t->lender.pool.region.base,
		.slots_bytes = t->lender.pool.region.bytes,
		.places = (uint32_t)t->history.mask + 1,
		.floor = t->history.first,
		.tag = t->options.tag,
		.publisher = t->options.publisher,
	};
	int result = msg_shelf_open(&p->shelf, &options);

	if (result < 0)
		return result;
	p->shelved = true;
	p->show->shelf = &p->shelf;
	msg_history_show(&t->history, &p->shelf);
	return 0;
}

static void close_show(struct msg_publisher *p)
{
	if (p->transmitter.repairer)
		p->transmitter.repairer->show = NULL;
	p->transmitter.history.shelf = NULL;
	if (p->shelved)
		msg_shelf_close(&p->shelf);
	p->shelved = false;
	if (p->show && p->show->channels)
		msg_show_close(p->show);
	if (p->channels)
		msg_node_channels_close(p->node, p->channels);
	msg_region_close(&p->channel_memory);
	free(p->show);
	p->show = NULL;
	p->channels = NULL;
}

/* Where that cannot be, they ask: it is no reason to fail. */
static void show_history(
	struct msg_publisher *p, const struct msg_publisher_options *o)
{
	int result = p->show ? 0 : open_show(p, o);

	if (result == 0)
		result = open_shelf(p);
	if (result == 0)
		return;
	msg_log(&p->node->log, MSG_LOG_WARNING, "history-unread",
		"the history of '%s' is asked for and not read: %s", o->topic,
		msg_trail_text());
	if (o->large_bytes_max == 0)
		close_show(p);
}

static void disconnect(struct msg_publisher *p)
{
	close_show(p);
	if (p->session) {
		msg_node_session_close(p->node, p->session);
		return;
	}
	if (p->side)
		msg_node_link_close(p->node, p->side);
	msg_node_link_close(p->node, p->link);
}

/* A connected topic: where receivers call, and what all of it goes by. */
static int connect_session(
	struct msg_publisher *p, const struct msg_publisher_options *o)
{
	struct msg_transmitter *t = &p->transmitter;
	struct msg_session_options options = {
		.memory = t->lender.pool.region.base,
		.memory_bytes = t->lender.pool.region.bytes,
		.stream_count = msg_transmitter_depth(t),
		.connection_max = CONNECTIONS_MAX,
	};
	int result;

	msg_repairer_session_options(t->repairer, &options);
	result = msg_node_session_open(p->node, &options, &p->session);
	if (result < 0)
		return result;
	result = msg_transmitter_start(
		t, msg_session_stream(p->session), MSG_SESSION_ALL);
	if (result == 0)
		result = msg_repairer_start_session(t->repairer, p->session);
	if (result == 0 && o->large_bytes_max > 0)
		result = open_show(p, o);
	if (result == 0 && msg_node_reads(p->node))
		show_history(p, o);
	if (result < 0)
		disconnect(p);
	p->source.repairer = t->repairer;
	p->source.text.connect = t->repairer->reach;
	return result;
}

static int connect_link(
	struct msg_publisher *p, const struct msg_publisher_options *o)
{
	struct msg_transmitter *t = &p->transmitter;
	struct msg_link_options options = {
		.memory = t->lender.pool.region.base,
		.memory_bytes = t->lender.pool.region.bytes,
		.send_count = msg_transmitter_depth(t),
	};
	uint32_t handle;
	int result = msg_node_link_open(p->node, &options, &p->link);

	if (result < 0)
		return result;
	result = msg_groups_join(&p->node->groups, p->link, p->source.group,
		MSG_LINK_JOIN_SEND, p->source.text.topic, &handle);
	if (result == 0)
		result = msg_transmitter_start(t, p->link, handle);
	if (result == 0 && t->repairer)
		result = connect_side(p);
	if (result == 0 && o->large_bytes_max > 0)
		result = open_show(p, o);
	if (result == 0 && t->repairer && msg_node_reads(p->node))
		show_history(p, o);
	if (result < 0)
		disconnect(p);
	return result;
}

/* What a reliable topic asks of its transmitter. */
static void keep(struct msg_publisher *p, const struct msg_publisher_options *o,
	struct msg_transmit_options *transmit)
{
	uint32_t heartbeat = p->node->announce_ms;

	p->repair_ns = o->linger_ms * MSG_NS_PER_MS;
	transmit->history_bytes = o->history_bytes;
	transmit->history_ns = o->history_ms * MSG_NS_PER_MS;
	transmit->receive_bytes = msg_node_receive_bytes(p->node);
	transmit->heartbeat_ms =
		heartbeat < HEARTBEAT_MS ? heartbeat : HEARTBEAT_MS;
	transmit->rtt_ns =
		p->node->domain->software ? RTT_SOFTWARE_NS : RTT_NS;
	transmit->flow = (enum msg_flow_policy)o->flow;
	transmit->flow_count = o->flow_count;
	transmit->give_up_ns = o->give_up_ms * MSG_NS_PER_MS;
	if (o->reliability != MSG_RELIABILITY_RC)
		return;
	transmit->connected = true;
	transmit->frame_bytes = MSG_CONNECTED_FRAME_BYTES;
	transmit->lone_bytes = connected_most(p, o);
}

static int open_on_lane(struct msg_publisher *p,
	const struct msg_publisher_options *o, uint64_t incarnation)
{
	struct msg_transmit_options transmit = {
		.frame_bytes = p->node->domain->frame_bytes,
		.message_bytes_max = o->message_bytes_max,
		.loan_count_max = o->loan_count_max,
		.tag = msg_name_tag(o->topic),
		.publisher = (uint32_t)incarnation,
		.incarnation = incarnation,
	};
	int result;

	if (o->reliability >= MSG_RELIABILITY_RELIABLE)
		keep(p, o, &transmit);
	describe(p, o, incarnation);
	result = msg_transmitter_open(&p->transmitter, &transmit);
	if (result < 0)
		return result;
	result = transmit.connected ? connect_session(p, o)
				    : connect_link(p, o);
	if (result < 0)
		goto fail;
	result = msg_announcer_add(
		&p->node->announcer, p->node->domain, &p->source);
	if (result == 0)
		return 0;
	disconnect(p);
fail:
	msg_transmitter_close(&p->transmitter);
	return result;
}

/* The same of the broker. */
static void keep_at_broker(struct msg_publisher *p,
	const struct msg_publisher_options *o,
	struct msg_publication_options *options)
{
	p->repair_ns = o->linger_ms * MSG_NS_PER_MS;
	options->reliability = o->reliability;
	options->flow = o->flow;
	options->flow_count = o->flow_count;
	options->history_bytes = o->history_bytes;
	options->history_ms = o->history_ms;
	options->give_up_ms = o->give_up_ms;
	options->linger_ms = o->linger_ms;
	options->large_bytes_max = (uint32_t)o->large_bytes_max;
	options->large_memory_bytes = o->large_memory_bytes;
}

static int open_on_broker(struct msg_publisher *p,
	const struct msg_publisher_options *o, uint64_t incarnation)
{
	struct msg_publication_options options = {
		.path = p->node->broker_path,
		.topic = o->topic,
		.incarnation = incarnation,
		.message_bytes_max = o->message_bytes_max,
		.loan_count_max = o->loan_count_max,
		.period_ms = p->node->announce_ms,
	};
	int result;

	if (o->reliability >= MSG_RELIABILITY_RELIABLE)
		keep_at_broker(p, o, &options);
	if (p->type) {
		options.type_name = p->type->name;
		options.type_encoding = p->type->encoding;
		options.type_hash = p->type->hash;
		options.schema = p->type->schema_bytes;
		options.schema_bytes = (uint32_t)p->type->schema_size;
	}
	p->publication = calloc(1, sizeof *p->publication);
	if (!p->publication)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	result = msg_publication_open(p->publication, &options);
	if (result < 0) {
		free(p->publication);
		return result;
	}
	msg_node_adopt(p->node);
	msg_attendant_add(&p->node->attendant, &p->publication->attended);
	return 0;
}

int msg_publisher_open(struct msg_node *node,
	const struct msg_publisher_options *options,
	struct msg_publisher **out)
{
	struct msg_publisher_options o;
	struct msg_publisher *p;
	uint64_t incarnation;
	int result;

	if (!node || !options || !out)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"node, options and publisher must not be NULL");
	result = msg_options_copy(
		&o, sizeof o, options, "MSG_PUBLISHER_OPTIONS");
	if (result == 0)
		result = complete(&o, node);
	if (result == 0)
		result = draw_incarnation(&incarnation);
	if (result < 0)
		return result;
	p = calloc(1, sizeof *p);
	if (!p)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	p->node = node;
	p->id = (uint32_t)incarnation;
	p->type = msg_schema_type_keep(o.type);
	result = msg_node_is_brokered(node)
			 ? open_on_broker(p, &o, incarnation)
			 : open_on_lane(p, &o, incarnation);
	if (result < 0) {
		msg_schema_type_drop(p->type);
		free(p);
		return result;
	}
	*out = p;
	return 0;
}

int msg_publisher_loan(
	struct msg_publisher *p, size_t bytes, struct msg_loan *loan)
{
	if (!p->publication)
		return msg_transmitter_lend(&p->transmitter, bytes, loan);
	return msg_publication_lend(p->publication, bytes, loan);
}

/* Apart, so that who sends to a broker saves no registers. */
static __attribute__((noinline)) int send_on_lane(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	int result = msg_transmitter_send(&p->transmitter, loan, bytes);

	msg_announcer_tick(&p->node->announcer);
	return result;
}

int msg_publisher_send(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	MSG_PROBE2(send, p->id, bytes);
	if (p->publication)
		return msg_publication_send(p->publication, loan, bytes);
	return send_on_lane(p, loan, bytes);
}

int msg_publisher_queue(
	struct msg_publisher *p, struct msg_loan *loan, size_t bytes)
{
	MSG_PROBE2(queue, p->id, bytes);
	if (!p->publication)
		return msg_transmitter_queue(&p->transmitter, loan, bytes);
	return msg_publication_queue(p->publication, loan, bytes);
}

int msg_publisher_flush(struct msg_publisher *p)
{
	int result;

	if (p->publication) {
		msg_publication_flush(p->publication);
		return 0;
	}
	result = msg_transmitter_flush(&p->transmitter);
	msg_announcer_tick(&p->node->announcer);
	return result;
}

void msg_publisher_abandon(struct msg_publisher *p, struct msg_loan *loan)
{
	if (p->publication)
		msg_publication_abandon(p->publication, loan);
	else
		msg_transmitter_abandon(&p->transmitter, loan);
}

int msg_publish(struct msg_publisher *p, const void *data, size_t bytes)
{
	struct msg_loan loan;
	int result;

	if (!data && bytes > 0)
		return -MSG_ERROR_ARGUMENT;
	result = msg_publisher_loan(p, bytes, &loan);
	if (result < 0)
		return result;
	if (bytes > 0)
		memcpy(loan.data, data, bytes);
	return msg_publisher_send(p, &loan, bytes);
}

uint64_t msg_publisher_id(const struct msg_publisher *p)
{
	return p->id;
}

uint64_t msg_publisher_counter(const struct msg_publisher *p, int index)
{
	const msg_counter_t *counters = p->publication
						? p->publication->counters
						: p->transmitter.counters;

	if (index < 0 || index >= MSG_COUNTER_COUNT)
		return 0;
	return msg_counter_get(&counters[index]);
}

int msg_publisher_close(struct msg_publisher *p)
{
	uint32_t loans;

	if (!p)
		return 0;
	loans = p->publication ? msg_publication_loans(p->publication)
			       : msg_lender_loans(&p->transmitter.lender);
	if (loans > 0)
		return msg_fail(MSG_ERROR_BUSY,
			"%u loans of '%s' are out; send or abandon them first",
			loans,
			p->publication ? p->publication->said.topic
				       : p->source.text.topic);
	if (p->publication) {
		msg_attendant_remove(
			&p->node->attendant, &p->publication->attended);
		msg_publication_close(p->publication,
			p->repair_ns > LINGER_NS ? p->repair_ns : LINGER_NS);
		free(p->publication);
		msg_node_release(p->node);
	} else {
		msg_transmitter_linger(&p->transmitter, LINGER_NS);
		if (p->side || p->session)
			msg_repairer_linger(
				p->transmitter.repairer, p->repair_ns);
		msg_announcer_remove(&p->node->announcer, &p->source,
			MSG_ANNOUNCER_GOODBYES);
		disconnect(p);
		msg_transmitter_close(&p->transmitter);
	}
	msg_schema_type_drop(p->type);
	free(p);
	return 0;
}
