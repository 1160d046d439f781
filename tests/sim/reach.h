/* SPDX-License-Identifier: BSD-2-Clause */
/* reach.h - where a link is reached, in this network's words: a node. */
#ifndef SIM_REACH_H
#define SIM_REACH_H

#include "protocol/bytes.h"
#include "protocol/report.h"

static inline struct msg_reach reach_of(uint32_t node)
{
	struct msg_reach reach = {.bytes = 4};

	msg_store32(reach.data, node);
	return reach;
}

/* UINT32_MAX for what is no address of ours. */
static inline uint32_t reach_node(const struct msg_reach *reach)
{
	return reach->bytes == 4 ? msg_load32(reach->data) : UINT32_MAX;
}

#endif
