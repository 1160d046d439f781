/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_print.c - the settings in force, for --check-config; see config.h.
 *
 * As text they are a file again: read in, it makes the same settings.
 */
#include "broker/config_value.h"

#include <inttypes.h>

#include "tool/json.h"

#include <msg/msg.h>

/* "line 12 of the file". */
static const char *origin_text(
	const struct config_value *value, char *text, size_t bytes)
{
	switch (value->origin) {
	case CONFIG_FROM_OPTION:
		return "command line";
	case CONFIG_FROM_ENVIRONMENT:
		return "environment";
	case CONFIG_FROM_FILE:
		snprintf(text, bytes, "line %" PRIu32, value->line);
		return text;
	case CONFIG_FROM_DEFAULT:
		break;
	}
	return "default";
}

/* A value as it is written, or NULL when libmsg is to choose. */
static const char *value_text(
	const struct config *config, int which, char *text, size_t bytes)
{
	const struct config_value *value = &config->values[which];

	if (value->text[0] != '\0')
		return value->text;
	if (config_specs[which].kind == CONFIG_KIND_MODE)
		snprintf(text, bytes, "%04" PRIo32, value->number);
	else if (config_specs[which].kind == CONFIG_KIND_NUMBER &&
		 config_specs[which].normal > 0)
		snprintf(text, bytes, "%" PRIu32, value->number);
	else
		return NULL;
	return text;
}

static void entry_text(const struct acl_entry *entry, char *text, size_t bytes)
{
	if (entry->who == ACL_ANYBODY)
		snprintf(text, bytes, "*");
	else
		snprintf(text, bytes, "%s:%" PRIu32,
			entry->who == ACL_USER ? "uid" : "gid", entry->id);
}

/* ---- as a file ------------------------------------------------------------ */

static void print_settings(const struct config *config, FILE *file)
{
	char value[32], origin[32];

	fputs("[broker]\n", file);
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const char *text = value_text(config, i, value, sizeof value);

		if (text)
			fprintf(file, "%s = %s ; %s\n", config_specs[i].key,
				text,
				origin_text(&config->values[i], origin,
					sizeof origin));
		else
			fprintf(file, "; %s: %s\n", config_specs[i].key,
				config_specs[i].kind == CONFIG_KIND_GROUP
					? "not set"
					: "as libmsg chooses");
	}
}

static void print_quota(const struct config *config, FILE *file)
{
	fputs("\n[quota]\n", file);
	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		fprintf(file, "%s = %" PRIu64 "\n",
			account_key((enum account_kind)i),
			config->limits.most[i]);
	fprintf(file, "root_exempt = %s\n",
		config->limits.root_exempt ? "yes" : "no");
}

/* An entry a line, so that no line gets too long. */
static void print_list(const struct acl_list *list, const char *key, FILE *file)
{
	char entry[32];

	fprintf(file, "%s =", key);
	for (uint32_t i = 0; i < list->count; i++) {
		entry_text(&list->entries[i], entry, sizeof entry);
		fprintf(file, "%s%s", i ? "\n\t" : " ", entry);
	}
	fputc('\n', file);
}

static void print_section(const struct acl_section *section, FILE *file)
{
	if (section->pattern[0] != '\0')
		fprintf(file, "\n[topic %s] ; class %" PRIu32 "\n",
			section->pattern, section->acl_class);
	else
		fprintf(file, "\n[default] ; class %" PRIu32 "\n",
			section->acl_class);
	print_list(&section->lists[ACL_SUBSCRIBE], "subscribe", file);
	print_list(&section->lists[ACL_PUBLISH], "publish", file);
}

void config_print(const struct config *config, FILE *file)
{
	fprintf(file, "; msgbrokerd %s, the settings in force; file: %s\n",
		msg_version(), config->file[0] ? config->file : "none");
	print_settings(config, file);
	print_quota(config, file);
	for (uint32_t i = 0; i < config->acl.count; i++)
		print_section(&config->acl.sections[i], file);
	print_section(&config->acl.other, file);
}

/* ---- as JSON -------------------------------------------------------------- */

static void json_settings(const struct config *config, struct json *json)
{
	char value[32], origin[32];

	json_open(json, "broker", '{');
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
		const char *text = value_text(config, i, value, sizeof value);

		if (!text)
			continue;
		json_open(json, config_specs[i].key, '{');
		if (config_specs[i].kind == CONFIG_KIND_NUMBER)
			json_count(json, "value", config->values[i].number);
		else
			json_text(json, "value", text);
		json_text(json, "from",
			origin_text(&config->values[i], origin, sizeof origin));
		json_close(json, '}');
	}
	json_close(json, '}');
}

static void json_list(
	const struct acl_list *list, const char *key, struct json *json)
{
	char entry[32];

	json_open(json, key, '[');
	for (uint32_t i = 0; i < list->count; i++) {
		entry_text(&list->entries[i], entry, sizeof entry);
		json_text(json, NULL, entry);
	}
	json_close(json, ']');
}

static void json_section(const struct acl_section *section, struct json *json)
{
	json_count(json, "class", section->acl_class);
	json_list(&section->lists[ACL_SUBSCRIBE], "subscribe", json);
	json_list(&section->lists[ACL_PUBLISH], "publish", json);
	json_close(json, '}');
}

void config_print_json(const struct config *config, FILE *file)
{
	struct json json = {file, false};

	json_open(&json, NULL, '{');
	json_text(&json, "version", msg_version());
	json_text(&json, "file", config->file);
	json_settings(config, &json);
	json_open(&json, "quota", '{');
	for (int i = 0; i < ACCOUNT_KIND_COUNT; i++)
		json_count(&json, account_key((enum account_kind)i),
			config->limits.most[i]);
	json_flag(&json, "root_exempt", config->limits.root_exempt);
	json_close(&json, '}');
	json_open(&json, "topics", '[');
	for (uint32_t i = 0; i < config->acl.count; i++) {
		json_open(&json, NULL, '{');
		json_text(&json, "pattern", config->acl.sections[i].pattern);
		json_section(&config->acl.sections[i], &json);
	}
	json_close(&json, ']');
	json_open(&json, "default", '{');
	json_section(&config->acl.other, &json);
	json_close(&json, '}');
	fputc('\n', file);
}
