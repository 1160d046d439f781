/* SPDX-License-Identifier: BSD-2-Clause */
/* test_peer.c - the kernel's word on who connected. */
#include "broker/peer.h"

#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/trail.h"

#include <msg/msg.h>

#include "check_main.h"

START_TEST(the_peer_of_a_pair_is_this_process)
{
	struct peer peer;
	int count = getgroups(0, NULL), pair[2];
	gid_t *groups = calloc((size_t)count + 1, sizeof *groups);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(peer_read(&peer, pair[0]), 0);
	ck_assert_int_eq(peer.pid, getpid());
	ck_assert_uint_eq(peer.uid, geteuid());
	ck_assert_uint_eq(peer.gid, getegid());
	ck_assert_int_eq(getgroups(count, groups), count);
	ck_assert_int_eq(peer.group_count, count + 1);
	ck_assert_uint_eq(peer.groups[0], getegid());
	ck_assert_mem_eq(
		peer.groups + 1, groups, sizeof *groups * (size_t)count);
	ck_assert_str_eq(peer.program, "");
	peer_drop(&peer);
	peer_drop(&peer);
	free(groups);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

START_TEST(many_groups_are_all_read)
{
	gid_t groups[1000];
	struct peer peer;
	int pair[2];

	if (geteuid() != 0)
		CHECK_SKIP("only root may set groups");
	for (unsigned i = 0; i < 1000; i++)
		groups[i] = 5000 + i;
	ck_assert_int_eq(setgroups(1000, groups), 0);
	ck_assert_int_eq(setegid(77), 0);
	ck_assert_int_eq(seteuid(4711), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	ck_assert_int_eq(peer_read(&peer, pair[0]), 0);
	ck_assert_uint_eq(peer.uid, 4711);
	ck_assert_int_eq(peer.group_count, 1001);
	ck_assert_uint_eq(peer.groups[0], 77);
	ck_assert_mem_eq(peer.groups + 1, groups, sizeof groups);
	peer_drop(&peer);
	/* A leak checker cannot look into a process that changed its user. */
	ck_assert_int_eq(seteuid(0), 0);
	prctl(PR_SET_DUMPABLE, 1);
}
END_TEST

START_TEST(what_is_no_connected_unix_socket_is_refused)
{
	const int fds[] = {socket(AF_UNIX, SOCK_STREAM, 0),
		socket(AF_INET, SOCK_STREAM, 0), open("/dev/null", O_RDONLY),
		-1};
	struct peer peer = {.pid = 7};

	for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
		ck_assert_int_eq(
			peer_read(&peer, fds[i]), -MSG_ERROR_ARGUMENT);
		ck_assert_ptr_nonnull(strstr(
			msg_trail_text(), "connect over a Unix socket"));
	}
	ck_assert_int_eq(peer.pid, 7);
}
END_TEST

START_TEST(a_program_name_is_cleaned_and_cut)
{
	struct peer peer = {0};
	char longest[200];

	peer_set_program(&peer, "a\033[31m\n\xff ok", 11);
	ck_assert_str_eq(peer.program, "a?[31m?? ok");
	memset(longest, 'x', sizeof longest);
	peer_set_program(&peer, longest, sizeof longest);
	ck_assert_uint_eq(strlen(peer.program), PEER_PROGRAM_BYTES - 1);
	peer_set_program(&peer, "a\0b", 3);
	ck_assert_str_eq(peer.program, "a?b");
	peer_set_program(&peer, "", 0);
	ck_assert_str_eq(peer.program, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("peer");
	TCase *tcase = check_case(suite, "peer", 10);

	tcase_add_test(tcase, the_peer_of_a_pair_is_this_process);
	tcase_add_test(tcase, many_groups_are_all_read);
	tcase_add_test(tcase, what_is_no_connected_unix_socket_is_refused);
	tcase_add_test(tcase, a_program_name_is_cleaned_and_cut);
	return check_main(suite, NULL);
}
