/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * null_channel.c - connections without a fabric, beside null_link.c: between sets
 * of one process, and a send copies into the next buffer that the other set has
 * posted.  Nothing is read, and nothing breaks.
 * Neighbours: cost.c, cost.sh.  Test: perf.cost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link/channel.h"
#include "null.h"

#define SETS_MAX 8
#define CONNECTIONS_MAX 4u

struct posted {
	void *buffer;
	uint32_t token;
};

/* A handle is its place in the set's table. */
struct connection {
	struct null_set *peer; /* NULL: it is free. */
	uint32_t handle;       /* There. */
	bool open;
	uint8_t greeting[MSG_CHANNEL_GREETING_BYTES_MAX];
};

struct null_set {
	struct msg_channels channels;
	struct posted *posted; /* Rings of a power of two. */
	uint32_t posted_mask, posted_head, posted_tail;
	struct msg_channel_event *events;
	uint32_t event_mask, event_head, event_tail;
	struct connection table[CONNECTIONS_MAX];
};

static struct null_set *sets[SETS_MAX];

static void push(struct null_set *s, const struct msg_channel_event *event)
{
	s->events[s->event_head++ & s->event_mask] = *event;
}

/* Something about a connection, and what the other end says to it. */
static void tell(struct null_set *s, uint32_t type, uint32_t handle,
	const void *greeting, uint32_t bytes)
{
	struct connection *c = &s->table[handle];

	if (bytes > 0)
		memcpy(c->greeting, greeting, bytes);
	push(s, &(struct msg_channel_event){.type = type,
			.handle = handle,
			.bytes = bytes,
			.greeting = c->greeting});
}

static int set_name(struct msg_channels *channels, uint8_t *reach)
{
	uint8_t place = 0;

	while (sets[place] != (struct null_set *)channels)
		place++;
	*reach = place;
	return 1;
}

static int find_free(struct null_set *s, uint32_t *handle)
{
	for (*handle = 0; *handle < CONNECTIONS_MAX; ++*handle)
		if (!s->table[*handle].peer)
			return 0;
	return -MSG_ERROR_AGAIN;
}

static int set_connect(struct msg_channels *channels, const uint8_t *reach,
	uint32_t reach_bytes, const void *greeting, uint32_t greeting_bytes,
	uint32_t *handle)
{
	struct null_set *s = (struct null_set *)channels;
	struct null_set *to;
	uint32_t there;

	if (reach_bytes != 1 || *reach >= SETS_MAX || !sets[*reach])
		return -MSG_ERROR_ARGUMENT;
	to = sets[*reach];
	if (find_free(s, handle) < 0 || find_free(to, &there) < 0)
		return -MSG_ERROR_AGAIN;
	s->table[*handle] = (struct connection){.peer = to, .handle = there};
	to->table[there] = (struct connection){.peer = s, .handle = *handle};
	tell(to, MSG_CHANNEL_ASKED, there, greeting, greeting_bytes);
	return 0;
}

static int set_accept(struct msg_channels *channels, uint32_t handle,
	const void *greeting, uint32_t greeting_bytes)
{
	struct null_set *s = (struct null_set *)channels;
	struct connection *c = &s->table[handle];

	c->open = c->peer->table[c->handle].open = true;
	tell(s, MSG_CHANNEL_CONNECTED, handle, NULL, 0);
	tell(c->peer, MSG_CHANNEL_CONNECTED, c->handle, greeting,
		greeting_bytes);
	return 0;
}

static void set_hang_up(struct msg_channels *channels, uint32_t handle)
{
	struct null_set *s = (struct null_set *)channels;
	struct connection *c = &s->table[handle];
	struct null_set *peer = c->peer;
	uint32_t there = c->handle;

	if (!peer)
		return;
	c->peer = NULL;
	peer->table[there].peer = NULL;
	tell(s, MSG_CHANNEL_CLOSED, handle, NULL, 0);
	tell(peer, MSG_CHANNEL_CLOSED, there, NULL, 0);
}

static int set_share(struct msg_channels *channels, void *memory, size_t bytes,
	enum msg_channel_use use, struct msg_channel_region *region)
{
	(void)channels;
	(void)use;
	*region = (struct msg_channel_region){.memory = memory, .bytes = bytes};
	return 0;
}

static void set_unshare(
	struct msg_channels *channels, struct msg_channel_region *region)
{
	(void)channels;
	(void)region;
}

static int set_post(struct msg_channels *channels, void *buffer, uint32_t bytes,
	uint32_t token)
{
	struct null_set *s = (struct null_set *)channels;

	(void)bytes;
	if (s->posted_head - s->posted_tail > s->posted_mask)
		return -MSG_ERROR_AGAIN;
	s->posted[s->posted_head++ & s->posted_mask] =
		(struct posted){buffer, token};
	return 0;
}

static int set_send(
	struct msg_channels *channels, const struct msg_channel_send *send)
{
	struct null_set *s = (struct null_set *)channels;
	struct connection *c = &s->table[send->handle];
	struct null_set *peer = c->peer;
	struct posted *to;

	null_mark(NULL_POSTED);
	if (!peer || !c->open)
		return -MSG_ERROR_ARGUMENT;
	if (peer->posted_head == peer->posted_tail ||
		s->event_head - s->event_tail > s->event_mask ||
		peer->event_head - peer->event_tail > peer->event_mask)
		return -MSG_ERROR_AGAIN;
	to = &peer->posted[peer->posted_tail++ & peer->posted_mask];
	push(peer, &(struct msg_channel_event){.type = MSG_CHANNEL_RECEIVED,
			   .handle = c->handle,
			   .token = to->token,
			   .bytes = null_gather(to->buffer, send->iov,
				   send->iov_count)});
	if (send->signal)
		push(s, &(struct msg_channel_event){.type = MSG_CHANNEL_SENT,
				.handle = send->handle,
				.token = send->token});
	return 0;
}

static int set_read(
	struct msg_channels *channels, const struct msg_channel_read *read)
{
	(void)channels;
	(void)read;
	return -MSG_ERROR_ARGUMENT;
}

static int set_poll(struct msg_channels *channels,
	struct msg_channel_event *events, int count)
{
	struct null_set *s = (struct null_set *)channels;
	int n = 0;

	while (n < count && s->event_tail != s->event_head)
		events[n++] = s->events[s->event_tail++ & s->event_mask];
	if (n > 0 && events[n - 1].type == MSG_CHANNEL_RECEIVED)
		null_mark(NULL_POLLED);
	return n;
}

static int set_arm(struct msg_channels *channels)
{
	struct null_set *s = (struct null_set *)channels;

	return s->event_head == s->event_tail ? 0 : -MSG_ERROR_AGAIN;
}

static void set_close(struct msg_channels *channels)
{
	struct null_set *s = (struct null_set *)channels;

	for (uint32_t i = 0; i < CONNECTIONS_MAX; i++)
		set_hang_up(channels, i);
	for (int i = 0; i < SETS_MAX; i++)
		if (sets[i] == s)
			sets[i] = NULL;
	close(s->channels.fd);
	free(s->posted);
	free(s->events);
	free(s);
}

static const struct msg_channels_ops ops = {
	.name = set_name,
	.connect = set_connect,
	.accept = set_accept,
	.hang_up = set_hang_up,
	.share = set_share,
	.unshare = set_unshare,
	.post = set_post,
	.send = set_send,
	.read = set_read,
	.poll = set_poll,
	.arm = set_arm,
	.close = set_close,
};

static int set_open(struct msg_link_domain *domain,
	const struct msg_channels_options *options,
	struct msg_channels **channels, char *text)
{
	struct null_set *s = calloc(1, sizeof *s);
	uint32_t sends = null_power_of_two(options->send_count);
	uint32_t posted = null_power_of_two(options->receive_count);
	uint32_t events = null_power_of_two(
		posted + CONNECTIONS_MAX * (sends + 2 * SETS_MAX));
	int place = 0;

	(void)domain;
	while (place < SETS_MAX && sets[place])
		place++;
	if (s)
		s->posted = calloc(posted, sizeof *s->posted);
	if (s)
		s->events = calloc(events, sizeof *s->events);
	if (!s || !s->posted || !s->events || place == SETS_MAX) {
		snprintf(text, MSG_LINK_TEXT_BYTES, "no room for connections");
		return -MSG_ERROR_MEMORY;
	}
	s->posted_mask = posted - 1;
	s->event_mask = events - 1;
	s->channels = (struct msg_channels){
		.ops = &ops,
		.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
		.receive_count = options->receive_count,
		.send_count = sends,
		.connection_max = CONNECTIONS_MAX,
		.message_bytes_max = SIZE_MAX,
	};
	sets[place] = s;
	*channels = &s->channels;
	return 0;
}

static int find_nothing(const struct msg_link_domain *domain, char *text)
{
	(void)domain;
	(void)text;
	return 0;
}

/* The other symbol that a module exports; channel.h has its name. */
extern const struct msg_channel_module msg_channel_module;
MSG_API const struct msg_channel_module msg_channel_module = {
	.abi = MSG_CHANNEL_ABI,
	.open = set_open,
	.find = find_nothing,
};
