/* SPDX-License-Identifier: BSD-2-Clause */
/* publisher.c - local publishers come and go; see relay.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/client.h"
#include "broker/keep_large.h"
#include "broker/keep_show.h"
#include "broker/log.h"
#include "broker/relay.h"
#include "broker/server_internal.h"
#include "broker/types.h"

#include "base/clock.h"
#include "base/trail.h"
#include "link/module.h"
#include "pool/transmit.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/greeting.h"
#include "protocol/pack.h"
#include "topic/name.h"

/* Frames in flight of one publisher, and so of large messages. */
#define FLIGHT KEEP_LARGE_HEADERS
#define HEADER_STRIDE 64u
/* A ring takes messages that need no slot as well, so it has more entries. */
#define ENTRIES_MIN 4096u
/* Entries that a publisher retains where there is no network. */
#define RETAIN_MAX (MSG_CONTROL_ENTRIES_MAX / 4)
/* Without a network: as on loopback. */
#define FRAME_BYTES_LOCAL 16384u
/* One that was thrown out may be back by then, and goes on. */
#define RETURN_NS MSG_NS_PER_S
/* Of a reliable one, receivers hear first how far it came: one that came back just
 * to say goodbye has lost what there was no broker for. */
#define HEAR_NS (10 * MSG_NS_PER_MS)
/* Turns in which one that is replaced sends what is there. */
#define REST_TURNS 256u
/* Hosts that are connected to a publisher. */
#define CONNECTIONS_MAX 128u
/* One that is connected to is announced so often, at least. */
#define CONNECTED_MS 100u

static bool is_reliable(const struct msg_control_publish *wish)
{
	return wish->reliability == MSG_RELIABILITY_RELIABLE ||
	       wish->reliability == MSG_RELIABILITY_RC;
}

/* What is of reliable topics only, and what must go together. */
static int check(const struct msg_control_publish *wish)
{
	if (!is_reliable(wish) && (wish->flow || wish->history_bytes))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%s is set, but the topic is best effort",
			wish->flow ? "flow" : "history_bytes");
	if ((wish->flow == MSG_FLOW_K_OF_N) != (wish->flow_count > 0))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"flow is %u, and flow_count %u", wish->flow,
			wish->flow_count);
	if (wish->large_bytes_max > 0 && !is_reliable(wish))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"large_bytes_max is set, but the topic is best effort");
	if ((wish->large_memory_bytes > 0) != (wish->large_bytes_max > 0) ||
		wish->large_memory_bytes < wish->large_bytes_max)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"large_bytes_max is %u, and large_memory_bytes %llu",
			wish->large_bytes_max,
			(unsigned long long)wish->large_memory_bytes);
	return 0;
}

/* What is kept of a reliable topic needs memory beside the loans, and places in
 * the ring beside those of what is new. */
static void shape_history(
	struct publisher *p, const struct msg_control_publish *wish)
{
	struct msg_control_publishing *shape = &p->shape;
	uint32_t parts = 1;

	if (wish->message_bytes_max > p->lone_max)
		parts = msg_fragment_count(wish->message_bytes_max, p->part_max);
	p->limits = keep_limits(wish->history_bytes, shape->slot_bytes,
		wish->loan_count_max, parts);
	/* One is taken before the oldest is given back. */
	p->history_slots = p->limits.slots + 1;
	shape->slot_count += p->history_slots;
	shape->keep_max = p->limits.entries + FLIGHT + 1;
	while (shape->entry_count < 2 * shape->keep_max)
		shape->entry_count *= 2;
}

/* Without a network there is no relay that keeps anything: its own process does,
 * for who comes late. */
static void shape_retained(
	struct publisher *p, const struct msg_control_publish *wish)
{
	struct msg_control_publishing *shape = &p->shape;
	struct keep_limits limits = keep_limits(wish->history_bytes,
		shape->slot_bytes, wish->loan_count_max, 1);

	shape->retain = limits.slots < RETAIN_MAX ? limits.slots : RETAIN_MAX;
	p->history_slots = shape->retain + 1;
	shape->slot_count += p->history_slots;
	while (shape->entry_count / 4 < shape->retain)
		shape->entry_count *= 2;
}

/* What its memory looks like, by what it asked for. */
static void shape_memory(
	struct publisher *p, const struct msg_control_publish *wish)
{
	uint32_t frame = p->server->network.domain
				 ? p->server->network.domain->frame_bytes
				 : FRAME_BYTES_LOCAL;
	uint32_t entries = ENTRIES_MIN;
	uint32_t payload;

	if (p->connected)
		frame = MSG_CONNECTED_FRAME_BYTES;
	p->body_max = frame - MSG_FRAME_HEADER_BYTES;
	if (p->connected)
		frame = msg_connected_frame_most(
			p->server->network.domain->lane == MSG_LANE_VERBS,
			wish->message_bytes_max);
	p->lone_max = frame - MSG_FRAME_HEADER_BYTES;
	p->part_max = (p->lone_max - MSG_FRAGMENT_HEADER_BYTES) & ~63u;
	payload = wish->message_bytes_max > p->body_max
			  ? wish->message_bytes_max
			  : p->body_max;
	while (entries < wish->loan_count_max)
		entries *= 2;
	p->shape = (struct msg_control_publishing){
		.slot_count = wish->loan_count_max,
		.payload_bytes = (payload + 7) & ~7u,
		.entry_count = entries,
		.frame_body_max = p->body_max,
	};
	p->shape.slot_bytes = (uint32_t)msg_region_stride(
		MSG_TRANSMIT_PAYLOAD + p->shape.payload_bytes +
		MSG_PACK_TABLE_BYTES_MAX);
	if (wish->large_bytes_max > 0)
		p->shape.large_bytes =
			msg_large_area_bytes(wish->large_memory_bytes);
	if (!is_reliable(wish))
		return;
	if (p->server->network.domain)
		shape_history(p, wish);
	else
		shape_retained(p, wish);
}

/* The schema that was said is the publisher's from here on, and its charge. */
static void take_type(
	struct publisher *p, const struct msg_control_publish *wish)
{
	struct msg_announced_type *type = &p->source.text.type;
	struct client_schema *schema = &p->client->schema;

	if (schema->bytes == 0)
		return;
	snprintf(type->name, sizeof type->name, "%s", wish->type_name);
	type->encoding = wish->type_encoding;
	type->hash = wish->type_hash;
	p->source.schema = p->schema = schema->data;
	p->source.schema_bytes = schema->bytes;
	p->bytes_charged += schema->bytes;
	memset(schema, 0, sizeof *schema);
}

static void describe(
	struct publisher *p, const struct msg_control_publish *wish)
{
	struct msg_announcement *text = &p->source.text;
	const struct server *server = p->server;

	snprintf(text->topic, sizeof text->topic, "%s", wish->topic);
	snprintf(text->host, sizeof text->host, "%s", server->network.host);
	snprintf(text->program, sizeof text->program, "%.63s",
		p->client->peer.program);
	text->incarnation = wish->incarnation;
	text->publisher = (uint32_t)wish->incarnation;
	text->pid = (uint32_t)p->client->peer.pid;
	text->uid = p->client->peer.uid;
	text->message_bytes_max = wish->message_bytes_max;
	text->frame_bytes = p->lone_max + MSG_FRAME_HEADER_BYTES;
	text->period_ms = wish->period_ms;
	text->reliable = is_reliable(wish);
	take_type(p, wish);
	if (p->connected)
		text->give_up_ms = wish->give_up_ms;
	/* Nobody can connect before he has heard it. */
	if (p->connected && text->period_ms > CONNECTED_MS)
		text->period_ms = CONNECTED_MS;
	p->source.sent = &p->sent;
	if (server->network.domain)
		p->source.group = msg_name_group(
			wish->topic, server->network.groups.count);
	p->comes_back = wish->session > 0;
	p->sequence = wish->next_sequence;
	atomic_init(&p->sent, wish->next_sequence);
}

static bool id_is_taken(const struct server *server, uint32_t id)
{
	for (const struct publisher *p = server->publishers; p; p = p->next)
		if (p->source.text.publisher == id && p->client)
			return true;
	return false;
}

/* One that we threw out and that is back goes on under its name, with other
 * numbers: what it was before sends what is there, and is no more. */
static void replace(struct server *server, uint32_t id)
{
	struct publisher *next;

	for (struct publisher *p = server->publishers; p; p = next) {
		next = p->next;
		if (p->source.text.publisher != id || p->client)
			continue;
		for (uint32_t i = 0; i < REST_TURNS && publisher_turn(p) > 0; i++)
			;
		/* No goodbye: it stays. */
		if (p->announced)
			msg_announcer_remove(&server->network.announcer,
				&p->source, 0);
		p->announced = false;
		publisher_close(p);
	}
}

static int make_memory(struct publisher *p, const char *topic)
{
	uint64_t bytes = (uint64_t)p->shape.slot_bytes * p->shape.slot_count;
	uint64_t charge = bytes + msg_ring_bytes(p->shape.entry_count) +
			  p->shape.large_bytes;
	int result;

	if (p->limits.slots > 0)
		charge += keep_bytes(&p->limits,
			network_receive_bytes(&p->server->network));
	if (p->limits.slots > 0 && keep_show_may(p))
		charge += keep_show_bytes(
			p->limits.frames, p->shape.large_bytes > 0);
	result = account_charge(p->server->accounts, p->client->peer.uid,
		ACCOUNT_BYTES, charge);
	if (result < 0)
		return result;
	p->bytes_charged += charge;
	result = msg_shm_segment_create(
		&p->pool, "msg-publisher", bytes, MSG_SHM_HUGE);
	if (result == 0 && p->shape.large_bytes > 0)
		result = msg_shm_segment_create(&p->area, "msg-large",
			p->shape.large_bytes, MSG_SHM_SPARSE);
	if (result == 0)
		result = stream_open(&p->stream, &p->server->streams, topic,
			p->shape.entry_count);
	if (result < 0)
		return result;
	p->stream->local = true;
	p->stream->publisher = p->source.text.publisher;
	p->stream->owner = p->client;
	p->stream->pool = &p->pool;
	p->stream->area = p->area.base ? &p->area : NULL;
	p->stream->acl_class = acl_class(
		&p->server->options.config->acl, topic);
	return 0;
}

static void limit_flight(struct publisher *p)
{
	while (p->flight_mask > 0 && p->flight_mask >= p->lane->send_count)
		p->flight_mask /= 2;
}

static int open_session(struct publisher *p)
{
	struct msg_repairer *repairer = &p->keep->repairer;
	const struct msg_channel_module *module;
	struct msg_session_options options = {
		.memory = p->pool.base,
		.memory_bytes = p->pool.bytes,
		.stream_count = FLIGHT,
		.connection_max = CONNECTIONS_MAX,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_channels(&module);

	if (result < 0)
		return result;
	msg_repairer_session_options(repairer, &options);
	options.headers = p->headers.base;
	options.headers_bytes = p->headers.bytes;
	result = msg_session_open(p->server->network.domain, module, &options,
		&p->session, text);
	if (result < 0)
		return msg_fail(-result,
			"the broker has no connections for it: %s", text);
	p->lane = msg_session_stream(p->session);
	p->keep->side = msg_session_side(p->session);
	p->group = MSG_SESSION_ALL;
	limit_flight(p);
	result = msg_repairer_start_session(repairer, p->session);
	p->source.text.connect = repairer->reach;
	return result < 0 ? result
			  : server_watch_lane(p->server, p->keep->side->fd);
}

static int open_lane(struct publisher *p)
{
	struct network *n = &p->server->network;
	struct msg_link_options options = {
		.memory = p->pool.base,
		.memory_bytes = p->pool.bytes,
		.send_count = FLIGHT,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	size_t aside = p->connected
			       ? msg_repairer_bytes(network_receive_bytes(n))
			       : 0;
	size_t large = p->area.base ? KEEP_LARGE_HEADERS * KEEP_LARGE_HEADER : 0;
	int result = msg_region_open(
		&p->headers, FLIGHT * HEADER_STRIDE + large + aside);

	if (result < 0)
		return result;
	p->flight = calloc(FLIGHT, sizeof *p->flight);
	if (!p->flight)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	p->flight_mask = FLIGHT - 1;
	p->large_headers = p->headers.base + FLIGHT * HEADER_STRIDE;
	p->aside = p->large_headers + large;
	/* What is kept opens what it is sent by. */
	if (p->connected)
		return 0;
	options.headers = p->headers.base;
	options.headers_bytes = p->headers.bytes;
	result = n->domain->ops->link_open(n->domain, &options, &p->lane, text);
	/* Whoever asked reads this, and the limits are not his. */
	if (result < 0)
		return msg_fail(-result, "the broker has no lane for it: %s",
			text);
	limit_flight(p);
	return msg_groups_join(&n->groups, p->lane, p->source.group,
		MSG_LINK_JOIN_SEND, p->source.text.topic, &p->group);
}

int publisher_open(struct client *client,
	const struct msg_control_publish *wish, struct publisher **out)
{
	struct server *server = client->server;
	struct publisher *p;
	int result = check(wish);

	if (result < 0)
		return result;
	if ((uint32_t)wish->incarnation == 0 ||
		id_is_taken(server, (uint32_t)wish->incarnation))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"incarnation %llx is 0 or taken; draw another",
			(unsigned long long)wish->incarnation);
	replace(server, (uint32_t)wish->incarnation);
	p = calloc(1, sizeof *p);
	if (!p)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a publisher");
	p->server = server;
	p->client = client;
	p->uid = client->peer.uid;
	p->pool = p->area = (struct msg_shm_segment)MSG_SHM_SEGMENT;
	p->reader_index = -1;
	p->number = ++server->publisher_number;
	p->next = server->publishers;
	p->link = &server->publishers;
	if (p->next)
		p->next->link = &p->next;
	server->publishers = p;
	p->rc = wish->reliability == MSG_RELIABILITY_RC;
	p->flow = wish->flow;
	p->connected = p->rc && server->network.domain;
	shape_memory(p, wish);
	describe(p, wish);
	result = make_memory(p, wish->topic);
	if (result == 0 && server->network.domain)
		result = open_lane(p);
	if (result == 0 && p->limits.slots > 0)
		result = keep_open(p, wish);
	if (result == 0 && p->connected)
		result = open_session(p);
	if (result < 0) {
		publisher_close(p);
		return result;
	}
	*out = p;
	return 0;
}

/* Our own part in its ring, if there is a network to send to. */
static int start_relay(struct publisher *p)
{
	struct stream *s = p->stream;

	if (!p->server->network.domain)
		return 0;
	p->reader_index = stream_add_reader(s, NULL,
		p->keep ? p->shape.keep_max : s->entry_count / 2,
		MSG_CONTROL_BLOCK, 0);
	if (p->reader_index < 0)
		return p->reader_index;
	msg_ring_reader_open(&p->reader,
		(const struct msg_ring_header *)s->ring.base, s->entry_count,
		(struct msg_ring_ledger *)s->readers[p->reader_index]
			.ledger.base,
		(uint32_t)p->reader_index, 0);
	return 0;
}

int publisher_start(struct publisher *p)
{
	static const struct msg_control started = {.kind = MSG_CONTROL_STARTED};
	struct server *server = p->server;
	struct feed *feed = server->network.domain
				    ? server->feeds[p->stream->acl_class]
				    : NULL;
	int result;

	result = msg_shm_segment_seal(&p->pool, MSG_SHM_SEAL_READ_ONLY);
	if (result == 0 && p->area.base)
		result = msg_shm_segment_seal(&p->area, MSG_SHM_SEAL_READ_ONLY);
	if (result == 0)
		result = msg_shm_segment_seal(
			&p->stream->ring, MSG_SHM_SEAL_READ_ONLY);
	/* What comes back of it by the network is here already. */
	if (result == 0 && feed &&
		!msg_receiver_ignore(&feed->receiver,
			p->source.text.publisher, true))
		result = msg_fail(MSG_ERROR_BUSY,
			"%u publishers are here already, the most a broker "
			"takes; stop some",
			MSG_RECEIVE_IGNORED_MAX);
	if (result == 0)
		result = start_relay(p);
	if (result == 0 && server->network.domain) {
		result = msg_announcer_add(&server->network.announcer,
			server->network.domain, &p->source);
		p->announced = result == 0;
	}
	if (result == 0)
		result = types_watch(server);
	if (result < 0)
		return result;
	/* How many called the last broker nobody knows. */
	if (p->connected && p->comes_back)
		p->back_ns = msg_clock_coarse_ns() + p->keep->linger_ns;
	server_offer(server, p->stream);
	client_say(p->client, &started, NULL, 0);
	return 0;
}

void publisher_bye(struct publisher *p, uint64_t end)
{
	p->stream->left = true;
	p->end = end;
}

void publisher_gone(struct publisher *p)
{
	p->client = NULL;
	p->stream->owner = NULL;
	server_drop_readers(p->server, p->stream);
	p->gone_ns = msg_clock_coarse_ns();
	p->free_ns = p->gone_ns;
	if (!p->stream->left)
		p->free_ns += RETURN_NS;
	else if (p->keep)
		p->free_ns += HEAR_NS;
}

void publisher_say_goodbye(struct publisher *p)
{
	struct network *n = &p->server->network;

	if (!p->announced)
		return;
	msg_announcer_remove(&n->announcer, &p->source, 1);
	network_forget(n, &p->source.text);
	p->announced = false;
}

void publisher_close(struct publisher *p)
{
	struct server *server = p->server;

	publisher_say_goodbye(p);
	if (p->session) {
		msg_session_close(p->session);
		p->lane = p->keep->side = NULL;
	}
	keep_close(p);
	if (p->lane)
		p->lane->ops->close(p->lane);
	if (p->stream) {
		if (server->network.domain)
			msg_receiver_ignore(
				&server->feeds[p->stream->acl_class]->receiver,
				p->source.text.publisher, false);
		server_drop_readers(server, p->stream);
		stream_close(p->stream);
	}
	if (p->bytes_charged > 0)
		account_release(server->accounts, p->uid, ACCOUNT_BYTES,
			p->bytes_charged);
	free(p->schema);
	free(p->flight);
	msg_region_close(&p->headers);
	msg_shm_segment_close(&p->pool);
	msg_shm_segment_close(&p->area);
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	free(p);
}
