/* SPDX-License-Identifier: BSD-2-Clause */
/* session.c - connections as two links: link/session.h. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"
#include "seat.h"


static uint32_t call(struct seat *from, struct seat *to, uint64_t cookie)
{
	uint8_t reach[MSG_CHANNEL_REACH_BYTES_MAX];
	int bytes = to->side->ops->name(to->side, reach);
	uint32_t handle;

	ck_assert_int_gt(bytes, 0);
	ck_assert_int_eq(msg_session_connect(from->session, reach,
				 (uint32_t)bytes, "hello", 5, cookie, &handle),
		0);
	return handle;
}

/* Connect; the handles of both. */
static void meet(struct seat *from, struct seat *to, uint64_t cookie,
	uint32_t *at_from, uint32_t *at_to)
{
	struct seat *both[] = {from, to};
	uint8_t said[MSG_CHANNEL_GREETING_BYTES_MAX];

	*at_from = call(from, to, cookie + 1000);
	*at_to = seat_await(both, 2, to, MSG_LINK_ASKED).handle;
	ck_assert_uint_eq(msg_session_greeting(to->session, *at_to, said), 5);
	ck_assert_mem_eq(said, "hello", 5);
	ck_assert_int_eq(
		msg_session_accept(to->session, *at_to, "yes", 3, cookie), 0);
	ck_assert_uint_eq(
		seat_await(both, 2, to, MSG_LINK_CONNECTED).handle, *at_to);
	ck_assert_uint_eq(
		seat_await(both, 2, from, MSG_LINK_CONNECTED).handle, *at_from);
	ck_assert_uint_eq(
		msg_session_greeting(from->session, *at_from, said), 3);
	ck_assert_uint_eq(msg_session_cookie(to->session, *at_to), cookie);
	ck_assert_uint_eq(
		msg_session_cookie(from->session, *at_from), cookie + 1000);
	ck_assert_uint_eq(msg_session_find(to->session, cookie,
				  MSG_SESSION_ALL), *at_to);
}

START_TEST(the_group_is_who_was_attached)
{
	struct seat hub, a, b, c;
	struct seat *all[] = {&hub, &a, &b, &c};
	uint32_t at[3], of[3];
	struct msg_link_event event;

	seat_open(&hub, true, 4, 1000);
	for (int i = 0; i < 3; i++) {
		seat_open(all[i + 1], false, 1, 1000);
		seat_post(all[i + 1], 8);
		meet(all[i + 1], &hub, (uint64_t)i + 1, &of[i], &at[i]);
	}
	msg_session_attach(hub.session, at[0]);
	msg_session_attach(hub.session, at[1]);
	msg_session_attach(hub.session, at[1]);
	memcpy(seat_slot(&hub, 300), "to all", 6);
	ck_assert_int_eq(seat_send(hub.stream, &hub, MSG_SESSION_ALL, 300, 6, 7),
		0);
	for (int i = 0; i < 2; i++) {
		event = seat_await(all, 4, all[i + 1], MSG_LINK_RECEIVED);
		ck_assert_uint_eq(event.bytes, 6);
		ck_assert_uint_eq(event.handle, of[i]);
		ck_assert_mem_eq(seat_slot(all[i + 1], event.token), "to all", 6);
	}
	while (hub.streamed != 8)
		seat_turn(&hub);
	/* Who is alone gets what is for him alone. */
	ck_assert_int_eq(seat_send(hub.side, &hub, at[2], 300, 3, 0), 0);
	event = seat_await(all, 4, &c, MSG_LINK_RECEIVED);
	ck_assert_uint_eq(event.bytes, 3);
	ck_assert_uint_eq(event.handle, of[2]);
	while (hub.sent != 1)
		seat_turn(&hub);
	ck_assert_uint_eq(a.count + b.count + c.count, 0);
	/* What comes in says by whom, and the end comes behind it. */
	seat_post(&hub, 8);
	ck_assert_int_eq(seat_send(b.side, &b, of[1], 300, 9, 0), 0);
	while (b.sent != 1)
		seat_turn(&b);
	msg_session_hang_up(b.session, of[1]);
	event = seat_await(all, 4, &hub, MSG_LINK_RECEIVED);
	ck_assert_uint_eq(event.handle, at[1]);
	ck_assert_uint_eq(msg_session_cookie(hub.session, at[1]), 2);
	ck_assert_uint_eq(
		seat_await(all, 4, &hub, MSG_LINK_CLOSED).handle, at[1]);
	ck_assert_uint_eq(seat_await(all, 4, &b, MSG_LINK_CLOSED).handle, of[1]);
	ck_assert_uint_eq(msg_session_cookie(hub.session, at[1]), 0);
	ck_assert_uint_eq(msg_session_counts(hub.session)->closed, 1);
	ck_assert_uint_eq(msg_session_counts(b.session)->closed, 0);
	/* A send to who is gone is refused, one to the group is not for him. */
	ck_assert_int_eq(seat_send(hub.side, &hub, at[1], 300, 3, 1),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(seat_send(hub.stream, &hub, MSG_SESSION_ALL, 300, 6, 8),
		0);
	seat_await(all, 4, &a, MSG_LINK_RECEIVED);
	for (int i = 0; i < 4; i++)
		seat_close(all[i]);
}
END_TEST

/* Nobody polls there, so in the end nothing is taken any more. */
START_TEST(who_takes_nothing_is_ended)
{
	const uint64_t stuck_ms = 300;
	struct seat hub, deaf, well;
	struct seat *all[] = {&hub, &well};
	uint32_t at_hub, at_deaf, at_well, of_well;
	uint64_t begin, again = 0;
	uint32_t token = 0, in_vain = 0;
	bool stood = false;

	if (!on_tcp())
		CHECK_SKIP("a queue pair takes without being polled");
	seat_open(&hub, true, 4, stuck_ms);
	seat_open(&deaf, false, 1, 1000);
	seat_open(&well, false, 1, 1000);
	seat_post(&deaf, 4);
	seat_post(&well, 4);
	meet(&deaf, &hub, 1, &at_deaf, &at_hub);
	meet(&well, &hub, 2, &of_well, &at_well);
	msg_session_attach(hub.session, at_hub);
	msg_session_attach(hub.session, at_well);
	begin = now_ms();
	while (msg_session_counts(hub.session)->stuck == 0) {
		int result = seat_send(
			hub.stream, &hub, MSG_SESSION_ALL, 300, SEAT_SLOT, token);

		token += result == 0;
		if (result == 0)
			again = in_vain = 0;
		else if (++in_vain == 1)
			again = now_ms();
		/* Time alone passes while nobody here runs. */
		if (!stood && in_vain > 1000 && now_ms() - again > 50) {
			stood = true;
			/* The side goes on, without the deaf one. */
			ck_assert_int_eq(seat_send(hub.side, &hub,
						 MSG_SESSION_ALL, 301, 8, 0),
				0);
		}
		seat_turn(&hub);
		seat_turn(&well);
		while (well.count > 0) {
			struct msg_link_event e = seat_await(
				all, 2, &well, MSG_LINK_RECEIVED);

			ck_assert_int_eq(well.side->ops->post(well.side,
						 seat_slot(&well, e.token), SEAT_SLOT,
						 e.token, false), 0);
		}
		ck_assert_uint_lt(now_ms() - begin, 20000);
	}
	ck_assert(stood);
	ck_assert_uint_ge(now_ms() - begin, stuck_ms - 20);
	ck_assert_uint_lt(now_ms() - again, 10000);
	ck_assert_uint_eq(
		seat_await(all, 2, &hub, MSG_LINK_CLOSED).handle, at_hub);
	/* All is done, and the other one is still there. */
	while (hub.streamed != token || hub.sent != 1)
		seat_turn(&hub);
	ck_assert_uint_ge(msg_session_counts(hub.session)->passed, 1);
	ck_assert_int_eq(seat_send(hub.side, &hub, at_well, 301, 8, 1), 0);
	seat_close(&deaf);
	seat_close(&well);
	seat_close(&hub);
}
END_TEST

START_TEST(places_come_back)
{
	struct seat hub, guest;
	struct seat *both[] = {&hub, &guest};
	uint32_t at_hub, at_guest, before = 0;

	seat_open(&hub, true, 1, 1000);
	seat_open(&guest, false, 1, 1000);
	for (int i = 0; i < 20; i++) {
		meet(&guest, &hub, 5, &at_guest, &at_hub);
		ck_assert_uint_ne(at_hub, before);
		before = at_hub;
		msg_session_attach(hub.session, at_hub);
		if (i % 2)
			msg_session_hang_up(hub.session, at_hub);
		else
			msg_session_hang_up(guest.session, at_guest);
		seat_await(both, 2, &hub, MSG_LINK_CLOSED);
		seat_await(both, 2, &guest, MSG_LINK_CLOSED);
		ck_assert_uint_eq(msg_session_find(hub.session, 5,
					  MSG_SESSION_ALL), MSG_SESSION_ALL);
	}
	ck_assert_uint_eq(msg_session_counts(hub.session)->connected, 20);
	seat_close(&guest);
	seat_close(&hub);
}
END_TEST

#define RACE_COUNT 20000u

static void *race_side(void *argument)
{
	struct seat *hub = argument;
	struct msg_link_event events[16];
	uint32_t token = 0, sent = 0;

	while (sent < RACE_COUNT) {
		if (token < RACE_COUNT &&
			seat_send(hub->side, hub, MSG_SESSION_ALL, 400, 16,
				token) == 0)
			token++;
		for (int n = hub->side->ops->poll(hub->side, events, 16);
			n > 0; n--)
			if (events[n - 1].type == MSG_LINK_SENT)
				sent = events[n - 1].token + 1;
	}
	return NULL;
}

/* Two threads, a link each. */
START_TEST(both_links_at_once)
{
	struct seat hub, guest;
	struct msg_link_event events[16];
	uint32_t at_hub, at_guest;
	uint32_t token = 0, done = 0, streamed = 0, aside = 0;
	uint64_t limit = now_ms() + 60000;
	pthread_t thread;

	if (!on_tcp())
		CHECK_SKIP("an emulated machine takes too long for it");
	seat_open(&hub, true, 1, 5000);
	seat_open(&guest, false, 1, 5000);
	seat_post(&guest, SEAT_SLOTS / 2);
	meet(&guest, &hub, 1, &at_guest, &at_hub);
	msg_session_attach(hub.session, at_hub);
	pthread_create(&thread, NULL, race_side, &hub);
	while (done < RACE_COUNT || streamed < RACE_COUNT) {
		if (token < RACE_COUNT &&
			seat_send(hub.stream, &hub, MSG_SESSION_ALL, 300, 32,
				token) == 0)
			token++;
		if (hub.stream->ops->poll(hub.stream, events, 16) > 0)
			done = events[0].token + 1;
		seat_turn(&guest);
		for (; guest.count > 0; guest.count--) {
			struct msg_link_event *e = &guest.told[guest.first];

			guest.first = (guest.first + 1) % SEAT_TALES;
			ck_assert_uint_eq(e->type, MSG_LINK_RECEIVED);
			streamed += e->bytes == 32;
			aside += e->bytes == 16;
			ck_assert_int_eq(guest.side->ops->post(guest.side,
						 seat_slot(&guest, e->token), SEAT_SLOT,
						 e->token, false), 0);
		}
		ck_assert_uint_lt(now_ms(), limit);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(streamed, RACE_COUNT);
	/* `side` waits for nobody: what was passed over was not sent. */
	for (int i = 0; i < 1000; i++)
		seat_turn(&guest);
	for (uint32_t i = 0; i < guest.count; i++)
		aside += guest.told[(guest.first + i) % SEAT_TALES].bytes == 16;
	ck_assert_uint_eq(
		aside + msg_session_counts(hub.session)->passed, RACE_COUNT);
	seat_close(&guest);
	seat_close(&hub);
}
END_TEST

void add_session(Suite *suite)
{
	TCase *c = check_case(suite, "session", 120);

	tcase_add_test(c, the_group_is_who_was_attached);
	tcase_add_test(c, who_takes_nothing_is_ended);
	tcase_add_test(c, places_come_back);
	tcase_add_test(c, both_links_at_once);
}
