/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - what the broker tells its operator: a line with a level, an id and
 * a sentence on standard error.
 *
 * One table, LOG_CATALOGUE, is the only list of events; the ids stay the same
 * for good, so that scripts may look for them.  msgbrokerd(8) explains each;
 * a test compares the two.  Below a service manager with a journal, lines
 * start with its priority ("<4>"); a client cannot flood the log: of each id
 * at most LOG_BURST lines come in LOG_PERIOD, then one that counts the rest.
 *
 * Texts of clients must come in cleaned (peer_set_program); the log replaces
 * control characters all the same.  Test: tests/unit/broker/test_log.c.
 */
#ifndef BROKER_LOG_H
#define BROKER_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#define LOG_BURST 10u
#define LOG_PERIOD_NS (10 * 1000000000ull)

/* X(enumerator, id, level, what it means, what to do) */
#define LOG_CATALOGUE(X)                                                       \
	X(STARTED, "started", INFO,                                            \
		"The broker has its name and serves its socket.",              \
		"Nothing.")                                                    \
	X(STOPPED, "stopped", INFO,                                            \
		"The broker was asked to end and leaves nothing behind.",      \
		"Nothing.")                                                    \
	X(START_FAILED, "start-failed", ERROR,                                 \
		"The broker cannot start; the sentence says why.",             \
		"Do what the sentence says; msg doctor looks at the network.") \
	X(NAME_TAKEN, "name-taken", ERROR,                                     \
		"Another broker has the name.",                                \
		"Use that one, stop it, or give another --name.")              \
	X(STALE_SOCKET, "stale-socket", INFO,                                  \
		"A broker that ended without cleaning up left its socket, "    \
		"which was replaced.",                                         \
		"Find out why that one died, if you did not kill it.")         \
	X(FAILED, "failed", ERROR,                                             \
		"The broker had to end while it ran.",                         \
		"Do what the sentence says and start it again; clients come "  \
		"back by themselves.")                                         \
	X(RIGHTS_CLOSED, "rights-closed", WARNING,                             \
		"The file has [topic] sections but no [default]: topics that " \
		"none of them matches are closed to everybody.",               \
		"Write a [default] section, if only to say that this is "      \
		"meant.")                                                      \
	X(LANE, "lane", INFO,                                                  \
		"The lane taken to the network, and why.",                     \
		"Nothing; --interface, --device and --lane choose another.")   \
	X(CLIENT_CONNECTED, "client-connected", DEBUG,                         \
		"A client connected.", "Nothing.")                             \
	X(CLIENT_GONE, "client-gone", DEBUG,                                   \
		"A client disconnected; what it held is free.", "Nothing.")    \
	X(QUOTA_REFUSED, "quota-refused", WARNING,                             \
		"A user asked for more than his quota.",                       \
		"See what his programs do, or raise the key of [quota] that "  \
		"the line names.")                                             \
	X(STREAM_LEFT_OUT, "stream-left-out", WARNING,                         \
		"A subscriber goes without a publisher or topic that it wants.", \
		"Narrow its pattern, or raise what the line names; it counts " \
		"topics_refused or publishers_refused.")                       \
	X(RIGHT_REFUSED, "right-refused", WARNING,                             \
		"A user asked for a topic that the rights do not give him.",   \
		"Add him to the topic's section, if he should have it.")       \
	X(PROTOCOL_BROKEN, "protocol-broken", WARNING,                         \
		"A client sent what the protocol does not allow and was "      \
		"disconnected.",                                               \
		"Find the program: it is broken, hostile, or of another "      \
		"version.")                                                    \
	X(DESCRIPTORS_OUT, "descriptors-out", WARNING,                         \
		"No descriptor was left for another client, who has to wait.", \
		"Raise LimitNOFILE (ulimit -n), or lower connections in "      \
		"[quota].")                                                    \
	X(READER_EVICTED, "reader-evicted", WARNING,                           \
		"A subscriber lost its ring: it held the most slots when none "\
		"or few were left, or those for which publishers waited, its "  \
		"ledger could not be true, or it asked for it.",                \
		"Release views sooner, raise slots, or lower held_slots in "   \
		"[quota].")                                                    \
	X(LANE_FAILED, "lane-failed", ERROR,                                   \
		"The network could not be read or written.",                   \
		"See the device and msg doctor.")                              \
	X(COUNTERS_HIDDEN, "counters-hidden", WARNING,                         \
		"The file of counters beside the socket could not be made; "   \
		"only clients that ask over the socket get to see them.",      \
		"See to that folder, so that msg info and msg top work also "  \
		"while the broker hangs.")                                     \
	X(LARGE_REFUSED, "large-refused", WARNING,                             \
		"Large messages cannot be read from other hosts, or one of a " \
		"publisher here cannot be shown to them; they are lost there.",\
		"Do what the sentence says; on an RDMA device the broker may " \
		"need more locked memory (LimitMEMLOCK).")                     \
	X(MEMORY_OUT, "memory-out", WARNING,                                   \
		"Memory for a client could not be had.",                       \
		"Lower slots or the quota, or give the machine memory.")

enum log_id {
#define LOG_ENUM(id, ...) LOG_##id,
	LOG_CATALOGUE(LOG_ENUM)
#undef LOG_ENUM
	LOG_ID_COUNT
};

struct log_entry {
	const char *id;
	enum msg_log_level level;
	const char *meaning;
	const char *remedy;
};

extern const struct log_entry log_catalogue[LOG_ID_COUNT];

/* What is shown: up to `level`.  Reads JOURNAL_STREAM.  Before this call
 * everything up to MSG_LOG_INFO is shown, without priorities. */
void log_open(enum msg_log_level level);

/* Say it, if it is to be shown and its turn. */
void log_say(enum log_id id, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether log_say would show it; for those who have to work for the text. */
bool log_shows(enum log_id id);

/* For the library (msg_log_fn): its ids are explained in msg.h. */
void log_library(void *context, enum msg_log_level level, const char *id,
	const char *text);

#endif
