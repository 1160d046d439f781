/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * typed_struct.c - publish a plain C struct that others can read by name:
 *
 *     msg echo lab.oven
 */
#include <stdio.h>
#include <unistd.h>

#include <msg/type.h>

struct oven {
	char name[12];
	uint32_t step;
	double celsius[2];
};

static const struct msg_cstruct_field fields[] = {
	MSG_CSTRUCT_FIELD(struct oven, name, MSG_FIELD_CHAR),
	MSG_CSTRUCT_FIELD(struct oven, step, MSG_FIELD_UINT32),
	MSG_CSTRUCT_FIELD(struct oven, celsius, MSG_FIELD_DOUBLE),
};
static const struct msg_cstruct table = {
	"oven", sizeof(struct oven), fields, sizeof fields / sizeof *fields};

int main(void)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node *node;
	struct msg_type *type;

	options.topic = "lab.oven";
	if (msg_type_of_cstruct(&table, &type) < 0 ||
		msg_node_open(NULL, &node) < 0) {
		fprintf(stderr, "typed_struct: %s\n", msg_error_text());
		return 1;
	}
	options.type = type;
	if (msg_publisher_open(node, &options, &publisher) < 0) {
		fprintf(stderr, "typed_struct: %s\n", msg_error_text());
		return 1;
	}
	msg_type_close(type); /* The publisher keeps it. */
	for (uint32_t i = 0; i < 50; i++) {
		struct oven oven = {"east", i, {180.5 + i, 20}};

		if (msg_publish(publisher, &oven, sizeof oven) < 0)
			fprintf(stderr, "typed_struct: step %u is lost\n", i);
		usleep(100000);
	}
	msg_publisher_close(publisher);
	msg_node_close(node);
	return 0;
}
