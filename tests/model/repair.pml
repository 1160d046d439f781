/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repair.pml - a publisher, two receivers, and a network that loses, holds back
 * and reorders what they tell each other.
 *
 *     publisher    send;  probe, while a receiver may not know what was sent;
 *                  the last frame again;  forget;  report? -> repair, answer
 *     receiver     frame?  repair?  probe?  answer?  -> deliver, report
 *     network      whatever is under way arrives when it likes; of all that
 *                  is sent LOSSES are lost, and LATES copies are overdue: later
 *                  than any allowance, and then they still arrive
 *
 * All time is in one rule, for a receiver waits before it asks (recover.h): it
 * does not ask for a frame of which a copy is under way, in time, and it has
 * heard of something sent after that copy.  Without such news it asks whenever
 * it likes: AGAIN times in vain, and always when its report (or the answer) was
 * lost, which stands for the timer of last resort.
 *
 * What must hold:
 *     each frame is delivered once, and in order;
 *     a frame is given up only if the publisher has it no more;
 *     a receiver is sent a frame again, at its own asking, no more often than
 *     a copy of it was lost (or overdue) towards it;
 *     each run ends with all frames delivered or gone, at both receivers.
 * Each step uses up something, so each run ends; run.sh has that checked too:
 * there is no cycle.
 *
 * UNICASTS is 1, that two receivers may see a multicast, but with -DTWO.  What
 * is sent to the second receiver comes at once, or not at all, or as a repair or
 * an answer, which take their time; only with -DWIDE is it as slow as the first.
 * One report of each is under way at a time, with -DWIDE two.
 * Bounds and mutants are chosen by -D: see run.sh.  Test: itself.
 */

#define RECEIVERS 2

/* Bounds, each seen to the end. */
#define FRAMES 3
#if defined(LATE)
#define LOSSES 1
#define LATES 1
#define FORGET 0
#define UNICASTS 1
#elif defined(GONE)
#define LOSSES 1
#define LATES 0
#define FORGET 1
#define UNICASTS 1
#elif defined(TWO)
#define LOSSES 2
#define LATES 0
#define FORGET 0
#define UNICASTS 2
#elif defined(WIDE)
#define LOSSES 1
#define LATES 0
#define FORGET 0
#define UNICASTS 1
#define REPORTS 2
#else
#define LOSSES 2
#define LATES 0
#define FORGET 0
#define UNICASTS 1
#endif
#ifndef REPORTS
#define REPORTS 1
#endif
#define AGAIN 1

#define BIT(f) (1 << (f))
#define AT(r, f) ((r) * FRAMES + (f))

/* The publisher.  Of each frame: its last multicast and who got it alone since
 * then (the serial of that, 0 for never, and the frames sent by then). */
byte next;
byte first;
byte serial;
byte all_serial[FRAMES];
byte all_next[FRAMES];
byte own_serial[RECEIVERS * FRAMES];
byte own_next[RECEIVERS * FRAMES];
bool tail_sent;

/* The receivers: bits of frames they have, and frames they gave up. */
byte has[RECEIVERS];
byte gone[RECEIVERS];
byte position[RECEIVERS];
byte heard[RECEIVERS];
byte heard_serial[RECEIVERS];
byte heard_first[RECEIVERS];
byte asked[RECEIVERS];         /* What the last report said. */
byte asked_heard[RECEIVERS];
byte asked_serial[RECEIVERS];
bool again[RECEIVERS];         /* It, or the answer, was lost. */

/* Under way to each: frames in time and overdue, … */
byte data[RECEIVERS];
byte late[RECEIVERS];
/* … a repair of each frame, 0 for none, … */
byte repair_serial[RECEIVERS * FRAMES];
byte repair_next[RECEIVERS * FRAMES];
byte overdue[RECEIVERS];       /* Bits of frames. */
/* … a probe and an answer; `next` + 1, 0 for none … */
byte probe_next[RECEIVERS];
byte probe_serial[RECEIVERS];
byte probe_first[RECEIVERS];
byte answer_next[RECEIVERS];
byte answer_serial[RECEIVERS];
byte answer_first[RECEIVERS];
/* … and from each one report or two; bits of frames, 0 for none. */
byte report_missing[RECEIVERS * REPORTS];
byte report_heard[RECEIVERS * REPORTS];
byte report_serial[RECEIVERS * REPORTS];

#ifdef MUTANT_ONCE
byte ever[RECEIVERS];
#endif

byte losses = LOSSES;
byte lates = LATES;
byte vain = AGAIN;
/* The count: copies lost towards a receiver, less those sent again for it. */
byte owed[RECEIVERS * FRAMES];

/* Of one step only: always 0 between steps. */
byte f, j, missing, i;
bool choice;

/* Whether who has heard (h, s) has heard something sent after (n, t). */
#define NEWS(h, s, n, t) ((h) > (n) || (s) >= (t))

#define MAY_LOSE (losses > 0)
#ifdef WIDE
#define IS_SLOW(r) true
#else
#define IS_SLOW(r) ((r) == 0)
#endif
#define IS_DONE(r) (position[r] == FRAMES)

/* What a receiver does when it knows more: deliver, give up what is gone. */
inline advance(r)
{
	do
	:: position[r] < FRAMES && (has[r] & BIT(position[r])) ->
		position[r]++
	:: position[r] < FRAMES && !(has[r] & BIT(position[r])) &&
		position[r] < heard_first[r] ->
		/* No invented loss. */
		assert(position[r] < first);
		gone[r] = gone[r] | BIT(position[r]);
		position[r]++
	:: else -> break
	od
}

/* Forget what can change nothing any more: fewer states. */
inline tidy(r)
{
	data[r] = data[r] & (255 - has[r] - gone[r]);
	late[r] = late[r] & (255 - has[r] - gone[r]);
	j = 0;
	do
	:: j < FRAMES ->
		if
		:: IS_DONE(r) || (((has[r] | gone[r]) & BIT(j)) &&
			repair_serial[AT(r, j)] <= heard_serial[r]) ->
			repair_serial[AT(r, j)] = 0;
			repair_next[AT(r, j)] = 0;
			overdue[r] = overdue[r] & (255 - BIT(j))
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0;
	if
	:: IS_DONE(r) || (probe_next[r] <= heard[r] + 1 &&
		probe_serial[r] <= heard_serial[r] &&
		probe_first[r] <= heard_first[r]) ->
		probe_next[r] = 0; probe_serial[r] = 0; probe_first[r] = 0
	:: else
	fi;
	if
	:: IS_DONE(r) ->
		heard[r] = 0; heard_serial[r] = 0; heard_first[r] = 0;
		asked[r] = 0; asked_heard[r] = 0; asked_serial[r] = 0;
		again[r] = false;
		answer_next[r] = 0; answer_serial[r] = 0; answer_first[r] = 0
	:: else
	fi
}

inline hear(r, h, s)
{
	heard[r] = (h > heard[r] -> h : heard[r]);
	heard_serial[r] = (s > heard_serial[r] -> s : heard_serial[r])
}

inline arrive(r)
{
	if
	:: f >= position[r] && !(has[r] & BIT(f)) ->
		assert(!(gone[r] & BIT(f)));
		has[r] = has[r] | BIT(f)
	:: else /* Had, or given up. */
	fi;
	advance(r);
	tidy(r)
}

/* One copy of frame f to receiver r: as repair `serial`, or as an original. */
inline copy(r, again_)
{
	if
	:: IS_DONE(r) /* No matter. */
	:: !IS_DONE(r) && MAY_LOSE -> losses--; owed[AT(r, f)]++
	:: !IS_DONE(r) && again_ ->
		repair_serial[AT(r, f)] = serial;
		repair_next[AT(r, f)] = next;
		overdue[r] = overdue[r] & (255 - BIT(f))
	:: !IS_DONE(r) && !again_ && IS_SLOW(r) -> data[r] = data[r] | BIT(f)
	:: !IS_DONE(r) && !again_ && !IS_SLOW(r) ->
		d_step { hear(r, f + 1, 0); arrive(r) }
	fi
}

/* What receiver r may ask for, as bits. */
#define WAITS(r, f) (repair_serial[AT(r, f)] != 0 && \
	!(overdue[r] & BIT(f)) && \
	NEWS(heard[r], heard_serial[r], repair_next[AT(r, f)], \
		repair_serial[AT(r, f)]))
#ifdef MUTANT_ONCE
#define REFRAINS(r, f) (ever[r] & BIT(f))
#else
#define REFRAINS(r, f) false
#endif
#define MISSES(r, f) ((f) >= position[r] && (f) < heard[r] && \
	!((has[r] | data[r]) & BIT(f)) && !WAITS(r, f) && !REFRAINS(r, f))
#define MISSING(r) (MISSES(r, 0) + 2 * MISSES(r, 1) + 4 * MISSES(r, 2))

/* Something was heard since the last report, or there is more to ask for. */
#define HAS_NEWS(r) (asked_heard[r] != heard[r] || \
	asked_serial[r] != heard_serial[r] || (MISSING(r) & ~asked[r]))

inline ask(r)
{
	missing = MISSING(r);
	if
	:: again[r] -> again[r] = false
	:: !again[r] && HAS_NEWS(r)
	:: else -> vain--
	fi;
	if
	:: HAS_NEWS(r) && asked_heard[r] == heard[r] &&
		asked_serial[r] == heard_serial[r] ->
		asked[r] = asked[r] | missing
	:: else -> asked[r] = missing
	fi;
	asked_heard[r] = heard[r];
	asked_serial[r] = heard_serial[r];
#ifdef MUTANT_ONCE
	ever[r] = ever[r] | missing;
#endif
	i = (report_missing[r * REPORTS] == 0 -> 0 : 1) + r * REPORTS;
	if
	:: MAY_LOSE -> losses--; again[r] = true
	:: true ->
		report_missing[i] = missing;
		report_heard[i] = heard[r];
		report_serial[i] = heard_serial[r]
	fi;
	i = 0;
	missing = 0
}

/* Frame f as repair `serial`. */
inline to_all()
{
#ifndef MUTANT_ALL
	all_serial[f] = serial;
	all_next[f] = next;
#endif
	own_serial[AT(0, f)] = 0;
	own_next[AT(0, f)] = 0;
	own_serial[AT(1, f)] = 0;
	own_next[AT(1, f)] = 0;
	copy(0, true);
	copy(1, true)
}

/* Frame f for receiver r, which asked and is believed. */
inline repair(r)
{
	serial++;
	/* Repairs are no more than losses. */
	assert(owed[AT(r, f)] > 0);
	owed[AT(r, f)]--;
	if
	:: UNICASTS == 1 && own_serial[AT(r, f)] == 0 &&
		own_serial[AT(1 - r, f)] != 0 ->
		/* One more than may have it alone. */
		to_all()
	:: else ->
		own_serial[AT(r, f)] = serial;
		own_next[AT(r, f)] = next;
#ifdef MUTANT_OTHER
		/* The record has one place: it forgets the other. */
		own_serial[AT(1 - r, f)] = 0;
		own_next[AT(1 - r, f)] = 0;
#endif
		copy(r, true)
	fi
}

/* The echo rule: of the repair that came last for it. */
#ifdef MUTANT_ECHO
#define EARLY(r, f, h, s) false
#else
#define EARLY(r, f, h, s) \
	((own_serial[AT(r, f)] != 0 && \
		!NEWS(h, s, own_next[AT(r, f)], own_serial[AT(r, f)])) || \
	(own_serial[AT(r, f)] == 0 && all_serial[f] != 0 && \
		!NEWS(h, s, all_next[f], all_serial[f])))
#endif

/* Report `i` comes from receiver r. */
inline work(r, slot)
{
	i = r * REPORTS + slot;
	f = 0;
	do
	:: f < FRAMES && (report_missing[i] & BIT(f)) ->
		if
		:: f < first -> choice = true /* One answer to all of them. */
		:: f >= first && !EARLY(r, f, report_heard[i],
			report_serial[i]) -> repair(r)
		:: else
		fi;
		f++
	:: f < FRAMES && !(report_missing[i] & BIT(f)) -> f++
	:: else -> break
	od;
	f = 0;
	report_missing[i] = 0;
	report_heard[i] = 0;
	report_serial[i] = 0;
	i = 0;
	if
	:: choice && !IS_DONE(r) && MAY_LOSE -> losses--; again[r] = true
	:: choice && !IS_DONE(r) ->
		answer_next[r] = next + 1;
		answer_serial[r] = serial;
		answer_first[r] = first
	:: !choice || IS_DONE(r)
	fi;
	choice = false
}

/* A probe has something to tell: probes that have not are left out. */
#ifdef MUTANT_TAIL
#define TELLS(r) false
#else
#ifdef MUTANT_QUIET
/* Frames are followed by probes, repairs are not. */
#define TELLS(r) (!IS_DONE(r) && heard[r] < next)
#else
#define TELLS(r) (!IS_DONE(r) && \
	(heard[r] < next || heard_serial[r] < serial))
#endif
#endif

inline probe(r)
{
	if
	:: probe_next[r] == 0 && TELLS(r) && MAY_LOSE -> losses--
	:: probe_next[r] == 0 && TELLS(r) && !IS_SLOW(r) -> d_step {
		hear(r, next, serial);
		heard_first[r] = first;
		advance(r);
		tidy(r) }
	:: probe_next[r] == 0 && TELLS(r) && IS_SLOW(r) ->
		probe_next[r] = next + 1;
		probe_serial[r] = serial;
		probe_first[r] = first
	:: !(probe_next[r] == 0 && TELLS(r))
	fi
}

#define FREE_REPORT(r) (report_missing[(r) * REPORTS] == 0 || \
	report_missing[(r) * REPORTS + REPORTS - 1] == 0)

#if REPORTS > 1
#define REPORT_1(r) \
	:: atomic { report_missing[r * REPORTS + 1] != 0 && \
		answer_next[r] == 0 -> work(r, 1) }
#else
#define REPORT_1(r)
#endif

#define RECEIVE(r) \
	/* A frame comes, in time or not. */ \
	:: atomic { data[r] != 0 || late[r] != 0 -> \
		if \
		:: (data[r] & 1) -> f = 0; data[r] = data[r] & (255 - 1) \
		:: (data[r] & 2) -> f = 1; data[r] = data[r] & (255 - 2) \
		:: (data[r] & 4) -> f = 2; data[r] = data[r] & (255 - 4) \
		:: (late[r] & 1) -> f = 0; late[r] = late[r] & (255 - 1) \
		:: (late[r] & 2) -> f = 1; late[r] = late[r] & (255 - 2) \
		:: (late[r] & 4) -> f = 2; late[r] = late[r] & (255 - 4) \
		fi; \
		d_step { hear(r, f + 1, 0); arrive(r); f = 0 } } \
	/* It is overdue: a loss, as far as anybody can know. */ \
	:: atomic { data[r] != 0 && lates > 0 -> \
		lates--; \
		if \
		:: (data[r] & 1) -> f = 0 \
		:: (data[r] & 2) -> f = 1 \
		:: (data[r] & 4) -> f = 2 \
		fi; \
		data[r] = data[r] & (255 - BIT(f)); \
		late[r] = late[r] | BIT(f); \
		owed[AT(r, f)]++; \
		f = 0 } \
	/* A repair. */ \
	:: d_step { repair_serial[AT(r, 0)] != 0 -> f = 0; take_repair(r) } \
	:: d_step { repair_serial[AT(r, 1)] != 0 -> f = 1; take_repair(r) } \
	:: d_step { repair_serial[AT(r, 2)] != 0 -> f = 2; take_repair(r) } \
	:: d_step { LATER(r, 0) && lates > 0 -> f = 0; hold_back(r) } \
	:: d_step { LATER(r, 1) && lates > 0 -> f = 1; hold_back(r) } \
	:: d_step { LATER(r, 2) && lates > 0 -> f = 2; hold_back(r) } \
	/* A probe, an answer. */ \
	:: d_step { probe_next[r] != 0 -> \
		hear(r, probe_next[r] - 1, probe_serial[r]); \
		heard_first[r] = (probe_first[r] > heard_first[r] -> \
			probe_first[r] : heard_first[r]); \
		probe_next[r] = 0; probe_serial[r] = 0; probe_first[r] = 0; \
		advance(r); \
		tidy(r) } \
	:: d_step { answer_next[r] != 0 -> \
		hear(r, answer_next[r] - 1, answer_serial[r]); \
		heard_first[r] = (answer_first[r] > heard_first[r] -> \
			answer_first[r] : heard_first[r]); \
		answer_next[r] = 0; answer_serial[r] = 0; \
		answer_first[r] = 0; \
		advance(r); \
		tidy(r) } \
	/* It asks: on news, again after a loss, or in vain. */ \
	:: atomic { MISSING(r) != 0 && FREE_REPORT(r) && \
		(again[r] || vain > 0 || HAS_NEWS(r)) -> ask(r) } \
	/* A report comes. */ \
	:: atomic { report_missing[r * REPORTS] != 0 && \
		answer_next[r] == 0 -> work(r, 0) } \
	REPORT_1(r)

#define LATER(r, f) \
	(repair_serial[AT(r, f)] != 0 && !(overdue[r] & BIT(f)))

inline hold_back(r)
{
	lates--;
	overdue[r] = overdue[r] | BIT(f);
	owed[AT(r, f)]++;
	f = 0
}

inline take_repair(r)
{
	hear(r, f + 1, repair_serial[AT(r, f)]);
	repair_serial[AT(r, f)] = 0;
	repair_next[AT(r, f)] = 0;
	overdue[r] = overdue[r] & (255 - BIT(f));
	arrive(r);
	f = 0
}

#ifdef MUTANT_TAIL
#define TAIL false
#else
#define TAIL (next == FRAMES && !tail_sent && first < FRAMES)
#endif

active proctype world()
{
	do
	:: atomic { next < FRAMES ->
		f = next;
		next++;
		copy(0, false);
		copy(1, false);
		f = 0 }
	:: atomic { TAIL ->
		tail_sent = true;
		serial++;
		f = FRAMES - 1;
		to_all();
		f = 0 }
	:: atomic { (TELLS(0) && probe_next[0] == 0) ||
		(TELLS(1) && probe_next[1] == 0) ->
		probe(0);
		probe(1) }
	:: first < next && first < FORGET -> first++
	RECEIVE(0)
	RECEIVE(1)
	/* Nothing is left to happen. */
	:: else -> break
	od;
	/* No hang. */
	assert(IS_DONE(0) && IS_DONE(1))
}
