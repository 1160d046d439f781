/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_lane.c - the lane itself: does a message come back?
 *
 * The one check that cannot be fooled: two nodes in this process, a topic
 * nobody else uses, a real join, messages until one arrives.
 */
#include "doctor.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pace.h"
#include "stop.h"
#include "text.h"

#define PROBE_BYTES 64
/* Joins on an RDMA device take up to 100 ms; on InfiniBand the subnet manager
 * may need more. */
#define PROBE_NS 3000000000u

static void error_finding(struct doctor *doctor, const char *check,
	const char *what, int error, const char *fix)
{
	const char *why = msg_error_text();

	finding(doctor, FINDING_FAIL, check, fix, "%s: %s", what,
		why[0] ? why : msg_error_name(error));
}

static struct msg_node *open_node(struct doctor *doctor)
{
	struct msg_node *node;
	char text[600];
	int error = msg_node_open(&doctor->lane.options, &node);

	if (error < 0) {
		error_finding(doctor, "lane", "no lane", error,
			"name another with --interface, --device or --lane "
			"(see the findings below)");
		return NULL;
	}
	msg_node_describe(node, &doctor->info);
	lane_format(&doctor->info, text, sizeof text);
	finding(doctor, FINDING_OK, "lane", NULL, "%s", text);
	snprintf(doctor->interface, sizeof doctor->interface, "%s",
		doctor->info.interface);
	snprintf(doctor->device, sizeof doctor->device, "%s",
		doctor->info.device);
	snprintf(doctor->groups, sizeof doctor->groups, "%s",
		doctor->info.groups);
	doctor->lane_open = true;
	return node;
}

/* Send until one arrives: its time of travel, 0 when none did. */
static uint64_t exchange(struct msg_publisher *publisher,
	struct msg_subscriber *subscriber, int *error)
{
	uint64_t until = clock_ns() + PROBE_NS, sent, got;
	unsigned char probe[PROBE_BYTES];
	struct msg_view view;

	memset(probe, 0x5a, sizeof probe);
	while ((sent = clock_ns()) < until && !stop_asked()) {
		memcpy(probe, &sent, sizeof sent);
		*error = msg_publish(publisher, probe, sizeof probe);
		if (*error < 0 && *error != -MSG_ERROR_AGAIN)
			return 0;
		*error = msg_subscriber_wait(subscriber, 100000000);
		if (*error < 0 && *error != -MSG_ERROR_TIMEOUT)
			return 0;
		*error = msg_subscriber_take(subscriber, &view, 1);
		if (*error < 0)
			return 0;
		if (*error == 0)
			continue;
		got = clock_ns();
		memcpy(&sent, view.data, sizeof sent);
		*error = view.bytes == sizeof probe &&
					 !memcmp((const char *)view.data + 8,
						 probe + 8, sizeof probe - 8)
				 ? 0
				 : -MSG_ERROR_FABRIC;
		msg_subscriber_release(subscriber, &view, 1);
		return *error == 0 ? got - sent : 0;
	}
	return 0;
}

static void judge_exchange(struct doctor *doctor, uint64_t travel, int error)
{
	char time[32];

	if (travel > 0)
		finding(doctor, FINDING_OK, "multicast", NULL,
			"joined, sent and received: a message came back in %s",
			text_time((double)travel, time, sizeof time));
	else if (error < 0)
		finding(doctor, FINDING_FAIL, "multicast",
			"see the device "
			"and the findings below",
			"joined, but sending or "
			"receiving failed: %s",
			msg_error_name(error));
	else
		finding(doctor, FINDING_FAIL, "multicast",
			"look for a "
			"firewall that drops UDP to the groups (nft list "
			"ruleset), and at the route below",
			"joined and sent, but nothing came back within 3 s");
}

static void probe(
	struct doctor *doctor, struct msg_node *node, struct msg_node *other)
{
	struct msg_subscriber_options in = MSG_SUBSCRIBER_OPTIONS;
	struct msg_publisher_options out = MSG_PUBLISHER_OPTIONS;
	struct msg_subscriber *subscriber = NULL;
	struct msg_publisher *publisher = NULL;
	uint64_t travel;
	char topic[64];
	int error;

	snprintf(topic, sizeof topic, "msg.doctor.%d.%llx", (int)getpid(),
		(unsigned long long)clock_ns());
	in.topic = out.topic = topic;
	error = msg_subscriber_open(other, &in, &subscriber);
	if (error < 0) {
		error_finding(doctor, "multicast", "cannot join", error,
			"see the findings below");
		return;
	}
	error = msg_publisher_open(node, &out, &publisher);
	if (error < 0) {
		error_finding(doctor, "multicast", "cannot publish", error,
			"see the findings below");
	} else {
		travel = exchange(publisher, subscriber, &error);
		judge_exchange(doctor, travel, error);
	}
	msg_publisher_close(publisher);
	msg_subscriber_close(subscriber);
}

void check_lane(struct doctor *doctor)
{
	struct msg_node *node = open_node(doctor), *other;
	int error;

	if (!node)
		return;
	error = msg_node_open(&doctor->lane.options, &other);
	if (error < 0) {
		error_finding(
			doctor, "multicast", "no second node", error, NULL);
	} else {
		probe(doctor, node, other);
		msg_node_close(other);
	}
	msg_node_close(node);
}
