/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rc.h - two processes that are connected, in five ways: by libfabric's calls with
 * one connection, and with one each way; by channels, the same; and as a pair of rc
 * topics, which have one each way.
 *
 * Both ways have the same endpoint type, provider, buffers and window, and
 * every send is reported; topics have their own.  Neighbours: rc.c measures,
 * rc_raw.c, rc_channel.c and rc_topic.c are the ways.
 */
#ifndef PERF_RC_H
#define PERF_RC_H

#include <stdbool.h>
#include <stdint.h>

#define RC_WINDOW 64u /* Receives posted, and sends under way at most. */
#define RC_BYTES_MAX (1u << 20)
#define RC_ADDRESS_BYTES 64

struct rc_address {
	uint8_t bytes[RC_ADDRESS_BYTES];
	uint32_t length;
};

/* What one look found. */
struct rc_found {
	uint32_t received; /* Buffers are posted again already. */
	uint32_t sent;
};

struct rc_way {
	const char *name;
	/* `device`: of verbs; NULL: TCP on loopback.  Exits on failure. */
	void (*open)(const char *device, bool listen, struct rc_address *self);
	void (*connect)(const struct rc_address *address);
	void (*accept)(void);
	bool (*send)(uint32_t slot, uint32_t bytes); /* False: no room. */
	void (*poll)(struct rc_found *found); /* Adds. */
	void (*close)(void);
};

extern const struct rc_way rc_raw, rc_each, rc_channel, rc_apart, rc_topic;

/* Ends the program, when `failed`. */
void rc_check(bool failed, const char *what, int error);
/* RC_WINDOW x 2 slots of RC_BYTES_MAX: to receive into, then to send from. */
uint8_t *rc_memory(void);

#endif
