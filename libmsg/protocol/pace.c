/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pace.c - a token bucket; see pace.h.
 */
#include "protocol/pace.h"

void msg_pace_start(
	struct msg_pace *pace, uint64_t rate, uint64_t burst, uint64_t now)
{
	if (burst > MSG_PACE_BURST_MAX)
		burst = MSG_PACE_BURST_MAX;
	pace->rate = rate;
	pace->full = burst * MSG_PACE_TOKEN;
	pace->credit = pace->full;
	pace->now = now;
}

/* What will be there at `now`. */
static uint64_t credit_at(const struct msg_pace *pace, uint64_t now)
{
	uint64_t gained, credit;

	if (now <= pace->now)
		return pace->credit;
	if (__builtin_mul_overflow(now - pace->now, pace->rate, &gained) ||
		__builtin_add_overflow(pace->credit, gained, &credit) ||
		credit > pace->full)
		return pace->full;
	return credit;
}

bool msg_pace_take(struct msg_pace *pace, uint64_t count, uint64_t now)
{
	if (pace->rate == 0)
		return true;
	pace->credit = credit_at(pace, now);
	if (now > pace->now)
		pace->now = now;
	if (count > pace->credit / MSG_PACE_TOKEN)
		return false;
	pace->credit -= count * MSG_PACE_TOKEN;
	return true;
}

void msg_pace_give(struct msg_pace *pace, uint64_t count)
{
	uint64_t missing = pace->full - pace->credit;

	if (count > missing / MSG_PACE_TOKEN)
		pace->credit = pace->full;
	else
		pace->credit += count * MSG_PACE_TOKEN;
}

uint64_t msg_pace_when(
	const struct msg_pace *pace, uint64_t count, uint64_t now)
{
	uint64_t credit, missing, wait, from;

	if (pace->rate == 0)
		return now;
	if (count > pace->full / MSG_PACE_TOKEN)
		return UINT64_MAX;
	credit = credit_at(pace, now);
	if (count * MSG_PACE_TOKEN <= credit)
		return now;
	missing = count * MSG_PACE_TOKEN - credit;
	wait = missing / pace->rate + (missing % pace->rate > 0);
	from = now > pace->now ? now : pace->now;
	return wait < UINT64_MAX - from ? from + wait : UINT64_MAX;
}
