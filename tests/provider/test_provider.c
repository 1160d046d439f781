// SPDX-License-Identifier: BSD-2-Clause
/*
 * test_provider.c - what a domain of udmc promises, on the domain named.
 *
 *	test_provider [--domain NAME] [--ipv6]
 *
 * The same list runs on udp-lo, on any interface and on a verbs device; where
 * a promise holds for one kind only, the test says so and is counted as
 * skipped.  The provider is called directly, as libmsg does.
 *
 * Neighbours: node.h; plugin.sh tests the same code as a plug-in.
 */
#include <check.h>
#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check_main.h"
#include "node.h"
#include "udmc.h"

static const struct node_options plain;

/* -------------------------------------------------------------- unicast -- */

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
	node_quiet(&b, b.cq);
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
	node_quiet(&a, a.cq);
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

START_TEST(too_long_is_refused)
{
	struct node a;
	size_t max;
	unsigned char *big;
	struct fid_mr *mr;
	fi_addr_t self;

	node_open(&a, plain);
	max = a.info->ep_attr->max_msg_size;
	self = node_know(&a, &a);
	big = calloc(1, max + 1);
	ck_assert_int_eq(fi_mr_reg(a.domain, big, max + 1, FI_SEND | FI_RECV,
			0, 0, 0, &mr, NULL), 0);
	ck_assert_int_eq(fi_send(a.ep, big, max + 1, fi_mr_desc(mr), self,
			NULL), -FI_EMSGSIZE);
	node_quiet(&a, a.cq);
	fi_close(&mr->fid);
	free(big);
	node_close(&a);
}
END_TEST

START_TEST(the_longest_arrives)
{
	struct fi_cq_data_entry entry;
	struct node a;
	size_t max;
	unsigned char *big;
	struct fid_mr *mr;

	node_open(&a, plain);
	max = a.info->ep_attr->max_msg_size;
	big = calloc(2, max);
	fill(big, max, 5);
	ck_assert_int_eq(fi_mr_reg(a.domain, big, 2 * max, FI_SEND | FI_RECV,
			0, 0, 0, &mr, NULL), 0);
	ck_assert_int_eq(fi_recv(a.ep, big + max, max, fi_mr_desc(mr), 0,
			NULL), 0);
	ck_assert_int_eq(fi_send(a.ep, big, max, fi_mr_desc(mr),
			node_know(&a, &a), NULL), 0);
	do {
		node_wait(&a, a.cq, &entry);
	} while (!(entry.flags & FI_RECV));
	ck_assert_uint_eq(entry.len, max);
	ck_assert(filled(big + max, max, 5));
	/* The device may complete the send after the receive. */
	ck_assert_int_eq(fi_close(&a.ep->fid), 0);
	fi_close(&mr->fid);
	free(big);
	ck_assert_int_eq(fi_endpoint(a.domain, a.info, &a.ep, NULL), 0);
	node_close(&a);
}
END_TEST

START_TEST(what_does_not_fit_is_an_error)
{
	struct fi_cq_err_entry error;
	struct fi_cq_data_entry entry;
	struct node a;
	fi_addr_t self;
	ssize_t n;

	if (!on_udp())
		CHECK_SKIP("a device may drop what does not fit");
	node_open(&a, (struct node_options){.split = true});
	self = node_know(&a, &a);
	node_post(&a, 0, 100);
	node_post(&a, 1, 100);
	fill(slot(&a, 2), 101, 3);
	ck_assert_int_eq(node_send(&a, 2, 101, self), 0);
	ck_assert_int_eq(node_send(&a, 2, 100, self), 0);
	while ((n = fi_cq_read(a.rx_cq, &entry, 1)) == -FI_EAGAIN)
		nodes_progress();
	ck_assert_int_eq(n, -FI_EAVAIL);
	ck_assert_int_eq(fi_cq_read(a.rx_cq, &entry, 1), -FI_EAVAIL);
	memset(&error, 0, sizeof(error));
	ck_assert_int_eq(fi_cq_readerr(a.rx_cq, &error, 0), 1);
	ck_assert_int_eq(error.err, FI_ETRUNC);
	ck_assert_uint_eq(error.olen, 1);
	ck_assert_uint_eq(error.len, 100);
	ck_assert_ptr_eq(error.op_context, slot(&a, 0));
	ck_assert_ptr_nonnull(fi_cq_strerror(a.rx_cq, error.prov_errno, NULL,
			NULL, 0));
	ck_assert_uint_eq(slot(&a, 0)[100], 0xee);
	ck_assert_int_eq(fi_cq_readerr(a.rx_cq, &error, 0), -FI_EAGAIN);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_uint_eq(entry.len, 100);
	ck_assert(filled(slot(&a, 1), 100, 3));
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

/* ------------------------------------------------------------ multicast -- */

START_TEST(a_multicast_reaches_every_member_once)
{
	struct fi_cq_data_entry entry;
	struct node tx, rx[3];
	struct fid_mc *out, *in[3];

	node_open(&tx, plain);
	out = node_join(&tx, 0, FI_SEND);
	for (unsigned int i = 0; i < 3; i++) {
		node_open(&rx[i], plain);
		in[i] = node_join(&rx[i], 0, i == 0 ? FI_RECV : 0);
		for (unsigned int k = 0; k < 30; k++)
			node_post(&rx[i], k, 512);
	}
	for (unsigned int k = 0; k < 20; k++) {
		fill(slot(&tx, k), 200 + k, k);
		ck_assert_int_eq(node_send(&tx, k, 200 + k, fi_mc_addr(out)),
				0);
		node_wait(&tx, tx.cq, &entry);
	}
	for (unsigned int i = 0; i < 3; i++) {
		for (unsigned int k = 0; k < 20; k++) {
			node_wait(&rx[i], rx[i].cq, &entry);
			ck_assert_ptr_eq(entry.op_context, slot(&rx[i], k));
			ck_assert_uint_eq(entry.len, 200 + k);
			ck_assert(filled(slot(&rx[i], k), 200 + k, k));
		}
		node_quiet(&rx[i], rx[i].cq);
	}
	fi_close(&out->fid);
	node_close(&tx);
	for (unsigned int i = 0; i < 3; i++) {
		fi_close(&in[i]->fid);
		node_close(&rx[i]);
	}
}
END_TEST

START_TEST(a_full_member_hears_itself_and_a_sender_does_not)
{
	struct node_options o = {.split = true, .tx_op_flags = FI_MULTICAST};
	struct fi_cq_data_entry entry;
	struct fid_mc *full, *send;
	struct node a, b;

	node_open(&a, o);
	node_open(&b, o);
	full = node_join(&a, 1, 0);
	send = node_join(&b, 1, FI_SEND);
	node_post(&a, 0, 64);
	node_post(&a, 1, 64);
	node_post(&b, 0, 64);
	ck_assert_int_eq(node_send(&a, 5, 33, fi_mc_addr(full)), 0);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_uint_eq(entry.len, 33);
	ck_assert_int_eq(node_send(&b, 5, 44, fi_mc_addr(send)), 0);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert_uint_eq(entry.len, 44);
	node_quiet(&b, b.rx_cq);
	fi_close(&full->fid);
	fi_close(&send->fid);
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(who_left_hears_nothing_and_cannot_send)
{
	struct fi_cq_data_entry entry;
	struct fid_mc *in, *out;
	fi_addr_t stale;
	struct node a, b;

	node_open(&a, plain);
	node_open(&b, plain);
	out = node_join(&a, 2, FI_SEND);
	for (int round = 0; round < 3; round++) {
		in = node_join(&b, 2, 0);
		node_post(&b, 0, 64);
		ck_assert_int_eq(node_send(&a, 0, 20, fi_mc_addr(out)), 0);
		node_wait(&a, a.cq, &entry);
		node_wait(&b, b.cq, &entry);
		stale = fi_mc_addr(in);
		ck_assert_int_eq(fi_close(&in->fid), 0);
		ck_assert_int_eq(node_send(&b, 0, 20, stale), -FI_EINVAL);
	}
	node_post(&b, 0, 64);
	ck_assert_int_eq(node_send(&a, 0, 20, fi_mc_addr(out)), 0);
	node_quiet(&b, b.cq);
	fi_close(&out->fid);
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(groups_of_one_port_are_kept_apart)
{
	struct fi_cq_data_entry entry;
	struct fid_mc *in1, *in2, *out1, *out2, *out3;
	struct node tx, a, b;

	node_open(&tx, (struct node_options){.split = true});
	node_open(&a, plain);
	node_open(&b, plain);
	out1 = node_join(&tx, 3, FI_SEND);
	out2 = node_join(&tx, 4, FI_SEND);
	out3 = node_join(&tx, 5, FI_SEND);
	in1 = node_join(&a, 3, 0);
	in2 = node_join(&b, 4, 0);
	for (size_t i = 0; i < 4; i++) {
		node_post(&a, i, 64);
		node_post(&b, i, 64);
	}
	ck_assert_int_eq(node_send(&tx, 0, 11, fi_mc_addr(out1)), 0);
	ck_assert_int_eq(node_send(&tx, 0, 22, fi_mc_addr(out2)), 0);
	ck_assert_int_eq(node_send(&tx, 0, 33, fi_mc_addr(out3)), 0);
	node_wait(&a, a.cq, &entry);
	ck_assert_uint_eq(entry.len, 11);
	node_wait(&b, b.cq, &entry);
	ck_assert_uint_eq(entry.len, 22);
	node_quiet(&a, a.cq);
	node_quiet(&b, b.cq);
	fi_close(&in1->fid);
	fi_close(&in2->fid);
	fi_close(&out1->fid);
	fi_close(&out2->fid);
	fi_close(&out3->fid);
	node_close(&tx);
	node_close(&a);
	node_close(&b);
}
END_TEST

START_TEST(more_groups_than_a_socket_takes)
{
	enum { GROUPS = 45 };
	struct fid_mc *in[GROUPS], *out[GROUPS];
	struct fi_cq_data_entry entry;
	struct fi_udmc_stats stats;
	struct fi_udmc_ops_ep *ops;
	struct node tx, rx;

	node_open(&tx, (struct node_options){.split = true});
	node_open(&rx, plain);
	for (unsigned int i = 0; i < GROUPS; i++) {
		in[i] = node_join(&rx, 100 + i, 0);
		out[i] = node_join(&tx, 100 + i, FI_SEND);
		node_post(&rx, i, 64);
	}
	ck_assert_int_eq(fi_open_ops(&rx.ep->fid, FI_UDMC_EP_OPS, 0,
			(void **)&ops, NULL), 0);
	ck_assert_int_eq(ops->stats(rx.ep, &stats, sizeof(stats)), 0);
	ck_assert_uint_eq(stats.groups, GROUPS);
	/* The main one, and for IPv4 one for each 20 groups. */
	if (on_udp())
		ck_assert_uint_eq(stats.sockets, on_ipv6() ? 2 : 4);
	for (unsigned int i = 0; i < GROUPS; i++) {
		ck_assert_int_eq(node_send(&tx, 0, i, fi_mc_addr(out[i])), 0);
		node_wait(&rx, rx.cq, &entry);
		ck_assert_uint_eq(entry.len, i);
		node_wait(&tx, tx.cq, &entry);
	}
	for (unsigned int i = 0; i < GROUPS; i++) {
		ck_assert_int_eq(fi_close(&in[i]->fid), 0);
		ck_assert_int_eq(fi_close(&out[i]->fid), 0);
	}
	ck_assert_int_eq(ops->stats(rx.ep, &stats, sizeof(stats)), 0);
	ck_assert_uint_eq(stats.groups, 0);
	ck_assert_uint_eq(stats.sockets, on_udp() ? 1 : 0);
	ck_assert_uint_eq(stats.rx_datagrams, GROUPS);
	node_close(&tx);
	node_close(&rx);
}
END_TEST

/* Two endpoints bound to one wildcard port, as two programs would be, and one
 * bound to the interface's address and the group's port. */
START_TEST(a_port_is_shared)
{
	struct fi_cq_data_entry entry;
	struct fid_mc *in[3], *out;
	union address any;
	struct node tx, rx[3];

	if (!on_udp())
		CHECK_SKIP("no ports here");
	node_open(&tx, plain);
	out = node_join(&tx, 6, FI_SEND);
	memset(&any, 0, sizeof(any));
	any.sa.sa_family = on_ipv6() ? AF_INET6 : AF_INET;
	any.in.sin_port = port(0);
	for (int i = 0; i < 3; i++) {
		struct node_options o = {.src = &any.sa,
			.src_bytes = tx.info->src_addrlen};

		if (i == 2) {
			memcpy(&any, tx.info->src_addr, o.src_bytes);
			any.in.sin_port = port(0);
		}
		node_open(&rx[i], o);
		in[i] = node_join(&rx[i], 6, 0);
		node_post(&rx[i], 0, 64);
		node_post(&rx[i], 1, 64);
	}
	ck_assert_int_eq(node_send(&tx, 0, 50, fi_mc_addr(out)), 0);
	for (int i = 0; i < 3; i++) {
		node_wait(&rx[i], rx[i].cq, &entry);
		ck_assert_uint_eq(entry.len, 50);
		node_quiet(&rx[i], rx[i].cq);
	}
	/* Unicast finds the one that is bound to the address. */
	ck_assert_int_eq(node_send(&tx, 0, 60, node_know(&tx, &rx[2])), 0);
	node_wait(&rx[2], rx[2].cq, &entry);
	ck_assert_uint_eq(entry.len, 60);
	node_quiet(&rx[0], rx[0].cq);
	node_quiet(&rx[1], rx[1].cq);
	for (int i = 0; i < 3; i++) {
		fi_close(&in[i]->fid);
		node_close(&rx[i]);
	}
	fi_close(&out->fid);
	node_close(&tx);
}
END_TEST

START_TEST(the_descriptor_tells_of_a_finished_join)
{
	union address g = group(7);
	struct fi_eq_entry entry;
	struct fid_mc *mc;
	struct pollfd fd = {.events = POLLIN};
	uint32_t event;
	struct node a;
	struct fid *fids[1];

	node_open(&a, plain);
	fids[0] = &a.eq->fid;
	ck_assert_int_eq(fi_control(&a.eq->fid, FI_GETWAIT, &fd.fd), 0);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	ck_assert_int_eq(fi_eq_read(a.eq, &event, &entry, sizeof(entry), 0),
			-FI_EAGAIN);
	ck_assert_int_eq(fi_join(a.ep, &g, 0, &mc, &a), 0);
	if (fi_trywait(a.fabric, fids, 1) == 0)
		ck_assert_int_eq(poll(&fd, 1, 5000), 1);
	ck_assert_int_eq(fi_eq_read(a.eq, &event, &entry, 4, FI_PEEK),
			-FI_ETOOSMALL);
	node_joined(&a, mc);
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	fi_close(&mc->fid);
	/* Left before its event was read: nothing may tell of it. */
	ck_assert_int_eq(fi_join(a.ep, &g, 0, &mc, &a), 0);
	fi_close(&mc->fid);
	ck_assert_int_eq(fi_eq_read(a.eq, &event, &entry, sizeof(entry), 0),
			-FI_EAGAIN);
	node_close(&a);
}
END_TEST

START_TEST(odd_joins_are_refused)
{
	union address g = group(8), bad = g;
	struct fid_mc *mc, *again;
	struct node a;

	node_open(&a, (struct node_options){.disabled = true});
	ck_assert_int_eq(fi_join(a.ep, &g, 0, &mc, NULL), -FI_EOPBADSTATE);
	ck_assert_int_eq(fi_enable(a.ep), 0);
	ck_assert_int_eq(fi_enable(a.ep), -FI_EOPBADSTATE);
	if (!on_ipv6()) {
		bad.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ck_assert_int_eq(fi_join(a.ep, &bad, 0, &mc, NULL),
				-FI_EINVAL);
	}
	bad.sa.sa_family = AF_UNIX;
	ck_assert_int_eq(fi_join(a.ep, &bad, 0, &mc, NULL), -FI_EINVAL);
	ck_assert_int_eq(fi_join(a.ep, &g, FI_MORE, &mc, NULL),
			-FI_EBADFLAGS);
	mc = node_join(&a, 8, 0);
	ck_assert_int_eq(fi_join(a.ep, &g, 0, &again, NULL), -FI_EADDRINUSE);
	ck_assert_int_eq(fi_close(&mc->fid), 0);
	node_close(&a);
}
END_TEST

START_TEST(time_to_live_and_loopback_are_set_per_endpoint)
{
	struct fi_cq_data_entry entry;
	struct node a, b;
	struct fid_mc *in, *out;
	int value = 7, got = 0;
	size_t bytes = sizeof(got), buffer = 1 << 20, granted = 0;

	node_open(&a, plain);
	node_open(&b, plain);
	ck_assert_int_eq(fi_getopt(&a.ep->fid, FI_OPT_ENDPOINT,
			FI_OPT_UDMC_TTL, &got, &bytes), 0);
	ck_assert_int_eq(got, 1);
	ck_assert_int_eq(fi_setopt(&a.ep->fid, FI_OPT_ENDPOINT,
			FI_OPT_UDMC_TTL, &value, sizeof(value)), 0);
	ck_assert_int_eq(fi_getopt(&a.ep->fid, FI_OPT_ENDPOINT,
			FI_OPT_UDMC_TTL, &got, &bytes), 0);
	ck_assert_int_eq(got, 7);
	value = 256;
	ck_assert_int_eq(fi_setopt(&a.ep->fid, FI_OPT_ENDPOINT,
			FI_OPT_UDMC_TTL, &value, sizeof(value)), -FI_EINVAL);
	in = node_join(&b, 9, 0);
	out = node_join(&a, 9, FI_SEND);
	node_post(&b, 0, 64);
	value = 0;
	if (!on_udp()) {
		ck_assert_int_eq(fi_setopt(&a.ep->fid, FI_OPT_ENDPOINT,
				FI_OPT_UDMC_LOOPBACK, &value, sizeof(value)),
				-FI_ENOPROTOOPT);
	} else {
		ck_assert_int_eq(fi_setopt(&a.ep->fid, FI_OPT_ENDPOINT,
				FI_OPT_UDMC_RCVBUF, &buffer, sizeof(buffer)),
				0);
		bytes = sizeof(granted);
		ck_assert_int_eq(fi_getopt(&a.ep->fid, FI_OPT_ENDPOINT,
				FI_OPT_UDMC_RCVBUF, &granted, &bytes), 0);
		ck_assert_uint_gt(granted, 0);
		ck_assert_uint_le(granted, buffer);
		ck_assert_int_eq(fi_setopt(&a.ep->fid, FI_OPT_ENDPOINT,
				FI_OPT_UDMC_LOOPBACK, &value, sizeof(value)),
				0);
		ck_assert_int_eq(node_send(&a, 0, 10, fi_mc_addr(out)), 0);
		/* The loopback interface has only this way to deliver. */
		if (strcmp(domain_name(), "udp-lo") != 0)
			node_quiet(&b, b.cq);
		value = 1;
		ck_assert_int_eq(fi_setopt(&a.ep->fid, FI_OPT_ENDPOINT,
				FI_OPT_UDMC_LOOPBACK, &value, sizeof(value)),
				0);
	}
	node_post(&b, 1, 64);
	ck_assert_int_eq(node_send(&a, 0, 12, fi_mc_addr(out)), 0);
	do {
		node_wait(&b, b.cq, &entry);
	} while (entry.len != 12);
	fi_close(&in->fid);
	fi_close(&out->fid);
	node_close(&a);
	node_close(&b);
}
END_TEST

/* --------------------------------------------------------------- queues -- */

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
	node_quiet(&a, a.cq);
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
	node_quiet(&a, a.cq);
	for (int i = 0; i < 3; i++)
		node_wait(&a, a.rx_cq, &entry);
	/* Many silent ones must not fill the queue for good. */
	for (int i = 0; i < 2000; i++)
		ck_assert_int_eq(node_send(&a, 9, 10, self), 0);
	node_close(&a);
}
END_TEST

struct talker {
	struct node node;
	struct node *to;
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

/* ---------------------------------------------------------- life times -- */

START_TEST(what_is_in_use_stays)
{
	struct fid_mc *mc;
	struct node a;

	node_open(&a, plain);
	mc = node_join(&a, 10, 0);
	ck_assert_int_eq(fi_close(&a.ep->fid), -FI_EBUSY);
	ck_assert_int_eq(fi_close(&mc->fid), 0);
	ck_assert_int_eq(fi_close(&a.cq->fid), -FI_EBUSY);
	ck_assert_int_eq(fi_close(&a.av->fid), -FI_EBUSY);
	ck_assert_int_eq(fi_close(&a.eq->fid), -FI_EBUSY);
	ck_assert_int_eq(fi_close(&a.domain->fid), -FI_EBUSY);
	ck_assert_int_eq(fi_close(&a.fabric->fid), -FI_EBUSY);
	node_close(&a);
}
END_TEST

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

START_TEST(closing_leaves_nothing_behind)
{
	struct fid_mc *mc, *out;
	struct node a;
	int before = 0;

	for (int i = 0; i < (on_udp() ? 50 : 4); i++) {
		node_open(&a, plain);
		mc = node_join(&a, 11, 0);
		out = node_join(&a, 12, FI_SEND);
		/* Things under way are no excuse. */
		node_post(&a, 0, 64);
		ck_assert_int_eq(node_send(&a, 1, 20, fi_mc_addr(out)), 0);
		fi_close(&out->fid);
		fi_close(&mc->fid);
		node_close(&a);
		if (i == 1) /* Libraries keep what the first opened. */
			before = open_files();
	}
	ck_assert_int_eq(open_files(), before);
}
END_TEST

START_TEST(calls_out_of_turn_are_refused)
{
	struct node a;
	uint64_t flags = FI_TRANSMIT;
	int fd;

	node_open(&a, (struct node_options){.disabled = true});
	ck_assert_int_eq(fi_send(a.ep, slot(&a, 0), 1, a.desc, 0, NULL),
			-FI_EOPBADSTATE);
	ck_assert_int_eq(fi_recv(a.ep, slot(&a, 0), 1, a.desc, 0, NULL),
			-FI_EOPBADSTATE);
	ck_assert_int_eq(fi_enable(a.ep), 0);
	ck_assert_int_eq(fi_ep_bind(a.ep, &a.cq->fid, FI_SEND),
			-FI_EOPBADSTATE);
	ck_assert_int_eq(fi_send(a.ep, slot(&a, 0), 1, a.desc, 0, NULL),
			-FI_EINVAL);
	ck_assert_int_eq(fi_send(a.ep, slot(&a, 0), 1, a.desc, FI_ADDR_UNSPEC,
			NULL), -FI_EINVAL);
	ck_assert_int_eq(fi_senddata(a.ep, slot(&a, 0), 1, a.desc, 7, 0, NULL),
			-FI_ENOSYS);
	ck_assert_int_eq(fi_control(&a.ep->fid, FI_GETOPSFLAG, &flags), 0);
	ck_assert_uint_eq(flags, FI_COMPLETION);
	ck_assert_int_eq(fi_control(&a.ep->fid, FI_GETWAIT, &fd), -FI_ENOSYS);
	node_close(&a);
}
END_TEST

START_TEST(addresses_have_numbers)
{
	for (int type = FI_AV_MAP; type <= FI_AV_TABLE; type++) {
		struct node_options o = {.av_type = (enum fi_av_type)type};
		union address addr, back;
		size_t bytes = sizeof(addr), back_bytes = sizeof(back);
		fi_addr_t to[3], again;
		char text[128];
		size_t text_bytes = sizeof(text);
		struct node a;

		node_open(&a, o);
		ck_assert_int_eq(a.info->domain_attr->av_type, type);
		ck_assert_int_eq(fi_getname(&a.ep->fid, &addr, &bytes), 0);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(fi_av_insert(a.av, &addr, 1, &to[i],
					0, NULL), 1);
		if (type == FI_AV_TABLE)
			ck_assert_uint_eq(to[2], 2);
		ck_assert_int_eq(fi_av_lookup(a.av, to[1], &back,
				&back_bytes), 0);
		ck_assert_uint_eq(back_bytes, bytes);
		ck_assert_mem_eq(&back, &addr, bytes);
		ck_assert_ptr_eq(fi_av_straddr(a.av, &addr, text,
				&text_bytes), text);
		ck_assert_uint_eq(text_bytes, strlen(text) + 1);
		ck_assert_int_eq(fi_av_remove(a.av, &to[1], 1, 0), 0);
		ck_assert_int_eq(fi_av_remove(a.av, &to[1], 1, 0),
				-FI_EINVAL);
		ck_assert_int_eq(fi_av_lookup(a.av, to[1], &back,
				&back_bytes), -FI_EINVAL);
		ck_assert_int_eq(node_send(&a, 0, 1, to[1]), -FI_EINVAL);
		ck_assert_int_eq(fi_av_insert(a.av, &addr, 1, &again, 0,
				NULL), 1);
		ck_assert_uint_eq(again, to[1]);
		/* An address that is none. */
		memset(&addr, 0, sizeof(addr));
		ck_assert_int_eq(fi_av_insert(a.av, &addr, 1, &again, 0,
				NULL), 0);
		ck_assert_uint_eq(again, FI_ADDR_NOTAVAIL);
		node_close(&a);
	}
}
END_TEST

START_TEST(many_addresses_fit)
{
	struct node a;
	union address addr;
	size_t bytes = sizeof(addr);
	fi_addr_t to;

	if (!on_udp())
		CHECK_SKIP("address handles are the device's to count");
	node_open(&a, plain);
	ck_assert_int_eq(fi_getname(&a.ep->fid, &addr, &bytes), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		addr.in.sin_port = htons((in_port_t)(i + 1));
		ck_assert_int_eq(fi_av_insert(a.av, &addr, 1, &to, 0, NULL), 1);
		ck_assert_uint_eq(to, i);
	}
	node_close(&a);
}
END_TEST

START_TEST(shared_memory_is_received_into)
{
	struct fi_cq_data_entry entry;
	unsigned char *rw, *ro;
	struct fid_mr *mr;
	struct node a;
	int fd = memfd_create("pool", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 65536), 0);
	rw = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(rw, MAP_FAILED);
	node_open(&a, (struct node_options){.split = true});
	ck_assert_int_eq(fi_mr_reg(a.domain, rw, 65536, FI_SEND | FI_RECV, 0,
			0, 0, &mr, NULL), 0);
	ro = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert_ptr_ne(ro, MAP_FAILED);
	ck_assert_int_eq(fi_recv(a.ep, rw + 12345, 700, fi_mr_desc(mr), 0,
			NULL), 0);
	fill(slot(&a, 0), 700, 77);
	ck_assert_int_eq(node_send(&a, 0, 700, node_know(&a, &a)), 0);
	node_wait(&a, a.rx_cq, &entry);
	ck_assert(filled(ro + 12345, 700, 77));
	node_wait(&a, a.cq, &entry);
	fi_close(&mr->fid);
	node_close(&a);
	munmap(ro, 65536);
	munmap(rw, 65536);
	close(fd);
}
END_TEST

/* -------------------------------------------------------------- getinfo -- */

static int with(void (*change)(struct fi_info *))
{
	struct fi_info *hints = hints_new(), *info = NULL;
	int ret;

	change(hints);
	ret = getinfo(hints, &info);
	fi_freeinfo(hints);
	if (!ret)
		fi_freeinfo(info);
	return ret;
}

static void nothing(struct fi_info *h)
{
	(void)h;
}

static void connected(struct fi_info *h)
{
	h->ep_attr->type = FI_EP_MSG;
}

static void reliable(struct fi_info *h)
{
	h->ep_attr->type = FI_EP_RDM;
}

static void remote_memory(struct fi_info *h)
{
	h->caps |= FI_RMA;
}

static void locked(struct fi_info *h)
{
	h->domain_attr->threading = FI_THREAD_SAFE;
}

static void by_itself(struct fi_info *h)
{
	h->domain_attr->data_progress = FI_PROGRESS_AUTO;
}

static void ordered(struct fi_info *h)
{
	h->tx_attr->msg_order = FI_ORDER_SAS;
}

static void too_big(struct fi_info *h)
{
	h->ep_attr->max_msg_size = 1 << 20;
}

static void elsewhere(struct fi_info *h)
{
	free(h->domain_attr->name);
	h->domain_attr->name = strdup("nowhere0");
}

static void other_provider(struct fi_info *h)
{
	h->fabric_attr->prov_name = strdup("verbs");
}

static void this_provider(struct fi_info *h)
{
	h->fabric_attr->prov_name = strdup("udmc");
}

static void serialized(struct fi_info *h)
{
	h->domain_attr->threading = FI_THREAD_DOMAIN;
}

static void unregistered(struct fi_info *h)
{
	h->domain_attr->mr_mode = 0;
}

static void odd_address(struct fi_info *h)
{
	h->src_addr = calloc(1, 3);
	h->src_addrlen = 3;
}

START_TEST(hints_are_met_or_refused)
{
	ck_assert_int_eq(with(nothing), 0);
	ck_assert_int_eq(with(this_provider), 0);
	ck_assert_int_eq(with(serialized), 0);
	ck_assert_int_eq(with(connected), -FI_ENODATA);
	ck_assert_int_eq(with(reliable), -FI_ENODATA);
	ck_assert_int_eq(with(remote_memory), -FI_ENODATA);
	ck_assert_int_eq(with(locked), -FI_ENODATA);
	ck_assert_int_eq(with(by_itself), -FI_ENODATA);
	ck_assert_int_eq(with(ordered), -FI_ENODATA);
	ck_assert_int_eq(with(too_big), -FI_ENODATA);
	ck_assert_int_eq(with(elsewhere), -FI_ENODATA);
	ck_assert_int_eq(with(other_provider), -FI_ENODATA);
	ck_assert_int_eq(with(odd_address), -FI_ENODATA);
	ck_assert_int_eq(with(unregistered), on_udp() ? 0 : -FI_ENODATA);
}
END_TEST

START_TEST(addresses_choose_the_device)
{
	struct fi_provider *p = udmc_provider();
	struct fi_info *info, *list;
	int found = 0;

	if (!on_udp())
		CHECK_SKIP("the rules of IP addresses, tested on UDP");
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), "127.0.0.1", "7471",
			FI_SOURCE, NULL, &info), 0);
	ck_assert_str_eq(info->domain_attr->name, "udp-lo");
	ck_assert_ptr_null(info->next);
	ck_assert_uint_eq(((struct sockaddr_in *)info->src_addr)->sin_port,
			htons(7471));
	ck_assert_str_eq(info->fabric_attr->prov_name, "udmc");
	fi_freeinfo(info);
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), "239.1.2.3", "7471", 0,
			NULL, &list), 0);
	for (info = list; info; info = info->next) {
		const struct sockaddr_in *dest = info->dest_addr;

		ck_assert_uint_eq(dest->sin_addr.s_addr, htonl(0xef010203));
		found += strcmp(info->domain_attr->name, "udp-lo") == 0;
	}
	fi_freeinfo(list);
	ck_assert_int_eq(found, 1);
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), "239.1.2.3", "7471",
			FI_SOURCE, NULL, &info), -FI_ENODATA);
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), NULL, NULL, 0, NULL,
			&info), 0);
	fi_freeinfo(info);
}
END_TEST

/* Raw datagrams of every length, among them some that do not fit: each takes
 * one posted receive, and no byte outside it changes. */
START_TEST(a_stranger_cannot_do_harm)
{
	unsigned int seed = (unsigned int)check_seed();
	struct fi_cq_err_entry error;
	struct fi_cq_data_entry entry;
	unsigned char *out = calloc(1, 65536);
	union address to;
	size_t bytes = sizeof(to);
	struct node a;
	int fd;

	if (!on_udp())
		CHECK_SKIP("raw datagrams are sent through a socket");
	node_open(&a, plain);
	ck_assert_int_eq(fi_getname(&a.ep->fid, &to, &bytes), 0);
	fd = socket(to.sa.sa_family, SOCK_DGRAM, 0);
	ck_assert_int_ge(fd, 0);
	for (unsigned int i = 0; i < 2000; i++) {
		size_t room = (size_t)rand_r(&seed) % 2048;
		size_t len = i % 50 == 0 ? 60000 :
				(size_t)rand_r(&seed) % 3000;
		ssize_t n;

		if (len > a.info->ep_attr->max_msg_size)
			len = a.info->ep_attr->max_msg_size;
		node_post(&a, 5, room);
		ck_assert_int_eq(sendto(fd, out, len, 0, &to.sa,
				(socklen_t)bytes), (ssize_t)len);
		while ((n = fi_cq_read(a.cq, &entry, 1)) == -FI_EAGAIN)
			nodes_progress();
		if (n == -FI_EAVAIL) {
			ck_assert_int_eq(fi_cq_readerr(a.cq, &error, 0), 1);
			ck_assert_uint_gt(len, room);
			ck_assert_uint_eq(error.len + error.olen, len);
		} else {
			ck_assert_uint_le(len, room);
			ck_assert_uint_eq(entry.len, len);
		}
		ck_assert_uint_eq(slot(&a, 5)[len < room ? len : room], 0xee);
		ck_assert_uint_eq(slot(&a, 6)[0], 0);
	}
	close(fd);
	free(out);
	node_close(&a);
}
END_TEST

/* --------------------------------------------------------------- suites -- */

static void add_unicast(Suite *suite)
{
	TCase *c = check_case(suite, "unicast", 60);

	tcase_add_test(c, a_datagram_lands_where_it_was_posted);
	tcase_add_test(c, separate_queues_for_each_side);
	tcase_add_test(c, the_sender_is_known_by_its_number);
	tcase_add_test(c, pieces_are_gathered_and_scattered);
	tcase_add_test(c, an_injected_buffer_is_free_at_once);
	tcase_add_test(c, a_train_arrives_whole_and_in_order);
	tcase_add_test(c, a_train_left_open_goes_with_the_next_read);
	tcase_add_test(c, too_long_is_refused);
	tcase_add_test(c, the_longest_arrives);
	tcase_add_test(c, what_does_not_fit_is_an_error);
	tcase_add_test(c, an_empty_datagram_is_a_datagram);
	tcase_add_test(c, a_stranger_cannot_do_harm);
}

static void add_multicast(Suite *suite)
{
	TCase *c = check_case(suite, "multicast", 60);

	tcase_add_test(c, a_multicast_reaches_every_member_once);
	tcase_add_test(c, a_full_member_hears_itself_and_a_sender_does_not);
	tcase_add_test(c, who_left_hears_nothing_and_cannot_send);
	tcase_add_test(c, groups_of_one_port_are_kept_apart);
	tcase_add_test(c, more_groups_than_a_socket_takes);
	tcase_add_test(c, a_port_is_shared);
	tcase_add_test(c, the_descriptor_tells_of_a_finished_join);
	tcase_add_test(c, odd_joins_are_refused);
	tcase_add_test(c, time_to_live_and_loopback_are_set_per_endpoint);
}

static void add_queues(Suite *suite)
{
	TCase *c = check_case(suite, "queues", 60);

	tcase_add_test(c, a_small_queue_loses_nothing);
	tcase_add_test(c, full_queues_say_again);
	tcase_add_test(c, completions_come_in_the_format_asked_for);
	tcase_add_test(c, successes_are_silent_unless_asked_for);
	tcase_add_test(c, a_sleeper_misses_no_wake_up);
	tcase_add_test(c, blocking_reads_wait_time_out_and_are_signalled);
	tcase_add_test(c, nothing_posted_is_no_reason_to_wake);
	tcase_add_test(c, a_queue_without_descriptor_has_none);
	tcase_add_test(c, a_receive_is_taken_back);
}

static void add_objects(Suite *suite)
{
	TCase *c = check_case(suite, "objects", 60);

	tcase_add_test(c, what_is_in_use_stays);
	tcase_add_test(c, closing_leaves_nothing_behind);
	tcase_add_test(c, calls_out_of_turn_are_refused);
	tcase_add_test(c, addresses_have_numbers);
	tcase_add_test(c, many_addresses_fit);
	tcase_add_test(c, shared_memory_is_received_into);
	tcase_add_test(c, hints_are_met_or_refused);
	tcase_add_test(c, addresses_choose_the_device);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("provider");
	struct fi_info *hints, *info;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--domain") == 0 && i + 1 < argc) {
			setenv("UDMC_DOMAIN", argv[++i], 1);
		} else if (strcmp(argv[i], "--ipv6") == 0) {
			setenv("UDMC_IPV6", "1", 1);
		} else {
			fprintf(stderr, "usage: %s [--domain NAME] [--ipv6]\n",
					argv[0]);
			return 2;
		}
	}
	hints = hints_new();
	if (getinfo(hints, &info)) {
		printf("SKIP all: no domain %s%s on this machine\n",
				domain_name(), on_ipv6() ? " with IPv6" : "");
		return CHECK_EXIT_SKIPPED;
	}
	fi_freeinfo(info);
	fi_freeinfo(hints);
	add_unicast(suite);
	add_multicast(suite);
	add_queues(suite);
	add_objects(suite);
	return check_main(suite, NULL);
}
