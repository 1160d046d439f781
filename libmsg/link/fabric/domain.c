/* SPDX-License-Identifier: BSD-2-Clause */
/* domain.c - fabric and domain of a node; see fabric.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <rdma/fi_errno.h>

#include "link/fabric/fabric.h"
#include "udmc.h"

/* Frames as large as a path takes cost memory in each buffer; from 16 KiB on
 * the gain per byte is small (README of tests/perf, frame sizes). */
#define FRAME_BYTES_DEFAULT_MAX 16384u
#define FRAME_BYTES_MAX 65507u

int fabric_fail(char *text, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, MSG_LINK_TEXT_BYTES, format, args);
	va_end(args);
	return -code;
}

static struct fi_info *make_hints(void)
{
	struct fi_info *hints = fi_allocinfo();

	if (!hints)
		return NULL;
	hints->ep_attr->type = FI_EP_DGRAM;
	hints->caps = FI_MSG | FI_SEND | FI_RECV | FI_MULTICAST;
	hints->domain_attr->mr_mode = FI_MR_LOCAL;
	return hints;
}

/* What the path takes, or what was asked for if it fits. */
static int choose_frame_bytes(
	struct fabric_domain *d, uint32_t asked, char *text)
{
	size_t most = d->info->ep_attr->max_msg_size;

	if (most > FRAME_BYTES_MAX)
		most = FRAME_BYTES_MAX;
	if (asked > most)
		return fabric_fail(text, MSG_ERROR_ARGUMENT,
			"frame_bytes is %u, but %s takes %zu at most: give less "
			"or raise the interface's MTU",
			asked, d->info->domain_attr->name, most);
	if (asked == 0)
		asked = most < FRAME_BYTES_DEFAULT_MAX
				? (uint32_t)most
				: FRAME_BYTES_DEFAULT_MAX;
	d->link.frame_bytes = asked;
	d->link.receive_bytes =
		d->link.lane == MSG_LANE_VERBS ? (uint32_t)most : asked;
	return 0;
}

static int open_device(struct fabric_domain *d,
	const struct msg_link_domain_options *options, char *text)
{
	struct fi_provider *provider = udmc_provider();
	struct fi_info *hints = make_hints();
	struct fi_info *list = NULL;
	struct fi_info *chosen = NULL;
	int result;

	if (!hints)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	result = provider->getinfo(
		MSG_FABRIC_API, NULL, NULL, 0, hints, &list);
	fi_freeinfo(hints);
	if (result)
		return fabric_fail(text, MSG_ERROR_DEVICE,
			"no interface that takes multicast: %s; bring up lo "
			"(ip link set lo up)",
			fi_strerror(-result));
	result = fabric_lane_choose(list, options, &d->link, &chosen, text);
	if (result == 0)
		d->info = fi_dupinfo(chosen);
	fi_freeinfo(list);
	if (result < 0)
		return result;
	if (!d->info)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	result = choose_frame_bytes(d, options->frame_bytes, text);
	if (result < 0)
		return result;
	result = provider->fabric(d->info->fabric_attr, &d->fabric, NULL);
	if (result == 0)
		result = fi_domain(d->fabric, d->info, &d->domain, NULL);
	if (result)
		return fabric_fail(text, MSG_ERROR_FABRIC, "%s: %s; see msg "
			"doctor", d->info->domain_attr->name,
			fi_strerror(-result));
	return 0;
}

void fabric_domain_close(struct msg_link_domain *domain)
{
	struct fabric_domain *d = (struct fabric_domain *)domain;

	if (d->domain)
		fi_close(&d->domain->fid);
	if (d->fabric)
		fi_close(&d->fabric->fid);
	if (d->info)
		fi_freeinfo(d->info);
	free(d);
}

int fabric_domain_open(const struct msg_link_domain_options *options,
	struct msg_link_domain **domain, char *text)
{
	struct fabric_domain *d = calloc(1, sizeof *d);
	int result;

	if (!d)
		return fabric_fail(text, MSG_ERROR_MEMORY, "no memory");
	d->link.ops = &msg_link_module;
	d->ttl = options->ttl;
	result = open_device(d, options, text);
	if (result < 0) {
		fabric_domain_close(&d->link);
		return result;
	}
	*domain = &d->link;
	return 0;
}
