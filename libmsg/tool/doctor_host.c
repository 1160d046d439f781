/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_host.c - interface, route, sockets, clock, memory of this machine.
 *
 * Thresholds say where they come from.  A file of /proc that is not there (a
 * container, another kernel) is a note.
 */
#include "doctor.h"

#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "machine.h"
#include "text.h"

/* The receive buffer the library asks for per socket. */
#define RCVBUF_WANTED (4l << 20)
#define FILES_LEAST 256
/* CAP_NET_ADMIN, linux/capability.h: may exceed net.core.rmem_max. */
#define NET_ADMIN_BIT 12

static bool may_force_buffers(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	uint64_t capabilities = 0;
	char line[256];

	while (file && fgets(line, sizeof line, file))
		if (strncmp(line, "CapEff:", 7) == 0)
			capabilities = strtoull(line + 7, NULL, 16);
	if (file)
		fclose(file);
	return capabilities >> NET_ADMIN_BIT & 1;
}

static bool read_flags(const char *interface, unsigned long *flags)
{
	char path[128], line[64];

	snprintf(path, sizeof path, "/sys/class/net/%.40s/flags", interface);
	if (!file_line(path, line, sizeof line))
		return false;
	*flags = strtoul(line, NULL, 0);
	return true;
}

static void check_interface(struct doctor *doctor, const char *interface)
{
	unsigned long flags;
	char fix[128];

	if (!read_flags(interface, &flags)) {
		finding(doctor, FINDING_NOTE, "interface", NULL,
			"%s: cannot read its flags", interface);
		return;
	}
	snprintf(fix, sizeof fix, "ip link set %.40s up", interface);
	if (!(flags & IFF_UP)) {
		finding(doctor, FINDING_FAIL, "interface", fix, "%s is down",
			interface);
		return;
	}
	snprintf(fix, sizeof fix, "ip link set %.40s multicast on", interface);
	if (flags & IFF_LOOPBACK)
		finding(doctor, FINDING_OK, "interface", NULL,
			"%s: loopback, "
			"nothing leaves this machine",
			interface);
	else if (!(flags & IFF_MULTICAST))
		finding(doctor, FINDING_FAIL, "interface", fix,
			"%s: multicast is off", interface);
	else
		finding(doctor, FINDING_OK, "interface", NULL,
			"%s: up, multicast is on", interface);
}

/* Whether a route of IPv4 leads 239.0.0.0 out of `interface`. */
static bool has_route(const char *interface)
{
	const unsigned long group = 239; /* First byte, network order. */
	FILE *file = fopen("/proc/net/route", "re");
	unsigned long destination, mask;
	bool found = false;
	char line[256], name[64];

	while (file && fgets(line, sizeof line, file))
		if (sscanf(line, "%63s %lx %*x %*x %*d %*d %*d %lx", name,
			    &destination, &mask) == 3 &&
			strcmp(name, interface) == 0 &&
			(group & mask & 0xff) == (destination & 0xff))
			found = true;
	if (file)
		fclose(file);
	return found;
}

/* Kernel UDP names its interface at each socket and needs no route; the
 * connection manager of RDMA resolves groups by route. */
static void check_route(struct doctor *doctor, const char *interface)
{
	char fix[128];

	if (doctor->lane_open && doctor->info.lane == MSG_LANE_UDP)
		return;
	snprintf(fix, sizeof fix, "ip route add 239.0.0.0/8 dev %.40s",
		interface);
	if (has_route(interface))
		finding(doctor, FINDING_OK, "route", NULL,
			"a route leads multicast out of %s", interface);
	else
		finding(doctor, FINDING_WARN, "route", fix,
			"no route leads multicast out of %s", interface);
}

static void check_buffers(struct doctor *doctor)
{
	char amount[32];
	long rmem;

	if (!file_number("/proc/sys/net/core/rmem_max", &rmem)) {
		finding(doctor, FINDING_NOTE, "sockets", NULL,
			"net.core.rmem_max cannot be read here");
		return;
	}
	text_scaled((double)rmem, amount, sizeof amount);
	if (rmem >= RCVBUF_WANTED)
		finding(doctor, FINDING_OK, "sockets", NULL,
			"net.core.rmem_max is %sB", amount);
	else if (may_force_buffers())
		finding(doctor, FINDING_OK, "sockets", NULL,
			"net.core.rmem_max is %sB, and this user may exceed "
			"it (CAP_NET_ADMIN)",
			amount);
	else
		finding(doctor, FINDING_WARN, "sockets",
			"sysctl -w "
			"net.core.rmem_max=4194304 (for good: a file in "
			"/etc/sysctl.d)",
			"net.core.rmem_max is only %sB: a "
			"burst overruns a subscriber that is away for "
			"moments",
			amount);
}

static void check_limits(struct doctor *doctor)
{
	long groups = 0, option = 0;

	if (file_number("/proc/sys/net/ipv4/igmp_max_memberships", &groups))
		finding(doctor, FINDING_OK, "groups", NULL,
			"a socket may "
			"join %ld groups (igmp_max_memberships); more take "
			"more sockets",
			groups);
	/* A membership costs some 50 bytes of it; 4 KiB is two sockets. */
	if (file_number("/proc/sys/net/core/optmem_max", &option) &&
		option < 4096)
		finding(doctor, FINDING_WARN, "sockets",
			"sysctl -w "
			"net.core.optmem_max=20480",
			"net.core.optmem_max is "
			"%ld: joins may fail",
			option);
}

static void check_ipv6(struct doctor *doctor)
{
	bool wanted = strchr(doctor->groups, ':') != NULL ||
		      (doctor->lane.options.groups &&
			      strchr(doctor->lane.options.groups, ':'));
	char line[128];

	if (file_line("/proc/net/if_inet6", line, sizeof line))
		finding(doctor, FINDING_OK, "ipv6", NULL, "there is IPv6");
	else if (wanted)
		finding(doctor, FINDING_FAIL, "ipv6",
			"sysctl -w "
			"net.ipv6.conf.all.disable_ipv6=0, or IPv4 groups",
			"no IPv6 address, but the groups are IPv6");
	else
		finding(doctor, FINDING_NOTE, "ipv6", NULL,
			"no IPv6 address: "
			"only IPv4 groups can be used");
}

static void check_machine(struct doctor *doctor)
{
	struct machine machine;

	machine_read(&machine);
	if (strcmp(machine.clock, "hpet") == 0 ||
		strcmp(machine.clock, "acpi_pm") == 0 ||
		strcmp(machine.clock, "jiffies") == 0)
		finding(doctor, FINDING_WARN, "clock",
			"boot with tsc=reliable "
			"if the processor's counter is sound",
			"clock source "
			"%s: reading the time is a slow system call",
			machine.clock);
	else
		finding(doctor, FINDING_OK, "clock", NULL, "clock source %s",
			machine.clock);
	if (machine.cores < 2)
		finding(doctor, FINDING_WARN, "cpu",
			"use more processors, or "
			"block instead of spinning",
			"%s, one core: a "
			"spinning publisher and subscriber take turns",
			machine.cpu);
	else
		finding(doctor, FINDING_OK, "cpu", NULL, "%s, %d cores, %s",
			machine.cpu, machine.cores, machine.kernel);
}

/* A subscriber takes four or so, a broker some for each of its clients. */
static void check_files(struct doctor *doctor)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	if (limit.rlim_cur >= FILES_LEAST)
		finding(doctor, FINDING_OK, "files", NULL,
			"%llu files may be open",
			(unsigned long long)limit.rlim_cur);
	else
		finding(doctor, FINDING_WARN, "files", "ulimit -n 1024",
			"only %llu files may be open; programs with some "
			"topics need more",
			(unsigned long long)limit.rlim_cur);
}

static void check_shm(struct doctor *doctor)
{
	struct statvfs room;
	char amount[32];

	if (statvfs("/dev/shm", &room) < 0 || access("/dev/shm", W_OK) < 0) {
		finding(doctor, FINDING_WARN, "shm",
			"mount -t tmpfs tmpfs "
			"/dev/shm",
			"/dev/shm is missing or not writable");
		return;
	}
	text_scaled((double)room.f_bavail * (double)room.f_frsize, amount,
		sizeof amount);
	finding(doctor, FINDING_OK, "shm", NULL, "/dev/shm has %sB free",
		amount);
}

static void check_hugepages(struct doctor *doctor)
{
	long pages = 0;

	if (file_number("/proc/sys/vm/nr_hugepages", &pages) && pages > 0)
		finding(doctor, FINDING_OK, "hugepages", NULL,
			"%ld are reserved", pages);
	else
		finding(doctor, FINDING_NOTE, "hugepages", NULL,
			"none are reserved; none are needed");
}

void check_host(struct doctor *doctor)
{
	const char *interface =
		doctor->interface[0] ? doctor->interface : doctor->lane.options.interface;

	/* An address instead of a name cannot be looked up when the lane did
	 * not open; the lane's own finding says what is wrong with it. */
	if (interface && !strpbrk(interface, ":/") &&
		if_nametoindex(interface) != 0) {
		check_interface(doctor, interface);
		check_route(doctor, interface);
	}
	check_buffers(doctor);
	check_limits(doctor);
	check_ipv6(doctor);
	check_machine(doctor);
	check_files(doctor);
	check_shm(doctor);
	check_hugepages(doctor);
}
