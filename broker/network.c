/* SPDX-License-Identifier: BSD-2-Clause */
/* network.c - the broker's lane, announcements both ways; see network.h. */
#include "broker/network.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker/log.h"

#include "base/clock.h"
#include "base/trail.h"
#include "link/module.h"
#include "protocol/frame.h"
#include "topic/announce.h"

#define PORT_DEFAULT 7400u
#define DIRECTORY_BUFFERS 256u

static int open_domain(struct network *n, const struct config *config)
{
	static const enum msg_lane lanes[] = {
		[CONFIG_LANE_DEFAULT] = MSG_LANE_DEFAULT,
		[CONFIG_LANE_VERBS] = MSG_LANE_VERBS,
		[CONFIG_LANE_UDP] = MSG_LANE_UDP,
	};
	uint32_t ttl = config_number(config, CONFIG_TTL);
	struct msg_link_domain_options options = {
		.lane = lanes[config_lane(config)],
		.interface = config_text(config, CONFIG_INTERFACE),
		.device = config_text(config, CONFIG_DEVICE),
		.frame_bytes = config_number(config, CONFIG_FRAME_BYTES),
		.ttl = ttl ? ttl : 1,
		.family = n->groups.first.ss_family,
	};
	const struct msg_link_domain_ops *ops;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_load(&ops);

	if (result < 0)
		return result;
	result = ops->open(&options, &n->domain, text);
	if (result < 0)
		return msg_fail(-result, "%s", text);
	log_say(LOG_LANE, "%s on %s: %s",
		n->domain->lane == MSG_LANE_VERBS ? "verbs" : "kernel UDP",
		n->domain->interface, n->domain->reason);
	return 0;
}

/* ---- the directory ----------------------------------------------------- */

static bool is_gone(const struct network *n, uint64_t incarnation)
{
	for (uint32_t i = 0; i < NETWORK_GONE_MAX && i < n->gone_count; i++)
		if (n->gone[i] == incarnation)
			return true;
	return false;
}

void network_forget(struct network *n, const struct msg_announcement *goodbye)
{
	n->gone[n->gone_count++ % NETWORK_GONE_MAX] = goodbye->incarnation;
	msg_roster_note(&n->roster, goodbye, msg_clock_ns());
}

static void announced(void *context, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes)
{
	struct network *n = context;
	struct msg_announcement said;
	uint64_t latest;

	if (!msg_announce_unpack(&said, body, bytes) ||
		said.publisher != frame->publisher) {
		msg_counter_add(
			&n->receiver.counters[MSG_COUNTER_MALFORMED], 1);
		return;
	}
	if (is_gone(n, said.incarnation))
		return;
	latest = n->roster.number;
	msg_roster_note(&n->roster, &said, msg_clock_ns());
	if (!said.closing)
		n->on_topic(n->context, said.topic);
	if (n->roster.number != latest && n->on_publisher)
		n->on_publisher(n->context, &said);
}

static int open_directory(struct network *n)
{
	struct msg_receive_options receive = {
		.frame_bytes = network_receive_bytes(n),
		.buffer_count = DIRECTORY_BUFFERS,
		.message_bytes_max = n->domain->frame_bytes,
		.publisher_count_max = 1,
		.topic_count_max = 1,
		.announce = announced,
		.announce_context = n,
	};
	struct msg_link_options options = {
		.receive_count = DIRECTORY_BUFFERS,
		.port = n->port,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_roster_open(&n->roster);

	if (result == 0)
		result = msg_receiver_open(&n->receiver, &receive);
	if (result < 0)
		return result;
	options.memory = n->receiver.pool.region.base;
	options.memory_bytes = n->receiver.pool.region.bytes;
	result = n->domain->ops->link_open(n->domain, &options, &n->link, text);
	if (result < 0)
		return msg_fail(-result, "%s", text);
	result = msg_receiver_start(&n->receiver, n->link);
	if (result < 0)
		return result;
	result = msg_groups_join(&n->groups, n->link, 0, MSG_LINK_JOIN_RECEIVE,
		"directory", &n->handle);
	n->joined = result == 0;
	return result;
}

int network_open(struct network *n, const struct config *config,
	network_topic_fn *on_topic, void *context)
{
	const char *groups = config_text(config, CONFIG_GROUPS);
	uint32_t port = config_number(config, CONFIG_PORT);
	int result;

	memset(n, 0, sizeof *n);
	n->on_topic = on_topic;
	n->context = context;
	n->port = (uint16_t)(port ? port : PORT_DEFAULT);
	gethostname(n->host, sizeof n->host - 1);
	snprintf(n->groups_text, sizeof n->groups_text, "%s",
		groups ? groups : MSG_GROUPS_DEFAULT);
	if (config_lane(config) == CONFIG_LANE_NONE)
		return 0;
	result = msg_groups_parse(&n->groups, n->groups_text, n->port);
	if (result == 0)
		result = open_domain(n, config);
	if (result == 0)
		result = msg_announcer_open(
			&n->announcer, &n->groups, false);
	/* types.c looks for questions, when their link wakes us. */
	n->announcer.answer_ns = 0;
	if (result == 0)
		result = open_directory(n);
	if (result < 0)
		network_close(n);
	return result;
}

void network_close(struct network *n)
{
	if (!n->domain)
		return;
	msg_announcer_close(&n->announcer);
	if (n->joined)
		n->link->ops->leave(n->link, n->handle);
	if (n->link)
		n->link->ops->close(n->link);
	msg_receiver_close(&n->receiver);
	msg_roster_close(&n->roster);
	n->domain->ops->close(n->domain);
	n->domain = NULL;
}

uint32_t network_receive_bytes(const struct network *n)
{
	uint32_t bytes = MSG_FRAME_HEADER_BYTES + MSG_ANNOUNCE_BYTES_MAX;

	if (bytes < n->domain->frame_bytes)
		bytes = n->domain->frame_bytes;
	if (bytes < n->domain->receive_bytes)
		bytes = n->domain->receive_bytes;
	return bytes;
}

int network_turn(struct network *n)
{
	if (!n->domain)
		return 0;
	msg_announcer_tick(&n->announcer);
	return msg_receiver_turn(&n->receiver);
}

int network_arm(struct network *n)
{
	return n->domain ? msg_receiver_arm(&n->receiver) : 0;
}

uint64_t network_due(const struct network *n)
{
	if (!n->domain)
		return UINT64_MAX;
	return atomic_load_explicit(&n->announcer.due, memory_order_relaxed);
}
