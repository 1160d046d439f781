/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * publication_internal.h - what the files of a publication say to each other: its
 * broker's messages (publication.c), its rings (publication_outlet.c), the
 * application's calls (publication_send.c).
 */
#ifndef MSG_TOPIC_PUBLICATION_INTERNAL_H
#define MSG_TOPIC_PUBLICATION_INTERNAL_H

#include "topic/publication.h"

/* ---- publication.c ------------------------------------------------------- */

/* Is the broker there, is there another ring to move to? */
void publication_attend(struct msg_publication *p);

/* ---- publication_outlet.c ------------------------------------------------ */

/* Map what the broker made: ring, pool and, of large messages, their area.  0;
 * FABRIC, MEMORY with the reason on the trail, and then nothing is mapped. */
int publication_open_outlet(struct msg_publication *p,
	struct msg_outlet *outlet, const struct msg_control_publishing *granted,
	const int *fds);
void outlet_close(struct msg_outlet *outlet);

/* He is no reader of this ring any more. */
void outlet_drop_reader(struct msg_outlet *outlet, uint32_t number);
/* The same for all whose process is no more. */
void outlet_drop_dead(struct msg_outlet *outlet);

/* The outlets look at the word of whatever session there is. */
void publication_follow_news(struct msg_publication *p);

/* There is another ring, `next`: its readers' time begins. */
void publication_prepare_move(struct msg_publication *p);
/* To the ring the broker made, if nothing of the old one is in the
 * application's hands. */
void publication_move(struct msg_publication *p);

#endif
