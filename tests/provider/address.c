// SPDX-License-Identifier: BSD-2-Clause
/*
 * address.c - the numbers an address vector gives.
 */
#include <check.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

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

#define ROUNDS 50u
#define TRAIN 8u

/* What was sent to it arrives, and what is sent behind that to others, too. */
START_TEST(who_is_sent_to_may_be_forgotten)
{
	struct fi_cq_data_entry done;
	struct node a, b, c;
	fi_addr_t to_c;

	node_open(&a, plain);
	node_open(&b, plain);
	node_open(&c, plain);
	to_c = node_know(&a, &c);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		fi_addr_t to_b = node_know(&a, &b);

		for (unsigned int i = 0; i < TRAIN; i++) {
			struct iovec iov = {slot(&a, i), 100};
			struct fi_msg msg = {
				.msg_iov = &iov,
				.desc = &a.desc,
				.iov_count = 1,
				.addr = to_b,
			};

			node_post(&b, i, SLOT_BYTES);
			ck_assert_int_eq(fi_sendmsg(a.ep, &msg,
					FI_COMPLETION |
					(_i == 0 || i + 1 < TRAIN ?
						FI_MORE : 0)), 0);
		}
		node_post(&c, 0, SLOT_BYTES);
		ck_assert_int_eq(fi_av_remove(a.av, &to_b, 1, 0), 0);
		ck_assert_int_eq(node_send(&a, TRAIN, 100, to_c), 0);
		for (unsigned int i = 0; i <= TRAIN; i++)
			node_wait(&a, a.cq, &done);
		for (unsigned int i = 0; i < TRAIN; i++)
			node_wait(&b, b.cq, &done);
		node_wait(&c, c.cq, &done);
	}
	node_close(&c);
	node_close(&b);
	node_close(&a);
}
END_TEST

void add_address(Suite *suite)
{
	TCase *c = check_case(suite, "address", 60);

	tcase_add_test(c, addresses_have_numbers);
	tcase_add_test(c, many_addresses_fit);
	tcase_add_loop_test(c, who_is_sent_to_may_be_forgotten, 0, 2);
}
