/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker_crowd.c - more publishers than one has patience to start.
 *
 *     broker_crowd HEARD LOCAL
 *
 * HEARD of them are announcements on the network alone, sent to the directory's
 * group as other hosts would send them (MSG_GROUPS, MSG_PORT, by loopback);
 * LOCAL are publishers of this process on the broker (MSG_BROKER), which come
 * when its directory is full of the others.  Topics are long, begin with crowd
 * and end with a number, each once.  Says "ready", and ends by a signal.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <msg/msg.h>

#include "protocol/frame.h"
#include "topic/announce.h"
#include "topic/name.h"

#define PAUSE_EVERY 16u /* Announcements; the listener has 256 buffers. */
#define PAUSE_NS 1000000
#define ROUNDS 3 /* One that is lost is heard the next time. */

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, msg_error_text());
	exit(1);
}

static void name_topic(char *topic, size_t bytes, unsigned number)
{
	snprintf(topic, bytes, "crowd.%0180d.%u", 0, number);
}

/* ---- heard ----------------------------------------------------------------- */

static struct sockaddr_in directory_group(void)
{
	const char *groups = getenv("MSG_GROUPS"), *port = getenv("MSG_PORT");
	struct sockaddr_in to = {.sin_family = AF_INET};
	char address[INET_ADDRSTRLEN];

	if (!groups || !port)
		exit(2);
	snprintf(address, sizeof address, "%.*s", (int)strcspn(groups, "+"),
		groups);
	if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
		exit(2);
	to.sin_port = htons((uint16_t)atoi(port));
	return to;
}

static void announce(int fd, const struct sockaddr_in *to, unsigned number)
{
	uint8_t frame[MSG_FRAME_HEADER_BYTES + MSG_ANNOUNCE_BYTES_MAX];
	struct msg_announcement said = {
		.host = "elsewhere",
		.program = "crowd",
		.incarnation = 0x5eed00000000ull + number + 1,
		.publisher = number + 1,
		.pid = 1,
		.message_bytes_max = 1000,
		.frame_bytes = 1024,
		.period_ms = 60000,
	};
	struct msg_frame header = {
		.type = MSG_FRAME_ANNOUNCE, .publisher = said.publisher};
	size_t bytes;

	name_topic(said.topic, sizeof said.topic, number);
	header.tag = msg_name_tag(said.topic);
	bytes = MSG_FRAME_HEADER_BYTES +
		msg_announce_pack(&said, frame + MSG_FRAME_HEADER_BYTES);
	header.bytes = (uint16_t)bytes;
	msg_frame_write(frame, &header);
	if (sendto(fd, frame, bytes, 0, (const struct sockaddr *)to,
		    sizeof *to) < 0)
		perror("sendto");
}

static void announce_all(unsigned count)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct in_addr loopback = {htonl(INADDR_LOOPBACK)};
	struct sockaddr_in to = directory_group();
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &loopback,
		    sizeof loopback) < 0)
		perror("IP_MULTICAST_IF");
	for (int round = 0; round < ROUNDS; round++)
		for (unsigned i = 0; i < count; i++) {
			announce(fd, &to, i);
			if (i % PAUSE_EVERY == 0)
				nanosleep(&pause, NULL);
		}
	close(fd);
}

/* ---- local ----------------------------------------------------------------- */

static void publish_all(unsigned first, unsigned count)
{
	struct msg_node_options node_options = MSG_NODE_OPTIONS;
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	char topic[MSG_TOPIC_BYTES_MAX + 1];
	struct msg_node *node;

	node_options.broker = MSG_BROKER_REQUIRE;
	must(msg_node_open(&node_options, &node), "node");
	options.topic = topic;
	options.message_bytes_max = 64;
	options.loan_count_max = 2;
	for (unsigned i = first; i < first + count; i++) {
		struct msg_publisher *publisher;

		name_topic(topic, sizeof topic, i);
		must(msg_publisher_open(node, &options, &publisher), topic);
	}
}

int main(int argc, char **argv)
{
	unsigned heard, local;

	if (argc != 3) {
		fprintf(stderr, "see broker_crowd.c\n");
		return 2;
	}
	heard = (unsigned)atoi(argv[1]);
	local = (unsigned)atoi(argv[2]);
	announce_all(heard);
	publish_all(heard, local);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}
