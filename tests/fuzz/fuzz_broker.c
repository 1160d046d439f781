/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_broker.c - a broker with live state, and up to four clients that say
 * whatever the input wants, in any order, with any body.
 *
 * The input is a row of steps.  A step's first byte names the client (2 bits)
 * and what it does: connect, hang up, read what it was told, say a proper
 * message with fields of the input, say a frame of any kind with any body, or
 * write raw bytes.  Whatever happens, the broker stays alive, answers or hangs
 * up, and owns nothing once all are gone.
 */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/client.h"
#include "broker/log.h"
#include "broker/server_internal.h"

#include "broker_peer.h"
#include "receiver.h"

#define PEERS 4
#define STEPS_MAX 64

struct input {
	const uint8_t *at, *end;
};

static struct broker_peer peers[PEERS];

static uint8_t next_byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

/* A piece of the input as text that may be a topic, often enough. */
static void next_topic(struct input *in, char *to)
{
	static const char *const some[] = {
		"a", "a.b", "a.*", ">", "a.b.c", "*.b", "a..b", "x.>"};

	strcpy(to, some[next_byte(in) % 8]);
}

static void say_proper(struct input *in, struct broker_peer *peer)
{
	struct msg_control m;

	memset(&m, 0, sizeof m);
	switch (next_byte(in) % 7) {
	case 0:
		m.kind = MSG_CONTROL_HELLO;
		m.hello.version = 1;
		m.hello.role = 1 + next_byte(in) % 3;
		break;
	case 1:
		m.kind = MSG_CONTROL_SUBSCRIBE;
		next_topic(in, m.subscribe.pattern);
		m.subscribe.policy = 1 + next_byte(in) % 3;
		m.subscribe.hold_max = 1u + next_byte(in);
		m.subscribe.message_bytes_max = 1000;
		break;
	case 2:
		m.kind = MSG_CONTROL_PUBLISH;
		next_topic(in, m.publish.topic);
		m.publish.incarnation = next_byte(in);
		m.publish.message_bytes_max = 1u + next_byte(in);
		m.publish.loan_count_max = 2u + next_byte(in) % 8;
		m.publish.period_ms = 1000;
		break;
	case 3:
		m.kind = MSG_CONTROL_MAPPED;
		break;
	case 4:
		m.kind = MSG_CONTROL_WATCH;
		next_topic(in, m.watch.pattern);
		break;
	case 5:
		m.kind = MSG_CONTROL_STATS;
		break;
	default:
		m.kind = MSG_CONTROL_BYE;
		m.bye.next_sequence = next_byte(in);
	}
	broker_peer_say(peer, &m);
}

static void say_anything(struct input *in, struct broker_peer *peer)
{
	unsigned kind = next_byte(in);
	size_t bytes = next_byte(in);

	if (bytes > (size_t)(in->end - in->at))
		bytes = (size_t)(in->end - in->at);
	(void)msg_socket_send(peer->socket, kind, in->at, bytes, NULL, 0);
	in->at += bytes;
	broker_step();
}

static void write_raw(struct input *in, struct broker_peer *peer)
{
	size_t bytes = next_byte(in);

	if (bytes > (size_t)(in->end - in->at))
		bytes = (size_t)(in->end - in->at);
	(void)!send(msg_socket_fd(peer->socket), in->at, bytes,
		MSG_DONTWAIT | MSG_NOSIGNAL);
	in->at += bytes;
	broker_step();
}

static void step(struct input *in)
{
	uint8_t what = next_byte(in);
	struct broker_peer *peer = &peers[what % PEERS];

	if (!peer->socket) {
		broker_peer_open(peer);
		return;
	}
	switch (what / PEERS % 8) {
	case 0:
		broker_peer_close(peer);
		break;
	case 1:
		while (broker_peer_hear(peer))
			;
		break;
	case 2:
		say_anything(in, peer);
		break;
	case 3:
		write_raw(in, peer);
		break;
	default:
		say_proper(in, peer);
	}
}

static void start(void)
{
	broker_configure("none");
	/* Small, so that limits are met. */
	broker_config.limits.most[ACCOUNT_BYTES] = 4u << 20;
	broker_config.limits.most[ACCOUNT_HELD_SLOTS] = 512;
	broker_open();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct input in = {data, data + bytes};

	if (!broker_server)
		start();
	for (int i = 0; i < STEPS_MAX && in.at < in.end; i++)
		step(&in);
	for (int i = 0; i < PEERS; i++)
		if (peers[i].socket)
			broker_peer_close(&peers[i]);
	broker_step();
	MUST(broker_server->client_count == 0);
	while (broker_server->publishers)
		publisher_close(broker_server->publishers);
	MUST(!broker_server->streams);
	for (int kind = 0; kind < ACCOUNT_KIND_COUNT; kind++)
		MUST(account_held(broker_server->accounts, getuid(),
			     (enum account_kind)kind) == 0);
	return 0;
}
