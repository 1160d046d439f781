/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hostile.c - peers that are none of us, or pose as another.
 *
 * They use what we do not: sockets on the port, and libfabric's own calls on
 * our inside.
 */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

/* ---- on the port ------------------------------------------------------- */

static int dial(const struct end *end)
{
	struct sockaddr_storage address;
	size_t bytes;
	int fd;

	ck_assert_int_eq(
		channel_reach_read(inside((struct end *)(uintptr_t)end),
			end->reach, end->reach_bytes, &address, &bytes), 0);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert(connect(fd, (void *)&address, (socklen_t)bytes) == 0 ||
		  errno == EINPROGRESS);
	return fd;
}

/* Has the other side ended it? */
static bool is_ended(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool all_ended(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		if (!is_ended(fds[i]))
			return false;
	return true;
}

static void wait_ended(const int *fds, int count)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	while (!all_ended(fds, count)) {
		ck_assert_msg(now_ms() < limit, "some of %d live", count);
		ends_poll();
	}
}

/* Nothing of it reached the caller, and it can still be reached. */
static void expect_well(struct end *end)
{
	uint32_t at_other, at_end;
	struct end other;

	ck_assert(!has_told(end));
	end_open(&other, (struct end_options){.deaf = true});
	join(&other, end, &at_other, &at_end);
	end_close(&other);
	expect(end, MSG_CHANNEL_CLOSED);
}

START_TEST(noise_is_closed)
{
	struct random_stream random = {check_seed()};
	uint8_t noise[512];
	struct end end;
	int files;

	if (!on_tcp())
		CHECK_SKIP("no sockets on an RC lane");
	end_open(&end, (struct end_options){.limit_ms = 200});
	files = open_files();
	for (int i = 0; i < 300; i++) {
		size_t bytes = 1 + random_below(&random, sizeof noise);
		int fd = dial(&end);

		for (size_t k = 0; k < bytes; k++)
			noise[k] = (uint8_t)random_next(&random);
		if (i % 3 == 0) /* Begins like libfabric's. */
			memcpy(noise, (uint8_t[]){3, 0, 0, 40, 0, 0, 0, 0}, 8);
		ck_assert(send(fd, noise, bytes, MSG_NOSIGNAL) > 0 ||
			  errno == EAGAIN);
		for (int k = 0; k < 20; k++)
			ends_poll();
		close(fd);
	}
	expect_quiet(&end, 1000);
	ck_assert_int_eq(open_files(), files);
	expect_well(&end);
	end_close(&end);
}
END_TEST

START_TEST(silence_is_timed_out)
{
	struct end end;
	int fds[4];
	int files;

	if (!on_tcp())
		CHECK_SKIP("no sockets on an RC lane");
	end_open(&end, (struct end_options){.limit_ms = 500});
	files = open_files();
	for (int i = 0; i < 4; i++)
		fds[i] = dial(&end);
	expect_quiet(&end, 200);
	ck_assert(!is_ended(fds[0]));
	wait_ended(fds, 4);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	expect_quiet(&end, 50);
	ck_assert_int_eq(open_files(), files);
	expect_well(&end);
	end_close(&end);
}
END_TEST

/* libfabric's own head, with the promise of 40 bytes, and what is not all. */
START_TEST(half_a_greeting_stops_nobody)
{
	static const uint8_t half[71] = {3, 0, 0, 40, [8] = 1};
	static const uint32_t cuts[] = {1, 4, 31, 32, 33, 71};
	struct end end;
	int files;

	if (!on_tcp())
		CHECK_SKIP("no sockets on an RC lane");
	end_open(&end, (struct end_options){.limit_ms = 60000});
	files = open_files();
	for (size_t i = 0; i < 120; i++) {
		uint32_t cut = cuts[i % 6];
		int fd = dial(&end);

		/* Sometimes it is accepted before it speaks. */
		for (size_t k = 0; k < i % 20; k++)
			expect_quiet(&end, 1);
		ck_assert_int_eq(send(fd, half, cut, MSG_NOSIGNAL), cut);
		wait_ended(&fd, 1);
		close(fd);
	}
	expect_quiet(&end, 1500);
	ck_assert_int_eq(open_files(), files);
	expect_well(&end);
	end_close(&end);
}
END_TEST

START_TEST(the_silent_are_few)
{
	struct end end;
	int fds[200];
	int files, live = 0;

	if (!on_tcp())
		CHECK_SKIP("no sockets on an RC lane");
	end_open(&end, (struct end_options){.limit_ms = 60000});
	files = open_files();
	for (int i = 0; i < 200; i++)
		fds[i] = dial(&end);
	expect_quiet(&end, 1000);
	for (int i = 0; i < 200; i++)
		live += !is_ended(fds[i]);
	ck_assert_int_eq(live, CHANNEL_STRANGERS_MAX);
	ck_assert_int_eq(open_files(), files + 200 + live);
	expect_well(&end);
	/* Closing ends them too. */
	files = open_files();
	end_close(&end);
	wait_ended(fds, 200);
	ck_assert_int_lt(open_files(), files - live);
	for (int i = 0; i < 200; i++)
		close(fds[i]);
}
END_TEST

START_TEST(the_guard_knows_its_own)
{
	struct end end, other;
	uint32_t at_other, at_end;

	end_open(&end, (struct end_options){.limit_ms = 300});
	end_open(&other, (struct end_options){.deaf = true});
	join(&other, &end, &at_other, &at_end);
	post_all(&end, 1);
	/* A channel may be silent for as long as it likes. */
	expect_quiet(&end, 1200);
	ck_assert_int_eq(send_buffer(&other, at_other, 0, 10, false), 0);
	expect(&end, MSG_CHANNEL_RECEIVED);
	end_close(&end);
	end_close(&other);
}
END_TEST

/* ---- in the greeting --------------------------------------------------- */

/* Ask by libfabric's own call, with these bytes for a greeting. */
static void expect_refused(
	struct end *end, struct end *to, const void *said, size_t bytes)
{
	struct channel_set *set = inside(end);
	struct told told;
	struct channel *c;
	uint32_t handle;

	/* Greeted well, and then once more by another endpoint. */
	struct sockaddr_storage address;
	size_t address_bytes;
	struct fi_info *info = fi_dupinfo(set->info);
	struct fid_ep *ep;

	ck_assert_int_eq(channel_reach_read(set, to->reach, to->reach_bytes,
				 &address, &address_bytes), 0);
	free(info->dest_addr);
	info->dest_addr = malloc(address_bytes);
	memcpy(info->dest_addr, &address, address_bytes);
	info->dest_addrlen = address_bytes;
	info->ep_attr->rx_ctx_cnt = FI_SHARED_CONTEXT;
	info->rx_attr->size = 1;
	ck_assert_int_eq(fi_endpoint(set->domain, info, &ep, NULL), 0);
	ck_assert_int_eq(fi_ep_bind(ep, &set->eq->fid, 0), 0);
	ck_assert_int_eq(fi_ep_bind(ep, &set->cqs[0].cq->fid, FI_TRANSMIT | FI_RECV),
		0);
	ck_assert_int_eq(fi_ep_bind(ep, &set->receives->fid, 0), 0);
	ck_assert_int_eq(fi_enable(ep), 0);
	ck_assert_int_eq(fi_connect(ep, &address, said, bytes), 0);
	/* A channel to hear the answer by. */
	c = &set->table[0];
	ck_assert_uint_eq(c->state, CHANNEL_FREE);
	handle = 1u << 16;
	*c = (struct channel){
		.state = CHANNEL_CONNECTING,
		.handle = handle,
		.known = true,
		.ep = ep,
		.sends = c->sends,
		.reads = c->reads,
	};
	told = expect(end, MSG_CHANNEL_CLOSED);
	ck_assert_uint_eq(told.event.handle, handle);
	ck_assert_int_eq(told.event.error, ECONNREFUSED);
	ck_assert(!has_told(to));
	fi_freeinfo(info);
}

START_TEST(other_greetings_are_refused)
{
	static const uint8_t longer[48] = {'m', 's', 'g', 41};
	static const uint8_t lying[20] = {'m', 's', 'g', 13};
	static const uint8_t other[48] = {'M', 'S', 'G', 0};
	struct end end, to;

	end_open(&end, (struct end_options){.deaf = true});
	end_open(&to, (struct end_options){0});
	expect_refused(&end, &to, other, sizeof other);
	expect_refused(&end, &to, other, 1);
	expect_refused(&end, &to, longer, sizeof longer);
	expect_refused(&end, &to, longer, 7);
	if (on_tcp()) /* RC fills up with zeros. */
		expect_refused(&end, &to, lying, sizeof lying);
	expect_well(&to);
	end_close(&end);
	end_close(&to);
}
END_TEST

/* ---- in the messages --------------------------------------------------- */

static ssize_t send_as(struct end *end, uint32_t handle, uint32_t stamp,
	bool stamped)
{
	struct channel *c = channel_of(inside(end), handle);
	void *desc = fi_mr_desc(inside(end)->memory_mr);

	return stamped ? fi_senddata(c->ep, end->memory, 8, desc, stamp,
				 FI_ADDR_UNSPEC, NULL)
		       : fi_send(c->ep, end->memory, 8, desc, FI_ADDR_UNSPEC,
				 NULL);
}

START_TEST(nobody_poses_as_another)
{
	struct end end, good, bad;
	uint32_t at_good, at_end, at_bad, bad_at_end;
	struct channel *c;
	struct told told;

	end_open(&end, (struct end_options){0});
	end_open(&good, (struct end_options){.deaf = true});
	end_open(&bad, (struct end_options){.deaf = true});
	join(&good, &end, &at_good, &at_end);
	join(&bad, &end, &at_bad, &bad_at_end);
	post_all(&end, 8);
	c = channel_of(inside(&bad), at_bad);
	/* The other's place with a number guessed; nobody's place; the place of
	 * a channel that is not; no stamp at all. */
	ck_assert_int_eq(send_as(&bad, at_bad, (c->peer_stamp & ~0xfffu) ^
				 0x1000u, true), 0);
	ck_assert_int_eq(send_as(&bad, at_bad, 0xfffff, true), 0);
	ck_assert_int_eq(send_as(&bad, at_bad, 5, true), 0);
	ck_assert_int_eq(send_as(&bad, at_bad, 0, false), 0);
	for (uint32_t i = 0; i < 4; i++) {
		told = expect(&end, MSG_CHANNEL_RECEIVE_FAILED);
		ck_assert_uint_eq(told.event.handle, MSG_CHANNEL_NOBODY);
		ck_assert_uint_eq(told.event.token, i);
		ck_assert_int_eq(told.event.error, EPROTO);
	}
	/* The buffers are the caller's again, and both connections live. */
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_int_eq(end.set->ops->post(end.set, buffer(&end, i),
					 BUFFER_BYTES, i), 0);
	ck_assert_int_eq(send_buffer(&good, at_good, 0, 8, false), 0);
	ck_assert_uint_eq(
		expect(&end, MSG_CHANNEL_RECEIVED).event.handle, at_end);
	ck_assert_int_eq(send_buffer(&bad, at_bad, 0, 8, false), 0);
	ck_assert_uint_eq(
		expect(&end, MSG_CHANNEL_RECEIVED).event.handle, bad_at_end);
	end_close(&end);
	end_close(&good);
	end_close(&bad);
}
END_TEST

/* Who connects to a port of this process; both ends. */
static void knock(int listener, const struct sockaddr_in *at, int *far, int *near)
{
	*far = socket(AF_INET, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(*far, (const void *)at, sizeof *at), 0);
	*near = accept(listener, NULL, NULL);
	ck_assert_int_ge(*near, 0);
}

/* The provider has closed one of the strangers, and somebody else in this process has
 * got its number, before it is looked at again: one stranger too many is no reason to
 * shut that down. */
START_TEST(a_number_that_is_anothers_by_now_is_left_alone)
{
	int far[CHANNEL_STRANGERS_MAX + 1], near[CHANNEL_STRANGERS_MAX + 1];
	struct sockaddr_in at = {.sin_family = AF_INET,
		.sin_addr = {htonl(INADDR_LOOPBACK)}};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct channel_set *set = calloc(1, sizeof *set);
	socklen_t bytes = sizeof at;
	int others[2];

	ck_assert_ptr_nonnull(set);
	set->guard_folder = set->guard_listener = -1;
	ck_assert_int_eq(bind(listener, (void *)&at, sizeof at), 0);
	ck_assert_int_eq(listen(listener, 8), 0);
	ck_assert_int_eq(getsockname(listener, (void *)&at, &bytes), 0);
	memcpy(&set->guarded, &at, sizeof at);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
	for (uint32_t i = 0; i <= CHANNEL_STRANGERS_MAX; i++) {
		knock(listener, &at, &far[i], &near[i]);
		if (i == CHANNEL_STRANGERS_MAX)
			ck_assert_int_eq(dup2(others[0], near[0]), near[0]);
		channel_guard_meet(set, near[i]);
	}
	ck_assert_uint_eq(set->stranger_count, CHANNEL_STRANGERS_MAX);
	ck_assert(!is_ended(others[1]));
	for (uint32_t i = 0; i <= CHANNEL_STRANGERS_MAX; i++) {
		close(far[i]);
		close(near[i]);
	}
	close(others[0]);
	close(others[1]);
	close(listener);
	free(set);
}
END_TEST

void add_hostile(Suite *suite)
{
	TCase *c = check_case(suite, "hostile", 120);

	tcase_add_test(c, noise_is_closed);
	tcase_add_test(c, silence_is_timed_out);
	tcase_add_test(c, half_a_greeting_stops_nobody);
	tcase_add_test(c, the_silent_are_few);
	tcase_add_test(c, the_guard_knows_its_own);
	tcase_add_test(c, a_number_that_is_anothers_by_now_is_left_alone);
	tcase_add_test(c, other_greetings_are_refused);
	tcase_add_test(c, nobody_poses_as_another);
}
