/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - one object's connection to the broker of the host.
 *
 *      connect, Hello       Welcome            the owner's answer
 *     AWAY ──────> GREETING ──────> ASKING ──────────> SERVED
 *       ^              │ Refused, hang-up, nonsense       │
 *       └──────────────┴──────────────────────────────────┘
 *
 * A publisher, a subscriber or an onlooker owns one and is called back for what
 * the broker says.  Nothing here blocks but msg_client_await, so the steady
 * path can drive it: one load says whether there is news, and now and then a
 * tick looks at the socket itself, so that a broker that died is noticed, and
 * one that came back is found.  The owner asks it for the same again.
 *
 * Neighbours: publication, subscription, watch; calls link/shm.
 * Test: tests/unit/topic/test_subscription.c, test_publication.c.
 */
#ifndef MSG_TOPIC_CLIENT_H
#define MSG_TOPIC_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "link/shm/control.h"
#include "link/shm/place.h"
#include "link/shm/segment.h"
#include "link/shm/socket.h"

/* What a broker that lives says who it is in; beyond that, what it has to start
 * in, since its socket may be there before it can answer (a service manager
 * opens it, or devices take their time); and what it has to make memory for us
 * in, while others want some, too. */
#define MSG_CLIENT_WELCOME_NS MSG_NS_PER_S
#define MSG_CLIENT_START_NS (4 * MSG_NS_PER_S)
#define MSG_CLIENT_ANSWER_NS (5 * MSG_NS_PER_S)
/* So much more for one that has said that it is about to: what it waits for takes a
 * fraction of a second of a processor that others may want, too. */
#define MSG_CLIENT_UNDER_WAY_NS (25 * MSG_NS_PER_S)
/* Between looks for a broker that is away: a restart takes longer. */
#define MSG_CLIENT_RETRY_NS (50 * MSG_NS_PER_MS)
/* Between looks at one that is there and owes an answer: three of them lead back to
 * work, and on a busy machine none comes while one waits for it. */
#define MSG_CLIENT_ASK_NS (5 * MSG_NS_PER_MS)
/* Between looks at the socket of one that serves us. */
#define MSG_CLIENT_PROBE_NS (50 * MSG_NS_PER_MS)

enum msg_client_phase {
	MSG_CLIENT_AWAY,
	MSG_CLIENT_GREETING,
	MSG_CLIENT_ASKING,
	MSG_CLIENT_SERVED,
};

struct msg_client_calls {
	/* Welcome came: ask for what the owner is.  A negated code hangs up. */
	int (*ask)(void *context);
	/* Whatever else came.  It keeps a descriptor by writing -1 into the
	 * frame; a negated code hangs up. */
	int (*hear)(void *context, const struct msg_control *said,
		struct msg_control_frame *frame);
	/* The connection ended; `refused`: the broker said so itself. */
	void (*lost)(void *context, bool refused);
};

struct msg_client {
	const _Atomic uint32_t *news; /* Never NULL. */
	uint32_t news_seen; /* As of when the socket was last found empty. */
	enum msg_client_phase phase;
	struct msg_socket *socket; /* NULL: away. */
	struct msg_shm_segment page;
	_Atomic uint64_t due; /* Of the next tick, coarse clock.  Relaxed: it
	                         guards nothing; an attendant looks, too. */
	const struct msg_client_calls *calls;
	void *context;
	uint32_t role;
	bool under_way; /* It said that its answer takes a while. */
	int error; /* Why the connection ended, negated. */
	struct msg_control_welcome welcome; /* The latest. */
	struct msg_control_refused refused; /* code 0: not refused. */
	char path[MSG_PLACE_PATH_BYTES];
};

/* Connect and say Hello.  Returns 0; what msg_place_connect returns, with the
 * reason on the trail; then nothing is open. */
int msg_client_open(struct msg_client *client, const char *path,
	enum msg_control_role role, const struct msg_client_calls *calls,
	void *context);

/* Until the owner is served, `limit_ns` at most, or MSG_CLIENT_UNDER_WAY_NS more
 * where the broker says that its answer is under way.  Returns 0; the broker's own
 * refusal, or -MSG_ERROR_FABRIC, with the reason on the trail. */
int msg_client_await(struct msg_client *client, uint64_t limit_ns);

/* Hear what was said; look for the broker if it is away, and then wait a
 * millisecond or so for its answers: who calls once a second is not to need a
 * second for each. */
void msg_client_turn(struct msg_client *client);

/* Whether it is time for a turn without news. */
static inline bool msg_client_is_due(const struct msg_client *client)
{
	return msg_clock_coarse_ns() >= msg_load(&client->due, relaxed);
}

/* How soon one that is not served wants a turn. */
static inline uint64_t msg_client_patience(const struct msg_client *client)
{
	return client->socket ? MSG_CLIENT_ASK_NS : MSG_CLIENT_RETRY_NS;
}

/* A turn, if there is news or it is time for one. */
void msg_client_tick(struct msg_client *client);

/* Safe on what is all zero. */
void msg_client_close(struct msg_client *client);

/* Acquire; partner: msg_session_step. */
static inline bool msg_client_has_news(const struct msg_client *client)
{
	return msg_load(client->news, acquire) != client->news_seen;
}

/* Rings that this subscriber was not given, since its Welcome; 0: it has none, or
 * the broker is away. */
uint32_t msg_client_left_out(const struct msg_client *client);

/* A message to the broker, without descriptors; as msg_socket_say. */
static inline int msg_client_say(
	struct msg_client *client, const struct msg_control *control)
{
	return msg_socket_say(client->socket, control, NULL, 0);
}

#endif
