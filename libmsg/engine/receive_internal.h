/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * receive_internal.h - what receive.c (arrival), receive_topics.c (whose streams),
 * deliver.c (order, assembly), recovery.c (reliable streams), recovery_side.c (their
 * side link), caller.c (connected ones), hold.c (who waits for whom of those), pull.c
 * (large messages), fetch.c (history) and happen.c (events) say to each other.
 */
#ifndef MSG_ENGINE_RECEIVE_INTERNAL_H
#define MSG_ENGINE_RECEIVE_INTERNAL_H

#include "base/clock.h"
#include "base/probe.h"
#include "engine/receive.h"
#include "protocol/greeting.h"

static inline __attribute__((always_inline)) void count(
	struct msg_receiver *r, enum msg_counter_index index, uint64_t n)
{
	msg_counter_add(&r->counters[index], n);
}

/* The precise clock, read at most once a turn. */
static inline uint64_t turn_now(struct msg_receiver *r)
{
	if (r->now == 0)
		r->now = msg_clock_ns();
	return r->now;
}

#define RECEIVE_TURN_EVENTS 64

static inline uint8_t *receive_frame(
	const struct msg_receiver *r, uint32_t slot)
{
	return msg_receive_data(&r->pool, slot) + MSG_LINK_HEADROOM;
}

/* receive.c: check the body and say what span of the stream it covers. */
bool receive_check_body(const struct msg_frame *frame, const uint8_t *body,
	struct msg_span *span);

/* What came in `slot`; false: no frame (counted). */
static inline __attribute__((always_inline)) bool receive_read(
	struct msg_receiver *r, uint32_t slot, uint32_t bytes,
	struct msg_frame *frame)
{
	const uint8_t *data = receive_frame(r, slot);

	MSG_PROBE2(frame_in, data, bytes);
	if (msg_frame_read_inline(data, bytes, frame) == MSG_FRAME_OK)
		return true;
	count(r, MSG_COUNTER_MALFORMED, 1);
	return false;
}

/* receive.c: a frame that did not come by the group's link: nothing of best effort.
 * True: somebody took the slot over. */
bool receive_sort_out(struct msg_receiver *r, uint32_t slot,
	const struct msg_frame *frame, uint32_t call);
/* receive.c: both. */
bool receive_aside(struct msg_receiver *r, uint32_t slot, uint32_t bytes,
	uint32_t call);
/* By no connection. */
#define RECEIVE_NO_CALL UINT32_MAX

/* Whether a frame that came by this connection, or by none, is the stream's own. */
static inline bool receive_is_own(const struct msg_stream *s, uint32_t call)
{
	return s->calls ? s->open && s->handle == call
			: call == RECEIVE_NO_CALL;
}

/* receive_reclaim.c: have back what no reader of a ring needs. */
void receive_reclaim(struct msg_receiver *r);
/* The same until so many are free, if it can be, for what does not come by the
 * link. */
void receive_spare(struct msg_receiver *r, uint32_t count);
/* Until so many slots apart are. */
void receive_spare_apart(struct msg_receiver *r, uint32_t count);
/* Of a broker: the same of what is retained, and with `revoke` of half
 * of what readers have yet to take. */
void receive_recall(struct msg_receiver *r, bool revoke);
/* Enough came back. */
void receive_recalled(struct msg_receiver *r);

/* receive.c: the stream of a frame; NULL: not ours, or no room (counted). */
struct msg_stream *receive_find_stream(
	struct msg_receiver *r, const struct msg_frame *frame);

/* What is wanted of a stream's topic; the owner's numbers may be any. */
static inline struct msg_receive_wish receive_wish(
	const struct msg_receiver *r, const struct msg_stream *s)
{
	if (s->topic < r->options.topic_count_max)
		return r->wishes[s->topic];
	return (struct msg_receive_wish){
		.give_up_ns = r->options.give_up_ns,
		.history = r->options.history,
		.large_bytes_max = MSG_LARGE_TOTAL_MAX,
		.tagged = r->options.tagged,
	};
}

/* receive_topics.c: the same where `stream`, as found, is NULL or not ours. */
struct msg_stream *receive_meet(struct msg_receiver *r,
	struct msg_stream *stream, const struct msg_frame *frame);

/* receive_topics.c: the stream as if nothing had come of it so far. */
void receive_renew(struct msg_receiver *r, struct msg_stream *s);

/* deliver.c: messages that were lost before what is next; `reason` says why. */
void receive_note_loss(struct msg_receiver *r, struct msg_stream *s,
	uint64_t lost, enum msg_loss reason);

/* deliver.c: the frame whose turn it is, into the ring or the assembly.  `skip`:
 * messages at its beginning that nobody wants. */
void receive_deliver(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot, uint32_t skip);

/* deliver.c: the same of one message that is not larger than any may be, and of which no
 * loss is to be told before. */
void receive_deliver_lone(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot);

/* A whole message that is larger than any may be: those by connections can be.  Their
 * frames of usual size hold messages that fit for any limit, as datagrams do: it is at
 * least one frame. */
static inline bool receive_is_too_large(
	const struct msg_receiver *r, const struct msg_frame *frame)
{
	return frame->type == MSG_FRAME_SINGLE &&
	       frame->bytes > MSG_CONNECTED_FRAME_BYTES &&
	       frame->bytes - MSG_FRAME_HEADER_BYTES >
		       r->options.message_bytes_max;
}

/* When a stream was heard is noted with the next turn that asks all. */
static inline void receive_note_heard(struct msg_receiver *r)
{
	if (r->heard)
		r->heard->heard_ns = msg_clock_coarse_ns();
	r->heard = NULL;
}

/* deliver.c: the writer of the stream's ring. */
struct msg_ring_writer *receive_ring(
	const struct msg_receiver *r, const struct msg_stream *s);

/* ---- recovery.c -------------------------------------------------------- */

/* The stream has turned out to be a reliable one. */
void recovery_start(struct msg_receiver *r, struct msg_stream *s);
/* A checked frame of it in `slot`; takes the slot over. */
void recovery_arrived(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, const struct msg_span *span,
	uint32_t slot);
/* A probe; `body` is unchecked. */
void recovery_probe(struct msg_receiver *r, const struct msg_frame *frame,
	const uint8_t *body, uint32_t call);
/* Where a history is read from; `body` is unchecked. */
void recovery_shelf(struct msg_receiver *r, const struct msg_frame *frame,
	const uint8_t *body, uint32_t call);
/* Hand on what can be by now, and note what is due. */
void recovery_drain(struct msg_receiver *r, struct msg_stream *s);
/* Slots are short, wide ones or others: who has been silent for longest, and is not
 * likely to fill his gaps, gives back what waits behind them. */
void recovery_relieve(struct msg_receiver *r, bool wide);
/* Before it loses its place. */
void recovery_stop(struct msg_receiver *r, struct msg_stream *s);

/* ---- recovery_side.c --------------------------------------------------- */

/* What the stream has to tell its publisher by now. */
void recovery_report(struct msg_receiver *r, struct msg_stream *s);
/* Whether it is there: its publisher says so, if he hears that. */
void recovery_inquire(struct msg_receiver *r, struct msg_stream *s);
/* The same for all, when a turn ends and r->deadline has come. */
void recovery_report_all(struct msg_receiver *r);
/* Poll the side link; how many events. */
int recovery_turn(struct msg_receiver *r);

/* Of one of our links: what is done becomes free. */
void recovery_sent(
	struct msg_receive_side *side, const struct msg_link_event *event);
/* The last report of a stream, if there is a place for it. */
void recovery_say_goodbye(struct msg_receiver *r, struct msg_stream *s);

/* ---- caller.c ----------------------------------------------------------- */

/* Poll the session; how many events, or FABRIC. */
int caller_turn(struct msg_receiver *r);
/* The same as a turn in which nobody else is asked. */
int caller_turn_alone(struct msg_receiver *r);
/* Whether nothing is expected but by connections: such turns may follow. */
bool caller_expects(const struct msg_receiver *r);
/* Say goodbye to all that are connected, and wait a little until they know. */
void caller_leave(struct msg_receiver *r);
/* The stream loses its place. */
void caller_stop(struct msg_receiver *r, struct msg_stream *s);

/* ---- hold.c -------------------------------------------------------------- */

/* One of ours is had by connections; it waits for us so long, if that is said. */
void hold_offered(
	struct msg_receiver *r, struct msg_stream *s, uint64_t give_up_ns);
/* It is connected. */
void hold_opened(struct msg_receiver *r, struct msg_stream *s);
/* Its connection is gone. */
void hold_closed(struct msg_receiver *r, struct msg_stream *s);
/* The stream loses its place. */
void hold_stop(struct msg_receiver *r, struct msg_stream *s);
/* Frames that it may send beyond what has come. */
uint32_t hold_room(struct msg_receiver *r, const struct msg_stream *s);
/* That was reported. */
void hold_told(struct msg_receiver *r, struct msg_stream *s, uint32_t window);
/* A frame came by its connection: not before told_half. */
void hold_arrived(struct msg_receiver *r, struct msg_stream *s);
/* Look at those that stand still. */
void hold_turn(struct msg_receiver *r);
/* How long readers of a topic are waited for. */
uint64_t hold_patience(const struct msg_receiver *r, uint32_t topic);
/* Of a broker: slots of that kind that a topic's ring has beyond its part. */
uint64_t hold_excess(
	const struct msg_receiver *r, uint32_t topic, bool wide);

/* ---- pull.c ----------------------------------------------------------- */

/* A LARGE frame's turn, in `slot`, which is taken over: read its message. */
void pull_begin(struct msg_receiver *r, struct msg_stream *s,
	const struct msg_frame *frame, uint32_t slot);
/* The stream loses its place. */
void pull_stop(struct msg_receiver *r, struct msg_stream *s);
/* One turn; how many events, or FABRIC. */
int pull_turn(struct msg_receiver *r);
/* No view needs it any more. */
void pull_free(struct msg_receiver *r, uint32_t buffer);

/* ---- fetch.c ----------------------------------------------------------- */

/* Much of the stream is missing. */
void fetch_wish(struct msg_receiver *r, struct msg_stream *s);
/* The stream loses its place. */
void fetch_stop(struct msg_receiver *r, struct msg_stream *s);
/* Its connection ended: what was to be read is asked for, or read with the next. */
void fetch_closed(struct msg_receiver *r, struct msg_stream *s);
/* One turn; how many events, or FABRIC. */
int fetch_turn(struct msg_receiver *r);
/* Its slot is free again, if it has one. */
void fetch_put_slot(struct msg_receiver *r, struct msg_fetch_frame *frame);
/* fetch_plan.c: which reads bring the frames that have slots; those for which there
 * is no room have none any more. */
void fetch_plan(struct msg_receiver *r, struct msg_fetch_item *it);
void fetch_forget_plan(struct msg_fetch *f, struct msg_fetch_item *it);

/* ---- happen.c ---------------------------------------------------------- */

/* A stream is heard for the first time; `sequence` is the message expected next,
 * for the stream may not have begun. */
void happen_joined(
	struct msg_receiver *r, struct msg_stream *s, uint64_t sequence);
/* Something came of it: it is not silent. */
void happen_heard(struct msg_receiver *r, struct msg_stream *s);
/* What is lost by now, and not told with a message.  `sequence`: of the message
 * that comes next. */
void happen_lost(
	struct msg_receiver *r, struct msg_stream *s, uint64_t sequence);
/* All that was sent has been delivered, or lost, as far as is known. */
void happen_settled(struct msg_receiver *r, struct msg_stream *s);
/* Who has been silent for long, and what found no room before. */
void happen_look(struct msg_receiver *r);

/* The message expected next. */
static inline uint64_t receive_position(const struct msg_stream *s)
{
	uint64_t at = s->kind == MSG_STREAM_RELIABLE ? s->recover.sequence
						     : s->sequence.sequence;

	/* The one being skipped is counted as lost already, the one being read
	 * as delivered. */
	return at + s->assembly.skipping - s->recover.paused;
}

/* When it has something to do though nothing arrives. */
static inline uint64_t receive_deadline(const struct msg_stream *s)
{
	return s->kind == MSG_STREAM_RELIABLE
		       ? msg_recover_deadline(&s->recover)
		       : msg_sequence_deadline(&s->sequence);
}

/* deliver.c: a checked frame of `span` in `slot`; takes the slot over. */
void msg_receiver_arrived(struct msg_receiver *r, struct msg_stream *stream,
	const struct msg_frame *frame, const struct msg_span *span,
	uint32_t slot);

/* deliver.c: hand on whatever the stream's window can by now. */
void msg_receiver_drain(struct msg_receiver *r, struct msg_stream *stream);

/* deliver.c: hand on what waited long enough in any stream. */
void msg_receiver_expire(struct msg_receiver *r);

/* deliver.c: before a stream loses its place. */
void msg_receiver_evict(void *receiver, struct msg_stream *stream);

#endif
