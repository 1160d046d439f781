/* SPDX-License-Identifier: BSD-2-Clause */
/* seat.c - see seat.h. */
#include "seat.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "check_main.h"
#include "end.h"

uint8_t *seat_slot(struct seat *seat, uint32_t i)
{
	return seat->memory + (size_t)i * SEAT_SLOT;
}

void seat_open(
	struct seat *seat, bool listen, uint32_t connections, uint64_t stuck_ms)
{
	struct msg_session_options o = {
		.memory_bytes = (size_t)SEAT_SLOT * SEAT_SLOTS,
		.receive_count = SEAT_SLOTS / 2,
		.stream_count = SEAT_SENDS,
		.side_count = SEAT_SENDS,
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
	seat->told = calloc(SEAT_TALES, sizeof *seat->told);
	o.memory = seat->memory;
	ck_assert_int_eq(domain_open(&seat->domain, text), 0);
	result = msg_session_open(seat->domain, &msg_channel_module, &o,
		&seat->session, text);
	ck_assert_msg(result == 0, "session: %d: %s", result, text);
	seat->stream = msg_session_stream(seat->session);
	seat->side = msg_session_side(seat->session);
}

void seat_post(struct seat *seat, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		ck_assert_int_eq(seat->side->ops->post(seat->side,
					 seat_slot(seat, i), SEAT_SLOT, i, false), 0);
}

void seat_close(struct seat *seat)
{
	msg_session_close(seat->session);
	domain_close(seat->domain);
	munmap(seat->memory, (size_t)SEAT_SLOT * SEAT_SLOTS);
	free(seat->told);
}

void seat_turn(struct seat *seat)
{
	struct msg_link_event events[16];
	int n = seat->side->ops->poll(seat->side, events, 16);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		if (events[i].type == MSG_LINK_SENT) {
			seat->sent = events[i].token + 1;
			continue;
		}
		ck_assert_uint_lt(seat->count, SEAT_TALES);
		seat->told[(seat->first + seat->count++) % SEAT_TALES] = events[i];
	}
	n = seat->stream->ops->poll(seat->stream, events, 16);
	ck_assert_int_ge(n, 0);
	if (n > 0)
		seat->streamed = events[n - 1].token + 1;
}

/* The next that `seat` is told, while the others are polled, too. */
struct msg_link_event seat_await(
	struct seat **seats, int count, struct seat *seat, uint32_t type)
{
	uint64_t limit = now_ms() + (uint64_t)patience_ms();
	struct msg_link_event event;

	while (seat->count == 0) {
		for (int i = 0; i < count; i++)
			seat_turn(seats[i]);
		ck_assert_msg(now_ms() < limit, "nothing was told");
	}
	event = seat->told[seat->first];
	seat->first = (seat->first + 1) % SEAT_TALES;
	seat->count--;
	ck_assert_msg(event.type == type, "told %u in place of %u",
		event.type, type);
	return event;
}

int seat_send(struct msg_link *link, struct seat *seat, uint32_t group,
	uint32_t i, uint32_t bytes, uint32_t token)
{
	struct msg_link_send send = {
		.iov = {{seat_slot(seat, i), bytes}},
		.iov_count = 1,
		.group = group,
		.token = token,
		.signal = true,
	};

	return link->ops->send(link, &send);
}
