/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_control.c - control messages from a hostile client or broker.
 *
 * The first byte is the kind, the second says how many descriptors came with it
 * and from which side, or that the rest is no body but what a socket receives,
 * cut into pieces.  What unpacks must be within every range and survive the way
 * out and back; what does not must say why in one printable line.
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"
#include "base/utf8.h"
#include "link/shm/control.h"
#include "link/shm/socket.h"
#include "receiver.h"

#define IN_SOCKET 0x80 /* Bits of the second byte. */
#define OF_BROKER 0x04
#define FD_COUNT 0x03

static void check_text(const char *text, size_t min, size_t max)
{
	size_t bytes = strnlen(text, max + 1), at = 0;

	MUST(bytes >= min && bytes <= max);
	while (at < bytes) {
		uint32_t c;
		unsigned step = msg_utf8_next(text + at, bytes - at, &c);

		MUST(step > 0 && !msg_utf8_is_control(c));
		at += step;
	}
}

static void check_topics(const struct msg_control_listing *listing)
{
	MUST(listing->topic_count <= MSG_CONTROL_TOPICS_MAX);
	for (uint32_t i = 0; i < listing->topic_count; i++) {
		const struct msg_control_topic *topic = &listing->topics[i];

		check_text(topic->topic, 1, 255);
		check_text(topic->host, 0, 63);
		check_text(topic->program, 0, 63);
		MUST(isfinite(topic->rate));
		MUST(topic->message_bytes_max - 1 < 16u << 20);
		MUST(topic->reliability <= 3);
		MUST(topic->frame_bytes >= 256 && topic->frame_bytes <= 1u << 20);
	}
}

static void check_welcome(const struct msg_control_welcome *welcome)
{
	MUST(welcome->version > 0);
	check_text(welcome->name, 1, 64);
	check_text(welcome->device, 0, 63);
	check_text(welcome->interface, 0, 63);
	check_text(welcome->address, 0, 63);
	check_text(welcome->groups, 0, 63);
	check_text(welcome->reason, 0, 159);
	MUST(welcome->lane <= 2 && welcome->port <= 65535);
	MUST(welcome->frame_bytes >= 256 && welcome->frame_bytes <= 65507);
	MUST(welcome->publish_message_bytes_max - 1 < 16u << 20);
	MUST(welcome->publish_loan_count_max >= 2);
	MUST(welcome->publish_period_ms >= 10);
}

static void check_ring(const struct msg_control_ring *ring)
{
	check_text(ring->topic, 1, 255);
	MUST(ring->origin == 1 || ring->origin == 2);
	MUST(ring->reader < 128);
	MUST(ring->entry_count >= 2 && ring->entry_count <= 1u << 20);
	MUST(ring->pool_bytes > 0 && ring->pool_bytes <= 1ull << 40);
	MUST(ring->hold_max > 0 && ring->hold_max <= 65536);
}

static void check_publishing(const struct msg_control_publishing *publishing)
{
	MUST(publishing->slot_count >= 2);
	MUST(publishing->payload_bytes > 0);
	MUST(publishing->payload_bytes <= publishing->slot_bytes);
	MUST((uint64_t)publishing->slot_count * publishing->slot_bytes <=
		1ull << 40);
	MUST(publishing->frame_body_max - 1 < 65507);
	MUST(publishing->keep_max < publishing->entry_count);
}

static void check_from_client(const struct msg_control *control)
{
	switch (control->kind) {
	case MSG_CONTROL_HELLO:
		MUST(control->hello.version > 0);
		MUST(control->hello.role - 1 < 3);
		check_text(control->hello.program, 0, 63);
		break;
	case MSG_CONTROL_SUBSCRIBE:
		check_text(control->subscribe.pattern, 1, 255);
		MUST(control->subscribe.policy - 1 < 3);
		MUST(control->subscribe.hold_max - 1 < 65536);
		MUST(control->subscribe.message_bytes_max - 1 < 16u << 20);
		break;
	case MSG_CONTROL_PUBLISH:
		check_text(control->publish.topic, 1, 255);
		MUST(control->publish.message_bytes_max - 1 < 16u << 20);
		MUST(control->publish.loan_count_max >= 2);
		MUST(control->publish.period_ms >= 10);
		MUST(control->publish.reliability <= 3);
		MUST(control->publish.flow <= 3);
		MUST(control->publish.flow_count <= 1024);
		MUST(control->publish.history_bytes <= 4ull << 30);
		MUST(control->publish.next_frame <= 1ull << 48);
		break;
	case MSG_CONTROL_WATCH:
		check_text(control->watch.pattern, 1, 255);
		break;
	default:
		break;
	}
}

static void check_from_broker(const struct msg_control *control)
{
	switch (control->kind) {
	case MSG_CONTROL_WELCOME:
		check_welcome(&control->welcome);
		break;
	case MSG_CONTROL_REFUSED:
		MUST(control->refused.code - 1 < 255);
		check_text(control->refused.text, 0, 400);
		break;
	case MSG_CONTROL_PUBLISHING:
		check_publishing(&control->publishing);
		break;
	case MSG_CONTROL_RING:
		check_ring(&control->ring);
		break;
	case MSG_CONTROL_READER:
		MUST(control->reader.reader < 128);
		MUST(control->reader.policy - 1 < 3);
		check_text(control->reader.program, 0, 63);
		break;
	case MSG_CONTROL_LISTING:
		check_topics(&control->listing);
		break;
	case MSG_CONTROL_STATS_SEGMENT:
		MUST(control->stats_segment.bytes > 0);
		break;
	default:
		break;
	}
}

static void check_refusal(void)
{
	const char *text = msg_trail_text();

	MUST(strlen(text) > 10 && strlen(text) < 300);
	for (; *text; text++)
		MUST(*text >= 0x20 && *text < 0x7f);
}

static void check_message(
	enum msg_control_side side, const struct msg_control_frame *frame)
{
	static struct msg_control first, second;
	static uint8_t again[MSG_CONTROL_PACKED_BYTES_MAX];
	struct msg_control_frame repacked = *frame;

	/* What a kind does not set is the same in both. */
	memset(&first, 0, sizeof first);
	memset(&second, 0, sizeof second);
	msg_fail(1, "untouched");
	if (msg_control_unpack(&first, side, frame) != 0) {
		check_refusal();
		return;
	}
	MUST(strcmp(msg_trail_text(), "untouched") == 0);
	MUST((side == MSG_CONTROL_BROKER) == (first.kind >= 128));
	check_from_client(&first);
	check_from_broker(&first);
	repacked.bytes = (uint32_t)msg_control_pack(&first, again);
	repacked.body = again;
	MUST(repacked.bytes <= sizeof again);
	MUST(msg_control_unpack(&second, side, &repacked) == 0);
	MUST(memcmp(&first, &second, sizeof first) == 0);
}

/* A byte says how long the next piece is, and whether a descriptor comes with
 * it. */
static void write_piece(int to, const uint8_t *data, size_t bytes, bool with_fd)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = {.room = {0}};
	struct iovec piece = {(void *)(uintptr_t)data, bytes};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	int fd = STDERR_FILENO;

	if (with_fd) {
		struct cmsghdr *rights = &control.align;

		message.msg_control = &control;
		message.msg_controllen = sizeof control.room;
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(rights), &fd, sizeof fd);
	}
	MUST(sendmsg(to, &message, MSG_NOSIGNAL) == (ssize_t)bytes);
}

static void check_socket(
	enum msg_control_side side, const uint8_t *data, size_t left)
{
	struct msg_control_frame frame;
	struct msg_socket *ours;
	int pair[2], result = 0, lowest = dup(STDERR_FILENO);

	close(lowest);
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	MUST(msg_socket_open(pair[0], &ours) == 0);
	while (left > 1 && result == 0) {
		size_t bytes = (data[0] & 0x7f) + 1u;

		if (bytes > left - 1)
			bytes = left - 1;
		write_piece(pair[1], data + 1, bytes, data[0] & 0x80);
		data += 1 + bytes;
		left -= 1 + bytes;
		while ((result = msg_socket_receive(ours, &frame)) == 1) {
			check_message(side, &frame);
			msg_control_frame_close(&frame);
		}
	}
	MUST(result <= 0);
	if (result < 0)
		check_refusal();
	msg_socket_close(ours);
	close(pair[1]);
	/* No descriptor was lost. */
	result = dup(STDERR_FILENO);
	MUST(result == lowest);
	close(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct msg_control_frame frame = {.fds = {-1, -1, -1}};
	enum msg_control_side side;

	if (bytes < 2)
		return 0;
	side = data[1] & OF_BROKER ? MSG_CONTROL_BROKER : MSG_CONTROL_CLIENT;
	frame.kind = data[0];
	frame.fd_count = data[1] & FD_COUNT;
	frame.body = data + 2;
	frame.bytes = (uint32_t)(bytes - 2);
	if (data[1] & IN_SOCKET)
		check_socket(side, data + 2, bytes - 2);
	else
		check_message(side, &frame);
	return 0;
}
