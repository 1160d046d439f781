/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rc_channel.c - by link/channel.h, through the module: one connection for both ways;
 * and one each way, of sets of their own, which is what a pair of topics has: what
 * topics take beyond that is the protocol's.
 */
#include <stdio.h>
#include <string.h>

#include "base/trail.h"
#include "link/module.h"
#include "rc.h"

/* With less under way than half of what may be, what has left is looked for so
 * seldom, in looks for messages that found none. */
#define LOOKS_IN_VAIN 64u

/* One set with its connection. */
struct end {
	struct msg_link_domain *domain;
	struct msg_channels *set;
	uint8_t *memory;
	uint32_t handle;
};

struct channels {
	struct end ends[2]; /* Out and in; or one for both ways. */
	struct end *out, *in;
	uint32_t end_count;
	uint32_t under_way;
	uint32_t looks;
};

static void check(int result, const char *what)
{
	if (result < 0)
		fprintf(stderr, "%s\n", msg_trail_text());
	rc_check(result < 0, what, 0);
}

static void open_set(struct end *end, const char *device, bool listen)
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
	result = ops->open(&where, &end->domain, text);
	if (result == 0)
		result = module->open(end->domain, &options, &end->set, text);
	rc_check(result < 0, text, 0);
	end->memory = options.memory;
}

static void post(struct end *end, uint32_t slot)
{
	check(end->set->ops->post(end->set,
		      end->memory + (size_t)slot * RC_BYTES_MAX, RC_BYTES_MAX,
		      slot), "post");
}

_Static_assert(2 * MSG_CHANNEL_REACH_BYTES_MAX <= RC_ADDRESS_BYTES,
	"there is room for two addresses");

/* Whoever listens has both ends listen. */
static void channels_open(struct channels *c, const char *device, bool listen,
	struct rc_address *self)
{
	c->out = &c->ends[listen ? c->end_count - 1 : 0];
	c->in = &c->ends[listen ? 0 : c->end_count - 1];
	for (uint32_t i = 0; i < c->end_count; i++) {
		struct end *end = &c->ends[i];
		int result;

		open_set(end, device, listen);
		if (!listen)
			continue;
		result = end->set->ops->name(end->set,
			self->bytes + (size_t)i * MSG_CHANNEL_REACH_BYTES_MAX);
		check(result, "name");
		self->length = (uint32_t)result;
	}
	for (uint32_t i = 0; i < RC_WINDOW; i++)
		post(c->in, i);
}

static struct msg_channel_event wait_event(const struct end *end, uint32_t type)
{
	struct msg_channel_event event;
	int n;

	while ((n = end->set->ops->poll(end->set, &event, 1)) == 0)
		;
	rc_check(n < 0 || event.type != type, "event", event.error);
	return event;
}

static void channels_connect(struct channels *c, const struct rc_address *address)
{
	for (uint32_t i = 0; i < c->end_count; i++) {
		struct end *end = &c->ends[i];

		check(end->set->ops->connect(end->set,
			      address->bytes +
				      (size_t)i * MSG_CHANNEL_REACH_BYTES_MAX,
			      address->length, NULL, 0, &end->handle),
			"connect");
		wait_event(end, MSG_CHANNEL_CONNECTED);
	}
}

static void channels_accept(struct channels *c)
{
	for (uint32_t i = 0; i < c->end_count; i++) {
		struct end *end = &c->ends[i];

		end->handle = wait_event(end, MSG_CHANNEL_ASKED).handle;
		check(end->set->ops->accept(end->set, end->handle, NULL, 0),
			"accept");
		wait_event(end, MSG_CHANNEL_CONNECTED);
	}
}

static bool channels_send(struct channels *c, uint32_t slot, uint32_t bytes)
{
	struct end *out = c->out;
	struct msg_channel_send send = {
		.iov = {{out->memory +
				 (size_t)(RC_WINDOW + slot) * RC_BYTES_MAX,
			bytes}},
		.iov_count = 1,
		.handle = out->handle,
		.token = slot,
		.signal = true,
	};
	int result = out->set->ops->send(out->set, &send);

	if (result != -MSG_ERROR_AGAIN)
		check(result, "send");
	c->under_way += result == 0;
	return result == 0;
}

static void look(struct end *end, struct rc_found *found)
{
	struct msg_channel_event events[16];
	int n = end->set->ops->poll(end->set, events, 16);

	check(n, "poll");
	for (int i = 0; i < n; i++) {
		if (events[i].type == MSG_CHANNEL_SENT) {
			found->sent++;
			continue;
		}
		rc_check(events[i].type != MSG_CHANNEL_RECEIVED, "event",
			events[i].error);
		found->received++;
		post(end, events[i].token);
	}
}

static void channels_poll(struct channels *c, struct rc_found *found)
{
	uint32_t sent = found->sent;

	if (c->out != c->in && (c->under_way >= RC_WINDOW / 2 ||
				       ++c->looks % LOOKS_IN_VAIN == 0))
		look(c->out, found);
	look(c->in, found);
	c->under_way -= found->sent - sent;
}

static void channels_close(struct channels *c)
{
	for (uint32_t i = 0; i < c->end_count; i++) {
		c->ends[i].set->ops->close(c->ends[i].set);
		c->ends[i].domain->ops->close(c->ends[i].domain);
	}
}

static struct channels rc_channel_state = {.end_count = 1};
RC_WAY(rc_channel, "channel", channels);

static struct channels rc_apart_state = {.end_count = 2};
RC_WAY(rc_apart, "apart", channels);
