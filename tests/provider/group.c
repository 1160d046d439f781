// SPDX-License-Identifier: BSD-2-Clause
/*
 * group.c - what is sent to a group: who hears it, how often and how far.
 */
#include <check.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

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
		node_quiet(rx[i].cq);
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
	node_quiet(b.rx_cq);
	fi_close(&full->fid);
	fi_close(&send->fid);
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
	node_quiet(a.cq);
	node_quiet(b.cq);
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
		node_quiet(rx[i].cq);
	}
	/* Unicast finds the one that is bound to the address. */
	ck_assert_int_eq(node_send(&tx, 0, 60, node_know(&tx, &rx[2])), 0);
	node_wait(&rx[2], rx[2].cq, &entry);
	ck_assert_uint_eq(entry.len, 60);
	node_quiet(rx[0].cq);
	node_quiet(rx[1].cq);
	for (int i = 0; i < 3; i++) {
		fi_close(&in[i]->fid);
		node_close(&rx[i]);
	}
	fi_close(&out->fid);
	node_close(&tx);
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
			node_quiet(b.cq);
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

void add_group(Suite *suite)
{
	TCase *c = check_case(suite, "group", 60);

	tcase_add_test(c, a_multicast_reaches_every_member_once);
	tcase_add_test(c, a_full_member_hears_itself_and_a_sender_does_not);
	tcase_add_test(c, groups_of_one_port_are_kept_apart);
	tcase_add_test(c, more_groups_than_a_socket_takes);
	tcase_add_test(c, a_port_is_shared);
	tcase_add_test(c, time_to_live_and_loopback_are_set_per_endpoint);
}
