/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - one connection: a publisher, a subscriber or an onlooker.
 *
 *     Hello ─> Welcome ─> Subscribe ─> Subscribed, rings come and go
 *                      ├> Publish ─> Publishing ─> Mapped: announced, readers
 *                      └> Watch, Stats: answered, as often as asked
 *
 * What has to be found first, for the first who wants it, is put aside, with all
 * that follows it, and handled when it is there (finder.h).
 *
 * Whatever it holds hangs on its struct client and goes when it hangs up:
 * places in rings, ledgers, quota.  Only what a publisher has published stays
 * until the network and the readers have it.  A client that breaks the protocol,
 * or does not read what it is told, is disconnected.
 * Test: tests/local/broker_*.sh, fuzz: tests/fuzz/fuzz_broker.c.
 */
#ifndef BROKER_CLIENT_H
#define BROKER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "broker/peer.h"

#include "link/shm/control.h"
#include "link/shm/segment.h"
#include "link/shm/session.h"
#include "link/shm/socket.h"
#include "topic/name.h"

#define CLIENT_RINGS_MAX 256u /* That a subscriber reads at once. */

struct server;
struct stream;
struct publisher;

/* A ring that a subscriber reads. */
struct client_ring {
	struct stream *stream;
	uint32_t reader;
	uint32_t number;
};

/* An answer to Watch, which need not fit the socket: who has been told of is
 * known by two numbers, however many topics there are. */
struct client_listing {
	bool active;
	char pattern[MSG_TOPIC_BYTES_MAX + 1];
	uint64_t publishers_before; /* Local ones below are still to be told, */
	uint64_t heard_after;       /* and of the directory, those above, */
	uint64_t heard_last;        /* up to who was there at the question. */
	uint64_t said_ns;           /* When some of it went out; coarse. */
};

/* A schema that a publisher says, part by part. */
struct client_schema {
	uint64_t hash;
	uint32_t bytes; /* 0: none. */
	uint32_t have;
	uint8_t *data;
};

struct client {
	struct client *next, **link;
	struct server *server;
	uint64_t id; /* For onlookers; 0: none yet. */
	uint64_t connected_ns;
	struct peer peer;
	struct msg_socket *socket;
	struct msg_shm_segment page; /* struct msg_session */
	uint32_t role;               /* enum msg_control_role; 0: no Hello yet. */
	bool patient; /* It may be told that an answer is UnderWay. */
	bool broken;                 /* Close it at the end of this turn. */
	uint32_t events; /* For which its socket is watched. */
	bool mapped;                 /* Publisher: it has its memory. */
	struct msg_control *aside; /* What it asked for, while that is found. */
	/* Subscriber. */
	char pattern[MSG_TOPIC_BYTES_MAX + 1]; /* "" until Subscribe. */
	struct msg_control_subscribe wish;
	bool subscribed; /* It was told so: from then on, of rings. */
	uint32_t typed;  /* Publishers of another type it was told of. */
	int bell[2]; /* Its doorbell: what we ring, what it hears. */
	struct client_ring *rings;
	uint32_t ring_count;
	uint32_t ring_number;
	/* Publisher. */
	struct publisher *publisher;
	struct client_schema schema; /* Until Publish takes it. */
	/* Onlooker. */
	struct client_listing listing;
};

/* Charge a connection and serve it; on failure `fd` is the caller's to close. */
int client_open(struct server *server, int fd);
void client_close(struct client *client);

/* It has something for us. */
void client_readable(struct client *client);

/* What it asked for was put aside, and nothing stands in its way any more. */
void client_go_on(struct client *client);

/* Nothing more is read of it for now. */
static inline bool client_is_unheard(const struct client *client)
{
	return client->listing.active || client->aside;
}

/* Send what waits, and go on with what had no room. */
void client_writable(struct client *client);

/* Send and let it know that there is news.  One that does not read is marked
 * broken. */
void client_say(struct client *client, const struct msg_control *message,
	const int *fds, unsigned fd_count);

/* Say why (code, and the trail), and hang up at the end of this turn. */
void client_refuse(struct client *client, int code);

/* Turn away a connection that is no client yet, with the reason on the trail,
 * and close it. */
void client_turn_away(int fd, int code);

/* Watch for room, as long as something waits for it; and for no more questions
 * while one is being answered, or put aside. */
void client_watch(struct client *client);

/* Whether something may be said that can wait. */
bool client_has_room(const struct client *client);

/* Who a reader is, for a publisher; NULL: the broker itself. */
void client_introduce(
	const struct client *client, struct msg_control_reader *reader);

/* What a publisher rings to wake this reader; -1: nothing. */
int client_doorbell(const struct client *owner, const struct client *reader);

/* Whether this subscriber wants a topic, and may have it. */
bool client_wants(const struct client *client, const char *topic);

/* Whether it may read one stream more.  0, or BUSY with the trail. */
int client_has_place(const struct client *client);

/* It is not given a stream of this topic, by the trail: counted for it, and logged.
 * What it has it keeps: others make streams. */
void client_leave_out(struct client *client, const char *topic);

/* Attach a subscriber to a stream, or detach it; telling is the stream's. */
int client_attach(struct client *client, struct stream *stream);
void client_detach(struct client *client, struct stream *stream);

#endif
