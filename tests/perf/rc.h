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

/* A way is a table of calls that know which of them they are: of symbol_state, by
 * the functions calls_open, calls_connect and so on. */
#define RC_WAY(symbol, text, calls)                                            \
	static void symbol##_open(                                             \
		const char *device, bool listen, struct rc_address *self)      \
	{                                                                      \
		calls##_open(&symbol##_state, device, listen, self);           \
	}                                                                      \
	static void symbol##_connect(const struct rc_address *address)         \
	{                                                                      \
		calls##_connect(&symbol##_state, address);                     \
	}                                                                      \
	static void symbol##_accept(void)                                      \
	{                                                                      \
		calls##_accept(&symbol##_state);                               \
	}                                                                      \
	static bool symbol##_send(uint32_t slot, uint32_t bytes)               \
	{                                                                      \
		return calls##_send(&symbol##_state, slot, bytes);             \
	}                                                                      \
	static void symbol##_poll(struct rc_found *found)                      \
	{                                                                      \
		calls##_poll(&symbol##_state, found);                          \
	}                                                                      \
	static void symbol##_close(void)                                       \
	{                                                                      \
		calls##_close(&symbol##_state);                                \
	}                                                                      \
	const struct rc_way symbol = {                                         \
		.name = text,                                                  \
		.open = symbol##_open,                                         \
		.connect = symbol##_connect,                                   \
		.accept = symbol##_accept,                                     \
		.send = symbol##_send,                                         \
		.poll = symbol##_poll,                                         \
		.close = symbol##_close,                                       \
	}

/* Ends the program, when `failed`. */
void rc_check(bool failed, const char *what, int error);
/* RC_WINDOW x 2 slots of RC_BYTES_MAX: to receive into, then to send from. */
uint8_t *rc_memory(void);

#endif
