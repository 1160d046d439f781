/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publication.h - a topic published through the broker of the host.
 *
 *     application ─> outbox ─> ring and pool ─┬> readers of this host
 *                                             └> the broker ─> network
 *
 * The broker makes ring and pool and hands them out; this process alone writes
 * them, and is told who reads.  When the broker goes away, publishing goes on
 * into the same ring for the readers of this host.  When it is back, we ask for
 * the same topic with the same incarnation, and move to the ring it then makes
 * once no loan is out and the readers are there too: sequences go on, so readers
 * know to the message what the network missed, and of a reliable topic the
 * numbers of frames do, too; where the new ring begins its header says, for nothing
 * may follow.  While it is away nobody tells
 * us of a reader that dies; if one holds us up, we look ourselves.
 *
 * In files: publication.c (what the broker says), publication_outlet.c (rings),
 * publication_send.c (the application's calls).
 * Neighbours: called by api/publisher; calls engine/outbox and client.  Its calls
 * are inside the gate of `attended`; open, close and what is const are not.
 * Test: tests/unit/topic/test_publication.c.
 */
#ifndef MSG_TOPIC_PUBLICATION_H
#define MSG_TOPIC_PUBLICATION_H

#include "engine/outbox.h"
#include "topic/attendant.h"
#include "topic/client.h"

struct msg_publication_options {
	const char *path; /* Of the broker's socket. */
	const char *topic;
	uint64_t incarnation;
	uint32_t message_bytes_max;
	uint32_t loan_count_max;
	uint32_t period_ms;
	/* As msg_control_publish; 0 of best effort. */
	uint32_t reliability;
	uint32_t flow;
	uint32_t flow_count;
	uint64_t history_bytes;
	uint32_t history_ms;
	uint32_t give_up_ms;
	uint32_t linger_ms;
	uint32_t large_bytes_max; /* 0: no large messages. */
	uint64_t large_memory_bytes;
	/* Of a typed topic; the schema stays until close. */
	const char *type_name; /* Or NULL. */
	uint32_t type_encoding;
	uint64_t type_hash;
	const uint8_t *schema;
	uint32_t schema_bytes;
};

/* Somebody who reads our ring. */
struct msg_publication_reader {
	struct msg_shm_segment ledger;
	int doorbell; /* -1: it has none. */
	uint32_t pid;
	bool is_broker;
};

/* A ring of ours, and what belongs to it. */
struct msg_outlet {
	struct msg_outbox outbox; /* First: context of the wake calls. */
	bool is_open;
	struct msg_shm_segment ring;
	struct msg_shm_segment pool;
	struct msg_shm_segment area; /* Of large messages, if there are. */
	uint32_t reader_count; /* Without the broker. */
	uint32_t keep_max;     /* Entries the broker may keep for repair. */
	uint64_t first_frame;  /* Where the broker numbers its frames from. */
	struct msg_publication_reader readers[MSG_RING_READERS_MAX];
};

struct msg_publication {
	struct msg_attended attended; /* Its gate is on this line. */
	struct msg_outlet *current; /* Where we publish. */
	struct msg_outlet *next;    /* Where we shall; NULL mostly. */
	uint64_t move_by; /* At the latest, whoever has not followed, unless he is
	                     not to lose anything; coarse, as move_end. */
	int32_t unlooked;    /* Sends until one looks at the clock again, */
	int32_t unlooked_of; /* of that many, */
	uint64_t looked_ns; /* and what that said last; coarse. */
	uint64_t move_end; /* Whoever has not followed, and lives. */
	struct msg_outlet *coming;  /* The ring of this session; NULL: none. */
	struct msg_client client;
	struct msg_control_publish said;
	const uint8_t *schema; /* Of said.type_hash. */
	uint32_t schema_bytes;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	struct msg_outlet outlets[2];
};

/* Returns 0; the broker's refusal, FABRIC, MEMORY, or what
 * msg_place_connect returns, with the reason on the trail. */
int msg_publication_open(struct msg_publication *publication,
	const struct msg_publication_options *options);

/* Waits up to `limit_ns` for the broker to send what it has not. */
void msg_publication_close(
	struct msg_publication *publication, uint64_t limit_ns);

/* publication_send.c: in the gate, what may be the next of a batch; and when we are
 * not, or it is not that simple. */
int publication_lend_behind(struct msg_publication *publication, size_t bytes,
	struct msg_loan *loan);
int publication_lend_slowly(struct msg_publication *publication, size_t bytes,
	struct msg_loan *loan);
int publication_queue_slowly(struct msg_publication *publication,
	struct msg_loan *loan, size_t bytes);
/* One that its entry holds, apart: its words take registers, which the others need
 * not save then. */
int publication_send_small(struct msg_publication *publication,
	struct msg_loan *loan, size_t bytes);
int publication_send_other(struct msg_publication *publication,
	struct msg_loan *loan, size_t bytes);

/* As the calls of msg.h of these names.  While a frame is being filled we stay in
 * the gate. */
MSG_LENDER_INLINE int msg_publication_lend(
	struct msg_publication *p, size_t bytes, struct msg_loan *loan)
{
	if (!msg_gate_slip_in(&p->attended.gate))
		return publication_lend_slowly(p, bytes, loan);
	if (!msg_outbox_lend_quick(&p->current->outbox, bytes, loan))
		return publication_lend_behind(p, bytes, loan);
	msg_gate_leave(&p->attended.gate);
	return 0;
}

MSG_LENDER_INLINE int msg_publication_queue(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	if (p->current->outbox.lender.pack.count > 0 &&
		msg_outbox_queue_behind(&p->current->outbox, loan, bytes))
		return 0;
	return publication_queue_slowly(p, loan, bytes);
}

static inline int msg_publication_send(
	struct msg_publication *p, struct msg_loan *loan, size_t bytes)
{
	return bytes <= MSG_RING_INLINE_BYTES
		       ? publication_send_small(p, loan, bytes)
		       : publication_send_other(p, loan, bytes);
}

void msg_publication_flush(struct msg_publication *publication);
void msg_publication_abandon(
	struct msg_publication *publication, struct msg_loan *loan);

static inline uint32_t msg_publication_loans(
	const struct msg_publication *publication)
{
	return msg_lender_loans(&publication->current->outbox.lender);
}

#endif
