/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * broker.h - looking at a broker of this host: who shares its endpoint, who
 * lags, holds or loses, and what all of it counts.
 *
 *     list     which brokers there are, and whether they live
 *     open     the counters of one: the file beside its socket, or a copy of
 *              its descriptor asked for over the socket
 *     read     a snapshot, into memory of this process
 *       info, client, stream, publisher, reader, feed, user
 *              rows of it; NULL beyond the last; they live until the next read
 *
 * The counters are memory that the broker writes and others only read, so a
 * look costs the broker nothing and works while it hangs or is stopped; what
 * is left of one that was killed can still be read, and is told as GONE.
 * Nothing here needs libfabric or opens a lane.
 *
 * Clients say of themselves what program they are, and a reader what it took
 * and lost: that is unverified.  Pids and uids are the kernel's word, but for
 * those of publishers on other hosts.
 *
 * One table for each kind of row, MSG_BROKER_..._COUNTS, is the only list of
 * its counts: it makes the struct, the descriptions that tools print, and the
 * tests.  Those that say "now" go up and down; the others never go back.
 */
#ifndef MSG_BROKER_H
#define MSG_BROKER_H

#include <stddef.h>
#include <stdint.h>

#include <msg/msg.h>
#include <msg/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

struct msg_broker; /* A look at one broker. */

/* ---- counts -------------------------------------------------------------- */

/* X(field, what it counts, what to do when it grows) */
#define MSG_BROKER_TOTAL_COUNTS(X)                                             \
	X(turns, "Turns of its loop.", "Nothing: this is the work done.")      \
	X(sleeps, "Times it went to sleep, for nothing came.",                 \
		"Nothing; raise spin_us if wakes cost too much latency.")      \
	X(wakes, "Sleeps that ended with something to do.",                    \
		"Nothing; raise spin_us if wakes cost too much latency.")      \
	X(connections, "Clients that ever connected.",                         \
		"Many more than there are: somebody connects again and "       \
		"again.")                                                      \
	X(refused, "Requests refused for rights, quota or bad arguments.",     \
		"See its log, and the refusals of each user.")                 \
	X(broken, "Clients disconnected for breaking the protocol or not "     \
		"reading what they are told.",                                 \
		"Find the program: it hangs, is hostile or of another "        \
		"version.")                                                    \
	X(evicted, "Readers that lost their ring because they held the most "  \
		"slots when none was left.",                                   \
		"Release views sooner, raise slots, or lower held_slots in "   \
		"[quota].")                                                    \
	X(users_refused, "Requests of users beyond those a broker can keep "   \
		"books of.", "Start another broker with --name.")              \
	X(unlisted, "Now: rows that had no place in these tables.",            \
		"Nothing: they are served, only not shown.")

#define MSG_BROKER_CLIENT_COUNTS(X)                                            \
	X(rings, "Now: streams that it reads.",                                \
		"Many: narrow its pattern.")                                   \
	X(slots, "Now: slots it may hold, charged to its user.",               \
		"Lower held_slots in [quota] if others miss them.")            \
	X(bytes, "Now: memory made for it, charged to its user.",              \
		"Lower loan_count_max or message_bytes_max of that publisher.") \
	X(waiting, "Now: 1 while messages of the broker wait because it does " \
		"not read its socket.",                                        \
		"See whether that program is stopped or stuck.")

#define MSG_BROKER_STREAM_COUNTS(X)                                            \
	X(head, "Entries ever written to its ring.",                           \
		"Nothing: this is the work done.")                             \
	X(tail, "Entries whose places are free again.",                        \
		"Far behind head: readers lag or hold; see which.")            \
	X(evicted, "Readers that lost this ring.",                             \
		"Take and release faster, or subscribe with the policy lap.")  \
	X(revoked, "Times entries were taken from readers that lagged.",       \
		"Take faster, or raise slots.")

#define MSG_BROKER_PUBLISHER_COUNTS(X)                                         \
	X(messages, "Messages sent, as far as known: the sequence number "     \
		"that comes next.", "Nothing: this is the work done.")         \
	X(frames, "Local: frames handed to the network.",                      \
		"Nothing: this is the work done.")                             \
	X(send_failed, "Local: frames the lane refused.",                      \
		"See the device and msg doctor.")                              \
	X(malformed, "Local: entries of its ring that made no sense and were " \
		"not sent.",                                                   \
		"That program is broken or hostile: stop it.")                 \
	X(lost, "Remote: messages that never came.",                           \
		"Raise slots or the socket buffer (net.core.rmem_max), or "    \
		"send slower.")                                                \
	X(late, "Remote: frames that came after their place was counted "      \
		"lost, or twice.", "The path reorders or repeats: look at it.") \
	X(reordered, "Remote: frames that came after a later one, in time.",   \
		"Nothing: the path reorders within the allowance.")            \
	X(naks, "Reliable: reports that something is missing, heard of a "     \
		"local publisher, sent to a remote one.",                      \
		"See lost of the path: sockets, queues, cables.")              \
	X(asked, "Reliable: frames asked for in them.",                        \
		"The same.")                                                   \
	X(repairs, "Reliable: frames sent again, or that came again.",         \
		"The same.")                                                   \
	X(gone, "Reliable: frames of a local publisher asked for too late; "   \
		"messages of a remote one that it had no more.",               \
		"Raise history_bytes or history_ms of that publisher.")        \
	X(kept, "Local, reliable, now: frames that can be had again.",         \
		"Few: raise history_bytes.")                                   \
	X(held_up, "Local, reliable: times it had to wait for receivers.",     \
		"See who is slow, or choose another flow.")

#define MSG_BROKER_READER_COUNTS(X)                                            \
	X(lag, "Now: entries written and not yet taken.",                      \
		"Near the ring's size: it loses next; take faster.")           \
	X(in_hand, "Now: entries taken last and not yet all returned.",        \
		"Release views sooner.")                                       \
	X(held, "Now: entries kept while it went on taking others.",           \
		"Release views sooner: each one is a slot that others miss.")  \
	X(taken, "Messages taken, by its own word.",                           \
		"Nothing: this is the work done.")                             \
	X(lost, "Messages lost, by its own word: by the network or by "        \
		"itself.", "Take faster; see lost of the publisher.")          \
	X(lapped, "Entries lost because it was too slow, by its own word.",    \
		"Take faster, release sooner, or raise slots.")

#define MSG_BROKER_FEED_COUNTS(X)                                              \
	X(slots, "Now: receive slots, all in all.",                            \
		"Nothing: slots sets it.")                                     \
	X(posted, "Now: slots the lane can receive into.",                     \
		"Few: readers lag or hold; see which, or raise slots.")        \
	X(free, "Now: slots that wait to be posted.", "Nothing.")              \
	X(waiting, "Now: slots of frames that wait for an earlier one or the " \
		"rest of their message.", "Many: the path loses or reorders.") \
	X(topics, "Now: topics received.", "Nothing.")                         \
	X(groups, "Now: multicast groups joined.",                             \
		"More than the device takes: fewer groups, or more topics in " \
		"each.")                                                       \
	X(messages, "Messages delivered into rings.",                          \
		"Nothing: this is the work done.")                             \
	X(bytes, "Payload bytes of those messages.",                           \
		"Nothing: this is the work done.")                             \
	X(frames, "Frames received.", "Nothing: this is the work done.")       \
	X(lost, "Messages of followed publishers that never came.",            \
		"Raise slots or the socket buffer (net.core.rmem_max), or "    \
		"send slower.")                                                \
	X(late, "Frames that came after their place was counted lost, or "     \
		"twice.", "The path reorders or repeats: look at it.")         \
	X(reordered, "Frames that came after a later one, in time.",           \
		"Nothing: the path reorders within the allowance.")            \
	X(foreign, "Frames of topics that nobody here wants, and those "        \
		"sent from here that came back.",                 \
		"Widen the group range (groups) if they cost too much.")       \
	X(malformed, "Frames and announcements that broke the protocol.",      \
		"Find the sender: somebody else uses this group and port.")    \
	X(truncated, "Frames larger than the slots.",                          \
		"Give all hosts the same frame_bytes, or the path's MTU.")     \
	X(too_large, "Messages larger than the slots can hold, dropped.",      \
		"Raise slots, or send smaller messages.")                      \
	X(starved, "Turns that found every slot in the hands of readers.",     \
		"Release views sooner, or raise slots.")                       \
	X(publishers, "Publishers (incarnations) heard.",                      \
		"Many: somebody restarts often.")                              \
	X(publishers_refused, "Frames of publishers beyond those a feed can "  \
		"follow.", "Give topics rights of their own, or use another "  \
		"broker for some.")                                            \
	X(evicted, "Readers that lost their ring for this feed's slots.",      \
		"Release views sooner, raise slots, or lower held_slots in "   \
		"[quota].")                                                    \
	X(naks, "Reports that frames of reliable topics are missing.",         \
		"See lost of the path: sockets, queues, cables.")              \
	X(asked, "Frames asked for in them.", "The same.")                     \
	X(repairs, "Frames that came because they were asked for.",            \
		"The same.")                                                   \
	X(gone, "Messages lost: their publishers had them no more.",           \
		"Raise history_bytes or history_ms of those publishers.")      \
	X(given_up, "Messages lost: no repair came in time.",                  \
		"The path loses too much, or the publisher is gone.")

#define MSG_BROKER_USER_COUNTS(X)                                              \
	X(connections, "Now: connections.", "See which programs he runs.")     \
	X(subscriptions, "Now: subscriptions.", "See which programs he runs.") \
	X(publishers, "Now: publishers.", "See which programs he runs.")       \
	X(held_slots, "Now: slots his subscribers may hold.",                  \
		"Near the quota: raise held_slots in [quota], or hold less.")  \
	X(bytes, "Now: bytes of memory made for his publishers.",              \
		"Near the quota: raise bytes in [quota], or send smaller.")    \
	X(connections_refused, "Connections refused.",                         \
		"Raise connections in [quota], or stop some.")                 \
	X(subscriptions_refused, "Subscriptions refused.",                     \
		"Raise subscriptions in [quota], or stop some.")               \
	X(publishers_refused, "Publishers refused.",                           \
		"Raise publishers in [quota], or stop some.")                  \
	X(held_slots_refused, "Streams refused for the slots to hold.",        \
		"Raise held_slots in [quota], or use fewer buffers.")          \
	X(bytes_refused, "Publishers refused for their memory.",               \
		"Raise bytes in [quota], or use fewer or smaller buffers.")

#define MSG_BROKER_FIELD(field, meaning, remedy) uint64_t field;
struct msg_broker_total_counts {
	MSG_BROKER_TOTAL_COUNTS(MSG_BROKER_FIELD)
};
struct msg_broker_client_counts {
	MSG_BROKER_CLIENT_COUNTS(MSG_BROKER_FIELD)
};
struct msg_broker_stream_counts {
	MSG_BROKER_STREAM_COUNTS(MSG_BROKER_FIELD)
};
struct msg_broker_publisher_counts {
	MSG_BROKER_PUBLISHER_COUNTS(MSG_BROKER_FIELD)
};
struct msg_broker_reader_counts {
	MSG_BROKER_READER_COUNTS(MSG_BROKER_FIELD)
};
struct msg_broker_feed_counts {
	MSG_BROKER_FEED_COUNTS(MSG_BROKER_FIELD)
};
struct msg_broker_user_counts {
	MSG_BROKER_USER_COUNTS(MSG_BROKER_FIELD)
};
#undef MSG_BROKER_FIELD

/* Describe the counts of all kinds of rows, one after the other; a name is the
 * row's and the field's, as "reader.lag".  NULL beyond the last one this
 * library knows.  Static.  Threads any.  Path steady. */
MSG_API const struct msg_counter *msg_broker_counter_describe(int index);

/* ---- rows ---------------------------------------------------------------- */

enum msg_broker_state {
	MSG_BROKER_STATE_GONE = 1,    /* What is read is what it left. */
	MSG_BROKER_STATE_RUNNING = 2,
	MSG_BROKER_STATE_STOPPED = 3, /* By a signal or a debugger. */
	MSG_BROKER_STATE_STUCK = 4,   /* Alive, but has not turned when it
	                                 meant to. */
};

enum msg_broker_role {
	MSG_BROKER_ROLE_NONE = 0, /* It has not said yet. */
	MSG_BROKER_ROLE_PUBLISHER = 1,
	MSG_BROKER_ROLE_SUBSCRIBER = 2,
	MSG_BROKER_ROLE_ONLOOKER = 3,
};

/* How a reader stands. */
enum msg_broker_reader_flags {
	MSG_BROKER_READER_ASLEEP = 1u << 0,
	MSG_BROKER_READER_EVICTED = 1u << 1, /* It has lost the ring. */
	MSG_BROKER_READER_RELAY = 1u << 2,   /* The broker's own part, which
	                                        sends to the network. */
	MSG_BROKER_READER_SLOW = 1u << 3,    /* It lost by its own fault lately,
	                                        or is half a ring behind. */
};

/* All structs may grow at their end. */
struct msg_broker_info {
	const char *name;
	const char *path;      /* Of the socket. */
	uint32_t state;        /* enum msg_broker_state */
	uint32_t pid;
	uint32_t uid;
	uint32_t lane;         /* enum msg_lane; 0: this host alone. */
	const char *device;    /* These as in struct msg_node_info. */
	const char *interface;
	const char *address;
	const char *groups;
	const char *reason;
	uint32_t port;
	uint32_t frame_bytes;
	uint64_t epoch;        /* Random; another after a restart. */
	uint64_t started_ns;   /* CLOCK_REALTIME when it started. */
	uint64_t uptime_ns;    /* When it wrote the counters. */
	uint64_t age_ns;       /* Since it wrote them.  It does so every 100 ms
	                          while something happens, once a second while
	                          it has streams and nothing does. */
	uint64_t time_ns;      /* CLOCK_MONOTONIC when it wrote them: between
	                          two reads the base of rates. */
	uint32_t asleep;       /* It waits for something to do. */
	uint32_t torn;         /* Rows that could not be read, and are missing;
	                          or 1: the tables are of different moments. */
	struct msg_broker_total_counts counts;
};

struct msg_broker_client {
	uint64_t id;           /* For good, in this broker's life. */
	uint32_t pid;
	uint32_t uid;
	uint32_t role;         /* enum msg_broker_role */
	uint32_t slow;         /* Subscriber: enum msg_slow it asked. */
	uint64_t connected_ns; /* How long it had been connected. */
	const char *program;
	const char *topic;     /* Or pattern; "" until it asked. */
	struct msg_broker_client_counts counts;
};

struct msg_broker_stream {
	uint64_t id;
	const char *topic;
	uint32_t local;       /* 1: a publisher of this host writes it. */
	uint32_t entry_count; /* Of its ring. */
	uint32_t rights;      /* Class of rights, and number of its feed. */
	uint32_t readers;     /* Without the relay. */
	uint32_t publishers;  /* Known ones. */
	uint32_t reserved;
	struct msg_broker_stream_counts counts;
};

struct msg_broker_publisher {
	uint64_t id;        /* As in msg_view.publisher. */
	uint64_t stream;    /* msg_broker_stream.id */
	uint64_t client;    /* Local: msg_broker_client.id; 0: it is gone, and
	                       what it published is being sent. */
	const char *host;
	const char *program;
	uint32_t pid;       /* On its host. */
	uint32_t uid;
	uint32_t local;
	uint32_t reserved;
	struct msg_broker_publisher_counts counts;
};

struct msg_broker_reader {
	uint64_t stream;     /* msg_broker_stream.id */
	uint64_t client;     /* msg_broker_client.id; 0: the relay. */
	uint32_t hold_max;   /* Entries it may have in hand and hold. */
	uint32_t slow;       /* enum msg_slow */
	uint32_t flags;      /* enum msg_broker_reader_flags, or-ed. */
	uint32_t index;      /* Its place in the ring. */
	struct msg_broker_reader_counts counts;
};

struct msg_broker_feed {
	uint64_t id; /* Class of rights. */
	struct msg_broker_feed_counts counts;
};

struct msg_broker_user {
	uint64_t uid;
	struct msg_broker_user_counts counts;
};

/* ---- finding ------------------------------------------------------------- */

/* A broker, or what one has left behind. */
struct msg_broker_entry {
	char name[72];   /* For msg_broker_open. */
	char path[112];  /* Of its socket. */
	uint32_t state;  /* enum msg_broker_state; RUNNING is not told from
	                    STUCK here. */
	uint32_t pid;    /* 0: not known. */
	int32_t connect; /* 0: the socket answers; else why not: DEVICE (nobody
	                    there), FABRIC (not for this user), AGAIN, MEMORY,
	                    negated.  Not tried where counters tell that it
	                    runs. */
	uint32_t reserved;
};

/* Describe up to `count` brokers in the places that names stand for: /run/msg
 * and $XDG_RUNTIME_DIR/msg, ordered by name; where both have one of a name, the
 * one a client would use.  No broker is needed to answer.
 * Returns how many there are, which may exceed `count`; ARGUMENT, MEMORY.
 * Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_broker_list(
	struct msg_broker_entry *entries, int count);

/* How a client of broker `name` would fare: find its socket, connect, be
 * welcomed.  NULL is the name of MSG_BROKER, or "default"; an absolute path of
 * a socket is one, too.  *entry is written also on failure, as far as it went,
 * unless that is ARGUMENT.
 * Returns 0; ARGUMENT (not a name), DEVICE (no broker), DENIED, FABRIC (it may
 * not be reached, or speaks another version), TIMEOUT (it hangs), AGAIN, BUSY,
 * MEMORY.  Threads any.  Path setup: waits up to two seconds. */
MSG_API MSG_MUST_CHECK int msg_broker_probe(
	const char *name, struct msg_broker_entry *entry);

/* ---- looking ------------------------------------------------------------- */

/* Open the counters of broker `name`, as in msg_broker_probe.
 * A first snapshot is taken.
 * Returns 0; ARGUMENT, DEVICE (no such broker), FABRIC (no counters of this
 * version, or not for this user), DENIED, TIMEOUT, AGAIN, BUSY, MEMORY.
 * Threads any.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_broker_open(
	const char *name, struct msg_broker **broker);

/* Take a snapshot.  A broker that was restarted since is found again.
 * Returns 0, also when the broker is gone (see state); ARGUMENT, FABRIC (the
 * counters are no such thing any more), MEMORY: the last snapshot is still there then.
 * Threads one.  Path setup. */
MSG_API MSG_MUST_CHECK int msg_broker_read(struct msg_broker *broker);

/* Rows of the snapshot; info is never NULL, the others are beyond the last
 * row.  Strings are UTF-8 without control characters, never NULL.
 * Threads one.  Path steady. */
MSG_API const struct msg_broker_info *msg_broker_info(
	const struct msg_broker *broker);
MSG_API const struct msg_broker_client *msg_broker_client(
	const struct msg_broker *broker, uint32_t index);
MSG_API const struct msg_broker_stream *msg_broker_stream(
	const struct msg_broker *broker, uint32_t index);
MSG_API const struct msg_broker_publisher *msg_broker_publisher(
	const struct msg_broker *broker, uint32_t index);
MSG_API const struct msg_broker_reader *msg_broker_reader(
	const struct msg_broker *broker, uint32_t index);
MSG_API const struct msg_broker_feed *msg_broker_feed(
	const struct msg_broker *broker, uint32_t index);
MSG_API const struct msg_broker_user *msg_broker_user(
	const struct msg_broker *broker, uint32_t index);

/* Close; NULL is allowed.  Returns 0.  Threads one.  Path setup. */
MSG_API int msg_broker_close(struct msg_broker *broker);

#ifdef __cplusplus
}
#endif
#endif
