/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * subscription_map.c - the memory of the rings that a subscription reads; see
 * subscription.h.
 */
#include "topic/subscription.h"

#include <sys/stat.h>

#include "base/trail.h"

/* The broker's, mapped already; or a free place, of which there is one for each ring. */
static struct msg_source_pool *find_pool(const struct msg_subscription *s,
	const struct msg_control_ring *said, const struct stat *about)
{
	struct msg_source_pool *place = NULL;

	for (uint32_t i = 0; i < MSG_SUBSCRIPTION_RINGS_MAX; i++) {
		struct msg_source_pool *p = &s->pools[i];

		if (p->users == 0) {
			if (!place)
				place = p;
		} else if (p->origin == MSG_CONTROL_NETWORK &&
			   said->origin == MSG_CONTROL_NETWORK &&
			   p->session == s->session &&
			   p->device == about->st_dev &&
			   p->inode == about->st_ino &&
			   p->segment.bytes >= said->pool_bytes) {
			return p;
		}
	}
	return place;
}

static int map_pool(struct msg_subscription *s, struct msg_source *source,
	const struct msg_control_ring *said, int fd)
{
	struct msg_source_pool *p;
	struct stat about;
	int result;

	if (fstat(fd, &about) < 0)
		return msg_fail(MSG_ERROR_FABRIC,
			"the pool of '%s' is no file", said->topic);
	p = find_pool(s, said, &about);
	if (!p)
		return msg_fail(MSG_ERROR_MEMORY, "no place for a pool");
	if (p->users == 0) {
		*p = (struct msg_source_pool){
			.segment = MSG_SHM_SEGMENT,
			.device = about.st_dev,
			.inode = about.st_ino,
			.session = s->session,
			.origin = said->origin,
		};
		result = msg_shm_segment_map_readonly(
			&p->segment, fd, said->pool_bytes);
		if (result < 0)
			return result;
	}
	p->users++;
	source->pool = p;
	return 0;
}

static void unmap_pool(struct msg_source *source)
{
	struct msg_source_pool *p = source->pool;

	source->pool = NULL;
	if (p && --p->users == 0)
		msg_shm_segment_close(&p->segment);
}

void subscription_unmap(struct msg_source *source)
{
	msg_shm_segment_close(&source->entries);
	unmap_pool(source);
	msg_shm_segment_close(&source->ledger);
	msg_shm_segment_close(&source->area);
	source->ring = NULL;
}

int subscription_map(struct msg_subscription *s, struct msg_source *source,
	const struct msg_control_ring *said, const int *fds)
{
	const struct msg_ring_header *header;
	int result = msg_shm_segment_map_readonly(
		&source->entries, fds[0], msg_ring_bytes(said->entry_count));

	if (result == 0)
		result = map_pool(s, source, said, fds[1]);
	if (result == 0)
		result = msg_shm_segment_map_writable(&source->ledger, fds[2],
			msg_ring_ledger_bytes(said->hold_max));
	/* Of its pages only those are touched that messages stand in. */
	if (result == 0 && said->large_bytes > 0)
		result = msg_shm_segment_map_sparse(
			&source->area, fds[3], said->large_bytes, false);
	if (result < 0)
		return result;
	/* None of it changes; of a writer that changes it even so, only its own
	 * ring suffers: entry_count is the broker's word. */
	header = (const struct msg_ring_header *)source->entries.base;
	if (header->magic != MSG_RING_MAGIC ||
		header->version != MSG_RING_VERSION ||
		header->entry_count != said->entry_count)
		return msg_fail(MSG_ERROR_FABRIC,
			"the ring of '%s' is none of version %u", said->topic,
			MSG_RING_VERSION);
	if (said->history > said->entry_count)
		return msg_fail(MSG_ERROR_FABRIC,
			"the ring of '%s' has no %u entries", said->topic,
			said->history);
	return 0;
}
