// SPDX-License-Identifier: BSD-2-Clause
#include "core.h"
static int scan(struct udmc_devices *list)
{
	(void)list;
	return 0;
}
const struct udmc_transport udmc_verbs = {
	.fabric_name = "udmc-rdma",
	.protocol = FI_PROTO_IB_UD,
	.mr_mode = FI_MR_LOCAL,
	.scan = scan,
};
