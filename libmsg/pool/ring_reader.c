/* SPDX-License-Identifier: BSD-2-Clause */
/* ring_reader.c - when the writer was faster; see ring_reader.h. */
#include "pool/ring_reader.h"

/* No honest index comes near: of a billion a second, in 500 years. */
#define MSG_RING_LAP_MAX (UINT64_MAX - (1ull << 32))

bool msg_ring_lap(struct msg_ring_reader *r)
{
	uint64_t to = msg_load(&r->header->floor[r->number], acquire);

	if (to == MSG_RING_EVICTED)
		return false;
	/* An honest writer raises the floor before it overwrites an entry. */
	if (to <= r->next)
		to = msg_load(&r->header->head, acquire);
	/* A writer that lies: never go back, nor look at the same again, nor go
	 * round the numbers and come by here once more. */
	if (to <= r->next || to > MSG_RING_LAP_MAX)
		return false;
	r->lapped += to - r->next;
	msg_ring_skip(r, to);
	msg_store(&r->ledger->lapped, r->lapped, relaxed);
	return true;
}
