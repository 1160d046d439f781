/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_internal.h - what outbox.c and outbox_large.c (large messages) say to each
 * other.
 */
#ifndef MSG_ENGINE_OUTBOX_INTERNAL_H
#define MSG_ENGINE_OUTBOX_INTERNAL_H

#include "engine/outbox.h"

/* ---- outbox.c ------------------------------------------------------------ */

/* Take entries back until `enough`: what all have read, then what laggards have
 * not.  False: there is nothing more to be had. */
bool outbox_reclaim(
	struct msg_outbox *outbox, bool (*enough)(const struct msg_outbox *));

/* The roster of readers, behind a full fence: before anything is taken from any. */
void outbox_look(struct msg_outbox *outbox);

/* AGAIN, counted. */
int outbox_refuse(struct msg_outbox *outbox);

/* ---- outbox_large.c ------------------------------------------------------- */

/* In a slot's loan_offset: its loan is large, and stands in that buffer. */
#define OUTBOX_IN_BUFFER 0x80000000u

static inline bool outbox_is_large(const struct msg_outbox *o, uint32_t slot)
{
	return o->lender.pool.slots[slot].loan_offset & OUTBOX_IN_BUFFER;
}

int outbox_open_large(
	struct msg_outbox *outbox, const struct msg_outbox_options *options);
void outbox_close_large(struct msg_outbox *outbox);

/* Memory for a message.  0, AGAIN (counted), MEMORY. */
int outbox_take_large(
	struct msg_outbox *outbox, size_t bytes, uint32_t *buffer);
/* Lend it out: its handle is the slot's. */
void outbox_lend_large(struct msg_outbox *outbox, uint32_t slot,
	uint32_t buffer, struct msg_loan *loan);
/* The slot's message becomes an entry. */
void outbox_put_large(
	struct msg_outbox *outbox, uint32_t slot, uint32_t bytes);

#endif
