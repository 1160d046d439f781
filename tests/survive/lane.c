/* SPDX-License-Identifier: BSD-2-Clause */
/* lane.c - see lane.h. */
#include "lane.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check_main.h"
#include "topic/announce.h"
#include "topic/name.h"

#define BASIC 6
#define MORE_MAX 5

void lane_choose(
	struct lane *lane, const char *device, const char *const *more)
{
	int pid = getpid();
	const char *basic[BASIC] = {
		device ? "--device" : "--interface", device ? device : "lo",
		"--port", lane->port_text, "--groups", lane->group_text};

	memset(lane, 0, sizeof *lane);
	lane->device = device;
	lane->sender = -1;
	/* Whose port is the same has other groups: 251 does not divide 20000. */
	lane->port = (uint16_t)(20000 + pid % 20000);
	snprintf(lane->port_text, sizeof lane->port_text, "%u", lane->port);
	snprintf(lane->group_text, sizeof lane->group_text,
		"239.252.%d.0+16", pid % 251);
	ck_assert_int_eq(msg_groups_parse(
				 &lane->groups, lane->group_text, lane->port),
		0);
	memcpy(lane->arguments, basic, sizeof basic);
	for (int i = 0; more && more[i]; i++) {
		ck_assert_int_lt(i, MORE_MAX);
		lane->arguments[BASIC + i] = more[i];
	}
}

struct msg_node_options lane_node_options(const struct lane *lane)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;

	o.broker = MSG_BROKER_NEVER;
	o.interface = lane->device ? NULL : "lo";
	o.device = lane->device;
	o.lane = lane->device ? MSG_LANE_VERBS : MSG_LANE_UDP;
	o.port = lane->port;
	o.groups = lane->group_text;
	return o;
}

struct msg_node *lane_open_other(const struct lane *lane)
{
	struct msg_node_options o = lane_node_options(lane);
	struct msg_node *other;

	o.announce_ms = 20;
	o.flags = MSG_NODE_PROGRESS_THREAD;
	ck_assert_msg(msg_node_open(&o, &other) == 0, "%s", msg_error_text());
	return other;
}

void lane_open_sender(struct lane *lane)
{
	const struct in_addr loopback = {htonl(INADDR_LOOPBACK)};

	lane->sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(setsockopt(lane->sender, IPPROTO_IP, IP_MULTICAST_IF,
				 &loopback, sizeof loopback),
		0);
}

void lane_close_sender(struct lane *lane)
{
	close(lane->sender);
	lane->sender = -1;
}

static void send_to(const struct lane *lane, uint32_t group, const char *topic,
	const struct msg_frame *frame, const void *body, size_t bytes)
{
	uint8_t data[1500];
	struct sockaddr_storage to;
	struct msg_frame whole = *frame;

	ck_assert_uint_le(MSG_FRAME_HEADER_BYTES + bytes, sizeof data);
	whole.bytes = (uint32_t)(MSG_FRAME_HEADER_BYTES + bytes);
	whole.tag = msg_name_tag(topic);
	msg_frame_write(data, &whole);
	memcpy(data + MSG_FRAME_HEADER_BYTES, body, bytes);
	msg_groups_address(&lane->groups, group, &to);
	ck_assert_int_eq(sendto(lane->sender, data, whole.bytes, 0,
				 (struct sockaddr *)&to,
				 sizeof(struct sockaddr_in)),
		(ssize_t)whole.bytes);
}

void lane_send(const struct lane *lane, const char *topic,
	const struct msg_frame *frame, const void *body, size_t bytes)
{
	send_to(lane, msg_name_group(topic, lane->groups.count), topic, frame,
		body, bytes);
}

void lane_announce(
	const struct lane *lane, const char *topic, uint32_t publisher)
{
	struct msg_frame frame = {
		.type = MSG_FRAME_ANNOUNCE, .publisher = publisher};
	struct msg_announcement said = {
		.host = "nowhere",
		.program = "nobody",
		.incarnation = 0x1234567800000000ull | publisher,
		.publisher = publisher,
		.message_bytes_max = 1000,
		.frame_bytes = 1024,
		.period_ms = 1000,
	};
	uint8_t body[MSG_ANNOUNCE_BYTES_MAX];

	snprintf(said.topic, sizeof said.topic, "%s", topic);
	send_to(lane, 0, topic, &frame, body, msg_announce_pack(&said, body));
}
