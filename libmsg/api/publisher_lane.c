/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publisher_lane.c - what a publisher straight on a lane stands on: its link, or its
 * session of an rc topic; the side where receivers report; where they read large
 * messages and history; and the announcement that says all that.
 *
 * Neighbours: publisher.c opens and closes it; puts engine/transmit, repairer, show
 * and shelf on links and channels of the node (node.h), and adds the publisher to
 * topic/announcer.
 */
#include "api/publisher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/trail.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "topic/name.h"

/* A reliable topic says so often how far it is, at least. */
#define HEARTBEAT_MS 100u
/* A round trip, before one was measured. */
#define RTT_NS (100 * MSG_NS_PER_US)
#define RTT_SOFTWARE_NS MSG_NS_PER_MS
/* Receivers of a connected topic. */
#define CONNECTIONS_MAX 128u
/* So long receivers have to say that they want a large message. */
#define YOUNG_ROUND_TRIPS 200u

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
	int result = publisher_draw(&show.first_serial);

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

int publisher_open_lane(struct msg_publisher *p,
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

void publisher_close_lane(struct msg_publisher *p)
{
	msg_transmitter_linger(&p->transmitter, PUBLISHER_LINGER_NS);
	if (p->side || p->session)
		msg_repairer_linger(
			p->transmitter.repairer, p->repair_ns);
	msg_announcer_remove(&p->node->announcer, &p->source,
		MSG_ANNOUNCER_GOODBYES);
	disconnect(p);
	msg_transmitter_close(&p->transmitter);
}
