/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - what the parts of `msg doctor` share.
 *
 *     doctor.c         the command, the report
 *     doctor_lane.c    the lane itself: open, join, send, receive
 *     doctor_rdma.c    RDMA devices, rights, locked memory
 *     doctor_broker.c  the broker of this host
 *     doctor_host.c    interface, route, sockets, clock, memory
 *
 * A check adds findings and never fails itself: what is missing or cannot be
 * read is a finding too.
 */
#ifndef TOOL_DOCTOR_H
#define TOOL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include <msg/msg.h>

#include "lane.h"
#include "options.h"

enum finding_status {
	FINDING_OK,
	FINDING_NOTE, /* Worth knowing, nothing to repair. */
	FINDING_WARN, /* Works, but worse than it could. */
	FINDING_FAIL, /* Does not work. */
};

struct finding {
	enum finding_status status;
	const char *check;
	char text[600];
	char fix[400]; /* One line; "" when there is nothing to do. */
};

#define FINDINGS_MAX 128

struct doctor {
	struct lane_choice lane;
	bool as_json;
	struct msg_node_info info; /* Of the opened lane; strings below. */
	bool lane_open;
	char interface[64];
	char device[64];
	char groups[128];
	int rdma_devices; /* Devices found; active ports among them. */
	int rdma_active;
	struct finding findings[FINDINGS_MAX];
	int count;
};

/* Add a finding; `fix` may be NULL. */
void finding(struct doctor *doctor, enum finding_status status,
	const char *check, const char *fix, const char *format, ...)
	TOOL_PRINTF(5, 6);

void check_rdma(struct doctor *doctor);
void check_lane(struct doctor *doctor);
void check_broker(struct doctor *doctor);
void check_host(struct doctor *doctor);

#endif
