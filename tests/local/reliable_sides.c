/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * reliable_sides.c - a publisher and a subscriber of a reliable topic that know
 * what must come.
 *
 *     reliable_sides publish TOPIC COUNT SEED FLOW PAUSE_MS RATE
 *     reliable_sides subscribe TOPIC COUNT SEED LOST
 *
 * Message i has a length and bytes that follow from SEED and i: mostly small,
 * now and then larger than a frame; some are sent alone, others in batches.  The
 * publisher says "ready", waits PAUSE_MS, publishes (RATE a second at most; 0: as
 * fast as it goes) and closes.  A subscriber says "ready", and ends with 0 when
 * all COUNT came, in order, whole, with no more than LOST of them lost and said
 * so; a publisher that was started again begins anew.  The lane and the broker are
 * the environment's, and of that:
 *
 *     SIDES_RC=N        by connections; the publisher waits for N before it begins
 *     SIDES_NAP_US=N    the subscriber rests so long after each batch
 *     SIDES_BROKERS=N   the publisher keeps the last tenth until it has come to N
 *                       brokers more than the first
 *     SIDES_GO=FILE     the publisher waits until that is there
 *     SIDES_GIVE_UP_MS=N  its give_up_ms
 *     SIDES_PATIENCE_MS=N  the subscriber's
 *     SIDES_WHY=1       the subscriber says of each loss when it was told, and why
 *     SIDES_LAP=1       the subscriber asks no publisher of its host to wait
 *     SIDES_HOARD=1     it gives nothing back, and ends with 0 when it is evicted
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <msg/msg.h>
#include <msg/stats.h>

#include "now.h"
#include "random.h"

#define BYTES_MAX 5000u
#define SILENCE_S 20

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", what, msg_error_name(result),
		msg_error_text());
	exit(1);
}

static struct random_stream stream_of(uint64_t seed, uint64_t i)
{
	return (struct random_stream){seed * 0x9e3779b97f4a7c15ull + i};
}

static uint32_t make(uint8_t *data, uint64_t seed, uint64_t i, bool *alone)
{
	struct random_stream random = stream_of(seed, i);
	uint32_t bytes = 8 + (uint32_t)random_below(&random, 200);

	if (random_chance(&random, 300))
		bytes = 8 + (uint32_t)random_below(&random, 25);
	else if (random_chance(&random, 20))
		bytes = BYTES_MAX - (uint32_t)random_below(&random, 2000);
	*alone = random_chance(&random, 200);
	memcpy(data, &i, sizeof i);
	for (uint32_t at = 8; at < bytes; at++)
		data[at] = (uint8_t)(random.state >> 8 * (at % 8)) ^
			   (uint8_t)at;
	return bytes;
}

/* Of this process, in KiB. */
static long memory_kib(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kib = -1;

	while (status && kib < 0 && fgets(line, sizeof line, status))
		if (sscanf(line, "VmData: %ld kB", &kib) != 1)
			kib = -1;
	if (status)
		fclose(status);
	return kib;
}

static void pause_ms(uint64_t ms)
{
	struct timespec time = {
		(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&time, NULL);
}

static void send_one(struct msg_publisher *p, uint64_t seed, uint64_t i,
	uint64_t *refused)
{
	static uint8_t data[BYTES_MAX];
	struct msg_loan loan;
	bool alone;
	uint32_t bytes = make(data, seed, i, &alone);
	uint64_t until = now_ns() + SILENCE_S * 1000000000ull;
	int result;

	while ((result = msg_publisher_loan(p, bytes, &loan)) ==
		-MSG_ERROR_AGAIN) {
		struct timespec nap = {.tv_nsec = 20000};

		++*refused;
		if (now_ns() > until)
			break;
		nanosleep(&nap, NULL);
	}
	must(result, "loan");
	memcpy(loan.data, data, bytes);
	must(alone ? msg_publisher_send(p, &loan, bytes)
		   : msg_publisher_queue(p, &loan, bytes),
		"send");
}

/* A number of the environment; 0: it is not there. */
static uint64_t wish(const char *name)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : 0;
}

static void await_connections(const struct msg_publisher *p, uint64_t count)
{
	uint64_t until = now_ns() + SILENCE_S * 1000000000ull;

	while (msg_publisher_counter(p, MSG_COUNTER_CONNECTED) < count) {
		if (now_ns() > until) {
			fprintf(stderr, "nobody connects\n");
			exit(1);
		}
		pause_ms(1);
	}
}

/* Those who read its last ring may take half a second to read the next. */
static void await_brokers(const struct msg_publisher *p, uint64_t count)
{
	uint64_t until = now_ns() + 3 * SILENCE_S * 1000000000ull;

	while (msg_publisher_counter(p, MSG_COUNTER_REATTACHED) < count) {
		if (now_ns() > until) {
			fprintf(stderr, "no other broker comes\n");
			exit(1);
		}
		pause_ms(1);
	}
	if (count > 0)
		pause_ms(1000);
}

static void await_file(const char *path)
{
	uint64_t until = now_ns() + SILENCE_S * 1000000000ull;

	while (path && access(path, F_OK) != 0) {
		if (now_ns() > until) {
			fprintf(stderr, "%s does not appear\n", path);
			exit(1);
		}
		pause_ms(1);
	}
}

static int publish(struct msg_node *node, char **argv)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	uint64_t count = strtoull(argv[3], NULL, 0);
	uint64_t seed = strtoull(argv[4], NULL, 0);
	uint64_t rate = strtoull(argv[7], NULL, 0);
	struct msg_publisher *p;
	uint64_t refused = 0, start;
	long memory;

	o.topic = argv[2];
	o.message_bytes_max = BYTES_MAX;
	o.reliability = getenv("SIDES_RC") ? MSG_RELIABILITY_RC
					   : MSG_RELIABILITY_RELIABLE;
	/* By connections it has to outlast a cable that is cut. */
	if (getenv("SIDES_RC"))
		o.history_bytes = 16u << 20;
	else
		o.give_up_ms = SILENCE_S * 1000;
	o.flow = (uint32_t)atoi(argv[5]);
	o.linger_ms = 5000;
	if (wish("SIDES_GIVE_UP_MS"))
		o.give_up_ms = (uint32_t)wish("SIDES_GIVE_UP_MS");
	must(msg_publisher_open(node, &o, &p), "publisher");
	printf("ready\n");
	fflush(stdout);
	await_connections(p, wish("SIDES_RC"));
	await_file(getenv("SIDES_GO"));
	pause_ms(strtoull(argv[6], NULL, 0));
	printf("begins\n");
	fflush(stdout);
	memory = memory_kib();
	start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		if (i == count - count / 10) {
			must(msg_publisher_flush(p), "flush");
			await_brokers(p, wish("SIDES_BROKERS"));
		}
		while (rate > 0 && (now_ns() - start) * rate / 1000000000u < i) {
			msg_publisher_flush(p);
			pause_ms(1);
		}
		send_one(p, seed, i, &refused);
	}
	must(msg_publisher_flush(p), "flush");
	printf("published %llu in %llu ms, %llu loans refused, %llu naks\n",
		(unsigned long long)count,
		(unsigned long long)((now_ns() - start) / 1000000),
		(unsigned long long)refused,
		(unsigned long long)msg_publisher_counter(p, MSG_COUNTER_NAKS));
	printf("%ld KiB more than when it began\n", memory_kib() - memory);
	printf("%llu unbelieved, %llu malformed\n",
		(unsigned long long)msg_publisher_counter(
			p, MSG_COUNTER_UNBELIEVED),
		(unsigned long long)msg_publisher_counter(
			p, MSG_COUNTER_MALFORMED));
	printf("%llu connected, %llu broken, %llu cut off, %llu held up\n",
		(unsigned long long)msg_publisher_counter(
			p, MSG_COUNTER_CONNECTED),
		(unsigned long long)msg_publisher_counter(p, MSG_COUNTER_BROKEN),
		(unsigned long long)msg_publisher_counter(
			p, MSG_COUNTER_CUT_OFF),
		(unsigned long long)msg_publisher_counter(
			p, MSG_COUNTER_HELD_UP));
	fflush(stdout);
	must(msg_publisher_close(p), "close");
	return 0;
}

static void check(struct msg_subscriber *s, const struct msg_view *view,
	uint64_t seed)
{
	static uint8_t wanted[BYTES_MAX], got[BYTES_MAX];
	bool alone;
	uint32_t bytes = make(wanted, seed, view->sequence, &alone);

	if (view->bytes != bytes ||
		msg_subscriber_copy(s, view, got, sizeof got) < 0 ||
		memcmp(wanted, got, bytes) != 0) {
		fprintf(stderr, "message %llu is not what was sent\n",
			(unsigned long long)view->sequence);
		exit(1);
	}
}

/* Holds what it gets, until that is taken from it. */
static int hoard(struct msg_subscriber *s)
{
	static struct msg_view views[65536];
	uint64_t until = now_ns() + SILENCE_S * 1000000000ull;
	int held = 0, n = 0;

	while (n != -MSG_ERROR_EVICTED && now_ns() < until) {
		n = msg_subscriber_take(s, views + held, 65536 - held);
		held += n > 0 ? n : 0;
		if (n <= 0)
			pause_ms(1);
	}
	printf("%s with %d in hand\n",
		n == -MSG_ERROR_EVICTED ? "evicted" : "still there", held);
	msg_subscriber_release(s, views, held);
	must(msg_subscriber_close(s), "close");
	return n != -MSG_ERROR_EVICTED;
}

/* Of a loss behind which nothing has come yet; how many messages. */
static uint64_t tell_why(const struct msg_view *view, uint64_t next)
{
	static const char *const reasons[] = {"for no known reason",
		"on the way", "by being slow", "from the history",
		"by give_up_ms", "for its size"};

	printf("%.3f s: %llu lost before %llu, %s\n", (double)now_ns() / 1e9,
		(unsigned long long)view->lost_before,
		(unsigned long long)(next + view->lost_before),
		view->reason < 6 ? reasons[view->reason] : "?");
	fflush(stdout);
	return view->lost_before;
}

static int subscribe(struct msg_node *node, char **argv)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	uint64_t count = strtoull(argv[3], NULL, 0);
	uint64_t seed = strtoull(argv[4], NULL, 0);
	uint64_t allowed = strtoull(argv[5], NULL, 0);
	uint64_t next = 0, lost = 0, gaps = 0, heard = now_ns();
	uint64_t nap_us = wish("SIDES_NAP_US"), publisher = 0;
	long memory = -1;
	struct msg_subscriber *s;
	struct msg_view views[64];

	o.topic = argv[2];
	/* What is missing comes, however late the machine makes it. */
	o.give_up_ms = SILENCE_S * 1000;
	if (wish("SIDES_PATIENCE_MS"))
		o.give_up_ms = (uint32_t)wish("SIDES_PATIENCE_MS");
	o.events = wish("SIDES_WHY") > 0;
	/* A publisher of this host waits for it. */
	o.slow = wish("SIDES_LAP") ? MSG_SLOW_LAP : MSG_SLOW_BLOCK;
	must(msg_subscriber_open(node, &o, &s), "subscriber");
	printf("ready\n");
	fflush(stdout);
	if (wish("SIDES_HOARD"))
		return hoard(s);
	while (next < count) {
		int n = msg_subscriber_take(s, views, 64);

		must(n, "take");
		for (int i = 0; i < n; i++) {
			uint64_t gap;

			if (views[i].event != MSG_EVENT_MESSAGE &&
				views[i].lost_before == 0)
				continue;
			if (views[i].publisher != publisher) {
				if (publisher != 0)
					printf("anew after %llu\n",
						(unsigned long long)next);
				fflush(stdout);
				publisher = views[i].publisher;
				next = 0;
			}
			if (views[i].event != MSG_EVENT_MESSAGE) {
				next += tell_why(&views[i], next);
				lost += views[i].lost_before;
				gaps++;
				continue;
			}
			gap = views[i].sequence - next;
			if (gap != views[i].lost_before || gap > count) {
				fprintf(stderr,
					"message %llu comes where %llu was "
					"due, with %llu said to be lost\n",
					(unsigned long long)views[i].sequence,
					(unsigned long long)next,
					(unsigned long long)views[i]
						.lost_before);
				return 1;
			}
			if (memory < 0)
				memory = memory_kib();
			lost += gap;
			gaps += gap > 0;
			check(s, &views[i], seed);
			next = views[i].sequence + 1;
		}
		msg_subscriber_release(s, views, n);
		if (n > 0) {
			heard = now_ns();
			if (nap_us > 0)
				usleep((useconds_t)nap_us);
			continue;
		}
		if (now_ns() - heard > SILENCE_S * 1000000000ull) {
			fprintf(stderr, "nothing comes after message %llu\n",
				(unsigned long long)next);
			return 1;
		}
		n = msg_subscriber_wait(s, 1000000000);
		if (n < 0 && n != -MSG_ERROR_TIMEOUT)
			must(n, "wait");
	}
	printf("all came, %llu lost in %llu places, %llu reattached\n",
		(unsigned long long)lost, (unsigned long long)gaps,
		(unsigned long long)msg_subscriber_counter(
			s, MSG_COUNTER_REATTACHED));
	printf("%ld KiB more than when it began\n", memory_kib() - memory);
	printf("%llu unbelieved, %llu malformed, %llu late, %llu entries lapped\n",
		(unsigned long long)msg_subscriber_counter(
			s, MSG_COUNTER_UNBELIEVED),
		(unsigned long long)msg_subscriber_counter(
			s, MSG_COUNTER_MALFORMED),
		(unsigned long long)msg_subscriber_counter(
			s, MSG_COUNTER_LATE),
		(unsigned long long)msg_subscriber_counter(
			s, MSG_COUNTER_LAPPED));
	must(msg_subscriber_close(s), "close");
	return lost > allowed;
}

int main(int argc, char **argv)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;
	struct msg_node *node;
	int result = 2;

	if (argc < 6) {
		fprintf(stderr, "see the head of reliable_sides.c\n");
		return 2;
	}
	o.flags = MSG_NODE_PROGRESS_THREAD;
	must(msg_node_open(&o, &node), "node");
	if (strcmp(argv[1], "publish") == 0 && argc == 8)
		result = publish(node, argv);
	else if (strcmp(argv[1], "subscribe") == 0)
		result = subscribe(node, argv);
	must(msg_node_close(node), "close");
	return result;
}
