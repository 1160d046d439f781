/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - settings and what they may be; see config.h.
 *
 * The file is read in config_file.c and shown in config_print.c.
 */
#include "broker/config.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/config_value.h"

#include "base/trail.h"
#include "link/shm/place.h"
#include "topic/groups.h"

#include <msg/msg.h>

const struct config_spec config_specs[CONFIG_SETTING_COUNT] = {
#define CONFIG_ROW(                                                            \
	id, key, kind, normal, least, most, environment, value, help)          \
	{key, environment, value, help, normal, least, most,                   \
		CONFIG_KIND_##kind},
	CONFIG_SETTINGS(CONFIG_ROW)
#undef CONFIG_ROW
};

const char *const config_lanes[] = {
	[CONFIG_LANE_DEFAULT] = "",
	[CONFIG_LANE_VERBS] = "verbs",
	[CONFIG_LANE_UDP] = "udp",
	[CONFIG_LANE_NONE] = "none",
	NULL,
};

/* ---- values --------------------------------------------------------------- */

int config_parse_number(
	const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	static const struct {
		const char *suffix;
		uint64_t factor;
	} scales[] = {{"", 1}, {"k", 1000}, {"K", 1000}, {"M", 1000000},
		{"G", 1000000000}, {"Ki", 1u << 10}, {"Mi", 1u << 20},
		{"Gi", 1u << 30}};
	uint64_t factor = 0;
	char *end = NULL;

	errno = 0;
	*value = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
		if (strcmp(end, scales[i].suffix) == 0)
			factor = scales[i].factor;
	if (text[0] < '0' || text[0] > '9' || factor == 0)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%.40s' is not a whole number (as 12, 10k, 64Ki)",
			text);
	if (errno == ERANGE || *value > UINT64_MAX / factor ||
		*value * factor < least || *value * factor > most)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"%.40s is out of range: %" PRIu64 " to %" PRIu64, text,
			least, most);
	*value *= factor;
	return 0;
}

static int parse_number(
	struct config_value *value, const struct config_spec *spec)
{
	uint64_t number;
	int result = config_parse_number(
		value->text, spec->least, spec->most, &number);

	if (result == 0)
		value->number = (uint32_t)number;
	return result;
}

static int parse_lane(struct config_value *value)
{
	for (uint32_t i = 1; config_lanes[i]; i++) {
		if (strcmp(value->text, config_lanes[i]) == 0) {
			value->number = i;
			return 0;
		}
	}
	return msg_fail(MSG_ERROR_ARGUMENT,
		"'%.40s' is no lane; write verbs, udp or none", value->text);
}

static int parse_mode(struct config_value *value)
{
	static const struct {
		const char *text;
		uint32_t mode;
	} modes[] = {{"0600", 0600}, {"0660", 0660}, {"0666", 0666},
		{"600", 0600}, {"660", 0660}, {"666", 0666}};

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		if (strcmp(value->text, modes[i].text) == 0) {
			value->number = modes[i].mode;
			return 0;
		}
	}
	return msg_fail(MSG_ERROR_ARGUMENT,
		"'%.40s' is no mode of the socket; write 0600 (its user "
		"alone), 0660 (socket_group too) or 0666 (everybody)",
		value->text);
}

/* A group by name or number. */
static int parse_group(struct config_value *value)
{
	uint64_t number;
	const struct group *group;

	if (value->text[0] >= '0' && value->text[0] <= '9') {
		if (config_parse_number(
			    value->text, 0, CONFIG_ID_MAX, &number) < 0)
			return -MSG_ERROR_ARGUMENT;
		value->number = (uint32_t)number;
		return 0;
	}
	group = getgrnam(value->text);
	if (!group)
		return msg_fail(MSG_ERROR_ARGUMENT,
			"there is no group '%.63s' on this host; make it, or "
			"write its number",
			value->text);
	value->number = group->gr_gid;
	return 0;
}

static int parse_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_.";

	/* As libmsg/link/shm/place.h has it for clients. */
	if (name[0] == '.' || name[strspn(name, letters)] != '\0')
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' is no name of a broker; write letters, digits, "
			"'-', '_' and '.', no dot first",
			name);
	return 0;
}

static int parse_path(const char *path)
{
	size_t bytes = strlen(path);

	if (path[0] != '/' || path[bytes - 1] == '/')
		return msg_fail(MSG_ERROR_ARGUMENT,
			"'%s' is not the whole path of a socket; write it "
			"from / on, the file's name last",
			path);
	return 0;
}

/* What holds for every text: it fits, and it can be shown as it is. */
static int check_text(const char *text, const struct config_spec *spec)
{
	size_t bytes = strlen(text);

	if (bytes == 0)
		return msg_fail(MSG_ERROR_ARGUMENT, "has no value; write %s",
			spec->value);
	for (size_t i = 0; i < bytes; i++)
		if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"its value has a blank or a control character "
				"at byte %zu; write %s",
				i, spec->value);
	/* Numbers are ranges, not lengths. */
	if (bytes >= CONFIG_TEXT_BYTES ||
		(spec->kind <= CONFIG_KIND_LENGTHS && bytes > spec->most))
		return msg_fail(MSG_ERROR_ARGUMENT,
			"its value has %zu bytes; %u is the most", bytes,
			spec->kind <= CONFIG_KIND_LENGTHS
				? spec->most
				: CONFIG_TEXT_BYTES - 1);
	return 0;
}

static int parse_value(struct config_value *value,
	const struct config_spec *spec, const char *text)
{
	struct msg_groups groups;
	int result = check_text(text, spec);

	if (result < 0)
		return result;
	strcpy(value->text, text);
	switch ((enum config_kind)spec->kind) {
	case CONFIG_KIND_NUMBER:
		return parse_number(value, spec);
	case CONFIG_KIND_LANE:
		return parse_lane(value);
	case CONFIG_KIND_MODE:
		return parse_mode(value);
	case CONFIG_KIND_GROUP:
		return parse_group(value);
	case CONFIG_KIND_NAME:
		return parse_name(text);
	case CONFIG_KIND_PATH:
		return parse_path(text);
	case CONFIG_KIND_GROUPS:
		return msg_groups_parse(&groups, text, 1);
	case CONFIG_KIND_TEXT:
		return 0;
	}
	return 0;
}

int config_store(struct config *config, enum config_setting which,
	const char *text, enum config_origin origin, uint32_t line)
{
	struct config_value made = {.origin = origin, .line = line};
	int result = parse_value(&made, &config_specs[which], text);

	if (result == 0 && config->values[which].origin <= origin)
		config->values[which] = made;
	return result;
}

int config_set(struct config *config, enum config_setting which,
	const char *value, enum config_origin origin, const char *called)
{
	int result;

	/* For clients a name may be the path of a socket; so for us. */
	if (which == CONFIG_NAME && value[0] == '/')
		which = CONFIG_SOCKET;
	result = config_store(config, which, value, origin, 0);
	return result < 0
		       ? msg_fail(-result, "%s: %s", called, msg_trail_text())
		       : 0;
}

int config_read_environment(struct config *config)
{
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const char *name = config_specs[i].environment;
		const char *text = name ? getenv(name) : NULL;
		int result = 0;

		if (text && text[0] != '\0')
			result = config_set(config, (enum config_setting)i,
				text, CONFIG_FROM_ENVIRONMENT, name);
		if (result < 0)
			return result;
	}
	return 0;
}

/* ---- the whole ------------------------------------------------------------ */

void config_init(struct config *config)
{
	memset(config, 0, sizeof *config);
	acl_init(&config->acl);
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++)
		config->values[i].number = config_specs[i].normal;
	strcpy(config->values[CONFIG_NAME].text, "default");
#define CONFIG_LIMIT(id, key, normal, least, most_, what)                      \
	config->limits.most[ACCOUNT_##id] = normal;
	ACCOUNT_KINDS(CONFIG_LIMIT)
#undef CONFIG_LIMIT
}

/* The usual place of a broker's socket. */
static int place_socket(struct config *config)
{
	struct config_value *value = &config->values[CONFIG_SOCKET];
	int result;

	_Static_assert(sizeof value->text >= MSG_PLACE_PATH_BYTES,
		"a place fits a setting");
	if (value->text[0] != '\0')
		return 0;
	result =
		msg_place_broker(config->values[CONFIG_NAME].text, value->text);
	return result < 0 ? msg_fail(-result, "%s; or give --socket PATH",
				    msg_trail_text())
			  : 0;
}

/* Who writes both in one place means something else than he gets.  An option may
 * overrule what a file says of the network. */
static int check_network(const struct config *config)
{
	const struct config_value *lane = &config->values[CONFIG_LANE];
	static const enum config_setting of_networks[] = {
		CONFIG_INTERFACE, CONFIG_DEVICE};

	if (lane->number != CONFIG_LANE_NONE)
		return 0;
	for (size_t i = 0; i < sizeof of_networks / sizeof *of_networks; i++) {
		const struct config_value *value =
			&config->values[of_networks[i]];

		if (value->text[0] != '\0' && value->origin == lane->origin)
			return msg_fail(MSG_ERROR_ARGUMENT,
				"lane is none, but %s is %s; leave one of them "
				"out",
				config_specs[of_networks[i]].key, value->text);
	}
	return 0;
}

int config_finish(struct config *config)
{
	int result = check_network(config);

	if (result == 0)
		result = place_socket(config);
	if (result == 0)
		acl_finish(&config->acl);
	return result;
}

const char *config_text(const struct config *config, enum config_setting which)
{
	const char *text = config->values[which].text;

	return text[0] != '\0' ? text : NULL;
}

uint32_t config_number(const struct config *config, enum config_setting which)
{
	assert(config_specs[which].kind > CONFIG_KIND_LENGTHS);
	return config->values[which].number;
}

enum config_lane config_lane(const struct config *config)
{
	return (enum config_lane)config->values[CONFIG_LANE].number;
}

gid_t config_socket_gid(const struct config *config)
{
	const struct config_value *value = &config->values[CONFIG_SOCKET_GROUP];

	return value->text[0] != '\0' ? value->number : (gid_t)-1;
}
