// SPDX-License-Identifier: BSD-2-Clause
/*
 * memory.c - registered memory that other mappings share, as libmsg's pool is.
 */
#include <check.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"

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

void add_memory(Suite *suite)
{
	TCase *c = check_case(suite, "memory", 60);

	tcase_add_test(c, shared_memory_is_received_into);
}
