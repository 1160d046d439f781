/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * demo_subscribe.c - receive what demo_publish sends, check and measure it.
 *
 *   demo_subscribe NAME TOPIC
 *
 * Prints lines for demo.sh to read, four times a second:
 *
 *   ready NAME LANE DEVICE INTERFACE REASON...
 *   live NAME received lost rate p50_ns p99_ns cpu_permille used all net_bytes/s
 *   end NAME received sent wrong rate p50_ns p99_ns max_ns frames memory place
 *       places
 *
 * Rates and percentiles of `live` are of the last quarter second, those of
 * `end` of the whole run.  `lost` is what the library counted; in the end the
 * publisher says how many it sent, and the difference has to be the same.
 * A message is wrong when its checksum is, or its index is not the next after
 * those lost.  Ends on the publisher's word, or after 5 s of silence.
 *
 * Where the messages were read: `memory` is the device and inode of the mapping
 * that holds the first, as /proc/self/maps has it ("own" where there is no file
 * behind it), `place` its offset there, `places` a hash of all offsets in their
 * order.  Two processes that print the same read every message at the same place
 * of the same memory, so nobody copied it for either.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "demo.h"

#define REPORT_NS 250000000u
#define SILENCE_NS 5000000000u
#define PATIENCE_NS 60000000000u
#define FAREWELL_NS 500000000u
#define HASH_START 14695981039346656037u

/* Sixteen buckets for each power of two: within 7 %. */
struct latency {
	uint64_t buckets[64 * 16];
	uint64_t count;
	uint64_t max;
};

struct state {
	const char *name;
	uint64_t received;
	uint64_t lost;
	uint64_t next; /* The index that has to come now. */
	uint64_t wrong;
	uint64_t sent; /* What the publisher says; 0 until it does. */
	int ended;         /* It has said so for the last time. */
	uint64_t ended_ns; /* When it did so first. */
	uint64_t heard_ns;
	const char *first; /* Where the first message stood. */
	uint64_t places;   /* Hash of where they stood, from there. */
	uint64_t first_ns; /* When the first message was filled. */
	struct latency whole;
	struct latency recent;
	/* As of the report before. */
	uint64_t report_ns;
	struct demo_sample latest;
	struct demo_sample before;
};

/* ---- latency ----------------------------------------------------------- */

static void latency_add(struct latency *latency, uint64_t ns)
{
	unsigned power = ns < 16 ? 0 : 59u - (unsigned)__builtin_clzll(ns);
	uint64_t index = ns < 16 ? ns : (power << 4) + (ns >> power);

	latency->buckets[index]++;
	latency->count++;
	if (ns > latency->max)
		latency->max = ns;
}

/* The upper end of the bucket that holds this share of the values. */
static uint64_t latency_at(const struct latency *latency, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)latency->count) + 1;
	uint64_t seen = 0;

	for (unsigned i = 0; i < 64 * 16; i++) {
		unsigned power = i < 32 ? 0 : (i >> 4) - 1;

		seen += latency->buckets[i];
		if (seen >= wanted) {
			uint64_t high = ((i - ((uint64_t)power << 4) + 1) << power) - 1;

			return high < latency->max ? high : latency->max;
		}
	}
	return latency->max;
}

/* ---- memory ------------------------------------------------------------ */

static void note_place(struct state *state, const char *data)
{
	if (!state->first) {
		state->first = data;
		state->places = HASH_START;
	}
	state->places = (state->places ^ (uint64_t)(data - state->first)) *
		1099511628211u;
}

/* Print device and inode of the mapping that holds `data`, and where in it. */
static void print_memory(const char *data)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long address = (unsigned long)data;
	char line[512];

	while (maps && fgets(line, sizeof line, maps)) {
		unsigned long from, to, offset, inode;
		char device[32];

		if (sscanf(line, "%lx-%lx %*s %lx %31s %lu", &from, &to,
			    &offset, device, &inode) != 5 ||
			address < from || address >= to)
			continue;
		if (inode)
			printf(" %s:%lu", device, inode);
		else
			printf(" own");
		printf(" %#lx", inode ? address - from + offset : address);
		fclose(maps);
		return;
	}
	if (maps)
		fclose(maps);
	printf(" - -");
}

/* ---- messages ---------------------------------------------------------- */

static void receive(struct state *state, const struct msg_view *view)
{
	const struct demo_sample *sample = view->data;
	uint64_t now = demo_now_ns();

	state->heard_ns = now;
	state->lost += view->lost_before;
	if (view->bytes != sizeof *sample || view->segment_count != 1 ||
		sample->checksum != demo_checksum(sample)) {
		state->wrong++;
		return;
	}
	note_place(state, view->data);
	if (sample->end) {
		state->sent = sample->index;
		state->ended = sample->end == 1;
		if (!state->ended_ns)
			state->ended_ns = now;
		return;
	}
	if (sample->index != state->next + view->lost_before && state->received)
		state->wrong++;
	if (!state->received) {
		state->first_ns = sample->time_ns;
		state->report_ns = now;
		state->before = *sample;
	}
	state->next = sample->index + 1;
	state->received++;
	state->latest = *sample;
	latency_add(&state->whole, now - sample->time_ns);
	latency_add(&state->recent, now - sample->time_ns);
}

/* Change per second of a counter since the report before. */
static uint64_t per_second(uint64_t now, uint64_t before, uint64_t ns)
{
	return ns > 0 && now > before ?
		(uint64_t)((double)(now - before) * 1e9 / (double)ns) : 0;
}

static void report(struct state *state, uint64_t now)
{
	const struct demo_sample *latest = &state->latest;
	const struct demo_sample *before = &state->before;
	uint64_t busy = latest->cpu_busy - before->cpu_busy;
	uint64_t all = latest->cpu_all - before->cpu_all;

	printf("live %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
	       " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
		state->name, state->received, state->lost,
		per_second(state->recent.count, 0, now - state->report_ns),
		latency_at(&state->recent, 0.50),
		latency_at(&state->recent, 0.99), all ? busy * 1000 / all : 0,
		latest->memory_used, latest->memory_all,
		per_second(latest->net_bytes, before->net_bytes,
			latest->time_ns - before->time_ns));
	fflush(stdout);
	memset(&state->recent, 0, sizeof state->recent);
	state->before = *latest;
	state->report_ns = now;
}

/* Returns 0, or -1 when the lane failed. */
static int run(struct state *state, struct msg_subscriber *subscriber)
{
	struct msg_view views[64];

	state->report_ns = demo_now_ns();
	while (!state->ended) {
		uint64_t now = demo_now_ns();
		uint64_t silent = now - state->heard_ns;
		int64_t left = (int64_t)(state->report_ns + REPORT_NS - now);
		int n;

		if (left <= 0 && state->received > 0)
			report(state, now);
		if (silent > (state->received ? SILENCE_NS : PATIENCE_NS) ||
			(state->ended_ns &&
				now > state->ended_ns + FAREWELL_NS))
			return 0;
		n = msg_subscriber_wait(
			subscriber, left > 0 ? left : (int64_t)REPORT_NS);
		if (n < 0 && n != -MSG_ERROR_TIMEOUT)
			return -1;
		n = msg_subscriber_take(subscriber, views, 64);
		if (n < 0)
			return -1;
		for (int i = 0; i < n; i++)
			receive(state, &views[i]);
		if (n > 0)
			msg_subscriber_release(subscriber, views, n);
	}
	return 0;
}

static void print_ready(const struct state *state, const struct msg_node *node)
{
	struct msg_node_info info;

	msg_node_describe(node, &info);
	printf("ready %s %s %s %s %s\n", state->name,
		info.lane == MSG_LANE_VERBS ? "verbs" : "udp",
		*info.device ? info.device : "-", info.interface, info.reason);
	fflush(stdout);
}

static void print_end(
	const struct state *state, const struct msg_subscriber *subscriber)
{
	printf("end %s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64
	       " %" PRIu64 " %" PRIu64 " %" PRIu64,
		state->name, state->received, state->sent, state->wrong,
		per_second(state->received, 0,
			state->latest.time_ns - state->first_ns),
		latency_at(&state->whole, 0.50),
		latency_at(&state->whole, 0.99), state->whole.max,
		msg_subscriber_counter(subscriber, MSG_COUNTER_FRAMES));
	print_memory(state->first);
	printf(" %016" PRIx64 "\n", state->places);
}

int main(int argc, char **argv)
{
	static struct state state;
	struct msg_subscriber_options options = MSG_SUBSCRIBER_OPTIONS;
	struct msg_subscriber *subscriber;
	struct msg_node *node;
	int result;

	if (argc != 3) {
		fprintf(stderr, "usage: demo_subscribe NAME TOPIC\n");
		return 2;
	}
	/* Ctrl-C ends the publisher, and that ends us, with the count right. */
	signal(SIGINT, SIG_IGN);
	state.name = argv[1];
	options.topic = argv[2];
	if (msg_node_open(NULL, &node) < 0 ||
		msg_subscriber_open(node, &options, &subscriber) < 0) {
		fprintf(stderr, "demo_subscribe: %s\n", msg_error_text());
		return 1;
	}
	state.heard_ns = demo_now_ns();
	print_ready(&state, node);
	result = run(&state, subscriber);
	if (result == 0)
		print_end(&state, subscriber);
	msg_subscriber_close(subscriber);
	msg_node_close(node);
	return result == 0 ? 0 : 1;
}
