/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cyclonedds.c - Cyclone DDS, reliable, everything kept; see peer.h.
 *
 * On loopback alone (peers.sh says so by CYCLONEDDS_URI).  A writer waits for
 * readers that lag, so nothing is lost.  The sample is filled in the program's
 * memory and copied by the library, as it is for such a type.
 */
#include <dds/dds.h>
#include <stdio.h>
#include <stdlib.h>

#include "cyclone.h"
#include "peer.h"

#define LOOK_MAX 64

struct side {
	const struct peer_plan *plan;
	dds_entity_t participant, end, set; /* Writer or reader. */
	peer_bytes sample;
	void *samples[LOOK_MAX];
};

static int fail(const char *what, dds_return_t code)
{
	fprintf(stderr, "cyclonedds: %s: %s\n", what, dds_strretcode(-code));
	return -1;
}

static int open_side(
	const struct peer_plan *plan, bool writes, struct side **out)
{
	struct side *side = calloc(1, sizeof *side);
	dds_qos_t *qos = dds_create_qos();
	dds_entity_t topic;

	if (!side)
		return -1;
	side->plan = plan;
	side->participant = dds_create_participant(0, NULL, NULL);
	if (side->participant < 0)
		return fail("participant", side->participant);
	dds_qset_reliability(qos, DDS_RELIABILITY_RELIABLE, DDS_SECS(10));
	dds_qset_history(qos, DDS_HISTORY_KEEP_ALL, 0);
	dds_qset_resource_limits(qos, 1024, DDS_LENGTH_UNLIMITED, 1024);
	topic = dds_create_topic(side->participant, &peer_bytes_desc,
		"peer_messages", NULL, NULL);
	side->end =
		writes ? dds_create_writer(side->participant, topic, qos, NULL)
		       : dds_create_reader(side->participant, topic, qos, NULL);
	dds_delete_qos(qos);
	if (side->end < 0)
		return fail("writer or reader", side->end);
	*out = side;
	return 0;
}

static int publisher_open(const struct peer_plan *plan, void **out)
{
	struct side *side;

	if (open_side(plan, true, &side) != 0)
		return -1;
	side->sample.bytes._maximum = side->sample.bytes._length = plan->bytes;
	side->sample.bytes._buffer = malloc(plan->bytes);
	*out = side;
	return side->sample.bytes._buffer ? 0 : -1;
}

static int subscriber_open(
	const struct peer_plan *plan, uint32_t index, void **out)
{
	struct side *side;

	(void)index;
	if (open_side(plan, false, &side) != 0)
		return -1;
	dds_set_status_mask(side->end, DDS_DATA_AVAILABLE_STATUS);
	side->set = dds_create_waitset(side->participant);
	dds_waitset_attach(side->set, side->end, side->end);
	for (int i = 0; i < LOOK_MAX; i++)
		side->samples[i] = peer_bytes__alloc();
	*out = side;
	return 0;
}

static int send_one(void *state, uint64_t number, bool more)
{
	struct side *side = state;
	dds_return_t result;

	(void)more;
	peer_fill(side->sample.bytes._buffer, side->plan->bytes, number);
	result = dds_write(side->end, &side->sample);
	return result == 0 ? 0 : fail("write", result);
}

static int take(void *state, struct peer_reader *reader)
{
	struct side *side = state;
	dds_sample_info_t infos[LOOK_MAX];
	int n = dds_take(side->end, side->samples, infos, LOOK_MAX, LOOK_MAX);
	int read = 0;

	if (n < 0)
		return fail("take", n);
	for (int i = 0; i < n; i++) {
		const peer_bytes *sample = side->samples[i];

		if (!infos[i].valid_data)
			continue;
		peer_read(reader, sample->bytes._buffer, sample->bytes._length);
		read++;
	}
	return read;
}

static int wait_for_more(void *state)
{
	struct side *side = state;
	dds_attach_t who;

	return dds_waitset_wait(side->set, &who, 1, DDS_MSECS(PEER_WAIT_MS)) < 0
		       ? fail("wait", -1)
		       : 0;
}

static void close_side(void *state)
{
	struct side *side = state;

	dds_delete(side->participant);
	free(side->sample.bytes._buffer);
	free(side);
}

int main(int argc, char **argv)
{
	static const struct peer peer = {
		.name = "CycloneDDS",
		.holds_back = true,
		.publisher_open = publisher_open,
		.subscriber_open = subscriber_open,
		.send = send_one,
		.take = take,
		.wait = wait_for_more,
		.publisher_close = close_side,
		.subscriber_close = close_side,
	};

	return peer_main(argc, argv, &peer);
}
