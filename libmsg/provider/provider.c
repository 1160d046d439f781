// SPDX-License-Identifier: BSD-2-Clause
/*
 * provider.c - the provider itself, and its settings.
 *
 * Settings come from the environment (`fi_info -e` lists them when the plug-in
 * is loaded).  A process that calls the provider directly has not started
 * libfabric up, and libfabric's parameter list does not exist before that; so
 * the values are read with getenv under the very same names.
 *
 * Neighbours: plugin.c hands this to libfabric's core, udmc.h to libmsg.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core.h"
#include "udmc.h"

/* There is nothing to stop: no thread, no state outside the objects. */
static void cleanup(void)
{
}

struct fi_provider udmc_prov = {
	.version = FI_VERSION(0, 1),
	.fi_version = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION),
	.name = "udmc",
	.getinfo = udmc_getinfo,
	.fabric = udmc_fabric_open,
	.cleanup = cleanup,
};

bool udmc_loaded;

struct fi_provider *udmc_provider(void)
{
	return &udmc_prov;
}

void udmc_settings_define(void)
{
	fi_param_define(&udmc_prov, "iface", FI_PARAM_STRING,
			"Offer only the domains of this network interface, "
			"given by name or address, or this RDMA device "
			"(default: every one)");
	fi_param_define(&udmc_prov, "ttl", FI_PARAM_INT,
			"Routers a multicast may cross, 0 to 255 (default: 1)");
	fi_param_define(&udmc_prov, "loopback", FI_PARAM_BOOL,
			"Whether receivers on the sending host hear its "
			"multicasts; UDP only (default: yes)");
	fi_param_define(&udmc_prov, "rcvbuf", FI_PARAM_SIZE_T,
			"Bytes of kernel receive buffer of each UDP socket "
			"(default: 4194304)");
	fi_param_define(&udmc_prov, "sndbuf", FI_PARAM_SIZE_T,
			"Bytes of kernel send buffer of each UDP socket "
			"(default: 1048576)");
}

/* A number from the environment; anything else leaves the default, loudly. */
static size_t number(const char *name, size_t otherwise, size_t max)
{
	const char *text = getenv(name);
	unsigned long long value;
	char *end;

	if (!text || !*text)
		return otherwise;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || !isdigit((unsigned char)*text) || value > max) {
		UDMC_WARN(CORE, "%s=%s is not a number up to %zu, using %zu\n",
				name, text, max, otherwise);
		return otherwise;
	}
	return (size_t)value;
}

static int truth(const char *name, int otherwise)
{
	static const char *const words[][2] = {
		{"0", "1"}, {"no", "yes"}, {"off", "on"}, {"false", "true"},
	};
	const char *text = getenv(name);

	if (!text || !*text)
		return otherwise;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int value = 0; value < 2; value++)
			if (strcasecmp(text, words[i][value]) == 0)
				return value;
	UDMC_WARN(CORE, "%s=%s is neither yes nor no, using %d\n", name, text,
			otherwise);
	return otherwise;
}

struct udmc_settings udmc_settings(void)
{
	const char *iface = getenv("FI_UDMC_IFACE");

	return (struct udmc_settings){
		.iface = iface && *iface ? iface : NULL,
		.ttl = (int)number("FI_UDMC_TTL", 1, 255),
		.loopback = truth("FI_UDMC_LOOPBACK", 1),
		/* 4 MiB hold about 40 ms of 1 Gbit/s in 1 KiB datagrams, the
		 * kernel charging 2.3 KiB each; it is net.core.rmem_max of
		 * most distributions tuned for networking. */
		.rcvbuf = number("FI_UDMC_RCVBUF", 4u << 20, 1u << 30),
		.sndbuf = number("FI_UDMC_SNDBUF", 1u << 20, 1u << 30),
	};
}
