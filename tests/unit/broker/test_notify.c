/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_notify.c - what a service manager is told, and what it hands over.
 *
 * The test is the manager: it binds the socket and reads what comes.
 */
#include "broker/notify.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/trail.h"

#include <msg/msg.h>

#include "check_main.h"

static char folder[] = "/tmp/msg-test-notify-XXXXXX";
static char path[64];
static int manager;

static void set_number(const char *name, long value)
{
	char text[32];

	snprintf(text, sizeof text, "%ld", value);
	setenv(name, text, 1);
}

static void make(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/notify", folder);
	strcpy(address.sun_path, path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
				 sizeof address),
		0);
	setenv("NOTIFY_SOCKET", path, 1);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void drop(void)
{
	notify_close();
	close(manager);
	unlink(path);
	rmdir(folder);
}

static void heard(const char *wanted)
{
	char text[1024];
	ssize_t count = recv(manager, text, sizeof text - 1, 0);

	if (!wanted) {
		ck_assert_int_eq(count, -1);
		return;
	}
	ck_assert_int_ge(count, 0);
	text[count] = '\0';
	ck_assert_str_eq(text, wanted);
}

START_TEST(the_manager_hears_of_start_state_and_end)
{
	ck_assert_int_eq(notify_open(), 0);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	notify_ready("serving");
	heard("READY=1\nSTATUS=serving");
	notify_stopping();
	heard("STOPPING=1");
	ck_assert_uint_eq(notify_period_ns(), 0);
	notify_alive(1);
	heard(NULL);
}
END_TEST

START_TEST(an_abstract_socket_is_reached_too)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char name[64];
	int bytes = snprintf(name, sizeof name, "@msg-test-%d", getpid());

	close(manager);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	memcpy(address.sun_path + 1, name + 1, (size_t)bytes - 1);
	ck_assert_int_eq(bind(manager, (struct sockaddr *)&address,
				 (socklen_t)(offsetof(struct sockaddr_un,
						     sun_path) +
					     (size_t)bytes)),
		0);
	setenv("NOTIFY_SOCKET", name, 1);
	ck_assert_int_eq(notify_open(), 0);
	notify_stopping();
	heard("STOPPING=1");
}
END_TEST

START_TEST(the_watchdog_hears_of_us_in_time_and_not_more)
{
	setenv("WATCHDOG_USEC", "2000000", 1);
	set_number("WATCHDOG_PID", getpid());
	ck_assert_int_eq(notify_open(), 0);
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
	ck_assert_uint_eq(notify_period_ns(), MSG_NS_PER_S);
	notify_alive(10 * MSG_NS_PER_S);
	heard("WATCHDOG=1");
	notify_alive(10 * MSG_NS_PER_S + 1);
	heard(NULL);
	notify_alive(11 * MSG_NS_PER_S);
	heard("WATCHDOG=1");
}
END_TEST

START_TEST(a_watchdog_of_another_process_is_not_ours)
{
	setenv("WATCHDOG_USEC", "2000000", 1);
	set_number("WATCHDOG_PID", getpid() + 1);
	ck_assert_int_eq(notify_open(), 0);
	ck_assert_uint_eq(notify_period_ns(), 0);
}
END_TEST

START_TEST(without_a_manager_nothing_happens)
{
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "1000", 1);
	ck_assert_int_eq(notify_open(), 0);
	ck_assert_uint_eq(notify_period_ns(), 0);
	notify_ready("x");
	notify_alive(1);
	heard(NULL);
}
END_TEST

START_TEST(a_manager_that_is_gone_does_not_hurt)
{
	ck_assert_int_eq(notify_open(), 0);
	close(manager);
	notify_stopping();
	manager = socket(AF_UNIX, SOCK_DGRAM, 0);
}
END_TEST

static void refused(const char *name, const char *value, const char *words)
{
	setenv("NOTIFY_SOCKET", path, 1);
	setenv(name, value, 1);
	ck_assert_int_eq(notify_open(), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_trail_text(), words) != NULL,
		"%s=%s: '%s'", name, value, msg_trail_text());
	ck_assert_ptr_null(getenv(name));
	notify_close();
}

START_TEST(nonsense_is_refused)
{
	char longest[200];

	memset(longest, 'a', sizeof longest);
	longest[0] = '/';
	longest[sizeof longest - 1] = '\0';
	refused("NOTIFY_SOCKET", "relative", "is no socket");
	refused("NOTIFY_SOCKET", "/", "is no socket");
	refused("NOTIFY_SOCKET", longest, "is no socket");
	refused("NOTIFY_SOCKET", "/no/such/socket", "cannot reach");
	refused("WATCHDOG_USEC", "soon", "is no time in microseconds");
	refused("WATCHDOG_USEC", "0", "is no time in microseconds");
	refused("WATCHDOG_USEC", "18446744073709551615", "is no time");
}
END_TEST

/* ---- sockets --------------------------------------------------------------- */

/* What notify_take_socket made of descriptor 3, in a process of its own: here
 * 3 may be the test's way to its parent. */
struct taken {
	int result, fd;
	int again; /* The descriptor a second call gives. */
	int descriptor_flags, status_flags;
	bool variables; /* Whether any is left. */
	char text[MSG_TRAIL_BYTES];
};

static void take_in_child(int fd, struct taken *taken)
{
	if (dup2(fd, 3) != 3)
		_exit(1);
	taken->fd = -7;
	taken->result = notify_take_socket(&taken->fd);
	snprintf(taken->text, sizeof taken->text, "%s", msg_trail_text());
	taken->descriptor_flags = fcntl(3, F_GETFD);
	taken->status_flags = fcntl(3, F_GETFL);
	taken->variables = getenv("LISTEN_FDS") || getenv("LISTEN_PID") ||
			   getenv("LISTEN_FDNAMES");
	if (notify_take_socket(&taken->again) < 0)
		taken->again = -8;
}

/* `ours`: whether LISTEN_PID means that process. */
static struct taken take(int fd, const char *count, bool ours)
{
	struct taken taken = {0};
	int status, ends[2], out;
	pid_t child;

	ck_assert_int_eq(pipe(ends), 0);
	out = fcntl(ends[1], F_DUPFD, 10);
	child = fork();
	if (child == 0) {
		setenv("LISTEN_FDS", count, 1);
		setenv("LISTEN_FDNAMES", "msg", 1);
		set_number("LISTEN_PID", ours ? getpid() : getppid());
		take_in_child(fd, &taken);
		_exit(write(out, &taken, sizeof taken) != sizeof taken);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(read(ends[0], &taken, sizeof taken), sizeof taken);
	close(ends[0]);
	close(ends[1]);
	close(out);
	close(fd);
	return taken;
}

static int listener(int type)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type, 0);

	snprintf(address.sun_path, sizeof address.sun_path, "%s/l", folder);
	unlink(address.sun_path);
	ck_assert_int_eq(
		bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	if (type != SOCK_DGRAM)
		ck_assert_int_eq(listen(fd, 1), 0);
	unlink(address.sun_path);
	return fd;
}

START_TEST(a_socket_is_taken_over)
{
	struct taken taken = take(listener(SOCK_STREAM), "1", true);

	ck_assert_int_eq(taken.result, 0);
	ck_assert_int_eq(taken.fd, 3);
	ck_assert_int_eq(taken.descriptor_flags, FD_CLOEXEC);
	ck_assert_int_ne(taken.status_flags & O_NONBLOCK, 0);
	ck_assert(!taken.variables);
	ck_assert_int_eq(taken.again, -1);
}
END_TEST

START_TEST(a_socket_of_another_process_is_not_ours)
{
	struct taken taken = take(listener(SOCK_STREAM), "1", false);

	ck_assert_int_eq(taken.result, 0);
	ck_assert_int_eq(taken.fd, -1);
	ck_assert(!taken.variables);
	ck_assert_int_eq(taken.status_flags & O_NONBLOCK, 0);
}
END_TEST

static void not_taken(int fd, const char *count, const char *words)
{
	struct taken taken = take(fd, count, true);

	ck_assert_int_eq(taken.result, -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(taken.text, words) != NULL,
		"wanted '%s', got '%s'", words, taken.text);
}

START_TEST(what_is_no_listening_stream_socket_is_refused)
{
	static const char words[] = "no listening Unix stream socket";

	not_taken(listener(SOCK_STREAM), "2", "exactly one socket");
	not_taken(listener(SOCK_STREAM), "one", "exactly one socket");
	not_taken(listener(SOCK_DGRAM), "1", words);
	not_taken(listener(SOCK_SEQPACKET), "1", words);
	not_taken(socket(AF_UNIX, SOCK_STREAM, 0), "1", words);
	not_taken(socket(AF_INET, SOCK_STREAM, 0), "1", words);
	not_taken(open("/dev/null", O_RDONLY), "1", words);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("notify");
	TCase *tcase = check_case(suite, "manager", 10);

	tcase_add_checked_fixture(tcase, make, drop);
	tcase_add_test(tcase, the_manager_hears_of_start_state_and_end);
	tcase_add_test(tcase, an_abstract_socket_is_reached_too);
	tcase_add_test(tcase, the_watchdog_hears_of_us_in_time_and_not_more);
	tcase_add_test(tcase, a_watchdog_of_another_process_is_not_ours);
	tcase_add_test(tcase, without_a_manager_nothing_happens);
	tcase_add_test(tcase, a_manager_that_is_gone_does_not_hurt);
	tcase_add_test(tcase, nonsense_is_refused);
	tcase_add_test(tcase, a_socket_is_taken_over);
	tcase_add_test(tcase, a_socket_of_another_process_is_not_ours);
	tcase_add_test(tcase, what_is_no_listening_stream_socket_is_refused);
	return check_main(suite, NULL);
}
