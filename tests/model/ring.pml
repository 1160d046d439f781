/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ring.pml - who may use a slot, while readers come, go, die and are replaced.
 *
 * One publisher with three slots, two subscribers with a place (a reader number)
 * each, a broker between them, and one new epoch of the broker.  What a
 * word looks like from afar is tests/explore's part: here each step is one of
 * the protocol's, seen by all at once, and there are more of them.
 *
 *     subscriber   away ─ask─> waits ─told─> reads: claim, look, return ─> dies
 *                   ^                                                       │
 *                   └────────────── a new process under the same number ────┘
 *     broker       ask ─> roster, news, tell        hang-up ─> roster, news
 *     publisher    news? ─> add, remove;  reclaim;  revoke: floor, then look
 *
 * What must hold: no slot is free that a living subscriber has claimed and
 * believes its own (assertions at MINE and RETURN); every slot can be got back
 * (the publisher never finds itself without one for ever); what one that died
 * has claimed is given back.
 *
 * Kept small without leaving anything out:
 *   - Slots are all the same, so it is not said which entry's bytes are where:
 *     an entry is busy or its slot is free, and no more than SLOTS are busy.
 *     Bytes count as lost when their slot is free, not when it is written, which
 *     is earlier, so nothing is missed by that.
 *   - What is looked at no more (a local variable behind its last use, the ledger
 *     of one that was let go) is 0, so that states that differ in it are one.
 *
 * A mutant is chosen by -D: see run.sh.  Test: itself.
 */

#define READERS 2
#define NONE 255

/* LIVES: of the first subscriber; the other has one.  EPOCH adds a new broker,
 * WIDE both, and MESSAGES_5 uses two slots again. */
#define SLOTS 3
#if defined(MESSAGES_5)
#define MESSAGES 5
#define LIVES 1
#elif defined(WIDE)
#define MESSAGES 4
#define LIVES 2
#define EPOCH
#elif defined(EPOCH)
#define MESSAGES 4
#define LIVES 1
#else
#define MESSAGES 4
#define LIVES 2
#endif

/* The ring: entries as they are published, and which of them have a slot that is
 * not free, as the publisher sees it. */
byte head;
bool busy[MESSAGES];
byte taken;             /* Slots that are. */
byte epoch;

/* The ledgers, a page of its own for each process that ever came: */
#define LEDGER(k, life) ((k) * LIVES + (life) - 1)
byte next[READERS * LIVES];     /* Not yet taken from here on. */
byte low[READERS * LIVES];      /* In hand from here on. */
byte held[READERS * LIVES];     /* Kept beyond the window: entry + 1. */
/* By reader number: what the publisher says to it, … */
byte floor[READERS];
/* … what the broker says of it to the publisher, … */
bool roster[READERS];
bool leaving[READERS];
byte life[READERS];     /* Of who is in the roster. */
bool news;
/* … and what the publisher knows. */
bool known[READERS];
byte known_at[READERS]; /* Its ledger. */

/* Between a subscriber and the broker. */
bool asked[READERS];
bool told[READERS];
bool dead[READERS];
byte lives[READERS];
bool gone[READERS];     /* ReaderGone is acknowledged: the number is free. */

inline forget_ledger(l)
{
	next[l] = 0;
	low[l] = 0;
	held[l] = 0
}

inline look_for_news()
{
	if
	:: news ->
		news = false;
		k = 0;
		do
		:: k < READERS ->
			if
			:: leaving[k] ->
				leaving[k] = false;
				if
				:: known[k] -> forget_ledger(known_at[k])
				:: else
				fi;
				known[k] = false;
				known_at[k] = 0;
				floor[k] = 0;
				gone[k] = true
			:: else
			fi;
			if
			:: roster[k] && !known[k] ->
				known[k] = true;
				known_at[k] = LEDGER(k, life[k]);
				floor[k] = 0
			:: else
			fi;
			k++
		:: else -> break
		od;
		k = 0
	:: else
	fi
}

/* Whether somebody whom the publisher knows needs entry e. */
inline needed(e)
{
	need = false;
	k = 0;
	do
	:: k < READERS ->
		if
		:: known[k] &&
			((next[known_at[k]] <= e && floor[k] <= e)
#ifndef MUTANT_WINDOW
			 || (low[known_at[k]] <= e && e < next[known_at[k]])
#endif
#ifndef MUTANT_HELD
			 || held[known_at[k]] == e + 1
#endif
			) -> need = true
		:: else
		fi;
		k++
	:: else -> break
	od;
	k = 0
}

/* Slots are free again whose entries nobody needs, oldest first. */
inline reclaim()
{
	e = 0;
	do
	:: e < head ->
		if
		:: busy[e] ->
			needed(e);
			if
			:: !need -> busy[e] = false; taken--
			:: else
			fi;
			need = false
		:: else
		fi;
		e++
	:: else -> break
	od;
	e = 0
}

active proctype publisher()
{
	byte e, k;
	bool need;
	bool stuck;

	do
	:: head < MESSAGES ->
		/* The look at the news comes before any slot is taken back. */
#ifndef MUTANT_NEWS
		d_step { look_for_news() };
#endif
		d_step {
			reclaim();
			stuck = taken == SLOTS;
			if
			:: !stuck ->
				busy[head] = true;
				taken++;
				head++
			:: else
			fi
		};
#ifdef MUTANT_NEWS
		/* Only when it finds none without. */
		if
		:: stuck -> look_for_news()
		:: else
		fi;
#endif
		if
		:: stuck ->
			/* Revoke: the floors first, then, behind the fence, a
			 * look at what was claimed. */
			d_step {
				stuck = false;
				k = 0;
				do
				:: k < READERS ->
					if
					:: known[k] && next[known_at[k]] < head ->
						floor[k] = head - 1
					:: else
					fi;
					k++
				:: else -> break
				od;
				k = 0;
#ifdef MUTANT_REVOKE
				/* Without a look. */
				do
				:: e < head ->
					if
					:: busy[e] && e + 1 != head ->
						busy[e] = false;
						taken--
					:: else
					fi;
					e++
				:: else -> break
				od;
				e = 0
#endif
			}
		:: else
		fi
	:: else -> break
	od;
	/* All that is left comes back when all have gone. */
end_all:
	do
	:: news -> d_step { look_for_news() }
	:: known[0] || known[1] || roster[0] || roster[1] -> news
	:: else -> break
	od;
	skip;
	d_step { reclaim() };
	assert(taken == 0)
}

active proctype broker()
{
	byte k;
#ifdef EPOCH
	bool again = true;
#endif

end_broker:
	do
	:: atomic { asked[0] -> asked[0] = false; k = 0 }; goto add
	:: atomic { asked[1] -> asked[1] = false; k = 1 }; goto add
	:: atomic { dead[0] -> dead[0] = false; k = 0 }; goto drop
	:: atomic { dead[1] -> dead[1] = false; k = 1 }; goto drop
	/* It ends and starts again: new segments, nothing of the old ones. */
#ifdef EPOCH
	:: again -> again = false; epoch++
#endif
	od;
add:
	skip;
#ifdef MUTANT_ORDER
	/* The subscriber first. */
	told[k] = true;
#endif
	d_step { life[k] = lives[k]; roster[k] = true };
#ifndef MUTANT_ORDER
	d_step { news = true; told[k] = true };
#else
	news = true;
#endif
	k = 0;
	goto end_broker;
drop:
	skip;
#ifndef MUTANT_DEAD
	d_step { roster[k] = false; leaving[k] = true; news = true };
#endif
	k = 0;
	goto end_broker
}

/* The bytes of what is claimed are its own until it is returned. */
#define MINE(e) (busy[e])

proctype subscriber(byte me)
{
	byte e;
	byte my;
	byte kept;
	byte joined;

end_live:
	/* A number is free again when the publisher let go of who had it. */
	if
	:: lives[me] == (me == 0 -> LIVES : 1) -> goto end_dead
#ifndef MUTANT_REUSE
	:: lives[me] < (me == 0 -> LIVES : 1) && (lives[me] == 0 || gone[me])
#else
	:: lives[me] < (me == 0 -> LIVES : 1)
#endif
	fi;
	atomic {
		lives[me]++;
		gone[me] = false;
		my = LEDGER(me, lives[me]);
		joined = epoch;
		asked[me] = true
	};
	atomic { told[me] -> told[me] = false };
	/* The fence between news and this makes it one step of the order. */
	atomic {
		e = head;
		low[my] = e;
		next[my] = e;
		kept = NONE
	};
	do
	/* A new broker: all of the old is dropped. */
	:: joined != epoch -> break
	:: e < head ->
		/* Claim: next, then, behind the fence, the floor. */
		next[my] = e + 1;
		if
		:: atomic { floor[me] > e ->
			/* Revoked before it was claimed. */
			low[my] = e + 1; e++ }
		:: atomic { floor[me] <= e -> assert(MINE(e)) };
			if
			:: kept == NONE ->
				/* It stays, while the window goes on. */
				held[my] = e + 1;
				atomic { low[my] = e + 1; kept = e; e++ }
			:: atomic { assert(MINE(e)); low[my] = e + 1; e++ }
			fi
		fi
	:: kept != NONE ->
RETURN:		skip;
		atomic {
			assert(MINE(kept));
			held[my] = 0;
			kept = NONE
		}
	/* It dies, with all that it has. */
	:: true -> break
	od;
	atomic { dead[me] = true; e = 0; my = 0; kept = 0; joined = 0 };
	goto end_live;
end_dead:
	skip
}

init {
	atomic {
		run subscriber(0);
		run subscriber(1)
	}
}
