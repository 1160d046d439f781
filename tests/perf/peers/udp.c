/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udp.c - the kernel's multicast on loopback by itself; see peer.h.
 *
 * sendmmsg and recvmmsg of what a batch holds, 16 MiB of socket buffer.  A
 * message above one datagram goes in two, the second of which is only read.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

#define PIECE_MAX 65000u
#define BUFFER_BYTES 65536u
#define SOCKET_BYTES (16 << 20)

struct side {
	const struct peer_plan *plan;
	int fd;
	unsigned int filled;
	struct sockaddr_in group;
	struct mmsghdr headers[2 * PEER_BATCH];
	struct iovec iov[2 * PEER_BATCH];
	uint8_t *buffers;
};

static int fail(const char *what)
{
	fprintf(stderr, "udp: %s: %s\n", what, strerror(errno));
	return -1;
}

/* Group and port are those of MSG_GROUPS and MSG_PORT, which are ours alone. */
static void read_group(struct side *side)
{
	const char *groups = getenv("MSG_GROUPS"), *port = getenv("MSG_PORT");
	char text[64] = "239.255.77.77";

	if (groups)
		snprintf(text, sizeof text, "%.*s", (int)strcspn(groups, "+"),
			groups);
	side->group.sin_family = AF_INET;
	side->group.sin_port = htons((uint16_t)(port ? atoi(port) : 7477));
	inet_pton(AF_INET, text, &side->group.sin_addr);
}

static int open_side(const struct peer_plan *plan, struct side **out)
{
	struct side *side = calloc(1, sizeof *side);
	int bytes = SOCKET_BYTES;

	if (!side)
		return -1;
	side->plan = plan;
	read_group(side);
	side->buffers = calloc(2 * PEER_BATCH, BUFFER_BYTES);
	side->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!side->buffers || side->fd < 0)
		return fail("socket");
	for (unsigned int i = 0; i < 2 * PEER_BATCH; i++) {
		side->iov[i].iov_base =
			side->buffers + (size_t)i * BUFFER_BYTES;
		side->iov[i].iov_len = BUFFER_BYTES;
		side->headers[i].msg_hdr.msg_iov = &side->iov[i];
		side->headers[i].msg_hdr.msg_iovlen = 1;
	}
	if (setsockopt(side->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes,
		    sizeof bytes) != 0)
		setsockopt(
			side->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	*out = side;
	return 0;
}

static int publisher_open(const struct peer_plan *plan, void **out)
{
	struct ip_mreqn lo = {.imr_ifindex = (int)if_nametoindex("lo")};
	struct side *side;

	if (open_side(plan, &side) != 0)
		return -1;
	if (setsockopt(side->fd, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof lo) !=
			0 ||
		connect(side->fd, (struct sockaddr *)&side->group,
			sizeof side->group) != 0)
		return fail("lo");
	*out = side;
	return 0;
}

static int subscriber_open(
	const struct peer_plan *plan, uint32_t index, void **out)
{
	struct ip_mreqn join = {.imr_ifindex = (int)if_nametoindex("lo")};
	struct side *side;
	int on = 1;

	(void)index;
	if (open_side(plan, &side) != 0)
		return -1;
	join.imr_multiaddr = side->group.sin_addr;
	setsockopt(side->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(side->fd, (struct sockaddr *)&side->group,
		    sizeof side->group) != 0 ||
		setsockopt(side->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join,
			sizeof join) != 0)
		return fail("join");
	*out = side;
	return 0;
}

static int flush(struct side *side)
{
	unsigned int done = 0;

	while (done < side->filled) {
		int n = sendmmsg(
			side->fd, side->headers + done, side->filled - done, 0);

		if (n < 0)
			return fail("sendmmsg");
		done += (unsigned int)n;
	}
	side->filled = 0;
	return 0;
}

static int send_one(void *state, uint64_t number, bool more)
{
	struct side *side = state;
	size_t bytes = side->plan->bytes;
	size_t first = bytes < PIECE_MAX ? bytes : PIECE_MAX;

	side->iov[side->filled].iov_len = first;
	peer_fill(side->iov[side->filled++].iov_base, first, number);
	if (bytes > first) {
		side->iov[side->filled].iov_len = bytes - first;
		memset(side->iov[side->filled++].iov_base, (int)number,
			bytes - first);
	}
	return more && side->filled < 2 * PEER_BATCH - 1 ? 0 : flush(side);
}

static int take(void *state, struct peer_reader *reader)
{
	struct side *side = state;
	int n = recvmmsg(
		side->fd, side->headers, 2 * PEER_BATCH, MSG_DONTWAIT, NULL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : fail("recvmmsg");
	for (int i = 0; i < n; i++) {
		size_t bytes = side->headers[i].msg_len;

		if (side->plan->bytes > PIECE_MAX && bytes < PIECE_MAX)
			peer_read_more(reader, side->iov[i].iov_base, bytes);
		else
			peer_read(reader, side->iov[i].iov_base, bytes);
	}
	return n;
}

static int wait_for_more(void *state)
{
	struct side *side = state;
	struct pollfd wake = {.fd = side->fd, .events = POLLIN};

	return poll(&wake, 1, PEER_WAIT_MS) < 0 && errno != EINTR ? fail("poll")
								  : 0;
}

static void close_side(void *state)
{
	struct side *side = state;

	close(side->fd);
	free(side->buffers);
	free(side);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "udp multicast",
		.window = 4096,
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
