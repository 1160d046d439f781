// SPDX-License-Identifier: BSD-2-Clause
/*
 * life.c - what may be called and closed when, and that closing leaves nothing.
 */
#include <check.h>
#include <dirent.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

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

void add_life(Suite *suite)
{
	TCase *c = check_case(suite, "life", 60);

	tcase_add_test(c, what_is_in_use_stays);
	tcase_add_test(c, closing_leaves_nothing_behind);
	tcase_add_test(c, calls_out_of_turn_are_refused);
}
