/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_fault_memory.c - failing requests over a wire in memory, where all of
 * them are the library's own.  The linker turns its calls into those of wrapped.c.
 */
#include <stdio.h>

#include "check_main.h"
#include "faults.h"
#include "memory_link.h"

/* ---- opening --------------------------------------------------------------- */

static struct msg_node_options options(bool threaded)
{
	struct msg_node_options o = MSG_NODE_OPTIONS;

	o.flags = threaded ? MSG_NODE_PROGRESS_THREAD : 0;
	o.announce_ms = 60000;
	return o;
}

START_TEST(nodes)
{
	struct msg_node_options o = options(_i);

	faults_open_node(&o);
	ck_assert_uint_eq(memory_wire_counts.links, 0);
}
END_TEST

START_TEST(publishers)
{
	struct msg_node_options o = options(false);

	faults_open_publisher(&o);
	ck_assert_uint_eq(memory_wire_counts.links, 0);
}
END_TEST

START_TEST(subscribers)
{
	struct msg_node_options o = options(false);

	faults_open_subscriber(&o, _i ? "fault.>" : "fault");
	ck_assert_uint_eq(memory_wire_counts.links, 0);
}
END_TEST

START_TEST(directories)
{
	struct msg_node_options o = options(false);

	faults_open_directory(&o);
	ck_assert_uint_eq(memory_wire_counts.links, 0);
}
END_TEST

/* The announcer opens with a node's first publisher: a failed first one must
 * not spoil the second, nor leave a link behind when the node closes. */
START_TEST(the_first_publisher_of_a_node)
{
	struct msg_publisher_options po = MSG_PUBLISHER_OPTIONS;
	struct msg_node_options o = options(false);
	unsigned n = 1;
	bool failed;

	po.topic = "first";
	do {
		struct msg_publisher *p;
		struct msg_node *node;
		int result;

		ck_assert_int_eq(INSIDE(msg_node_open(&o, &node)), 0);
		faults_begin(n++, false);
		result = INSIDE(msg_publisher_open(node, &po, &p));
		failed = faults_end();
		ck_assert(failed || result == 0);
		if (result < 0)
			ck_assert_int_eq(INSIDE(msg_publisher_open(node, &po, &p)), 0);
		ck_assert_int_eq(INSIDE(msg_publish(p, "x", 1)), 0);
		ck_assert_int_eq(INSIDE(msg_publisher_close(p)), 0);
		ck_assert_int_eq(INSIDE(msg_node_close(node)), 0);
		ck_assert_uint_eq(memory_wire_counts.links, 0);
		ck_assert_int_eq(faults_live, 0);
	} while (failed);
	ck_assert_uint_gt(n, 5);
}
END_TEST

/* A directory that cannot grow leaves newcomers out and goes on. */
START_TEST(a_directory_that_cannot_grow)
{
	struct msg_node_options o = options(false);
	struct msg_publisher *p[100];
	struct msg_directory *d;
	struct msg_node *node;

	ck_assert_int_eq(INSIDE(msg_node_open(&o, &node)), 0);
	ck_assert_int_eq(INSIDE(msg_directory_open(node, NULL, &d)), 0);
	for (int i = 0; i < 100; i++) {
		struct msg_publisher_options po = MSG_PUBLISHER_OPTIONS;
		char topic[16];

		snprintf(topic, sizeof topic, "t%d", i);
		po.topic = topic;
		po.loan_count_max = 2;
		ck_assert_int_eq(INSIDE(msg_publisher_open(node, &po, &p[i])), 0);
		if (i % 30 == 29 || i == 99) {
			int known;

			faults_begin(1, true);
			known = INSIDE(msg_directory_read(d, 0, NULL, 0));
			faults_end();
			ck_assert_int_eq(known, i < 64 ? i + 1 : 64);
		}
	}
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(INSIDE(msg_publisher_close(p[i])), 0);
	while (INSIDE(msg_directory_read(d, 0, NULL, 0)) > 0)
		;
	ck_assert_int_eq(INSIDE(msg_directory_close(d)), 0);
	ck_assert_int_eq(INSIDE(msg_node_close(node)), 0);
	ck_assert_int_eq(faults_live, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("faults, memory");
	TCase *open = check_case(suite, "open", 60);

	tcase_add_loop_test(open, nodes, 0, 2);
	tcase_add_test(open, publishers);
	tcase_add_loop_test(open, subscribers, 0, 2);
	tcase_add_test(open, directories);
	tcase_add_test(open, the_first_publisher_of_a_node);
	tcase_add_test(open, a_directory_that_cannot_grow);
	return check_main(suite, NULL);
}
