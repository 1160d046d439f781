/* SPDX-License-Identifier: BSD-2-Clause */
/* test_groups.c - see libmsg/topic/groups.h. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "check_main.h"
#include "topic/groups.h"

static const char *address(const struct msg_groups *groups, uint32_t index)
{
	static char text[INET6_ADDRSTRLEN];
	struct sockaddr_storage at;
	const struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
	const struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;

	msg_groups_address(groups, index, &at);
	if (at.ss_family == AF_INET) {
		ck_assert_uint_eq(ntohs(v4->sin_port), 7400);
		inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
	} else {
		ck_assert_uint_eq(ntohs(v6->sin6_port), 7400);
		inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
	}
	return text;
}

START_TEST(ranges_count_on_from_their_first_address)
{
	static const struct {
		const char *text;
		uint32_t count;
		uint32_t index;
		const char *address;
	} table[] = {
		{MSG_GROUPS_DEFAULT, 64, 0, "239.255.77.0"},
		{MSG_GROUPS_DEFAULT, 64, 63, "239.255.77.63"},
		{"239.0.0.250+4096", 4096, 10, "239.0.1.4"},
		{"239.0.0.250+4096", 4096, 4095, "239.0.16.249"},
		{"224.0.0.1+1", 1, 0, "224.0.0.1"},
		{"239.255.255.255+1", 1, 0, "239.255.255.255"},
		{"ff15::4d00+64", 64, 0, "ff15::4d00"},
		{"ff15::4dff+2", 2, 1, "ff15::4e00"},
		{"ff15::fffe+3", 3, 2, "ff15::1:0"},
		{"ff15::ffff:fffe+2", 2, 1, "ff15::ffff:ffff"},
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct msg_groups groups;

		ck_assert_msg(msg_groups_parse(&groups, table[i].text, 7400) ==
				0, "%s: %s", table[i].text, msg_trail_text());
		ck_assert_uint_eq(groups.count, table[i].count);
		ck_assert_str_eq(
			address(&groups, table[i].index), table[i].address);
	}
}
END_TEST

START_TEST(other_texts_are_refused_and_nothing_is_written)
{
	static const char *const table[] = {"", "+", "+1", "239.0.0.1",
		"239.0.0.1+", "239.0.0.1+0", "239.0.0.1+4097", "239.0.0.1+ 1",
		"239.0.0.1+-1", "239.0.0.1++1", "239.0.0.1+1x", "239.0.0.1 +1",
		"239.0.0.1+18446744073709551617", "223.255.255.255+2",
		"10.0.0.1+1", "240.0.0.1+1", "239.255.255.255+2",
		"239.255.255.0+257", "239.0.0+1", "::1+1", "fe80::1+1",
		"ff15::ffff:ffff+2", "ff15::1%lo+1", "name+1",
		"1234567890123456789012345678901234567890123456789012+1"};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct msg_groups groups, before;

		memset(&groups, 0x5a, sizeof groups);
		before = groups;
		ck_assert_msg(msg_groups_parse(&groups, table[i], 7400) ==
				-MSG_ERROR_ARGUMENT, "'%s' was taken", table[i]);
		ck_assert_mem_eq(&groups, &before, sizeof groups);
		ck_assert_ptr_nonnull(strstr(msg_trail_text(), table[i]));
		ck_assert_ptr_nonnull(
			strstr(msg_trail_text(), MSG_GROUPS_DEFAULT));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("groups");
	TCase *groups = check_case(suite, "groups", 10);

	tcase_add_test(groups, ranges_count_on_from_their_first_address);
	tcase_add_test(groups, other_texts_are_refused_and_nothing_is_written);
	return check_main(suite, NULL);
}
