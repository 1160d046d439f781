/* SPDX-License-Identifier: BSD-2-Clause */
/* steady.c - see steady.h. */
#include "steady.h"

#include <string.h>

#include <msg/stats.h>

#include "check_main.h"

#define ROUNDS 500
#define LARGE 60000u

const char *const steady_names[STEADY_PATHS] = {
	"send", "queue", "copy", "fragments", "abandon", "empty", "refuse"};

static struct msg_publisher *p;
static struct msg_subscriber *s;
static uint64_t sent, taken;
static char bytes[LARGE];

/* Failures are kept for afterwards: an assertion would allocate. */
static int wrong;

static void must(bool right)
{
	wrong += !right;
}

static void loan_and(bool queue, size_t size)
{
	struct msg_loan loan;
	int result;

	do
		result = msg_publisher_loan(p, size, &loan);
	while (result == -MSG_ERROR_AGAIN);
	must(result == 0);
	memset(loan.data, (int)sent, size);
	must((queue ? msg_publisher_queue : msg_publisher_send)(
		     p, &loan, size) == 0);
	sent++;
}

static void take_until_level(bool copy)
{
	struct msg_view views[32];

	for (long idle = 0; taken < sent && idle < 10000000; idle++) {
		int n = msg_subscriber_take(s, views, 32);

		must(n >= 0);
		for (int i = 0; i < n; i++) {
			struct msg_segment segments[64];

			must(views[i].sequence == taken);
			must(*(const char *)views[i].data == (char)taken);
			must(msg_subscriber_segments(s, &views[i], segments,
				     64) == (int)views[i].segment_count);
			must(*msg_subscriber_topic(s, &views[i]) == 's');
			if (copy)
				must(msg_subscriber_copy(s, &views[i], bytes,
					     sizeof bytes) == 0);
			taken++;
		}
		msg_subscriber_release(s, views, n);
	}
	must(taken == sent);
}

static void walk_refusals(void)
{
	struct msg_loan none = {.opaque = UINT64_MAX};
	struct msg_view view = {.opaque = UINT64_MAX};
	struct msg_segment segment;

	must(msg_publisher_send(p, &none, 1) == -MSG_ERROR_ARGUMENT);
	msg_publisher_abandon(p, &none);
	must(msg_publisher_loan(p, SIZE_MAX, &none) == -MSG_ERROR_TOO_LARGE);
	must(msg_publish(p, bytes, SIZE_MAX) == -MSG_ERROR_TOO_LARGE);
	must(msg_subscriber_take(s, &view, 0) == -MSG_ERROR_ARGUMENT);
	msg_subscriber_release(s, &view, 1);
	must(msg_subscriber_copy(s, &view, bytes, 1) == -MSG_ERROR_ARGUMENT);
	must(msg_subscriber_segments(s, &view, &segment, 1) ==
		-MSG_ERROR_ARGUMENT);
	must(*msg_subscriber_topic(s, &view) == '\0');
}

static void walk_abandon(void)
{
	struct msg_loan loans[4];

	for (int i = 0; i < 4; i++)
		must(msg_publisher_loan(p, 100, &loans[i]) == 0);
	for (int i = 3; i >= 0; i--)
		msg_publisher_abandon(p, &loans[i]);
}

static void walk(enum steady_path path)
{
	struct msg_view view;

	switch (path) {
	case STEADY_SEND:
		loan_and(false, 64);
		take_until_level(false);
		break;
	case STEADY_QUEUE:
		for (int i = 0; i < 100; i++)
			loan_and(true, 64);
		must(msg_publisher_flush(p) == 0);
		take_until_level(false);
		break;
	case STEADY_COPY:
		memset(bytes, (int)sent, 100);
		must(msg_publish(p, bytes, 100) == 0);
		sent++;
		take_until_level(true);
		break;
	case STEADY_FRAGMENTS:
		loan_and(false, LARGE);
		take_until_level(false);
		break;
	case STEADY_ABANDON:
		walk_abandon();
		break;
	case STEADY_EMPTY:
		must(msg_subscriber_take(s, &view, 1) == 0);
		break;
	default:
		walk_refusals();
	}
	(void)msg_publisher_id(p);
	(void)msg_subscriber_fd(s);
	(void)msg_error_name(-3);
}

/* Receivers of a reliable topic report, and are known from then on. */
static void meet(struct msg_node *node)
{
	for (long i = 0; i < 10000000; i++) {
		if (msg_publisher_counter(p, MSG_COUNTER_REPORTS) > 0)
			return;
		walk(STEADY_SEND);
		msg_node_progress(node);
	}
	ck_abort_msg("no receiver reports");
}

void steady_run(struct msg_node *node, enum steady_path path, bool reliable,
	struct calls *calls)
{
	struct msg_publisher_options po = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber_options so = MSG_SUBSCRIBER_OPTIONS;

	so.topic = po.topic = "steady";
	po.message_bytes_max = LARGE;
	if (reliable) {
		po.reliability = MSG_RELIABILITY_RELIABLE;
		po.flow = MSG_FLOW_MIN;
	}
	ck_assert_int_eq(msg_subscriber_open(node, &so, &s), 0);
	ck_assert_int_eq(msg_publisher_open(node, &po, &p), 0);
	if (reliable)
		meet(node);
	for (int i = 0; i < 10; i++)
		walk(path);
	calls_begin();
	for (int i = 0; i < ROUNDS; i++)
		walk(path);
	calls_end(calls);
	ck_assert_msg(wrong == 0, "%d things went wrong on the path '%s'",
		wrong, steady_names[path]);
	ck_assert_uint_eq(taken, sent);
	ck_assert_int_eq(msg_publisher_close(p), 0);
	ck_assert_int_eq(msg_subscriber_close(s), 0);
	ck_assert_int_eq(msg_node_close(node), 0);
}
