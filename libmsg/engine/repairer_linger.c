/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_linger.c - a publisher's end: nothing follows, and whoever is known is
 * to have all before its memory goes; see repairer.h.
 *
 * A publisher's process calls it when it closes (api/publisher.c), the broker
 * when it ends (broker/server.c).
 */
#include "engine/repairer_internal.h"

#include <time.h>

#include "base/clock.h"

#define PROBE_MIN_NS (200 * MSG_NS_PER_US)
#define PROBE_MAX_NS (20 * MSG_NS_PER_MS)
/* Whoever has not answered so many probes is not there. */
#define PROBES 4u
/* So much longer who reads a large message is waited for. */
#define READ_NS (60 * MSG_NS_PER_S)

/* Somebody whom nothing was heard of yet may still lack the last frames, so a
 * few probes go out whoever is known. */
void msg_repairer_linger(struct msg_repairer *r, uint64_t limit_ns)
{
	const struct timespec pause = {.tv_nsec = 50 * MSG_NS_PER_US};
	uint64_t now = msg_clock_ns();
	uint64_t end = now + limit_ns;
	uint64_t last = end + READ_NS;
	uint64_t interval = PROBE_MIN_NS;
	uint64_t next = now;
	uint32_t probes = 0;

	msg_repairer_enter(r);
	r->closing = true;
	r->held = false;
	while (now < end) {
		if (now >= next) {
			if (probes >= PROBES && !msg_repairer_is_awaited(r, now))
				break;
			repairer_ask_all(r);
			probes++;
			next = now + interval;
			interval = interval * 4 < PROBE_MAX_NS
					   ? interval * 4
					   : PROBE_MAX_NS;
		}
		if (msg_repairer_turn(r, now) == 0 && !msg_repairer_is_read(r, now))
			nanosleep(&pause, NULL);
		/* Who reads a large message has that time anew while he gets
		 * on. */
		if (msg_repairer_is_read(r, now))
			end = now + limit_ns < last ? now + limit_ns : last;
		now = msg_clock_ns();
	}
	repairer_tell(r);
	msg_repairer_leave(r);
}
