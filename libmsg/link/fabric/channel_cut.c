/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_cut.c - TCP: connections that end in the middle of reads.
 *
 * libfabric's tcp (seen with 1.17) frees what stands for a read twice when it ends a
 * connection while the answer to that read is coming in, unless it is the socket that
 * fails as it is received from.  From then on two operations of the domain share one
 * entry: answers land in the wrong place, are told of as another's, or never.  So
 *
 *     ends, with reads under way ──> its socket is shut down ──> polled as before:
 *     what has come is received, then the end of it ──> all reads told of ──> closed
 *
 * and while an answer may be coming in nothing is sent that could fail, which would end
 * it as well: reads are asked for together, and further ones, or sends, once all of
 * them are told of; until somebody looks nothing comes in.
 *
 * What was under way and told of so is no event: that it ended is one (give_back).
 *
 * Neighbours: called by channel_connect.c and channel_data.c.  Test:
 * tests/channel/read.c.
 */
#include <sys/socket.h>

#include "link/fabric/channels.h"

static bool is_tcp(const struct channel_set *set)
{
	return set->lane->lane != MSG_LANE_VERBS;
}

bool channel_cut_allows(const struct channel_set *set, const struct channel *c)
{
	return c->reads_owed == 0 || c->reads_look == set->looks || !is_tcp(set);
}

void channel_cut_asked(const struct channel_set *set, struct channel *c)
{
	if (c->reads_owed++ == 0)
		c->reads_look = set->looks;
}

void channel_cut_told(struct channel *c)
{
	if (c->reads_owed > 0)
		c->reads_owed--;
}

/* Of a socket that cannot be found the answers are waited for. */
void channel_cut(const struct channel_set *set, struct channel *c)
{
	if (c->reads_owed == 0 || !c->ep || !is_tcp(set))
		return;
	if (c->socket == CHANNEL_NO_SOCKET)
		c->socket = channel_ack_socket(c->ep);
	if (c->socket != CHANNEL_NO_SOCKET)
		shutdown(c->socket, SHUT_RDWR);
}

bool channel_cut_done(const struct channel_set *set, const struct channel *c)
{
	return c->reads_owed == 0 || !c->ep || !is_tcp(set);
}
