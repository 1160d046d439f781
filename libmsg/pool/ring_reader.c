/* SPDX-License-Identifier: BSD-2-Clause */
/* ring_reader.c - when the writer was faster; see ring_reader.h. */
#include "pool/ring_reader.h"

bool msg_ring_lap(struct msg_ring_reader *r)
{
	uint64_t to = msg_load(&r->header->floor[r->number], acquire);

	if (to == MSG_RING_EVICTED)
		return false;
	/* An honest writer raises the floor before it overwrites an entry. */
	if (to <= r->next)
		to = msg_load(&r->header->head, acquire);
	/* A writer that lies: never go back, nor look at the same again. */
	if (to <= r->next)
		return false;
	r->lapped += to - r->next;
	r->next = to;
	msg_ring_settle(r, r->next);
	msg_store(&r->ledger->next, r->next, release);
	msg_store(&r->ledger->lapped, r->lapped, relaxed);
	return true;
}
