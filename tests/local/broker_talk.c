/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker_talk.c - a client of a broker that behaves as told, without libmsg's
 * own: so that tests can have slow, stuck and holding ones.
 *
 *     broker_talk SOCKET publish TOPIC RATE
 *     broker_talk SOCKET subscribe PATTERN take|hold|stuck lap|evict|block
 *
 * A publisher writes messages of 8 bytes into its ring, RATE a second.  A
 * subscriber takes what comes; with hold it keeps every eighth entry until it
 * has 16; with stuck it takes nothing.  Both say "ready" when they are part of
 * the broker, and end when it hangs up, or by a signal.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/clock.h"
#include "base/trail.h"
#include "link/shm/control.h"
#include "link/shm/place.h"
#include "link/shm/segment.h"
#include "link/shm/socket.h"
#include "pool/ring_reader.h"
#include "pool/ring_writer.h"

#define RINGS_MAX 16
#define HOLD 16u

static struct msg_socket *door;
static struct msg_shm_segment ring, ledgers[MSG_RING_READERS_MAX];
static struct msg_ring_writer writer;
static uint32_t publisher_id;

struct reading {
	struct msg_shm_segment ring, ledger;
	struct msg_ring_reader reader;
	uint64_t taken;
	uint32_t held, hold_max;
};
static struct reading readings[RINGS_MAX];
static int reading_count;

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, msg_trail_text());
	exit(1);
}

static void say(struct msg_control *message)
{
	must(msg_socket_say(door, message, NULL, 0), "say");
}

/* ---- publishing ------------------------------------------------------------ */

static void publishing(
	const struct msg_control_publishing *shape, struct msg_control_frame *f)
{
	struct msg_control mapped = {.kind = MSG_CONTROL_MAPPED};
	struct msg_ring_writer_options options = {
		.entry_count = shape->entry_count,
		.shared = true,
	};

	must(msg_shm_segment_map_writable(
		     &ring, f->fds[0], msg_ring_bytes(shape->entry_count)),
		"ring");
	options.header = (struct msg_ring_header *)(void *)ring.base;
	must(msg_ring_writer_open(&writer, &options), "writer");
	say(&mapped);
	puts("ready");
}

static void reader_comes(
	const struct msg_control_reader *r, struct msg_control_frame *f)
{
	static const enum msg_ring_slow slow[] = {
		[MSG_CONTROL_LAP] = MSG_RING_LAP,
		[MSG_CONTROL_EVICT] = MSG_RING_EVICT,
		[MSG_CONTROL_BLOCK] = MSG_RING_BLOCK,
	};

	must(msg_shm_segment_map_readonly(&ledgers[r->reader], f->fds[0],
		     msg_ring_ledger_bytes(r->hold_max)),
		"ledger");
	msg_ring_writer_add(&writer, r->reader,
		(struct msg_ring_ledger *)(void *)ledgers[r->reader].base,
		r->hold_max, slow[r->policy]);
}

static void publish_one(uint64_t sequence)
{
	struct msg_ring_item item = {
		.sequence = sequence,
		.publisher = publisher_id,
		.bytes = 8,
		.kind = MSG_RING_INLINE,
		.data = {sequence},
	};

	if (!msg_ring_room(&writer, 1))
		return;
	msg_ring_put(&writer, 0, &item, MSG_RING_NO_TOKEN);
	msg_ring_advance(&writer, 1);
	msg_ring_flush(&writer);
}

/* ---- subscribing ----------------------------------------------------------- */

static void ring_comes(
	const struct msg_control_ring *r, struct msg_control_frame *f)
{
	struct reading *to = &readings[reading_count];

	if (reading_count == RINGS_MAX)
		return;
	must(msg_shm_segment_map_readonly(
		     &to->ring, f->fds[0], msg_ring_bytes(r->entry_count)),
		"ring");
	must(msg_shm_segment_map_writable(&to->ledger, f->fds[2],
		     msg_ring_ledger_bytes(r->hold_max)),
		"ledger");
	msg_ring_reader_open(&to->reader,
		(struct msg_ring_header *)(void *)to->ring.base, r->entry_count,
		(struct msg_ring_ledger *)(void *)to->ledger.base, r->reader,
		MSG_RING_HEAD);
	to->hold_max = r->hold_max;
	reading_count++;
}

static void take(struct reading *r, int hold)
{
	struct msg_ring_item item;
	uint64_t at = r->reader.next;

	switch (msg_ring_peek(&r->reader, at, &item)) {
	case MSG_RING_EMPTY:
		return;
	case MSG_RING_GONE:
		msg_ring_lap(&r->reader);
		return;
	default:
		break;
	}
	msg_ring_hold(&r->reader, at + 1, false);
	msg_store(&r->reader.ledger->taken, ++r->taken, relaxed);
	if (hold && at % 8 == 0 && r->held < HOLD &&
		r->held < r->hold_max) {
		msg_store(&r->reader.ledger->held_top, r->held + 1, release);
		msg_ring_keep(&r->reader, r->held++, at);
	}
	msg_ring_settle(&r->reader, at + 1);
}

/* ---- both ------------------------------------------------------------------ */

static void hear(void)
{
	struct msg_control_frame frame;
	struct msg_control m;

	for (;;) {
		int result = msg_socket_receive(door, &frame);

		if (result == 0)
			return;
		must(result, "the broker");
		must(msg_control_unpack(&m, MSG_CONTROL_BROKER, &frame),
			"unpack");
		if (m.kind == MSG_CONTROL_PUBLISHING)
			publishing(&m.publishing, &frame);
		else if (m.kind == MSG_CONTROL_READER)
			reader_comes(&m.reader, &frame);
		else if (m.kind == MSG_CONTROL_READER_GONE)
			msg_ring_writer_remove(&writer, m.reader_gone.reader);
		else if (m.kind == MSG_CONTROL_RING)
			ring_comes(&m.ring, &frame);
		else if (m.kind == MSG_CONTROL_SUBSCRIBED)
			puts("ready");
		else if (m.kind == MSG_CONTROL_REFUSED)
			must(msg_fail(1, "%s", m.refused.text), "refused");
		msg_control_frame_close(&frame);
		fflush(stdout);
	}
}

static void hello(const char *socket, uint32_t role)
{
	struct msg_control m = {.kind = MSG_CONTROL_HELLO};
	int fd = -1;

	must(msg_place_connect(socket, &fd), "connect");
	must(msg_socket_open(fd, &door), "socket");
	m.hello.version = MSG_CONTROL_VERSION;
	m.hello.role = role;
	strcpy(m.hello.program, "broker_talk");
	say(&m);
}

static void pause_until(uint64_t until)
{
	struct pollfd poll_fd = {msg_socket_fd(door), POLLIN, 0};
	uint64_t now = msg_clock_ns();
	int ms = until > now ? (int)((until - now) / MSG_NS_PER_MS) + 1 : 0;

	poll(&poll_fd, 1, ms < 20 ? ms : 20);
	hear();
}

static void publish(const char *topic, double rate)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};
	uint64_t begin = msg_clock_ns(), sent = 0;

	if (getrandom(&m.publish.incarnation, 8, 0) != 8)
		exit(1);
	publisher_id = (uint32_t)m.publish.incarnation;
	snprintf(m.publish.topic, sizeof m.publish.topic, "%s", topic);
	m.publish.message_bytes_max = 64;
	m.publish.loan_count_max = 256;
	m.publish.period_ms = 1000;
	say(&m);
	for (;;) {
		uint64_t due = begin + (uint64_t)((double)sent / rate * 1e9);

		pause_until(due);
		if (!writer.entries)
			continue;
		while ((double)(msg_clock_ns() - begin) * rate / 1e9 >=
			(double)sent)
			publish_one(sent++);
	}
}

static void subscribe(const char *pattern, const char *how, const char *policy)
{
	struct msg_control m = {.kind = MSG_CONTROL_SUBSCRIBE};
	int hold = strcmp(how, "hold") == 0, stuck = strcmp(how, "stuck") == 0;

	snprintf(
		m.subscribe.pattern, sizeof m.subscribe.pattern, "%s", pattern);
	m.subscribe.policy = strcmp(policy, "lap") == 0     ? MSG_CONTROL_LAP
			     : strcmp(policy, "evict") == 0 ? MSG_CONTROL_EVICT
							    : MSG_CONTROL_BLOCK;
	m.subscribe.hold_max = 64;
	m.subscribe.message_bytes_max = 65536;
	say(&m);
	for (;;) {
		pause_until(msg_clock_ns() + MSG_NS_PER_MS);
		for (int i = 0; i < reading_count && !stuck; i++)
			for (int n = 0; n < 100; n++)
				take(&readings[i], hold);
	}
}

int main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[2], "publish") == 0) {
		hello(argv[1], MSG_CONTROL_PUBLISHER);
		publish(argv[3], atof(argv[4]));
	} else if (argc == 6 && strcmp(argv[2], "subscribe") == 0) {
		hello(argv[1], MSG_CONTROL_SUBSCRIBER);
		subscribe(argv[3], argv[4], argv[5]);
	}
	fprintf(stderr, "see broker_talk.c\n");
	return 2;
}
