/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lane.c - which device a node stands on.
 *
 * The caller's word first; without one, the RDMA device if exactly one is
 * active (with two, a guess would be wrong half of the time), else loopback.
 * The provider names its domains: a device's name on verbs ("rxe0"), "udp-"
 * and the interface on kernel UDP.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "link/fabric/fabric.h"

#define UDP_PREFIX "udp-"

static bool is_udp(const struct fi_info *info)
{
	return strncmp(info->domain_attr->name, UDP_PREFIX,
		       strlen(UDP_PREFIX)) == 0;
}

/* ---- what there is, in words ------------------------------------------- */

/* The names of one kind of domain, for error texts. */
static void list_names(struct fi_info *list, bool udp, char *names, size_t room)
{
	const char *last = "";

	*names = '\0';
	for (struct fi_info *i = list; i; i = i->next) {
		const char *name = i->domain_attr->name;
		size_t used = strlen(names);

		if (is_udp(i) != udp || strcmp(name, last) == 0)
			continue;
		last = name;
		snprintf(names + used, room - used, "%s%s", used ? ", " : "",
			udp ? name + strlen(UDP_PREFIX) : name);
	}
	if (!*names)
		snprintf(names, room, "none");
}

static int no_such(struct fi_info *list, bool udp, const char *what,
	const char *name, char *text)
{
	char names[256];

	list_names(list, udp, names, sizeof names);
	return fabric_fail(text, MSG_ERROR_DEVICE,
		"%s '%s' is not there, is down or has no multicast; there is: "
		"%s (msg doctor says more)",
		what, name, names);
}

/* ---- finding ----------------------------------------------------------- */

static bool speaks(const struct fi_info *info, sa_family_t family)
{
	if (!is_udp(info))
		return true;
	return info->addr_format ==
	       (family == AF_INET ? (uint32_t)FI_SOCKADDR_IN
				  : (uint32_t)FI_SOCKADDR_IN6);
}

static struct fi_info *find(struct fi_info *list, bool udp, const char *name,
	sa_family_t family)
{
	for (struct fi_info *i = list; i; i = i->next) {
		const char *have = i->domain_attr->name;

		if (is_udp(i) != udp || !speaks(i, family))
			continue;
		if (strcmp(udp ? have + strlen(UDP_PREFIX) : have, name) == 0)
			return i;
	}
	return NULL;
}

/* The address itself, in 4 or 16 bytes. */
static const void *bytes_of(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return &((const struct sockaddr_in *)(const void *)address)
				->sin_addr;
	return &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
}

/* The interface that has this address; false if it is not an address or no
 * interface of ours has it. */
static bool interface_of(const char *address, char *name)
{
	struct ifaddrs *all;
	uint8_t wanted[16];
	sa_family_t family = AF_INET;
	bool found = false;

	if (inet_pton(AF_INET, address, wanted) != 1) {
		family = AF_INET6;
		if (inet_pton(AF_INET6, address, wanted) != 1)
			return false;
	}
	if (getifaddrs(&all) != 0)
		return false;
	for (struct ifaddrs *i = all; i && !found; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != family)
			continue;
		found = memcmp(bytes_of(i->ifa_addr), wanted,
				family == AF_INET ? 4 : 16) == 0;
		if (found)
			snprintf(name, IF_NAMESIZE, "%s", i->ifa_name);
	}
	freeifaddrs(all);
	return found;
}

/* The interface's first address of the family, as text; "" without one. */
static void address_of(
	const char *interface, sa_family_t family, char *text, size_t room)
{
	struct ifaddrs *all;

	*text = '\0';
	if (getifaddrs(&all) != 0)
		return;
	for (struct ifaddrs *i = all; i && !*text; i = i->ifa_next) {
		if (!i->ifa_addr || i->ifa_addr->sa_family != family ||
			strcmp(i->ifa_name, interface) != 0)
			continue;
		if (!inet_ntop(family, bytes_of(i->ifa_addr), text,
			    (socklen_t)room))
			*text = '\0';
	}
	freeifaddrs(all);
}

/* The network interface an RDMA device stands on; "" if it tells none. */
static void interface_under(const char *device, char *name)
{
	char path[160];
	FILE *file;

	*name = '\0';
	snprintf(path, sizeof path,
		"/sys/class/infiniband/%s/ports/1/gid_attrs/ndevs/0", device);
	file = fopen(path, "re");
	if (!file)
		return;
	if (fscanf(file, "%15s", name) != 1)
		*name = '\0';
	fclose(file);
}

static bool device_is_software(const char *device)
{
	char path[128];

	/* rxe and siw tell which interface they were laid over. */
	snprintf(path, sizeof path, "/sys/class/infiniband/%s/parent", device);
	return access(path, F_OK) == 0;
}

/* ---- choosing ---------------------------------------------------------- */

static void take_verbs(struct msg_link_domain *link, struct fi_info *info)
{
	link->lane = MSG_LANE_VERBS;
	snprintf(link->device, sizeof link->device, "%s",
		info->domain_attr->name);
	interface_under(link->device, link->interface);
	link->software = device_is_software(link->device);
	link->reads = true;
}

static void take_udp(struct msg_link_domain *link, struct fi_info *info)
{
	link->lane = MSG_LANE_UDP;
	snprintf(link->interface, sizeof link->interface, "%s",
		info->domain_attr->name + strlen(UDP_PREFIX));
}

static int choose_device(struct fi_info *list,
	const struct msg_link_domain_options *o, struct msg_link_domain *link,
	struct fi_info **info, char *text)
{
	if (o->lane == MSG_LANE_UDP)
		return fabric_fail(text, MSG_ERROR_ARGUMENT,
			"device '%s' is RDMA, but lane says UDP; leave one out",
			o->device);
	*info = find(list, false, o->device, o->family);
	if (!*info)
		return no_such(list, false, "RDMA device", o->device, text);
	take_verbs(link, *info);
	snprintf(link->reason, sizeof link->reason, "device %s was asked for",
		o->device);
	return 0;
}

/* A verbs device by the interface it stands on. */
static int choose_verbs_on(struct fi_info *list, const char *interface,
	struct msg_link_domain *link, struct fi_info **info, char *text)
{
	for (struct fi_info *i = list; i; i = i->next) {
		char under[IF_NAMESIZE];

		if (is_udp(i))
			continue;
		interface_under(i->domain_attr->name, under);
		if (strcmp(under, interface) != 0)
			continue;
		*info = i;
		take_verbs(link, i);
		snprintf(link->reason, sizeof link->reason,
			"lane verbs and interface %s were asked for",
			interface);
		return 0;
	}
	return fabric_fail(text, MSG_ERROR_DEVICE,
		"no active RDMA device stands on interface %s; leave lane out "
		"to use kernel UDP there",
		interface);
}

static int choose_interface(struct fi_info *list,
	const struct msg_link_domain_options *o, struct msg_link_domain *link,
	struct fi_info **info, char *text)
{
	char name[IF_NAMESIZE];

	if (!interface_of(o->interface, name))
		snprintf(name, sizeof name, "%.15s", o->interface);
	if (o->lane == MSG_LANE_VERBS)
		return choose_verbs_on(list, name, link, info, text);
	*info = find(list, true, name, o->family);
	if (!*info)
		return no_such(list, true, "interface", o->interface, text);
	take_udp(link, *info);
	snprintf(link->reason, sizeof link->reason,
		"interface %s was asked for", o->interface);
	return 0;
}

static uint32_t verbs_devices(struct fi_info *list, struct fi_info **only)
{
	const char *last = "";
	uint32_t n = 0;

	for (struct fi_info *i = list; i; i = i->next)
		if (!is_udp(i) && strcmp(i->domain_attr->name, last) != 0) {
			last = i->domain_attr->name;
			*only = i;
			n++;
		}
	return n;
}

static int choose_freely(struct fi_info *list,
	const struct msg_link_domain_options *o, struct msg_link_domain *link,
	struct fi_info **info, char *text)
{
	uint32_t devices = verbs_devices(list, info);
	char names[256];

	list_names(list, false, names, sizeof names);
	if (devices == 1 && o->lane != MSG_LANE_UDP) {
		take_verbs(link, *info);
		snprintf(link->reason, sizeof link->reason,
			"the only active RDMA device");
		return 0;
	}
	if (o->lane == MSG_LANE_VERBS)
		return devices == 0
			? fabric_fail(text, MSG_ERROR_DEVICE,
				"lane verbs: no active RDMA device; leave lane "
				"out to use kernel UDP, or see msg doctor")
			: fabric_fail(text, MSG_ERROR_DEVICE,
				"lane verbs: several RDMA devices (%s); name "
				"one (--device, MSG_DEVICE)",
				names);
	*info = find(list, true, "lo", o->family);
	if (!*info)
		return no_such(list, true, "interface", "lo", text);
	take_udp(link, *info);
	if (o->lane == MSG_LANE_UDP)
		snprintf(link->reason, sizeof link->reason,
			"lane udp was asked for, and no interface");
	else if (devices == 0)
		snprintf(link->reason, sizeof link->reason,
			"no active RDMA device; an interface to leave the "
			"machine by was not named");
	else
		snprintf(link->reason, sizeof link->reason,
			"%u RDMA devices are active and none was named",
			devices);
	return 0;
}

int fabric_lane_choose(struct fi_info *list,
	const struct msg_link_domain_options *o, struct msg_link_domain *link,
	struct fi_info **info, char *text)
{
	int result;

	if (o->device)
		result = choose_device(list, o, link, info, text);
	else if (o->interface)
		result = choose_interface(list, o, link, info, text);
	else
		result = choose_freely(list, o, link, info, text);
	if (result == 0)
		address_of(link->interface, o->family, link->address,
			sizeof link->address);
	return result;
}
