/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * segment.h - memory that processes share: sealed memfds.
 *
 * Who makes a segment maps it writable, faults it all in, hands the descriptor
 * to whom it must, and seals it.  Nobody can make it smaller, which would kill
 * its readers with SIGBUS; and a segment sealed READ_ONLY cannot be
 * written but through maps that existed before: not by mapping it, not by
 * mprotect, not by opening the descriptor again through /proc, not by writing,
 * nor by punching holes.  PROT_READ alone would protect nothing of that.
 *
 * What is in a segment that its peer can write is hostile; see pool/ring.h.
 *
 * Used by the broker (makes them) and by topic/ (maps them).
 * Test: tests/unit/link/shm/test_segment.c.
 */
#ifndef MSG_LINK_SHM_SEGMENT_H
#define MSG_LINK_SHM_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One map of a segment.  All zero but fd -1 is one that is not open, and
 * closing that does nothing. */
struct msg_shm_segment {
	uint8_t *base; /* On a page boundary; NULL: not open. */
	size_t bytes;  /* Mapped: what was asked, in whole pages. */
	int fd;        /* The maker's; -1 in a map of somebody's. */
};
#define MSG_SHM_SEGMENT { NULL, 0, -1 }

enum msg_shm_flags {
	MSG_SHM_HUGE = 1u << 0, /* Huge pages where the kernel has them. */
	/* Not faulted in: who touches a page first makes it, and must be ready to
	 * find that there is none. */
	MSG_SHM_SPARSE = 1u << 1,
};

enum msg_shm_seal {
	/* Nobody can write but through maps that exist now. */
	MSG_SHM_SEAL_READ_ONLY,
	/* Size and seals are final; who has the descriptor may map it writable,
	 * as the owner of a ledger does. */
	MSG_SHM_SEAL_SIZE,
};

/* Make a segment of at least `bytes` (1 or more), zeroed, mapped writable,
 * faulted in unless SPARSE, sealed against shrinking and growing.  `name` shows in
 * /proc/PID/maps as "memfd:NAME"; at most 200 bytes.  The descriptor is
 * close-on-exec and belongs to the segment.
 * Returns 0; -MSG_ERROR_MEMORY with the reason on the trail. */
int msg_shm_segment_create(struct msg_shm_segment *segment, const char *name,
	size_t bytes, unsigned flags);

/* Seal for good; no seal can be added after this.  Maps that exist stay as
 * they are.  Only for the maker of the segment, once.
 * Returns 0; -MSG_ERROR_FABRIC with the reason on the trail. */
int msg_shm_segment_seal(
	struct msg_shm_segment *segment, enum msg_shm_seal seal);

/* Map at least `bytes` (1 or more) of somebody's segment, to read or to read
 * and write, all pages at once.  Refused unless it is a memfd of that size or
 * more that can neither shrink nor grow.  `fd` stays the caller's, and may be
 * closed once this returns.
 * Returns 0; -MSG_ERROR_FABRIC (not such a segment, or not for writing),
 * -MSG_ERROR_MEMORY; with the reason on the trail. */
int msg_shm_segment_map_readonly(
	struct msg_shm_segment *segment, int fd, size_t bytes);
int msg_shm_segment_map_writable(
	struct msg_shm_segment *segment, int fd, size_t bytes);

/* The same of a sparse one, of which no page is touched. */
int msg_shm_segment_map_sparse(struct msg_shm_segment *segment, int fd,
	size_t bytes, bool writable);

/* Unmap, and close the maker's descriptor.  Safe on what is not open. */
void msg_shm_segment_close(struct msg_shm_segment *segment);

#endif
