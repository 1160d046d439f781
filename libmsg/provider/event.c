// SPDX-License-Identifier: BSD-2-Clause
/*
 * event.c - the event queue: where joins report their end.
 *
 * A list under a mutex (set-up path).  The signal of the queue's struct
 * udmc_wait is raised exactly while events wait, and it watches the control
 * descriptors of the bound endpoints (librdmacm's channel): both are levels,
 * so a sleeper misses nothing.  Reading first looks for finished joins.
 *
 * Neighbours: wait.c; group.c pushes; udmc_ep_ops.control_progress feeds it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "core.h"

struct udmc_event {
	struct udmc_event *next;
	fid_t fid;         /* Whom it is about; NULL if the user wrote it. */
	void *context;
	uint32_t event;
	int err, prov_errno;
	size_t bytes;      /* Of data, for events of the user. */
	char data[];
};

static inline struct udmc_eq *to_eq(struct fid_eq *eq)
{
	return container_of(eq, struct udmc_eq, eq);
}

static int push(struct udmc_eq *eq, struct udmc_event event, const void *data)
{
	struct udmc_event *copy = malloc(sizeof(*copy) + event.bytes);
	int ret;

	if (!copy)
		return -FI_ENOMEM;
	*copy = event;
	if (event.bytes)
		memcpy(copy->data, data, event.bytes);
	pthread_mutex_lock(&eq->lock);
	copy->next = NULL;
	*eq->last = copy;
	eq->last = &copy->next;
	ret = udmc_wait_raise(&eq->wait);
	if (ret)
		UDMC_WARN(EQ, "eventfd: %s\n", strerror(-ret));
	pthread_mutex_unlock(&eq->lock);
	return 0;
}

int udmc_eq_push(struct udmc_eq *eq, uint32_t event, fid_t fid, void *context)
{
	return push(eq, (struct udmc_event){.event = event, .fid = fid,
			.context = context}, NULL);
}

int udmc_eq_push_error(struct udmc_eq *eq, fid_t fid, void *context, int err,
		int prov_errno)
{
	return push(eq, (struct udmc_event){.fid = fid, .context = context,
			.err = err, .prov_errno = prov_errno}, NULL);
}

void udmc_eq_forget(struct udmc_eq *eq, fid_t fid)
{
	struct udmc_event **link = &eq->first, *event;

	pthread_mutex_lock(&eq->lock);
	while ((event = *link)) {
		if (event->fid == fid) {
			*link = event->next;
			free(event);
		} else {
			link = &event->next;
		}
	}
	eq->last = link;
	if (!eq->first)
		udmc_wait_lower(&eq->wait);
	pthread_mutex_unlock(&eq->lock);
}

static void drop_first(struct udmc_eq *eq)
{
	struct udmc_event *event = eq->first;

	eq->first = event->next;
	if (!eq->first) {
		eq->last = &eq->first;
		udmc_wait_lower(&eq->wait);
	}
	free(event);
}

/* Under the lock, which is recursive: a finished join pushes its event. */
static void control_progress(struct udmc_eq *eq)
{
	for (struct udmc_ep *ep = eq->eps; ep; ep = ep->eq_next)
		ep->ops->control_progress(ep);
}

static ssize_t take(struct udmc_eq *eq, uint32_t *event, void *buf, size_t len,
		uint64_t flags)
{
	struct udmc_event *first = eq->first;
	struct fi_eq_entry entry;
	const void *from = &entry;
	size_t bytes = sizeof(entry);

	if (!first)
		return -FI_EAGAIN;
	if (first->err)
		return -FI_EAVAIL;
	if (first->fid) {
		entry = (struct fi_eq_entry){.fid = first->fid,
			.context = first->context};
	} else {
		from = first->data;
		bytes = first->bytes;
	}
	if (len < bytes)
		return -FI_ETOOSMALL;
	*event = first->event;
	memcpy(buf, from, bytes);
	if (!(flags & FI_PEEK))
		drop_first(eq);
	return (ssize_t)bytes;
}

static ssize_t eq_read(struct fid_eq *fid, uint32_t *event, void *buf,
		size_t len, uint64_t flags)
{
	struct udmc_eq *eq = to_eq(fid);
	ssize_t ret;

	pthread_mutex_lock(&eq->lock);
	if (!eq->first)
		control_progress(eq);
	ret = take(eq, event, buf, len, flags);
	pthread_mutex_unlock(&eq->lock);
	return ret;
}

static ssize_t eq_readerr(struct fid_eq *fid, struct fi_eq_err_entry *out,
		uint64_t flags)
{
	struct udmc_eq *eq = to_eq(fid);
	struct udmc_event *first;
	ssize_t ret = -FI_EAGAIN;

	pthread_mutex_lock(&eq->lock);
	first = eq->first;
	if (first && first->err) {
		out->fid = first->fid;
		out->context = first->context;
		out->data = 0;
		out->err = first->err;
		out->prov_errno = first->prov_errno;
		if (eq->fabric->fabric.api_version >= FI_VERSION(1, 5))
			out->err_data_size = 0;
		else
			out->err_data = NULL;
		if (!(flags & FI_PEEK))
			drop_first(eq);
		ret = (ssize_t)sizeof(*out);
	}
	pthread_mutex_unlock(&eq->lock);
	return ret;
}

static ssize_t eq_write(struct fid_eq *fid, uint32_t event, const void *buf,
		size_t len, uint64_t flags)
{
	struct udmc_eq *eq = to_eq(fid);
	int ret;

	if (!eq->writable || flags)
		return -FI_EINVAL;
	ret = push(eq, (struct udmc_event){.event = event, .bytes = len}, buf);
	return ret ? ret : (ssize_t)len;
}

static ssize_t eq_sread(struct fid_eq *fid, uint32_t *event, void *buf,
		size_t len, int timeout, uint64_t flags)
{
	struct udmc_eq *eq = to_eq(fid);
	int64_t end = udmc_wait_end(timeout);

	if (eq->wait.fd < 0)
		return -FI_ENOSYS;
	for (;;) {
		bool last = udmc_wait_over(end);
		ssize_t ret = eq_read(fid, event, buf, len, flags);

		if (ret != -FI_EAGAIN || last)
			return ret;
		ret = udmc_wait_sleep(&eq->wait, end);
		if (ret)
			return ret;
	}
}

static const char *eq_strerror(struct fid_eq *eq, int prov_errno,
		const void *err_data, char *buf, size_t len)
{
	(void)eq;
	(void)err_data;
	return udmc_text(strerror(prov_errno), buf, len);
}

int udmc_eq_trywait(struct udmc_eq *eq)
{
	int ret;

	if (eq->wait.fd < 0)
		return -FI_ENOSYS;
	pthread_mutex_lock(&eq->lock);
	if (!eq->first)
		control_progress(eq);
	ret = eq->first ? -FI_EAGAIN : 0;
	pthread_mutex_unlock(&eq->lock);
	return ret;
}

int udmc_eq_watch(struct udmc_eq *eq, int fd)
{
	return fd < 0 ? 0 : udmc_wait_watch(&eq->wait, fd, EPOLLIN);
}

void udmc_eq_attach(struct udmc_eq *eq, struct udmc_ep *ep)
{
	pthread_mutex_lock(&eq->lock);
	ep->eq_next = eq->eps;
	eq->eps = ep;
	pthread_mutex_unlock(&eq->lock);
	atomic_fetch_add(&eq->users, 1);
}

void udmc_eq_detach(struct udmc_eq *eq, struct udmc_ep *ep)
{
	pthread_mutex_lock(&eq->lock);
	for (struct udmc_ep **link = &eq->eps; *link;
			link = &(*link)->eq_next) {
		if (*link == ep) {
			*link = ep->eq_next;
			break;
		}
	}
	pthread_mutex_unlock(&eq->lock);
	atomic_fetch_sub(&eq->users, 1);
}

static int eq_control(struct fid *fid, int command, void *arg)
{
	return udmc_wait_control(
			&container_of(fid, struct udmc_eq, eq.fid)->wait,
			command, arg);
}

static void eq_free(struct udmc_eq *eq)
{
	while (eq->first)
		drop_first(eq);
	udmc_wait_close(&eq->wait);
	pthread_mutex_destroy(&eq->lock);
	free(eq);
}

static int eq_close(struct fid *fid)
{
	struct udmc_eq *eq = container_of(fid, struct udmc_eq, eq.fid);

	if (atomic_load(&eq->users))
		return -FI_EBUSY;
	atomic_fetch_sub(&eq->fabric->users, 1);
	eq_free(eq);
	return 0;
}

static struct fi_ops eq_fi_ops = {
	.size = sizeof(struct fi_ops),
	.close = eq_close,
	.bind = udmc_no_bind,
	.control = eq_control,
	.ops_open = udmc_no_ops_open,
	.tostr = udmc_no_tostr,
	.ops_set = udmc_no_ops_set,
};

static struct fi_ops_eq eq_ops = {
	.size = sizeof(struct fi_ops_eq),
	.read = eq_read,
	.readerr = eq_readerr,
	.write = eq_write,
	.sread = eq_sread,
	.strerror = eq_strerror,
};

int udmc_eq_open(struct fid_fabric *fabric, struct fi_eq_attr *attr,
		struct fid_eq **eq, void *context)
{
	pthread_mutexattr_t recursive;
	struct udmc_eq *self;
	int ret;

	if (attr->flags & ~(FI_WRITE | FI_AFFINITY))
		return -FI_EBADFLAGS;
	self = calloc(1, sizeof(*self));
	if (!self)
		return -FI_ENOMEM;
	self->fabric = container_of(fabric, struct udmc_fabric, fabric);
	self->last = &self->first;
	self->writable = attr->flags & FI_WRITE;
	pthread_mutexattr_init(&recursive);
	pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&self->lock, &recursive);
	pthread_mutexattr_destroy(&recursive);
	ret = udmc_wait_open(&self->wait, attr->wait_obj);
	if (ret) {
		eq_free(self);
		return ret;
	}
	self->eq.fid.fclass = FI_CLASS_EQ;
	self->eq.fid.context = context;
	self->eq.fid.ops = &eq_fi_ops;
	self->eq.ops = &eq_ops;
	atomic_fetch_add(&self->fabric->users, 1);
	*eq = &self->eq;
	return 0;
}
