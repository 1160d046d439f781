/* SPDX-License-Identifier: BSD-2-Clause */
/* sleep.c - who sleeps on the descriptor is woken by all there is to tell. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

/* Longer than anybody is waited for: so it is not the set's own timer that wakes. */
#define LIMIT_MS 90000

/* The next that is told, found by sleeping only: every poll that finds nothing
 * is followed by arm and poll(2). */
static struct msg_channel_event sleep_for(struct end *end, int fd)
{
	struct msg_channel_event event;
	uint64_t limit = now_ms() + (uint64_t)patience_ms();
	int n, result;

	while ((n = end->set->ops->poll(end->set, &event, 1)) == 0) {
		struct pollfd pfd = {.fd = fd, .events = POLLIN};

		ck_assert_msg(now_ms() < limit, "was not woken");
		result = end->set->ops->arm(end->set);
		ck_assert(result == 0 || result == -MSG_ERROR_AGAIN);
		if (result == 0)
			ck_assert_msg(poll(&pfd, 1, patience_ms()) == 1,
				"was not woken");
	}
	ck_assert_int_eq(n, 1);
	return event;
}

/* The other side, in a thread of its own that does not sleep. */
struct waker {
	pthread_t thread;
	struct end *to;
	_Atomic int stage; /* Set by the one that sleeps. */
};

static void wait_for(struct waker *w, int stage)
{
	while (atomic_load(&w->stage) < stage)
		usleep(1000);
	usleep(30000); /* So that it sleeps. */
}

static struct msg_channel_event spin_for(struct end *end)
{
	struct msg_channel_event event;
	int n;

	while ((n = end->set->ops->poll(end->set, &event, 1)) == 0)
		;
	ck_assert_int_eq(n, 1);
	return event;
}

static void *wake(void *argument)
{
	struct waker *w = argument;
	struct end end;
	uint32_t handle;

	end_open(&end, (struct end_options){.deaf = true});
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(end.set->ops->post(end.set, buffer(&end, 10),
					 BUFFER_BYTES, 10), 0);
	wait_for(w, 1);
	handle = ask(&end, w->to);
	ck_assert_uint_eq(spin_for(&end).type, MSG_CHANNEL_CONNECTED);
	for (int i = 0; i < 5; i++) {
		wait_for(w, 2 + i);
		ck_assert_int_eq(send_buffer(&end, handle, 0, 10, true), 0);
		ck_assert_uint_eq(spin_for(&end).type, MSG_CHANNEL_SENT);
	}
	wait_for(w, 7);
	end.set->ops->hang_up(end.set, handle);
	ck_assert_uint_eq(spin_for(&end).type, MSG_CHANNEL_CLOSED);
	end_close(&end);
	return NULL;
}

static void sleep_through(struct end *end, int fd)
{
	struct waker w = {.to = end};
	struct msg_channel_event event;

	ck_assert_int_eq(pthread_create(&w.thread, NULL, wake, &w), 0);
	atomic_store(&w.stage, 1);
	event = sleep_for(end, fd);
	ck_assert_uint_eq(event.type, MSG_CHANNEL_ASKED);
	ck_assert_int_eq(
		end->set->ops->accept(end->set, event.handle, "", 0), 0);
	ck_assert_uint_eq(sleep_for(end, fd).type, MSG_CHANNEL_CONNECTED);
	for (int i = 0; i < 5; i++) {
		atomic_store(&w.stage, 2 + i);
		event = sleep_for(end, fd);
		ck_assert_uint_eq(event.type, MSG_CHANNEL_RECEIVED);
	}
	atomic_store(&w.stage, 7);
	ck_assert_uint_eq(sleep_for(end, fd).type, MSG_CHANNEL_CLOSED);
	pthread_join(w.thread, NULL);
}

START_TEST(everything_wakes)
{
	struct end end;

	end_open(&end, (struct end_options){.limit_ms = LIMIT_MS});
	post_all(&end, 16);
	sleep_through(&end, end.set->fd);
	end_close(&end);
}
END_TEST

START_TEST(the_descriptor_goes_into_epoll)
{
	struct epoll_event event = {.events = EPOLLIN};
	int outer = epoll_create1(0);
	struct end end;

	ck_assert_int_ge(outer, 0);
	end_open(&end, (struct end_options){.limit_ms = LIMIT_MS});
	ck_assert_int_eq(epoll_ctl(outer, EPOLL_CTL_ADD, end.set->fd, &event),
		0);
	post_all(&end, 16);
	sleep_through(&end, outer);
	close(outer);
	end_close(&end);
}
END_TEST

/* As many as are of two completion queues, where there are two. */
#define MANY 7
/* Of these, so many come again, by sockets that may have the numbers of those before. */
#define AGAIN 3

/* Connects one after the other, each time when it is waited for; then a message by
 * each, and another when some have come again. */
static void *wake_by_many(void *argument)
{
	struct waker *w = argument;
	uint32_t handles[MANY];
	struct end end;
	int step = 0;

	end_open(&end, (struct end_options){.deaf = true});
	for (int i = 0; i < MANY; i++) {
		wait_for(w, ++step);
		handles[i] = ask(&end, w->to);
		ck_assert_uint_eq(spin_for(&end).type, MSG_CHANNEL_CONNECTED);
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			wait_for(w, ++step);
			ck_assert_int_eq(send_buffer(&end, handles[i], 0, 10,
						 true), 0);
			ck_assert_uint_eq(
				spin_for(&end).type, MSG_CHANNEL_SENT);
		}
		for (int i = 0; i < AGAIN && round == 0; i++) {
			wait_for(w, ++step);
			end.set->ops->hang_up(end.set, handles[AGAIN - i]);
			ck_assert_uint_eq(
				spin_for(&end).type, MSG_CHANNEL_CLOSED);
			wait_for(w, ++step);
			handles[AGAIN - i] = ask(&end, w->to);
			ck_assert_uint_eq(spin_for(&end).type,
				MSG_CHANNEL_CONNECTED);
		}
	}
	wait_for(w, ++step);
	end_close(&end);
	return NULL;
}

static void accept_it(struct end *end, const struct msg_channel_event *asked)
{
	ck_assert_uint_eq(asked->type, MSG_CHANNEL_ASKED);
	ck_assert_int_eq(
		end->set->ops->accept(end->set, asked->handle, "", 0), 0);
}

START_TEST(each_of_many_wakes)
{
	struct msg_channel_event event;
	struct waker w;
	struct end end;
	int step = 0;

	end_open(&end, (struct end_options){
			       .connection_max = 2 * MANY, .limit_ms = LIMIT_MS});
	post_all(&end, 64);
	w = (struct waker){.to = &end};
	ck_assert_int_eq(
		pthread_create(&w.thread, NULL, wake_by_many, &w), 0);
	for (int i = 0; i < MANY; i++) {
		atomic_store(&w.stage, ++step);
		event = sleep_for(&end, end.set->fd);
		accept_it(&end, &event);
		ck_assert_uint_eq(sleep_for(&end, end.set->fd).type,
			MSG_CHANNEL_CONNECTED);
	}
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < MANY; i++) {
			atomic_store(&w.stage, ++step);
			ck_assert_uint_eq(sleep_for(&end, end.set->fd).type,
				MSG_CHANNEL_RECEIVED);
		}
		/* Not slept through, so that none is seen to be gone. */
		for (int i = 0; i < AGAIN && round == 0; i++) {
			atomic_store(&w.stage, ++step);
			ck_assert_uint_eq(
				spin_for(&end).type, MSG_CHANNEL_CLOSED);
			atomic_store(&w.stage, ++step);
			event = spin_for(&end);
			accept_it(&end, &event);
			ck_assert_uint_eq(
				spin_for(&end).type, MSG_CHANNEL_CONNECTED);
		}
	}
	atomic_store(&w.stage, ++step);
	for (int i = 0; i < MANY; i++)
		ck_assert_uint_eq(sleep_for(&end, end.set->fd).type,
			MSG_CHANNEL_CLOSED);
	pthread_join(w.thread, NULL);
	end_close(&end);
}
END_TEST

START_TEST(time_wakes)
{
	struct msg_channel_event event;
	struct end end, to;
	uint64_t begin;

	end_open(&to, (struct end_options){.limit_ms = 60000});
	end_open(&end, (struct end_options){.deaf = true, .limit_ms = 1000});
	ask(&end, &to);
	expect(&to, MSG_CHANNEL_ASKED);
	begin = now_ms();
	event = sleep_for(&end, end.set->fd);
	ck_assert_uint_eq(event.type, MSG_CHANNEL_CLOSED);
	ck_assert_int_eq(event.error, ETIMEDOUT);
	ck_assert_uint_lt(now_ms() - begin, 3000);
	end_close(&end);
	end_close(&to);
}
END_TEST

START_TEST(nothing_does_not_wake)
{
	struct pollfd pfd = {.events = POLLIN};
	uint32_t at_a, at_b;
	struct end a, b;
	int result;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	post_all(&a, 4);
	ck_assert_int_eq(send_buffer(&b, at_b, 0, 10, false), 0);
	expect(&a, MSG_CHANNEL_RECEIVED);
	for (int i = 0; i < 3; i++) {
		while ((result = a.set->ops->arm(a.set)) != 0) {
			ck_assert_int_eq(result, -MSG_ERROR_AGAIN);
			expect_quiet(&a, 1);
		}
		pfd.fd = a.set->fd;
		ck_assert_int_eq(poll(&pfd, 1, 100), 0);
	}
	end_close(&a);
	end_close(&b);
}
END_TEST

/* It has the socket of a connection that we have closed. */
START_TEST(a_child_of_ours_does_not_wake)
{
	struct pollfd pfd = {.events = POLLIN};
	uint32_t at_a, at_b;
	struct end a, b;
	pid_t child;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	while (a.set->ops->arm(a.set) != 0)
		expect_quiet(&a, 1);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		ends_forget();
		pause();
		_exit(0);
	}
	b.set->ops->hang_up(b.set, at_b);
	expect(&b, MSG_CHANNEL_CLOSED);
	expect(&a, MSG_CHANNEL_CLOSED);
	while (a.set->ops->arm(a.set) != 0)
		expect_quiet(&a, 1);
	pfd.fd = a.set->fd;
	ck_assert_int_eq(poll(&pfd, 1, 100), 0);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	end_close(&a);
	end_close(&b);
}
END_TEST

void add_sleep(Suite *suite)
{
	TCase *c = check_case(suite, "sleep", 120);

	tcase_add_test(c, everything_wakes);
	tcase_add_test(c, the_descriptor_goes_into_epoll);
	tcase_add_test(c, each_of_many_wakes);
	tcase_add_test(c, time_wakes);
	tcase_add_test(c, nothing_does_not_wake);
	if (on_tcp())
		tcase_add_test(c, a_child_of_ours_does_not_wake);
}
