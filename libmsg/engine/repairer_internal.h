/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * repairer_internal.h - what the files of the repairer say to each other.
 *
 *     repairer.c         reports in, what is due, turns
 *     repairer_send.c    repairs and probes out
 *     repairer_peers.c   who reported
 *     repairer_calls.c   who is connected, of a connected topic
 *     repairer_linger.c  the end
 */
#ifndef MSG_ENGINE_REPAIRER_INTERNAL_H
#define MSG_ENGINE_REPAIRER_INTERNAL_H

#include "engine/repairer.h"

#define REPAIRER_NO_FRAME UINT64_MAX /* In `flying`: a probe, or nothing. */

/* ---- repairer.c ---------------------------------------------------------- */

/* Completions and, unless `now` is 0, reports; how many events.  A report that
 * comes while another is answered is dropped: what it asks for is asked again. */
int repairer_turn_link(struct msg_repairer *r, uint64_t now);

/* Add to the publisher's counters what happened since they were told last. */
void repairer_tell(struct msg_repairer *r);

/* ---- repairer_send.c ----------------------------------------------------- */

/* The send of this token is completed, and all before it. */
void repairer_sent(struct msg_repairer *r, uint32_t token);

/* A place for one send more; false: there is none now. */
bool repairer_has_place(const struct msg_repairer *r);

/* A frame to one or all, if it and a place are there. */
void repairer_send_again(struct msg_repairer *r, uint32_t handle,
	const struct msg_repair_action *action);

/* A probe to one or all; `asked`: the report that it answers, or NULL.  False:
 * there is no place for one now. */
bool repairer_send_probe(struct msg_repairer *r, uint32_t handle,
	const struct msg_repair_action *action, const struct msg_report *asked);

/* Who lacks much is told where it is read, if it can be. */
void repairer_send_shelf(struct msg_repairer *r, uint32_t handle);

/* A probe to all that wants an answer, at once. */
void repairer_ask_all(struct msg_repairer *r);

/* What was sent leaves, or with the next turn's flush. */
void repairer_flush(struct msg_repairer *r);

/* ---- repairer_peers.c ---------------------------------------------------- */

/* Whom a report came from, entered; NULL: he leaves, or there is no way to reach
 * him alone.  `call`: the connection that he reports by, of a session. */
struct msg_repairer_peer *repairer_take_peer(struct msg_repairer *r,
	const struct msg_report *report, uint32_t call, uint64_t now);

/* ---- repairer_calls.c ---------------------------------------------------- */

/* Somebody asks for a connection, has one, or has it no more. */
void repairer_called(
	struct msg_repairer *r, const struct msg_link_event *event);

/* Whether the connection may speak for this receiver. */
bool repairer_is_his(
	struct msg_repairer *r, uint32_t handle, uint64_t receiver);

#endif
