/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * zmq.c - ZeroMQ over ipc://, XPUB and SUB; see peer.h.
 *
 * With ZMQ_XPUB_NODROP a publisher whose subscriber lags waits for it, so
 * nothing is lost.  Messages are filled and read in place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "peer.h"

#define HIGH_WATER 1000 /* Messages; ZeroMQ's default. */
#define LOOK_MAX 64

struct side {
	const struct peer_plan *plan;
	void *context, *socket;
};

static int fail(const char *what)
{
	fprintf(stderr, "zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
	return -1;
}

static int open_side(const struct peer_plan *plan, int type, struct side **out)
{
	struct side *side = calloc(1, sizeof *side);

	if (!side)
		return -1;
	side->plan = plan;
	side->context = zmq_ctx_new();
	side->socket = zmq_socket(side->context, type);
	if (!side->socket)
		return fail("socket");
	*out = side;
	return 0;
}

static void endpoint(const struct peer_plan *plan, char text[256])
{
	snprintf(text, 256, "ipc://%s/zmq", plan->place);
}

static int publisher_open(const struct peer_plan *plan, void **out)
{
	int no_drop = 1, high = HIGH_WATER;
	struct side *side;
	char text[256];

	if (open_side(plan, ZMQ_XPUB, &side) != 0)
		return -1;
	zmq_setsockopt(side->socket, ZMQ_XPUB_NODROP, &no_drop, sizeof no_drop);
	zmq_setsockopt(side->socket, ZMQ_SNDHWM, &high, sizeof high);
	endpoint(plan, text);
	if (zmq_bind(side->socket, text) != 0)
		return fail(text);
	*out = side;
	return 0;
}

static int subscriber_open(
	const struct peer_plan *plan, uint32_t index, void **out)
{
	int again_ms = 5;
	struct side *side;
	char text[256];

	(void)index;
	if (open_side(plan, ZMQ_SUB, &side) != 0)
		return -1;
	zmq_setsockopt(
		side->socket, ZMQ_RECONNECT_IVL, &again_ms, sizeof again_ms);
	zmq_setsockopt(side->socket, ZMQ_SUBSCRIBE, "", 0);
	endpoint(plan, text);
	if (zmq_connect(side->socket, text) != 0)
		return fail(text);
	*out = side;
	return 0;
}

static int send_one(void *state, uint64_t number, bool more)
{
	struct side *side = state;
	zmq_msg_t message;

	(void)more; /* It batches by itself. */
	if (zmq_msg_init_size(&message, side->plan->bytes) != 0)
		return fail("memory");
	peer_fill(zmq_msg_data(&message), side->plan->bytes, number);
	if (zmq_msg_send(&message, side->socket, 0) < 0)
		return fail("send");
	return 0;
}

static int take(void *state, struct peer_reader *reader)
{
	struct side *side = state;
	zmq_msg_t message;
	int n = 0;

	zmq_msg_init(&message);
	while (n < LOOK_MAX) {
		if (zmq_msg_recv(&message, side->socket, ZMQ_DONTWAIT) < 0)
			break;
		peer_read(
			reader, zmq_msg_data(&message), zmq_msg_size(&message));
		n++;
	}
	zmq_msg_close(&message);
	return n;
}

static int wait_for_more(void *state)
{
	struct side *side = state;
	zmq_pollitem_t item = {.socket = side->socket, .events = ZMQ_POLLIN};

	return zmq_poll(&item, 1, PEER_WAIT_MS) < 0 ? fail("poll") : 0;
}

static void close_side(void *state)
{
	struct side *side = state;
	int linger = 0;

	zmq_setsockopt(side->socket, ZMQ_LINGER, &linger, sizeof linger);
	zmq_close(side->socket);
	zmq_ctx_term(side->context);
	free(side);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "ZeroMQ ipc",
		.holds_back = true,
		.publisher_open = publisher_open,
		.subscriber_open = subscriber_open,
		.send = send_one,
		.take = take,
		.wait = wait_for_more,
		.publisher_close = close_side,
		.subscriber_close = close_side,
	};

	return peer_main(argc, argv, &peer);
}
