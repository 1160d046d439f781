/* SPDX-License-Identifier: BSD-2-Clause */
/* test_place.c - where a broker listens; see libmsg/link/shm/place.h. */
#include "link/shm/place.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"
#include "check_main.h"
#include "fds.h"

#define NOBODY 65534

static char folder[64];
static char path[MSG_PLACE_PATH_BYTES];

static void enter_folder(void)
{
	strcpy(folder, "/tmp/msg-place-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0755), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
}

static void leave_folder(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

/* Root's rights get in the way of some tests. */
static void be_nobody(void)
{
	if (getuid() == 0)
		ck_assert_int_eq(seteuid(NOBODY), 0);
}

static void be_oneself(void)
{
	ck_assert_int_eq(seteuid(getuid()), 0);
}

static int listen_at(const char *name, int type, int backlog)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", folder,
		name);
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	if (type == SOCK_STREAM)
		ck_assert_int_eq(listen(fd, backlog), 0);
	strcpy(path, address.sun_path);
	return fd;
}

static void is_said(const char *text)
{
	ck_assert_msg(strstr(msg_trail_text(), text) != NULL,
		"'%s' says no '%s'", msg_trail_text(), text);
}

/* ---- names ------------------------------------------------------------- */

START_TEST(names_become_paths)
{
	char longest[65];

	memset(longest, 'n', 64);
	longest[64] = '\0';
	unsetenv("XDG_RUNTIME_DIR");
	ck_assert_int_eq(msg_place_client("feed-2.a_B", path), 0);
	ck_assert_str_eq(path, "/run/msg/feed-2.a_B.sock");
	ck_assert_int_eq(msg_place_client(NULL, path), 0);
	ck_assert_str_eq(path, "/run/msg/default.sock");
	ck_assert_int_eq(msg_place_client("", path), 0);
	ck_assert_str_eq(path, "/run/msg/default.sock");
	ck_assert_int_eq(msg_place_client(longest, path), 0);
	ck_assert_uint_eq(strlen(path), strlen("/run/msg/.sock") + 64);
}
END_TEST

START_TEST(what_is_no_name_is_refused_in_words)
{
	static const struct {
		const char *name;
		const char *text;
	} cases[] = {
		{".hidden", "may not begin with a dot"},
		{"..", "may not begin with a dot"},
		{"a/b", "byte 1 of it is 0x2f"},
		{"a b", "byte 1 of it is 0x20"},
		{"a\n", "byte 1 of it is 0x0a"},
		{"\xc3\xbc", "byte 0 of it is 0xc3"},
		{"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
		 "nnnnn",
			"up to 64 bytes, and this one has 65"},
	};

	strcpy(path, "untouched");
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		ck_assert_int_eq(msg_place_client(cases[i].name, path),
			-MSG_ERROR_ARGUMENT);
		is_said(cases[i].text);
		ck_assert_int_eq(msg_place_broker(cases[i].name, path),
			-MSG_ERROR_ARGUMENT);
		is_said(cases[i].text);
	}
	ck_assert_str_eq(path, "untouched");
}
END_TEST

START_TEST(a_path_stands_for_itself_unless_it_is_too_long)
{
	char longest[200];

	ck_assert_int_eq(msg_place_client("/srv/x", path), 0);
	ck_assert_str_eq(path, "/srv/x");
	memset(longest, '/', sizeof longest);
	longest[107] = '\0';
	ck_assert_int_eq(msg_place_broker(longest, path), 0);
	ck_assert_str_eq(path, longest);
	longest[107] = '/';
	longest[108] = '\0';
	ck_assert_int_eq(msg_place_client(longest, path), -MSG_ERROR_ARGUMENT);
	is_said("up to 107 bytes, and this one has 108");
	ck_assert_int_eq(msg_place_broker(longest, path), -MSG_ERROR_ARGUMENT);
	ck_assert_uint_eq(strlen(path), 107);
}
END_TEST

/* ---- folders ----------------------------------------------------------- */

START_TEST(a_client_prefers_its_users_broker)
{
	char name[128];
	int fd;

	enter_folder();
	ck_assert_int_eq(msg_place_client("x", path), 0);
	ck_assert_str_eq(path, "/run/msg/x.sock");
	snprintf(name, sizeof name, "%s/msg", folder);
	ck_assert_int_eq(mkdir(name, 0700), 0);
	/* A plain file is none. */
	snprintf(name, sizeof name, "%s/msg/x.sock", folder);
	close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ck_assert_int_eq(msg_place_client("x", path), 0);
	ck_assert_str_eq(path, "/run/msg/x.sock");
	unlink(name);
	fd = listen_at("msg/x.sock", SOCK_STREAM, 5);
	ck_assert_int_eq(msg_place_client("x", path), 0);
	ck_assert_str_eq(path, name);
	close(fd);
	leave_folder();
}
END_TEST

START_TEST(a_broker_takes_the_systems_folder_or_its_users)
{
	char name[128];

	enter_folder();
	if (geteuid() == 0) {
		ck_assert_int_eq(msg_place_broker("x", path), 0);
		ck_assert_str_eq(path, "/run/msg/x.sock");
	}
	leave_folder();
	be_nobody();
	ck_assert_int_eq(msg_place_broker("x", path), 0);
	snprintf(name, sizeof name, "%s/msg/x.sock", folder);
	ck_assert_str_eq(path, name);
	be_oneself();
}
END_TEST

START_TEST(without_a_folder_a_broker_is_told_what_to_do)
{
	be_nobody();
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			unsetenv("XDG_RUNTIME_DIR");
		else
			setenv("XDG_RUNTIME_DIR", i == 1 ? "" : "run/user", 1);
		ck_assert_int_eq(
			msg_place_broker("x", path), -MSG_ERROR_ARGUMENT);
		is_said("set XDG_RUNTIME_DIR to an absolute path");
		ck_assert_int_eq(msg_place_client("x", path), 0);
		ck_assert_str_eq(path, "/run/msg/x.sock");
	}
	be_oneself();
}
END_TEST

START_TEST(too_long_a_folder_is_no_place)
{
	char longest[200];

	be_nobody();
	memset(longest, 'd', sizeof longest);
	longest[0] = '/';
	/* "/msg/x.sock" has 11 bytes. */
	longest[96] = '\0';
	setenv("XDG_RUNTIME_DIR", longest, 1);
	ck_assert_int_eq(msg_place_broker("x", path), 0);
	ck_assert_uint_eq(strlen(path), 107);
	longest[96] = 'd';
	longest[97] = '\0';
	setenv("XDG_RUNTIME_DIR", longest, 1);
	ck_assert_int_eq(msg_place_broker("x", path), -MSG_ERROR_ARGUMENT);
	is_said("XDG_RUNTIME_DIR: ");
	is_said("up to 107 bytes, and this one has 108");
	ck_assert_int_eq(msg_place_client("x", path), 0);
	ck_assert_str_eq(path, "/run/msg/x.sock");
	be_oneself();
}
END_TEST

/* ---- connecting -------------------------------------------------------- */

/* Refused with the code and the text, and no descriptor is lost. */
static void not_connected(int code, const char *text)
{
	unsigned before = fds_open();
	int fd = 77;

	ck_assert_int_eq(msg_place_connect(path, &fd), code);
	is_said(text);
	ck_assert_int_eq(fd, 77);
	ck_assert_uint_eq(fds_open(), before);
}

START_TEST(who_listens_is_reached)
{
	int listener, fd = -1, accepted;

	enter_folder();
	listener = listen_at("s", SOCK_STREAM, 5);
	ck_assert_int_eq(msg_place_connect(path, &fd), 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	accepted = accept(listener, NULL, NULL);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(read(accepted, path, 1), 1);
	close(accepted);
	close(fd);
	close(listener);
	leave_folder();
}
END_TEST

START_TEST(nobody_there_is_said_so)
{
	enter_folder();
	snprintf(path, sizeof path, "%s/none", folder);
	not_connected(-MSG_ERROR_DEVICE, "start msgbrokerd, or choose");
	snprintf(path, sizeof path, "%s", folder);
	not_connected(-MSG_ERROR_DEVICE, "is no socket");
	snprintf(path, sizeof path, "%s/none/none", folder);
	not_connected(-MSG_ERROR_DEVICE, "no broker at");
	close(listen_at("dead", SOCK_STREAM, 5));
	not_connected(-MSG_ERROR_DEVICE, "the broker ended");
	leave_folder();
}
END_TEST

START_TEST(not_allowed_is_another_thing)
{
	int fd;

	enter_folder();
	fd = listen_at("locked", SOCK_STREAM, 5);
	ck_assert_int_eq(chmod(path, 0), 0);
	be_nobody();
	not_connected(-MSG_ERROR_FABRIC, "may not connect");
	be_oneself();
	close(fd);
	leave_folder();
}
END_TEST

START_TEST(a_crowded_door_is_for_later)
{
	int listener, fds[16], count = 0, result;

	enter_folder();
	listener = listen_at("s", SOCK_STREAM, 1);
	while ((result = msg_place_connect(path, &fds[count])) == 0)
		ck_assert_int_lt(++count, 16);
	ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
	is_said("try again");
	while (count > 0)
		close(fds[--count]);
	close(listener);
	leave_folder();
}
END_TEST

START_TEST(something_else_is_no_broker)
{
	int fd;

	enter_folder();
	fd = listen_at("s", SOCK_DGRAM, 0);
	not_connected(-MSG_ERROR_FABRIC, "something else");
	close(fd);
	leave_folder();
}
END_TEST

START_TEST(too_long_a_path_is_refused)
{
	static char longest[300];
	int fd;

	memset(longest, 'x', sizeof longest - 1);
	ck_assert_int_eq(msg_place_connect(longest, &fd), -MSG_ERROR_ARGUMENT);
	is_said("this one has 299");
}
END_TEST

START_TEST(no_descriptor_left_is_said_so)
{
	struct rlimit limit, none;
	int result, fd = 77;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	result = msg_place_connect("/run/msg/none", &fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(result, -MSG_ERROR_MEMORY);
	ck_assert_int_eq(fd, 77);
	is_said("ulimit -n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("place");
	TCase *name = check_case(suite, "name", 10);
	TCase *place = check_case(suite, "folder", 10);
	TCase *connecting = check_case(suite, "connect", 10);

	tcase_add_test(name, names_become_paths);
	tcase_add_test(name, what_is_no_name_is_refused_in_words);
	tcase_add_test(name, a_path_stands_for_itself_unless_it_is_too_long);
	tcase_add_test(place, a_client_prefers_its_users_broker);
	tcase_add_test(place, a_broker_takes_the_systems_folder_or_its_users);
	tcase_add_test(place, without_a_folder_a_broker_is_told_what_to_do);
	tcase_add_test(place, too_long_a_folder_is_no_place);
	tcase_add_test(connecting, who_listens_is_reached);
	tcase_add_test(connecting, nobody_there_is_said_so);
	tcase_add_test(connecting, not_allowed_is_another_thing);
	tcase_add_test(connecting, a_crowded_door_is_for_later);
	tcase_add_test(connecting, something_else_is_no_broker);
	tcase_add_test(connecting, too_long_a_path_is_refused);
	tcase_add_test(connecting, no_descriptor_left_is_said_so);
	return check_main(suite, NULL);
}
