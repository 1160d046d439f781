/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * keep_large.h - large messages of a local publisher, shown to other hosts.
 *
 *     publisher's area:   front, the seal at its end │ message …
 *                         registered ─────────────────────────── READ <── receivers
 *
 * The message stays where the publisher wrote it.  The broker has the area mapped
 * since before it was sealed, registers what the message takes and the page before
 * it, writes the seal there (protocol/large.h), and sends a LARGE frame, which is
 * kept and repaired like any other (keep.h): as long as its entry is in hand, the
 * memory is.  A registration stays for the next message of that place.
 *
 * When there would not be room for one more of the largest size, what nobody
 * reads any more is given back, the oldest first.
 *
 * The publisher can write the seal, too: a wrong one costs what it costs to send
 * nothing.  What its entries say is checked here: within the area, and in no page
 * that a message in hand stands in.
 *
 * Callers: relay.c, keep.c.  Test: tests/unit/broker/test_keep_large.c,
 * tests/survive/test_large.c, tests/conformance through a broker.
 */
#ifndef BROKER_KEEP_LARGE_H
#define BROKER_KEEP_LARGE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/show.h"
#include "link/shm/control.h"
#include "pool/region.h"
#include "pool/ring.h"

struct keep;
struct publisher;

/* Headers of LARGE frames, of each that may be in flight. */
#define KEEP_LARGE_HEADER 128u
#define KEEP_LARGE_HEADERS 256u

struct keep_large_message {
	struct msg_channel_region region; /* memory NULL: no place. */
	bool used; /* Else only registered. */
	bool sent;
	uint64_t frame; /* Once it is. */
	uint64_t sent_ns;
	uint64_t bytes;
	uint8_t body[MSG_LARGE_BYTES];
};

struct keep_large {
	struct msg_show *show; /* Of keep_show.h; outlives us. */
	uint8_t *area;
	uint64_t area_bytes;
	uint64_t memory_bytes;
	uint32_t bytes_max; /* Of a message. */
	uint64_t bytes;     /* Of those in hand. */
	uint64_t short_ns;  /* Since when there is no room; 0: there is. */
	uint64_t shown;     /* So far: the place of a header. */
	uint32_t next;      /* The message of the claimed entry, shown and not
	                       sent; KEEP_LARGE_NONE. */
	struct keep_large_message messages[MSG_LARGE_BUFFERS_MAX];
};

#define KEEP_LARGE_NONE UINT32_MAX

/* Of a publisher whose keep is open, and what is read by.  0, or an error with the
 * trail. */
int keep_large_open(
	struct publisher *publisher, const struct msg_control_publish *wish);
/* Behind the repairer, before what it was read by; NULL is allowed. */
void keep_large_close(struct keep_large *large);

/* Whether the entry can be what it says. */
bool keep_large_believe(
	const struct keep_large *large, const struct msg_ring_item *item);

/* Register and seal the message of the claimed entry, once; its frame's body.
 * NULL: it cannot be had, and is lost to other hosts. */
const uint8_t *keep_large_show(
	struct keep_large *large, const struct msg_ring_item *item);
/* It left as that frame. */
void keep_large_sent(struct keep_large *large, uint64_t frame, uint64_t now);

/* The body of a frame that is kept. */
const uint8_t *keep_large_body(
	const struct keep_large *large, uint64_t frame);
/* The frame is kept no more: void the seal before the memory is another's. */
void keep_large_forget(struct keep_large *large, uint64_t frame);

/* Whether memory is short and the oldest message is wanted by nobody.  Notes how
 * long it has been short. */
bool keep_large_gives_way(struct keep *keep);

#endif
