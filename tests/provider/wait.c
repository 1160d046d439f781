// SPDX-License-Identifier: BSD-2-Clause
/*
 * wait.c - sleeping on a completion queue, by descriptor and by blocking read.
 */
#include <check.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

struct talker {
	struct node node;
	fi_addr_t addr;
	unsigned int count;
	unsigned int seed;
};

static void *talk(void *arg)
{
	struct talker *t = arg;
	struct fi_cq_data_entry entry;

	for (unsigned int i = 0; i < t->count; i++) {
		unsigned int pause = (unsigned int)rand_r(&t->seed) % 200;

		memcpy(slot(&t->node, 0), &i, sizeof(i));
		ck_assert_int_eq(fi_send(t->node.ep, slot(&t->node, 0),
				sizeof(i), t->node.desc, t->addr, NULL), 0);
		node_wait(&t->node, t->node.cq, &entry);
		if (pause > 100)
			usleep(pause - 100);
	}
	return NULL;
}

/* Read until empty, arm, sleep; a lost wake-up would be a time-out.  Never
 * more than 64 receives are posted, and one may be lost only by overrunning
 * the socket's buffer, which these do not fill. */
START_TEST(a_sleeper_misses_no_wake_up)
{
	struct fi_cq_data_entry entry;
	struct pollfd fd = {.events = POLLIN};
	struct talker t = {.count = on_udp() ? 5000 : 150,
		.seed = (unsigned int)check_seed()};
	unsigned int next = 0, posted = 0, slept = 0;
	struct fid *fids[1];
	struct node rx;
	pthread_t thread;
	ssize_t n;

	node_open(&rx, (struct node_options){.split = true, .alone = true});
	node_open(&t.node, (struct node_options){.alone = true});
	t.addr = node_know(&t.node, &rx);
	fids[0] = &rx.rx_cq->fid;
	ck_assert_int_eq(fi_control(&rx.rx_cq->fid, FI_GETWAIT, &fd.fd), 0);
	if (!on_udp())
		for (; posted < 200; posted++)
			node_post(&rx, posted, 64);
	ck_assert_int_eq(pthread_create(&thread, NULL, talk, &t), 0);
	while (next < t.count) {
		/* Posting as late as possible also tests waking for data that
		 * came when nothing was posted. */
		if (posted == next)
			node_post(&rx, posted++ % 64, 64);
		n = fi_cq_read(rx.rx_cq, &entry, 1);
		if (n == 1) {
			ck_assert_uint_eq(*(unsigned int *)entry.op_context,
					next);
			next++;
			continue;
		}
		ck_assert_int_eq(n, -FI_EAGAIN);
		if (fi_trywait(rx.fabric, fids, 1) == -FI_EAGAIN)
			continue;
		slept++;
		ck_assert_msg(poll(&fd, 1, 5000) == 1, "asleep at %u of %u",
				next, t.count);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_gt(slept, 0);
	node_close(&rx);
	node_close(&t.node);
}
END_TEST

START_TEST(blocking_reads_wait_time_out_and_are_signalled)
{
	struct fi_cq_data_entry entry;
	struct node a, b;
	fi_addr_t to;

	node_open(&a, plain);
	node_open(&b, plain);
	to = node_know(&a, &b);
	node_post(&b, 0, 64);
	ck_assert_int_eq(fi_cq_sread(b.cq, &entry, 1, NULL, 20), -FI_EAGAIN);
	ck_assert_int_eq(node_send(&a, 0, 8, to), 0);
	ck_assert_int_eq(fi_cq_sread(a.cq, &entry, 1, NULL, 5000), 1);
	ck_assert_int_eq(fi_cq_sread(b.cq, &entry, 1, NULL, 5000), 1);
	ck_assert_uint_eq(entry.len, 8);
	ck_assert_int_eq(fi_cq_signal(b.cq), 0);
	ck_assert_int_eq(fi_cq_sread(b.cq, &entry, 1, NULL, -1), -FI_EAGAIN);
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(nothing_posted_is_no_reason_to_wake)
{
	struct fi_cq_data_entry entry;
	struct pollfd fd = {.events = POLLIN};
	struct fid *fids[1];
	struct node a, b;

	if (!on_udp())
		CHECK_SKIP("a device drops what has no receive posted");
	node_open(&a, plain);
	node_open(&b, plain);
	fids[0] = &b.cq->fid;
	ck_assert_int_eq(fi_control(&b.cq->fid, FI_GETWAIT, &fd.fd), 0);
	ck_assert_int_eq(node_send(&a, 0, 8, node_know(&a, &b)), 0);
	ck_assert_int_eq(fi_cq_read(b.cq, &entry, 1), -FI_EAGAIN);
	ck_assert_int_eq(fi_trywait(b.fabric, fids, 1), 0);
	ck_assert_int_eq(poll(&fd, 1, 50), 0);
	node_post(&b, 0, 64);
	ck_assert_int_eq(poll(&fd, 1, 5000), 1);
	node_wait(&b, b.cq, &entry);
	node_close(&a);
	node_close(&b);
}
END_TEST

/* More of them than a device is asked for at a time. */
START_TEST(silent_receives_hide_none_that_speaks)
{
	struct node_options quiet = {.cq_flags = FI_SELECTIVE_COMPLETION,
		.alone = true};
	enum { SILENT = 70 };
	struct fi_cq_data_entry entry;
	struct pollfd fd = {.events = POLLIN};
	struct iovec iov;
	struct fi_msg msg;
	struct fid *fids[1];
	struct node a, b;
	fi_addr_t to;

	node_open(&a, quiet);
	node_open(&b, (struct node_options){.alone = true});
	to = node_know(&b, &a);
	fids[0] = &a.cq->fid;
	ck_assert_int_eq(fi_control(&a.cq->fid, FI_GETWAIT, &fd.fd), 0);
	for (size_t i = 0; i < SILENT; i++)
		node_post(&a, i, 64);
	iov = (struct iovec){slot(&a, SILENT), 64};
	msg = (struct fi_msg){.msg_iov = &iov, .iov_count = 1,
		.desc = &a.desc, .context = slot(&a, SILENT)};
	ck_assert_int_eq(fi_recvmsg(a.ep, &msg, FI_COMPLETION), 0);
	for (size_t i = 0; i <= SILENT; i++) {
		ck_assert_int_eq(node_send(&b, i, 8, to), 0);
		node_wait(&b, b.cq, &entry);
	}
	usleep(200000); /* All of them arrive before anybody looks. */
	while (fi_cq_read(a.cq, &entry, 1) == -FI_EAGAIN)
		if (fi_trywait(a.fabric, fids, 1) == 0)
			ck_assert_int_eq(poll(&fd, 1, 5000), 1);
	ck_assert_ptr_eq(entry.op_context, slot(&a, SILENT));
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(a_queue_without_descriptor_has_none)
{
	struct node_options o = {.no_wait = true};
	struct fi_cq_data_entry entry;
	struct node a;
	int fd;

	node_open(&a, o);
	ck_assert_int_eq(fi_control(&a.cq->fid, FI_GETWAIT, &fd), -FI_ENODATA);
	ck_assert_int_eq(fi_cq_sread(a.cq, &entry, 1, NULL, 0), -FI_ENOSYS);
	node_post(&a, 0, 64);
	ck_assert_int_eq(node_send(&a, 1, 8, node_know(&a, &a)), 0);
	node_wait(&a, a.cq, &entry);
	node_wait(&a, a.cq, &entry);
	node_close(&a);
}
END_TEST

void add_wait(Suite *suite)
{
	TCase *c = check_case(suite, "wait", 60);

	tcase_add_test(c, a_sleeper_misses_no_wake_up);
	tcase_add_test(c, blocking_reads_wait_time_out_and_are_signalled);
	tcase_add_test(c, nothing_posted_is_no_reason_to_wake);
	tcase_add_test(c, silent_receives_hide_none_that_speaks);
	tcase_add_test(c, a_queue_without_descriptor_has_none);
}
