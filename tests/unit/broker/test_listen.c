/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_listen.c - who gets a name, what may lie in its place, what is left.
 *
 * Races of whole processes: tests/local/broker_start.sh.
 */
#include "broker/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/trail.h"
#include "broker/log.h"

#include <msg/msg.h>

#include "check_main.h"

static struct config *config;
static struct listening listening, second;
static char folder[] = "/tmp/msg-test-listen-XXXXXX";
static char place[80], path[96], lock[96];

static void make(void)
{
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(place, sizeof place, "%s/msg", folder);
	snprintf(path, sizeof path, "%s/x.sock", place);
	snprintf(lock, sizeof lock, "%s/x.lock", place);
	config = malloc(sizeof *config);
	config_init(config);
	ck_assert_int_eq(config_set(config, CONFIG_SOCKET, path,
				 CONFIG_FROM_OPTION, "--socket"),
		0);
	ck_assert_int_eq(config_set(config, CONFIG_NAME, "x",
				 CONFIG_FROM_OPTION, "--name"),
		0);
	ck_assert_int_eq(config_finish(config), 0);
	log_open(MSG_LOG_ERROR);
}

static void drop(void)
{
	unlink(path);
	unlink(lock);
	rmdir(place);
	unlink(place);
	rmdir(folder);
	free(config);
}

static void refused(int code, const char *words)
{
	ck_assert_int_eq(listen_open(&second, config, -1), -code);
	ck_assert_msg(strstr(msg_trail_text(), words) != NULL,
		"wanted '%s', got '%s'", words, msg_trail_text());
	ck_assert_int_eq(second.fd, -1);
	ck_assert_int_eq(second.lock_fd, -1);
	ck_assert_int_eq(second.folder_fd, -1);
}

static int try_connect(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), result;

	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	result = connect(fd, (struct sockaddr *)&address, sizeof address) < 0
			 ? -errno
			 : 0;
	close(fd);
	return result;
}

static mode_t mode_of(const char *name)
{
	struct stat status;

	ck_assert_int_eq(lstat(name, &status), 0);
	return status.st_mode & 07777;
}

START_TEST(a_name_is_taken_and_given_back)
{
	struct stat status;

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(listen_open(&listening, config, -1), 0);
		ck_assert_int_eq(try_connect(), 0);
		ck_assert_uint_eq(mode_of(place), 0755);
		ck_assert_uint_eq(mode_of(path), 0666);
		ck_assert_uint_eq(mode_of(lock), 0600);
		listen_close(&listening);
		ck_assert_int_eq(lstat(path, &status), -1);
		ck_assert_int_eq(lstat(lock, &status), 0);
		ck_assert_int_eq(status.st_size, 0);
	}
}
END_TEST

START_TEST(the_umask_is_kept_and_does_not_narrow_the_socket)
{
	umask(077);
	mkdir(place, 0755);
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	ck_assert_uint_eq(mode_of(path), 0666);
	ck_assert_uint_eq(umask(0), 077);
	listen_close(&listening);
}
END_TEST

START_TEST(mode_and_group_are_as_set)
{
	struct stat status;

	if (geteuid() != 0)
		CHECK_SKIP("only root may give the socket to a strange group");
	config_set(config, CONFIG_SOCKET_MODE, "0660", CONFIG_FROM_OPTION, "");
	config_set(config, CONFIG_SOCKET_GROUP, "4711", CONFIG_FROM_OPTION, "");
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	ck_assert_int_eq(lstat(path, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0660);
	ck_assert_uint_eq(status.st_gid, 4711);
	listen_close(&listening);
}
END_TEST

START_TEST(a_second_one_is_refused_with_the_first_ones_pid)
{
	char words[128];

	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	snprintf(words, sizeof words,
		"another msgbrokerd (pid %d) has the name 'x'", getpid());
	refused(MSG_ERROR_BUSY, words);
	ck_assert_int_eq(try_connect(), 0); /* The first is not hurt. */
	listen_close(&listening);
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	listen_close(&listening);
}
END_TEST

START_TEST(after_a_kill_the_name_is_free)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		if (listen_open(&listening, config, -1) < 0)
			_exit(1);
		raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(try_connect(), -ECONNREFUSED);
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	ck_assert_int_eq(try_connect(), 0);
	listen_close(&listening);
}
END_TEST

START_TEST(strange_things_in_the_place_are_refused_and_stay)
{
	struct stat status;

	mkdir(place, 0755);
	ck_assert_int_eq(symlink("/dev/null", path), 0);
	refused(MSG_ERROR_DEVICE, "x.sock is a symbolic link");
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	refused(MSG_ERROR_DEVICE, "x.sock is no socket");
	ck_assert_int_eq(lstat(path, &status), 0);
	unlink(path);
	unlink(lock);
	ck_assert_int_eq(symlink("/dev/null", lock), 0);
	refused(MSG_ERROR_DEVICE, "x.lock is a symbolic link");
	unlink(lock);
	ck_assert_int_eq(mkfifo(lock, 0600), 0);
	refused(MSG_ERROR_DEVICE, "x.lock is no file of its own");
	unlink(lock);
	ck_assert_int_eq(mkdir(lock, 0700), 0);
	refused(MSG_ERROR_DEVICE, "Is a directory");
	rmdir(lock);
}
END_TEST

START_TEST(a_socket_somebody_listens_at_is_left_alone)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char words[64];

	mkdir(place, 0755);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 0), 0);
	snprintf(words, sizeof words, "another program (pid %d) listens",
		getpid());
	for (int i = 0; i < 4; i++) /* Also with its queue full. */
		refused(MSG_ERROR_BUSY, i ? "another program (pid" : words);
	close(fd);
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	listen_close(&listening);
}
END_TEST

START_TEST(folders_of_others_are_refused)
{
	mkdir(place, 0755);
	chmod(place, 0777);
	refused(MSG_ERROR_DEVICE, "run chmod o-w");
	chmod(place, 01777);
	refused(MSG_ERROR_DEVICE, "(mode 1777)");
	rmdir(place);
	ck_assert_int_eq(symlink("/tmp", place), 0);
	refused(MSG_ERROR_DEVICE, "is a symbolic link");
	unlink(place);
	close(open(place, O_CREAT | O_WRONLY, 0600));
	refused(MSG_ERROR_DEVICE, "is no folder");
	unlink(place);
	config_set(config, CONFIG_SOCKET, "/no/such/place/x.sock",
		CONFIG_FROM_OPTION, "");
	refused(MSG_ERROR_DEVICE, "cannot make the folder /no/such/place");
}
END_TEST

START_TEST(what_belongs_to_others_is_refused)
{
	if (geteuid() != 0)
		CHECK_SKIP("only root may give files away");
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	listening.inode = 0; /* As if killed: the socket stays. */
	listen_close(&listening);
	ck_assert_int_eq(chown(path, 4711, 4711), 0);
	refused(MSG_ERROR_DEVICE, "x.sock belongs to uid 4711");
	unlink(path);
	ck_assert_int_eq(chown(lock, 4711, 4711), 0);
	refused(MSG_ERROR_DEVICE, "x.lock belongs to uid 4711");
	unlink(lock);
	ck_assert_int_eq(chown(place, 4711, 4711), 0);
	refused(MSG_ERROR_DEVICE, "belongs to uid 4711");
}
END_TEST

START_TEST(others_cannot_hold_the_lock)
{
	mkdir(place, 0755);
	close(open(lock, O_CREAT | O_RDWR, 0644));
	chmod(lock, 0644);
	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	ck_assert_uint_eq(mode_of(lock), 0600);
	listen_close(&listening);
}
END_TEST

START_TEST(a_socket_that_is_not_ours_any_more_stays)
{
	struct stat status;

	ck_assert_int_eq(listen_open(&listening, config, -1), 0);
	unlink(path);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	listen_close(&listening);
	ck_assert_int_eq(lstat(path, &status), 0);
}
END_TEST

START_TEST(an_adopted_socket_is_locked_and_stays)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat status;

	mkdir(place, 0755);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 8), 0);
	config_set(config, CONFIG_SOCKET, "/elsewhere", CONFIG_FROM_OPTION, "");
	ck_assert_int_eq(listen_open(&listening, config, fd), 0);
	ck_assert_str_eq(listening.path, path);
	ck_assert_int_eq(try_connect(), 0);
	config_set(config, CONFIG_SOCKET, path, CONFIG_FROM_OPTION, "");
	refused(MSG_ERROR_BUSY, "has the name 'x'");
	listen_close(&listening);
	ck_assert_int_eq(lstat(path, &status), 0);
}
END_TEST

START_TEST(an_adopted_socket_without_a_file_is_refused)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(
		listen_open(&listening, config, fd), -MSG_ERROR_DEVICE);
	ck_assert_ptr_nonnull(strstr(msg_trail_text(), "ListenStream=/PATH"));
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1); /* Closed. */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("listen");
	TCase *tcase = check_case(suite, "place", 20);

	tcase_add_checked_fixture(tcase, make, drop);
	tcase_add_test(tcase, a_name_is_taken_and_given_back);
	tcase_add_test(tcase, the_umask_is_kept_and_does_not_narrow_the_socket);
	tcase_add_test(tcase, mode_and_group_are_as_set);
	tcase_add_test(tcase, a_second_one_is_refused_with_the_first_ones_pid);
	tcase_add_test(tcase, after_a_kill_the_name_is_free);
	tcase_add_test(tcase, strange_things_in_the_place_are_refused_and_stay);
	tcase_add_test(tcase, a_socket_somebody_listens_at_is_left_alone);
	tcase_add_test(tcase, folders_of_others_are_refused);
	tcase_add_test(tcase, what_belongs_to_others_is_refused);
	tcase_add_test(tcase, others_cannot_hold_the_lock);
	tcase_add_test(tcase, a_socket_that_is_not_ours_any_more_stays);
	tcase_add_test(tcase, an_adopted_socket_is_locked_and_stays);
	tcase_add_test(tcase, an_adopted_socket_without_a_file_is_refused);
	return check_main(suite, NULL);
}
