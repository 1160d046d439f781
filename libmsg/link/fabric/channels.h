/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channels.h - inside the connections over libfabric; see link/channel.h.
 *
 *     channel.c          open and close, memory
 *     channel_address.c  where a set is reached, and what an address may be
 *     channel_connect.c  how a connection comes about, and how it ends
 *     channel_data.c     post, send, read, and what became of them
 *     channel_wait.c     completion queues, and what wakes who sleeps
 *     channel_ack.c      TCP's acknowledgements, while nobody waits
 *     channel_cache.c    libfabric's registration cache, which must not be
 *     channel_guard.c    TCP connections that say nothing, or half a word
 *
 *               connect                 accept
 *     FREE ───────────────▶ CONNECTING    ACCEPTING ◀─────── ASKED ◀── FREE
 *                               │             │                │ request
 *                     CONNECTED ▼             ▼ CONNECTED      │
 *                              OPEN ◀─────────┘                │
 *       refused, timed out,     │                              │
 *       broken, hung up         ▼                              │
 *                            ENDING ◀──────────────────────────┘
 *                               │ completions read, endpoint closed, what was
 *                               ▼ under way given back, CLOSED told
 *                              FREE
 *
 * Which connection a message came by: a shared receive does not tell, on either
 * provider.  So each side gives the other a stamp when they greet, and every
 * message carries its receiver's as remote completion data (RC: immediate
 * data).  A stamp holds 20 random bits beside the place in the table: who is
 * connected can pose as another only by guessing them, and a wrong guess is
 * seen.
 *
 * What is under way on a connection stands in two rings, in order; a completion
 * names handle and place in the ring.  So what a provider says of an endpoint
 * that is gone finds no handle, and what it does not say (an RC queue pair is
 * destroyed with its work) is known all the same.
 */
#ifndef MSG_LINK_FABRIC_CHANNELS_H
#define MSG_LINK_FABRIC_CHANNELS_H

#include <poll.h>

#include <rdma/fi_cm.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>

#include "link/channel.h"
#include "link/fabric/fabric.h"

#define CHANNEL_ENTRIES 64 /* Completions read at once. */
#define CHANNEL_NONE UINT32_MAX
#define CHANNEL_STRANGERS_MAX 32u
#define CHANNEL_CQS 2u
#define CHANNEL_SOCKETS_MAX 64u
#define CHANNEL_NO_SOCKET (-1)

enum channel_state {
	CHANNEL_FREE,
	CHANNEL_CONNECTING, /* We asked. */
	CHANNEL_ASKED,      /* They asked, and our caller has not answered. */
	CHANNEL_ACCEPTING,  /* Our answer is on its way. */
	CHANNEL_OPEN,
	CHANNEL_ENDING,
};

/* Who has connected to our TCP port and is no channel yet. */
struct stranger {
	int fd;
	bool ended; /* Shut down, since then. */
	uint64_t since_ns;
	struct sockaddr_storage peer;
};

/* A completion queue, which is of some of the connections; see channel_wait.c. */
struct channel_cq {
	struct fid_cq *cq;
	uint32_t used, most; /* Endpoints of it, and how many there may be. */
	uint64_t size;
	uint64_t read;  /* Entries, ever. */
	bool by_poll;   /* libfabric looks at its sockets by poll(2). */
	bool watched;   /* The set's descriptor wakes of it. */
};

/* Channels in the order in which something is to be done. */
enum channel_queue { CHANNEL_NEWS, CHANNEL_ENDS, CHANNEL_QUEUES };

/* What both sides say first, in the connection manager's private data. */
struct channel_greeting {
	uint8_t magic[3]; /* "msg" */
	uint8_t bytes;    /* Of `text`. */
	uint32_t stamp;   /* Big endian; to be sent with every message. */
	uint8_t text[MSG_CHANNEL_GREETING_BYTES_MAX];
};

struct channel_work {
	uint32_t token;
	bool told; /* Its caller wants to hear, */
	bool done; /* and has heard. */
};

/* Work under way: places tail to head - 1, modulo send_count. */
struct channel_ring {
	struct channel_work *work;
	uint32_t head;
	uint32_t tail;
};

struct channel {
	enum channel_state state;
	uint32_t handle;
	uint32_t stamp;      /* Theirs to us carry this. */
	uint32_t peer_stamp; /* Ours to them. */
	uint32_t next[CHANNEL_QUEUES];
	uint32_t news;       /* ASKED or CONNECTED, while in that queue. */
	bool known;          /* Its caller has the handle: CLOSED is due. */
	int error;           /* Why it ends. */
	uint64_t deadline_ns; /* While it is being set up. */
	uint64_t drained_at;  /* Ending: completions read by then. */
	struct fid_ep *ep;
	struct channel_cq *cq; /* Of that. */
	int socket;            /* Of TCP, to acknowledge by (channel_ack.c). */
	bool ack_due;          /* It stands in `acks`. */
	struct fi_info *request; /* ASKED: to accept or to refuse. */
	struct sockaddr_storage peer; /* Who asked. */
	struct channel_ring sends;
	struct channel_ring reads;
	uint32_t reads_owed; /* Those that libfabric has to tell of yet, … */
	uint64_t reads_look; /* … and `looks` when the first was asked for. */
	uint32_t greeting_bytes;
	uint8_t greeting[MSG_CHANNEL_GREETING_BYTES_MAX];
};

/* Of what was received nothing has been acknowledged, as far as we know. */
struct channel_ack {
	struct channel *channel;
	uint32_t sent; /* What is sent since then acknowledges. */
};

struct channel_set {
	struct msg_channels channels;
	const struct msg_link_domain *lane;
	struct fi_info *info; /* Of our end. */
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct channel_cq cqs[CHANNEL_CQS];
	uint32_t cq_count;
	uint32_t cq_next;           /* The first to be read next time. */
	struct channel_cq *cq_read; /* The last that was. */
	struct fid_ep *receives; /* The shared receive context. */
	struct fid_pep *listener;

	uint8_t *memory;
	size_t memory_bytes;
	uint8_t *headers;
	size_t headers_bytes;
	struct fid_mr *memory_mr;
	struct fid_mr *headers_mr;

	struct channel *table;
	struct channel_work *work;
	uint32_t first[CHANNEL_QUEUES]; /* Or CHANNEL_NONE. */
	uint32_t last[CHANNEL_QUEUES];
	uint32_t setting_up; /* Channels with a deadline. */
	uint32_t posted;

	uint64_t connect_limit_ns;
	uint64_t look_ns; /* When events of connections are looked for next. */
	uint64_t clock_ns; /* What the clock said, of late. */
	uint32_t blind;    /* Polls until it is read again. */
	bool look_now;
	bool failed;

	uint64_t looks; /* All in which libfabric may have received. */
	bool drained; /* The last look at the queues found them empty. */
	uint32_t entry;       /* The next of these to be given out, */
	uint32_t entry_count; /* and how many there are. */
	struct fi_cq_data_entry entries[CHANNEL_ENTRIES];
	struct channel_ack *acks; /* One a channel at most. */
	uint32_t ack_count;

	int timer;           /* For who sleeps while one is being set up. */
	struct pollfd sockets[CHANNEL_SOCKETS_MAX]; /* As they are watched. */
	uint64_t sockets_index;
	uint32_t socket_count;
	int guard_folder;    /* /proc/self/fd, or -1. */
	int guard_listener;
	uint64_t guard_ns;
	struct sockaddr_storage guarded; /* Where we listen. */
	uint32_t stranger_count;
	struct stranger strangers[CHANNEL_STRANGERS_MAX];
};

static inline uint32_t channel_index(uint32_t handle)
{
	return handle & 0xffff;
}

/* The channel of a handle that is in use, or NULL. */
static inline struct channel *channel_of(
	struct channel_set *set, uint32_t handle)
{
	uint32_t index = channel_index(handle);
	struct channel *c;

	if (index >= set->channels.connection_max)
		return NULL;
	c = &set->table[index];
	return c->state != CHANNEL_FREE && c->handle == handle ? c : NULL;
}

/* Whether something is to be done with a channel of that queue. */
static inline bool channel_waits(
	const struct channel_set *set, enum channel_queue queue)
{
	return set->first[queue] != CHANNEL_NONE;
}

/* channel_address.c */

/* An address as others are told it; the bytes written. */
uint32_t channel_reach_write(const struct sockaddr *address, uint8_t *reach);
/* A link-local address is one of the lane's interface. */
void channel_scope(const struct channel_set *set, struct sockaddr *address);
/* 0, or -ARGUMENT: no such form, or of another family than the lane's. */
int channel_reach_read(const struct channel_set *set, const uint8_t *reach,
	uint32_t bytes, struct sockaddr_storage *address, size_t *address_bytes);
/* Does traffic for `address` leave by the interface of the lane? */
bool channel_leads_there(
	const struct channel_set *set, const struct sockaddr *address);

/* channel_connect.c */

int channel_name(struct msg_channels *channels, uint8_t *reach);
int channel_connect(struct msg_channels *channels, const uint8_t *reach,
	uint32_t reach_bytes, const void *greeting, uint32_t greeting_bytes,
	uint32_t *handle);
int channel_accept(struct msg_channels *channels, uint32_t handle,
	const void *greeting, uint32_t greeting_bytes);
void channel_hang_up(struct msg_channels *channels, uint32_t handle);
/* Read what happened to connections, and end those that took too long. */
void channel_look(struct channel_set *set, uint64_t now_ns);
/* It can be used: what is due to be told stands in the queue of news. */
void channel_opened(struct channel_set *set, struct channel *c);
/* It will be told as CLOSED, with the first reason given. */
void channel_end(struct channel_set *set, struct channel *c, int error);
/* Free what the provider holds of it. */
void channel_drop_endpoint(struct channel_set *set, struct channel *c);
void channel_enqueue(
	struct channel_set *set, enum channel_queue queue, struct channel *c);
struct channel *channel_first(
	const struct channel_set *set, enum channel_queue queue);
void channel_dequeue(struct channel_set *set, enum channel_queue queue);

/* channel_data.c */

int channel_post(struct msg_channels *channels, void *buffer, uint32_t bytes,
	uint32_t token);
int channel_send(
	struct msg_channels *channels, const struct msg_channel_send *send);
int channel_read(
	struct msg_channels *channels, const struct msg_channel_read *read);
int channel_poll(struct msg_channels *channels,
	struct msg_channel_event *events, int count);
/* Fill the array of completions again, which is used up; as fi_cq_read. */
ssize_t channel_refill(struct channel_set *set);

/* channel_wait.c */

/* 0, or a negated error of libfabric, as all here. */
int channel_cq_open(struct channel_set *set);
/* Bind an endpoint to one. */
int channel_cq_join(struct channel_set *set, struct channel *c);
/* Before it is closed. */
void channel_cq_leave(struct channel_set *set, struct channel *c);
void channel_cq_close(struct channel_set *set);
/* As fi_cq_read, of any of them, in turns. */
ssize_t channel_cq_read(struct channel_set *set);
/* One descriptor for all there is to tell. */
int channel_wait_open(struct channel_set *set);
int channel_arm(struct msg_channels *channels);

/* channel_cut.c */

/* Whether something may be asked for by this connection just now. */
bool channel_cut_allows(const struct channel_set *set, const struct channel *c);
/* A read was asked for; libfabric has told of one, whatever became of it. */
void channel_cut_asked(const struct channel_set *set, struct channel *c);
void channel_cut_told(struct channel *c);
/* It ends: have libfabric tell of its reads. */
void channel_cut(const struct channel_set *set, struct channel *c);
/* It has: the endpoint may be closed. */
bool channel_cut_done(const struct channel_set *set, const struct channel *c);

/* channel_ack.c */

/* It is connected. */
void channel_ack_open(const struct channel_set *set, struct channel *c);
/* The socket of an endpoint that is connected, or CHANNEL_NO_SOCKET. */
int channel_ack_socket(struct fid_ep *ep);
/* Before its endpoint is closed. */
void channel_ack_close(struct channel_set *set, struct channel *c);
/* A message has come by a connection with a socket. */
void channel_ack_due(struct channel_set *set, struct channel *c, size_t bytes);
/* A look has found nothing, and something is due. */
void channel_ack_now(struct channel_set *set);

/* channel_cache.c */

/* Before fi_domain: ask libfabric not to cache registrations. */
void channel_cache_refuse(void);
/* After it: does this domain cache them all the same? */
bool channel_cache_is_on(struct fid_domain *domain, void *memory);

/* channel_guard.c */

int channel_guard_open(struct channel_set *set);
/* Before a look at the events: the number that one who is about to connect will
 * get; -1 if none is.  After it: see to that one. */
int channel_guard_coming(struct channel_set *set, uint64_t now_ns);
void channel_guard_meet(struct channel_set *set, int fd);
/* Now and then: look for those that came unseen. */
void channel_guard_look(struct channel_set *set, uint64_t now_ns);
/* Before closing: end all that are no channel. */
void channel_guard_sweep(struct channel_set *set);
void channel_guard_close(struct channel_set *set);

/* A code of enum msg_error, negated, of a negated error of libfabric. */
int channel_code(ssize_t error);

int channel_set_open(struct msg_link_domain *domain,
	const struct msg_channels_options *options,
	struct msg_channels **channels, char *text);
int channel_find(const struct msg_link_domain *lane, char *text);

#endif
