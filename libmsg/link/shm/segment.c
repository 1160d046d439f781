/* SPDX-License-Identifier: BSD-2-Clause */
/* segment.c - memory that processes share: sealed memfds; see segment.h. */
#include "link/shm/segment.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <msg/msg.h>

#include "base/trail.h"

/* Younger than some systems' headers: Linux 6.3 and 5.1; the last is only in
 * the kernel's own. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21u << 26)
#endif

#define PAGE_BYTES 4096u
#define HUGE_PAGE_BYTES (2u << 20)
#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

static int no_memory(
	const char *name, size_t bytes, const char *what, int error)
{
	return msg_fail(MSG_ERROR_MEMORY,
		"%zu bytes of shared memory for '%s': %s: %s; %s", bytes, name,
		what, strerror(error),
		error == EMFILE || error == ENFILE
			? "raise the limit of open files (ulimit -n)"
			: "ask for fewer or smaller buffers, or raise the "
			  "memory limit");
}

/* Kernels before 6.3 know no NOEXEC_SEAL; it is one door less and no need. */
static int make_memfd(const char *name, unsigned flags)
{
	int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, flags);
	return fd;
}

/* Every page exists before anybody is told of the segment: whoever touches a
 * page first is charged for it, and where there is none left, touching kills.
 * fallocate fails instead, so it goes before the touching of older kernels. */
static bool fault_in(int fd, uint8_t *base, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
	if (madvise(base, bytes, MADV_POPULATE_WRITE) == 0)
		return true;
	if (errno != EINVAL)
		return false;
#endif
	if (fallocate(fd, 0, 0, (off_t)bytes) != 0)
		return false;
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		*(volatile uint8_t *)(base + at) = 0;
	return true;
}

/* Give a fresh memfd its size, its map and its pages; returns what failed, or
 * NULL.  On failure nothing is left mapped. */
static const char *furnish(int fd, size_t bytes, bool sparse, uint8_t **base)
{
	void *map;

	/* 0600: who gets the descriptor needs no other way to open it. */
	if (fchmod(fd, 0600) != 0)
		return "fchmod";
	if (ftruncate(fd, (off_t)bytes) != 0)
		return "ftruncate";
	if (fcntl(fd, F_ADD_SEALS, SIZE_SEALS) != 0)
		return "seal";
	map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return "mmap";
	/* No matter if this is refused, as it is for reserved huge pages. */
	if (bytes >= HUGE_PAGE_BYTES)
		madvise(map, bytes, MADV_HUGEPAGE);
	if (!sparse && !fault_in(fd, map, bytes)) {
		int error = errno;

		munmap(map, bytes);
		errno = error;
		return "no pages";
	}
	*base = map;
	return NULL;
}

/* Whether a segment could be made; errno and *failed say why not. */
static bool create(struct msg_shm_segment *segment, const char *name,
	size_t bytes, unsigned how, const char **failed)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING |
			 (how & MSG_SHM_HUGE ? MFD_HUGETLB | MFD_HUGE_2MB : 0);
	int fd = make_memfd(name, flags), error;
	uint8_t *base = NULL;

	*failed = fd < 0 ? "memfd_create"
			 : furnish(fd, bytes, how & MSG_SHM_SPARSE, &base);
	if (!*failed) {
		*segment = (struct msg_shm_segment){base, bytes, fd};
		return true;
	}
	error = errno;
	if (fd >= 0)
		close(fd);
	errno = error;
	return false;
}

int msg_shm_segment_create(struct msg_shm_segment *segment, const char *name,
	size_t bytes, unsigned flags)
{
	const char *failed;

	assert(bytes > 0);
	if (bytes > (size_t)INT64_MAX - HUGE_PAGE_BYTES)
		return no_memory(name, bytes, "size", EFBIG);
	if ((flags & MSG_SHM_HUGE) && bytes >= HUGE_PAGE_BYTES &&
		create(segment, name, round_up(bytes, HUGE_PAGE_BYTES), flags,
			&failed))
		return 0;
	if (create(segment, name, round_up(bytes, PAGE_BYTES),
		    flags & ~(unsigned)MSG_SHM_HUGE, &failed))
		return 0;
	return no_memory(name, bytes, failed, errno);
}

int msg_shm_segment_seal(
	struct msg_shm_segment *segment, enum msg_shm_seal seal)
{
	int seals = F_SEAL_SEAL;

	if (seal == MSG_SHM_SEAL_READ_ONLY)
		seals |= F_SEAL_FUTURE_WRITE;
	if (fcntl(segment->fd, F_ADD_SEALS, seals) != 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"cannot seal shared memory: %s; this needs Linux 5.1 "
			"or later",
			strerror(errno));
	return 0;
}

/* ---- somebody's segment ------------------------------------------------ */

/* 0 if the descriptor is safe to map; *whole: what to map for `bytes`. */
static int check(int fd, size_t bytes, size_t *whole)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat about;

	/* Also an open descriptor of something else fails here. */
	if (seals < 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"descriptor %d is no shared memory that can be sealed "
			"(%s); the peer is no broker of this version",
			fd, strerror(errno));
	if ((seals & SIZE_SEALS) != SIZE_SEALS)
		return msg_fail(MSG_ERROR_FABRIC,
			"shared memory of the peer is not sealed (0x%x): it "
			"could shrink under us; it is no broker of this "
			"version",
			(unsigned)seals);
	if (fstat(fd, &about) != 0)
		return msg_fail(MSG_ERROR_FABRIC, "fstat: %s", strerror(errno));
	if (bytes > (uint64_t)about.st_size)
		return msg_fail(MSG_ERROR_FABRIC,
			"shared memory of the peer is too small: %lld bytes, "
			"not %zu; it is no broker of this version",
			(long long)about.st_size, bytes);
	/* Huge pages are mapped whole: st_blksize is their size.  An ordinary
	 * memfd may claim as much, so not beyond its end. */
	*whole = round_up(bytes, about.st_blksize > (blksize_t)PAGE_BYTES
					 ? (size_t)about.st_blksize
					 : PAGE_BYTES);
	if (*whole > (uint64_t)about.st_size)
		*whole = round_up((size_t)about.st_size, PAGE_BYTES);
	return 0;
}

static int map(struct msg_shm_segment *segment, int fd, size_t bytes, int prot,
	int flags)
{
	size_t whole = 0;
	void *base;
	int result;

	assert(bytes > 0);
	result = check(fd, bytes, &whole);
	if (result < 0)
		return result;
	base = mmap(NULL, whole, prot, MAP_SHARED | flags, fd, 0);
	if (base == MAP_FAILED && (errno == EPERM || errno == EACCES))
		return msg_fail(MSG_ERROR_FABRIC,
			"shared memory of the peer may not be written: %s; "
			"it was sealed too early",
			strerror(errno));
	if (base == MAP_FAILED)
		return no_memory("map", whole, "mmap", errno);
	*segment = (struct msg_shm_segment){base, whole, -1};
	return 0;
}

/* All page tables are filled at once: the first message that is read should
 * not pay for them. */
int msg_shm_segment_map_readonly(
	struct msg_shm_segment *segment, int fd, size_t bytes)
{
	return map(segment, fd, bytes, PROT_READ, MAP_POPULATE);
}

int msg_shm_segment_map_writable(
	struct msg_shm_segment *segment, int fd, size_t bytes)
{
	return map(segment, fd, bytes, PROT_READ | PROT_WRITE, MAP_POPULATE);
}

int msg_shm_segment_map_sparse(
	struct msg_shm_segment *segment, int fd, size_t bytes, bool writable)
{
	return map(segment, fd, bytes, PROT_READ | (writable ? PROT_WRITE : 0),
		0);
}

void msg_shm_segment_close(struct msg_shm_segment *segment)
{
	if (!segment->base)
		return;
	munmap(segment->base, segment->bytes);
	if (segment->fd >= 0)
		close(segment->fd);
	*segment = (struct msg_shm_segment)MSG_SHM_SEGMENT;
}
