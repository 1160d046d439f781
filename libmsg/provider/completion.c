// SPDX-License-Identifier: BSD-2-Clause
/*
 * completion.c - the completion queue.
 *
 *	transport --push--> ring[size] --copy in the caller's format--> fi_cq_read
 *
 * fi_cq_read first hands out what the ring holds and only progresses the bound
 * endpoints when it is empty, so one system call serves a batch of reads.  A
 * transport pushes only while there is room: a small queue delays completions
 * (they wait in the send queue or in the socket) and loses none.
 *
 * Sleeping: the transports have the queue's struct udmc_wait watch everything
 * that can complete; its signal is fi_cq_signal.  The levels are right by
 * themselves once fi_trywait has said 0: arm() brings the watched events in
 * line with what is posted, so a receiver with no buffer does not spin on a
 * readable socket.
 *
 * Neighbours: wait.c; udmc_ep_ops.progress and .arm of the transports.
 */
#include <stdlib.h>
#include <string.h>

#include "core.h"

static inline struct udmc_cq *to_cq(struct fid_cq *cq)
{
	return container_of(cq, struct udmc_cq, cq);
}

static inline void progress(struct udmc_cq *cq)
{
	for (uint32_t i = 0; i < cq->binding_count; i++) {
		struct udmc_ep *ep = cq->binding[i].ep;

		ep->ops->progress(ep, cq->binding[i].sides);
	}
}

/* The formats are prefixes of each other, and an entry of the ring begins as
 * they do. */
_Static_assert(offsetof(struct udmc_completion, buf) ==
		offsetof(struct fi_cq_tagged_entry, buf), "ring entry");

static inline void *copy_out(void *to, const struct udmc_completion *from,
		enum fi_cq_format format)
{
	struct fi_cq_tagged_entry entry = {0};

	switch (format) {
	case FI_CQ_FORMAT_CONTEXT:
		memcpy(to, from, sizeof(struct fi_cq_entry));
		return (struct fi_cq_entry *)to + 1;
	case FI_CQ_FORMAT_MSG:
		memcpy(to, from, sizeof(struct fi_cq_msg_entry));
		return (struct fi_cq_msg_entry *)to + 1;
	case FI_CQ_FORMAT_DATA:
		memcpy(&entry, from, offsetof(struct fi_cq_data_entry, data));
		memcpy(to, &entry, sizeof(struct fi_cq_data_entry));
		return (struct fi_cq_data_entry *)to + 1;
	default:
		memcpy(&entry, from, offsetof(struct fi_cq_data_entry, data));
		memcpy(to, &entry, sizeof(entry));
		return (struct fi_cq_tagged_entry *)to + 1;
	}
}

static ssize_t cq_readfrom(struct fid_cq *fid, void *buf, size_t count,
		fi_addr_t *source)
{
	struct udmc_cq *cq = to_cq(fid);
	size_t n = 0;

	/* Reading no entries asks for progress and nothing else. */
	if (cq->head == cq->tail || UDMC_UNLIKELY(!count)) {
		progress(cq);
		if (cq->head == cq->tail)
			return -FI_EAGAIN;
	}
	while (n < count && cq->tail != cq->head) {
		const struct udmc_completion *entry =
				&cq->ring[cq->tail & cq->mask];

		if (UDMC_UNLIKELY(entry->err))
			return n ? (ssize_t)n : -FI_EAVAIL;
		buf = copy_out(buf, entry, cq->format);
		if (source)
			source[n] = entry->source;
		cq->tail++;
		n++;
	}
	return (ssize_t)n;
}

static ssize_t cq_read(struct fid_cq *fid, void *buf, size_t count)
{
	return cq_readfrom(fid, buf, count, NULL);
}

/* The caller's struct may be older (shorter) or newer than ours: write the
 * fields its API version has, one by one. */
static ssize_t cq_readerr(struct fid_cq *fid, struct fi_cq_err_entry *out,
		uint64_t flags)
{
	struct udmc_cq *cq = to_cq(fid);
	const struct udmc_completion *entry = &cq->ring[cq->tail & cq->mask];

	(void)flags;
	if (cq->tail == cq->head || !entry->err)
		return -FI_EAGAIN;
	out->op_context = entry->context;
	out->flags = entry->flags;
	out->len = entry->len;
	out->buf = entry->buf;
	out->data = 0;
	out->tag = 0;
	out->olen = entry->excess;
	out->err = entry->err;
	out->prov_errno = entry->prov_errno;
	if (cq->domain->fabric->fabric.api_version >= FI_VERSION(1, 5))
		out->err_data_size = 0;
	else
		out->err_data = NULL;
	cq->tail++;
	return 1;
}

static ssize_t cq_sreadfrom(struct fid_cq *fid, void *buf, size_t count,
		fi_addr_t *source, const void *cond, int timeout)
{
	struct udmc_cq *cq = to_cq(fid);
	int64_t end = udmc_wait_end(timeout);

	(void)cond; /* FI_CQ_COND_NONE is all cq_open accepts. */
	if (cq->wait.fd < 0) {
		UDMC_INFO(CQ, "a queue opened with FI_WAIT_NONE cannot sleep\n");
		return -FI_ENOSYS;
	}
	for (;;) {
		bool last = udmc_wait_over(end);
		ssize_t n = cq_readfrom(fid, buf, count, source);
		int ret;

		if (n != -FI_EAGAIN || last)
			return n;
		ret = udmc_cq_trywait(cq);
		if (ret == -FI_EAGAIN)
			continue;
		if (!ret)
			ret = udmc_wait_sleep(&cq->wait, end);
		if (ret)
			return ret;
		if (udmc_wait_lower(&cq->wait))
			return -FI_EAGAIN;
	}
}

static ssize_t cq_sread(struct fid_cq *fid, void *buf, size_t count,
		const void *cond, int timeout)
{
	return cq_sreadfrom(fid, buf, count, NULL, cond, timeout);
}

static int cq_signal(struct fid_cq *fid)
{
	struct udmc_cq *cq = to_cq(fid);

	return cq->wait.fd < 0 ? -FI_ENOSYS : udmc_wait_raise(&cq->wait);
}

static const char *cq_strerror(struct fid_cq *cq, int prov_errno,
		const void *err_data, char *buf, size_t len)
{
	(void)err_data;
	return udmc_text(to_cq(cq)->domain->device.transport->error_text(
			prov_errno), buf, len);
}

int udmc_cq_trywait(struct udmc_cq *cq)
{
	int ret;

	if (cq->wait.fd < 0)
		return -FI_ENOSYS;
	for (uint32_t i = 0; i < cq->binding_count; i++) {
		struct udmc_ep *ep = cq->binding[i].ep;

		ret = ep->ops->arm(ep, cq, cq->binding[i].sides);
		if (ret)
			return ret;
	}
	return cq->head == cq->tail ? 0 : -FI_EAGAIN;
}

int udmc_cq_bind(struct udmc_cq *cq, struct udmc_ep *ep, unsigned int sides)
{
	struct udmc_cq_binding *more;

	for (uint32_t i = 0; i < cq->binding_count; i++) {
		if (cq->binding[i].ep == ep) {
			cq->binding[i].sides |= sides;
			return 0;
		}
	}
	more = realloc(cq->binding,
			(cq->binding_count + 1) * sizeof(*cq->binding));
	if (!more)
		return -FI_ENOMEM;
	cq->binding = more;
	more[cq->binding_count++] =
			(struct udmc_cq_binding){.ep = ep, .sides = sides};
	atomic_fetch_add(&cq->users, 1);
	return 0;
}

void udmc_cq_unbind(struct udmc_cq *cq, struct udmc_ep *ep)
{
	for (uint32_t i = 0; i < cq->binding_count; i++) {
		if (cq->binding[i].ep != ep)
			continue;
		cq->binding[i] = cq->binding[--cq->binding_count];
		atomic_fetch_sub(&cq->users, 1);
		return;
	}
}

static int cq_control(struct fid *fid, int command, void *arg)
{
	return udmc_wait_control(
			&container_of(fid, struct udmc_cq, cq.fid)->wait,
			command, arg);
}

static void cq_free(struct udmc_cq *cq)
{
	udmc_wait_close(&cq->wait);
	free(cq->binding);
	free(cq->ring);
	free(cq);
}

static int cq_close(struct fid *fid)
{
	struct udmc_cq *cq = container_of(fid, struct udmc_cq, cq.fid);

	if (atomic_load(&cq->users))
		return -FI_EBUSY;
	cq->domain->device.transport->cq_close(cq);
	atomic_fetch_sub(&cq->domain->users, 1);
	cq_free(cq);
	return 0;
}

static struct fi_ops cq_fi_ops = {
	.size = sizeof(struct fi_ops),
	.close = cq_close,
	.bind = udmc_no_bind,
	.control = cq_control,
	.ops_open = udmc_no_ops_open,
	.tostr = udmc_no_tostr,
	.ops_set = udmc_no_ops_set,
};

static struct fi_ops_cq cq_ops = {
	.size = sizeof(struct fi_ops_cq),
	.read = cq_read,
	.readfrom = cq_readfrom,
	.readerr = cq_readerr,
	.sread = cq_sread,
	.sreadfrom = cq_sreadfrom,
	.signal = cq_signal,
	.strerror = cq_strerror,
};

static int check_attr(const struct fi_cq_attr *attr)
{
	if (attr->flags & ~FI_AFFINITY)
		return -FI_EBADFLAGS;
	if (attr->size > UDMC_QUEUE_MAX)
		return -FI_EINVAL;
	if (attr->format > FI_CQ_FORMAT_TAGGED)
		return -FI_EINVAL;
	if (attr->wait_obj != FI_WAIT_NONE &&
			attr->wait_cond != FI_CQ_COND_NONE) {
		UDMC_INFO(CQ, "no wait conditions: use FI_CQ_COND_NONE\n");
		return -FI_ENOSYS;
	}
	return 0;
}

int udmc_cq_open(struct fid_domain *domain, struct fi_cq_attr *attr,
		struct fid_cq **cq, void *context)
{
	struct udmc_cq *self;
	int ret = check_attr(attr);

	if (ret)
		return ret;
	self = calloc(1, sizeof(*self));
	if (!self)
		return -FI_ENOMEM;
	self->domain = container_of(domain, struct udmc_domain, domain);
	self->size = attr->size ? (uint32_t)attr->size : UDMC_QUEUE_CQ;
	self->mask = udmc_power_of_two(self->size) - 1;
	self->format = attr->format ? attr->format : FI_CQ_FORMAT_CONTEXT;
	self->ring = calloc((size_t)self->mask + 1, sizeof(*self->ring));
	ret = udmc_wait_open(&self->wait, attr->wait_obj);
	if (!self->ring)
		ret = -FI_ENOMEM;
	if (!ret)
		ret = self->domain->device.transport->cq_open(self);
	if (ret) {
		cq_free(self);
		return ret;
	}
	self->cq.fid.fclass = FI_CLASS_CQ;
	self->cq.fid.context = context;
	self->cq.fid.ops = &cq_fi_ops;
	self->cq.ops = &cq_ops;
	atomic_fetch_add(&self->domain->users, 1);
	*cq = &self->cq;
	return 0;
}
