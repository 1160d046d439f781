/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - what the broker was told to be: settings, quotas, rights.
 *
 * One table, CONFIG_SETTINGS, is the only list of settings: the file's keys,
 * the options of the command line and --check-config are made from it, so
 * that they cannot disagree.  A setting comes from the first of these that
 * has it: the command line, the environment, the file, its default; where it
 * came from is kept for --check-config.
 *
 * The file is read once, before the start, and names of users and groups are
 * resolved then; the broker opens nothing afterwards, so there is no reload.
 * Everything in it is bounded, and whatever is not understood is refused with
 * the file, the line and what is allowed.  Manual: msg.conf(5).
 *
 * Test: tests/unit/broker/test_config.c.
 */
#ifndef BROKER_CONFIG_H
#define BROKER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "broker/account.h"
#include "broker/acl.h"

#define CONFIG_FILE_DEFAULT "/etc/msg/msg.conf"
#define CONFIG_FILE_BYTES_MAX (256u << 10)
#define CONFIG_TEXT_BYTES 256u /* Of a setting that is text, with its end. */

enum config_lane {
	CONFIG_LANE_DEFAULT, /* As libmsg chooses. */
	CONFIG_LANE_VERBS,
	CONFIG_LANE_UDP,
	CONFIG_LANE_NONE, /* No network: topics of this host alone. */
};

/* X(enumerator, key, kind, default, least, most, environment, value's name,
 *   help).  The option of a setting is its key with '-' for '_'; kinds are in
 * config.c.  For NUMBER and TEXT a default of 0 means: as libmsg chooses. */
#define CONFIG_SETTINGS(X)                                                     \
	X(NAME, "name", NAME, 0, 1, 64, "MSG_BROKER", "NAME",                  \
		"what clients call it, letters, digits, '-', '_', '.'")        \
	X(SOCKET, "socket", PATH, 0, 1, 107, NULL, "PATH",                     \
		"its socket, instead of the name's usual place")               \
	X(INTERFACE, "interface", TEXT, 0, 1, 63, "MSG_INTERFACE", "NAME|IP",  \
		"network interface; lo or an RDMA device unless told")         \
	X(DEVICE, "device", TEXT, 0, 1, 63, "MSG_DEVICE", "NAME",              \
		"RDMA device, as rxe0")                                        \
	X(LANE, "lane", LANE, 0, 0, 0, "MSG_LANE", "verbs|udp|none",           \
		"kind of lane; none: this host alone")                         \
	X(GROUPS, "groups", GROUPS, 0, 1, 63, "MSG_GROUPS", "ADDRESS+COUNT",   \
		"multicast groups (239.255.77.0+64)")                          \
	X(PORT, "port", NUMBER, 0, 1, 65535, "MSG_PORT", "N",                  \
		"UDP port of the groups (7400)")                               \
	X(TTL, "ttl", NUMBER, 0, 1, 255, "MSG_TTL", "N",                       \
		"multicast hops, 1 to 255 (1)")                                \
	X(FRAME_BYTES, "frame_bytes", NUMBER, 0, 256, 65507, NULL, "N",        \
		"largest datagram payload, 256 to 65507")                      \
	X(SLOTS, "slots", NUMBER, 4096, 64, 65536, NULL, "N",                  \
		"receive slots of each access class, 64 to 65536 (4096)")      \
	X(LARGE_BYTES, "large_bytes", NUMBER, 1u << 30, 0, 1u << 31, NULL, "N",\
		"memory for large messages received, of each class (1Gi)")     \
	X(SPIN_US, "spin_us", NUMBER, 20, 0, 1000000, NULL, "US",              \
		"look that long for more before sleeping (20)")                \
	X(SOCKET_MODE, "socket_mode", MODE, 0666, 0600, 0666, NULL, "OCTAL",   \
		"who may connect (0666: the rights decide)")                   \
	X(SOCKET_GROUP, "socket_group", GROUP, 0, 1, 63, NULL, "GROUP",        \
		"group of the socket, for a mode of 0660")

enum config_setting {
#define CONFIG_ENUM(id, ...) CONFIG_##id,
	CONFIG_SETTINGS(CONFIG_ENUM)
#undef CONFIG_ENUM
	CONFIG_SETTING_COUNT
};

/* Where a value came from; later ones win. */
enum config_origin {
	CONFIG_FROM_DEFAULT,
	CONFIG_FROM_FILE,
	CONFIG_FROM_ENVIRONMENT,
	CONFIG_FROM_OPTION,
};

struct config_value {
	enum config_origin origin;
	uint32_t line;   /* Of the file. */
	uint32_t number; /* 0 of a NUMBER without default: libmsg's. */
	char text[CONFIG_TEXT_BYTES]; /* "" when not set. */
};

struct config {
	struct config_value values[CONFIG_SETTING_COUNT];
	uint32_t lines[CONFIG_SETTING_COUNT]; /* In the file, used or not. */
	struct account_limits limits;
	uint32_t limit_lines[ACCOUNT_KIND_COUNT + 1]; /* root_exempt last. */
	struct acl acl;
	char file[CONFIG_TEXT_BYTES]; /* "" when none was read. */
};

/* ---- reading settings ---------------------------------------------------- */

/* Text of a setting; NULL when libmsg is to choose.  The name always has one,
 * and so has the socket after config_finish. */
const char *config_text(const struct config *config, enum config_setting which);

/* Number of a setting: ports, counts, the mode; 0 when libmsg is to choose. */
uint32_t config_number(const struct config *config, enum config_setting which);

enum config_lane config_lane(const struct config *config);

/* (gid_t)-1 when not set. */
gid_t config_socket_gid(const struct config *config);

/* ---- making one ---------------------------------------------------------- */

/* All defaults. */
void config_init(struct config *config);

/* Set one from the command line or the environment; `called` is how the user
 * wrote it ("--port").  0, or -MSG_ERROR_ARGUMENT with the trail. */
int config_set(struct config *config, enum config_setting which,
	const char *value, enum config_origin origin, const char *called);

/* What the environment says, of settings that no option set.
 * 0, or -MSG_ERROR_ARGUMENT with the trail. */
int config_read_environment(struct config *config);

/* Read a file.  A missing one is an error only if `required`.  0, or
 * -MSG_ERROR_ARGUMENT with "FILE:LINE: what; what is allowed" on the trail;
 * the config is then of no use. */
int config_read_file(struct config *config, const char *path, bool required);

/* After all of them: what must fit together, and the classes of the rights.
 * 0, or -MSG_ERROR_ARGUMENT with the trail. */
int config_finish(struct config *config);

/* Print it as a file that would make the same, or as one JSON object. */
void config_print(const struct config *config, FILE *file);
void config_print_json(const struct config *config, FILE *file);

/* ---- its table ----------------------------------------------------------- */

struct config_spec {
	const char *key;
	const char *environment; /* NULL: none. */
	const char *value;       /* What the value is called. */
	const char *help;
	uint32_t normal, least, most;
	int kind;
};

extern const struct config_spec config_specs[CONFIG_SETTING_COUNT];

#endif
