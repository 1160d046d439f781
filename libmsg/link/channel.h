/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel.h - connections: the neighbour of link.h for what is not datagrams.
 *
 * A channel is a connection between two processes that delivers whole messages
 * completely and in order, and lets one read memory the other shows: an RC
 * queue pair on a verbs lane, a TCP connection on a kernel lane.  A publisher
 * or subscriber has one `msg_channels`: all its connections, which share one
 * pool of posted receive buffers and one completion queue.
 *
 *     open ─> channels     name ─> where others connect to
 *     connect(reach, greeting) ─> handle        poll: ASKED handle, greeting
 *                                               accept(handle, answer)
 *     poll: CONNECTED handle, answer            poll: CONNECTED handle
 *     send, read … poll: SENT, READ_DONE        post … poll: RECEIVED
 *     hang_up … poll: CLOSED                    poll: CLOSED
 *
 * What holds:
 *
 *   - CLOSED, with its reason, is the last event of every handle: one that was
 *     refused, never answered or broke, and one hung up.  Before it every send
 *     and read that had not been reported comes back, as SEND_FAILED and
 *     READ_FAILED, one event for each; the other connections go on.  To
 *     connect again is the caller's affair.
 *   - SENT says that the memory is free, not that anybody has the message: only
 *     what the receiver says is proof.
 *   - A message larger than the buffer it meets breaks its connection.  Without
 *     a posted buffer a sender waits (RC asks again for ever; TCP stops, and
 *     then even the end of the connection is heard only behind the message).
 *     Buffers belong to the set: that none takes them all is for whoever grants
 *     credit.
 *   - The low 16 bits of a handle are its place, below connection_max; the rest
 *     tells it from those that had the place before.
 *   - What a peer can hold is bounded: `connection_max` connections in all,
 *     those being set up included; each of these ends after connect_limit_ms.
 *     What is not our greeting is refused unseen.
 *   - Remote access is reading, of what was shared, for as long as it is.  On
 *     TCP whoever shares serves the readers from its poll.
 *   - A host that falls silent is noticed only by what is sent to it, and late:
 *     TCP and SoftRoCE ask again for minutes.  Watch the announcements and hang
 *     up, which ends at once whatever is under way.
 *
 * Behind it: link/fabric/channel*.c, over libfabric's own providers `verbs` and
 * `tcp`.  Their getinfo costs 0.1 to 0.3 s, once, when the first set is opened, or
 * before (find).
 *
 * Threads: one per set at a time.  Path: connect, accept, share and closing may
 * allocate, and connect may wait some seconds for an address; post, send, read
 * and poll allocate nothing while no connection comes or goes, and make no call
 * of ours to the kernel but, on TCP: one every few milliseconds, where a set
 * listens, and two behind small messages, once a poll finds nothing more
 * (link/fabric/channel_ack.c).  The provider makes some for each message there.
 * Test: tests/channel.
 */
#ifndef MSG_LINK_CHANNEL_H
#define MSG_LINK_CHANNEL_H

#include "link/link.h"

#define MSG_CHANNEL_ABI 2u /* Of this header: library and module must agree. */

/* The connection manager of InfiniBand carries 56 bytes with a request;
 * libfabric takes one and we take eight. */
#define MSG_CHANNEL_GREETING_BYTES_MAX 40u
#define MSG_CHANNEL_REACH_BYTES_MAX 32u
#define MSG_CHANNEL_IOV_MAX 3
#define MSG_CHANNEL_CONNECTION_MAX 4096u

struct msg_channels_options {
	void *memory; /* Buffers to post, to send from and to read into. */
	size_t memory_bytes;
	void *headers; /* Or NULL.  The first piece of a send may lie in it, and
	                  buffers that are posted, too. */
	size_t headers_bytes;
	uint32_t receive_count;  /* Buffers that may be posted. */
	uint32_t send_count;     /* Sends and reads under way, a connection. */
	uint32_t connection_max; /* At most MSG_CHANNEL_CONNECTION_MAX. */
	uint32_t connect_limit_ms; /* 0: 3000. */
	uint16_t port; /* To listen on; 0: any. */
	bool listen;   /* Others may connect. */
};

struct msg_channels {
	const struct msg_channels_ops *ops;
	int fd; /* Readable when there is something to poll; see arm. */
	uint32_t receive_count; /* As granted, at most as asked. */
	uint32_t send_count;
	uint32_t connection_max;
	size_t message_bytes_max; /* Of a send or a read (SoftRoCE: 8 MiB). */
};

/* Memory beyond that of the options, for as long as it is registered. */
enum msg_channel_use {
	MSG_CHANNEL_LOCAL,  /* To send from and to read into. */
	MSG_CHANNEL_SHARED, /* That, and others may read it. */
};

struct msg_channel_region {
	uint64_t address; /* With `key`: what a peer reads it by. */
	uint64_t key;
	void *memory;
	size_t bytes;
	void *registration; /* Of the implementation. */
};

struct msg_channel_send {
	struct iovec iov[MSG_CHANNEL_IOV_MAX]; /* Copied by the call. */
	uint32_t iov_count;
	uint32_t handle;
	uint32_t token;
	bool signal; /* Report SENT. */
	/* Where all pieces but those in `headers` lie; NULL: in `memory`. */
	const struct msg_channel_region *region;
};

struct msg_channel_read {
	void *into;
	size_t bytes;
	uint64_t address; /* The peer's, anywhere in what it shares. */
	uint64_t key;
	uint32_t handle;
	uint32_t token;
	const struct msg_channel_region *region; /* Of `into`; NULL: `memory`. */
};

enum msg_channel_event_type {
	MSG_CHANNEL_ASKED,     /* accept or refuse; `greeting`, `bytes`. */
	MSG_CHANNEL_CONNECTED, /* `greeting`: what the peer answered. */
	MSG_CHANNEL_CLOSED,    /* `error`; the handle is void. */
	MSG_CHANNEL_RECEIVED,  /* Token of the buffer, `bytes`, handle. */
	MSG_CHANNEL_SENT,      /* This and all sends before on the handle. */
	MSG_CHANNEL_READ_DONE,
	MSG_CHANNEL_RECEIVE_FAILED, /* Buffer back, without a message. */
	MSG_CHANNEL_SEND_FAILED,    /* This one may not have left. */
	MSG_CHANNEL_READ_FAILED,    /* What was read into holds anything. */
};

struct msg_channel_event {
	uint32_t type;
	uint32_t handle; /* Of a failed receive NOBODY if that is not known. */
	uint32_t token;
	uint32_t bytes;
	int error; /* An errno; of CLOSED 0 after hang_up. */
	const void *greeting; /* Until the next poll. */
};

#define MSG_CHANNEL_NOBODY UINT32_MAX

struct msg_channels_ops {
	/* Where others connect to, REACH_BYTES_MAX of room; the bytes written, or
	 * ARGUMENT (this set does not listen). */
	int (*name)(struct msg_channels *channels, uint8_t *reach);
	/* Ask for a connection; CONNECTED or CLOSED follows.
	 * 0; ARGUMENT (no address of this lane, or one its interface does not
	 * lead to), AGAIN (connection_max), MEMORY, FABRIC. */
	int (*connect)(struct msg_channels *channels, const uint8_t *reach,
		uint32_t reach_bytes, const void *greeting,
		uint32_t greeting_bytes, uint32_t *handle);
	/* Answer ASKED: CONNECTED or CLOSED follows.  0; ARGUMENT (nobody asks by
	 * that handle any more), MEMORY, FABRIC (CLOSED follows all the same). */
	int (*accept)(struct msg_channels *channels, uint32_t handle,
		const void *greeting, uint32_t greeting_bytes);
	/* End it, in whatever state: who asked is refused.  CLOSED follows. */
	void (*hang_up)(struct msg_channels *channels, uint32_t handle);

	/* Register memory, which outlives that.  0, MEMORY, FABRIC. */
	int (*share)(struct msg_channels *channels, void *memory, size_t bytes,
		enum msg_channel_use use, struct msg_channel_region *region);
	void (*unshare)(struct msg_channels *channels,
		struct msg_channel_region *region);

	/* Lend a buffer for one message.  0, AGAIN (receive_count), ARGUMENT,
	 * FABRIC. */
	int (*post)(struct msg_channels *channels, void *buffer, uint32_t bytes,
		uint32_t token);
	/* 0; AGAIN (send_count: poll first), ARGUMENT (not connected, or not our
	 * memory), FABRIC (CLOSED follows). */
	int (*send)(struct msg_channels *channels,
		const struct msg_channel_send *send);
	/* Read what the peer shares; READ_DONE follows.  As send; TOO_LARGE.  On TCP
	 * what is asked of a connection between two polls is one batch: once it is
	 * polled, reads and sends by it say AGAIN until all reads have come back. */
	int (*read)(struct msg_channels *channels,
		const struct msg_channel_read *read);
	/* Up to `count` events; how many, or FABRIC. */
	int (*poll)(struct msg_channels *channels,
		struct msg_channel_event *events, int count);
	/* 0: sleep on fd is safe; AGAIN: poll first. */
	int (*arm)(struct msg_channels *channels);
	/* Ends all; what is out returns without an event. */
	void (*close)(struct msg_channels *channels);
};

/* What a module exports as MSG_CHANNEL_MODULE_SYMBOL. */
struct msg_channel_module {
	uint32_t abi; /* MSG_CHANNEL_ABI */
	/* Of a domain of the same module, which outlives the set.  A negated enum
	 * msg_error, with the reason in `text` (MSG_LINK_TEXT_BYTES). */
	int (*open)(struct msg_link_domain *domain,
		const struct msg_channels_options *options,
		struct msg_channels **channels, char *text);
	/* What the first open of such a domain waits for, and then does not any
	 * more; meanwhile another thread may do anything with the domain but open
	 * sets.  As open. */
	int (*find)(const struct msg_link_domain *domain, char *text);
};

#define MSG_CHANNEL_MODULE_SYMBOL "msg_channel_module"

#endif
