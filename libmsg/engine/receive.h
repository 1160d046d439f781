/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive.h - the receiving turn: link -> protocol -> ring.
 *
 *     reclaim   slots that no reader needs any more are posted again
 *     poll      frames that arrived: check header, tag, body
 *     order     the stream's msg_sequence: deliver, hold, or drop as late;
 *               a reliable one's msg_recover: and ask for what is missing
 *     assemble  fragments become a chain of slots
 *     publish   frames and chains, in order, into the topic's ring
 *
 * In direct mode the ring is private and its reader stands behind the same
 * call (engine/direct.h); in the broker every topic has a ring, and its readers
 * are other processes.
 *
 * Reliable streams.  A second link, the side link, brings repairs into slots of
 * the same pool and takes reports to the publishers.  It is polled only while
 * something may come there: in a calm stream it costs nothing.  Without a side
 * link, and for who does not want it, a reliable stream is one of best effort.  What
 * waits behind a gap waits as long as its publisher is silent; but when slots are
 * short it is told as far as it is there, of who has been silent for some seconds.
 *
 * Connected streams.  A publisher may announce that it is had by connections
 * alone.  Then it is called (caller.c), over a session that is opened with the
 * first of them, and its frames come into wide slots.  They are a reliable
 * stream's, and are taken from that connection only; what others say in its name
 * is not believed.
 *
 * Large messages of a reliable stream are not brought by the link, but read from
 * where they stand (pull.h), if that is wanted; else they are lost.
 *
 * Events.  For who asks, an entry without a slot says what happened: a loss at
 * once, a publisher that came, left, fell silent, or was started again.
 *
 * Nothing here copies a payload: a ring's entry points into the slot that the
 * link wrote.  Nothing here allocates after opening, and what a peer can make us
 * hold (streams, assemblies, held frames) is bounded by the tables made then.
 * Neighbours: called by topic/, api/ and the broker; calls protocol/, pool/ and
 * a link.  Test: tests/conformance, tests/contract, tests/unit/engine.
 */
#ifndef MSG_ENGINE_RECEIVE_H
#define MSG_ENGINE_RECEIVE_H

#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "base/counter.h"
#include "engine/fetch.h"
#include "engine/pull.h"
#include "engine/stream.h"
#include "link/session.h"
#include "pool/receive.h"
#include "pool/ring_writer.h"
#include "protocol/frame.h"

/* An ANNOUNCE frame came in; its body is unchecked. */
typedef void msg_receive_announce_fn(void *context,
	const struct msg_frame *frame, const uint8_t *body, uint32_t bytes);

/* Publishers whose frames are dropped, at most. */
#define MSG_RECEIVE_IGNORED_MAX 1024u

struct msg_receive_options {
	uint32_t frame_bytes;
	uint32_t buffer_count;
	uint32_t message_bytes_max;
	uint32_t publisher_count_max;
	uint32_t topic_count_max;
	uint64_t reorder_ns;
	bool reliable;       /* With a side link; what follows is of that. */
	uint64_t ask_ns;     /* A gap is asked for after so long. */
	/* Of topics of which nothing else is said (msg_receiver_wish). */
	uint64_t give_up_ns;
	uint32_t history;    /* Messages wanted from before; UINT32_MAX: all. */
	bool tagged;
	uint64_t name;       /* Of this receiver, random. */
	bool events;
	uint32_t fetch_count; /* Buffers to read history into, beside the others:
	                         0, or MSG_FETCH_SLOTS. */
	uint32_t large_count; /* Buffers for large messages, beside the slots: 0, or
	                         MSG_LARGE_BUFFERS_MAX. */
	void *shared;        /* The slots' memory, or NULL: our own. */
	bool revoke;         /* Rather take entries from slow readers than let
	                        the link run out of buffers. */
	/* For connected topics: wide slots, and what frames in them may have;
	 * 0: such topics are not taken.  `connect` opens the session (start_session)
	 * when it is needed first; AGAIN: it cannot yet, and is asked with the
	 * publisher's next announcement, but the topic begins with this one. */
	uint32_t connected_count;
	uint32_t connected_bytes;
	int (*connect)(void *context);
	void *connect_context;
	/* Of a broker: a reader is about to lose the ring of that topic, for it had
	 * in hand what a connected topic may have.  Or NULL. */
	void (*hoarded)(void *context, uint32_t topic, uint32_t reader);
	void *hoarded_context;
	msg_receive_announce_fn *announce; /* Or NULL. */
	void *announce_context;
};

/* What is wanted of a reliable topic. */
struct msg_receive_wish {
	uint64_t give_up_ns;
	uint32_t history; /* Of streams that are new. */
	uint32_t large_bytes_max; /* Of those that are read, if any are. */
	bool tagged;
};

/* Of a topic whose readers hold publishers up (hold.c). */
struct msg_receive_hold {
	uint32_t offered;    /* Streams that are had by connections, … */
	uint32_t streams;    /* … and that are connected. */
	uint64_t give_up_ns; /* How long the least patient of these waits. */
	bool waiting;        /* We do, for readers. */
};

/* A topic's tag we accept, and the caller's number for it. */
struct msg_receive_tag {
	uint32_t tag;
	uint32_t topic;
	bool used;
};

/* The side link, and what it sends. */
struct msg_receive_side {
	struct msg_link *link; /* NULL: none. */
	struct msg_reach reach;
	struct msg_region region; /* Reports under way. */
	uint32_t head, tail;      /* Their places. */
	uint32_t posted;
	/* LOOK: poll it when the other is empty; and EXPECT for each stream that
	 * waits for something. */
	uint32_t attention;
};
#define MSG_RECEIVE_LOOK 1u
#define MSG_RECEIVE_EXPECT 2u

struct msg_receiver {
	struct msg_link *link;
	struct msg_receive_side side;
	struct msg_receive_side calls; /* Of `session`. */
	struct msg_session *session;   /* NULL: none was needed so far. */
	bool by_calls;        /* Messages come by those alone, of late, … */
	uint32_t calls_left;  /* … and in so many turns nobody else is asked. */
	uint32_t calls_some;  /* So many of its buffers posted, or fewer: more are,
	                         when nothing comes, … */
	uint32_t calls_few;   /* … and at once. */
	uint64_t asked_ns;    /* When all were, last. */
	struct msg_stream *heard; /* Since then, and its clock does not say so. */
	bool calls_failed;    /* It cannot be opened. */
	struct msg_session_counts told_session;
	struct msg_pull *pull; /* NULL: no large messages. */
	struct msg_fetch *fetch; /* NULL: history is asked for. */
	struct msg_receive_pool pool;
	struct msg_stream_table streams;
	struct msg_receive_options options;

	struct msg_receive_tag *tags; /* Open addressing. */
	uint32_t tag_mask;
	uint32_t tag_count;
	struct msg_receive_wish *wishes; /* By topic number. */
	struct msg_receive_hold *holds;  /* The same. */
	uint32_t holding; /* Streams that are connected, … */
	uint32_t stalled; /* … and streams that may send nothing. */
	uint64_t hold_ns; /* When those are looked at next. */
	uint32_t ignored[MSG_RECEIVE_IGNORED_MAX];
	uint32_t ignored_count;

	/* Where what is delivered goes: one ring for all topics, or one each
	 * (by topic number), which their owner opens and closes. */
	struct msg_ring_writer *ring;
	struct msg_ring_writer **rings;
	uint32_t ring_top; /* Topic numbers beyond never had one. */
	uint32_t unposted; /* Slots that the link lacks for what they retain. */

	uint32_t posted;
	uint32_t held_slots;       /* In windows and assemblies. */
	uint64_t relieve_ns;       /* When the silent are looked for next. */
	uint32_t assembly_slots[2]; /* Those of connected streams are wide. */
	uint32_t assembly_slots_max[2];
	uint32_t sequence_window;  /* Of each stream. */
	uint64_t now;              /* Read once a turn, when first needed. */
	uint64_t emptied;          /* Turns that left the link empty. */
	uint64_t empty_ns;         /* When the link was last seen empty. */
	uint32_t crowded_turns;    /* Turns since then that found frames. */
	uint64_t deadline;         /* Earliest end of a gap, question, silence. */
	uint64_t silence;          /* When one may be silent; UINT64_MAX. */
	bool unsaid;               /* Of some stream: events. */
	uint64_t published;        /* Entries, of all rings. */
	msg_counter_t counters[MSG_COUNTER_COUNT];
};

/* Buffers that messages in assembly may take of `count`; the rest stays for
 * small messages meanwhile. */
static inline uint32_t msg_receiver_assembly_max(uint32_t count)
{
	return count - count / 8;
}

/* Buffers for repairs, beside those: a calm stream, or one of best effort, has
 * what it would have without them. */
static inline uint32_t msg_receiver_side_buffers(
	const struct msg_receive_options *options)
{
	uint32_t count = options->buffer_count / 8;

	if (!options->reliable)
		return 0;
	return count < 16 ? 16 : count > 128 ? 128 : count;
}

/* Those to read the history of connected topics into. */
static inline uint32_t msg_receiver_fetch_wide(
	const struct msg_receive_options *options)
{
	uint32_t count = options->connected_count;

	if (options->fetch_count == 0)
		return 0;
	return count < MSG_FETCH_WIDE ? count : MSG_FETCH_WIDE;
}

/* What its pool is made of. */
struct msg_receive_shape msg_receiver_shape(
	const struct msg_receive_options *options);

/* The link is opened by the caller over the narrow part of receiver->pool.region,
 * between open and start. */
int msg_receiver_open(struct msg_receiver *receiver,
	const struct msg_receive_options *options);
int msg_receiver_start(struct msg_receiver *receiver, struct msg_link *link);
void msg_receiver_close(struct msg_receiver *receiver);

/* The same for the side link, before any frame comes: what it is to be opened
 * with (beside the other, whose memory it shares), and its use. */
int msg_receiver_side_options(
	struct msg_receiver *receiver, struct msg_link_options *options);
int msg_receiver_start_side(
	struct msg_receiver *receiver, struct msg_link *side);
/* The same for a session, at any time. */
int msg_receiver_session_options(
	struct msg_receiver *receiver, struct msg_session_options *options);
int msg_receiver_start_session(
	struct msg_receiver *receiver, struct msg_session *session);
/* Publishers need not wait for us any more.  Before the links are closed. */
void msg_receiver_leave(struct msg_receiver *receiver);

/* Accept frames with this tag from now on; false when there is no room.
 * One topic a tag: the first one stays. */
bool msg_receiver_accept(
	struct msg_receiver *receiver, uint32_t tag, uint32_t topic);

/* Accept them no more; what is known of its publishers is forgotten. */
void msg_receiver_refuse(struct msg_receiver *receiver, uint32_t tag);

/* From now on this is wanted of a topic. */
void msg_receiver_wish(struct msg_receiver *receiver, uint32_t topic,
	const struct msg_receive_wish *wish);

/* Whether it has reliable streams. */
bool msg_receiver_repairs(
	const struct msg_receiver *receiver, uint32_t topic);

/* Drop a publisher's frames (its messages come another way), or take them
 * again.  False: there are too many such publishers. */
bool msg_receiver_ignore(
	struct msg_receiver *receiver, uint32_t publisher, bool ignore);

/* Whether this incarnation of the frame's publisher was announced before. */
bool msg_receiver_knows(struct msg_receiver *receiver,
	const struct msg_frame *frame, uint64_t incarnation);

/* Whether anything of the frame's publisher came: from there on all is ours. */
bool msg_receiver_follows(
	struct msg_receiver *receiver, const struct msg_frame *frame);

/* A checked announcement: loss evidence for its stream.  `ours`: its topic is
 * one of those accepted, and not only its tag.  `reliable`: evidence comes in
 * probes. */
void msg_receiver_evidence(struct msg_receiver *receiver,
	const struct msg_frame *frame, uint64_t incarnation,
	uint64_t next_sequence, bool ours, bool reliable);

/* A checked announcement of a reliable topic that is ours says where its publisher
 * is reached: who wants history asks for it at once, and need not wait for a
 * probe.  Without an address, nothing. */
void msg_receiver_reach(struct msg_receiver *receiver,
	const struct msg_frame *frame, uint64_t incarnation,
	uint64_t next_sequence, const struct msg_reach *reach);

/* What one of ours that is had by connections said: where, and how far it is. */
struct msg_receive_offer {
	uint64_t incarnation;
	uint64_t next_sequence;
	struct msg_reach reach;
	uint64_t give_up_ns; /* It waits for us so long; 0: it does not say. */
	bool closing;
};
/* Call it, unless that is done; it begins with what is sent after it was heard of
 * first.  0; or FABRIC: there are no connections here (counted), with the trail
 * when that was found out. */
int msg_receiver_offered(struct msg_receiver *receiver,
	const struct msg_frame *frame, const struct msg_receive_offer *offer);

/* From now on tell events in line, as with options.events. */
void msg_receiver_tell(struct msg_receiver *receiver);

/* Tell one reader of a topic's ring, who has just come, of the publishers that are
 * there; as far as there is room. */
void msg_receiver_introduce(
	struct msg_receiver *receiver, uint32_t topic, uint32_t reader);

/* Say in a topic's ring how far each of its streams is: to readers that lost the
 * end of it.  False: there is no room for all. */
bool msg_receiver_mark(struct msg_receiver *receiver, uint32_t topic);

/* What else one of ours said, for events. */
struct msg_receive_said {
	uint64_t identity; /* Hash of host and program. */
	uint64_t next_sequence;
	uint32_t period_ms;
	bool closing;
};
void msg_receiver_heard(struct msg_receiver *receiver,
	const struct msg_frame *frame, const struct msg_receive_said *said);

/* The ring of a topic, when each has its own. */
void msg_receiver_publish_to(struct msg_receiver *receiver, uint32_t topic,
	struct msg_ring_writer *ring);

/* Their writers retain so many entries, all together. */
void msg_receiver_retain(struct msg_receiver *receiver, uint32_t count);

/* The free function of those rings; the context is the receiver. */
void msg_receiver_free(void *receiver, uint32_t slot);
/* The same of several: msg_ring_free_all_fn. */
uint32_t msg_receiver_free_all(
	void *receiver, const uint32_t *tokens, uint64_t count);

/* One turn; how many completions, or a negated error. */
int msg_receiver_turn(struct msg_receiver *receiver);

/* Whether every buffer is in the application's hands.  Nothing can arrive then,
 * and what a release brings back wakes nobody. */
bool msg_receiver_starved(const struct msg_receiver *receiver);

/* Whether buffers are short though all was taken back that can be: they are in the
 * hands of readers. */
bool msg_receiver_short(struct msg_receiver *receiver);

/* Ask for one wake on the link's descriptor.  0, AGAIN (take a turn first),
 * FABRIC.  A gap that still waits is the caller's care: it must come back by
 * msg_receiver_deadline; and so is msg_receiver_starved. */
int msg_receiver_arm(struct msg_receiver *receiver);

/* The number given to accept for a tag; UINT32_MAX: not accepted. */
uint32_t msg_receiver_topic(
	const struct msg_receiver *receiver, uint32_t tag);

/* When the engine wants a turn even if nothing arrives; UINT64_MAX: never. */
uint64_t msg_receiver_deadline(const struct msg_receiver *receiver);

/* The same, looked for anew: a gap that was filled leaves its end behind, which
 * costs one idle turn at most when awake but must not keep anybody from
 * sleeping. */
uint64_t msg_receiver_look_ahead(struct msg_receiver *receiver);

#endif
