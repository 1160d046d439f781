/* SPDX-License-Identifier: BSD-2-Clause */
/* session.c - connections as two links: link/session.h. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cases.h"
#include "check_main.h"
#include "end.h"

#include "base/clock.h"
#include "link/session.h"

#define SLOT 4096u
#define SLOTS 512u
#define SENDS 64u
#define TALES 4096u

/* A session with its memory, and what its side was told but SENT. */
struct seat {
	struct msg_link_domain *domain;
	struct msg_session *session;
	struct msg_link *stream, *side;
	uint8_t *memory; /* Slots, the first half to post. */
	uint32_t sent;   /* Newest of `side`, + 1. */
	uint32_t streamed;
	uint32_t side_next;
	struct msg_link_event *told;
	uint32_t first, count;
};

static uint8_t *slot(struct seat *seat, uint32_t i)
{
	return seat->memory + (size_t)i * SLOT;
}

static void seat_open(
	struct seat *seat, bool listen, uint32_t connections, uint64_t stuck_ms)
{
	struct msg_session_options o = {
		.memory_bytes = (size_t)SLOT * SLOTS,
		.receive_count = SLOTS / 2,
		.stream_count = SENDS,
		.side_count = SENDS,
		.connection_max = connections,
		.stuck_ns = stuck_ms * MSG_NS_PER_MS,
		.listen = listen,
	};
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	memset(seat, 0, sizeof *seat);
	seat->memory = mmap(NULL, o.memory_bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(seat->memory, MAP_FAILED);
	seat->told = calloc(TALES, sizeof *seat->told);
	o.memory = seat->memory;
	ck_assert_int_eq(domain_open(&seat->domain, text), 0);
	result = msg_session_open(seat->domain, &msg_channel_module, &o,
		&seat->session, text);
	ck_assert_msg(result == 0, "session: %d: %s", result, text);
	seat->stream = msg_session_stream(seat->session);
	seat->side = msg_session_side(seat->session);
}

static void post_slots(struct seat *seat, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(seat->side->ops->post(seat->side,
					 slot(seat, i), SLOT, i, false), 0);
}

static void seat_close(struct seat *seat)
{
	msg_session_close(seat->session);
	domain_close(seat->domain);
	munmap(seat->memory, (size_t)SLOT * SLOTS);
	free(seat->told);
}

static void turn(struct seat *seat)
{
	struct msg_link_event events[16];
	int n = seat->side->ops->poll(seat->side, events, 16);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		if (events[i].type == MSG_LINK_SENT) {
			seat->sent = events[i].token + 1;
			continue;
		}
		ck_assert_uint_lt(seat->count, TALES);
		seat->told[(seat->first + seat->count++) % TALES] = events[i];
	}
	n = seat->stream->ops->poll(seat->stream, events, 16);
	ck_assert_int_ge(n, 0);
	if (n > 0)
		seat->streamed = events[n - 1].token + 1;
}

/* The next that `seat` is told, while the others are polled, too. */
static struct msg_link_event await(
	struct seat **seats, int count, struct seat *seat, uint32_t type)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();
	struct msg_link_event event;

	while (seat->count == 0) {
		for (int i = 0; i < count; i++)
			turn(seats[i]);
		ck_assert_msg(now_ms() < limit, "nothing was told");
	}
	event = seat->told[seat->first];
	seat->first = (seat->first + 1) % TALES;
	seat->count--;
	ck_assert_msg(event.type == type, "told %u in place of %u",
		event.type, type);
	return event;
}

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
	*at_to = await(both, 2, to, MSG_LINK_ASKED).handle;
	ck_assert_uint_eq(msg_session_greeting(to->session, *at_to, said), 5);
	ck_assert_mem_eq(said, "hello", 5);
	ck_assert_int_eq(
		msg_session_accept(to->session, *at_to, "yes", 3, cookie), 0);
	ck_assert_uint_eq(
		await(both, 2, to, MSG_LINK_CONNECTED).handle, *at_to);
	ck_assert_uint_eq(
		await(both, 2, from, MSG_LINK_CONNECTED).handle, *at_from);
	ck_assert_uint_eq(
		msg_session_greeting(from->session, *at_from, said), 3);
	ck_assert_uint_eq(msg_session_cookie(to->session, *at_to), cookie);
	ck_assert_uint_eq(
		msg_session_cookie(from->session, *at_from), cookie + 1000);
	ck_assert_uint_eq(msg_session_find(to->session, cookie,
				  MSG_SESSION_ALL), *at_to);
}

static int send_slot(struct msg_link *link, struct seat *seat, uint32_t group,
	uint32_t i, uint32_t bytes, uint32_t token)
{
	struct msg_link_send send = {
		.iov = {{slot(seat, i), bytes}},
		.iov_count = 1,
		.group = group,
		.token = token,
		.signal = true,
	};

	return link->ops->send(link, &send);
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
		post_slots(all[i + 1], 8);
		meet(all[i + 1], &hub, (uint64_t)i + 1, &of[i], &at[i]);
	}
	msg_session_attach(hub.session, at[0]);
	msg_session_attach(hub.session, at[1]);
	msg_session_attach(hub.session, at[1]);
	memcpy(slot(&hub, 300), "to all", 6);
	ck_assert_int_eq(send_slot(hub.stream, &hub, MSG_SESSION_ALL, 300, 6, 7),
		0);
	for (int i = 0; i < 2; i++) {
		event = await(all, 4, all[i + 1], MSG_LINK_RECEIVED);
		ck_assert_uint_eq(event.bytes, 6);
		ck_assert_uint_eq(event.handle, of[i]);
		ck_assert_mem_eq(slot(all[i + 1], event.token), "to all", 6);
	}
	while (hub.streamed != 8)
		turn(&hub);
	/* Who is alone gets what is for him alone. */
	ck_assert_int_eq(send_slot(hub.side, &hub, at[2], 300, 3, 0), 0);
	event = await(all, 4, &c, MSG_LINK_RECEIVED);
	ck_assert_uint_eq(event.bytes, 3);
	ck_assert_uint_eq(event.handle, of[2]);
	while (hub.sent != 1)
		turn(&hub);
	ck_assert_uint_eq(a.count + b.count + c.count, 0);
	/* What comes in says by whom, and the end comes behind it. */
	post_slots(&hub, 8);
	ck_assert_int_eq(send_slot(b.side, &b, of[1], 300, 9, 0), 0);
	msg_session_settle(b.session, MSG_NS_PER_S);
	msg_session_hang_up(b.session, of[1]);
	event = await(all, 4, &hub, MSG_LINK_RECEIVED);
	ck_assert_uint_eq(event.handle, at[1]);
	ck_assert_uint_eq(msg_session_cookie(hub.session, at[1]), 2);
	ck_assert_uint_eq(
		await(all, 4, &hub, MSG_LINK_CLOSED).handle, at[1]);
	ck_assert_uint_eq(await(all, 4, &b, MSG_LINK_CLOSED).handle, of[1]);
	ck_assert_uint_eq(msg_session_cookie(hub.session, at[1]), 0);
	ck_assert_uint_eq(msg_session_counts(hub.session)->closed, 1);
	ck_assert_uint_eq(msg_session_counts(b.session)->closed, 0);
	/* A send to who is gone is refused, one to the group is not for him. */
	ck_assert_int_eq(send_slot(hub.side, &hub, at[1], 300, 3, 1),
		-MSG_ERROR_ARGUMENT);
	ck_assert_int_eq(send_slot(hub.stream, &hub, MSG_SESSION_ALL, 300, 6, 8),
		0);
	await(all, 4, &a, MSG_LINK_RECEIVED);
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
	uint32_t token = 0;
	bool stood = false;

	if (!on_tcp())
		CHECK_SKIP("a queue pair takes without being polled");
	seat_open(&hub, true, 4, stuck_ms);
	seat_open(&deaf, false, 1, 1000);
	seat_open(&well, false, 1, 1000);
	post_slots(&deaf, 4);
	post_slots(&well, 4);
	meet(&deaf, &hub, 1, &at_deaf, &at_hub);
	meet(&well, &hub, 2, &of_well, &at_well);
	msg_session_attach(hub.session, at_hub);
	msg_session_attach(hub.session, at_well);
	begin = now_ms();
	while (msg_session_counts(hub.session)->stuck == 0) {
		int result = send_slot(
			hub.stream, &hub, MSG_SESSION_ALL, 300, SLOT, token);

		token += result == 0;
		if (result == -MSG_ERROR_AGAIN && again == 0)
			again = now_ms();
		if (!stood && again > 0 && now_ms() - again > 50) {
			stood = true;
			/* The side goes on, without the deaf one. */
			ck_assert_int_eq(send_slot(hub.side, &hub,
						 MSG_SESSION_ALL, 301, 8, 0),
				0);
		}
		turn(&hub);
		turn(&well);
		while (well.count > 0) {
			struct msg_link_event e = await(
				all, 2, &well, MSG_LINK_RECEIVED);

			ck_assert_int_eq(well.side->ops->post(well.side,
						 slot(&well, e.token), SLOT,
						 e.token, false), 0);
		}
		ck_assert_uint_lt(now_ms() - begin, 20000);
	}
	ck_assert(stood);
	ck_assert_uint_ge(now_ms() - begin, stuck_ms - 20);
	ck_assert_uint_lt(now_ms() - again, 3000);
	ck_assert_uint_eq(
		await(all, 2, &hub, MSG_LINK_CLOSED).handle, at_hub);
	/* All is done, and the other one is still there. */
	while (hub.streamed != token || hub.sent != 1)
		turn(&hub);
	ck_assert_uint_ge(msg_session_counts(hub.session)->passed, 1);
	ck_assert_int_eq(send_slot(hub.side, &hub, at_well, 301, 8, 1), 0);
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
		await(both, 2, &hub, MSG_LINK_CLOSED);
		await(both, 2, &guest, MSG_LINK_CLOSED);
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
			send_slot(hub->side, hub, MSG_SESSION_ALL, 400, 16,
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
	post_slots(&guest, SLOTS / 2);
	meet(&guest, &hub, 1, &at_guest, &at_hub);
	msg_session_attach(hub.session, at_hub);
	pthread_create(&thread, NULL, race_side, &hub);
	while (done < RACE_COUNT || streamed < RACE_COUNT) {
		if (token < RACE_COUNT &&
			send_slot(hub.stream, &hub, MSG_SESSION_ALL, 300, 32,
				token) == 0)
			token++;
		if (hub.stream->ops->poll(hub.stream, events, 16) > 0)
			done = events[0].token + 1;
		turn(&guest);
		for (; guest.count > 0; guest.count--) {
			struct msg_link_event *e = &guest.told[guest.first];

			guest.first = (guest.first + 1) % TALES;
			ck_assert_uint_eq(e->type, MSG_LINK_RECEIVED);
			streamed += e->bytes == 32;
			aside += e->bytes == 16;
			ck_assert_int_eq(guest.side->ops->post(guest.side,
						 slot(&guest, e->token), SLOT,
						 e->token, false), 0);
		}
		ck_assert_uint_lt(now_ms(), limit);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(streamed, RACE_COUNT);
	/* `side` waits for nobody: what was passed over was not sent. */
	for (int i = 0; i < 1000; i++)
		turn(&guest);
	for (uint32_t i = 0; i < guest.count; i++)
		aside += guest.told[(guest.first + i) % TALES].bytes == 16;
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
