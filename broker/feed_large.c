/* SPDX-License-Identifier: BSD-2-Clause */
/* feed_large.c - what a feed reads large messages with; see feed.h. */
#include <stdlib.h>

#include "broker/feed.h"
#include "broker/log.h"
#include "broker/network.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/trail.h"
#include "link/module.h"

/* Without a topic that anybody wants, memory goes after so long. */
#define REST_NS (10 * MSG_NS_PER_S)

static int open_area(struct feed *f, uint64_t bytes)
{
	int result = msg_shm_segment_create(&f->area, "msg-large",
		msg_large_area_bytes(bytes), MSG_SHM_SPARSE);

	return result < 0 ? result
			  : msg_shm_segment_seal(
				    &f->area, MSG_SHM_SEAL_READ_ONLY);
}

static int open_channels(struct feed *f)
{
	const struct msg_channel_module *module;
	struct msg_channels_options options = {
		.memory_bytes = MSG_PULL_MEMORY_BYTES,
		.receive_count = 1,
		.send_count = MSG_PULL_READS,
		.connection_max = MSG_PULL_ITEMS,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result = msg_link_module_channels(&module);

	if (result == 0)
		result = msg_region_open(
			&f->channel_memory, MSG_PULL_MEMORY_BYTES);
	if (result < 0)
		return result;
	options.memory = f->channel_memory.base;
	result = module->open(
		f->network->domain, &options, &f->channels, text);
	return result < 0 ? msg_fail(-result, "%s", text)
			  : server_watch_lane(f->server, f->channels->fd);
}

static int open_pull(struct feed *f, uint64_t bytes)
{
	struct msg_pull_options options = {
		.bytes_max = MSG_LARGE_TOTAL_MAX,
		.memory_bytes = bytes,
		.give_up_ns = MSG_NS_PER_S,
	};
	int result = open_area(f, bytes);

	if (result == 0)
		result = open_channels(f);
	if (result < 0)
		return result;
	f->pull = calloc(1, sizeof *f->pull);
	if (!f->pull)
		return msg_fail(
			MSG_ERROR_MEMORY, "no memory for large messages");
	if (options.bytes_max > bytes)
		options.bytes_max = bytes;
	options.channels = f->channels;
	options.memory = f->channel_memory.base;
	options.area.base = f->area.base;
	options.area.bytes = msg_large_area_bytes(bytes);
	msg_pull_open(f->pull, &options);
	f->receiver.pull = f->pull;
	return 0;
}

void feed_open_large(struct feed *f)
{
	uint64_t bytes = config_number(
		f->server->options.config, CONFIG_LARGE_BYTES);

	if (f->large_tried || bytes == 0)
		return;
	f->large_tried = true;
	if (open_pull(f, bytes) == 0)
		return;
	log_say(LOG_LARGE_REFUSED,
		"large messages of other hosts are lost: %s", msg_trail_text());
	feed_close_large(f);
}

uint64_t feed_due(const struct feed *f)
{
	return f->pull && f->idle_ns > 0 ? f->idle_ns + REST_NS : UINT64_MAX;
}

void feed_rest_large(struct feed *f, uint64_t now)
{
	if (now < feed_due(f))
		return;
	feed_close_large(f);
	f->large_tried = false;
}

void feed_close_large(struct feed *f)
{
	f->receiver.pull = NULL;
	if (f->pull)
		msg_pull_close(f->pull);
	if (f->channels)
		f->channels->ops->close(f->channels);
	msg_region_close(&f->channel_memory);
	msg_shm_segment_close(&f->area);
	free(f->pull);
	f->pull = NULL;
	f->channels = NULL;
}
