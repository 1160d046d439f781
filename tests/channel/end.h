/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * end.h - one set of connections with its memory, for the tests of channels.
 *
 * Ends of one process are driven together: whoever waits polls all of them.
 * What they are told is kept in order, so that a test says what has to come
 * next.  Every helper fails the test when something else happens.
 */
#ifndef TESTS_CHANNEL_END_H
#define TESTS_CHANNEL_END_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "link/fabric/channels.h"

#define BUFFER_BYTES 4096u
#define BUFFERS 1024u
#define TOLD_MAX 8192u

struct end_options {
	bool deaf;               /* Does not listen. */
	bool headers;            /* First pieces lie in memory of their own. */
	uint32_t receive_count;  /* 0: 256. */
	uint32_t send_count;     /* 0: 64. */
	uint32_t connection_max; /* 0: 8. */
	uint32_t limit_ms;       /* 0: the default. */
	uint16_t port;
};

struct told {
	struct msg_channel_event event;
	uint8_t greeting[MSG_CHANNEL_GREETING_BYTES_MAX];
};

struct end {
	struct msg_link_domain *domain;
	struct msg_channels *set;
	uint8_t *memory; /* BUFFERS x BUFFER_BYTES. */
	uint8_t *headers;
	uint8_t reach[MSG_CHANNEL_REACH_BYTES_MAX];
	uint32_t reach_bytes;
	struct told *told;
	uint32_t told_first, told_count;
};

/* Where the tests run: a verbs device, or an interface by TCP. */
extern const char *end_device;
extern const char *end_interface;
extern sa_family_t end_family;
bool on_tcp(void);
/* A machine that is emulated takes its time. */
int patience_ms(void);

int domain_open(struct msg_link_domain **domain, char *text);
void domain_close(struct msg_link_domain *domain);
int try_open(struct end *end, struct end_options o, char *text);
void end_open(struct end *end, struct end_options o);
void end_close(struct end *end);
/* Forget the ends of the parent, after fork. */
void ends_forget(void);

static inline uint8_t *buffer(struct end *end, uint32_t i)
{
	return end->memory + (size_t)i * BUFFER_BYTES;
}

/* Poll one once, or all. */
void end_poll(struct end *end);
void ends_poll(void);
/* The next that this one is told, of this type. */
struct told expect(struct end *end, uint32_t type);
struct told expect_any(struct end *end);
/* The next but messages sent, of whatever type. */
struct told next_told(struct end *end);
/* Is there something, without waiting? */
bool has_told(const struct end *end);
/* Nothing is told for `ms`. */
void expect_quiet(struct end *end, int ms);

/* Post `count` buffers, from the first. */
void post_all(struct end *end, uint32_t count);
uint32_t ask(struct end *from, struct end *to);
/* Connect; their handles. */
void join(struct end *from, struct end *to, uint32_t *from_handle,
	uint32_t *to_handle);
/* Send the first bytes of a buffer; its number is the token.  0 or a code. */
int send_buffer(struct end *end, uint32_t handle, uint32_t i, uint32_t bytes,
	bool signal);
struct channel_set *inside(struct end *end);

uint64_t now_ms(void);
int open_files(void);

#endif
