/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msg.h - publish and subscribe over RDMA, in buffers the fabric itself owns.
 *
 * A publisher lends out empty buffers and takes them back filled; a subscriber
 * hands out received messages and takes them back read.  No call here copies a
 * payload, but for the two that say so (msg_publish, msg_subscriber_copy).
 *
 *     node        where this process meets the network: one lane
 *      ├─ publisher     loan ─> fill ─> send     (or queue … flush, or abandon)
 *      ├─ subscriber    take ─> read ─> release  (take 0: arm, poll the fd)
 *      └─ directory     who announces which topic
 *
 * Every contract below is stated in the same order:
 *
 *   Returns  0 or a count; on failure a listed code of enum msg_error, negated,
 *            and then nothing has changed, no output was written and nothing
 *            needs undoing.  A call that lists no code cannot fail.
 *   Threads  "any": any thread, at any time; "one": one thread at a time per
 *            object (different objects need no care of yours).
 *   Path     "steady": no lock, no allocation, no system call of our own (a
 *            software lane makes some: kernel UDP one sendmmsg or recvmmsg);
 *            "setup": may block and allocate.
 *   Source   the page, specification or measurement behind the rule.
 *
 * Strings are UTF-8, copied by the call that takes them.  Sizes are bytes.
 * Pointers are not NULL unless a call says so: setup calls that return a code
 * refuse it, steady ones do not look.
 * The library never exits, touches no signal, writes to no descriptor of
 * yours, and starts no thread unless MSG_NODE_PROGRESS_THREAD asks for one.
 */
#ifndef MSG_MSG_H
#define MSG_MSG_H

#include <stddef.h>
#include <stdint.h>

#define MSG_API __attribute__((visibility("default")))
#define MSG_MUST_CHECK __attribute__((warn_unused_result))

#ifdef __cplusplus
extern "C" {
#endif

struct msg_node;       /* This process on one lane. */
struct msg_publisher;  /* One topic, outgoing. */
struct msg_subscriber; /* One topic or pattern, incoming. */
struct msg_directory;  /* What others announce. */
struct msg_type;       /* What the bytes of messages mean; <msg/type.h>. */

/* ---- errors ------------------------------------------------------------ */

enum msg_error {             /* Values never change; new ones are appended. */
	MSG_ERROR_ARGUMENT = 1,  /* An argument or option is out of its range. */
	MSG_ERROR_MEMORY = 2,    /* Memory or the locked-memory limit ran out. */
	MSG_ERROR_AGAIN = 3,     /* Not now; the same call may succeed later. */
	MSG_ERROR_BUSY = 4,      /* Loans, views or children are still out. */
	MSG_ERROR_FABRIC = 5,    /* The device, the group or the lane failed. */
	MSG_ERROR_DEVICE = 6,    /* No such device or interface, or not usable. */
	MSG_ERROR_TOO_LARGE = 7, /* More bytes than this topic may carry. */
	MSG_ERROR_TIMEOUT = 8,   /* The time given is over. */
	MSG_ERROR_EVICTED = 9,   /* Too slow: the subscription is over. */
	MSG_ERROR_DENIED = 10,   /* The broker's rights do not allow it. */
};

/* Why this thread's last failed setup call failed, as one line that names the
 * next step ("interface eth7 does not exist; try lo or eth0").  Never NULL;
 * "" before the first failure.  Valid until the thread's next setup call.
 * Steady calls return only codes.  Threads any.  Path setup. */
MSG_API const char *msg_error_text(void);

/* The name of a code, negated or not: "MSG_ERROR_AGAIN"; "MSG_ERROR_UNKNOWN"
 * for anything else.  Never NULL, static.  Threads any.  Path steady. */
MSG_API const char *msg_error_name(int code);

/* The version of the library that runs, "MAJOR.MINOR.PATCH".  Static.
 * Threads any.  Path steady. */
MSG_API const char *msg_version(void);

/* ---- topics ------------------------------------------------------------ */

/* A topic is tokens joined by dots, 1 to 255 bytes in all: "md.acme.bid".  A
 * token is one or more bytes of UTF-8 other than dot, '*', '>', space and
 * control characters.  A pattern may hold '*' for one whole token and end in
 * '>' for one or more: "md.*.bid", "md.>".
 * Source: the subject grammar of NATS, as its users know it. */

/* Whether `topic` matches `pattern`.  Returns 1 or 0; ARGUMENT when either is
 * malformed (msg_error_text says where).  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_topic_match(
	const char *pattern, const char *topic);

/* ---- delivery ---------------------------------------------------------- */

/* How hard a topic tries.  The order of a publisher's messages is kept, and what
 * is lost is told, either way.
 *
 *   best effort  what the network drops is lost.  Nobody keeps anything.
 *   reliable     the publisher keeps what it sent (history_bytes, history_ms),
 *                and receivers ask for what they miss.  Lost is what the
 *                publisher no longer has, or cannot bring within give_up_ms.
 *   rc           the same over a connection to each receiver (RC queue pairs on
 *                an RDMA device, else TCP) in place of multicast: for few
 *                receivers, for a network without multicast.  The publisher
 *                waits for who is slow, unless told otherwise: nobody loses.
 *
 * The publisher offers, and each subscriber takes what is offered or less; but of
 * an rc topic there is no less: who is BEST_EFFORT gets nothing of it (log:
 * topic-refused).
 *
 * Who subscribes to an rc topic is connected when it has heard an announcement,
 * which takes 100 ms at most (or announce_ms, if that is less), and the first time
 * in a process as long again, for libfabric.  From that announcement on nothing is
 * missed.  The publisher answers who connects by the calls that are made on it,
 * by msg_node_progress, or by the progress thread.
 *
 * A broker asks once for all subscribers of its host, and what it gets is what
 * each of them may take; BEST_EFFORT gives none of them less there.  Between
 * processes of one host nothing is lost on the way: who is too slow is treated
 * as its `slow` says, and waited for by no publisher elsewhere. */
enum msg_reliability {
	MSG_RELIABILITY_DEFAULT = 0,     /* Of a publisher: BEST_EFFORT; of a
	                                    subscriber: what is offered. */
	MSG_RELIABILITY_BEST_EFFORT = 1, /* Of a subscriber: never ask. */
	MSG_RELIABILITY_RELIABLE = 2,    /* Multicast, and repair. */
	MSG_RELIABILITY_RC = 3,          /* A connection to each receiver, up
	                                    to 128, where a broker is one for
	                                    its host; ARGUMENT through a broker
	                                    too old for it.  Of a subscriber:
	                                    as offered, and what connections
	                                    need is opened at once, not with
	                                    the first. */
};

/* Whom a reliable publisher waits for, once as much as fits a receiver's
 * buffers is under way to him: loans say AGAIN meanwhile. */
enum msg_flow_control {
	MSG_FLOW_NONE = 0,   /* Nobody: who is too slow loses, counted.  Of an
	                        rc topic: MIN. */
	MSG_FLOW_MIN = 1,    /* All that report: nobody loses. */
	MSG_FLOW_TAGGED = 2, /* Those that say they are `tagged`. */
	MSG_FLOW_K_OF_N = 3, /* The `flow_count` fastest; nothing leaves before
	                        there are so many. */
};

/* What a view says in place of a message, to who asked for `events`. */
enum msg_event {
	MSG_EVENT_MESSAGE = 0,   /* None of these: a message. */
	MSG_EVENT_LOST = 1,      /* lost_before messages of it are lost; said at
	                            once, and not again with the next message. */
	MSG_EVENT_JOINED = 2,    /* A publisher heard for the first time, or
	                            again after SILENT. */
	MSG_EVENT_LEFT = 3,      /* It said goodbye. */
	MSG_EVENT_SILENT = 4,    /* It has said nothing for three of its heartbeats,
	                            though it was asked behind the second (rc
	                            and reliable), or for five of its
	                            announcements: it crashed, or the network is
	                            cut.  On the same broker: at once when its
	                            process ends. */
	MSG_EVENT_RESTARTED = 5, /* After JOINED: the program that published
	                            here before, on the same host, publishes
	                            anew, from sequence 0. */
	MSG_EVENT_EVICTED = 6,   /* This subscriber was too slow (see `slow`);
	                            from the next take on that is its code. */
	MSG_EVENT_OTHER_TYPE = 7, /* A publisher is of another type than `type`,
	                            or names none; once of each, as soon as that
	                            is known.  What becomes of its messages:
	                            `type_policy`. */
};

/* Why something is lost, as far as it is known here. */
enum msg_loss {
	MSG_LOSS_UNKNOWN = 0,
	MSG_LOSS_NETWORK = 1,   /* On the way, or in a full socket; nobody could
	                           be asked for it. */
	MSG_LOSS_LAPPED = 2,    /* Here: taken too slowly from the broker. */
	MSG_LOSS_HISTORY = 3,   /* The publisher had it no more when asked. */
	MSG_LOSS_GAVE_UP = 4,   /* Asked for, and not come within give_up_ms. */
	MSG_LOSS_TOO_LARGE = 5, /* Above message_bytes_max or large_bytes_max, or
	                           our buffers. */
};

/* ---- node -------------------------------------------------------------- */

enum msg_lane {
	MSG_LANE_DEFAULT = 0, /* As msg_node_open chooses. */
	MSG_LANE_VERBS = 1,   /* UD multicast on an RDMA device (SoftRoCE too). */
	MSG_LANE_UDP = 2,     /* Kernel UDP multicast, loopback unless told. */
};

/* Whether to publish and subscribe through the host's broker (msgbrokerd), which
 * owns one endpoint for all processes of the host. */
enum msg_broker_policy {
	MSG_BROKER_DEFAULT = 0, /* MSG_BROKER_POLICY=auto|require|never; AUTO. */
	MSG_BROKER_NEVER = 1,   /* Straight from the lane. */
	MSG_BROKER_AUTO = 2,    /* If it is there and serves what is asked for:
	                           interface, device, lane, groups and port where
	                           they are given.  Else straight. */
	MSG_BROKER_REQUIRE = 3, /* Through it, or not at all. */
};

enum msg_node_flags {
	/* Announce this node's publishers, and repair what reliable ones sent,
	 * from a thread of the library.  Without it the calls on publishers do
	 * that: one that makes none for some seconds fades from other nodes'
	 * directories, and meanwhile nobody gets from it what he misses.  On a
	 * broker, which announces, the thread finds it again after a restart
	 * for publishers and subscribers on which no call is made meanwhile. */
	MSG_NODE_PROGRESS_THREAD = 1u << 0,
};

enum msg_log_level {
	MSG_LOG_ERROR = 1,
	MSG_LOG_WARNING = 2,
	MSG_LOG_INFO = 3,
	MSG_LOG_DEBUG = 4,
};

/* Where messages about rare events go; `text` is one line, `id` is stable:
 *
 *   node-open           the lane or broker taken, and why
 *   announce-malformed  an announcement broke the protocol and was dropped
 *   frame-too-large     a publisher's frames exceed our buffers: all are lost
 *   tag-taken           another topic has our topic's tag: it is filtered
 *   topic-refused       a topic that matches a pattern cannot be followed
 *   history-unread      history cannot be read from where it stands: it is asked
 *                       for, frame by frame
 *   type-mismatch       a publisher is of another type than we expect
 *
 * Called on the thread whose call noticed the event; must not call the
 * library back. */
typedef void msg_log_fn(void *context, enum msg_log_level level,
	const char *id, const char *text);

/* A zero field means its default; fields may be appended, never changed.
 * An environment variable named here applies where the field is zero. */
struct msg_node_options {
	size_t struct_bytes;   /* Set by the initializer below. */
	const char *interface; /* Name or IP address; MSG_INTERFACE. */
	const char *device;    /* RDMA device ("rxe0"); MSG_DEVICE. */
	const char *groups;    /* "ADDRESS+COUNT"; MSG_GROUPS; 239.255.77.0+64,
	                          COUNT 1 to 4096; IPv6 too ("ff15::4d00+64").
	                          The first is the directory's. */
	uint32_t port;         /* UDP port of the groups; MSG_PORT; 7400. */
	uint32_t ttl;          /* Multicast hops, 1 to 255; MSG_TTL; 1. */
	uint32_t frame_bytes;  /* Largest datagram payload, 256 to 65507; what
	                          the path takes, 16384 at most, by default. */
	uint32_t lane;         /* enum msg_lane; MSG_LANE=verbs|udp. */
	uint32_t broker;       /* enum msg_broker_policy. */
	uint32_t flags;        /* enum msg_node_flags, or-ed. */
	uint32_t announce_ms;  /* Between announcements, 10 to 60000; 1000. */
	msg_log_fn *log;       /* NULL: silent. */
	void *log_context;     /* Handed to `log`. */
	const char *broker_name; /* Its name, or its socket's absolute path;
	                            MSG_BROKER; "default". */
};
#define MSG_NODE_OPTIONS \
	{ sizeof(struct msg_node_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* What a node stands on; strings live as long as the node. */
struct msg_node_info {
	enum msg_lane lane;       /* VERBS or UDP; DEFAULT: of a broker that
	                             serves its host alone. */
	const char *device;       /* "rxe0"; "" on the UDP lane. */
	const char *interface;    /* "lo", "eth0". */
	const char *address;      /* The interface's address, as text. */
	const char *groups;       /* "239.255.77.0+64". */
	const char *reason;       /* Why this lane, and not the broker that was
	                             named or is there: for people. */
	uint32_t port;
	uint32_t frame_bytes;     /* Datagram payload, our 24-byte header in
	                             it: the rest is one message's share. */
	const char *broker;       /* Its name; "": straight from the lane. */
	uint32_t broker_pid;      /* When the node was opened; 0: no broker. */
	uint32_t reserved;        /* Zero. */
};

/* Open a node.  options may be NULL.  Through the broker if `broker` says so
 * and one is there; the lane is the broker's then, as frame_bytes and ttl are.
 * One that starts is waited for: 5 s at most, 1 s where it is stopped.
 * Else the lane: `device` or `interface` or `lane` when given; else the RDMA
 * device when exactly one is active; else kernel UDP on loopback, so that
 * leaving the machine is always a choice.  That loads libfabric on first use,
 * which takes some 0.3 s; a node on the broker needs none.
 * Publishers and subscribers of a node on the broker outlive it: they go on
 * among themselves while it is away, and find it again within a second of its
 * return, by the calls that are made on them, msg_node_progress or the progress
 * thread.
 * Returns 0; ARGUMENT, MEMORY, DEVICE, FABRIC.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_node_open(
	const struct msg_node_options *options, struct msg_node **node);

/* Describe the lane, or the broker's.  Never fails.  Threads any.  Path steady. */
MSG_API void msg_node_describe(
	const struct msg_node *node, struct msg_node_info *info);

/* Send the announcements that are due, and serve the receivers of reliable
 * publishers; on a broker, look whether it is still there, or again, for those on
 * which no call was made for a while.  Needed only in a process that wants neither
 * the progress thread nor to call its publishers: for announcements a few times
 * per `announce_ms`; while receivers may miss something, as often as they shall
 * wait for it.  Another thread that has a call on a publisher under way is not
 * waited for: it does the same.  Threads any.  Path setup. */
MSG_API void msg_node_progress(struct msg_node *node);

/* Close; NULL is allowed.  Returns 0; BUSY while a publisher, subscriber or
 * directory of it is open.  Threads one.  Path setup. */
MSG_API int msg_node_close(struct msg_node *node);

/* ---- publisher --------------------------------------------------------- */

/* The largest message that travels in frames, of any topic: 16 MiB. */
#define MSG_MESSAGE_BYTES_MAX (16u << 20)
/* The largest that its receivers read from where it stands: 1 GiB. */
#define MSG_LARGE_BYTES_MAX (1u << 30)

struct msg_publisher_options {
	size_t struct_bytes;        /* Set by the initializer below. */
	const char *topic;          /* No wildcards; required. */
	uint32_t message_bytes_max; /* Up to MSG_MESSAGE_BYTES_MAX; what one
	                               frame holds by default.  Above that,
	                               messages travel in fragments. */
	uint32_t loan_count_max;    /* Buffers, 2 to 65536; by default 256, or
	                               as many as fit 32 MiB if that is less. */
	uint32_t reliability;       /* enum msg_reliability; BEST_EFFORT.  What
	                               follows is of RELIABLE and RC, and else
	                               ARGUMENT.  Through a broker it is about
	                               other hosts: of this one `slow` of each
	                               subscriber decides. */
	uint32_t flow;              /* enum msg_flow_control; NONE. */
	size_t history_bytes;       /* Memory for what was sent, in buffers of one
	                               message or frame each, beside those lent
	                               out; 64 KiB to 4 GiB; 4 MiB. */
	uint32_t history_ms;        /* Forget what is older, 1 to 3600000; kept
	                               until others need the memory by default. */
	uint32_t flow_count;        /* K_OF_N: how many, 1 to 1024; required. */
	uint32_t give_up_ms;        /* A receiver that is waited for so long and
	                               does not move is waited for no more, until
	                               it does, counted; 10 to 60000; 1000.  A
	                               connection that takes nothing for so long
	                               is ended; its receiver may come again. */
	uint32_t linger_ms;         /* How long close waits for receivers that
	                               report to have all, whatever the flow; 1 to
	                               60000; 1000.  Who is reading a large message
	                               is waited for a minute longer, as long as
	                               he gets on. */
	size_t large_bytes_max;     /* Messages above message_bytes_max, up to this
	                               (MSG_LARGE_BYTES_MAX at most), stay in
	                               memory of their own, and receivers read
	                               them from there (RDMA READ) when their
	                               turn comes, 256 receivers at a time.  0:
	                               there are none.  Not BEST_EFFORT. */
	size_t large_memory_bytes;  /* Memory for them, in all: lent out, and kept
	                               as history and for who is reading; from
	                               large_bytes_max to 1 TiB; twice that,
	                               64 MiB at least. */
	const struct msg_type *type; /* What its messages are, for those who ask;
	                                the publisher keeps it.  Nothing checks
	                                that they are.  Without a broker, calls
	                                on the publisher look each 10 ms whether
	                                somebody asks, unless the progress thread
	                                does. */
};
#define MSG_PUBLISHER_OPTIONS \
	{ sizeof(struct msg_publisher_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	  0, 0, 0 }

/* An empty buffer in the caller's hands. */
struct msg_loan {
	void *data;      /* Registered memory, 8-byte aligned, not zeroed; on a
	                    cache line when the message is first in its frame, on
	                    a page when it is a large one. */
	size_t capacity; /* Bytes that may be written, at least those asked. */
	uint64_t opaque; /* Slot and generation; leave as it is. */
	uint64_t reserved;
};

/* Open a publisher: joins nothing, registers memory, announces the topic.
 * Returns 0; ARGUMENT, MEMORY, FABRIC; of a broker DEVICE (it went away) and
 * DENIED.  Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_publisher_open(struct msg_node *node,
	const struct msg_publisher_options *options,
	struct msg_publisher **publisher);

/* Borrow a buffer for a message of up to `bytes`, together with the right to
 * send it: back-pressure shows here and nowhere else.  The caller holds it
 * until send, queue or abandon; several may be out, sent in any order.
 * A large message's memory may have to be made, which is no steady path; it is
 * used again for those that follow.  It is kept for every receiver known that
 * reads it, or has yet to: until that gets nothing more of it for give_up_ms.
 * Returns 0; AGAIN (all buffers are out or on the wire, a subscriber that
 * asked not to be lapped has yet to read them, or one of those that `flow`
 * waits for has yet to report that it has room; or all memory for large messages
 * is used), TOO_LARGE, FABRIC, MEMORY (of a large one).
 * Threads one.  Path steady.
 * Source libmsg/pool/README.md, "admitted once". */
MSG_API MSG_MUST_CHECK int msg_publisher_loan(
	struct msg_publisher *publisher, size_t bytes, struct msg_loan *loan);

/* Send the first `bytes` of a loan, after all that was queued, at once.  The
 * loan is spent whatever the result: *loan is cleared and nothing is left to
 * free.  The message has its sequence number from here on.  A message of
 * several frames is posted whole before this returns; a large one is read by its
 * receivers behind this call, served by the later ones on the publisher, as missing
 * frames are, or by the progress thread.
 * Returns 0; ARGUMENT (not a loan, or more bytes than its capacity: nothing
 * was sent), FABRIC (not sent).  Threads one.  Path steady. */
MSG_API int msg_publisher_send(
	struct msg_publisher *publisher, struct msg_loan *loan, size_t bytes);

/* As msg_publisher_send, but more follows: small messages share a frame, and
 * frames a system call or doorbell.  Messages share a frame when each is
 * borrowed after the one before was queued.  Full frames leave by themselves,
 * some together; the rest leaves with the next send or flush.  The library
 * holds nothing back that was not queued.
 * Returns, Threads, Path: as msg_publisher_send. */
MSG_API int msg_publisher_queue(
	struct msg_publisher *publisher, struct msg_loan *loan, size_t bytes);

/* Send what is queued.  Returns 0; AGAIN (the lane is full; the rest leaves
 * with the next call on this publisher), FABRIC.  Threads one.  Path steady. */
MSG_API int msg_publisher_flush(struct msg_publisher *publisher);

/* Hand a loan back unsent; *loan is cleared.  A loan already spent is refused
 * and counted.  Threads one.  Path steady. */
MSG_API void msg_publisher_abandon(
	struct msg_publisher *publisher, struct msg_loan *loan);

/* Loan, copy `data`, send.  Returns 0; AGAIN, TOO_LARGE, FABRIC, ARGUMENT.
 * Threads one.  Path steady, and one copy. */
MSG_API MSG_MUST_CHECK int msg_publish(
	struct msg_publisher *publisher, const void *data, size_t bytes);

/* This opening of the topic, as in msg_view.publisher: a restarted publisher
 * is another.  Threads any.  Path steady. */
MSG_API uint64_t msg_publisher_id(const struct msg_publisher *publisher);

/* Close; NULL is allowed.  Sends what is queued (waiting up to a second), lets
 * receivers of a reliable topic fetch what they miss (up to linger_ms) and says
 * goodbye; if the broker of such a one is away, by the next (up to linger_ms, or a
 * second).  Returns 0; BUSY while loans are out, and then nothing is closed.
 * Threads one.  Path setup. */
MSG_API int msg_publisher_close(struct msg_publisher *publisher);

/* ---- subscriber -------------------------------------------------------- */

/* On a broker's host: what becomes of a subscriber that lags so far behind that
 * its writer needs the memory of what it has not taken. */
enum msg_slow {
	MSG_SLOW_DEFAULT = 0, /* LAP. */
	MSG_SLOW_LAP = 1,     /* It loses the oldest, counted; the subscription
	                         only if it gives so little back that a writer
	                         has no memory left. */
	MSG_SLOW_EVICT = 2,   /* It loses the subscription: take says EVICTED,
	                         and views in hand may change. */
	MSG_SLOW_BLOCK = 3,   /* Publishers of this host wait for it: their
	                         loans say AGAIN.  The network waits for nobody:
	                         of that, as LAP. */
	/* Of an rc topic publishers wait for it anyway, whatever host they are of,
	 * and it becomes what stands here when it gets no further for as long as
	 * they have patience (their give_up_ms, or three quarters of it); unless
	 * it is of BEST_EFFORT. */
};

/* What becomes of a publisher that is of another type than a subscriber
 * expects, or names none. */
enum msg_type_policy {
	MSG_TYPE_DEFAULT = 0, /* WARN. */
	MSG_TYPE_WARN = 1,    /* Said to the node's log, and by an event
	                         (OTHER_TYPE); its messages come. */
	MSG_TYPE_REFUSE = 2,  /* And its messages do not, counted
	                         (MSG_COUNTER_TYPE_REFUSED), from when its type
	                         is known: with its first announcement, which
	                         one that was there before makes within a
	                         period. */
};

struct msg_subscriber_options {
	size_t struct_bytes;          /* Set by the initializer below. */
	const char *topic;            /* A topic or a pattern; required. */
	uint32_t message_bytes_max;   /* Larger messages are counted, dropped;
	                                 at least one frame; 1 MiB, or what
	                                 buffer_count takes if that is less (but
	                                 a connection's frame, on a broker). */
	uint32_t buffer_count;        /* Receive buffers of one frame each, 16
	                                 to 65536; 1024 or more, as
	                                 message_bytes_max needs.  Both given and
	                                 too few: ARGUMENT.  A message that needs
	                                 more all the same, for its sender's
	                                 frames are smaller, is lost, counted.
	                                 Through a broker: of its buffers, those
	                                 that may be in your hands at once. */
	uint32_t publisher_count_max; /* Streams followed at once, 1 to 65536;
	                                 256.  More are counted, refused. */
	uint32_t reorder_us;          /* How long a gap may wait for a late
	                                 frame before it counts as loss, up to
	                                 1000000; by default 200, 20000 on a
	                                 software RDMA device.  On a reliable
	                                 topic: before it is asked for; by default
	                                 at once, 200 on such a device.  Through a
	                                 broker it is the broker's. */
	uint32_t slow;                /* enum msg_slow; without a broker nobody
	                                 waits. */
	uint32_t spin_us;             /* How long a wait spins before it sleeps;
	                                 UINT32_MAX: for ever, yielding now and
	                                 then.  By default through a broker up
	                                 to 20, as long as that pays; else 0. */
	uint32_t reliability;         /* enum msg_reliability; what is offered. */
	uint32_t history_count;       /* Messages wanted that a reliable publisher
	                                 sent before we came: its last so many, or
	                                 all that it has, if that is less; then
	                                 those that follow.  UINT32_MAX: all.
	                                 Through a broker, of a topic of another
	                                 host that somebody here follows already:
	                                 what the broker still has. */
	uint32_t give_up_ms;          /* What is missing for so long is lost, 10
	                                 to 60000; 1000.  Not before something was
	                                 heard of its publisher meanwhile.  Through
	                                 a broker the most patient of the topic's
	                                 subscribers counts; BEST_EFFORT: 10. */
	uint32_t tagged;              /* Not 0: publishers with MSG_FLOW_TAGGED
	                                 wait for us; those of other hosts for our
	                                 broker, of this host as `slow` says. */
	uint32_t events;              /* Not 0: take also returns views of enum
	                                 msg_event. */
	uint32_t type_policy;         /* enum msg_type_policy, of `type`. */
	size_t large_bytes_max;       /* Take large messages (see the publisher's)
	                                 up to this; what is larger is lost,
	                                 counted, with reason TOO_LARGE.  0: none.
	                                 Not BEST_EFFORT. */
	size_t large_memory_bytes;    /* Memory for them, in all: being read, and
	                                 in your hands; from large_bytes_max to
	                                 1 TiB; twice that.  A stream whose next one finds
	                                 none waits until you release some.
	                                 Through a broker of no account: it is the
	                                 broker's, and the publishers'. */
	const struct msg_type *type;  /* What it expects of each publisher; the
	                                 subscriber keeps it.  NULL: anything. */
};
#define MSG_SUBSCRIBER_OPTIONS \
	{ sizeof(struct msg_subscriber_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, \
	  0, 0, 0, 0, 0, 0, 0 }

/* A received message in the caller's hands, or an event; one cache line, for
 * good.  An event has no data and no bytes, and is given back like any other. */
struct msg_view {
	const void *data;       /* Read-only; the first segment. */
	size_t bytes;           /* The whole message. */
	uint64_t publisher;     /* Who sent it: msg_publisher_id there. */
	uint64_t sequence;      /* Per publisher, from 0, one per message; of an
	                           event, that of the message expected next. */
	uint64_t lost_before;   /* Messages of this publisher lost between the
	                           view before and this one. */
	uint64_t opaque;        /* Slot and generation; leave as it is. */
	uint32_t segment_count; /* 1: data is the whole message. */
	uint32_t topic;         /* For msg_subscriber_topic. */
	uint32_t event;         /* enum msg_event; MESSAGE unless asked for. */
	uint32_t reason;        /* enum msg_loss, of LOST. */
};

/* A piece of a message, in place. */
struct msg_segment {
	const void *data;
	size_t bytes;
};

/* Open a subscriber: joins the topic's group, posts its buffers.  Messages
 * sent after this returns arrive or are counted as lost.  A pattern follows
 * the directory and joins a topic when it is announced.  What is missing of a
 * reliable topic is asked for by the calls that are made on the subscriber:
 * take, arm, wait.
 * Returns 0; ARGUMENT, MEMORY, DEVICE, FABRIC, DENIED.  Threads any.
 * Path setup. */
MSG_API MSG_MUST_CHECK int msg_subscriber_open(struct msg_node *node,
	const struct msg_subscriber_options *options,
	struct msg_subscriber **subscriber);

/* Take up to `count` messages, oldest first per publisher; the caller holds
 * them until release.  A view held back is a receive buffer missing.
 * Returns how many, 0 when none wait; ARGUMENT, FABRIC, EVICTED (see `slow`:
 * close it).  Threads one.  Path steady. */
MSG_API MSG_MUST_CHECK int msg_subscriber_take(
	struct msg_subscriber *subscriber, struct msg_view *views, int count);

/* Give views back, in any order.  A view given back before is refused and
 * counted (MSG_COUNTER_RELEASE_REFUSED).  Threads any, also during a take.
 * Path steady. */
MSG_API void msg_subscriber_release(struct msg_subscriber *subscriber,
	const struct msg_view *views, int count);

/* The descriptor to poll for POLLIN, the same until close; never read, write
 * or close it.  Threads any.  Path steady. */
MSG_API int msg_subscriber_fd(const struct msg_subscriber *subscriber);

/* Ask for one wake-up on the descriptor.  Sleep only after a 0.
 * Returns 0 (safe to sleep); AGAIN (messages wait, or will in some µs: take
 * first; or every buffer is in your hands: release first, for nothing would
 * wake you), FABRIC.  Threads one.  Path: at most one system call.
 * Source fi_trywait in fi_poll(3), ibv_req_notify_cq(3). */
MSG_API MSG_MUST_CHECK int msg_subscriber_arm(
	struct msg_subscriber *subscriber);

/* Arm and sleep until messages wait or `timeout_ns` is over (negative: no
 * limit).  Returns 0 (take now; after a signal there may be nothing); TIMEOUT,
 * FABRIC.  Threads one.  Path: sleeps. */
MSG_API MSG_MUST_CHECK int msg_subscriber_wait(
	struct msg_subscriber *subscriber, int64_t timeout_ns);

/* The pieces of a view that has more than one segment, in order, in place;
 * valid until its release.  Returns how many were written, at most `count`;
 * ARGUMENT (not a view in hand).  Threads any.  Path steady. */
MSG_API MSG_MUST_CHECK int msg_subscriber_segments(
	const struct msg_subscriber *subscriber, const struct msg_view *view,
	struct msg_segment *segments, int count);

/* Copy a view, however many segments, into `data` of `capacity` bytes.
 * Returns 0; TOO_LARGE (capacity < view->bytes), ARGUMENT.  Threads any.
 * Path steady, and one copy. */
MSG_API MSG_MUST_CHECK int msg_subscriber_copy(
	const struct msg_subscriber *subscriber, const struct msg_view *view,
	void *data, size_t capacity);

/* The topic of a view: for patterns.  Never NULL; "" for what is not a view
 * in hand.  Valid until close.  Threads one.  Path steady. */
MSG_API const char *msg_subscriber_topic(
	const struct msg_subscriber *subscriber, const struct msg_view *view);

/* Close; NULL is allowed.  Returns 0; BUSY while views are out, and then
 * nothing is closed.  Threads one.  Path setup. */
MSG_API int msg_subscriber_close(struct msg_subscriber *subscriber);

/* ---- directory --------------------------------------------------------- */

/* What a publisher says of itself; strings live until the next read. */
struct msg_topic_info {
	const char *topic;
	const char *host;           /* Host name. */
	const char *program;        /* Program name, at most 63 bytes. */
	uint64_t publisher;         /* As in msg_view.publisher. */
	uint64_t message_count;     /* Messages sent when it last announced. */
	uint64_t age_ns;            /* Since it last announced, by our clock. */
	double rate;                /* Messages/s between its last two
	                               announcements; negative: one so far. */
	uint32_t pid;               /* On its host. */
	uint32_t uid;               /* User, on its host. */
	uint32_t message_bytes_max;
	uint32_t frame_bytes;
	uint32_t reliability;       /* enum msg_reliability: what it offers;
	                               DEFAULT: not known (of an old broker). */
	uint32_t encoding;          /* enum msg_encoding of its type, or a later
	                               one's; 0: it names none. */
	const char *type_name;      /* "" if it names none. */
	uint64_t type_hash;         /* As msg_type_hash; 0 if it names none. */
};

/* Listen to announcements of topics that match `pattern` (NULL: all).
 * Returns 0; ARGUMENT, MEMORY, DEVICE, FABRIC, DENIED.  Threads any.
 * Path setup. */
MSG_API MSG_MUST_CHECK int msg_directory_open(struct msg_node *node,
	const char *pattern, struct msg_directory **directory);

/* Wait up to `timeout_ns` for news, then describe up to `count` live
 * publishers, ordered by topic.  One that has been silent for five of its
 * periods is left out.  What they say of themselves is unverified.
 * Returns how many are known, which may exceed `count`; ARGUMENT, FABRIC.
 * Threads one.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_directory_read(struct msg_directory *directory,
	int64_t timeout_ns, struct msg_topic_info *infos, int count);

/* Close; NULL is allowed.  Returns 0.  Threads one.  Path setup. */
MSG_API int msg_directory_close(struct msg_directory *directory);

#ifdef __cplusplus
}
#endif
#endif
