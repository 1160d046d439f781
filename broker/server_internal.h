/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_internal.h - the broker's state, for the files that make it up.
 */
#ifndef BROKER_SERVER_INTERNAL_H
#define BROKER_SERVER_INTERNAL_H

#include "broker/account.h"
#include "broker/feed.h"
#include "broker/finder.h"
#include "broker/network.h"
#include "broker/relay.h"
#include "broker/server.h"
#include "broker/stats.h"
#include "broker/stream.h"
#include "broker/types.h"

struct server {
	struct server_options options;
	struct accounts *accounts;
	struct client *clients;
	uint32_t client_count;
	bool deaf; /* No descriptors: the listening socket is not watched. */
	int epoll_fd;
	int bell[2]; /* Ours: what publishers ring, what we hear. */
	uint64_t epoch;
	uint32_t slots; /* Of each feed. */
	uint32_t turns;
	bool ending; /* Nobody is told that rings go. */
	bool heard; /* The directory's descriptor may have something. */
	struct network network;
	struct feed **feeds; /* By access class. */
	uint32_t feed_count;
	struct stream *streams;
	struct publisher *publishers;
	uint64_t publisher_number; /* Of the latest. */
	struct types *types;
	struct finder finder;
	struct msg_broker_total_counts counts; /* Some are filled in when shown. */
	struct stats stats;
};

/* ---- server.c ------------------------------------------------------------- */

/* Watch a descriptor; `mark` comes back with its events. */
int server_watch(struct server *server, int fd, void *mark);

/* The same for a link's: look at the lane again. */
int server_watch_lane(struct server *server, int fd);

/* Read and write everything once; how much there was, or a negated error. */
int server_turn(struct server *server);

/* Close who is broken, tell who must know: after clients were served. */
void server_tidy(struct server *server);

/* ---- offer.c -------------------------------------------------------------- */

/* A topic was announced: those whose pattern it matches want its stream. */
void server_announced(void *server, const char *topic);

/* Those that expect another type than this publisher's are told. */
void server_appeared(void *server, const struct msg_announcement *said);

/* The stream of a topic from the network, made for the wish of who asks if there
 * is none; NULL with the trail. */
struct stream *server_network_stream(struct server *server, const char *topic,
	const struct msg_control_subscribe *wish);

/* A local stream has appeared: attach who wants it. */
void server_offer(struct server *server, struct stream *stream);

/* Nobody writes a stream any more: those who read it are told and detached. */
void server_drop_readers(struct server *server, struct stream *stream);

/* Streams of topics heard of on the network, for one more subscriber. */
void server_offer_network(struct server *server, struct client *client);

/* A network stream that nobody reads goes. */
void server_release_stream(struct server *server, struct stream *stream);

/* ---- listing.c ------------------------------------------------------------ */

/* Answer Watch and Stats.  0, or a negated error with the trail. */
int server_list(struct client *client, const char *pattern);
int server_stats(struct server *server, struct client *client);
/* Go on with the answer to Watch, as far as the client's socket takes it. */
void server_list_more(struct client *client);
/* Whoever has not read on for long is broken. */
void server_list_check(struct client *client);

#endif
