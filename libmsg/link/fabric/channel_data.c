/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * channel_data.c - post, send, read, and what became of them.
 *
 * The context of an operation is a number:
 *
 *     | kind 2 | handle 30 | token of a buffer, or place in the ring 32 |
 *
 * Neither provider looks into it.  FI_MORE has no effect on either, so there
 * are no trains here.
 */

#include "base/clock.h"
#include "link/fabric/channels.h"

/* From one look at the events of connections to the next: while some are being
 * set up, and otherwise.  A look costs TCP two calls to the kernel. */
#define LOOK_SOON_NS (50 * MSG_NS_PER_US)
#define LOOK_LATER_NS (2 * MSG_NS_PER_MS)
/* Polls in which the clock need not be read, where many of them fall within a tick
 * of it: where they come fast. */
#define BLIND_POLLS 16u

/* Failed completions taken in one poll: none may hold it for good. */
#define ERRORS_MAX 1024

enum kind { KIND_RECEIVE, KIND_SEND, KIND_READ };

static void *context_of(enum kind kind, uint32_t handle, uint32_t low)
{
	return (void *)(uintptr_t)((uint64_t)kind << 62 |
				   (uint64_t)handle << 32 | low);
}

static enum kind kind_of(const void *context)
{
	return (enum kind)((uint64_t)(uintptr_t)context >> 62);
}

static uint32_t handle_of(const void *context)
{
	return (uint32_t)((uint64_t)(uintptr_t)context >> 32) & 0x3fffffff;
}

static uint32_t low_of(const void *context)
{
	return (uint32_t)(uintptr_t)context;
}

static bool lies_in(const void *at, size_t bytes, const void *memory,
	size_t memory_bytes)
{
	uintptr_t start = (uintptr_t)at;
	uintptr_t from = (uintptr_t)memory;

	return start >= from && bytes <= memory_bytes &&
	       start - from <= memory_bytes - bytes;
}

/* ---- giving work ------------------------------------------------------- */

int channel_post(struct msg_channels *channels, void *buffer, uint32_t bytes,
	uint32_t token)
{
	struct channel_set *set = (struct channel_set *)channels;
	bool aside = set->headers && lies_in(buffer, bytes, set->headers,
					     set->headers_bytes);
	struct iovec iov = {buffer, bytes};
	void *desc = fi_mr_desc(aside ? set->headers_mr : set->memory_mr);
	struct fi_msg message = {
		.msg_iov = &iov,
		.desc = &desc,
		.iov_count = 1,
		.addr = FI_ADDR_UNSPEC,
		.context = context_of(KIND_RECEIVE, 0, token),
	};
	ssize_t result;

	if (!aside && !lies_in(buffer, bytes, set->memory, set->memory_bytes))
		return -MSG_ERROR_ARGUMENT;
	if (set->posted == set->channels.receive_count)
		return -MSG_ERROR_AGAIN;
	result = fi_recvmsg(set->receives, &message, FI_COMPLETION);
	if (result)
		return channel_code(result);
	set->posted++;
	return 0;
}

/* A channel that takes work, with room for one more; or the code. */
static int ready(
	struct channel_set *set, uint32_t handle, struct channel **channel)
{
	struct channel *c = channel_of(set, handle);
	uint32_t out;

	if (!c || c->state != CHANNEL_OPEN)
		return -MSG_ERROR_ARGUMENT;
	out = (c->sends.head - c->sends.tail) + (c->reads.head - c->reads.tail);
	if (out >= set->channels.send_count || !channel_cut_allows(set, c))
		return -MSG_ERROR_AGAIN;
	*channel = c;
	return 0;
}

static struct channel_work *work_at(
	const struct channel_set *set, struct channel_ring *ring, uint32_t place)
{
	/* A power of two, so that places may wrap. */
	return &ring->work[place & (set->channels.send_count - 1)];
}

static void under_way(struct channel_set *set, struct channel_ring *ring,
	uint32_t token, bool told)
{
	struct channel_work *work = work_at(set, ring, ring->head++);

	work->token = token;
	work->told = told;
	work->done = false;
}

/* The registrations of the pieces; false: one lies elsewhere. */
static bool find_desc(const struct channel_set *set,
	const struct msg_channel_send *send, void **desc, size_t *bytes)
{
	const struct msg_channel_region *r = send->region;
	void *other = fi_mr_desc(r ? r->registration : set->memory_mr);

	for (uint32_t i = 0; i < send->iov_count; i++) {
		const struct iovec *iov = &send->iov[i];
		bool first = i == 0 && set->headers &&
			     lies_in(iov->iov_base, iov->iov_len,
				     set->headers, set->headers_bytes);
		const void *memory = first ? set->headers
				     : r   ? r->memory
					   : set->memory;
		size_t room = first ? set->headers_bytes
			      : r   ? r->bytes
				    : set->memory_bytes;

		if (!lies_in(iov->iov_base, iov->iov_len, memory, room))
			return false;
		desc[i] = first ? fi_mr_desc(set->headers_mr) : other;
		*bytes += iov->iov_len;
	}
	return true;
}

int channel_send(
	struct msg_channels *channels, const struct msg_channel_send *send)
{
	struct channel_set *set = (struct channel_set *)channels;
	void *desc[MSG_CHANNEL_IOV_MAX];
	struct fi_msg message = {
		.msg_iov = send->iov,
		.desc = desc,
		.iov_count = send->iov_count,
		.addr = FI_ADDR_UNSPEC,
	};
	struct channel *c;
	size_t bytes = 0;
	ssize_t result = ready(set, send->handle, &c);

	if (result < 0)
		return (int)result;
	if (send->iov_count > MSG_CHANNEL_IOV_MAX ||
		!find_desc(set, send, desc, &bytes))
		return -MSG_ERROR_ARGUMENT;
	if (bytes > set->channels.message_bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	/* All are reported to us: verbs signals each one anyway, and of one that
	 * fails without having asked for that it does not say whose it is. */
	message.context = context_of(KIND_SEND, c->handle, c->sends.head);
	message.data = c->peer_stamp;
	result = fi_sendmsg(
		c->ep, &message, FI_REMOTE_CQ_DATA | FI_COMPLETION);
	if (result == -FI_EAGAIN)
		return -MSG_ERROR_AGAIN;
	if (result) {
		channel_end(set, c, (int)-result);
		return channel_code(result);
	}
	under_way(set, &c->sends, send->token, send->signal);
	return 0;
}

int channel_read(
	struct msg_channels *channels, const struct msg_channel_read *read)
{
	struct channel_set *set = (struct channel_set *)channels;
	const struct msg_channel_region *r = read->region;
	struct iovec iov = {read->into, read->bytes};
	void *desc = fi_mr_desc(r ? r->registration : set->memory_mr);
	struct fi_rma_iov remote = {read->address, read->bytes, read->key};
	struct fi_msg_rma message = {
		.msg_iov = &iov,
		.desc = &desc,
		.iov_count = 1,
		.addr = FI_ADDR_UNSPEC,
		.rma_iov = &remote,
		.rma_iov_count = 1,
	};
	struct channel *c;
	ssize_t result = ready(set, read->handle, &c);

	if (result < 0)
		return (int)result;
	if (!lies_in(read->into, read->bytes, r ? r->memory : set->memory,
		    r ? r->bytes : set->memory_bytes))
		return -MSG_ERROR_ARGUMENT;
	if (read->bytes > set->channels.message_bytes_max)
		return -MSG_ERROR_TOO_LARGE;
	message.context = context_of(KIND_READ, c->handle, c->reads.head);
	result = fi_readmsg(c->ep, &message, FI_COMPLETION);
	if (result == -FI_EAGAIN)
		return -MSG_ERROR_AGAIN;
	if (result) {
		channel_end(set, c, (int)-result);
		return channel_code(result);
	}
	under_way(set, &c->reads, read->token, true);
	channel_cut_asked(set, c);
	return 0;
}

/* ---- what became of it ------------------------------------------------- */

ssize_t channel_refill(struct channel_set *set)
{
	ssize_t n = channel_cq_read(set);

	set->entry = 0;
	set->entry_count = n > 0 ? (uint32_t)n : 0;
	if (n < 0 && n != -FI_EAGAIN && n != -FI_EAVAIL)
		set->failed = true;
	return n;
}

/* The channel a message says it is for; NULL: it says nothing of the kind. */
static struct channel *by_stamp(
	struct channel_set *set, uint64_t flags, uint64_t data)
{
	uint32_t stamp = (uint32_t)data;
	uint32_t index = stamp & 0xfff;
	struct channel *c;

	if (!(flags & FI_REMOTE_CQ_DATA) || data > UINT32_MAX ||
		index >= set->channels.connection_max)
		return NULL;
	c = &set->table[index];
	return c->ep && c->stamp == stamp ? c : NULL;
}

/* A received message; false: its channel must be told of first. */
static bool give_message(struct channel_set *set,
	const struct fi_cq_data_entry *entry, struct msg_channel_event *event)
{
	struct channel *c = by_stamp(set, entry->flags, entry->data);

	/* RC may deliver before its connection manager says a word. */
	if (c && (c->state == CHANNEL_CONNECTING ||
			 c->state == CHANNEL_ACCEPTING)) {
		channel_look(set, msg_clock_ns());
		if (c->state == CHANNEL_ACCEPTING)
			channel_opened(set, c);
	}
	if (channel_waits(set, CHANNEL_NEWS))
		return false;
	set->posted--;
	*event = (struct msg_channel_event){
		.type = MSG_CHANNEL_RECEIVED,
		.handle = c ? c->handle : MSG_CHANNEL_NOBODY,
		.token = low_of(entry->op_context),
		.bytes = (uint32_t)entry->len,
	};
	if (c && c->socket != CHANNEL_NO_SOCKET)
		channel_ack_due(set, c, entry->len);
	if (!c || c->state == CHANNEL_CONNECTING) {
		event->type = MSG_CHANNEL_RECEIVE_FAILED;
		event->handle = MSG_CHANNEL_NOBODY;
		event->bytes = 0;
		event->error = EPROTO;
	}
	return true;
}

/* A channel whose work a completion may still be about. */
static struct channel *by_context(struct channel_set *set, const void *context)
{
	struct channel *c = channel_of(set, handle_of(context));

	return c && c->ep ? c : NULL;
}

/* Is `place` under way? */
static bool holds(const struct channel_ring *ring, uint32_t place)
{
	return place - ring->tail < ring->head - ring->tail;
}

/* A send and all before it are done; true: there is an event. */
static bool give_sent(struct channel_set *set, const void *context,
	struct msg_channel_event *event)
{
	struct channel *c = by_context(set, context);
	uint32_t place = low_of(context);
	struct channel_work *work;

	if (!c || !holds(&c->sends, place))
		return false;
	work = work_at(set, &c->sends, place);
	c->sends.tail = place + 1;
	*event = (struct msg_channel_event){
		.type = MSG_CHANNEL_SENT,
		.handle = c->handle,
		.token = work->token,
	};
	return work->told;
}

static bool give_read(struct channel_set *set, const void *context, int error,
	struct msg_channel_event *event)
{
	struct channel *c = by_context(set, context);
	uint32_t place = low_of(context);
	struct channel_work *work;

	if (!c || !holds(&c->reads, place))
		return false;
	channel_cut_told(c);
	work = work_at(set, &c->reads, place);
	if (work->done)
		return false;
	work->done = true;
	while (c->reads.tail != c->reads.head &&
		work_at(set, &c->reads, c->reads.tail)->done)
		c->reads.tail++;
	*event = (struct msg_channel_event){
		.type = error ? MSG_CHANNEL_READ_FAILED
			      : MSG_CHANNEL_READ_DONE,
		.handle = c->handle,
		.token = work->token,
		.error = error,
	};
	return true;
}

/* A buffer comes back without a message.  That breaks its connection, also
 * where the provider would go on (one too large, on tcp of libfabric 2). */
static void give_failed_receive(struct channel_set *set,
	const struct fi_cq_err_entry *error, struct msg_channel_event *event)
{
	struct channel *c = by_stamp(set, error->flags, error->data);

	set->posted--;
	*event = (struct msg_channel_event){
		.type = MSG_CHANNEL_RECEIVE_FAILED,
		.handle = c ? c->handle : MSG_CHANNEL_NOBODY,
		.token = low_of(error->op_context),
		.error = error->err,
	};
	if (c)
		channel_end(set, c, error->err);
	set->look_now = true;
}

/* A completion that failed; the number of events.  It breaks its connection:
 * what was under way is told when that ends, and here only the reason taken. */
static int give_error(struct channel_set *set, struct msg_channel_event *event)
{
	struct fi_cq_err_entry error = {0};
	struct channel *c;

	if (fi_cq_readerr(set->cq_read->cq, &error, 0) <= 0)
		return 0;
	set->cq_read->read++;
	if (error.err <= 0)
		error.err = EIO;
	if (kind_of(error.op_context) == KIND_RECEIVE) {
		give_failed_receive(set, &error, event);
		return 1;
	}
	c = by_context(set, error.op_context);
	if (c && kind_of(error.op_context) == KIND_READ)
		channel_cut_told(c);
	if (c)
		channel_end(set, c,
			error.err == FI_ECANCELED ? ECONNRESET : error.err);
	return 0;
}

/* One completion of the array; false: it has to wait. */
static bool give_entry(struct channel_set *set, struct msg_channel_event *event,
	int *given)
{
	const struct fi_cq_data_entry *entry = &set->entries[set->entry];
	const void *context = entry->op_context;

	switch (kind_of(context)) {
	case KIND_RECEIVE:
		if (!give_message(set, entry, event))
			return false;
		++*given;
		break;
	case KIND_SEND:
		*given += give_sent(set, context, event);
		break;
	case KIND_READ:
		*given += give_read(set, context, 0, event);
		break;
	default:
		break;
	}
	set->entry++;
	return true;
}

/* The queue is read once a poll, unless a channel ends: a look at an empty one
 * is a call to the kernel on TCP, and one in vain after each message doubles
 * what that costs. */
static int give_completions(
	struct channel_set *set, struct msg_channel_event *events, int count)
{
	int errors = 0;
	int given = 0;
	ssize_t n = 1;

	set->drained = false;
	for (bool once = false; given < count;) {
		if (set->entry == set->entry_count) {
			if (once && !channel_waits(set, CHANNEL_ENDS))
				break;
			n = channel_refill(set);
			once = n > 0;
		}
		if (n == -FI_EAVAIL && errors++ < ERRORS_MAX)
			given += give_error(set, &events[given]);
		else if (n <= 0 || !give_entry(set, &events[given], &given))
			break;
	}
	set->drained = n == -FI_EAGAIN;
	if (set->ack_count > 0 && given == 0 && set->drained)
		channel_ack_now(set);
	return given;
}

static int give_news(
	struct channel_set *set, struct msg_channel_event *events, int count)
{
	struct channel *c;
	int given = 0;

	while (given < count && (c = channel_first(set, CHANNEL_NEWS))) {
		channel_dequeue(set, CHANNEL_NEWS);
		/* Who asked and is gone before we heard of it never was. */
		if (c->news == MSG_CHANNEL_ASKED && c->state != CHANNEL_ASKED)
			continue;
		c->known = true;
		events[given++] = (struct msg_channel_event){
			.type = c->news,
			.handle = c->handle,
			.bytes = c->greeting_bytes,
			.greeting = c->greeting,
		};
	}
	return given;
}

/* Give back the oldest of what is under way; false: nothing is. */
static bool give_back(struct channel_set *set, struct channel *c,
	struct msg_channel_event *event, int *given)
{
	bool sends = c->sends.tail != c->sends.head;
	struct channel_ring *ring = sends ? &c->sends : &c->reads;
	struct channel_work *work;

	if (ring->tail == ring->head)
		return false;
	work = work_at(set, ring, ring->tail++);
	if (work->done)
		return true;
	*event = (struct msg_channel_event){
		.type = sends ? MSG_CHANNEL_SEND_FAILED
			      : MSG_CHANNEL_READ_FAILED,
		.handle = c->handle,
		.token = work->token,
		.error = c->error ? c->error : ECANCELED,
	};
	++*given;
	return true;
}

/* What the provider had still to say has been read. */
static bool is_drained(const struct channel_set *set, const struct channel *c)
{
	if (!channel_cut_done(set, c))
		return false;
	return set->drained || !c->cq || c->cq->read >= c->drained_at;
}

static int give_endings(
	struct channel_set *set, struct msg_channel_event *events, int count)
{
	struct channel *c;
	int given = 0;

	while (given < count && (c = channel_first(set, CHANNEL_ENDS)) &&
		is_drained(set, c)) {
		channel_drop_endpoint(set, c);
		if (give_back(set, c, &events[given], &given))
			continue;
		channel_dequeue(set, CHANNEL_ENDS);
		c->state = CHANNEL_FREE;
		if (!c->known)
			continue;
		events[given++] = (struct msg_channel_event){
			.type = MSG_CHANNEL_CLOSED,
			.handle = c->handle,
			.error = c->error,
		};
	}
	return given;
}

static void look_if_due(struct channel_set *set)
{
	uint64_t now_ns;

	if (set->blind > 0 && set->setting_up == 0 && !set->look_now) {
		set->blind--;
		return;
	}
	now_ns = set->setting_up > 0 ? msg_clock_ns() : msg_clock_coarse_ns();
	set->blind = now_ns == set->clock_ns ? BLIND_POLLS : 0;
	set->clock_ns = now_ns;
	if (!set->look_now && now_ns < set->look_ns)
		return;
	set->look_now = false;
	channel_look(set, now_ns);
	set->look_ns = now_ns +
		       (set->setting_up > 0 ? LOOK_SOON_NS : LOOK_LATER_NS);
}

int channel_poll(struct msg_channels *channels,
	struct msg_channel_event *events, int count)
{
	struct channel_set *set = (struct channel_set *)channels;
	int given = 0;

	look_if_due(set);
	do {
		if (channel_waits(set, CHANNEL_NEWS))
			given += give_news(set, events + given, count - given);
		given += give_completions(set, events + given, count - given);
	} while (given < count && channel_waits(set, CHANNEL_NEWS));
	if (channel_waits(set, CHANNEL_ENDS))
		given += give_endings(set, events + given, count - given);
	return given == 0 && set->failed ? -MSG_ERROR_FABRIC : given;
}
