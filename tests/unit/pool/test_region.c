/* SPDX-License-Identifier: BSD-2-Clause */
/* test_region.c - see libmsg/pool/region.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "check_main.h"
#include "pool/region.h"

START_TEST(memory_is_there_zeroed_and_page_aligned)
{
	size_t sizes[] = {1, 4095, 4096, 4097, 3u << 20};

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct msg_region region;
		unsigned char resident[1024];
		unsigned char any = 0;
		size_t pages;

		ck_assert_int_eq(msg_region_open(&region, sizes[i]), 0);
		ck_assert_uint_ge(region.bytes, sizes[i]);
		ck_assert_uint_eq((uintptr_t)region.base % 4096, 0);
		pages = region.bytes / 4096;
		ck_assert_uint_le(pages, sizeof resident);
		ck_assert_int_eq(
			mincore(region.base, region.bytes, resident), 0);
		for (size_t k = 0; k < pages; k++)
			ck_assert_msg(resident[k] & 1,
				"page %zu of %zu is not faulted in", k, pages);
		/* One assertion for all: each writes to Check's pipe. */
		for (size_t k = 0; k < region.bytes; k++)
			any |= region.base[k];
		ck_assert_uint_eq(any, 0);
		msg_region_close(&region);
		ck_assert_ptr_null(region.base);
		msg_region_close(&region);
	}
}
END_TEST

START_TEST(too_much_is_an_error_with_a_reason)
{
	struct rlimit limit = {0};
	struct msg_region region = {0};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	CHECK_SKIP("a sanitizer needs more address space than the limit");
#endif
	limit.rlim_cur = limit.rlim_max = 64u << 20;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	ck_assert_int_eq(msg_region_open(&region, (size_t)1 << 30),
		-MSG_ERROR_MEMORY);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "1073741824 bytes"));
	ck_assert_ptr_null(region.base);
}
END_TEST

START_TEST(strides_hold_their_slot_in_an_odd_number_of_lines)
{
	for (size_t bytes = 1; bytes < 70000; bytes += 13) {
		size_t stride = msg_region_stride(bytes);

		ck_assert_uint_ge(stride, bytes);
		ck_assert_uint_lt(stride, bytes + 128);
		ck_assert_uint_eq(stride % 128, 64);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("region");
	TCase *region = check_case(suite, "region", 10);

	tcase_add_test(region, memory_is_there_zeroed_and_page_aligned);
	tcase_add_test(region, too_much_is_an_error_with_a_reason);
	tcase_add_test(
		region, strides_hold_their_slot_in_an_odd_number_of_lines);
	return check_main(suite, NULL);
}
