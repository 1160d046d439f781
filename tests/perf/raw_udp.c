/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * raw_udp.c - what the kernel's UDP multicast can do by itself: the baseline.
 *
 * The fastest plain program we know to write: one connected socket to send
 * with or (as libmsg must, which has one socket for many groups) an address in
 * each datagram, whichever `--style` says; 64 buffers that stay in cache;
 * nothing checked and nothing numbered.
 *
 *   lone       one sendto, one recvfrom a message
 *   batch      sendmmsg and recvmmsg, up to 64 messages a call (default)
 *   connected  as batch, the sender's socket connected to the group
 *   gso        as batch, the sender's messages as one UDP_SEGMENT send
 *
 * Neighbours: harness.c.  Test: perf.smoke.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH PERF_RECEIVE_MAX
#define BUFFER_BYTES 65536u
#define GSO_BYTES 65000u /* Of one send. */

enum style {
	LONE,
	MMSG,
	CONNECTED,
	GSO
};

struct raw {
	const struct perf_plan *plan;
	enum style style;
	int fd;
	struct sockaddr_in group;
	struct mmsghdr messages[BATCH];
	struct iovec iov[BATCH];
	uint8_t *buffers;
};

static int fail(const char *what)
{
	fprintf(stderr, "raw: %s: %s\n", what, strerror(errno));
	return -1;
}

static enum style style_of(const struct perf_plan *plan)
{
	static const char *const names[] = {
		"lone", "batch", "connected", "gso"};

	for (int i = 0; plan->style && i < 4; i++)
		if (strcmp(plan->style, names[i]) == 0)
			return (enum style)i;
	return MMSG;
}

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof value);
}

static void set_buffer(int fd, int force, int name)
{
	if (set_int(fd, SOL_SOCKET, force, PERF_SOCKET_BYTES) != 0)
		set_int(fd, SOL_SOCKET, name, PERF_SOCKET_BYTES);
}

static int raw_open(const struct perf_plan *plan, struct raw **out)
{
	struct raw *raw = calloc(1, sizeof *raw);

	if (!raw)
		return fail("memory");
	raw->plan = plan;
	raw->style = style_of(plan);
	raw->group.sin_family = AF_INET;
	raw->group.sin_port = htons((uint16_t)plan->port);
	inet_pton(AF_INET, plan->group, &raw->group.sin_addr);
	raw->buffers = calloc(BATCH, BUFFER_BYTES);
	raw->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!raw->buffers || raw->fd < 0)
		return fail("socket");
	for (unsigned int i = 0; i < BATCH; i++) {
		raw->iov[i].iov_base = raw->buffers + (size_t)i * BUFFER_BYTES;
		raw->iov[i].iov_len = BUFFER_BYTES;
		raw->messages[i].msg_hdr.msg_iov = &raw->iov[i];
		raw->messages[i].msg_hdr.msg_iovlen = 1;
	}
	set_buffer(raw->fd, SO_RCVBUFFORCE, SO_RCVBUF);
	*out = raw;
	return 0;
}

static void raw_close(void *state)
{
	struct raw *raw = state;

	close(raw->fd);
	free(raw->buffers);
	free(raw);
}

static int sender_open(const struct perf_plan *plan, void **out)
{
	struct ip_mreqn interface = {
		.imr_ifindex = (int)if_nametoindex(plan->sender.interface),
	};
	struct raw *raw;

	if (plan->bytes > 65507) {
		errno = EMSGSIZE;
		return fail("bytes");
	}
	if (raw_open(plan, &raw) != 0)
		return -1;
	if (setsockopt(raw->fd, IPPROTO_IP, IP_MULTICAST_IF, &interface,
		    sizeof interface) != 0)
		return fail(plan->sender.interface);
	if (raw->style == CONNECTED &&
		connect(raw->fd, (struct sockaddr *)&raw->group,
			sizeof raw->group) != 0)
		return fail("connect");
	for (int i = 0; i < BATCH; i++) {
		struct msghdr *header = &raw->messages[i].msg_hdr;

		raw->iov[i].iov_len = plan->bytes;
		if (raw->style != CONNECTED) {
			header->msg_name = &raw->group;
			header->msg_namelen = sizeof raw->group;
		}
	}
	*out = raw;
	return 0;
}

static int receiver_open(const struct perf_plan *plan, void **out)
{
	struct ip_mreqn join = {
		.imr_ifindex = (int)if_nametoindex(plan->receiver.interface),
	};
	struct sockaddr_in any = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)plan->port),
	};
	struct raw *raw;

	if (raw_open(plan, &raw) != 0)
		return -1;
	join.imr_multiaddr = raw->group.sin_addr;
	set_int(raw->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(raw->fd, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	if (bind(raw->fd, (struct sockaddr *)&any, sizeof any) != 0)
		return fail("bind");
	if (setsockopt(raw->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &join,
		    sizeof join) != 0)
		return fail("join");
	*out = raw;
	return 0;
}

static void put_stamp(struct raw *raw, uint32_t i, uint64_t stamp)
{
	memcpy(raw->iov[i].iov_base, &stamp, sizeof stamp);
}

static int send_lone(struct raw *raw, uint64_t stamp, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		put_stamp(raw, 0, stamp);
		if (sendto(raw->fd, raw->iov[0].iov_base, raw->plan->bytes, 0,
			    (struct sockaddr *)&raw->group,
			    sizeof raw->group) < 0)
			return fail("sendto");
	}
	return (int)count;
}

static int send_batch(struct raw *raw, uint64_t stamp, uint32_t count)
{
	for (uint32_t left = count; left > 0;) {
		uint32_t n = left < BATCH ? left : BATCH;
		int done;

		for (uint32_t i = 0; i < n; i++)
			put_stamp(raw, i, stamp);
		done = sendmmsg(raw->fd, raw->messages, n, 0);
		if (done < 0)
			return fail("sendmmsg");
		left -= (uint32_t)done;
	}
	return (int)count;
}

/* All messages of a send in one buffer, which the kernel cuts up. */
static int send_gso(struct raw *raw, uint64_t stamp, uint32_t count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control = {{0}};
	uint16_t segment = (uint16_t)raw->plan->bytes;
	uint32_t most = GSO_BYTES / segment < 64 ? GSO_BYTES / segment : 64;
	struct iovec iov = {.iov_base = raw->buffers};
	struct msghdr header = {
		.msg_name = &raw->group,
		.msg_namelen = sizeof raw->group,
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes,
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = IPPROTO_UDP;
	cmsg->cmsg_type = UDP_SEGMENT;
	cmsg->cmsg_len = CMSG_LEN(sizeof segment);
	memcpy(CMSG_DATA(cmsg), &segment, sizeof segment);
	for (uint32_t left = count; left > 0;) {
		uint32_t n = left < most ? left : most;

		for (uint32_t i = 0; i < n; i++)
			memcpy(raw->buffers + (size_t)i * segment, &stamp,
				sizeof stamp);
		iov.iov_len = (size_t)n * segment;
		if (sendmsg(raw->fd, &header, 0) < 0)
			return fail("sendmsg with UDP_SEGMENT");
		left -= n;
	}
	return (int)count;
}

static int raw_send(void *state, uint64_t stamp, uint32_t count)
{
	struct raw *raw = state;

	switch (raw->style) {
	case LONE:
		return send_lone(raw, stamp, count);
	case GSO:
		return send_gso(raw, stamp, count);
	default:
		return send_batch(raw, stamp, count);
	}
}

static int receive_lone(struct raw *raw, uint64_t *stamps)
{
	ssize_t n = recvfrom(
		raw->fd, raw->buffers, BUFFER_BYTES, MSG_DONTWAIT, NULL, NULL);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : fail("recvfrom");
	memcpy(stamps, raw->buffers, sizeof *stamps);
	return 1;
}

static int raw_receive(void *state, uint64_t *stamps)
{
	struct raw *raw = state;
	int n;

	if (raw->style == LONE)
		return receive_lone(raw, stamps);
	n = recvmmsg(raw->fd, raw->messages, BATCH, MSG_DONTWAIT, NULL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : fail("recvmmsg");
	for (int i = 0; i < n; i++)
		memcpy(&stamps[i], raw->iov[i].iov_base, sizeof *stamps);
	return n;
}

static int raw_wait(void *state)
{
	struct raw *raw = state;
	struct pollfd wake = {.fd = raw->fd, .events = POLLIN};

	return poll(&wake, 1, 20) < 0 && errno != EINTR ? fail("poll") : 0;
}

int main(int argc, char **argv)
{
	static const struct perf_lane lane = {
		.name = "raw-udp",
		.sender_open = sender_open,
		.receiver_open = receiver_open,
		.send = raw_send,
		.receive = raw_receive,
		.wait = raw_wait,
		.sender_close = raw_close,
		.receiver_close = raw_close,
	};

	return perf_main(argc, argv, &lane);
}
