/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type.c - `msg type TOPIC`: what a topic's messages are made of.
 *
 * The schema comes from the publisher, or from the broker of this host, and is
 * shown as a .proto file or a C struct.
 */
#include "command.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/type.h>

#include "json.h"
#include "lane.h"
#include "options.h"
#include "text.h"

enum {
	OPTION_JSON = OPTION_LONG,
	OPTION_SCHEMA,
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "one JSON object: name, hash, text"},
	{OPTION_SCHEMA, "schema", NULL,
		"the bytes of the schema and nothing else: of protobuf a "
		"FileDescriptorSet"},
	{'t', "timeout", "SEC", "how long to ask (3)"},
	OPTION_END,
};

struct type_command {
	struct lane_choice lane;
	bool as_json;
	bool schema;
	double timeout;
};

/* Why the library's last call failed, fit to be shown. */
static const char *escaped_error(void)
{
	static char safe[1024];

	text_escape(safe, sizeof safe, msg_error_text());
	return safe;
}

static const char *encoding_name(int encoding)
{
	return encoding == MSG_ENCODING_PROTOBUF ? "protobuf" : "cstruct";
}

/* The text of the schema, to be freed; NULL: no memory. */
static char *print_type(const struct msg_type *type)
{
	int bytes = msg_type_print(type, NULL, 0);
	char *text = bytes < 0 ? NULL : malloc((size_t)bytes + 1);

	if (text && msg_type_print(type, text, (size_t)bytes + 1) < 0) {
		free(text);
		return NULL;
	}
	return text;
}

static int show(const struct type_command *c, const char *topic,
	const struct msg_type *type)
{
	struct json json = {stdout, false};
	char *text = print_type(type);
	size_t bytes;
	const void *schema = msg_type_schema(type, &bytes);

	if (!text) {
		complain("no memory for the schema");
		return TOOL_EXIT_UNMET;
	}
	if (c->schema) {
		fwrite(schema, 1, bytes, stdout);
	} else if (c->as_json) {
		json_open(&json, NULL, '{');
		json_text(&json, "topic", topic);
		json_text(&json, "type", msg_type_name(type));
		json_text(&json, "encoding",
			encoding_name(msg_type_encoding(type)));
		json_id(&json, "hash", msg_type_hash(type));
		json_count(&json, "schema_bytes", bytes);
		json_text(&json, "text", text);
		json_close(&json, '}');
		putchar('\n');
	} else {
		say("%s carries %s (%s, hash %016" PRIx64 ", %zu bytes)",
			topic, msg_type_name(type),
			encoding_name(msg_type_encoding(type)),
			msg_type_hash(type), bytes);
		fputs(text, stdout);
	}
	free(text);
	return TOOL_EXIT_OK;
}

static int show_type(const struct type_command *c, struct msg_node *node,
	const char *topic)
{
	struct msg_directory *directory;
	struct msg_type *type;
	int code, error = msg_directory_open(node, topic, &directory);

	if (error < 0)
		return lane_fail("cannot listen to announcements", error);
	error = msg_type_fetch(
		directory, topic, 0, (int64_t)(c->timeout * 1e9), &type);
	if (error < 0) {
		complain("%s", escaped_error());
		code = error == -MSG_ERROR_TIMEOUT ? TOOL_EXIT_UNMET
						   : lane_exit(error);
	} else {
		code = show(c, topic, type);
		msg_type_close(type);
	}
	msg_directory_close(directory);
	return code;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct type_command c = {.lane = LANE_CHOICE, .timeout = 3};
	struct msg_node *node;
	int id, code = TOOL_EXIT_UNMET;

	while ((id = options_next(command, &c.lane, argc, argv)) >= 0) {
		if (id == OPTION_JSON)
			c.as_json = true;
		else if (id == OPTION_SCHEMA)
			c.schema = true;
		else
			c.timeout = value_seconds("--timeout", optarg);
	}
	options_operands(argc, 1, "TOPIC");
	if (c.as_json && c.schema)
		usage_fail("--json and --schema exclude each other");
	if (msg_topic_match("*", argv[optind]) < 0)
		usage_fail("%s", escaped_error());
	node = lane_open(&c.lane, &code);
	if (!node)
		return code;
	code = show_type(&c, node, argv[optind]);
	msg_node_close(node);
	return code;
}

const struct command command_type = {
	"type",
	"[OPTION...] TOPIC",
	"Show what the messages of a topic are made of.",
	"The type is the one that the first publisher heard names: as a .proto "
	"file, or as a\nC struct.  It comes from the publisher, who says what it "
	"likes.",
	options,
	true,
	run,
};
