/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * faults.c - see faults.h.
 *
 * The loop is SQLite's: n = 1, 2, 3 … until nothing fails any more.  Each call
 * either succeeds or says why not, its output untouched; then the same call
 * without a fault succeeds, and after closing nothing is left.
 */
#include "faults.h"

#include <string.h>

#include "check_main.h"

#define N_MAX 1000u

static unsigned left;
static bool forever;
static bool happened;
long faults_live;
bool faults_inside;

void faults_begin(unsigned n, bool for_good)
{
	left = n;
	forever = for_good;
	happened = false;
}

bool faults_end(void)
{
	left = 0;
	return happened;
}

bool faults_now(void)
{
	if (!faults_inside || left == 0 || --left > 0)
		return false;
	happened = true;
	if (forever)
		left = 1;
	return true;
}

/* What is opened, as one call and its counterpart. */
struct thing {
	const char *name;
	int (*open)(void *context, void **out);
	int (*close)(void *out);
	void *context;
};

/* Returns false when `n` is beyond the last request. */
static bool fail_once(const struct thing *thing, unsigned n, bool for_good)
{
	void *out = &out;
	bool failed;
	int result;

	faults_begin(n, for_good);
	result = INSIDE(thing->open(thing->context, &out));
	failed = faults_end();
	if (result < 0) {
		ck_assert_msg(failed, "%s: failed without a fault: %s",
			thing->name, msg_error_text());
		ck_assert_msg(result == -MSG_ERROR_MEMORY ||
				result == -MSG_ERROR_FABRIC ||
				result == -MSG_ERROR_DEVICE,
			"%s, fault %u: %s", thing->name, n,
			msg_error_name(result));
		ck_assert_str_ne(msg_error_text(), "");
		ck_assert_ptr_eq(out, (void *)&out);
	} else {
		ck_assert_int_eq(INSIDE(thing->close(out)), 0);
	}
	return failed;
}

static void fail_each(const struct thing *thing)
{
	unsigned faults = 0;
	long before;
	void *out;

	/* What is made once a process is made here. */
	ck_assert_int_eq(
		INSIDE(thing->open(thing->context, &out)), 0);
	ck_assert_int_eq(INSIDE(thing->close(out)), 0);
	before = faults_live;
	for (int for_good = 0; for_good < 2; for_good++) {
		unsigned n = 1;

		for (; fail_once(thing, n, for_good); n++) {
			ck_assert_msg(faults_live == before,
				"%s, fault %u%s: %ld blocks were left",
				thing->name, n, for_good ? " and on" : "",
				faults_live - before);
			ck_assert_msg(n < N_MAX, "%s never succeeds",
				thing->name);
			ck_assert_int_eq(
				INSIDE(thing->open(thing->context, &out)), 0);
			ck_assert_int_eq(INSIDE(thing->close(out)), 0);
			faults++;
		}
	}
	ck_assert_int_eq(faults_live, before);
	/* At least the object itself, both times. */
	ck_assert_uint_ge(faults, 2);
}

/* ---- the things ----------------------------------------------------------- */

static int node_open(void *context, void **out)
{
	return msg_node_open(context, (struct msg_node **)out);
}

static int node_close(void *out)
{
	return msg_node_close(out);
}

void faults_open_node(const struct msg_node_options *options)
{
	fail_each(&(struct thing){.name = "node",
		.open = node_open,
		.close = node_close,
		.context = (void *)(uintptr_t)options});
}

struct child {
	struct msg_node *node;
	const char *topic;
};

static int publisher_open(void *context, void **out)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;
	struct child *child = context;

	o.topic = child->topic;
	return msg_publisher_open(
		child->node, &o, (struct msg_publisher **)out);
}

static int publisher_close(void *out)
{
	return msg_publisher_close(out);
}

static int subscriber_open(void *context, void **out)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;
	struct child *child = context;

	o.topic = child->topic;
	return msg_subscriber_open(
		child->node, &o, (struct msg_subscriber **)out);
}

static int subscriber_close(void *out)
{
	return msg_subscriber_close(out);
}

static int directory_open(void *context, void **out)
{
	struct child *child = context;

	return msg_directory_open(child->node, child->topic,
		(struct msg_directory **)out);
}

static int directory_close(void *out)
{
	return msg_directory_close(out);
}

static void open_children(const struct msg_node_options *options,
	const char *name, const char *topic,
	int (*open)(void *context, void **out), int (*close)(void *out))
{
	struct child child = {.topic = topic};

	ck_assert_msg(INSIDE(msg_node_open(options, &child.node)) == 0, "%s",
		msg_error_text());
	fail_each(&(struct thing){.name = name,
		.open = open,
		.close = close,
		.context = &child});
	ck_assert_int_eq(INSIDE(msg_node_close(child.node)), 0);
}

void faults_open_publisher(const struct msg_node_options *options)
{
	/* The first of a node opens what announces, so each has its node. */
	open_children(options, "publisher", "fault", publisher_open,
		publisher_close);
}

void faults_open_subscriber(
	const struct msg_node_options *options, const char *topic)
{
	open_children(options, topic, topic, subscriber_open, subscriber_close);
}

void faults_open_directory(const struct msg_node_options *options)
{
	open_children(options, "directory", NULL, directory_open,
		directory_close);
}
