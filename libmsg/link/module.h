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

#include "link/link.h"

/* The name of the one symbol a module exports. */
#define MSG_LINK_MODULE_SYMBOL "msg_link_module"
#define MSG_LINK_MODULE_FILE "libmsg-fabric.so"

/* 0, or -MSG_ERROR_FABRIC with the reason on the trail. */
int msg_link_module_load(const struct msg_link_domain_ops **ops);

#endif
