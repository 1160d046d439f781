/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer.c - reports in, what is due, and turns; see repairer.h.
 *
 *     hear    a report, checked; asks msg_repair what to do about it
 *     answer  does that, for him alone or for all
 *     due     what time asks for: probes, a last frame again, who is cut off
 *
 * A look is not free, so who calls is told when the next one is worth it
 * (look_ns, msg_repairer_deadline).
 */
#include "engine/repairer_internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trail.h"
#include "protocol/frame.h"

#define EVENTS 32

/* How often the source looks: on a kernel lane a look is a system call, half a
 * microsecond, and a frame takes some two.  Where somebody misses something, a
 * round trip is what it costs him to wait.  Connections miss nothing, and a look at
 * one of TCP is four system calls; who may send no more looks at once. */
#define LOOK_CALM_NS (50 * MSG_NS_PER_US)
#define LOOK_BUSY_NS (5 * MSG_NS_PER_US)
#define LOOK_CONNECTED_NS (500 * MSG_NS_PER_US)
/* A look for who connects to read a history is some system calls. */
#define LOOK_SHELF_NS MSG_NS_PER_MS
/* When a frame that is being sent is looked for again. */
#define POSTING_NS (20 * MSG_NS_PER_US)
/* Until a connection that had no room is looked at again. */
#define REST_NS (200 * MSG_NS_PER_US)

/* Repairs by datagrams: as much as a fast network takes, or loopback, and at once what the
 * socket buffer of a receiver holds by default (net.core.rmem_max): what is not
 * sent now is asked for again. */
#define REPAIR_BYTES_PER_S 2000000000u
#define REPAIR_BYTES_BURST (1u << 18)
#define REPAIR_FRAMES_MIN 16u

/* ---- opening and closing ------------------------------------------------ */

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t stride_of(uint32_t receive_bytes)
{
	return (uint32_t)msg_region_stride(MSG_LINK_HEADROOM + receive_bytes);
}

size_t msg_repairer_bytes(uint32_t receive_bytes)
{
	return (size_t)stride_of(receive_bytes) * MSG_REPAIRER_BUFFERS +
	       MSG_REPAIRER_PLACES * MSG_REPAIRER_HEADER;
}

static int open_tables(struct msg_repairer *r)
{
	const struct msg_repairer_options *o = &r->options;

	r->records = calloc(o->history, sizeof *r->records);
	r->receivers = calloc(MSG_FLOW_RECEIVERS_MAX, sizeof *r->receivers);
	r->peers = calloc(MSG_REPAIRER_PEERS, sizeof *r->peers);
	if (!r->records || !r->receivers || !r->peers)
		return msg_fail(MSG_ERROR_MEMORY,
			"no memory to repair %u frames; ask for less "
			"(history_bytes)",
			o->history);
	r->buffer_stride = stride_of(o->receive_bytes);
	if (!o->memory)
		return msg_region_open(
			&r->region, msg_repairer_bytes(o->receive_bytes));
	msg_region_borrow(
		&r->region, o->memory, msg_repairer_bytes(o->receive_bytes));
	return 0;
}

int msg_repairer_open(
	struct msg_repairer *r, const struct msg_repairer_options *options)
{
	struct msg_repair_options repair = {
		.history = options->history,
		.first_frame = options->first_frame,
		.heartbeat_ns = options->heartbeat_ms * MSG_NS_PER_MS,
		.rtt_ns = options->rtt_ns,
		.repair_bytes = REPAIR_BYTES_PER_S,
		.burst = most(REPAIR_FRAMES_MIN * options->frame_bytes,
			REPAIR_BYTES_BURST),
		.frame_bytes = options->frame_bytes,
		.ask_ns = options->flow == MSG_FLOW_POLICY_NONE
				  ? 0
				  : options->give_up_ns / 4,
	};
	int result;

	memset(r, 0, sizeof *r);
	r->options = *options;
	r->wake_fd = -1;
	r->flow_ns = r->rest_ns = UINT64_MAX;
	for (uint32_t i = 0; i < MSG_REPAIRER_PLACES; i++)
		r->flying[i] = REPAIRER_NO_FRAME;
	result = open_tables(r);
	if (result < 0) {
		msg_repairer_close(r);
		return result;
	}
	msg_repair_start(&r->repair, &repair, r->records);
	r->repair.serial = r->repair.seen_serial = options->first_serial;
	msg_flow_start(&r->flow, options->flow, options->flow_count,
		options->give_up_ns, r->receivers, MSG_FLOW_RECEIVERS_MAX);
	atomic_init(&r->limit, r->flow.limit);
	return 0;
}

void msg_repairer_close(struct msg_repairer *r)
{
	free(r->records);
	free(r->receivers);
	free(r->peers);
	r->records = NULL;
	r->receivers = NULL;
	r->peers = NULL;
	msg_region_close(&r->region);
}

void msg_repairer_link_options(
	const struct msg_repairer *r, struct msg_link_options *options)
{
	options->headers = r->region.base;
	options->headers_bytes = r->region.bytes;
	options->receive_count = MSG_REPAIRER_BUFFERS;
	options->send_count = MSG_REPAIRER_PLACES;
	options->port = 0;
}

static uint8_t *buffer(const struct msg_repairer *r, uint32_t token)
{
	return r->region.base + (size_t)token * r->buffer_stride +
	       MSG_LINK_HEADROOM;
}

static int post(struct msg_repairer *r, uint32_t token, bool more)
{
	int result = r->link->ops->post(r->link, buffer(r, token),
		r->options.receive_bytes, token, more);

	r->posted += result == 0;
	return result;
}

int msg_repairer_start(
	struct msg_repairer *r, struct msg_link *link, uint32_t group)
{
	uint32_t count = least(link->receive_count, MSG_REPAIRER_BUFFERS);
	int bytes = link->ops->name(link, r->reach.data);

	if (bytes < 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the side link of a reliable topic has no address");
	r->link = link;
	r->group = group;
	r->reach.bytes = (uint8_t)bytes;
	for (uint32_t i = 0; i < count; i++)
		if (post(r, i, i + 1 < count) < 0)
			return msg_fail(MSG_ERROR_FABRIC,
				"cannot post buffers for reports");
	return 0;
}

/* ---- in ---------------------------------------------------------------- */

/* The rest of an answer that finds no room on his connection waits until it does:
 * whoever asked takes what lies between two repairs for lost, on a connection, too,
 * and would ask again a round trip later.  What has none when the next report comes
 * gives way to that. */
static bool may_go_on(struct msg_repairer *r, uint32_t handle, uint64_t now)
{
	r->rest_ns = UINT64_MAX;
	if (!r->session || handle == r->group ||
		msg_session_has_room(r->session, handle))
		return true;
	r->rest_handle = handle;
	r->rest_ns = now + REST_NS;
	return false;
}

/* `handle`: where who asked is reached alone; the group: nowhere. */
static void answer(struct msg_repairer *r, const struct msg_report *report,
	uint32_t handle, uint64_t now)
{
	const bool reached = handle != r->group;
	struct msg_repair_action action;

	while (may_go_on(r, handle, now)) {
		msg_repair_next(&r->repair, now, &action);
		switch (action.kind) {
		case MSG_REPAIR_UNICAST:
			repairer_send_again(r, handle, &action);
			break;
		case MSG_REPAIR_MULTICAST:
			repairer_send_again(r, r->group, &action);
			break;
		case MSG_REPAIR_ANSWER:
			/* Where a JOIN begins is nobody else's affair. */
			if (reached)
				repairer_send_probe(r, handle, &action, report);
			if (reached && action.flags & MSG_PROBE_JOIN)
				repairer_send_shelf(r, handle);
			break;
		default:
			return;
		}
		if (!repairer_has_place(r))
			repairer_turn_link(r, 0);
	}
}

static void go_on(struct msg_repairer *r, uint64_t now)
{
	if (now >= r->rest_ns)
		answer(r, &r->repair.report, r->rest_handle, now);
}

static void hear(struct msg_repairer *r, const uint8_t *data, uint32_t bytes,
	uint32_t call, uint64_t now)
{
	const struct msg_repairer_peer *peer;
	struct msg_report report;
	struct msg_frame frame;

	if (msg_frame_read(data, bytes, &frame) != MSG_FRAME_OK ||
		frame.type != MSG_FRAME_REPORT ||
		!msg_report_read(
			&report, &frame, data + MSG_FRAME_HEADER_BYTES)) {
		msg_counter_add(
			&r->options.counters[MSG_COUNTER_MALFORMED], 1);
		return;
	}
	if (frame.tag != r->options.tag ||
		frame.publisher != r->options.publisher) {
		msg_counter_add(
			&r->options.counters[MSG_COUNTER_FOREIGN], 1);
		return;
	}
	if (r->session && !repairer_is_his(r, call, report.receiver)) {
		msg_counter_add(
			&r->options.counters[MSG_COUNTER_UNBELIEVED], 1);
		return;
	}
	go_on(r, now);
	if (!msg_repair_report(&r->repair, &report, now))
		return;
	peer = repairer_take_peer(r, &report, call, now);
	if (!(report.flags & MSG_REPORT_JOIN))
		msg_flow_report(&r->flow, &report, r->repair.next, now);
	answer(r, &report, peer ? peer->handle : r->group, now);
}

int repairer_turn_link(struct msg_repairer *r, uint64_t now)
{
	struct msg_link_event events[EVENTS];
	int n = r->link->ops->poll(r->link, events, EVENTS);
	uint32_t back[EVENTS];
	uint32_t count = 0;

	for (int i = 0; i < n; i++) {
		const struct msg_link_event *e = &events[i];

		if (e->type == MSG_LINK_SENT ||
			e->type == MSG_LINK_SEND_FAILED) {
			repairer_sent(r, e->token);
			continue;
		}
		if (e->type >= MSG_LINK_ASKED) {
			repairer_called(r, e);
			continue;
		}
		r->posted--;
		if (e->type == MSG_LINK_RECEIVED && now > 0)
			hear(r, buffer(r, e->token), e->bytes, e->handle, now);
		back[count++] = e->token;
	}
	for (uint32_t i = 0; i < count; i++)
		post(r, back[i], i + 1 < count);
	return n;
}

/* Cut off who is waited for too long.  What was waited for may be there: then
 * nobody holds anything up. */
static void expire(struct msg_repairer *r, uint64_t now)
{
	r->flow_ns = UINT64_MAX;
	if (r->waiting || r->forget_to > 0 || r->flow.forget_to > 0)
		r->flow_ns = msg_flow_expire(&r->flow,
			r->waiting ? r->repair.next + 1 : 0, r->forget_to, now);
	if (msg_flow_may(&r->flow, r->repair.next))
		r->waiting = false;
	if (r->forget_to > 0 && msg_repairer_needed(r) >= r->forget_to)
		r->forget_to = 0;
	atomic_store_explicit(&r->limit, r->flow.limit, memory_order_relaxed);
}

/* Whether all that was counted has been sent. */
static bool is_out(struct msg_repairer *r, uint64_t now)
{
	if (r->held)
		return false;
	if (!atomic_load_explicit(&r->posting, memory_order_acquire))
		return true;
	r->again_ns = now + POSTING_NS;
	return false;
}

static void due(struct msg_repairer *r, uint64_t now)
{
	struct msg_repair_action action;

	/* What waits for a flush is not out yet: nobody is to miss it. */
	while (is_out(r, now) && now >= r->repair.deadline) {
		msg_repair_due(&r->repair, now, &action);
		if (action.kind == MSG_REPAIR_PROBE)
			repairer_send_probe(r, r->group, &action, NULL);
		else if (action.kind == MSG_REPAIR_MULTICAST)
			repairer_send_again(r, r->group, &action);
		else
			break;
	}
	expire(r, now);
}

/* ---- counters ----------------------------------------------------------- */

static void tell(struct msg_repairer *r, enum msg_counter_index index,
	uint64_t now, uint64_t *before)
{
	msg_counter_add(&r->options.counters[index], now - *before);
	*before = now;
}

static void tell_connections(struct msg_repairer *r)
{
	const struct msg_session_counts *now = msg_session_counts(r->session);
	struct msg_session_counts *was = &r->told_session;

	tell(r, MSG_COUNTER_CONNECTED, now->connected, &was->connected);
	tell(r, MSG_COUNTER_BROKEN, now->closed, &was->closed);
	/* The session ended them: nobody here had said so. */
	tell(r, MSG_COUNTER_BROKEN, now->stuck, &was->stuck);
	tell(r, MSG_COUNTER_CONNECTIONS_REFUSED, now->refused, &was->refused);
	tell(r, MSG_COUNTER_PASSED_OVER, now->passed, &was->passed);
}

void repairer_tell(struct msg_repairer *r)
{
	const struct msg_repair_counts *now = &r->repair.counts;
	struct msg_repair_counts *was = &r->told;

	tell(r, MSG_COUNTER_REPORTS, now->reports, &was->reports);
	tell(r, MSG_COUNTER_NAKS, now->naks, &was->naks);
	tell(r, MSG_COUNTER_ASKED, now->asked, &was->asked);
	tell(r, MSG_COUNTER_REPAIRS, now->unicasts, &was->unicasts);
	/* Those to all are repairs, too. */
	msg_counter_add(&r->options.counters[MSG_COUNTER_MULTICASTS],
		now->multicasts - was->multicasts);
	tell(r, MSG_COUNTER_REPAIRS, now->multicasts, &was->multicasts);
	tell(r, MSG_COUNTER_THROTTLED, now->throttled, &was->throttled);
	tell(r, MSG_COUNTER_GONE, now->gone, &was->gone);
	tell(r, MSG_COUNTER_UNBELIEVED, now->unbelieved, &was->unbelieved);
	tell(r, MSG_COUNTER_PROBES, now->probes, &was->probes);
	tell(r, MSG_COUNTER_PROBES, now->answers, &was->answers);
	tell(r, MSG_COUNTER_CUT_OFF, r->flow.cut_total, &r->told_cut);
	tell(r, MSG_COUNTER_RECEIVERS_REFUSED, r->flow.refused_total,
		&r->told_refused);
	tell(r, MSG_COUNTER_UNBELIEVED, r->flow.unbelieved_total,
		&r->told_unbelieved);
	if (r->session)
		tell_connections(r);
}

/* ---- turns -------------------------------------------------------------- */

uint64_t msg_repairer_needed(const struct msg_repairer *r)
{
	return r->options.flow == MSG_FLOW_POLICY_NONE
		       ? UINT64_MAX
		       : msg_flow_position(&r->flow, UINT64_MAX);
}

/* A history is read only where the device serves who reads: then only those who
 * connect are waiting for us. */
static int turn_show(struct msg_repairer *r, uint64_t now)
{
	if (now < r->show->look_ns)
		return 0;
	if (r->show->bytes_max == 0)
		r->show->look_ns = now + LOOK_SHELF_NS;
	return msg_show_turn(r->show);
}

int msg_repairer_arm(struct msg_repairer *r)
{
	int result = r->link->ops->arm(r->link);

	if (result == 0 && r->show)
		result = r->show->channels->ops->arm(r->show->channels);
	if (result != 0 && r->show)
		r->show->look_ns = 0;
	return result;
}

static uint64_t look_interval(
	const struct msg_repairer *r, bool asked, uint64_t now)
{
	if (asked || msg_repairer_is_read(r, now))
		return LOOK_BUSY_NS;
	/* Who reads large messages is served by these looks. */
	return msg_repairer_is_calm(r) ? LOOK_CONNECTED_NS : LOOK_CALM_NS;
}

int msg_repairer_turn(struct msg_repairer *r, uint64_t now)
{
	uint64_t naks = r->repair.counts.naks;
	int n;

	go_on(r, now);
	n = repairer_turn_link(r, now);
	if (n >= 0 && r->show) {
		int more = turn_show(r, now);

		n = more < 0 ? more : n + more;
	}
	if (n < 0)
		return n;
	due(r, now);
	repairer_flush(r);
	if (n > 0 || r->told.probes != r->repair.counts.probes ||
		r->told_cut != r->flow.cut_total)
		repairer_tell(r);
	atomic_store_explicit(&r->look_ns,
		now + look_interval(r, naks != r->repair.counts.naks, now),
		memory_order_relaxed);
	return n;
}

uint64_t msg_repairer_deadline(const struct msg_repairer *r)
{
	uint64_t repair = r->held ? UINT64_MAX : r->repair.deadline;

	if (repair < r->again_ns)
		repair = r->again_ns;
	if (repair > r->rest_ns)
		repair = r->rest_ns;
	return repair < r->flow_ns ? repair : r->flow_ns;
}

void msg_repairer_wake_slowly(struct msg_repairer *r)
{
	uint64_t one = 1;

	if (atomic_exchange_explicit(&r->asleep, 0, memory_order_relaxed) &&
		r->wake_fd >= 0 && write(r->wake_fd, &one, sizeof one) < 0)
		return; /* It is awake, then: its eventfd is full. */
}

int msg_repairer_progress(struct msg_repairer *r, uint64_t now)
{
	int n = 0;

	if (!msg_repairer_try(r))
		return 0;
	n = msg_repairer_turn(r, now);
	msg_repairer_leave(r);
	return n;
}

