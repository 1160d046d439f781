/* SPDX-License-Identifier: BSD-2-Clause */
/* rc_channel.c - the same connection by link/channel.h, through the module. */
#include <stdio.h>
#include <string.h>

#include "base/trail.h"
#include "link/module.h"
#include "rc.h"

static struct {
	struct msg_link_domain *domain;
	struct msg_channels *set;
	uint8_t *memory;
	uint32_t handle;
} channel;

static void check(int result, const char *what)
{
	if (result < 0)
		fprintf(stderr, "%s\n", msg_trail_text());
	rc_check(result < 0, what, 0);
}

static void channel_open(
	const char *device, bool listen, struct rc_address *self)
{
	struct msg_link_domain_options where = {
		.lane = device ? MSG_LANE_VERBS : MSG_LANE_UDP,
		.device = device,
		.ttl = 1,
		.family = AF_INET,
	};
	struct msg_channels_options options = {
		.memory = rc_memory(),
		.memory_bytes = 2ul * RC_WINDOW * RC_BYTES_MAX,
		.receive_count = RC_WINDOW,
		.send_count = RC_WINDOW,
		.connection_max = 4,
		.listen = listen,
	};
	const struct msg_link_domain_ops *ops;
	const struct msg_channel_module *module;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	check(msg_link_module_load(&ops), "msg_link_module_load");
	check(msg_link_module_channels(&module), "msg_link_module_channels");
	result = ops->open(&where, &channel.domain, text);
	if (result == 0)
		result = module->open(
			channel.domain, &options, &channel.set, text);
	rc_check(result < 0, text, 0);
	channel.memory = options.memory;
	for (uint32_t i = 0; i < RC_WINDOW; i++)
		check(channel.set->ops->post(channel.set,
			      channel.memory + (size_t)i * RC_BYTES_MAX,
			      RC_BYTES_MAX, i), "post");
	if (!listen)
		return;
	result = channel.set->ops->name(channel.set, self->bytes);
	check(result, "name");
	self->length = (uint32_t)result;
}

static struct msg_channel_event wait_event(uint32_t type)
{
	struct msg_channel_event event;
	int n;

	while ((n = channel.set->ops->poll(channel.set, &event, 1)) == 0)
		;
	rc_check(n < 0 || event.type != type, "event", event.error);
	return event;
}

static void channel_connect(const struct rc_address *address)
{
	check(channel.set->ops->connect(channel.set, address->bytes,
		      address->length, NULL, 0, &channel.handle), "connect");
	wait_event(MSG_CHANNEL_CONNECTED);
}

static void channel_accept(void)
{
	channel.handle = wait_event(MSG_CHANNEL_ASKED).handle;
	check(channel.set->ops->accept(channel.set, channel.handle, NULL, 0),
		"accept");
	wait_event(MSG_CHANNEL_CONNECTED);
}

static bool channel_send(uint32_t slot, uint32_t bytes)
{
	struct msg_channel_send send = {
		.iov = {{channel.memory +
				 (size_t)(RC_WINDOW + slot) * RC_BYTES_MAX,
			bytes}},
		.iov_count = 1,
		.handle = channel.handle,
		.token = slot,
		.signal = true,
	};
	int result = channel.set->ops->send(channel.set, &send);

	if (result != -MSG_ERROR_AGAIN)
		check(result, "send");
	return result == 0;
}

static void channel_poll(struct rc_found *found)
{
	struct msg_channel_event events[16];
	int n = channel.set->ops->poll(channel.set, events, 16);

	check(n, "poll");
	for (int i = 0; i < n; i++) {
		uint32_t slot = events[i].token;

		if (events[i].type == MSG_CHANNEL_SENT) {
			found->sent++;
			continue;
		}
		rc_check(events[i].type != MSG_CHANNEL_RECEIVED, "event",
			events[i].error);
		found->received++;
		check(channel.set->ops->post(channel.set,
			      channel.memory + (size_t)slot * RC_BYTES_MAX,
			      RC_BYTES_MAX, slot), "post");
	}
}

static void channel_close(void)
{
	channel.set->ops->close(channel.set);
	channel.domain->ops->close(channel.domain);
}

const struct rc_way rc_channel = {
	.name = "channel",
	.open = channel_open,
	.connect = channel_connect,
	.accept = channel_accept,
	.send = channel_send,
	.poll = channel_poll,
	.close = channel_close,
};
