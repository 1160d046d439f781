/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * node.c - opening a lane: options and environment in, a link domain out, or
 * none if the node stands on the broker (broker.c).  It decides nothing: the
 * choice of a lane is link/fabric's.
 */
#include "api/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/broker.h"
#include "api/options.h"
#include "base/trail.h"
#include "link/module.h"
#include "protocol/frame.h"

#define PORT_DEFAULT 7400
#define FRAME_BYTES_LEAST 256
#define ANNOUNCE_MS_DEFAULT 1000

static int take_lane(uint32_t *lane)
{
	const char *text = msg_options_text(NULL, "MSG_LANE");

	if (*lane > MSG_LANE_UDP)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"lane is %u; give MSG_LANE_VERBS, MSG_LANE_UDP or 0",
			*lane);
	if (*lane != MSG_LANE_DEFAULT || !text)
		return 0;
	if (strcmp(text, "verbs") == 0)
		*lane = MSG_LANE_VERBS;
	else if (strcmp(text, "udp") == 0)
		*lane = MSG_LANE_UDP;
	else
		return msg_fail(MSG_ERROR_ARGUMENT,
			"MSG_LANE='%s'; set it to verbs or udp, or unset it",
			text);
	return 0;
}

/* Check and complete; strings still belong to the caller.  `wish`: what was
 * asked for in so many words. */
static int complete(struct msg_node_options *o, struct msg_broker_wish *wish)
{
	int result;

	if (o->flags & ~(uint32_t)MSG_NODE_PROGRESS_THREAD)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"flags 0x%x hold a bit that means nothing; use "
			"enum msg_node_flags",
			o->flags);
	o->interface = msg_options_text(o->interface, "MSG_INTERFACE");
	o->device = msg_options_text(o->device, "MSG_DEVICE");
	o->groups = msg_options_text(o->groups, "MSG_GROUPS");
	result = take_lane(&o->lane);
	*wish = (struct msg_broker_wish){
		.interface = o->interface,
		.device = o->device,
		.groups = o->groups,
		.lane = o->lane,
		.port = o->port || msg_options_text(NULL, "MSG_PORT"),
	};
	if (!o->groups)
		o->groups = MSG_GROUPS_DEFAULT;
	if (result == 0)
		result = msg_options_number(&o->port, "port", "MSG_PORT",
			PORT_DEFAULT, 1, 65535);
	if (result == 0)
		result = msg_options_number(
			&o->ttl, "ttl", "MSG_TTL", 1, 1, 255);
	if (result == 0 && o->frame_bytes != 0)
		result = msg_options_number(&o->frame_bytes, "frame_bytes",
			NULL, 0, FRAME_BYTES_LEAST, MSG_FRAME_BYTES_MAX);
	if (result == 0 && o->announce_ms != 0)
		result = msg_options_number(&o->announce_ms, "announce_ms",
			NULL, 0, 10, 60000);
	if (wish->port)
		wish->port = o->port;
	return result;
}

static int open_lane(struct msg_node *node, const struct msg_node_options *o)
{
	struct msg_link_domain_options options = {
		.lane = (enum msg_lane)o->lane,
		.interface = o->interface,
		.device = o->device,
		.frame_bytes = o->frame_bytes,
		.ttl = o->ttl,
		.family = node->groups.first.ss_family,
	};
	const struct msg_link_domain_ops *ops;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_load(&ops);

	if (result < 0)
		return result;
	result = ops->open(&options, &node->domain, text);
	if (result < 0)
		return msg_fail(-result, "%s", text);
	return 0;
}

/* The lane, and who announces on it; `passed`: why not the broker, or "". */
static int stand_on_lane(struct msg_node *node, const struct msg_node_options *o,
	const char *passed)
{
	int result;

	if (node->announce_ms == 0)
		node->announce_ms = ANNOUNCE_MS_DEFAULT;
	result = open_lane(node, o);
	if (result < 0)
		return result;
	result = msg_announcer_open(&node->announcer, &node->groups,
		o->flags & MSG_NODE_PROGRESS_THREAD);
	if (result < 0) {
		node->domain->ops->close(node->domain);
		return result;
	}
	snprintf(node->reason, sizeof node->reason, "%.300s%s%s",
		node->domain->reason, *passed ? "; " : "", passed);
	msg_log(&node->log, MSG_LOG_INFO, "node-open", "%s on %s: %s",
		node->domain->lane == MSG_LANE_VERBS ? "verbs" : "kernel UDP",
		node->domain->interface, node->reason);
	return 0;
}

static int stand_on_broker(
	struct msg_node *node, const struct msg_node_options *o)
{
	if (node->announce_ms == 0)
		node->announce_ms = node->broker.publish_period_ms;
	node->port = (uint16_t)node->broker.port;
	snprintf(node->groups_text, sizeof node->groups_text, "%s",
		node->broker.groups);
	snprintf(node->reason, sizeof node->reason,
		"through the broker '%.64s' (pid %u)%s%.159s",
		node->broker.name, node->broker.pid,
		*node->broker.reason ? ": " : "", node->broker.reason);
	msg_log(&node->log, MSG_LOG_INFO, "node-open", "%s", node->reason);
	return msg_attendant_open(
		&node->attendant, o->flags & MSG_NODE_PROGRESS_THREAD);
}

int msg_node_open(
	const struct msg_node_options *options, struct msg_node **out)
{
	char passed[MSG_BROKER_PASSED_BYTES] = "";
	struct msg_broker_wish wish;
	struct msg_node_options o;
	struct msg_node *node;
	int result;

	if (!out)
		return msg_fail(MSG_ERROR_ARGUMENT, "node must not be NULL");
	result = msg_options_copy(
		&o, sizeof o, options, "MSG_NODE_OPTIONS");
	if (result == 0)
		result = complete(&o, &wish);
	if (result < 0)
		return result;
	node = calloc(1, sizeof *node);
	if (!node)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a node");
	node->port = (uint16_t)o.port;
	node->announce_ms = o.announce_ms;
	node->log = (struct msg_log){o.log, o.log_context};
	snprintf(node->groups_text, sizeof node->groups_text, "%s", o.groups);
	gethostname(node->host, sizeof node->host - 1);
	result = msg_groups_parse(&node->groups, o.groups, node->port);
	if (result == 0)
		result = msg_broker_find(&o, &wish, node->broker_path,
			&node->broker, passed);
	if (result == 0)
		result = stand_on_lane(node, &o, passed);
	else if (result > 0)
		result = stand_on_broker(node, &o);
	if (result < 0) {
		free(node);
		return result;
	}
	pthread_mutex_init(&node->lock, NULL);
	*out = node;
	return 0;
}

static void describe_broker(
	const struct msg_node *node, struct msg_node_info *info)
{
	*info = (struct msg_node_info){
		.lane = (enum msg_lane)node->broker.lane,
		.device = node->broker.device,
		.interface = node->broker.interface,
		.address = node->broker.address,
		.groups = node->groups_text,
		.reason = node->reason,
		.port = node->port,
		.frame_bytes = node->broker.frame_bytes,
		.broker = node->broker.name,
		.broker_pid = node->broker.pid,
	};
}

void msg_node_describe(const struct msg_node *node, struct msg_node_info *info)
{
	if (msg_node_is_brokered(node)) {
		describe_broker(node, info);
		return;
	}
	*info = (struct msg_node_info){
		.lane = node->domain->lane,
		.device = node->domain->device,
		.interface = node->domain->interface,
		.address = node->domain->address,
		.groups = node->groups_text,
		.reason = node->reason,
		.port = node->port,
		.frame_bytes = node->domain->frame_bytes,
		.broker = "",
	};
}

void msg_node_progress(struct msg_node *node)
{
	/* The broker announces for those who stand on it, while it is there. */
	if (msg_node_is_brokered(node)) {
		msg_attendant_turn(&node->attendant);
		return;
	}
	msg_announcer_tick(&node->announcer);
	msg_announcer_serve(&node->announcer);
}

int msg_node_close(struct msg_node *node)
{
	uint32_t children;

	if (!node)
		return 0;
	pthread_mutex_lock(&node->lock);
	children = node->children;
	pthread_mutex_unlock(&node->lock);
	if (children > 0)
		return msg_fail(MSG_ERROR_BUSY,
			"the node has %u open publishers, subscribers or "
			"directories; close them first",
			children);
	if (msg_node_is_brokered(node)) {
		msg_attendant_close(&node->attendant);
	} else {
		msg_announcer_close(&node->announcer);
		node->domain->ops->close(node->domain);
	}
	pthread_mutex_destroy(&node->lock);
	free(node);
	return 0;
}

void msg_node_adopt(struct msg_node *node)
{
	pthread_mutex_lock(&node->lock);
	node->children++;
	pthread_mutex_unlock(&node->lock);
}

void msg_node_release(struct msg_node *node)
{
	pthread_mutex_lock(&node->lock);
	node->children--;
	pthread_mutex_unlock(&node->lock);
}

uint32_t msg_node_receive_bytes(const struct msg_node *node)
{
	uint32_t bytes = MSG_FRAME_HEADER_BYTES + MSG_ANNOUNCE_BYTES_MAX;

	if (bytes < node->domain->frame_bytes)
		bytes = node->domain->frame_bytes;
	if (bytes < node->domain->receive_bytes)
		bytes = node->domain->receive_bytes;
	return bytes;
}

int msg_node_link_open(struct msg_node *node,
	const struct msg_link_options *options, struct msg_link **link)
{
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	pthread_mutex_lock(&node->lock);
	result = node->domain->ops->link_open(
		node->domain, options, link, text);
	if (result == 0)
		node->children++;
	pthread_mutex_unlock(&node->lock);
	return result < 0 ? msg_fail(-result, "%s", text) : 0;
}

void msg_node_link_close(struct msg_node *node, struct msg_link *link)
{
	pthread_mutex_lock(&node->lock);
	link->ops->close(link);
	node->children--;
	pthread_mutex_unlock(&node->lock);
}

int msg_node_session_open(struct msg_node *node,
	const struct msg_session_options *options,
	struct msg_session **session)
{
	const struct msg_channel_module *module;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_channels(&module);

	if (result < 0)
		return result;
	pthread_mutex_lock(&node->lock);
	result = msg_session_open(
		node->domain, module, options, session, text);
	if (result == 0)
		node->children++;
	pthread_mutex_unlock(&node->lock);
	return result < 0 ? msg_fail(-result, "%s", text) : 0;
}

void msg_node_session_close(struct msg_node *node, struct msg_session *session)
{
	pthread_mutex_lock(&node->lock);
	msg_session_close(session);
	node->children--;
	pthread_mutex_unlock(&node->lock);
}

int msg_node_channels_open(struct msg_node *node,
	const struct msg_channels_options *options,
	struct msg_channels **channels)
{
	const struct msg_channel_module *module;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_channels(&module);

	if (result < 0)
		return result;
	pthread_mutex_lock(&node->lock);
	result = module->open(node->domain, options, channels, text);
	if (result == 0)
		node->children++;
	pthread_mutex_unlock(&node->lock);
	return result < 0 ? msg_fail(-result, "%s", text) : 0;
}

void msg_node_channels_close(struct msg_node *node, struct msg_channels *channels)
{
	pthread_mutex_lock(&node->lock);
	channels->ops->close(channels);
	node->children--;
	pthread_mutex_unlock(&node->lock);
}
