/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * link.h - the one door to a wire.
 *
 * Everything above speaks to a network through these two tables and knows
 * neither libfabric nor verbs nor sockets.  A `link_domain` is a lane opened
 * once per node; a `link` is one endpoint with its own completion queue and
 * its own registered memory, so two links never need a lock between them.
 *
 *     link_domain_ops.open ─> link_domain ─ link_open ─> link
 *          join(group) ─> handle        leave(handle)
 *          post(buffer) … poll ─> RECEIVED token, bytes
 *          name ─> reach, and elsewhere: reach(reach) ─> handle
 *          send(iov, handle) … poll ─> SENT token (of those that asked)
 *          arm: 0 = sleep on fd is safe, AGAIN = poll first
 *
 * Behind it: link/fabric (libfabric; a module of its own, libmsg-fabric.so,
 * because linking libfabric costs 0.2 s before main); session.h, a link made of
 * connections; and in tests a link in memory.  Threads: one per link at a time; link_open of a domain and close of
 * its links come from set-up calls on any thread.
 * Test: tests/conformance runs over every implementation.
 */
#ifndef MSG_LINK_LINK_H
#define MSG_LINK_LINK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <msg/msg.h>

#define MSG_LINK_ABI 6u /* Of this header: library and module must agree. */
#define MSG_LINK_TEXT_BYTES 512
#define MSG_LINK_IOV_MAX 3
#define MSG_LINK_REACH_BYTES_MAX 32u /* As MSG_REACH_BYTES_MAX of protocol/. */

/* A receive buffer starts this far into its slot and the frame header takes
 * 24: so the payload stands at 64, as it would behind a GRH of 40 bytes. */
#define MSG_LINK_HEADROOM 40u

/* Where to open a lane; all resolved, nothing to default but NULL and 0. */
struct msg_link_domain_options {
	enum msg_lane lane;    /* DEFAULT: the rule of msg_node_open. */
	const char *interface; /* Or NULL. */
	const char *device;    /* Or NULL. */
	uint32_t frame_bytes;  /* Or 0: what the path takes, up to 16384. */
	uint32_t ttl;
	sa_family_t family;    /* Of the groups: AF_INET or AF_INET6. */
};

struct msg_link_domain {
	const struct msg_link_domain_ops *ops;
	enum msg_lane lane;
	char device[64];
	char interface[64];
	char address[64];
	char reason[160];
	uint32_t frame_bytes;
	uint32_t receive_bytes; /* A receive buffer takes at least this much: a
	                           queue pair breaks on a frame that does not
	                           fit, so there it is the path's largest. */
	bool software; /* An RDMA device made of software: slower timers. */
	bool reads;    /* To read a peer's memory (channel.h) costs it nothing. */
	/* Or NULL.  Called again and again while a join waits, once a ms or so:
	 * whoever has other links of the domain may use them there, and the
	 * one that joins but for its groups.  Set by the opener. */
	void (*meanwhile)(void *context);
	void *meanwhile_context;
};

struct msg_link_options {
	void *memory; /* All buffers of the link lie in it; outlives the link. */
	size_t memory_bytes;
	void *headers; /* Or NULL.  The first piece of every send lies in it,
	                  and only the others in `memory`: what goes on the wire
	                  in front of somebody else's payload.  What is posted may
	                  lie in either. */
	size_t headers_bytes;
	struct msg_link *beside; /* Or NULL: another link, over the same memory,
	                            which stays open longer: it is pinned once. */
	uint32_t receive_count; /* Receives that may be posted; 0: send only. */
	uint32_t send_count;    /* Sends in flight; 0: receive only. */
	uint16_t port;          /* Of the groups it will join; receive only.  0: a
	                           port of its own, for unicast (see reach). */
};

struct msg_link {
	const struct msg_link_ops *ops;
	int fd;                 /* Readable when completions wait; -1 if send only. */
	uint32_t receive_count; /* As granted, at most as asked. */
	uint32_t send_count;
};

enum msg_link_event_type {
	MSG_LINK_RECEIVED,
	MSG_LINK_SENT,           /* This send and all before it are done. */
	MSG_LINK_RECEIVE_FAILED, /* Buffer back, without a frame (truncated). */
	MSG_LINK_SEND_FAILED,    /* As SENT, but this one did not leave. */
	/* Of a link made of connections (session.h). */
	MSG_LINK_ASKED,          /* Somebody wants one. */
	MSG_LINK_CONNECTED,
	MSG_LINK_CLOSED,         /* The last that is heard of a handle. */
};

struct msg_link_event {
	uint32_t type;
	uint32_t token;
	uint32_t bytes; /* Of the frame; of a failure, its errno. */
	uint32_t handle; /* Whose; of connections alone. */
};

struct msg_link_send {
	struct iovec iov[MSG_LINK_IOV_MAX]; /* Copied by the call. */
	uint32_t iov_count;
	uint32_t group; /* Handle from join or reach. */
	uint32_t token;
	bool signal;    /* Report SENT. */
	bool more;      /* Another send or a flush follows at once. */
};

enum msg_link_join { MSG_LINK_JOIN_SEND = 1, MSG_LINK_JOIN_RECEIVE = 2 };

/* Failing set-up calls return a negated enum msg_error and write the reason
 * into `text`, MSG_LINK_TEXT_BYTES of it. */
struct msg_link_domain_ops {
	uint32_t abi; /* MSG_LINK_ABI */
	int (*open)(const struct msg_link_domain_options *options,
		struct msg_link_domain **domain, char *text);
	int (*link_open)(struct msg_link_domain *domain,
		const struct msg_link_options *options, struct msg_link **link,
		char *text);
	void (*close)(struct msg_link_domain *domain);
};

struct msg_link_ops {
	/* Join a group, waiting until that is in force (some seconds at most). */
	int (*join)(struct msg_link *link, const struct sockaddr *group,
		enum msg_link_join how, uint32_t *handle, char *text);
	void (*leave)(struct msg_link *link, uint32_t handle);
	/* Where others reach this link (unicast), REACH_BYTES_MAX of room; the
	 * bytes written, or FABRIC. */
	int (*name)(struct msg_link *link, uint8_t *reach);
	/* A handle to send to whom `name` said that of elsewhere; leave() gives it
	 * back.  0; ARGUMENT (not an address of this lane, or none that anybody has
	 * now), AGAIN (others were waited for in vain: later), MEMORY, FABRIC. */
	int (*reach)(struct msg_link *link, const uint8_t *reach, uint32_t bytes,
		uint32_t *handle);
	/* Lend a buffer for one frame.  0, AGAIN, FABRIC. */
	int (*post)(struct msg_link *link, void *buffer, uint32_t bytes,
		uint32_t token, bool more);
	/* Send one frame.  0, AGAIN (poll, then again), TOO_LARGE, FABRIC. */
	int (*send)(struct msg_link *link, const struct msg_link_send *send);
	/* Push out what `more` held back; the last of it reports SENT.
	 * 0, AGAIN, FABRIC. */
	int (*flush)(struct msg_link *link);
	/* Up to `count` completions; how many, or FABRIC. */
	int (*poll)(struct msg_link *link, struct msg_link_event *events,
		int count);
	int (*arm)(struct msg_link *link);
	void (*close)(struct msg_link *link);
};

#endif
