/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * udmc.h - the door for a program that links the provider in.
 *
 * A process that must not set FI_PROVIDER_PATH (other users of libfabric may
 * live in it) links the object library `udmc_objects` and calls the provider
 * by itself:
 *
 *	struct fi_provider *prov = udmc_provider();
 *	prov->getinfo(FI_VERSION(1, 17), NULL, NULL, 0, hints, &info);
 *	prov->fabric(info->fabric_attr, &fabric, NULL);
 *
 * and then libfabric's own inline calls (fi_domain, fi_endpoint, ...).  Free
 * the list with fi_freeinfo.  Of libfabric itself only fi_dupinfo, fi_freeinfo,
 * fi_log, fi_log_enabled and fi_param_define are called (the last one when it
 * is loaded as a plug-in), none of which starts its other providers up.
 */
#ifndef UDMC_H
#define UDMC_H

#include <rdma/fabric.h>
#include <rdma/providers/fi_prov.h>

/* The provider; static, never freed.  Threads any. */
struct fi_provider *udmc_provider(void);

#endif
