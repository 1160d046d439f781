/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recover_trial.h - one random reliable stream: what recover_oracle.c (the trial and
 * what must hold of it) and recover_publisher.c (who publishes, and the network on
 * both ways) say to each other.
 */
#ifndef TESTS_UNIT_PROTOCOL_RECOVER_TRIAL_H
#define TESTS_UNIT_PROTOCOL_RECOVER_TRIAL_H

#include "follower.h"
#include "random.h"

#define TRIAL_FRAMES_MAX 600u
#define TRIAL_EVENTS_MAX 8192u

struct weather {
	unsigned loss, duplicate, back_loss; /* Per mille. */
	uint64_t delay, jitter;
	uint64_t interval;    /* Between frames, at most. */
	uint64_t cut, cut_ns; /* From when, how long. */
};

/* What the publisher knows of a frame it sent. */
struct sent {
	uint64_t sequence;
	struct follower_body body;
	uint32_t serial;
	uint64_t next;
	bool repaired;
};

enum event_kind {
	EVENT_PUBLISH,
	EVENT_PROBE_DUE,
	EVENT_FRAME,
	EVENT_PROBE,
	EVENT_REPORT,
	EVENT_FETCHED,
};

struct event {
	uint64_t at;
	uint64_t order;
	enum event_kind kind;
	union {
		struct {
			struct msg_frame frame;
			struct follower_body body;
		};
		struct msg_probe probe;
		struct msg_report report;
		struct {
			uint32_t fetched; /* Index of the first, */
			uint32_t count;
		};
	};
};

struct trial {
	struct random_stream random;
	struct weather weather;
	uint64_t now;
	/* The publisher. */
	uint64_t first_frame, first_sequence;
	uint32_t frame_count, sent_count, kept_count;
	uint64_t last_ns; /* When the last frame was sent. */
	uint64_t probe_ns;
	uint32_t serial;
	bool flow;
	bool crowd;
	bool started; /* Probe by now, once. */
	bool shelf;   /* Its history can be read at times. */
	struct sent frames[TRIAL_FRAMES_MAX];
	/* The network. */
	uint32_t event_count;
	uint64_t order;
	struct event events[TRIAL_EVENTS_MAX];
	/* The reader. */
	struct msg_recover_options options;
	struct follower follower;
	uint64_t asked_to_join;
	uint64_t repairs;
	uint64_t dropped; /* Frames that the network lost. */
	uint64_t read;    /* Frames that came without being asked for. */
};

/* From 0 to `most`, by the trial's seed. */
static inline uint64_t up_to(struct trial *t, uint64_t most)
{
	return random_below(&t->random, most + 1);
}

/* ---- the network ------------------------------------------------------- */

/* Something happens then; to be filled in. */
struct event *trial_add(struct trial *t, enum event_kind kind, uint64_t at);
/* What happens first; there is something. */
uint32_t trial_earliest(const struct trial *t);
/* How often it arrives, if so many per mille are lost, and when. */
unsigned trial_copies(struct trial *t, unsigned loss);
uint64_t trial_arrival(struct trial *t);

/* ---- the publisher ----------------------------------------------------- */

/* Its oldest frame that can be had again. */
uint64_t trial_oldest(const struct trial *t);
/* The message that frame i carries, begins with or continues. */
uint64_t trial_message_of(const struct trial *t, uint64_t i);
void trial_send_probe(struct trial *t, uint8_t flags, uint64_t first);
void trial_schedule_probe(struct trial *t);
/* It sends the next frame; a probe, if nothing was sent since; it hears. */
void trial_publish(struct trial *t);
void trial_probe_due(struct trial *t, const struct event *event);
void trial_reported(struct trial *t, const struct msg_report *report);

#endif
