/* SPDX-License-Identifier: BSD-2-Clause */
/* test_session.c - the session page; see libmsg/link/shm/session.h. */
#include "link/shm/session.h"

#include <string.h>

#include "check_main.h"
#include "link/shm/segment.h"

static struct msg_session page;

START_TEST(the_page_is_laid_out_as_documented)
{
	memset(&page, 0, sizeof page);
	msg_session_start(&page, 0x0123456789abcdef, 77);
	ck_assert_mem_eq(&page,
		"msg-sess\1\0\0\0\115\0\0\0"
		"\xef\xcd\xab\x89\x67\x45\x23\x01",
		24);
	ck_assert_uint_eq(offsetof(struct msg_session, news), 64);
	ck_assert_uint_eq(offsetof(struct msg_session, left_out), 68);
	ck_assert_uint_eq(msg_session_news(&page), 0);
}
END_TEST

START_TEST(only_the_page_of_that_broker_is_good)
{
	memset(&page, 0, sizeof page);
	ck_assert(!msg_session_is_good(&page, 0));
	msg_session_start(&page, 5, 1);
	ck_assert(msg_session_is_good(&page, 5));
	ck_assert(!msg_session_is_good(&page, 6));
	page.version++;
	ck_assert(!msg_session_is_good(&page, 5));
	page.version--;
	page.magic ^= 1;
	ck_assert(!msg_session_is_good(&page, 5));
}
END_TEST

START_TEST(a_step_is_seen_through_a_sealed_map_and_wraps)
{
	struct msg_shm_segment ours = MSG_SHM_SEGMENT, theirs = MSG_SHM_SEGMENT;
	struct msg_session *session;

	ck_assert_int_eq(
		msg_shm_segment_create(&ours, "s", MSG_SESSION_BYTES, 0), 0);
	session = (struct msg_session *)(void *)ours.base;
	msg_session_start(session, 9, 1);
	ck_assert_int_eq(
		msg_shm_segment_seal(&ours, MSG_SHM_SEAL_READ_ONLY), 0);
	ck_assert_int_eq(msg_shm_segment_map_readonly(
				 &theirs, ours.fd, MSG_SESSION_BYTES),
		0);
	msg_session_leave_out(session);
	msg_session_leave_out(session);
	ck_assert_uint_eq(msg_session_left_out((void *)theirs.base), 2);
	ck_assert_uint_eq(msg_session_news((void *)theirs.base), 0);
	session->news = UINT32_MAX;
	ck_assert_uint_eq(msg_session_news((void *)theirs.base), UINT32_MAX);
	msg_session_step(session);
	ck_assert_uint_eq(msg_session_news((void *)theirs.base), 0);
	ck_assert(msg_session_is_good((void *)theirs.base, 9));
	msg_shm_segment_close(&theirs);
	msg_shm_segment_close(&ours);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *session = check_case(suite, "session", 10);

	tcase_add_test(session, the_page_is_laid_out_as_documented);
	tcase_add_test(session, only_the_page_of_that_broker_is_good);
	tcase_add_test(session, a_step_is_seen_through_a_sealed_map_and_wraps);
	return check_main(suite, NULL);
}
