// SPDX-License-Identifier: BSD-2-Clause
/*
 * limits.c - the longest datagram, one that is longer, and those of a stranger.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

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
	node_quiet(a.cq);
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

void add_limits(Suite *suite)
{
	TCase *c = check_case(suite, "limits", 60);

	tcase_add_test(c, too_long_is_refused);
	tcase_add_test(c, the_longest_arrives);
	tcase_add_test(c, what_does_not_fit_is_an_error);
	tcase_add_test(c, a_stranger_cannot_do_harm);
}
