/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_gate.c - owner and helper are never in at once: each writes words that
 * are not atomic, and finds them as whoever was in last left them.
 */
#include "base/gate.h"

#include <pthread.h>
#include <sched.h>

#include "check_main.h"

#define CALLS (8000000u / MSG_TEST_FEWER)
#define WORKS 20 /* Of a helper. */
#define HELPS_MIN 20u

static struct msg_gate gate;
static uint64_t one, other; /* Always the same, while nobody is in. */
static uint64_t torn;
static uint32_t helped;
static _Atomic bool over;

static void work(void)
{
	torn += one != other;
	one++;
	atomic_signal_fence(memory_order_seq_cst);
	other++;
}

static void *help(void *nothing)
{
	uint32_t tries = 0;

	while (!msg_load(&over, relaxed)) {
		if (msg_gate_try(&gate)) {
			for (int i = 0; i < WORKS; i++)
				work();
			helped++;
			msg_gate_help_done(&gate);
		}
		/* One machine may have one processor. */
		if (++tries % 64 == 0)
			sched_yield();
	}
	return nothing;
}

START_TEST(owner_and_helpers_take_turns)
{
	pthread_t helpers[2];
	uint64_t calls = 0;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(
			pthread_create(&helpers[i], NULL, help, NULL), 0);
	while (calls < CALLS) {
		msg_gate_enter(&gate);
		work();
		msg_gate_leave(&gate);
		/* Out for a moment, or nobody would come in. */
		for (volatile uint64_t i = ++calls % 97; i > 0; i--)
			;
		if (calls % 4096 == 0)
			sched_yield();
	}
	msg_store(&over, true, relaxed);
	for (int i = 0; i < 2; i++)
		pthread_join(helpers[i], NULL);
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_eq(one, other);
	ck_assert_uint_eq(one, calls + helped * (uint64_t)WORKS);
	ck_assert_uint_gt(helped, HELPS_MIN);
}
END_TEST

START_TEST(a_helper_gives_way)
{
	struct msg_gate g = {0};

	msg_gate_enter(&g);
	ck_assert(!msg_gate_try(&g));
	msg_gate_leave(&g);
	ck_assert(msg_gate_try(&g));
	/* One is enough. */
	ck_assert(!msg_gate_try(&g));
	msg_gate_help_done(&g);
	msg_gate_enter(&g);
	msg_gate_leave(&g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gate");
	TCase *tcase = check_case(suite, "gate", 60);

	tcase_add_test(tcase, a_helper_gives_way);
	tcase_add_test(tcase, owner_and_helpers_take_turns);
	return check_main(suite, NULL);
}
