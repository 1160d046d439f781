/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_ping.c - the two processes of roundtrip, on one host or on two.
 *
 * Ping sends on TOPIC.ping and waits for its own stamp to come back on
 * TOPIC.pong; pong sends back what it gets.  Only ping reads a clock, so the
 * hosts need not agree on the time.  A reply that does not come in time is
 * counted as lost and the next ping leaves.
 */
#include "bench.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "options.h"
#include "pace.h"
#include "stop.h"

#define TAKE_MAX 64
/* A reply this late is lost: far above what a crowded machine needs to let
 * both processes run. */
#define REPLY_NS 1000000000u
#define PARTNER_NS 10000000000u /* How long ping looks for a pong. */

struct ends {
	const struct bench_plan *plan;
	struct bench_shared *shared;
	struct msg_node *node;
	struct msg_publisher *publisher;
	struct msg_subscriber *subscriber;
};

static int open_ends(struct ends *ends, const char *out, const char *in)
{
	char topic[256];
	int code = TOOL_EXIT_OK;

	ends->node = bench_open_node(ends->plan, ends->shared, &code);
	if (!ends->node)
		return code;
	snprintf(topic, sizeof topic, "%s.%s", ends->plan->topic, in);
	ends->subscriber =
		bench_open_subscriber(ends->plan, ends->node, topic, &code);
	if (!ends->subscriber)
		return code;
	snprintf(topic, sizeof topic, "%s.%s", ends->plan->topic, out);
	ends->publisher =
		bench_open_publisher(ends->plan, ends->node, topic, &code);
	atomic_store(&ends->shared->lane_known, 1);
	return code;
}

static void close_ends(struct ends *ends)
{
	msg_publisher_close(ends->publisher);
	msg_subscriber_close(ends->subscriber);
	msg_node_close(ends->node);
}

/* Rest between two looks for at most `ns`; negative on failure. */
static int rest(const struct ends *ends, int64_t ns)
{
	int error = 0;

	if (!ends->plan->spin)
		error = msg_subscriber_wait(ends->subscriber, ns);
	else if (ends->plan->yield)
		sched_yield();
	return error == -MSG_ERROR_TIMEOUT ? 0 : error;
}

/* Take what is there; true when `stamp` is among it. */
static bool take_reply(struct ends *ends, uint64_t stamp, int *error)
{
	struct msg_view views[TAKE_MAX];
	bool found = false;
	int count = msg_subscriber_take(ends->subscriber, views, TAKE_MAX);

	for (int i = 0; i < count; i++) {
		uint64_t seen;

		if (views[i].bytes < sizeof seen)
			continue;
		memcpy(&seen, views[i].data, sizeof seen);
		found = found || seen == stamp;
	}
	msg_subscriber_release(ends->subscriber, views, count > 0 ? count : 0);
	*error = count < 0 ? count : 0;
	return found;
}

/* Send one and wait for it: 1 when it came back (*latency), 0 when it was
 * lost, negative on a failure or stop. */
static int ping_once(struct ends *ends, enum bench_phase phase, uint64_t due,
	uint64_t *latency)
{
	uint64_t stamp = bench_stamp(phase, due), sent_at = clock_ns();
	int error = bench_send(
		ends->plan, ends->shared, ends->publisher, stamp, false);

	while (error >= 0) {
		uint64_t now;

		if (take_reply(ends, stamp, &error)) {
			now = clock_ns();
			*latency = now > due ? now - due : 0;
			return 1;
		}
		now = clock_ns();
		if (now - sent_at > REPLY_NS)
			return 0;
		if (bench_stopped(ends->shared))
			return -1;
		if (error == 0)
			error = rest(ends, REPLY_NS);
	}
	return error;
}

static bool find_partner(struct ends *ends)
{
	uint64_t until = clock_ns() + PARTNER_NS, latency;

	while (clock_ns() < until && !bench_stopped(ends->shared))
		if (ping_once(ends, PHASE_WARM, clock_ns(), &latency) == 1)
			return true;
	return false;
}

/* Ping for a phase; returns how many were sent, the lost ones included. */
static uint64_t ping_phase(struct ends *ends, enum bench_phase phase,
	double seconds, uint64_t count)
{
	struct bench_worker *worker = &ends->shared->workers[0];
	struct pace pace = pace_from(clock_ns(), ends->plan->rate);
	uint64_t end = pace.start_ns + (uint64_t)(seconds * 1e9), n;

	for (n = 0; count == 0 || n < count; n++) {
		uint64_t latency, due = clock_ns();
		int result;

		if (pace.period_ns > 0) {
			due = pace_due(&pace, n);
			bench_wait_until(ends->plan, due);
		}
		if ((count == 0 && due >= end) || bench_stopped(ends->shared))
			break;
		result = ping_once(ends, phase, due, &latency);
		if (result < 0)
			break;
		if (result == 0 || phase != PHASE_MEASURE)
			continue;
		worker->received++;
		histogram_add(&worker->latency, latency);
	}
	return n;
}

static int ping_all(struct ends *ends)
{
	const struct bench_plan *plan = ends->plan;
	struct bench_shared *shared = ends->shared;
	double cpu;
	uint64_t sent;

	if (!find_partner(ends)) {
		if (!bench_stopped(shared))
			complain("no pong answered on %s.pong within 10 s; "
				 "start 'msg bench roundtrip --role pong' "
				 "there, with the same lane options",
				plan->topic);
		return TOOL_EXIT_UNMET;
	}
	ping_phase(ends, PHASE_WARM, plan->warmup, 0);
	cpu = bench_cpu_seconds();
	shared->begin_ns = clock_ns();
	sent = ping_phase(ends, PHASE_MEASURE, plan->seconds, plan->count);
	shared->end_ns = clock_ns();
	shared->workers[0].cpu_seconds = bench_cpu_seconds() - cpu;
	atomic_store(&shared->sent, sent);
	return TOOL_EXIT_OK;
}

int bench_ping(const struct bench_plan *plan, struct bench_shared *shared)
{
	struct ends ends = {.plan = plan, .shared = shared};
	int code = open_ends(&ends, "ping", "pong");

	if (code == TOOL_EXIT_OK)
		code = ping_all(&ends);
	atomic_store_explicit(&shared->done, 1, memory_order_release);
	close_ends(&ends);
	return code;
}

static int pong_all(struct ends *ends)
{
	struct bench_worker *worker = &ends->shared->workers[1];
	struct bench_plan reply = *ends->plan;
	struct msg_view views[TAKE_MAX];
	double cpu = 0;
	int error = 0, answered = 0;

	while (error >= 0 && answered >= 0 && !bench_stopped(ends->shared) &&
		!atomic_load(&ends->shared->done)) {
		int count =
			msg_subscriber_take(ends->subscriber, views, TAKE_MAX);

		for (int i = 0; i < count; i++) {
			uint64_t stamp;

			if (views[i].bytes < sizeof stamp)
				continue;
			memcpy(&stamp, views[i].data, sizeof stamp);
			if (bench_phase_of(stamp) == PHASE_MEASURE &&
				worker->received++ == 0)
				cpu = bench_cpu_seconds();
			reply.size = views[i].bytes;
			answered = bench_send(&reply, ends->shared,
				ends->publisher, stamp, false);
			if (answered < 0)
				break;
		}
		msg_subscriber_release(
			ends->subscriber, views, count > 0 ? count : 0);
		error = count == 0 ? rest(ends, 50000000) : count;
	}
	if (worker->received > 0)
		worker->cpu_seconds = bench_cpu_seconds() - cpu;
	if (error < 0)
		return lane_fail("pong failed", error);
	return answered < 0 && !bench_stopped(ends->shared) ? TOOL_EXIT_UNMET
							    : TOOL_EXIT_OK;
}

int bench_pong(const struct bench_plan *plan, struct bench_shared *shared)
{
	struct ends ends = {.plan = plan, .shared = shared};
	int code = open_ends(&ends, "pong", "ping");

	if (code == TOOL_EXIT_OK) {
		atomic_fetch_add(&shared->ready, 1);
		code = pong_all(&ends);
	}
	close_ends(&ends);
	return code;
}
