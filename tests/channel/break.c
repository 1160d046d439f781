/* SPDX-License-Identifier: BSD-2-Clause */
/* break.c - connections that break or are ended give everything back. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

#define SHARED_BYTES (64u << 20)

/* What parent and child tell each other. */
struct meeting {
	uint8_t reach[MSG_CHANNEL_REACH_BYTES_MAX];
	_Atomic uint32_t reach_bytes;
	struct msg_channel_region region;
	_Atomic int stage;
};

static struct meeting *meet(void)
{
	struct meeting *m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(m, MAP_FAILED);
	return m;
}

static void wait_stage(struct meeting *m, int stage)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();

	while (atomic_load(&m->stage) < stage) {
		ck_assert_msg(now_ms() < limit, "stage %d never came", stage);
		ends_poll();
	}
}

/* The child: listens, shares, receives `messages`, then does no more. */
static void peer(struct meeting *m, uint32_t messages)
{
	struct end end;
	struct told told;
	uint8_t *shared = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ends_forget();
	end_open(&end, (struct end_options){0});
	ck_assert_ptr_ne(shared, MAP_FAILED);
	ck_assert_int_eq(end.set->ops->share(end.set, shared, SHARED_BYTES,
				 MSG_CHANNEL_SHARED, &m->region), 0);
	memcpy(m->reach, end.reach, end.reach_bytes);
	atomic_store(&m->reach_bytes, end.reach_bytes);
	atomic_store(&m->stage, 1);
	told = expect(&end, MSG_CHANNEL_ASKED);
	ck_assert_int_eq(
		end.set->ops->accept(end.set, told.event.handle, "", 0), 0);
	expect(&end, MSG_CHANNEL_CONNECTED);
	post_all(&end, messages);
	for (uint32_t i = 0; i < messages; i++)
		expect(&end, MSG_CHANNEL_RECEIVED);
	atomic_store(&m->stage, 2);
	for (;;)
		pause();
}

static pid_t start_peer(struct meeting *m, uint32_t messages)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		peer(m, messages);
		_exit(1);
	}
	wait_stage(m, 1);
	return pid;
}

static void kill_peer(pid_t pid)
{
	int status;

	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFSIGNALED(status), "the peer failed: %d", status);
}

static uint32_t connect_peer(struct end *end, struct meeting *m)
{
	uint32_t handle;

	ck_assert_int_eq(end->set->ops->connect(end->set, m->reach,
				 m->reach_bytes, "", 0, &handle), 0);
	ck_assert_uint_eq(expect(end, MSG_CHANNEL_CONNECTED).event.handle,
		handle);
	return handle;
}

/* Every token of `out` that has not been reported fails, once; then CLOSED. */
static void expect_all_back(struct end *end, uint32_t handle, bool *out,
	uint32_t done_type, uint32_t failed_type)
{
	uint32_t failed = 0;
	struct told told;

	for (;;) {
		ends_poll();
		if (!has_told(end))
			continue;
		told = expect_any(end);
		ck_assert_uint_eq(told.event.handle, handle);
		if (told.event.type == MSG_CHANNEL_CLOSED)
			break;
		if (told.event.type != done_type) {
			ck_assert_uint_eq(told.event.type, failed_type);
			ck_assert_int_ne(told.event.error, 0);
			failed++;
		}
		ck_assert(out[told.event.token]);
		out[told.event.token] = false;
	}
	ck_assert_int_ne(told.event.error, 0);
	ck_assert_uint_gt(failed, 0);
	for (uint32_t i = 0; i < BUFFERS; i++)
		ck_assert_msg(!out[i], "token %u did not come home", i);
}

/* Another connection of the set lives on. */
static void expect_alive(struct end *end, uint32_t handle, struct end *other)
{
	ck_assert_int_eq(send_buffer(end, handle, 0, 10, true), 0);
	expect(other, MSG_CHANNEL_RECEIVED);
	expect(end, MSG_CHANNEL_SENT);
}

/* Send 32 MiB in 32 messages that nobody receives: TCP takes some of it. */
static void send_much(struct end *end, uint32_t handle,
	const struct msg_channel_region *from, bool *out)
{
	struct msg_channel_send send = {
		.iov = {{from->memory, from->bytes}},
		.iov_count = 1,
		.handle = handle,
		.signal = true,
		.region = from,
	};

	for (; send.token < 32; send.token++) {
		ck_assert_int_eq(end->set->ops->send(end->set, &send), 0);
		out[send.token] = true;
	}
}

static void share_local(
	struct end *end, size_t bytes, struct msg_channel_region *region)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(end->set->ops->share(end->set, memory, bytes,
				 MSG_CHANNEL_LOCAL, region), 0);
}

START_TEST(killed_while_we_send)
{
	struct meeting *m = meet();
	pid_t pid = start_peer(m, 3);
	bool out[BUFFERS] = {false};
	struct msg_channel_region from;
	struct end end, other;
	uint32_t handle, alive, at_other;

	end_open(&end, (struct end_options){.deaf = true});
	end_open(&other, (struct end_options){0});
	join(&end, &other, &alive, &at_other);
	post_all(&other, 8);
	share_local(&end, 1u << 20, &from);
	handle = connect_peer(&end, m);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_int_eq(send_buffer(&end, handle, i, 100, true), 0);
	for (uint32_t i = 0; i < 3; i++)
		ck_assert_uint_eq(
			expect(&end, MSG_CHANNEL_SENT).event.token, i);
	wait_stage(m, 2);
	send_much(&end, handle, &from, out);
	for (uint64_t calm = now_ms() + 50; now_ms() < calm;)
		ends_poll();
	kill_peer(pid);
	expect_all_back(&end, handle, out, MSG_CHANNEL_SENT,
		MSG_CHANNEL_SEND_FAILED);
	expect_alive(&end, alive, &other);
	end_close(&end);
	end_close(&other);
}
END_TEST

START_TEST(killed_while_we_read)
{
	struct meeting *m = meet();
	pid_t pid = start_peer(m, 0);
	bool out[BUFFERS] = {false};
	struct end end, other;
	struct msg_channel_region into;
	struct msg_channel_read read = {0};
	uint32_t handle, alive, at_other;

	end_open(&end, (struct end_options){.deaf = true});
	end_open(&other, (struct end_options){0});
	join(&end, &other, &alive, &at_other);
	post_all(&other, 8);
	share_local(&end, SHARED_BYTES, &into);
	handle = connect_peer(&end, m);
	wait_stage(m, 2);
	/* On TCP it has stopped serving; RC reads without it. */
	if (!on_tcp())
		kill(pid, SIGSTOP);
	for (uint32_t i = 0; i < 8; i++) {
		read = (struct msg_channel_read){
			.into = (uint8_t *)into.memory +
				(size_t)i * (SHARED_BYTES / 8),
			.bytes = SHARED_BYTES / 8,
			.address = m->region.address +
				   (uint64_t)i * (SHARED_BYTES / 8),
			.key = m->region.key,
			.handle = handle,
			.token = i,
			.region = &into,
		};
		ck_assert_int_eq(end.set->ops->read(end.set, &read), 0);
		out[i] = true;
	}
	ends_poll();
	kill_peer(pid);
	expect_all_back(&end, handle, out, MSG_CHANNEL_READ_DONE,
		MSG_CHANNEL_READ_FAILED);
	expect_alive(&end, alive, &other);
	end.set->ops->unshare(end.set, &into);
	end_close(&end);
	end_close(&other);
}
END_TEST

START_TEST(hanging_up_gives_back_what_is_out)
{
	bool out[BUFFERS] = {false};
	struct msg_channel_region from;
	struct end a, b;
	uint32_t at_a, at_b, failed = 0;
	struct told told;

	end_open(&a, (struct end_options){.deaf = true});
	end_open(&b, (struct end_options){0});
	join(&a, &b, &at_a, &at_b);
	share_local(&a, 1u << 20, &from);
	send_much(&a, at_a, &from, out);
	a.set->ops->hang_up(a.set, at_a);
	ck_assert_int_eq(send_buffer(&a, at_a, 0, 1, true),
		-MSG_ERROR_ARGUMENT);
	while ((told = next_told(&a)).event.type != MSG_CHANNEL_CLOSED) {
		ck_assert_uint_eq(told.event.type, MSG_CHANNEL_SEND_FAILED);
		ck_assert_int_eq(told.event.error, ECANCELED);
		failed++;
	}
	ck_assert_uint_gt(failed, 0);
	ck_assert_int_eq(told.event.error, 0);
	/* The other side hears of it behind what it has not received. */
	do {
		ck_assert_int_eq(b.set->ops->post(b.set, b.memory, 1u << 20, 0),
			0);
		told = expect_any(&b);
	} while (told.event.type != MSG_CHANNEL_CLOSED);
	ck_assert_int_ne(told.event.error, 0);
	end_close(&a);
	end_close(&b);
}
END_TEST

START_TEST(closing_with_everything_open_leaves_nothing)
{
	struct msg_channel_region region;
	struct msg_channel_read read;
	struct end a, b;
	uint32_t at_a[3], at_b[3];
	int before = 0;

	for (int round = 0; round < 4; round++) {
		end_open(&a, (struct end_options){0});
		end_open(&b, (struct end_options){0});
		post_all(&a, 16);
		post_all(&b, 16);
		for (int i = 0; i < 3; i++)
			join(&a, &b, &at_a[i], &at_b[i]);
		ck_assert_int_eq(b.set->ops->share(b.set, buffer(&b, 900),
					 BUFFER_BYTES, MSG_CHANNEL_SHARED,
					 &region), 0);
		read = (struct msg_channel_read){
			.into = buffer(&a, 500),
			.bytes = BUFFER_BYTES,
			.address = region.address,
			.key = region.key,
			.handle = at_a[0],
		};
		ck_assert_int_eq(a.set->ops->read(a.set, &read), 0);
		for (uint32_t i = 0; i < 20; i++)
			ck_assert_int_eq(send_buffer(&a, at_a[1], i,
						 BUFFER_BYTES, true), 0);
		ask(&a, &b);
		ask(&b, &a);
		if (round % 2)
			ends_poll();
		b.set->ops->unshare(b.set, &region);
		end_close(&a);
		end_close(&b);
		if (round == 1) /* Libraries keep what the first opened. */
			before = open_files();
	}
	ck_assert_int_eq(open_files(), before);
}
END_TEST

void add_break(Suite *suite)
{
	TCase *c = check_case(suite, "break", 180);

	tcase_add_test(c, killed_while_we_send);
	tcase_add_test(c, killed_while_we_read);
	tcase_add_test(c, hanging_up_gives_back_what_is_out);
	tcase_add_test(c, closing_with_everything_open_leaves_nothing);
}
