/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * outbox_trial.h - a publisher that writes a ring, and readers of it, each with
 * an oracle; for test_outbox.c and its neighbours.
 *
 * What a reader takes, plus the ranges that lost_before names, must be exactly
 * what was published: in order, nothing twice, no byte another.  Views are held
 * for a while and compared again before they go back: a slot that was used too
 * early shows there.
 */
#ifndef TESTS_UNIT_ENGINE_OUTBOX_TRIAL_H
#define TESTS_UNIT_ENGINE_OUTBOX_TRIAL_H

#include "engine/inbox.h"
#include "engine/outbox.h"
#include "random.h"
#include "trial.h"

#define READERS 3
#define HELD_MAX 24
#define LOANS_MAX 6
#define MESSAGES_MAX 4000
#define PUBLISHER 77u
#define LARGE_MAX 130000u

struct reader {
	struct msg_ring_ledger *ledger;
	struct msg_inbox inbox;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	struct msg_view held[HELD_MAX];
	uint32_t held_count;
	uint64_t expected;
	uint64_t lost;
	unsigned pace; /* Per mille of the turns it takes in. */
	bool begun;
	bool late;  /* It began with what was kept. */
	bool evicted; /* What it holds may be used again. */
};

struct trial {
	uint64_t seed;
	struct random_stream random;
	struct msg_outbox_options options;
	struct msg_outbox outbox;
	struct reader readers[READERS];
	enum msg_ring_slow slow;
	struct {
		struct msg_loan loan;
		uint32_t bytes;
	} out[LOANS_MAX];
	uint32_t out_count;
	uint32_t lengths[MESSAGES_MAX];
	_Atomic uint32_t news;
	msg_counter_t counters[MSG_COUNTER_COUNT];
	uint32_t looks;
	void (*on_look)(struct trial *trial); /* Or NULL. */
	bool relents; /* Reader 0 gives all back when it is about to be evicted. */
};

/* Of the next trial: its readers are awaited so long; 0: they are not. */
extern uint64_t patience_ns;
/* And some of them keep their newest for who comes late. */
extern bool may_retain;

/* Sizes and what readers do are drawn from the seed. */
void open_trial(struct trial *t, uint64_t seed, enum msg_ring_slow slow);
/* With these sizes; the trial is zeroed but for `slow`. */
void set_up(struct trial *t, const struct msg_outbox_options *sizes);
void close_trial(struct trial *t);

/* ---- publishing ---------------------------------------------------------- */

/* Message `sequence`: its bytes. */
void fill(uint8_t *data, size_t bytes, uint64_t sequence);

/* A loan of any size is out; false: there is none now. */
bool borrow(struct trial *t);
/* One that is out is sent, queued or abandoned. */
void hand_in(struct trial *t);

/* Loans and messages that went the short ways, of all trials. */
extern uint64_t lent_quick, sent_quick, lent_alone, sent_alone;

/* ---- reading ------------------------------------------------------------- */

/* Some views, which may be held; how many. */
int take(struct trial *t, struct reader *r);
void check_view(struct trial *t, const struct msg_view *view);
/* The reader goes, and another comes in its place, who wants so many of what is
 * kept. */
void come_late(struct trial *t, uint32_t k, uint32_t wanted);
/* A view that was held, unchanged to the end. */
void give_back(struct trial *t, struct reader *r, uint32_t which);

/* ---- one by one ---------------------------------------------------------- */

/* Of tests that draw nothing. */
extern struct trial lone;
struct msg_loan lend_one(size_t bytes);

/* Further tests of the program, in files of their own. */
void add_short_tests(TCase *entries); /* outbox_short.c */
void add_quick_tests(TCase *entries); /* outbox_quick.c */
void add_late_tests(TCase *entries);  /* outbox_late.c */

#endif
