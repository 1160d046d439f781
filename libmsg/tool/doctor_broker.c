/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor_broker.c - the broker of this host: is there one where a program would
 * look, may this user come in, and is it the right one.
 *
 * That there is none is in order unless MSG_BROKER names one.  Nothing here
 * takes the broker's lock, not even to see whether it is taken: a broker that
 * starts just then would find its name taken.
 */
#include "doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <msg/broker.h>

#include "text.h"

#define PATH_BYTES 160

struct place {
	struct msg_broker_entry entry;
	int error;      /* Of the probe. */
	char name[300]; /* Shown text. */
	char folder[PATH_BYTES];
	char lock[PATH_BYTES];
	bool has_socket;
	bool wanted; /* MSG_BROKER asks for it. */
};

static void find_place(struct place *place)
{
	const char *path = place->entry.path, *slash = strrchr(path, '/');
	size_t bytes = strlen(path);
	struct stat about;

	text_escape(place->name, sizeof place->name, place->entry.name);
	snprintf(place->folder, sizeof place->folder, "%.*s",
		slash && slash > path ? (int)(slash - path) : 1, path);
	if (bytes > 5 && strcmp(path + bytes - 5, ".sock") == 0)
		bytes -= 5;
	snprintf(
		place->lock, sizeof place->lock, "%.*s.lock", (int)bytes, path);
	place->has_socket = lstat(path, &about) == 0 && S_ISSOCK(about.st_mode);
}

/* ---- the socket ------------------------------------------------------------ */

static void check_none(struct doctor *doctor, const struct place *place)
{
	char fix[400];

	if (place->has_socket) {
		snprintf(fix, sizeof fix,
			"msgbrokerd --name %.64s (it takes the place over), or "
			"rm %.120s",
			place->name, place->entry.path);
		finding(doctor, FINDING_WARN, "broker", fix,
			"the socket %s is stale: the broker '%s' ended without "
			"cleaning up",
			place->entry.path, place->name);
		return;
	}
	snprintf(fix, sizeof fix,
		"msgbrokerd --name %.64s, or unset MSG_BROKER", place->name);
	if (place->wanted)
		finding(doctor, FINDING_WARN, "broker", fix,
			"MSG_BROKER asks for '%s', but there is no broker at "
			"%s",
			place->name, place->entry.path);
	else
		finding(doctor, FINDING_NOTE, "broker", NULL,
			"none runs at %s; without one each program has its own "
			"endpoint",
			place->entry.path);
}

static void check_hanging(struct doctor *doctor, const struct place *place)
{
	bool stopped = place->entry.state == MSG_BROKER_STATE_STOPPED;
	char fix[400];

	if (stopped)
		snprintf(fix, sizeof fix, "kill -CONT %" PRIu32,
			place->entry.pid);
	else if (place->entry.pid)
		snprintf(fix, sizeof fix,
			"see msg info; then kill %" PRIu32
			" and start msgbrokerd again",
			place->entry.pid);
	else
		snprintf(fix, sizeof fix, "start msgbrokerd again");
	finding(doctor, FINDING_FAIL, "broker", fix,
		"the broker '%s' (pid %" PRIu32 ") %s: it took the connection "
		"at %s and says nothing",
		place->name, place->entry.pid, stopped ? "is stopped" : "hangs",
		place->entry.path);
}

static void check_refusal(
	struct doctor *doctor, const struct place *place, const char *reason)
{
	const char *fix = "see the log of msgbrokerd";
	char text[520];

	text_escape(text, sizeof text, reason);
	if (access(place->entry.path, R_OK | W_OK) < 0)
		fix = "have it started with --socket-mode 0666, or 0660 and a "
		      "--socket-group of yours";
	else if (place->error == -MSG_ERROR_BUSY)
		fix = "stop some programs, or raise the key of [quota] in "
		      "msg.conf";
	else if (strstr(text, "version"))
		fix = "install the same release of libmsg and msgbrokerd, and "
		      "restart it";
	else if (place->error == -MSG_ERROR_AGAIN)
		fix = "try again; if it stays so: msg info";
	finding(doctor, FINDING_FAIL, "broker", fix, "the broker '%s': %s",
		place->name, text);
}

static void check_socket(
	struct doctor *doctor, const struct place *place, const char *reason)
{
	switch (place->error) {
	case 0:
		finding(doctor, FINDING_OK, "broker", NULL,
			"'%s' (pid %" PRIu32 ") answers at %s, in a version "
			"this library speaks",
			place->name, place->entry.pid, place->entry.path);
		return;
	case -MSG_ERROR_DEVICE:
		check_none(doctor, place);
		return;
	case -MSG_ERROR_TIMEOUT:
		check_hanging(doctor, place);
		return;
	default:
		check_refusal(doctor, place, reason);
	}
}

/* ---- the folder and the lock ----------------------------------------------- */

static void check_folder(struct doctor *doctor, const struct place *place)
{
	struct stat about;
	char fix[400];

	if (lstat(place->folder, &about) < 0)
		return;
	if (S_ISLNK(about.st_mode)) {
		finding(doctor, FINDING_WARN, "brokerdir",
			"make it a folder, or give msgbrokerd --socket",
			"%s is a symbolic link, which msgbrokerd refuses",
			place->folder);
		return;
	}
	snprintf(fix, sizeof fix, "chmod o-w %.160s", place->folder);
	if (about.st_mode & S_IWOTH)
		finding(doctor, FINDING_FAIL, "brokerdir", fix,
			"everybody may write to %s (mode %04o), and so pose as "
			"the broker",
			place->folder, about.st_mode & 07777);
	else if (about.st_uid != 0 && about.st_uid != geteuid())
		finding(doctor, FINDING_NOTE, "brokerdir", NULL,
			"%s belongs to uid %u, who decides what the broker is",
			place->folder, about.st_uid);
	else
		finding(doctor, FINDING_OK, "brokerdir", NULL,
			"only %s may write to %s",
			about.st_uid ? "you" : "root", place->folder);
}

/* Who has a lock on that file, by /proc/locks; 0: nobody, -1: not to be seen. */
static long lock_holder(const struct stat *about)
{
	FILE *file = fopen("/proc/locks", "re");
	long holder = 0, pid;
	unsigned major_, minor_;
	unsigned long inode;
	char line[256];

	if (!file)
		return -1;
	while (fgets(line, sizeof line, file))
		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &pid,
			    &major_, &minor_, &inode) == 4 &&
			inode == about->st_ino &&
			major_ == major(about->st_dev) &&
			minor_ == minor(about->st_dev))
			holder = pid;
	fclose(file);
	return holder;
}

static void check_lock(struct doctor *doctor, const struct place *place)
{
	struct stat about;
	char fix[400];
	long holder;

	if (lstat(place->lock, &about) < 0)
		return;
	holder = lock_holder(&about);
	if (holder < 0)
		return;
	snprintf(fix, sizeof fix,
		"see what pid %ld does; if it is a broker, "
		"kill it and start msgbrokerd again",
		holder);
	if (place->error == -MSG_ERROR_DEVICE && holder > 0)
		finding(doctor, FINDING_WARN, "brokerlock", fix,
			"pid %ld holds %s, but nobody listens at %s", holder,
			place->lock, place->entry.path);
	else if (place->error == 0 && holder == 0)
		finding(doctor, FINDING_WARN, "brokerlock",
			"start msgbrokerd again, from the same file system",
			"the broker '%s' runs, but nobody holds %s: another "
			"one could take its place",
			place->name, place->lock);
	else if (holder > 0)
		finding(doctor, FINDING_OK, "brokerlock", NULL,
			"pid %ld holds %s", holder, place->lock);
	else
		finding(doctor, FINDING_OK, "brokerlock", NULL, "%s is free",
			place->lock);
}

/* ---- the lane -------------------------------------------------------------- */

static bool same_lane(
	const struct doctor *doctor, const struct msg_broker_info *info)
{
	return info->lane == (uint32_t)doctor->info.lane &&
	       strcmp(info->interface, doctor->interface) == 0 &&
	       strcmp(info->device, doctor->device) == 0 &&
	       strcmp(info->groups, doctor->groups) == 0 &&
	       info->port == doctor->info.port;
}

/* Whether a node with these options stands on the broker. */
static bool uses_broker(const struct doctor *doctor)
{
	struct msg_node_options options = doctor->lane.options;
	struct msg_node_info info;
	struct msg_node *node;
	bool uses;

	options.broker = MSG_BROKER_DEFAULT;
	if (msg_node_open(&options, &node) < 0)
		return false;
	msg_node_describe(node, &info);
	uses = info.broker[0] != '\0';
	msg_node_close(node);
	return uses;
}

static void check_same(
	struct doctor *doctor, const struct msg_broker_info *info)
{
	char fix[400], interface[80], device[80], groups[80];

	if (uses_broker(doctor)) {
		finding(doctor, FINDING_OK, "brokerlane", NULL,
			"a program with these options gets the broker's lane");
		return;
	}
	text_escape(interface, sizeof interface, info->interface);
	text_escape(device, sizeof device, info->device);
	text_escape(groups, sizeof groups, info->groups);
	snprintf(fix, sizeof fix,
		"give both the same: here MSG_LANE=%s MSG_INTERFACE=%s%s%s "
		"MSG_GROUPS=%s MSG_PORT=%" PRIu32,
		lane_name((enum msg_lane)info->lane), interface,
		*device ? " MSG_DEVICE=" : "", device, groups, info->port);
	if (same_lane(doctor, info))
		finding(doctor, FINDING_NOTE, "brokerlane", NULL,
			"the broker is on the same lane, but programs do not "
			"use it: MSG_BROKER_POLICY says so");
	else
		finding(doctor, FINDING_WARN, "brokerlane", fix,
			"programs with these options do not use the broker, "
			"which is on another lane: %s on %s, groups %s, port "
			"%" PRIu32,
			lane_name((enum msg_lane)info->lane), interface, groups,
			info->port);
}

static uint32_t count_slow(const struct msg_broker *broker)
{
	const struct msg_broker_reader *r;
	uint32_t slow = 0;

	for (uint32_t i = 0; (r = msg_broker_reader(broker, i)) != NULL; i++)
		slow += (r->flags & (MSG_BROKER_READER_SLOW |
					    MSG_BROKER_READER_EVICTED)) != 0;
	return slow;
}

/* What its counters tell. */
static void check_counters(struct doctor *doctor, const struct place *place)
{
	const struct msg_broker_info *info;
	struct msg_broker *broker;
	char text[520];
	uint32_t slow;

	if (msg_broker_open(place->entry.path, &broker) < 0) {
		text_escape(text, sizeof text, msg_error_text());
		finding(doctor, FINDING_NOTE, "brokerstats", NULL, "%s", text);
		return;
	}
	info = msg_broker_info(broker);
	slow = count_slow(broker);
	if (slow > 0)
		finding(doctor, FINDING_WARN, "brokerstats",
			"msg top shows which; release views sooner, or raise "
			"slots",
			"%" PRIu32 " subscriptions are slow or have lost their "
			"ring",
			slow);
	else
		finding(doctor, FINDING_OK, "brokerstats", NULL,
			"its counters can be read, and no subscriber is slow");
	if (info->lane == 0)
		finding(doctor, FINDING_NOTE, "brokerlane", NULL,
			"the broker has no network: topics stay on this host");
	else if (doctor->lane_open)
		check_same(doctor, info);
	msg_broker_close(broker);
}

void check_broker(struct doctor *doctor)
{
	const char *wanted = getenv("MSG_BROKER");
	struct place place = {.wanted = wanted && *wanted};
	char reason[520];

	place.error = msg_broker_probe(NULL, &place.entry);
	snprintf(reason, sizeof reason, "%s",
		place.error < 0 ? msg_error_text() : "");
	if (place.error == -MSG_ERROR_ARGUMENT) {
		text_escape(place.name, sizeof place.name, reason);
		finding(doctor, FINDING_FAIL, "broker",
			"unset MSG_BROKER, or set it to a name",
			"MSG_BROKER: %s", place.name);
		return;
	}
	find_place(&place);
	check_socket(doctor, &place, reason);
	if (place.error == -MSG_ERROR_DEVICE && !place.has_socket &&
		!place.wanted)
		return;
	check_folder(doctor, &place);
	check_lock(doctor, &place);
	if (place.error == 0)
		check_counters(doctor, &place);
}
