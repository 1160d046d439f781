/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_talk.c - one connection between two machines, whose wire may be bad.
 *
 *	channel_talk DEVICE serve COUNT
 *	channel_talk DEVICE call ADDRESS COUNT
 *
 * The caller sends COUNT numbered messages, which the server checks, and reads
 * 128 KiB that the server shares, and says "talked".  Then it sends now and then
 * until the connection ends, or hangs up after PATIENCE_MS: SoftRoCE asks again
 * for minutes.  It says why it ended, and fails when a send did not come back.
 * Used by checks/channel_cut.sh of tests/softroce.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "link/fabric/fabric.h"

#define PORT 7471
#define BUFFER_BYTES 4096u
#define BUFFERS 64u
#define SHARED_BYTES (1u << 17) /* A loss sends a READ back to where it was: slow. */
#define WAIT_S 120
#define PATIENCE_MS 5000

static struct msg_link_domain *domain;
static struct msg_channels *set;
static uint8_t memory[BUFFERS * BUFFER_BYTES];
static uint8_t shared[SHARED_BYTES];

static void check(bool holds, const char *what)
{
	if (holds)
		return;
	printf("channel_talk: %s\n", what);
	exit(1);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void open_set(const char *device, bool listen)
{
	struct msg_link_domain_options where = {
		.lane = MSG_LANE_VERBS,
		.device = device,
		.ttl = 1,
		.family = AF_INET,
	};
	struct msg_channels_options options = {
		.memory = memory,
		.memory_bytes = sizeof memory,
		.receive_count = BUFFERS / 2,
		.send_count = BUFFERS / 2,
		.connection_max = 4,
		.connect_limit_ms = 60000,
		.listen = listen,
		.port = listen ? PORT : 0,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";

	check(msg_link_module.open(&where, &domain, text) == 0, text);
	check(msg_channel_module.open(domain, &options, &set, text) == 0, text);
}

static void post(uint32_t i)
{
	check(set->ops->post(set, memory + i * BUFFER_BYTES, BUFFER_BYTES, i) ==
		0, "post");
}

static struct msg_channel_event next(void)
{
	uint64_t limit = now_ms() + WAIT_S * 1000;
	struct msg_channel_event event;
	int n;

	while ((n = set->ops->poll(set, &event, 1)) == 0)
		check(now_ms() < limit, "nothing came");
	check(n == 1, "poll");
	return event;
}

/* Message i: its number, over a length that depends on it. */
static uint32_t bytes_of(uint32_t i)
{
	return 8 + i * 37 % (BUFFER_BYTES - 8);
}

/* The shared bytes, the same on both sides. */
static void fill_shared(void)
{
	for (uint32_t i = 0; i < SHARED_BYTES; i++)
		shared[i] = (uint8_t)(i * 7 + (i >> 8));
}

static int serve(const char *device, uint32_t count)
{
	struct msg_channel_region region;
	struct msg_channel_event event;

	open_set(device, true);
	fill_shared();
	check(set->ops->share(set, shared, sizeof shared, MSG_CHANNEL_SHARED,
		      &region) == 0, "share");
	for (uint32_t i = 0; i < BUFFERS / 2; i++)
		post(i);
	printf("serving\n");
	fflush(stdout);
	event = next();
	check(event.type == MSG_CHANNEL_ASKED, "nobody asked");
	check(set->ops->accept(set, event.handle, &region.address, 16) == 0,
		"accept"); /* Address and key stand side by side. */
	check(next().type == MSG_CHANNEL_CONNECTED, "not connected");
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *got;
		uint32_t number;

		event = next();
		if (event.type != MSG_CHANNEL_RECEIVED)
			printf("behind %u messages: event %u: %s\n", i,
				event.type, strerror(event.error));
		check(event.type == MSG_CHANNEL_RECEIVED, "no message");
		got = memory + event.token * BUFFER_BYTES;
		memcpy(&number, got, sizeof number);
		if (number != i)
			printf("message %u came where %u was due\n", number, i);
		check(number == i && event.bytes == bytes_of(i),
			"another message than is due");
		post(event.token);
	}
	do {
		event = next();
		if (event.type == MSG_CHANNEL_RECEIVED)
			post(event.token);
	} while (event.type != MSG_CHANNEL_CLOSED);
	printf("talked: %u messages in order\n", count);
	return 0;
}

static bool send_one(uint32_t handle, uint32_t number, uint32_t bytes)
{
	uint32_t slot = BUFFERS / 2 + number % (BUFFERS / 2);
	uint8_t *at = memory + slot * BUFFER_BYTES;
	struct msg_channel_send send = {
		.iov = {{at, bytes}},
		.iov_count = 1,
		.handle = handle,
		.token = number,
		.signal = true,
	};
	int result;

	memcpy(at, &number, sizeof number);
	result = set->ops->send(set, &send);
	check(result == 0 || result == -MSG_ERROR_AGAIN ||
		result == -MSG_ERROR_ARGUMENT, "send");
	return result == 0;
}

static void read_shared(uint32_t handle, const uint64_t remote[2])
{
	static uint8_t copy[SHARED_BYTES];
	struct msg_channel_region into;
	struct msg_channel_read read = {
		.into = copy,
		.bytes = sizeof copy,
		.address = remote[0],
		.key = remote[1],
		.handle = handle,
		.region = &into,
	};

	check(set->ops->share(set, copy, sizeof copy, MSG_CHANNEL_LOCAL,
		      &into) == 0, "share");
	check(set->ops->read(set, &read) == 0, "read");
	while (next().type != MSG_CHANNEL_READ_DONE)
		;
	fill_shared();
	check(memcmp(copy, shared, sizeof copy) == 0, "other bytes were read");
}

/* Send now and then until it ends; every send must come back. */
static void until_closed(uint32_t handle, uint32_t number)
{
	uint64_t begin = now_ms(), due = begin;
	struct msg_channel_event event;
	uint32_t out = 0;
	bool patient = true;
	int n;

	for (;;) {
		check(now_ms() < begin + WAIT_S * 1000, "it never ended");
		if (patient && now_ms() >= begin + PATIENCE_MS) {
			patient = false;
			printf("%u sends out\n", out);
			set->ops->hang_up(set, handle);
		}
		if (patient && now_ms() >= due && out < 8 &&
			send_one(handle, number, 8)) {
			number++;
			out++;
			due += 100;
		}
		n = set->ops->poll(set, &event, 1);
		if (n == 0)
			continue;
		if (event.type == MSG_CHANNEL_CLOSED)
			break;
		out--;
	}
	check(out == 0, "a send did not come back");
	printf("closed after %llu ms: %s\n",
		(unsigned long long)(now_ms() - begin),
		event.error ? strerror(event.error) : "hung up");
}

static int call(const char *device, const char *address, uint32_t count)
{
	uint8_t reach[7] = {4, PORT >> 8, PORT & 0xff};
	struct msg_channel_event event;
	uint64_t remote[2];
	uint32_t handle, sent = 0, done = 0;

	open_set(device, false);
	check(inet_pton(AF_INET, address, reach + 3) == 1, "address");
	check(set->ops->connect(set, reach, sizeof reach, NULL, 0, &handle) ==
		0, "connect");
	event = next();
	check(event.type == MSG_CHANNEL_CONNECTED && event.bytes == 16,
		"not connected");
	memcpy(remote, event.greeting, sizeof remote);
	while (done < count) {
		/* What is under way may have to be sent again, from where it
		 * stands: its slot is not written to before it is done. */
		while (sent < count && sent - done < BUFFERS / 2 &&
			send_one(handle, sent, bytes_of(sent)))
			sent++;
		event = next();
		if (event.type != MSG_CHANNEL_SENT)
			printf("of %u sent, %u done: event %u: %s\n", sent,
				done, event.type, strerror(event.error));
		check(event.type == MSG_CHANNEL_SENT, "a send failed");
		done = event.token + 1;
	}
	read_shared(handle, remote);
	printf("talked\n");
	fflush(stdout);
	until_closed(handle, sent);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[2], "serve") == 0)
		return serve(argv[1], (uint32_t)atoi(argv[3]));
	if (argc == 5 && strcmp(argv[2], "call") == 0)
		return call(argv[1], argv[3], (uint32_t)atoi(argv[4]));
	fprintf(stderr, "usage: %s DEVICE serve COUNT | call ADDRESS COUNT\n",
		argv[0]);
	return 2;
}
