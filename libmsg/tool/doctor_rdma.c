/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_rdma.c - RDMA devices, the rights to use them, locked memory.
 *
 * All of it from /sys/class/infiniband and /dev/infiniband: no library of
 * RDMA is needed to say that one is missing.
 */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine.h"
#include "text.h"

#define CLASS "/sys/class/infiniband"
/* What the default pools of a node with some topics register. */
#define MEMLOCK_ENOUGH (64u << 20)

/* The path of a RoCE frame of `mtu` needs that much Ethernet MTU: headers of
 * RoCEv2 over IPv6 with all extensions are below 128 bytes. */
static long roce_mtu(long netdev_mtu)
{
	long mtu = 4096;

	while (mtu > 256 && mtu + 128 > netdev_mtu)
		mtu /= 2;
	return mtu;
}

static bool gid_table_empty(const char *port)
{
	char path[512], line[64];
	struct dirent *entry;
	bool empty = true;
	DIR *gids;

	snprintf(path, sizeof path, "%s/gids", port);
	gids = opendir(path);
	while (gids && empty && (entry = readdir(gids)) != NULL) {
		snprintf(path, sizeof path, "%.200s/gids/%.60s", port,
			entry->d_name);
		/* An unset entry is fe80:: or :: with nothing behind. */
		if (entry->d_name[0] != '.' &&
			file_line(path, line, sizeof line) &&
			strspn(line, "0:") != strlen(line) &&
			strcmp(line, "fe80:0000:0000:0000:0000:0000:0000:"
				     "0000") != 0)
			empty = false;
	}
	if (gids)
		closedir(gids);
	return empty;
}

static void check_roce(
	struct doctor *doctor, const char *name, const char *port)
{
	char path[512], netdev[64];
	long mtu = 0;

	snprintf(path, sizeof path, "%s/gid_attrs/ndevs/0", port);
	if (!file_line(path, netdev, sizeof netdev)) {
		finding(doctor, FINDING_WARN, "rdma", "ip link set DEV up",
			"%s: its network interface is not known", name);
		return;
	}
	snprintf(path, sizeof path, "/sys/class/net/%.40s/mtu", netdev);
	if (!file_number(path, &mtu))
		return;
	if (mtu >= 4096 + 128) {
		finding(doctor, FINDING_OK, "rdma", NULL,
			"%s: on %s, MTU "
			"%ld: frames of 4096 bytes",
			name, netdev, mtu);
		return;
	}
	snprintf(path, sizeof path,
		"ip link set %s mtu 9000 (if the switch "
		"allows)",
		netdev);
	finding(doctor, FINDING_NOTE, "rdma", path,
		"%s: on %s, MTU %ld: "
		"frames of %ld bytes; an MTU of 4224 or more carries 4096",
		name, netdev, mtu, roce_mtu(mtu));
}

static void check_port(
	struct doctor *doctor, const char *device, const char *number)
{
	char port[256], path[512], name[128], state[64], layer[64], fix[96];

	snprintf(port, sizeof port, CLASS "/%.60s/ports/%.20s", device, number);
	snprintf(name, sizeof name, "%.60s port %.20s", device, number);
	snprintf(path, sizeof path, "%s/state", port);
	if (!file_line(path, state, sizeof state))
		snprintf(state, sizeof state, "unknown");
	snprintf(path, sizeof path, "%s/link_layer", port);
	if (!file_line(path, layer, sizeof layer))
		snprintf(layer, sizeof layer, "unknown");
	if (!strstr(state, "ACTIVE")) {
		snprintf(fix, sizeof fix,
			strcmp(layer, "Ethernet") == 0
				? "ip link set DEV up, DEV being its interface"
				: "check the cable, and that a subnet manager "
				  "runs");
		finding(doctor, FINDING_WARN, "rdma", fix,
			"%s: %s, link layer %s", name, state, layer);
		return;
	}
	doctor->rdma_active++;
	finding(doctor, FINDING_OK, "rdma", NULL, "%s: %s, link layer %s", name,
		state, layer);
	if (gid_table_empty(port))
		finding(doctor, FINDING_FAIL, "rdma",
			"ip address add ADDRESS "
			"dev DEV",
			"%s: its GID table is empty", name);
	if (strcmp(layer, "Ethernet") == 0)
		check_roce(doctor, name, port);
}

static void check_device(struct doctor *doctor, const char *device)
{
	char path[256];
	struct dirent *entry;
	DIR *ports;

	doctor->rdma_devices++;
	snprintf(path, sizeof path, CLASS "/%.60s/ports", device);
	ports = opendir(path);
	while (ports && (entry = readdir(ports)) != NULL)
		if (entry->d_name[0] != '.')
			check_port(doctor, device, entry->d_name);
	if (ports)
		closedir(ports);
}

static void check_devices(struct doctor *doctor)
{
	struct dirent *entry;
	DIR *devices = opendir(CLASS);

	while (devices && (entry = readdir(devices)) != NULL)
		if (entry->d_name[0] != '.')
			check_device(doctor, entry->d_name);
	if (devices)
		closedir(devices);
	if (doctor->rdma_devices > 0)
		return;
	if (doctor->lane.options.device ||
		doctor->lane.options.lane == MSG_LANE_VERBS)
		finding(doctor, FINDING_FAIL, "rdma",
			"modprobe rdma_rxe && "
			"rdma link add rxe0 type rxe netdev eth0 (SoftRoCE)",
			"no RDMA device, but one was asked for");
	else
		finding(doctor, FINDING_NOTE, "rdma", NULL,
			"no RDMA device: using kernel UDP");
}

/* ---- rights ------------------------------------------------------------ */

static void check_node_file(
	struct doctor *doctor, const char *name, bool *world)
{
	char path[128], fix[256];
	struct stat file;

	snprintf(path, sizeof path, "/dev/infiniband/%.60s", name);
	if (stat(path, &file) < 0) {
		finding(doctor, FINDING_FAIL, "rights",
			"modprobe rdma_ucm "
			"ib_uverbs",
			"%s: %s", path, strerror(errno));
		return;
	}
	if (access(path, R_OK | W_OK) < 0) {
		snprintf(fix, sizeof fix,
			"give this user's group read and "
			"write access to %s (a udev rule)",
			path);
		finding(doctor, FINDING_FAIL, "rights", fix, "%s: %s", path,
			strerror(errno));
		return;
	}
	*world = *world || (file.st_mode & S_IWOTH);
}

static void check_rights(struct doctor *doctor)
{
	bool world = false;
	struct dirent *entry;
	DIR *directory;
	int before = doctor->count;

	if (doctor->rdma_devices == 0)
		return;
	check_node_file(doctor, "rdma_cm", &world);
	directory = opendir("/dev/infiniband");
	while (directory && (entry = readdir(directory)) != NULL)
		if (strncmp(entry->d_name, "uverbs", 6) == 0)
			check_node_file(doctor, entry->d_name, &world);
	if (directory)
		closedir(directory);
	if (doctor->count > before)
		return;
	if (world)
		finding(doctor, FINDING_NOTE, "rights",
			"to keep users out: a "
			"udev rule with MODE=0660 and a GROUP for "
			"/dev/infiniband/*",
			"/dev/infiniband is world-"
			"writable, as is usual: any local user may join a "
			"group and read its messages");
	else
		finding(doctor, FINDING_OK, "rights", NULL,
			"/dev/infiniband may be used, and not by everybody");
}

static void check_memlock(struct doctor *doctor)
{
	struct rlimit limit;
	char amount[32];

	if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return;
	if (limit.rlim_cur == RLIM_INFINITY) {
		finding(doctor, FINDING_OK, "memlock", NULL, "unlimited");
		return;
	}
	text_scaled((double)limit.rlim_cur, amount, sizeof amount);
	if (doctor->rdma_devices == 0)
		finding(doctor, FINDING_NOTE, "memlock", NULL,
			"%sB may be "
			"locked; kernel UDP needs none",
			amount);
	else if (limit.rlim_cur >= MEMLOCK_ENOUGH || geteuid() == 0)
		finding(doctor, FINDING_OK, "memlock", NULL,
			"%sB may be locked%s", amount,
			limit.rlim_cur < MEMLOCK_ENOUGH
				? ", and root is not held to it"
				: "");
	else
		finding(doctor, FINDING_WARN, "memlock",
			"ulimit -l unlimited; "
			"for good: '* - memlock unlimited' in "
			"/etc/security/limits.d/msg.conf",
			"only %sB may be locked: pools will not fit", amount);
}

void check_rdma(struct doctor *doctor)
{
	check_devices(doctor);
	check_rights(doctor);
	check_memlock(doctor);
}
