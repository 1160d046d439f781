// SPDX-License-Identifier: BSD-2-Clause
/*
 * message.c - a datagram from one endpoint to another: sent, injected, in
 * pieces, in trains, and known by its sender.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

START_TEST(a_datagram_lands_where_it_was_posted)
{
	struct fi_cq_data_entry entry;
	struct node a, b;

	node_open(&a, plain);
	node_open(&b, plain);
	node_post(&b, 3, 512);
	node_post(&b, 1, 512);
	fill(slot(&a, 0), 300, 1);
	ck_assert_int_eq(node_send(&a, 0, 300, node_know(&a, &b)), 0);
	node_wait(&a, a.cq, &entry);
	ck_assert_ptr_eq(entry.op_context, slot(&a, 0));
	ck_assert_uint_eq(entry.flags, FI_SEND | FI_MSG);
	node_wait(&b, b.cq, &entry);
	ck_assert_ptr_eq(entry.op_context, slot(&b, 3));
	ck_assert_uint_eq(entry.flags, FI_RECV | FI_MSG);
	ck_assert_uint_eq(entry.len, 300);
	ck_assert(filled(slot(&b, 3), 300, 1));
	ck_assert_uint_eq(slot(&b, 3)[300], 0xee);
	ck_assert_uint_eq(slot(&b, 1)[0], 0xee);
	node_quiet(b.cq);
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(separate_queues_for_each_side)
{
	struct node_options split = {.split = true};
	struct fi_cq_data_entry entry;
	struct node a;

	node_open(&a, split);
	node_post(&a, 0, 64);
	fill(slot(&a, 1), 64, 9);
	ck_assert_int_eq(node_send(&a, 1, 64, node_know(&a, &a)), 0);
	node_wait(&a, a.cq, &entry);
	ck_assert_uint_eq(entry.flags, FI_SEND | FI_MSG);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_uint_eq(entry.flags, FI_RECV | FI_MSG);
	ck_assert(filled(slot(&a, 0), 64, 9));
	node_close(&a);
}
END_TEST

START_TEST(the_sender_is_known_by_its_number)
{
	struct node_options source = {.caps = FI_SOURCE};
	struct fi_cq_data_entry entry;
	fi_addr_t from = 0, expect;
	struct node a, b, stranger;
	ssize_t n;

	node_open(&a, plain);
	node_open(&stranger, plain);
	node_open(&b, source);
	for (size_t i = 0; i < 2; i++)
		node_post(&b, i, 64);
	node_know(&b, &b);
	expect = node_know(&b, &a);
	ck_assert_int_eq(node_send(&a, 0, 10, node_know(&a, &b)), 0);
	while ((n = fi_cq_readfrom(b.cq, &entry, 1, &from)) == -FI_EAGAIN)
		nodes_progress();
	ck_assert_int_eq(n, 1);
	ck_assert_uint_eq(from, expect);
	ck_assert_int_eq(node_send(&stranger, 0, 10,
			node_know(&stranger, &b)), 0);
	while ((n = fi_cq_readfrom(b.cq, &entry, 1, &from)) == -FI_EAGAIN)
		nodes_progress();
	ck_assert_int_eq(n, 1);
	ck_assert_uint_eq(from, FI_ADDR_NOTAVAIL);
	node_close(&a);
	node_close(&stranger);
	node_close(&b);
}
END_TEST

START_TEST(pieces_are_gathered_and_scattered)
{
	struct fi_cq_data_entry entry;
	struct iovec out[4], in[2];
	void *desc[4];
	struct node a, b;

	node_open(&a, plain);
	node_open(&b, plain);
	for (size_t i = 0; i < 4; i++) {
		desc[i] = a.desc;
		out[i].iov_base = slot(&a, i);
		out[i].iov_len = 100 + i;
		memset(slot(&a, i), (int)('a' + i), 200);
	}
	in[0] = (struct iovec){slot(&b, 0), 150};
	in[1] = (struct iovec){slot(&b, 1), 600};
	ck_assert_int_eq(fi_recvv(b.ep, in, (void *[]){b.desc, b.desc}, 2,
			FI_ADDR_UNSPEC, NULL), 0);
	ck_assert_int_eq(fi_sendv(a.ep, out, desc, 4, node_know(&a, &b), NULL),
			0);
	node_wait(&b, b.cq, &entry);
	ck_assert_uint_eq(entry.len, 406);
	ck_assert_uint_eq(slot(&b, 0)[99], 'a');
	ck_assert_uint_eq(slot(&b, 0)[149], 'b');
	ck_assert_uint_eq(slot(&b, 1)[50], 'b');
	ck_assert_uint_eq(slot(&b, 1)[51], 'c');
	ck_assert_uint_eq(slot(&b, 1)[255], 'd');
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(an_injected_buffer_is_free_at_once)
{
	struct fi_cq_data_entry entry;
	struct node a, b;
	fi_addr_t to;
	unsigned char *text;
	struct iovec iov;
	struct fi_msg msg;

	node_open(&a, plain);
	node_open(&b, plain);
	to = node_know(&a, &b);
	text = malloc(256);
	for (size_t i = 0; i < 4; i++)
		node_post(&b, i, 512);
	for (unsigned int i = 0; i < 3; i++) {
		fill(text, 200 + i, i);
		iov = (struct iovec){text, 200 + i};
		msg = (struct fi_msg){.msg_iov = &iov, .iov_count = 1,
			.addr = to};
		/* The second waits for the third. */
		ck_assert_int_eq(i == 0 ? fi_inject(a.ep, text, 200, to) :
				fi_sendmsg(a.ep, &msg, FI_INJECT |
					(i == 1 ? FI_MORE : 0)), 0);
		memset(text, 0, 256);
	}
	ck_assert_int_eq(fi_inject(a.ep, text, 257, to), -FI_EMSGSIZE);
	free(text);
	for (unsigned int i = 0; i < 3; i++) {
		node_wait(&b, b.cq, &entry);
		ck_assert_uint_eq(entry.len, 200 + i);
		ck_assert(filled(slot(&b, i), 200 + i, i));
	}
	/* fi_inject completes in silence, fi_sendmsg does not. */
	for (unsigned int i = 0; i < 2; i++)
		node_wait(&a, a.cq, &entry);
	node_quiet(a.cq);
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(a_train_arrives_whole_and_in_order)
{
	struct fi_cq_data_entry entry;
	struct node a, b;
	fi_addr_t to;

	node_open(&a, plain);
	node_open(&b, plain);
	to = node_know(&a, &b);
	for (unsigned int round = 0; round < 5; round++) {
		for (unsigned int i = 0; i < 100; i++) {
			struct iovec in = {slot(&b, i), 256};
			struct fi_msg msg = {.msg_iov = &in, .iov_count = 1,
				.desc = &b.desc, .context = slot(&b, i)};

			ck_assert_int_eq(fi_recvmsg(b.ep, &msg,
					i < 99 ? FI_MORE : 0), 0);
		}
		for (unsigned int i = 0; i < 100; i++) {
			struct iovec out = {slot(&a, i), 100 + i};
			struct fi_msg msg = {.msg_iov = &out, .iov_count = 1,
				.desc = &a.desc, .addr = to,
				.context = slot(&a, i)};

			fill(slot(&a, i), 100 + i, i + round);
			ck_assert_int_eq(fi_sendmsg(a.ep, &msg,
					i < 99 ? FI_MORE : 0), 0);
		}
		for (unsigned int i = 0; i < 100; i++) {
			node_wait(&a, a.cq, &entry);
			ck_assert_ptr_eq(entry.op_context, slot(&a, i));
		}
		for (unsigned int i = 0; i < 100; i++) {
			node_wait(&b, b.cq, &entry);
			ck_assert_ptr_eq(entry.op_context, slot(&b, i));
			ck_assert_uint_eq(entry.len, 100 + i);
			ck_assert(filled(slot(&b, i), 100 + i, i + round));
		}
	}
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(a_train_left_open_goes_with_the_next_read)
{
	struct fi_cq_data_entry entry;
	struct node a;
	struct iovec out;
	struct fi_msg msg;

	node_open(&a, plain);
	node_post(&a, 0, 64);
	out = (struct iovec){slot(&a, 1), 20};
	msg = (struct fi_msg){.msg_iov = &out, .iov_count = 1,
		.desc = &a.desc, .addr = node_know(&a, &a)};
	ck_assert_int_eq(fi_sendmsg(a.ep, &msg, FI_MORE), 0);
	node_wait(&a, a.cq, &entry);
	node_wait(&a, a.cq, &entry);
	node_close(&a);
}
END_TEST

START_TEST(an_empty_datagram_is_a_datagram)
{
	struct fi_cq_data_entry entry;
	struct node a;

	node_open(&a, (struct node_options){.split = true});
	node_post(&a, 0, 64);
	ck_assert_int_eq(fi_inject(a.ep, slot(&a, 1), 0, node_know(&a, &a)),
			0);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_uint_eq(entry.len, 0);
	node_close(&a);
}
END_TEST

void add_message(Suite *suite)
{
	TCase *c = check_case(suite, "message", 60);

	tcase_add_test(c, a_datagram_lands_where_it_was_posted);
	tcase_add_test(c, separate_queues_for_each_side);
	tcase_add_test(c, the_sender_is_known_by_its_number);
	tcase_add_test(c, pieces_are_gathered_and_scattered);
	tcase_add_test(c, an_injected_buffer_is_free_at_once);
	tcase_add_test(c, a_train_arrives_whole_and_in_order);
	tcase_add_test(c, a_train_left_open_goes_with_the_next_read);
	tcase_add_test(c, an_empty_datagram_is_a_datagram);
}
