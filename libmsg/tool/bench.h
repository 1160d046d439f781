/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench.h - what the parts of `msg bench` share.
 *
 *     bench.c          the command line, and who is forked when
 *     bench_worker.c   publisher and subscriber of throughput and latency
 *     bench_ping.c     ping and pong of roundtrip
 *     bench_report.c   the table, the JSON document, the requirements
 *
 * Every worker is a process of its own that opens its own node: what is
 * measured is what a user gets between processes.  They and their parent meet
 * in one shared anonymous mapping (struct bench_shared), made before the
 * fork; nothing in it is needed to send or receive a message, but for the
 * optional window of `throughput`.
 *
 * The first eight bytes of a message are its stamp: the time it was meant to
 * leave (CLOCK_MONOTONIC, the same clock in all processes of a host), with
 * the phase in the two highest bits.  So warm-up messages are told apart
 * without any agreement on times.
 */
#ifndef TOOL_BENCH_H
#define TOOL_BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <msg/msg.h>

#include "histogram.h"
#include "lane.h"
#include "machine.h"
#include "require.h"

#define BENCH_SUBSCRIBERS_MAX 64
#define BENCH_STAMP_BYTES 8u

enum bench_mode {
	BENCH_THROUGHPUT,
	BENCH_LATENCY,
	BENCH_ROUNDTRIP
};
enum bench_role {
	BENCH_ROLE_BOTH,
	BENCH_ROLE_PING,
	BENCH_ROLE_PONG
};

enum bench_phase {
	PHASE_WARM = 0,
	PHASE_MEASURE = 1,
	PHASE_END = 2
};

struct bench_plan {
	enum bench_mode mode;
	enum bench_role role;
	struct lane_choice lane;
	char topic[200];
	size_t size;
	double rate; /* 0: as fast as possible. */
	double seconds;
	double warmup;
	uint64_t count; /* 0: `seconds` decide. */
	uint64_t batch;
	uint64_t window; /* 0: none. */
	uint32_t buffers;
	struct msg_publisher_options delivery; /* Reliability and flow of it. */
	int subscribers;
	bool spin;  /* This run: spinning or blocking. */
	bool yield; /* More spinners than cores. */
};

/* What one process found. */
struct bench_worker {
	uint64_t received;          /* Measured messages. */
	uint64_t first_ns, last_ns; /* The first and last of them. */
	uint64_t counted_lost;      /* By the library, warm-up included. */
	double cpu_seconds;
	_Atomic uint64_t seen; /* For the window: next sequence expected. */
	struct histogram latency;
};

struct bench_shared {
	_Atomic uint32_t ready; /* Subscribers that listen. */
	_Atomic uint32_t lane_known;
	_Atomic uint32_t done; /* The publisher sent its last. */
	_Atomic uint32_t stop;
	_Atomic uint64_t sent; /* Measured messages, valid once done. */
	uint64_t failed;
	uint64_t begin_ns, end_ns; /* The measured phase. */
	char lane[1024];
	struct bench_worker workers[1 + BENCH_SUBSCRIBERS_MAX];
};

/* One finished run, as reported. */
struct bench_run {
	bool spin;
	uint64_t sent, failed, received, lost;
	double send_rate, receive_rate;       /* The slowest subscriber's. */
	double publisher_cpu, subscriber_cpu; /* Seconds per million. */
	struct histogram latency;
	uint64_t subscriber_received[BENCH_SUBSCRIBERS_MAX];
};

/* Bodies of the forked processes: the exit code. */
int bench_publisher(const struct bench_plan *plan, struct bench_shared *shared);
int bench_subscriber(const struct bench_plan *plan, struct bench_shared *shared,
	struct bench_worker *worker);
int bench_ping(const struct bench_plan *plan, struct bench_shared *shared);
int bench_pong(const struct bench_plan *plan, struct bench_shared *shared);

/* Pieces both kinds of worker use. */
struct msg_node *bench_open_node(
	const struct bench_plan *plan, struct bench_shared *shared, int *code);
struct msg_publisher *bench_open_publisher(const struct bench_plan *plan,
	struct msg_node *node, const char *topic, int *code);
struct msg_subscriber *bench_open_subscriber(const struct bench_plan *plan,
	struct msg_node *node, const char *topic, int *code);
bool bench_stopped(struct bench_shared *shared);
void bench_wait_until(const struct bench_plan *plan, uint64_t due_ns);
double bench_cpu_seconds(void);

/* Send one stamped message; 1, 0 when the lane refused it, -1 on a stop. */
int bench_send(const struct bench_plan *plan, struct bench_shared *shared,
	struct msg_publisher *publisher, uint64_t stamp, bool queue);

static inline uint64_t bench_stamp(enum bench_phase phase, uint64_t time_ns)
{
	return (uint64_t)phase << 62 | (time_ns & (UINT64_MAX >> 2));
}

static inline enum bench_phase bench_phase_of(uint64_t stamp)
{
	return (enum bench_phase)(stamp >> 62);
}

static inline uint64_t bench_time_of(uint64_t stamp)
{
	return stamp & (UINT64_MAX >> 2);
}

/* The metrics a mode can be required to meet. */
const struct require_metric *bench_metrics(enum bench_mode mode);

void bench_head(const struct bench_plan *plan, const struct machine *machine,
	const char *lane);
void bench_row(const struct bench_plan *plan, const struct bench_run *run);
void bench_json(const struct bench_plan *plan, const struct machine *machine,
	const char *lane, const struct bench_run *runs, int count);
bool bench_judge(const struct bench_plan *plan, const struct bench_run *run,
	const struct require *require);
const char *bench_mode_name(enum bench_mode mode);

#endif
