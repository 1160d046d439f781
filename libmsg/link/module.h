/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * module.h - finds and loads libmsg-fabric.so when a direct lane is opened.
 *
 * Looked for in $MSG_MODULE_DIR (ignored in set-uid programs), in `msg/`
 * beside the library or program that holds this code, then where it was
 * installed.  Never unloaded: libfabric does not survive that.
 */
#ifndef MSG_LINK_MODULE_H
#define MSG_LINK_MODULE_H

#include "link/channel.h"
#include "link/link.h"

/* The names of the symbols a module exports; MSG_CHANNEL_MODULE_SYMBOL is the
 * other, which one without connections leaves out. */
#define MSG_LINK_MODULE_SYMBOL "msg_link_module"
#define MSG_LINK_MODULE_FILE "libmsg-fabric.so"

/* 0, or -MSG_ERROR_FABRIC with the reason on the trail. */
int msg_link_module_load(const struct msg_link_domain_ops **ops);

/* The connections of the same module.  Nothing of libfabric's own providers is
 * started before the first set of them is opened. */
int msg_link_module_channels(const struct msg_channel_module **channels);

#endif
