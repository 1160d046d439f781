/* SPDX-License-Identifier: BSD-2-Clause */
/* mutant.h - ways to be wrong, so that the oracle can show that it sees. */
#ifndef SIM_MUTANT_H
#define SIM_MUTANT_H

enum mutant {
	MUTANT_NONE,
	MUTANT_DROP_REPAIR, /* The receiver throws repairs away. */
	MUTANT_NO_NAK,      /* It never reports. */
	MUTANT_TWICE,       /* It delivers a message again now and then. */
	MUTANT_HIDE_LOSS,   /* It does not tell of losses. */
	MUTANT_INVENT_LOSS, /* It tells of one that was none. */
	MUTANT_WRONG_BYTE,  /* A payload is changed on the way. */
	MUTANT_NO_ECHO,     /* The publisher repairs whenever it is asked. */
	MUTANT_NO_PROBE,    /* It is silent behind a burst. */
	MUTANT_HOARD,       /* It forgets nothing. */
	MUTANT_NO_LIMIT,    /* It repairs as fast as it is asked. */
	MUTANT_COUNT,
};

#endif
