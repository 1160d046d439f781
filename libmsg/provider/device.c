// SPDX-License-Identifier: BSD-2-Clause
/*
 * device.c - the list of what a domain can be opened on.
 *
 * Neighbours: udp_device.c and verbs_device.c fill it, each with its own kind;
 * info.c shows it, domain.c opens one of it.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

int udmc_devices_add(struct udmc_devices *list,
		const struct udmc_device *device)
{
	struct udmc_device *more = realloc(list->item,
			(list->count + 1) * sizeof(*more));

	if (!more)
		return -FI_ENOMEM;
	list->item = more;
	more[list->count++] = *device;
	return 0;
}

void udmc_devices_free(struct udmc_devices *list)
{
	free(list->item);
	list->item = NULL;
	list->count = 0;
}

int udmc_devices_scan(struct udmc_devices *list)
{
	int ret;

	list->item = NULL;
	list->count = 0;
	ret = udmc_verbs.scan(list);
	if (!ret)
		ret = udmc_udp.scan(list);
	if (ret)
		udmc_devices_free(list);
	return ret;
}

int udmc_device_find(const struct fi_info *info, struct udmc_device *device)
{
	struct udmc_devices list;
	int ret = udmc_devices_scan(&list);

	if (ret)
		return ret;
	ret = -FI_ENODEV;
	for (size_t i = 0; i < list.count && ret; i++) {
		const struct udmc_device *d = &list.item[i];

		if (info->addr_format && info->addr_format != FI_SOCKADDR &&
				info->addr_format != d->addr_format)
			continue;
		if (!info->domain_attr->name ||
				strcmp(info->domain_attr->name, d->name) == 0) {
			*device = *d;
			ret = 0;
		}
	}
	if (ret)
		UDMC_WARN(DOMAIN, "no device %s any more\n",
				info->domain_attr->name ?
				info->domain_attr->name : "of this kind");
	udmc_devices_free(&list);
	return ret;
}

static bool has_address(const struct ifaddrs *i, const char *ifname,
		const char *wanted)
{
	union udmc_address ip;

	if (!i->ifa_addr || strcmp(i->ifa_name, ifname) != 0)
		return false;
	if (i->ifa_addr->sa_family == AF_INET &&
			inet_pton(AF_INET, wanted, &ip.in.sin_addr) == 1)
		ip.sa.sa_family = AF_INET;
	else if (i->ifa_addr->sa_family == AF_INET6 &&
			inet_pton(AF_INET6, wanted, &ip.in6.sin6_addr) == 1)
		ip.sa.sa_family = AF_INET6;
	else
		return false;
	return udmc_same_host(i->ifa_addr, &ip.sa);
}

bool udmc_iface_wanted(const char *ifname)
{
	const char *iface = udmc_settings().iface;
	struct ifaddrs *list;
	bool found = false;

	if (!iface || strcmp(iface, ifname) == 0)
		return true;
	if (getifaddrs(&list))
		return false;
	for (struct ifaddrs *i = list; i && !found; i = i->ifa_next)
		found = has_address(i, ifname, iface);
	freeifaddrs(list);
	return found;
}
