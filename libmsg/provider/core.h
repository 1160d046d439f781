/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * core.h - the objects of the provider, and the door to its two transports.
 *
 *	fi_* call --> fabric, domain, cq, eq, av, mr, ep, mc   (this header)
 *	                 |  struct udmc_transport: set-up
 *	                 |  struct udmc_ep_ops: one endpoint's work
 *	          +------+-------+
 *	        udp_*.c       verbs_*.c
 *
 * The common part owns everything libfabric can see: queues, addresses, flags,
 * life times.  A transport only moves datagrams: it takes sends and receives,
 * and writes completions into the common queue when progressed.  One queue
 * for both means one set of rules for formats, errors and overrun.
 *
 * Threads: FI_THREAD_COMPLETION.  Objects that share no completion queue share
 * nothing written on the data path, so there is no lock on it.  Reference
 * counts are atomic, an event queue and the inserts of an address vector take
 * a mutex: those are set-up.
 *
 * Neighbours: every file of this room.  Test: tests/provider.
 */
#ifndef UDMC_CORE_H
#define UDMC_CORE_H

#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/providers/fi_log.h>
#include <rdma/providers/fi_prov.h>

#include "fi_ext_udmc.h"
#include "ip.h"
#include "wait.h"

#define UDMC_LIKELY(x) __builtin_expect(!!(x), 1)
#define UDMC_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define UDMC_IOV_TX_MAX 8     /* Gather pieces of one send. */
#define UDMC_IOV_RX_MAX 2     /* Scatter pieces of one receive. */
#define UDMC_INJECT_MAX 256   /* What verbs devices commonly take inline. */
#define UDMC_QUEUE_TX 256     /* Default depth of a send queue, */
#define UDMC_QUEUE_RX 1024    /* of a receive queue, */
#define UDMC_QUEUE_CQ 1024    /* of a completion queue, */
#define UDMC_QUEUE_MAX 32768  /* and the most that may be asked for. */

#define UDMC_CAPS_TX (FI_MSG | FI_MULTICAST | FI_SEND)
#define UDMC_CAPS_RX (FI_MSG | FI_MULTICAST | FI_RECV | FI_SOURCE)
#define UDMC_CAPS_DOMAIN (FI_LOCAL_COMM | FI_REMOTE_COMM)
#define UDMC_CAPS (UDMC_CAPS_TX | UDMC_CAPS_RX | UDMC_CAPS_DOMAIN)

extern struct fi_provider udmc_prov;
/* Whether libfabric's core loaded us (then it fills in the provider's name). */
extern bool udmc_loaded;

#define UDMC_WARN(subsystem, ...) \
	FI_WARN(&udmc_prov, FI_LOG_##subsystem, __VA_ARGS__)
#define UDMC_INFO(subsystem, ...) \
	FI_INFO(&udmc_prov, FI_LOG_##subsystem, __VA_ARGS__)

/* Settings, from the environment; see provider.c. */
struct udmc_settings {
	const char *iface; /* NULL: every interface. */
	int ttl;
	int loopback;
	size_t rcvbuf;
	size_t sndbuf;
};
struct udmc_settings udmc_settings(void);
void udmc_settings_define(void);

union udmc_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct fi_udmc_ib_addr ib;
};

/* ------------------------------------------------------------- devices -- */

/* One thing a domain can be opened on: an address family of an interface, or
 * the port of an RDMA device. */
struct udmc_device {
	const struct udmc_transport *transport;
	char name[64];             /* The domain's name. */
	char ifname[IF_NAMESIZE];  /* The interface below. */
	unsigned int ifindex;
	uint32_t addr_format;
	socklen_t addrlen;         /* Of an endpoint's address. */
	union udmc_address local;  /* IP address, port 0. */
	union udmc_address name_template; /* src_addr shown by fi_getinfo. */
	size_t msg_bytes_max;
	bool loopback;
	bool multicast;
	uint8_t port;              /* Verbs: port of the device, */
	int gid_index;             /* and the GID of `local`. */
};

struct udmc_devices {
	struct udmc_device *item;
	size_t count;
};

/* Append a copy of *device; 0 or -FI_ENOMEM. */
int udmc_devices_add(struct udmc_devices *list,
		const struct udmc_device *device);
/* Every device, RDMA first, then loopback, then the rest. */
int udmc_devices_scan(struct udmc_devices *list);
void udmc_devices_free(struct udmc_devices *list);
/* The device an info was made for, as the machine has it today. */
int udmc_device_find(const struct fi_info *info, struct udmc_device *device);
/* Whether FI_UDMC_IFACE admits this interface: it is unset, or names it, or
 * is one of its addresses. */
bool udmc_iface_wanted(const char *ifname);

/* ---------------------------------------------------------- transports -- */

struct udmc_domain;
struct udmc_cq;
struct udmc_eq;
struct udmc_ep;
struct udmc_mr;
struct udmc_mc;
struct udmc_peer;

struct udmc_transport {
	const char *fabric_name;
	uint32_t protocol;
	int mr_mode; /* Demanded of callers. */
	int (*scan)(struct udmc_devices *list);
	int (*domain_open)(struct udmc_domain *domain);
	void (*domain_close)(struct udmc_domain *domain);
	int (*mr_open)(struct udmc_mr *mr, void *buf, size_t len,
			uint64_t access);
	void (*mr_close)(struct udmc_mr *mr);
	/* Check peer->addr and make it ready to send to. */
	int (*peer_open)(struct udmc_domain *domain, struct udmc_peer *peer);
	void (*peer_close)(struct udmc_peer *peer);
	int (*cq_open)(struct udmc_cq *cq);
	void (*cq_close)(struct udmc_cq *cq);
	/* Allocate an endpoint, its base filled in by udmc_ep_open. */
	int (*ep_alloc)(struct udmc_domain *domain, const struct fi_info *info,
			struct udmc_ep **ep);
	/* What a prov_errno of a completion means. */
	const char *(*error_text)(int prov_errno);
};

#define UDMC_TX 1u
#define UDMC_RX 2u

/* Each of these is called with the rules of the endpoint's own calls. */
struct udmc_ep_ops {
	int (*enable)(struct udmc_ep *ep);
	void (*close)(struct udmc_ep *ep); /* Frees ep. */
	ssize_t (*send)(struct udmc_ep *ep, const struct iovec *iov,
			void **desc, size_t count, fi_addr_t addr,
			void *context, uint64_t flags);
	ssize_t (*recv)(struct udmc_ep *ep, const struct iovec *iov,
			void **desc, size_t count, void *context,
			uint64_t flags);
	ssize_t (*cancel)(struct udmc_ep *ep, void *context);
	/* Move what can be moved; sides is UDMC_TX | UDMC_RX. */
	void (*progress)(struct udmc_ep *ep, unsigned int sides);
	/* Make the queue's descriptor tell of the next completion. */
	int (*arm)(struct udmc_ep *ep, struct udmc_cq *cq, unsigned int sides);
	/* Join mc->group; completes now or through udmc_mc_joined. */
	int (*join)(struct udmc_mc *mc);
	void (*leave)(struct udmc_mc *mc);
	/* Look for finished joins, and the descriptor that tells of them. */
	void (*control_progress)(struct udmc_ep *ep);
	int (*control_fd)(struct udmc_ep *ep);
	int (*setopt)(struct udmc_ep *ep, int name, size_t value);
	int (*getopt)(struct udmc_ep *ep, int name, size_t *value);
	void (*stats)(struct udmc_ep *ep, struct fi_udmc_stats *stats);
};

extern const struct udmc_transport udmc_udp;
extern const struct udmc_transport udmc_verbs;

/* -------------------------------------------------------------- fabric -- */

struct udmc_fabric {
	struct fid_fabric fabric;
	atomic_int users;
};

struct udmc_domain {
	struct fid_domain domain;
	struct udmc_fabric *fabric;
	struct udmc_device device;
	enum fi_av_type av_type;
	atomic_int users;
	atomic_uint_fast64_t mr_key;
	void *transport_data;
};

struct udmc_mr {
	struct fid_mr mr;
	struct udmc_domain *domain;
	void *transport_data;
};

int udmc_fabric_open(struct fi_fabric_attr *attr, struct fid_fabric **fabric,
		void *context);
int udmc_domain_open(struct fid_fabric *fabric, struct fi_info *info,
		struct fid_domain **domain, void *context);
int udmc_getinfo(uint32_t version, const char *node, const char *service,
		uint64_t flags, const struct fi_info *hints,
		struct fi_info **info);
extern struct fi_ops_mr udmc_mr_ops;

/* ------------------------------------------------------ address vector -- */

/* Somebody to send to: an entry of an address vector, or a group. */
struct udmc_peer {
	union udmc_address addr;
	socklen_t addrlen;
	void *handle;          /* Verbs: the way to it. */
	uint32_t qpn;
	uint32_t qkey;
	bool used;
	_Atomic uint32_t next; /* Chain of the reverse look-up, index + 1. */
};

/* Peers live in chunks that never move, so a reader needs no lock. */
#define UDMC_AV_CHUNK 256u
#define UDMC_AV_CHUNKS 1024u
#define UDMC_AV_BUCKETS 1024u

struct udmc_av {
	struct fid_av av;
	struct udmc_domain *domain;
	atomic_int users;
	pthread_mutex_t lock; /* Inserts and removals. */
	uint32_t free;        /* First entry to try for reuse. */
	_Atomic uint32_t count;
	_Atomic(struct udmc_peer *) chunk[UDMC_AV_CHUNKS];
	_Atomic uint32_t bucket[UDMC_AV_BUCKETS];
};

int udmc_av_open(struct fid_domain *domain, struct fi_av_attr *attr,
		struct fid_av **av, void *context);
/* Who has this address?  FI_ADDR_NOTAVAIL if nobody. */
fi_addr_t udmc_av_find(struct udmc_av *av, const union udmc_address *addr);

static inline struct udmc_peer *udmc_av_slot(struct udmc_av *av, uint64_t i)
{
	struct udmc_peer *chunk = atomic_load_explicit(
			&av->chunk[i / UDMC_AV_CHUNK], memory_order_acquire);

	return &chunk[i % UDMC_AV_CHUNK];
}

/* --------------------------------------------------- completion queue -- */

/* Begins as struct fi_cq_tagged_entry does. */
struct udmc_completion {
	void *context;
	uint64_t flags;
	size_t len;
	void *buf;
	fi_addr_t source;
	size_t excess;   /* Error: bytes that did not fit. */
	int32_t err;     /* 0, or a libfabric errno. */
	int32_t prov_errno;
};

struct udmc_cq_binding {
	struct udmc_ep *ep;
	unsigned int sides;
};

struct udmc_cq {
	struct fid_cq cq;
	struct udmc_domain *domain;
	struct udmc_completion *ring;
	uint32_t head, tail, mask; /* head: next to write; tail: to read. */
	uint32_t size;
	enum fi_cq_format format;
	uint32_t binding_count;
	struct udmc_cq_binding *binding;
	struct udmc_wait wait; /* Over what can complete; fi_cq_signal. */
	atomic_int users;
	void *transport_data;
};

int udmc_cq_open(struct fid_domain *domain, struct fi_cq_attr *attr,
		struct fid_cq **cq, void *context);
int udmc_cq_bind(struct udmc_cq *cq, struct udmc_ep *ep, unsigned int sides);
void udmc_cq_unbind(struct udmc_cq *cq, struct udmc_ep *ep);
int udmc_cq_trywait(struct udmc_cq *cq);

static inline uint32_t udmc_cq_room(const struct udmc_cq *cq)
{
	return cq->size - (cq->head - cq->tail);
}

/* The caller has checked udmc_cq_room. */
static inline struct udmc_completion *udmc_cq_push(struct udmc_cq *cq,
		void *context, uint64_t flags, size_t len, void *buf)
{
	struct udmc_completion *entry = &cq->ring[cq->head++ & cq->mask];

	entry->context = context;
	entry->flags = flags;
	entry->len = len;
	entry->buf = buf;
	entry->source = FI_ADDR_NOTAVAIL;
	entry->err = 0;
	return entry;
}

static inline void udmc_cq_push_error(struct udmc_cq *cq, void *context,
		uint64_t flags, int err, int prov_errno)
{
	struct udmc_completion *entry =
			udmc_cq_push(cq, context, flags, 0, NULL);

	entry->err = err;
	entry->prov_errno = prov_errno;
	entry->excess = 0;
}

/* Tell of a send that ended: if it failed, or was to be told of.  False when
 * the queue has no room for that. */
static inline bool udmc_cq_push_send(struct udmc_cq *cq, void *context,
		uint64_t flags, size_t len, int err, int prov_errno)
{
	if (!err && !(flags & FI_COMPLETION))
		return true;
	if (!udmc_cq_room(cq))
		return false;
	if (UDMC_UNLIKELY(err))
		udmc_cq_push_error(cq, context, FI_SEND | FI_MSG, err,
				prov_errno);
	else
		udmc_cq_push(cq, context, FI_SEND | FI_MSG, len, NULL);
	return true;
}

/* --------------------------------------------------------- event queue -- */

struct udmc_event;

struct udmc_eq {
	struct fid_eq eq;
	struct udmc_fabric *fabric;
	atomic_int users;
	pthread_mutex_t lock;
	struct udmc_event *first, **last;
	bool writable;
	struct udmc_wait wait; /* Raised while events wait; over joins too. */
	struct udmc_ep *eps;
};

int udmc_eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr,
		struct fid_eq **eq, void *context);
void udmc_eq_attach(struct udmc_eq *eq, struct udmc_ep *ep);
void udmc_eq_detach(struct udmc_eq *eq, struct udmc_ep *ep);
/* Have the queue's descriptor tell of fd as well. */
int udmc_eq_watch(struct udmc_eq *eq, int fd);
int udmc_eq_push(struct udmc_eq *eq, uint32_t event, fid_t fid, void *context);
int udmc_eq_push_error(struct udmc_eq *eq, fid_t fid, void *context, int err,
		int prov_errno);
/* Forget what was said about an object that is going away. */
void udmc_eq_forget(struct udmc_eq *eq, fid_t fid);
int udmc_eq_trywait(struct udmc_eq *eq);

/* The end of fi_cq_strerror and fi_eq_strerror: in the caller's buffer if it
 * gave one. */
static inline const char *udmc_text(const char *text, char *buf, size_t len)
{
	if (!buf || !len)
		return text;
	snprintf(buf, len, "%s", text);
	return buf;
}

/* ------------------------------------------------- endpoint and groups -- */

/* A fi_addr_t with this bit is a group of the endpoint, the rest its index:
 * a stale or foreign address is refused instead of followed. */
#define UDMC_GROUP_TAG (1ULL << 62)

struct udmc_mc {
	struct fid_mc mc;
	struct udmc_ep *ep;
	uint64_t flags;            /* FI_SEND, FI_RECV or both. */
	union udmc_address group;
	struct udmc_peer peer;     /* How to send to it. */
	uint32_t index;            /* In ep->group. */
	bool joined;
	void *transport_data;
	struct udmc_mc *next;
};

struct udmc_ep {
	struct fid_ep ep;
	const struct udmc_ep_ops *ops;
	struct udmc_domain *domain;
	struct udmc_av *av;
	struct udmc_cq *tx_cq, *rx_cq;
	struct udmc_eq *eq;
	struct udmc_ep *eq_next;
	bool enabled;
	bool source;               /* FI_SOURCE was asked for. */
	bool in_eq_list;
	uint64_t caps;
	uint64_t tx_flags, rx_flags;         /* Of calls without flags. */
	uint64_t tx_msg_flags, rx_msg_flags; /* Or-ed into the others'. */
	size_t msg_bytes_max;
	size_t inject_max;
	uint32_t tx_size, rx_size; /* Powers of two. */
	uint32_t tx_iov_max, rx_iov_max;
	union udmc_address src;
	struct udmc_peer **group;  /* NULL: left, or not for sending. */
	uint32_t group_count;
	struct udmc_mc *mcs;
	int ttl, loopback;
	size_t rcvbuf, sndbuf;
	struct fi_udmc_stats count;
};

int udmc_ep_open(struct fid_domain *domain, struct fi_info *info,
		struct fid_ep **ep, void *context);
int udmc_join(struct fid_ep *ep, const void *addr, uint64_t flags,
		struct fid_mc **mc, void *context);
/* The transport's answer to ops->join; err is 0 or a libfabric errno. */
void udmc_mc_joined(struct udmc_mc *mc, int err, int prov_errno);
extern struct fi_ops_msg udmc_msg_ops;

/* Where a send goes; NULL if addr names nobody. */
static inline const struct udmc_peer *udmc_ep_peer(const struct udmc_ep *ep,
		fi_addr_t addr)
{
	const struct udmc_peer *peer;

	if (addr & UDMC_GROUP_TAG) {
		addr &= ~UDMC_GROUP_TAG;
		return addr < ep->group_count ? ep->group[addr] : NULL;
	}
	if (UDMC_UNLIKELY(!ep->av || addr >= atomic_load_explicit(
			&ep->av->count, memory_order_acquire)))
		return NULL;
	peer = udmc_av_slot(ep->av, addr);
	return peer->used ? peer : NULL;
}

static inline size_t udmc_iov_bytes(const struct iovec *iov, size_t count)
{
	size_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += iov[i].iov_len;
	return sum;
}

static inline uint32_t udmc_power_of_two(size_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

/* -------------------------------------------------------------- refuse -- */

/* What is not offered: an answer for every pointer libfabric may follow. */
extern struct fi_ops_rma udmc_no_rma;
extern struct fi_ops_tagged udmc_no_tagged;
extern struct fi_ops_atomic udmc_no_atomic;
extern struct fi_ops_collective udmc_no_collective;
extern struct fi_ops_msg udmc_msg_disabled;
int udmc_no_bind(struct fid *fid, struct fid *bfid, uint64_t flags);
int udmc_no_control(struct fid *fid, int command, void *arg);
int udmc_no_ops_open(struct fid *fid, const char *name, uint64_t flags,
		void **ops, void *context);
int udmc_no_tostr(const struct fid *fid, char *buf, size_t len);
int udmc_no_ops_set(struct fid *fid, const char *name, uint64_t flags,
		void *ops, void *context);

/* Initializers for the parts of struct fi_ops nobody here offers. */
#define UDMC_FI_OPS(close_) \
	.size = sizeof(struct fi_ops), .close = close_, \
	.bind = udmc_no_bind, .control = udmc_no_control, \
	.ops_open = udmc_no_ops_open, .tostr = udmc_no_tostr, \
	.ops_set = udmc_no_ops_set

#endif
