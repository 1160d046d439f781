/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_value.h - what the files of the settings share; see config.h.
 */
#ifndef BROKER_CONFIG_VALUE_H
#define BROKER_CONFIG_VALUE_H

#include "broker/config.h"

#define CONFIG_ID_MAX (UINT32_MAX - 1) /* (uid_t)-1 means nobody. */

enum config_kind {
	CONFIG_KIND_NAME,
	CONFIG_KIND_PATH,
	CONFIG_KIND_TEXT,
	CONFIG_KIND_GROUPS,
	CONFIG_KIND_GROUP,
	/* Up to here `most` is a length. */
	CONFIG_KIND_LENGTHS = CONFIG_KIND_GROUP,
	CONFIG_KIND_NUMBER,
	CONFIG_KIND_LANE,
	CONFIG_KIND_MODE,
};

extern const char *const config_lanes[]; /* By enum config_lane; NULL ends. */

/* A whole number in [least, most], with an optional scale.  0, or
 * -MSG_ERROR_ARGUMENT with what is wrong with it on the trail. */
int config_parse_number(
	const char *text, uint64_t least, uint64_t most, uint64_t *value);

/* Check a value, and keep it unless a better origin gave one.  As above. */
int config_store(struct config *config, enum config_setting which,
	const char *text, enum config_origin origin, uint32_t line);

#endif
