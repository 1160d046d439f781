/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_side.h - a repairer with all that is around it: a source, a wire in
 * memory, two receivers.
 *
 * The source is a table of frames whose bytes follow from their numbers; each
 * receiver is a link that hears the group and has an address.  It can speak under
 * any name, so that two are enough to be many.
 * Neighbours: test_repairer.c, repairer_peers.c, repairer_due.c, which are one
 * program.
 */
#ifndef TESTS_UNIT_ENGINE_REPAIRER_SIDE_H
#define TESTS_UNIT_ENGINE_REPAIRER_SIDE_H

#include "check_main.h"
#include "engine/repairer.h"
#include "memory_link.h"
#include "protocol/frame.h"
#include "protocol/report.h"

#define TAG 0x11223344u
#define PUBLISHER 0x55667788u
#define INCARNATION (UINT64_C(0xabcdef0100000000) | PUBLISHER)
#define FRAME_BYTES 1024u
#define HISTORY 4096u
#define FIRST_SEQUENCE UINT64_C(0x100000000fff0)
#define PAYLOAD 40u
#define TABLE 6u
#define RTT_NS (50 * MSG_NS_PER_US)
#define BUFFERS 256u

extern struct msg_repairer r;
extern msg_counter_t counters[MSG_COUNTER_COUNT];
extern uint64_t source_first; /* Frames below are no more. */
extern uint8_t source_type;   /* Of all others. */

struct receiver {
	struct msg_link *link;
	struct msg_reach reach;
	uint32_t handle; /* Of the repairer. */
	uint8_t buffers[BUFFERS][FRAME_BYTES];
	uint8_t report[MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX];
	/* What came last. */
	struct msg_frame frame;
	const uint8_t *body;
	uint32_t frames, probes;
	struct msg_probe probe;
	uint8_t flags; /* Of all probes since the last look. */
};

extern struct receiver a, b;

void open_all(
	const struct memory_wire_options *wire, enum msg_flow_policy flow);
void close_all(void);

/* What came since the last look; the bytes stay until the next one. */
void look(struct receiver *to);
/* The first `bytes` of from->report leave. */
void put(struct receiver *from, uint32_t bytes);
/* That of somebody who has heard all that was sent. */
struct msg_report report_of(const struct receiver *from, uint64_t name);
/* Frames `first` to `last` are missing. */
struct msg_report misses(const struct receiver *from, uint64_t name,
	uint32_t first, uint32_t last);
void say(struct receiver *from, const struct msg_report *report);
void turn(void);
/* Say what is missing, and a turn. */
void ask(struct receiver *from, uint64_t name, uint32_t first, uint32_t last);

/* So many frames leave, too large to be sent again in place of a probe. */
void send_frames(uint32_t count);
/* The same, and what the first probes say is known to all: nothing is due. */
void begin(uint32_t frames);

uint64_t counted(int index);

/* What came since the last look is one repair, of that frame; `front` bytes before
 * its payload, `table` behind it. */
void check_repair(const struct receiver *to, uint32_t number, uint32_t serial,
	uint32_t front, uint32_t table);

void add_peer_tests(Suite *suite);
void add_due_tests(Suite *suite);

#endif
