/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * directory.c - listening to the directory's group: a subscriber that accepts
 * no topic, and a roster of what is announced.  On a broker's host that is the
 * broker's business, and it is asked.
 */
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "api/directory.h"
#include "api/node.h"
#include "api/wait.h"
#include "base/trail.h"
#include "topic/announce.h"
#include "topic/name.h"

#define BUFFER_COUNT 256u

static void announced(void *context, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes)
{
	struct msg_directory *d = context;
	struct msg_announcement said;

	if (!msg_announce_unpack(&said, body, bytes) ||
		said.publisher != frame->publisher) {
		msg_counter_add(
			&d->direct.receiver.counters[MSG_COUNTER_MALFORMED], 1);
		return;
	}
	if (msg_name_match(d->pattern, said.topic) &&
		msg_roster_note(&d->roster, &said, msg_clock_ns()))
		d->news = true;
}

static void close_rooms(struct msg_directory *d)
{
	if (d->brokered) {
		msg_watch_close(&d->watch);
		msg_node_release(d->node);
		free(d);
		return;
	}
	if (d->joined)
		d->link->ops->leave(d->link, d->handle);
	if (d->link)
		msg_node_link_close(d->node, d->link);
	msg_direct_close(&d->direct);
	msg_roster_close(&d->roster);
	free(d);
}

static int open_on_broker(struct msg_directory *d)
{
	d->brokered = true;
	msg_node_adopt(d->node);
	return msg_watch_open(&d->watch, d->node->broker_path, d->pattern);
}

static int open_on_lane(struct msg_directory *d)
{
	struct msg_receive_options receive = {
		.frame_bytes = msg_node_receive_bytes(d->node),
		.buffer_count = BUFFER_COUNT,
		.message_bytes_max = d->node->domain->frame_bytes,
		.publisher_count_max = 1,
		.topic_count_max = 1,
		.announce = announced,
		.announce_context = d,
	};
	struct msg_link_options options = {
		.receive_count = BUFFER_COUNT,
		.port = d->node->port,
	};
	int result = msg_roster_open(&d->roster);

	if (result == 0)
		result = msg_direct_open(&d->direct, &receive);
	if (result < 0)
		return result;
	options.memory = d->direct.receiver.pool.region.base;
	options.memory_bytes = d->direct.receiver.pool.region.bytes;
	result = msg_node_link_open(d->node, &options, &d->link);
	if (result == 0)
		result = msg_receiver_start(&d->direct.receiver, d->link);
	if (result < 0)
		return result;
	result = msg_groups_join(&d->node->groups, d->link, 0,
		MSG_LINK_JOIN_RECEIVE, "directory", &d->handle);
	d->joined = result == 0;
	return result;
}

int msg_directory_open(struct msg_node *node, const char *pattern,
	struct msg_directory **out)
{
	struct msg_directory *d;
	int result;

	if (!node || !out)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"node and directory must not be NULL");
	if (!pattern)
		pattern = ">";
	result = msg_name_check_pattern(pattern);
	if (result < 0)
		return result;
	d = calloc(1, sizeof *d);
	if (!d)
		return msg_fail(MSG_ERROR_MEMORY, "no memory for a directory");
	d->node = node;
	memcpy(d->pattern, pattern, strlen(pattern));
	result = msg_node_is_brokered(node) ? open_on_broker(d)
					    : open_on_lane(d);
	if (result < 0) {
		close_rooms(d);
		return result;
	}
	*out = d;
	return 0;
}

int msg_directory_read(struct msg_directory *d, int64_t timeout_ns,
	struct msg_topic_info *infos, int count)
{
	uint64_t deadline = msg_wait_deadline(timeout_ns);
	int result = 0;

	if (!d || count < 0 || (count > 0 && !infos))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"directory and infos must not be NULL, nor count below 0");
	if (d->brokered)
		return msg_watch_read(&d->watch, deadline, infos, count);
	d->news = false;
	while (!d->news && result == 0) {
		result = msg_direct_progress(&d->direct);
		if (result == 0 && !d->news)
			result = msg_direct_wait(&d->direct, deadline, 0);
		/* Frames of topics may share the group and keep coming. */
		if (msg_clock_ns() >= deadline)
			break;
	}
	if (result < 0 && result != -MSG_ERROR_TIMEOUT)
		return result;
	return msg_roster_read(&d->roster, msg_clock_ns(), infos, count);
}

int msg_directory_close(struct msg_directory *d)
{
	if (d)
		close_rooms(d);
	return 0;
}
