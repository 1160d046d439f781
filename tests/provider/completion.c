// SPDX-License-Identifier: BSD-2-Clause
/*
 * completion.c - the completion queue: too small, full, in every format, silent
 * when asked to be, and telling of what was taken back or failed.
 */
#include <check.h>
#include <string.h>
#include <sys/mman.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

START_TEST(a_small_queue_loses_nothing)
{
	struct node_options tiny = {.cq_size = 4};
	struct fi_cq_data_entry entry;
	unsigned int sent = 0, got = 0;
	struct node a;
	fi_addr_t self;

	node_open(&a, tiny);
	self = node_know(&a, &a);
	for (size_t i = 0; i < 64; i++)
		node_post(&a, i, 256);
	for (unsigned int i = 0; i < 64; i++) {
		fill(slot(&a, 100 + i), 100 + i, i);
		ck_assert_int_eq(node_send(&a, 100 + i, 100 + i, self), 0);
	}
	while (sent < 64 || got < 64) {
		node_wait(&a, a.cq, &entry);
		if (entry.flags & FI_SEND) {
			ck_assert_ptr_eq(entry.op_context,
					slot(&a, 100 + sent));
			sent++;
		} else {
			ck_assert_ptr_eq(entry.op_context, slot(&a, got));
			ck_assert(filled(slot(&a, got), 100 + got, got));
			got++;
		}
	}
	node_quiet(a.cq);
	node_close(&a);
}
END_TEST

START_TEST(full_queues_say_again)
{
	struct node_options small = {.rx_size = 8, .tx_size = 8, .cq_size = 2};
	struct fi_cq_data_entry entry;
	unsigned int sent = 0, done = 0;
	struct node a;
	fi_addr_t self;
	int ret;

	node_open(&a, small);
	self = node_know(&a, &a);
	for (size_t i = 0; i < 8; i++)
		node_post(&a, i, 64);
	ck_assert_int_eq(fi_recv(a.ep, slot(&a, 9), 64, a.desc, 0, NULL),
			-FI_EAGAIN);
	while ((ret = node_send(&a, 20, 16, self)) == 0)
		ck_assert_uint_lt(++sent, 100);
	ck_assert_int_eq(ret, -FI_EAGAIN);
	ck_assert_uint_ge(sent, 8);
	while (done < sent) {
		node_wait(&a, a.cq, &entry);
		done += (entry.flags & FI_SEND) != 0;
	}
	ck_assert_int_eq(node_send(&a, 20, 16, self), 0);
	node_close(&a);
}
END_TEST

START_TEST(completions_come_in_the_format_asked_for)
{
	static const size_t bytes[] = {0, sizeof(struct fi_cq_entry),
		sizeof(struct fi_cq_msg_entry),
		sizeof(struct fi_cq_data_entry),
		sizeof(struct fi_cq_tagged_entry)};

	for (int f = FI_CQ_FORMAT_CONTEXT; f <= FI_CQ_FORMAT_TAGGED; f++) {
		struct node_options o = {.format = (enum fi_cq_format)f,
			.split = true};
		unsigned char out[sizeof(struct fi_cq_tagged_entry) * 2 + 1];
		const struct fi_cq_data_entry *entry = (const void *)out;
		struct node a;
		ssize_t n;

		memset(out, 0x55, sizeof(out));
		node_open(&a, o);
		node_post(&a, 0, 64);
		ck_assert_int_eq(node_send(&a, 1, 40, node_know(&a, &a)), 0);
		while ((n = fi_cq_read(a.rx_cq, out, 2)) == -FI_EAGAIN)
			nodes_progress();
		ck_assert_int_eq(n, 1);
		ck_assert_uint_eq(out[bytes[f]], 0x55);
		ck_assert_ptr_eq(entry->op_context, slot(&a, 0));
		if (f >= FI_CQ_FORMAT_MSG)
			ck_assert_uint_eq(entry->len, 40);
		if (f >= FI_CQ_FORMAT_DATA)
			ck_assert_ptr_eq(entry->buf, slot(&a, 0));
		node_close(&a);
	}
}
END_TEST

START_TEST(successes_are_silent_unless_asked_for)
{
	struct node_options o = {.cq_flags = FI_SELECTIVE_COMPLETION,
		.split = true};
	struct fi_cq_data_entry entry;
	struct iovec iov;
	struct fi_msg msg;
	struct node a;
	fi_addr_t self;

	node_open(&a, o);
	self = node_know(&a, &a);
	for (size_t i = 0; i < 4; i++)
		node_post(&a, i, 64);
	ck_assert_int_eq(node_send(&a, 9, 10, self), 0);
	iov = (struct iovec){slot(&a, 9), 11};
	msg = (struct fi_msg){.msg_iov = &iov, .iov_count = 1,
		.desc = &a.desc, .addr = self, .context = &msg};
	ck_assert_int_eq(fi_sendmsg(a.ep, &msg, 0), 0);
	ck_assert_int_eq(fi_sendmsg(a.ep, &msg, FI_COMPLETION), 0);
	node_wait(&a, a.cq, &entry);
	ck_assert_ptr_eq(entry.op_context, &msg);
	node_quiet(a.cq);
	for (int i = 0; i < 3; i++)
		node_wait(&a, a.rx_cq, &entry);
	/* Many silent ones must not fill the queue for good. */
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(node_send(&a, 9, 10, self), 0);
	node_close(&a);
}
END_TEST

START_TEST(a_receive_is_taken_back)
{
	struct fi_cq_err_entry error;
	struct fi_cq_data_entry entry;
	struct node a;

	if (!on_udp())
		CHECK_SKIP("a device keeps what was posted");
	node_open(&a, (struct node_options){.split = true});
	for (size_t i = 0; i < 3; i++)
		node_post(&a, i, 64);
	ck_assert_int_eq(fi_cancel(&a.ep->fid, slot(&a, 1)), 0);
	ck_assert_int_eq(fi_cancel(&a.ep->fid, slot(&a, 1)), -FI_ENOENT);
	ck_assert_int_eq(fi_cq_read(a.rx_cq, &entry, 1), -FI_EAVAIL);
	ck_assert_int_eq(fi_cq_readerr(a.rx_cq, &error, 0), 1);
	ck_assert_int_eq(error.err, FI_ECANCELED);
	ck_assert_ptr_eq(error.op_context, slot(&a, 1));
	for (size_t i = 0; i < 2; i++)
		ck_assert_int_eq(node_send(&a, 9, 10, node_know(&a, &a)), 0);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_ptr_eq(entry.op_context, slot(&a, 0));
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_ptr_eq(entry.op_context, slot(&a, 2));
	node_close(&a);
}
END_TEST

START_TEST(a_failed_send_says_why)
{
	void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	struct fi_cq_err_entry error = {0};
	struct fi_cq_data_entry entry;
	struct node a;
	ssize_t n;

	ck_assert_ptr_ne(nowhere, MAP_FAILED);
	node_open(&a, (struct node_options){.split = true});
	/* Longer than what a device takes along with the call. */
	ck_assert_int_eq(fi_send(a.ep, nowhere, 1000, a.desc,
			node_know(&a, &a), &a), 0);
	while ((n = fi_cq_read(a.cq, &entry, 1)) == -FI_EAGAIN)
		nodes_progress();
	ck_assert_int_eq(n, -FI_EAVAIL);
	ck_assert_int_eq(fi_cq_readerr(a.cq, &error, 0), 1);
	ck_assert_ptr_eq(error.op_context, &a);
	ck_assert_int_eq(error.err, on_udp() ? EFAULT : FI_EIO);
	ck_assert_str_eq(fi_cq_strerror(a.cq, error.prov_errno, NULL, NULL, 0),
			on_udp() ? "Bad address" : "local protection error");
	node_close(&a);
	munmap(nowhere, 4096);
}
END_TEST

void add_completion(Suite *suite)
{
	TCase *c = check_case(suite, "completion", 60);

	tcase_add_test(c, a_small_queue_loses_nothing);
	tcase_add_test(c, full_queues_say_again);
	tcase_add_test(c, completions_come_in_the_format_asked_for);
	tcase_add_test(c, successes_are_silent_unless_asked_for);
	tcase_add_test(c, a_receive_is_taken_back);
	tcase_add_test(c, a_failed_send_says_why);
}
