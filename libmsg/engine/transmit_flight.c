/* SPDX-License-Identifier: BSD-2-Clause */
/* transmit_flight.c - what is done, and waiting for that; see transmit_flight.h. */
#include "engine/transmit_flight.h"

#include "base/clock.h"

/* A post that the link refuses for this long has failed. */
#define STUCK_NS (1 * MSG_NS_PER_S)
#define EVENTS 32

/* Free the slots of frames up to `frame`, which is done. */
static void done(struct msg_transmitter *t, uint32_t frame)
{
	if (frame - t->flight_tail >= transmit_in_flight(t))
		return;
	while (t->flight_tail != frame + 1) {
		msg_transmit_drop(&t->lender.pool,
			t->flight[t->flight_tail & t->flight_mask]);
		t->flight_tail++;
	}
}

int transmit_poll(struct msg_transmitter *t)
{
	struct msg_link_event events[EVENTS];
	int n = t->link->ops->poll(t->link, events, EVENTS);

	for (int i = 0; i < n; i++) {
		if (events[i].type == MSG_LINK_SEND_FAILED)
			transmit_count(t, MSG_COUNTER_SEND_FAILED, 1);
		done(t, events[i].token);
	}
	return n;
}

int transmit_wait_for_link(struct msg_transmitter *t, uint64_t *deadline)
{
	uint64_t now = msg_clock_ns();
	int n = transmit_poll(t);

	if (n < 0)
		return n;
	/* A session ends who takes nothing, before that. */
	if (*deadline == 0)
		*deadline = now + STUCK_NS +
			    (t->options.connected ? t->options.give_up_ns : 0);
	return now < *deadline ? 0 : -MSG_ERROR_FABRIC;
}

int transmit_await_place_slowly(struct msg_transmitter *t)
{
	uint64_t deadline = 0;
	int result = 0;

	while (!transmit_has_place(t) && result == 0)
		result = transmit_wait_for_link(t, &deadline);
	return result;
}
