/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_worker.c - the processes of throughput and latency; see bench.h.
 *
 * Latency is taken from the time a message was meant to leave, not from when
 * a busy publisher got round to it: a stall then shows in every message that
 * had to wait for it ("coordinated omission").  Unpaced, the two are one.
 */
#include "bench.h"

#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <msg/stats.h>

#include "command.h"
#include "options.h"
#include "pace.h"
#include "stop.h"

#define TAKE_MAX 64
/* Silence after the last send that ends a run: far above any delay of a lane
 * that works, so what has not come by then is lost. */
#define DRAIN_NS 300000000u

bool bench_stopped(struct bench_shared *shared)
{
	return atomic_load_explicit(&shared->stop, memory_order_relaxed) ||
	       stop_asked();
}

double bench_cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

struct msg_node *bench_open_node(
	const struct bench_plan *plan, struct bench_shared *shared, int *code)
{
	struct lane_choice lane = plan->lane;
	struct msg_node_info info;
	struct msg_node *node;

	options_set_quiet(true); /* The parent says the lane, once. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	node = lane_open(&lane, code);
	if (node && !atomic_load(&shared->lane_known)) {
		msg_node_describe(node, &info);
		lane_format(&info, shared->lane, sizeof shared->lane);
	}
	return node;
}

struct msg_publisher *bench_open_publisher(const struct bench_plan *plan,
	struct msg_node *node, const char *topic, int *code)
{
	struct msg_publisher_options wanted = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node_info info;
	int error;

	msg_node_describe(node, &info);
	wanted.topic = topic;
	wanted.reliability = plan->delivery.reliability;
	wanted.flow = plan->delivery.flow;
	wanted.flow_count = plan->delivery.flow_count;
	if (plan->size + 128 > info.frame_bytes)
		wanted.message_bytes_max = (uint32_t)plan->size;
	error = msg_publisher_open(node, &wanted, &publisher);
	if (error == 0)
		return publisher;
	*code = lane_fail("cannot publish", error);
	return NULL;
}

struct msg_subscriber *bench_open_subscriber(const struct bench_plan *plan,
	struct msg_node *node, const char *topic, int *code)
{
	struct msg_subscriber_options wanted = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	int error;

	wanted.topic = topic;
	wanted.buffer_count = plan->buffers;
	if (plan->size > 1u << 20)
		wanted.message_bytes_max = (uint32_t)plan->size;
	error = msg_subscriber_open(node, &wanted, &subscriber);
	if (error == 0)
		return subscriber;
	*code = lane_fail("cannot subscribe", error);
	return NULL;
}

/* A blocking run sleeps; a spinning one looks at the clock. */
void bench_wait_until(const struct bench_plan *plan, uint64_t due_ns)
{
	struct timespec due = {
		.tv_sec = (time_t)(due_ns / 1000000000u),
		.tv_nsec = (long)(due_ns % 1000000000u),
	};

	if (!plan->spin) {
		if (clock_ns() < due_ns)
			clock_nanosleep(
				CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		return;
	}
	while (clock_ns() < due_ns)
		if (plan->yield)
			sched_yield();
}

int bench_send(const struct bench_plan *plan, struct bench_shared *shared,
	struct msg_publisher *publisher, uint64_t stamp, bool queue)
{
	struct msg_loan loan;
	int error;

	while ((error = msg_publisher_loan(publisher, plan->size, &loan)) ==
		-MSG_ERROR_AGAIN) {
		msg_publisher_flush(publisher);
		if (bench_stopped(shared))
			return -1;
		sched_yield(); /* The wire is behind, not the processor. */
	}
	if (error < 0) {
		complain("no buffer: %s", msg_error_name(error));
		return -1;
	}
	memcpy(loan.data, &stamp, sizeof stamp);
	if (queue)
		return msg_publisher_queue(publisher, &loan, plan->size) == 0;
	return msg_publisher_send(publisher, &loan, plan->size) == 0;
}

/* ---- publisher --------------------------------------------------------- */

struct sending {
	const struct bench_plan *plan;
	struct bench_shared *shared;
	struct msg_publisher *publisher;
	uint64_t total; /* Sent since the opening, for the window. */
};

/* Wait while the slowest subscriber is a window behind.  One that sees no
 * progress for 10 ms goes on: what it waits for was lost. */
static void keep_window(struct sending *sending)
{
	const struct bench_plan *plan = sending->plan;
	uint64_t last = 0, since = clock_ns();

	while (plan->window > 0) {
		uint64_t least = UINT64_MAX;

		for (int i = 1; i <= plan->subscribers; i++) {
			uint64_t seen = atomic_load_explicit(
				&sending->shared->workers[i].seen,
				memory_order_relaxed);
			if (seen < least)
				least = seen;
		}
		if (least + plan->window > sending->total)
			return;
		if (least != last)
			since = clock_ns();
		else if (clock_ns() - since > 10000000)
			return;
		last = least;
		sched_yield();
	}
}

/* Send one phase; returns how many messages left. */
static uint64_t send_phase(struct sending *sending, enum bench_phase phase,
	double seconds, uint64_t count)
{
	const struct bench_plan *plan = sending->plan;
	struct pace pace = pace_from(clock_ns(), plan->rate);
	uint64_t end = pace.start_ns + (uint64_t)(seconds * 1e9);
	uint64_t sent = 0, due = pace.start_ns;

	for (uint64_t n = 0; count == 0 || n < count; n++) {
		bool first = n % plan->batch == 0;
		bool last = (n + 1) % plan->batch == 0;
		int result;

		if (first) {
			if (bench_stopped(sending->shared))
				break;
			due = pace.period_ns > 0 ? pace_due(&pace, n)
						 : clock_ns();
			if (count == 0 && due >= end)
				break;
			keep_window(sending);
			if (pace.period_ns > 0)
				bench_wait_until(plan, due);
		}
		result = bench_send(plan, sending->shared, sending->publisher,
			bench_stamp(phase, due), !last);
		if (result < 0)
			break;
		sent += (uint64_t)result;
		sending->total++;
		if (result == 0)
			sending->shared->failed += phase == PHASE_MEASURE;
	}
	msg_publisher_flush(sending->publisher);
	return sent;
}

static void send_phases(struct sending *sending)
{
	const struct bench_plan *plan = sending->plan;
	struct bench_shared *shared = sending->shared;
	struct bench_worker *worker = &shared->workers[0];
	double cpu;
	uint64_t sent;

	send_phase(sending, PHASE_WARM, plan->warmup, 0);
	cpu = bench_cpu_seconds();
	shared->begin_ns = clock_ns();
	sent = send_phase(sending, PHASE_MEASURE, plan->seconds, plan->count);
	shared->end_ns = clock_ns();
	worker->cpu_seconds = bench_cpu_seconds() - cpu;
	/* Pairs with the acquire of `done` in the subscribers and the parent:
	 * they read `sent` and the times after it. */
	atomic_store(&shared->sent, sent);
	atomic_store_explicit(&shared->done, 1, memory_order_release);
}

/* Until all subscribers listen; false on a stop. */
static bool await_subscribers(
	const struct bench_plan *plan, struct bench_shared *shared)
{
	while (atomic_load(&shared->ready) < (uint32_t)plan->subscribers) {
		if (bench_stopped(shared))
			return false;
		stop_sleep(clock_ns() + 1000000);
	}
	return true;
}

int bench_publisher(const struct bench_plan *plan, struct bench_shared *shared)
{
	struct sending sending = {.plan = plan, .shared = shared};
	int code = TOOL_EXIT_OK;
	struct msg_node *node = bench_open_node(plan, shared, &code);

	if (!node)
		return code;
	sending.publisher =
		bench_open_publisher(plan, node, plan->topic, &code);
	atomic_store(&shared->lane_known, 1);
	if (sending.publisher && await_subscribers(plan, shared))
		send_phases(&sending);
	msg_publisher_close(sending.publisher);
	msg_node_close(node);
	return code;
}

/* ---- subscriber -------------------------------------------------------- */

struct receiving {
	const struct bench_plan *plan;
	struct bench_shared *shared;
	struct bench_worker *worker;
	struct msg_subscriber *subscriber;
	double cpu_before;
	uint64_t quiet_since;
};

static void receive_view(
	struct receiving *receiving, const struct msg_view *view)
{
	struct bench_worker *worker = receiving->worker;
	uint64_t stamp, now;

	if (view->bytes < sizeof stamp)
		return;
	memcpy(&stamp, view->data, sizeof stamp);
	if (bench_phase_of(stamp) != PHASE_MEASURE)
		return;
	if (receiving->plan->mode == BENCH_LATENCY || worker->received == 0) {
		now = clock_ns();
		worker->last_ns = now;
		if (worker->received == 0) {
			worker->first_ns = now;
			receiving->cpu_before = bench_cpu_seconds();
		}
		if (now > bench_time_of(stamp))
			histogram_add(
				&worker->latency, now - bench_time_of(stamp));
	}
	worker->received++;
}

/* Whether all is here, or nothing has come for long after the last send. */
static bool drained(struct receiving *receiving)
{
	struct bench_shared *shared = receiving->shared;
	uint64_t now = clock_ns();

	/* Pairs with the release of `done` in send_phases. */
	if (!atomic_load_explicit(&shared->done, memory_order_acquire))
		return bench_stopped(shared) &&
		       now - receiving->quiet_since > DRAIN_NS;
	return receiving->worker->received >= atomic_load(&shared->sent) ||
	       now - receiving->quiet_since > DRAIN_NS;
}

static int receive_all(struct receiving *receiving)
{
	struct msg_view views[TAKE_MAX];

	for (;;) {
		int count = msg_subscriber_take(
			receiving->subscriber, views, TAKE_MAX);

		if (count < 0)
			return lane_fail("receiving failed", count);
		if (count > 0) {
			for (int i = 0; i < count; i++)
				receive_view(receiving, &views[i]);
			atomic_store_explicit(&receiving->worker->seen,
				views[count - 1].sequence + 1,
				memory_order_relaxed);
			receiving->worker->last_ns = clock_ns();
			receiving->quiet_since = receiving->worker->last_ns;
			msg_subscriber_release(
				receiving->subscriber, views, count);
			continue;
		}
		if (drained(receiving))
			return TOOL_EXIT_OK;
		if (!receiving->plan->spin)
			count = msg_subscriber_wait(
				receiving->subscriber, 20000000);
		else if (receiving->plan->yield)
			sched_yield();
		if (count < 0 && count != -MSG_ERROR_TIMEOUT)
			return lane_fail("waiting failed", count);
	}
}

int bench_subscriber(const struct bench_plan *plan, struct bench_shared *shared,
	struct bench_worker *worker)
{
	struct receiving receiving = {plan, shared, worker, NULL, 0, 0};
	int code = TOOL_EXIT_OK;
	struct msg_node *node = bench_open_node(plan, shared, &code);

	if (!node)
		return code;
	receiving.subscriber =
		bench_open_subscriber(plan, node, plan->topic, &code);
	if (receiving.subscriber) {
		atomic_fetch_add(&shared->ready, 1);
		receiving.quiet_since = clock_ns();
		code = receive_all(&receiving);
		if (worker->received > 0)
			worker->cpu_seconds =
				bench_cpu_seconds() - receiving.cpu_before;
		worker->counted_lost = msg_subscriber_counter(
			receiving.subscriber, MSG_COUNTER_LOST);
	}
	msg_subscriber_close(receiving.subscriber);
	msg_node_close(node);
	return code;
}
