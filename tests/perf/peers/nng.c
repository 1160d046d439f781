/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * nng.c - nng over ipc://, pub0 and sub0; see peer.h.
 *
 * Its publisher drops what a subscriber is too slow for, so a rate run is held
 * back by the harness.  Messages are filled and read in place.
 */
#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"

#define BUFFERED 1024 /* Messages, at each end. */
#define LOOK_MAX 64

struct side {
	const struct peer_plan *plan;
	nng_socket socket;
	int fd; /* Readable when a message is there. */
};

static int fail(const char *what, int code)
{
	fprintf(stderr, "nng: %s: %s\n", what, nng_strerror(code));
	return -1;
}

static void endpoint(const struct peer_plan *plan, char text[256])
{
	snprintf(text, 256, "ipc://%s/nng", plan->place);
}

static int publisher_open(const struct peer_plan *plan, void **out)
{
	struct side *side = calloc(1, sizeof *side);
	char text[256];
	int code;

	if (!side)
		return -1;
	side->plan = plan;
	endpoint(plan, text);
	if ((code = nng_pub0_open(&side->socket)) != 0)
		return fail("socket", code);
	nng_socket_set_int(side->socket, NNG_OPT_SENDBUF, BUFFERED);
	if ((code = nng_listen(side->socket, text, NULL, 0)) != 0)
		return fail(text, code);
	*out = side;
	return 0;
}

static int subscriber_open(
	const struct peer_plan *plan, uint32_t index, void **out)
{
	struct side *side = calloc(1, sizeof *side);
	char text[256];
	int code;

	(void)index;
	if (!side)
		return -1;
	side->plan = plan;
	endpoint(plan, text);
	if ((code = nng_sub0_open(&side->socket)) != 0)
		return fail("socket", code);
	nng_socket_set(side->socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
	nng_socket_set_int(side->socket, NNG_OPT_RECVBUF, BUFFERED);
	nng_socket_set_ms(side->socket, NNG_OPT_RECONNMINT, 5);
	nng_socket_set_ms(side->socket, NNG_OPT_RECONNMAXT, 5);
	nng_socket_get_int(side->socket, NNG_OPT_RECVFD, &side->fd);
	if ((code = nng_dial(side->socket, text, NULL, NNG_FLAG_NONBLOCK)) != 0)
		return fail(text, code);
	*out = side;
	return 0;
}

static int send_one(void *state, uint64_t number, bool more)
{
	struct side *side = state;
	nng_msg *message;
	int code;

	(void)more;
	if ((code = nng_msg_alloc(&message, side->plan->bytes)) != 0)
		return fail("memory", code);
	peer_fill(nng_msg_body(message), side->plan->bytes, number);
	if ((code = nng_sendmsg(side->socket, message, 0)) != 0)
		return fail("send", code);
	return 0;
}

static int take(void *state, struct peer_reader *reader)
{
	struct side *side = state;
	nng_msg *message;
	int n = 0;

	while (n < LOOK_MAX &&
		nng_recvmsg(side->socket, &message, NNG_FLAG_NONBLOCK) == 0) {
		peer_read(reader, nng_msg_body(message), nng_msg_len(message));
		nng_msg_free(message);
		n++;
	}
	return n;
}

static int wait_for_more(void *state)
{
	struct side *side = state;
	struct pollfd wake = {.fd = side->fd, .events = POLLIN};

	poll(&wake, 1, PEER_WAIT_MS);
	return 0;
}

static void close_side(void *state)
{
	struct side *side = state;

	nng_close(side->socket);
	free(side);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "nng ipc",
		.window = BUFFERED,
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
