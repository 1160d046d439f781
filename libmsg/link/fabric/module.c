/* SPDX-License-Identifier: BSD-2-Clause */
/* module.c - what libmsg finds in libmsg-fabric.so; see link/module.h. */
#include "link/fabric/channels.h"
#include "link/fabric/fabric.h"
#include "link/module.h"

__attribute__((visibility("default")))
const struct msg_link_domain_ops msg_link_module = {
	.abi = MSG_LINK_ABI,
	.open = fabric_domain_open,
	.link_open = fabric_endpoint_open,
	.close = fabric_domain_close,
};

__attribute__((visibility("default")))
const struct msg_channel_module msg_channel_module = {
	.abi = MSG_CHANNEL_ABI,
	.open = channel_set_open,
	.find = channel_find,
};
