// SPDX-License-Identifier: BSD-2-Clause
/*
 * join.c - joining a group and leaving it: the event, what is refused, and
 * that nothing comes or goes after leaving.
 */
#include <check.h>
#include <poll.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

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
	node_quiet(b.cq);
	fi_close(&out->fid);
	node_close(&a);
	node_close(&b);
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

void add_join(Suite *suite)
{
	TCase *c = check_case(suite, "join", 60);

	tcase_add_test(c, who_left_hears_nothing_and_cannot_send);
	tcase_add_test(c, the_descriptor_tells_of_a_finished_join);
	tcase_add_test(c, odd_joins_are_refused);
}
