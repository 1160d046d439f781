/* SPDX-License-Identifier: BSD-2-Clause */
/* stats.c - the file of counters and its hours; see stats.h. */
#include "broker/stats.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "broker/listen.h"
#include "broker/log.h"
#include "broker/server_internal.h"

#include "base/clock.h"
#include "base/trail.h"

#define BUSY_NS (100 * MSG_NS_PER_MS)
#define IDLE_NS MSG_NS_PER_S

#define FILE_BYTES (LISTEN_PATH_BYTES + 16)

/* ---- the file -------------------------------------------------------------- */

/* Its name, and the one it has until it is whole. */
struct names {
	char file[FILE_BYTES];
	char fresh[FILE_BYTES];
};

static void name_files(struct names *names, const struct listening *place)
{
	const char *file = strrchr(place->path, '/') + 1;
	char beside[MSG_PLACE_BESIDE_BYTES];

	msg_place_beside(file, ".stats", beside);
	snprintf(names->file, sizeof names->file, "%s", beside);
	snprintf(names->fresh, sizeof names->fresh, ".%s.new", beside);
}

/* What was left behind may be replaced, and nothing else. */
static bool may_replace(int folder, const char *file)
{
	struct stat about;

	if (fstatat(folder, file, &about, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	if (S_ISREG(about.st_mode) && about.st_uid == geteuid())
		return true;
	errno = EEXIST;
	return false;
}

/* A new file of all its bytes under its first name; -1 with errno. */
static int make_file(
	int folder, const struct names *names, const struct config *config)
{
	mode_t mode = (mode_t)config_number(config, CONFIG_SOCKET_MODE) & 0444;
	gid_t gid = config_socket_gid(config);
	int fd, error;

	if (!may_replace(folder, names->file) ||
		!may_replace(folder, names->fresh))
		return -1;
	/* Whoever has the lock has these names as well. */
	unlinkat(folder, names->fresh, 0);
	fd = openat(folder, names->fresh,
		O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	/* Its blocks at once: a full disk later would kill us. */
	error = posix_fallocate(fd, 0, (off_t)msg_stats_bytes());
	if (error == 0 && gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) < 0)
		error = errno;
	if (error == 0 && fchmod(fd, mode) < 0)
		error = errno;
	if (error == 0)
		return fd;
	unlinkat(folder, names->fresh, 0);
	close(fd);
	errno = error;
	return -1;
}

/* Map it, and have a descriptor that nobody can write with. */
static bool use_file(struct stats *s, int fd, const char *fresh)
{
	struct stat about;
	void *map = mmap(NULL, msg_stats_bytes(), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_POPULATE, fd, 0);

	if (map == MAP_FAILED)
		return false;
	s->page = map;
	s->mapped = true;
	s->fd = openat(
		s->place->folder_fd, fresh, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (s->fd < 0 || fstat(fd, &about) < 0)
		return false;
	s->device = about.st_dev;
	s->inode = about.st_ino;
	return true;
}

static void forget(struct stats *s)
{
	if (s->mapped)
		munmap(s->page, msg_stats_bytes());
	if (s->mapped && s->fd >= 0)
		close(s->fd);
	s->page = NULL;
	s->mapped = false;
	s->fd = -1;
}

static bool open_file(struct stats *s, const struct config *config)
{
	int folder = s->place->folder_fd;
	struct names names;
	int fd;
	bool good;

	name_files(&names, s->place);
	fd = make_file(folder, &names, config);
	good = fd >= 0 && use_file(s, fd, names.fresh);
	if (!good) {
		log_say(LOG_COUNTERS_HIDDEN,
			"cannot make the file %s beside the socket: %s",
			names.file, strerror(errno));
		forget(s);
	}
	if (fd >= 0)
		close(fd);
	if (!good && fd >= 0)
		unlinkat(folder, names.fresh, 0);
	return good;
}

/* Under its own name, when there is something to read in it. */
static void show_file(struct stats *s)
{
	struct names names;

	name_files(&names, s->place);
	if (renameat(s->place->folder_fd, names.fresh, s->place->folder_fd,
		    names.file) == 0)
		return;
	log_say(LOG_COUNTERS_HIDDEN, "cannot give the file %s its name: %s",
		names.file, strerror(errno));
	unlinkat(s->place->folder_fd, names.fresh, 0);
}

/* Memory of the same shape, where there is no file. */
static int open_segment(struct stats *s)
{
	int result = msg_shm_segment_create(
		&s->segment, "msg-stats", msg_stats_bytes(), 0);

	if (result == 0)
		result = msg_shm_segment_seal(
			&s->segment, MSG_SHM_SEAL_READ_ONLY);
	if (result < 0)
		return result;
	s->page = (struct msg_stats_header *)(void *)s->segment.base;
	s->fd = s->segment.fd;
	return 0;
}

/* ---- its header ------------------------------------------------------------ */

/* When the kernel says that we started, to be told from a later process of our
 * pid; 0 if it does not say. */
static uint64_t read_start(void)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char text[1024] = "";
	uint64_t start = 0;
	const char *rest;

	if (!file)
		return 0;
	if (!fgets(text, sizeof text, file))
		text[0] = '\0';
	fclose(file);
	rest = strrchr(text, ')');
	if (!rest || sscanf(rest + 1,
			     " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			     "%*s %*s %*s %*s %*s %*s %*s %" SCNu64,
			     &start) != 1)
		return 0;
	return start;
}

static void fill_header(const struct server *server)
{
	struct msg_stats_header *h = server->stats.page;
	const struct config *config = server->options.config;
	const struct network *n = &server->network;

	msg_stats_start(h);
	h->epoch = server->epoch;
	h->pid = (uint32_t)getpid();
	h->uid = (uint32_t)geteuid();
	h->pid_start = read_start();
	h->started_ns = msg_clock_ns();
	h->started_real_ns = msg_clock_read(CLOCK_REALTIME);
	snprintf(h->name, sizeof h->name, "%.64s",
		config_text(config, CONFIG_NAME));
	if (server->stats.place)
		snprintf(h->path, sizeof h->path, "%s",
			server->stats.place->path);
	if (!n->domain)
		return;
	h->lane = (uint32_t)n->domain->lane;
	h->port = n->port;
	h->frame_bytes = n->domain->frame_bytes;
	snprintf(h->device, sizeof h->device, "%.63s", n->domain->device);
	snprintf(h->interface, sizeof h->interface, "%.63s",
		n->domain->interface);
	snprintf(h->address, sizeof h->address, "%.63s", n->domain->address);
	snprintf(h->groups, sizeof h->groups, "%.63s", n->groups_text);
	snprintf(h->reason, sizeof h->reason, "%.159s", n->domain->reason);
}

/* ---- life ------------------------------------------------------------------ */

int stats_open(struct server *server, const struct listening *place)
{
	struct stats *s = &server->stats;

	*s = (struct stats){
		.fd = -1, .segment = MSG_SHM_SEGMENT, .place = place};
	if (!place || !open_file(s, server->options.config)) {
		int result = open_segment(s);

		if (result < 0)
			return result;
	}
	fill_header(server);
	stats_tick(server, msg_clock_ns());
	if (s->mapped)
		show_file(s);
	return 0;
}

void stats_close(struct stats *s)
{
	struct names names;
	struct stat about;

	if (!s->page)
		return;
	if (s->mapped) {
		name_files(&names, s->place);
		if (fstatat(s->place->folder_fd, names.file, &about,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
			about.st_dev == s->device && about.st_ino == s->inode)
			unlinkat(s->place->folder_fd, names.file, 0);
	}
	forget(s);
	msg_shm_segment_close(&s->segment);
}

/* ---- its hours ------------------------------------------------------------- */

uint64_t stats_due(const struct server *server)
{
	const struct stats *s = &server->stats;

	if (s->dirty)
		return s->last_ns + BUSY_NS;
	return server->streams ? s->last_ns + IDLE_NS : UINT64_MAX;
}

void stats_tick(struct server *server, uint64_t now_ns)
{
	struct stats *s = &server->stats;

	if (!s->page || (s->last_ns > 0 && now_ns < stats_due(server)))
		return;
	msg_stats_begin(s->page);
	s->dirty = stats_collect(server);
	s->last_ns = now_ns;
	msg_stats_end(s->page, now_ns);
}

void stats_sleep(struct stats *s, uint64_t until_ns)
{
	msg_store(&s->page->asleep_until_ns, until_ns, relaxed);
}

void stats_awake(struct stats *s)
{
	msg_store(&s->page->asleep_until_ns, 0, relaxed);
}
