/* SPDX-License-Identifier: BSD-2-Clause */
/* groups.c - the range of groups, parsed and counted in; see groups.h. */
#include "topic/groups.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <msg/msg.h>

#include "base/trail.h"

static int refuse(const char *text, const char *why)
{
	return msg_fail(MSG_ERROR_ARGUMENT,
		"groups '%s': %s; write a multicast address and a count, as "
		"in " MSG_GROUPS_DEFAULT " or ff15::4d00+64",
		text, why);
}

static bool parse_count(const char *text, uint32_t *count)
{
	char *end;
	unsigned long value;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value < 1 || value > MSG_GROUPS_COUNT_MAX)
		return false;
	*count = (uint32_t)value;
	return true;
}

static bool parse_address(
	struct sockaddr_storage *first, const char *text, uint16_t port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)first;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)first;

	memset(first, 0, sizeof *first);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return IN_MULTICAST(ntohl(v4->sin_addr.s_addr));
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		return IN6_IS_ADDR_MULTICAST(&v6->sin6_addr);
	}
	return false;
}

/* The last group must be a multicast address, too, without a carry beyond the
 * low 32 bits. */
static bool range_fits(const struct msg_groups *groups)
{
	struct sockaddr_storage last;
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&last;
	const struct sockaddr_in6 *v6 =
		(const struct sockaddr_in6 *)&groups->first;
	uint32_t low;

	if (groups->first.ss_family == AF_INET) {
		msg_groups_address(groups, groups->count - 1, &last);
		return IN_MULTICAST(ntohl(v4->sin_addr.s_addr));
	}
	memcpy(&low, &v6->sin6_addr.s6_addr[12], sizeof low);
	return ntohl(low) <= UINT32_MAX - (groups->count - 1);
}

int msg_groups_parse(
	struct msg_groups *groups, const char *text, uint16_t port)
{
	struct msg_groups parsed;
	char address[INET6_ADDRSTRLEN];
	const char *plus = strchr(text, '+');

	if (!plus)
		return refuse(text, "no '+' and count");
	if ((size_t)(plus - text) >= sizeof address)
		return refuse(text, "the address is too long");
	memcpy(address, text, (size_t)(plus - text));
	address[plus - text] = '\0';
	if (!parse_address(&parsed.first, address, port))
		return refuse(text, "not a multicast address");
	if (!parse_count(plus + 1, &parsed.count))
		return refuse(text, "the count is not 1 to 4096");
	if (!range_fits(&parsed))
		return refuse(text, "the range leaves the multicast addresses");
	*groups = parsed;
	return 0;
}

void msg_groups_address(const struct msg_groups *groups, uint32_t index,
	struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	uint32_t low;

	*address = groups->first;
	if (address->ss_family == AF_INET) {
		v4->sin_addr.s_addr =
			htonl(ntohl(v4->sin_addr.s_addr) + index);
		return;
	}
	memcpy(&low, &v6->sin6_addr.s6_addr[12], sizeof low);
	low = htonl(ntohl(low) + index);
	memcpy(&v6->sin6_addr.s6_addr[12], &low, sizeof low);
}

int msg_groups_join(const struct msg_groups *groups, struct msg_link *link,
	uint32_t index, enum msg_link_join how, const char *what,
	uint32_t *handle)
{
	struct sockaddr_storage address;
	char text[MSG_LINK_TEXT_BYTES] = "";
	int result;

	msg_groups_address(groups, index, &address);
	result = link->ops->join(
		link, (struct sockaddr *)&address, how, handle, text);
	return result < 0 ? msg_fail(-result, "%s: %s", what, text) : 0;
}
