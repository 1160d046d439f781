/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_calls.c - who is connected to the publisher of a connected topic; see
 * repairer.h and protocol/greeting.h.
 *
 *     ASKED     his greeting is ours, and he has room: a welcome
 *     CONNECTED where he begins (a probe), whence he may read what is history, and
 *               then he is one of all
 *     CLOSED    nobody waits for him at the end; flow control does, for a while:
 *               he may come again
 */
#include "engine/repairer_internal.h"

#include "base/clock.h"
#include "protocol/greeting.h"

static bool read_greeting(
	struct msg_repairer *r, uint32_t handle, struct msg_greeting *greeting)
{
	uint8_t said[MSG_CHANNEL_GREETING_BYTES_MAX];
	uint32_t bytes = msg_session_greeting(r->session, handle, said);

	return msg_greeting_read(greeting, said, bytes);
}

static void asked(struct msg_repairer *r, uint32_t handle)
{
	struct msg_welcome welcome = {
		.incarnation = r->options.incarnation,
		.tag = r->options.tag,
	};
	uint8_t said[MSG_WELCOME_BYTES];
	struct msg_greeting greeting;

	if (!read_greeting(r, handle, &greeting) ||
		greeting.tag != r->options.tag ||
		greeting.incarnation != r->options.incarnation ||
		greeting.buffer_bytes < r->options.frame_bytes) {
		msg_counter_add(
			&r->options.counters[MSG_COUNTER_CONNECTIONS_REFUSED],
			1);
		msg_session_hang_up(r->session, handle);
		return;
	}
	msg_welcome_write(said, &welcome);
	/* Where that fails, CLOSED follows. */
	(void)msg_session_accept(r->session, handle, said, sizeof said,
		greeting.receiver);
}

/* Where he begins: what he is told with the first probe, and as what he counts
 * until he reports. */
static void begin(struct msg_repairer *r, const struct msg_greeting *greeting,
	struct msg_report *report)
{
	const struct msg_repairer_source *source = &r->options.source;
	uint64_t next = source->sequence(source->context, r->repair.next);
	uint64_t wanted = next - greeting->sequence;

	if (greeting->sequence >= next)
		wanted = 0;
	*report = (struct msg_report){
		.receiver = greeting->receiver,
		.history = wanted < UINT32_MAX ? (uint32_t)wanted : UINT32_MAX,
		.window = greeting->window,
	};
	if (greeting->flags & MSG_GREETING_TAGGED)
		report->flags = MSG_REPORT_TAGGED;
	report->position = (uint32_t)source->back(source->context,
		report->history == UINT32_MAX ? UINT64_MAX : report->history);
}

static void connected(struct msg_repairer *r, uint32_t handle, uint64_t now)
{
	struct msg_repair_action action = {
		.kind = MSG_REPAIR_ANSWER, .flags = MSG_PROBE_ASK, .stamp = now};
	struct msg_greeting greeting;
	struct msg_report report;
	uint32_t older;

	if (!read_greeting(r, handle, &greeting))
		return;
	/* One that broke unseen: he would not have called again. */
	older = msg_session_find(r->session, greeting.receiver, handle);
	if (older != MSG_SESSION_ALL)
		msg_session_hang_up(r->session, older);
	begin(r, &greeting, &report);
	if (!(greeting.flags & MSG_GREETING_RESUMES)) {
		action.flags |= MSG_PROBE_JOIN;
		msg_flow_report(&r->flow, &report, r->repair.next, now);
	}
	if (!repairer_send_probe(r, handle, &action, &report)) {
		/* He tries again. */
		msg_session_hang_up(r->session, handle);
		return;
	}
	repairer_send_shelf(r, handle);
	msg_session_attach(r->session, handle);
}

static void closed(struct msg_repairer *r, uint32_t handle)
{
	for (uint32_t i = 0; i < MSG_REPAIRER_PEERS; i++)
		if (r->peers[i].used && r->peers[i].handle == handle)
			r->peers[i].used = false;
}

void repairer_called(struct msg_repairer *r, const struct msg_link_event *event)
{
	switch (event->type) {
	case MSG_LINK_ASKED:
		asked(r, event->handle);
		break;
	case MSG_LINK_CONNECTED:
		connected(r, event->handle, msg_clock_ns());
		break;
	default:
		closed(r, event->handle);
		break;
	}
}

bool repairer_is_his(struct msg_repairer *r, uint32_t handle, uint64_t receiver)
{
	return msg_session_cookie(r->session, handle) == receiver;
}

void msg_repairer_session_options(
	const struct msg_repairer *r, struct msg_session_options *options)
{
	options->headers = r->region.base;
	options->headers_bytes = r->region.bytes;
	options->receive_count = MSG_REPAIRER_BUFFERS;
	options->side_count = MSG_REPAIRER_PLACES;
	options->stuck_ns = r->options.give_up_ns;
	options->listen = true;
}

int msg_repairer_start_session(
	struct msg_repairer *r, struct msg_session *session)
{
	r->session = session;
	/* A connection has room for what its end takes, and the answer to a report
	 * waits for that (repairer.c): what is put off would be asked for again, a
	 * round trip later, and given up by who has no time for two. */
	msg_repair_unpaced(&r->repair);
	/* Nothing is lost at the end of a burst. */
	r->no_tail = UINT32_MAX;
	return msg_repairer_start(
		r, msg_session_side(session), MSG_SESSION_ALL);
}
