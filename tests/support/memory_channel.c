/* SPDX-License-Identifier: BSD-2-Clause */
/* memory_channel.c - see memory_channel.h. */
#include "memory_channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "link/module.h"
#include "random.h"

#define SETS_MAX 16u
#define ENDS_MAX 64u
#define READS_MAX 64u
#define SENDS_MAX 1024u
#define PLACES 65536u /* Of a handle, the low half is its place. */
#define REGIONS_MAX 1024u

struct end {
	bool used, open, known;
	struct set *set;
	struct end *peer;  /* NULL: gone, or never came. */
	uint32_t handle;
	bool asked;        /* To be told, with the greeting. */
	bool connected;    /* To be told. */
	bool closed;       /* To be told, and the last. */
	int error;
	uint8_t greeting[MSG_CHANNEL_GREETING_BYTES_MAX];
	uint32_t greeting_bytes;
	struct msg_channel_read reads[READS_MAX];
	uint32_t read_count;
	struct msg_channel_send sends[SENDS_MAX]; /* The first `done` of them are. */
	uint32_t send_count, done;
};

struct buffer {
	void *data;
	uint32_t bytes, token;
};

struct set {
	struct msg_channels channels;
	bool listen;
	const uint8_t *memory, *headers;
	size_t memory_bytes, headers_bytes;
	struct end ends[ENDS_MAX];
	uint32_t next_handle;
	struct buffer *buffers; /* Posted, receive_count at most. */
	uint32_t buffer_count;
};

struct region {
	uint64_t key;
	const uint8_t *memory;
	size_t bytes;
};

struct memory_channel_options memory_channel_options;
struct memory_channel_counts memory_channel_counts;

static struct set *sets[SETS_MAX];
static struct region regions[REGIONS_MAX];
static struct random_stream dice;

void memory_channel_reset(const struct memory_channel_options *options)
{
	memory_channel_options = *options;
	memset(&memory_channel_counts, 0, sizeof memory_channel_counts);
	dice = (struct random_stream){options->seed};
}

static bool happens(unsigned per_mille)
{
	return per_mille > 0 && random_below(&dice, 1000) < per_mille;
}

static struct set *set_of(struct msg_channels *channels)
{
	return (struct set *)channels;
}

/* ---- ends --------------------------------------------------------------- */

static struct end *new_end(struct set *set)
{
	for (uint32_t i = 0; i < set->channels.connection_max; i++)
		if (!set->ends[i].used) {
			struct end *e = &set->ends[i];

			memset(e, 0, sizeof *e);
			e->used = true;
			e->set = set;
			e->handle = set->next_handle++ * PLACES + i;
			return e;
		}
	return NULL;
}

static struct end *find(struct set *set, uint32_t handle)
{
	uint32_t place = handle % PLACES;

	return place < ENDS_MAX && set->ends[place].used &&
			       set->ends[place].handle == handle
		       ? &set->ends[place]
		       : NULL;
}

static void finish(struct end *e, int error)
{
	e->open = false;
	e->closed = true;
	e->error = error;
	e->peer = NULL;
}

static void part(struct end *e, int error)
{
	if (e->peer)
		finish(e->peer, ECONNRESET);
	finish(e, error);
}

/* ---- what a caller does ------------------------------------------------- */

static int channel_name(struct msg_channels *channels, uint8_t *reach)
{
	if (!set_of(channels)->listen)
		return -MSG_ERROR_ARGUMENT;
	for (uint8_t i = 0; i < SETS_MAX; i++)
		if (sets[i] == set_of(channels))
			reach[0] = i;
	return 1;
}

static int channel_connect(struct msg_channels *channels, const uint8_t *reach,
	uint32_t reach_bytes, const void *greeting, uint32_t greeting_bytes,
	uint32_t *handle)
{
	struct end *mine = new_end(set_of(channels));
	struct set *there;
	struct end *theirs = NULL;

	if (!mine)
		return -MSG_ERROR_AGAIN;
	memory_channel_counts.asked++;
	mine->known = true;
	*handle = mine->handle;
	there = reach_bytes == 1 && reach[0] < SETS_MAX ? sets[reach[0]] : NULL;
	if (memory_channel_options.deaf)
		return 0;
	if (there && there->listen &&
		greeting_bytes != memory_channel_options.refuse_bytes &&
		!happens(memory_channel_options.refuse))
		theirs = new_end(there);
	if (!theirs) {
		memory_channel_counts.refused++;
		finish(mine, ECONNREFUSED);
		return 0;
	}
	theirs->asked = true;
	theirs->greeting_bytes = greeting_bytes;
	if (greeting_bytes > 0)
		memcpy(theirs->greeting, greeting, greeting_bytes);
	theirs->peer = mine;
	mine->peer = theirs;
	return 0;
}

static int channel_accept(struct msg_channels *channels, uint32_t handle,
	const void *greeting, uint32_t greeting_bytes)
{
	struct end *e = find(set_of(channels), handle);

	if (!e || e->closed || !e->peer)
		return -MSG_ERROR_ARGUMENT;
	e->peer->greeting_bytes = greeting_bytes;
	if (greeting_bytes > 0)
		memcpy(e->peer->greeting, greeting, greeting_bytes);
	e->open = e->connected = true;
	e->peer->open = e->peer->connected = true;
	return 0;
}

static void channel_hang_up(struct msg_channels *channels, uint32_t handle)
{
	struct end *e = find(set_of(channels), handle);

	if (e && !e->closed)
		part(e, 0);
}

static int channel_share(struct msg_channels *channels, void *memory,
	size_t bytes, enum msg_channel_use use, struct msg_channel_region *region)
{
	uint64_t key = random_next(&dice) | 1;

	(void)channels;
	for (uint32_t i = 0; i < REGIONS_MAX; i++)
		if (regions[i].key == 0) {
			regions[i] = (struct region){key, memory,
				use == MSG_CHANNEL_SHARED ? bytes : 0};
			*region = (struct msg_channel_region){
				.address = (uintptr_t)memory,
				.key = key,
				.memory = memory,
				.bytes = bytes,
				.registration = &regions[i],
			};
			memory_channel_counts.regions++;
			return 0;
		}
	return -MSG_ERROR_MEMORY;
}

static void channel_unshare(
	struct msg_channels *channels, struct msg_channel_region *region)
{
	struct region *r = region->registration;

	(void)channels;
	r->key = 0;
	region->registration = NULL;
	memory_channel_counts.regions--;
}

static bool lies_in(
	const uint8_t *piece, size_t length, const uint8_t *from, size_t bytes)
{
	return from && piece >= from && piece + length <= from + bytes;
}

static int channel_read(
	struct msg_channels *channels, const struct msg_channel_read *read)
{
	struct end *e = find(set_of(channels), read->handle);

	if (!e || !e->open)
		return -MSG_ERROR_ARGUMENT;
	if (e->read_count >= channels->send_count ||
		e->read_count == READS_MAX)
		return -MSG_ERROR_AGAIN;
	if (read->bytes > channels->message_bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	if (!lies_in(read->into, read->bytes,
		    read->region ? read->region->memory : e->set->memory,
		    read->region ? read->region->bytes : e->set->memory_bytes))
		abort();
	e->reads[e->read_count++] = *read;
	return 0;
}

static int channel_post(struct msg_channels *channels, void *buffer,
	uint32_t bytes, uint32_t token)
{
	struct set *set = set_of(channels);

	if (set->buffer_count == channels->receive_count)
		return -MSG_ERROR_AGAIN;
	set->buffers[set->buffer_count++] =
		(struct buffer){buffer, bytes, token};
	return 0;
}

static size_t bytes_of(const struct msg_channel_send *send)
{
	size_t bytes = 0;

	for (uint32_t i = 0; i < send->iov_count; i++)
		bytes += send->iov[i].iov_len;
	return bytes;
}

static int channel_send(
	struct msg_channels *channels, const struct msg_channel_send *send)
{
	const struct set *set = set_of(channels);
	struct end *e = find(set_of(channels), send->handle);

	if (!e || !e->open)
		return -MSG_ERROR_ARGUMENT;
	if (e->send_count >= channels->send_count)
		return -MSG_ERROR_AGAIN;
	for (uint32_t i = 0; i < send->iov_count; i++) {
		const struct iovec *piece = &send->iov[i];

		if (!lies_in(piece->iov_base, piece->iov_len, set->memory,
			    set->memory_bytes) &&
			!lies_in(piece->iov_base, piece->iov_len,
				set->headers, set->headers_bytes))
			abort();
	}
	e->sends[e->send_count++] = *send;
	return 0;
}

/* ---- what comes of it --------------------------------------------------- */

static bool copy(const struct msg_channel_read *read)
{
	for (uint32_t i = 0; i < REGIONS_MAX; i++) {
		uint64_t from = (uintptr_t)regions[i].memory;

		if (regions[i].key != read->key || read->key == 0 ||
			read->address < from ||
			read->address + read->bytes > from + regions[i].bytes)
			continue;
		memcpy(read->into, (const void *)(uintptr_t)read->address,
			read->bytes);
		memory_channel_counts.reads++;
		memory_channel_counts.bytes += read->bytes;
		return true;
	}
	memory_channel_counts.strays++;
	return false;
}

/* The oldest read of an end, if it is time; false: nothing to tell. */
static bool next_read(struct end *e, struct msg_channel_event *event)
{
	struct msg_channel_read *first = &e->reads[0];

	if (e->read_count == 0 ||
		(!e->closed && happens(memory_channel_options.later)))
		return false;
	*event = (struct msg_channel_event){
		.handle = e->handle,
		.token = first->token,
		.type = MSG_CHANNEL_READ_DONE,
	};
	if (!e->closed && happens(memory_channel_options.cut)) {
		memory_channel_counts.cut++;
		part(e, EIO);
	}
	if (!e->closed && !copy(first))
		part(e, EACCES);
	if (e->closed)
		event->type = MSG_CHANNEL_READ_FAILED;
	memmove(first, first + 1, --e->read_count * sizeof *first);
	return true;
}

/* One that the peer has, or that nobody will have; false: nothing to tell. */
static bool next_sent(struct end *e, struct msg_channel_event *event)
{
	struct msg_channel_send *first = &e->sends[0];

	if (e->send_count == 0 || (e->done == 0 && !e->closed))
		return false;
	*event = (struct msg_channel_event){
		.handle = e->handle,
		.token = first->token,
		.type = e->done > 0 ? MSG_CHANNEL_SENT
				    : MSG_CHANNEL_SEND_FAILED,
	};
	e->done -= e->done > 0;
	memmove(first, first + 1, --e->send_count * sizeof *first);
	return true;
}

static void gather(uint8_t *into, const struct msg_channel_send *send)
{
	for (uint32_t i = 0; i < send->iov_count; i++) {
		memcpy(into, send->iov[i].iov_base, send->iov[i].iov_len);
		into += send->iov[i].iov_len;
	}
}

/* The peer's oldest message, if there is a buffer; false: nothing to tell. */
static bool next_message(struct end *e, struct msg_channel_event *event)
{
	struct set *set = e->set;
	struct buffer *first = set->buffers;
	const struct msg_channel_send *send;
	size_t bytes;

	if (e->closed || !e->open || !e->peer || set->buffer_count == 0 ||
		e->peer->done == e->peer->send_count ||
		happens(memory_channel_options.slow))
		return false;
	send = &e->peer->sends[e->peer->done];
	bytes = bytes_of(send);
	if (bytes > first->bytes || happens(memory_channel_options.sever)) {
		memory_channel_counts.severed++;
		part(e, EIO);
		return false;
	}
	gather(first->data, send);
	*event = (struct msg_channel_event){
		.handle = e->handle,
		.token = first->token,
		.bytes = (uint32_t)bytes,
		.type = MSG_CHANNEL_RECEIVED,
	};
	memory_channel_counts.messages++;
	e->peer->done++;
	memmove(first, first + 1, --set->buffer_count * sizeof *first);
	return true;
}

static bool next_event(struct end *e, struct msg_channel_event *event)
{
	if (e->asked) {
		e->asked = false;
		if (!e->closed) {
			e->known = true;
			*event = (struct msg_channel_event){
				.type = MSG_CHANNEL_ASKED,
				.handle = e->handle,
				.greeting = e->greeting,
				.bytes = e->greeting_bytes,
			};
			return true;
		}
	}
	if (e->connected && !e->closed) {
		e->connected = false;
		*event = (struct msg_channel_event){
			.type = MSG_CHANNEL_CONNECTED,
			.handle = e->handle,
			.greeting = e->greeting,
			.bytes = e->greeting_bytes,
		};
		return true;
	}
	if (next_sent(e, event) || next_message(e, event) ||
		next_read(e, event))
		return true;
	if (!e->closed || e->read_count > 0 || e->send_count > 0)
		return false;
	*event = (struct msg_channel_event){
		.type = MSG_CHANNEL_CLOSED,
		.handle = e->handle,
		.error = e->error,
	};
	e->used = false;
	return e->known;
}

static int channel_poll(struct msg_channels *channels,
	struct msg_channel_event *events, int count)
{
	struct set *set = set_of(channels);
	int n = 0;

	for (uint32_t i = 0; i < channels->connection_max && n < count; i++)
		while (n < count && set->ends[i].used &&
			next_event(&set->ends[i], &events[n]))
			n++;
	return n;
}

static int channel_arm(struct msg_channels *channels)
{
	const struct set *set = set_of(channels);

	for (uint32_t i = 0; i < channels->connection_max; i++) {
		const struct end *e = &set->ends[i];

		if (e->used && (e->asked || e->connected || e->closed ||
				       e->read_count > 0 || e->done > 0))
			return -MSG_ERROR_AGAIN;
		if (e->used && e->open && e->peer && set->buffer_count > 0 &&
			e->peer->done < e->peer->send_count)
			return -MSG_ERROR_AGAIN;
	}
	return 0;
}

static void channel_close(struct msg_channels *channels)
{
	struct set *set = set_of(channels);

	for (uint32_t i = 0; i < ENDS_MAX; i++)
		if (set->ends[i].used)
			part(&set->ends[i], 0);
	for (uint32_t i = 0; i < SETS_MAX; i++)
		if (sets[i] == set)
			sets[i] = NULL;
	memory_channel_counts.sets--;
	close(channels->fd);
	free(set->buffers);
	free(set);
}

static const struct msg_channels_ops ops = {
	.name = channel_name,
	.connect = channel_connect,
	.accept = channel_accept,
	.hang_up = channel_hang_up,
	.share = channel_share,
	.unshare = channel_unshare,
	.post = channel_post,
	.send = channel_send,
	.read = channel_read,
	.poll = channel_poll,
	.arm = channel_arm,
	.close = channel_close,
};

/* A power of two, as of others. */
static uint32_t granted(uint32_t wanted)
{
	uint32_t count = SENDS_MAX;

	while (count > 1 && count > wanted)
		count /= 2;
	return count;
}

static int channels_open(struct msg_link_domain *domain,
	const struct msg_channels_options *options,
	struct msg_channels **channels, char *text)
{
	struct set *set = calloc(1, sizeof *set);
	uint32_t place = 0;

	(void)domain;
	(void)text;
	while (place < SETS_MAX && sets[place])
		place++;
	if (!set || place == SETS_MAX)
		abort();
	set->buffers =
		calloc(options->receive_count + 1, sizeof *set->buffers);
	if (!set->buffers)
		abort();
	sets[place] = set;
	memory_channel_counts.sets++;
	set->listen = options->listen;
	set->memory = options->memory;
	set->memory_bytes = options->memory_bytes;
	set->headers = options->headers;
	set->headers_bytes = options->headers_bytes;
	set->channels = (struct msg_channels){
		.ops = &ops,
		.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.send_count = granted(options->send_count),
		.receive_count = options->receive_count,
		.connection_max = options->connection_max < ENDS_MAX
					  ? options->connection_max
					  : ENDS_MAX,
		.message_bytes_max = memory_channel_options.message_bytes_max
					     ? memory_channel_options
						       .message_bytes_max
					     : (size_t)1 << 30,
	};
	*channels = &set->channels;
	return 0;
}

static int find_nothing(const struct msg_link_domain *domain, char *text)
{
	(void)domain;
	(void)text;
	return 0;
}

const struct msg_channel_module memory_channel_module = {
	.abi = MSG_CHANNEL_ABI,
	.open = channels_open,
	.find = find_nothing,
};

/* The linker's name for what takes the place of msg_link_module_channels. */
int __wrap_msg_link_module_channels(const struct msg_channel_module **module);
int __wrap_msg_link_module_channels(const struct msg_channel_module **module)
{
	*module = &memory_channel_module;
	return 0;
}
