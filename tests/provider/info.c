// SPDX-License-Identifier: BSD-2-Clause
/*
 * info.c - fi_getinfo: each hint is met or refused, an address chooses devices.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"
#include "check_main.h"
#include "node.h"
#include "udmc.h"

static int with(void (*change)(struct fi_info *))
{
	struct fi_info *hints = hints_new(), *info = NULL;
	int ret;

	change(hints);
	ret = getinfo(hints, &info);
	fi_freeinfo(hints);
	if (!ret)
		fi_freeinfo(info);
	return ret;
}

static void nothing(struct fi_info *h)
{
	(void)h;
}

static void connected(struct fi_info *h)
{
	h->ep_attr->type = FI_EP_MSG;
}

static void reliable(struct fi_info *h)
{
	h->ep_attr->type = FI_EP_RDM;
}

static void remote_memory(struct fi_info *h)
{
	h->caps |= FI_RMA;
}

static void locked(struct fi_info *h)
{
	h->domain_attr->threading = FI_THREAD_SAFE;
}

static void by_itself(struct fi_info *h)
{
	h->domain_attr->data_progress = FI_PROGRESS_AUTO;
}

static void ordered(struct fi_info *h)
{
	h->tx_attr->msg_order = FI_ORDER_SAS;
}

static void too_big(struct fi_info *h)
{
	h->ep_attr->max_msg_size = 1 << 20;
}

static void elsewhere(struct fi_info *h)
{
	free(h->domain_attr->name);
	h->domain_attr->name = strdup("nowhere0");
}

static void other_provider(struct fi_info *h)
{
	h->fabric_attr->prov_name = strdup("verbs");
}

static void this_provider(struct fi_info *h)
{
	h->fabric_attr->prov_name = strdup("udmc");
}

static void serialized(struct fi_info *h)
{
	h->domain_attr->threading = FI_THREAD_DOMAIN;
}

static void unregistered(struct fi_info *h)
{
	h->domain_attr->mr_mode = 0;
}

static void odd_address(struct fi_info *h)
{
	h->src_addr = calloc(1, 3);
	h->src_addrlen = 3;
}

START_TEST(hints_are_met_or_refused)
{
	ck_assert_int_eq(with(nothing), 0);
	ck_assert_int_eq(with(this_provider), 0);
	ck_assert_int_eq(with(serialized), 0);
	ck_assert_int_eq(with(connected), -FI_ENODATA);
	ck_assert_int_eq(with(reliable), -FI_ENODATA);
	ck_assert_int_eq(with(remote_memory), -FI_ENODATA);
	ck_assert_int_eq(with(locked), -FI_ENODATA);
	ck_assert_int_eq(with(by_itself), -FI_ENODATA);
	ck_assert_int_eq(with(ordered), -FI_ENODATA);
	ck_assert_int_eq(with(too_big), -FI_ENODATA);
	ck_assert_int_eq(with(elsewhere), -FI_ENODATA);
	ck_assert_int_eq(with(other_provider), -FI_ENODATA);
	ck_assert_int_eq(with(odd_address), -FI_ENODATA);
	ck_assert_int_eq(with(unregistered), on_udp() ? 0 : -FI_ENODATA);
}
END_TEST

START_TEST(addresses_choose_the_device)
{
	struct fi_provider *p = udmc_provider();
	struct fi_info *info, *list;
	int found = 0;

	if (!on_udp())
		CHECK_SKIP("the rules of IP addresses, tested on UDP");
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), "127.0.0.1", "7471",
			FI_SOURCE, NULL, &info), 0);
	ck_assert_str_eq(info->domain_attr->name, "udp-lo");
	ck_assert_ptr_null(info->next);
	ck_assert_uint_eq(((struct sockaddr_in *)info->src_addr)->sin_port,
			htons(7471));
	ck_assert_str_eq(info->fabric_attr->prov_name, "udmc");
	fi_freeinfo(info);
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), "239.1.2.3", "7471", 0,
			NULL, &list), 0);
	for (info = list; info; info = info->next) {
		const struct sockaddr_in *dest = info->dest_addr;

		ck_assert_uint_eq(dest->sin_addr.s_addr, htonl(0xef010203));
		found += strcmp(info->domain_attr->name, "udp-lo") == 0;
	}
	fi_freeinfo(list);
	ck_assert_int_eq(found, 1);
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), "239.1.2.3", "7471",
			FI_SOURCE, NULL, &info), -FI_ENODATA);
	ck_assert_int_eq(p->getinfo(FI_VERSION(1, 17), NULL, NULL, 0, NULL,
			&info), 0);
	fi_freeinfo(info);
}
END_TEST

void add_info(Suite *suite)
{
	TCase *c = check_case(suite, "info", 60);

	tcase_add_test(c, hints_are_met_or_refused);
	tcase_add_test(c, addresses_choose_the_device);
}
