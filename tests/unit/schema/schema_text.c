/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema_text.c - for schema_text.sh: types as text, and their hashes.
 *
 *     schema_text print SET TYPE    the text of a type
 *     schema_text hash SET TYPE     its hash
 *     schema_text write SET TYPE    the FileDescriptorSet that we write of the
 *                                   generated code for it
 *
 * SET "-" is the one protoc made of the .proto files here.
 */
#include "types.h"

#include "fresh.pb-c.h"
#include "old.pb-c.h"

static char text[1 << 20];

static struct msg_type *open_type(const char *set, const char *name)
{
	struct msg_type *type;
	FILE *file;
	size_t bytes;

	if (strcmp(set, "-") == 0)
		return types_read(name);
	file = fopen(set, "rb");
	if (!file)
		exit(2);
	bytes = fread(text, 1, sizeof text, file);
	fclose(file);
	if (msg_type_of_schema(
		    MSG_ENCODING_PROTOBUF, name, text, bytes, &type) < 0) {
		fprintf(stderr, "%s: %s\n", name, msg_error_text());
		exit(1);
	}
	return type;
}

static void write_generated(const char *name)
{
	struct msg_type *type;
	size_t bytes;
	const void *schema;

	if (msg_type_of_protobuf(strcmp(name, "old.v1.Order") == 0
					 ? &old__v1__order__descriptor
				 : strcmp(name, "fresh.v1.Reading") == 0
					 ? &fresh__v1__reading__descriptor
					 : &fresh__v1__table__descriptor,
		    &type) < 0)
		exit(1);
	schema = msg_type_schema(type, &bytes);
	fwrite(schema, 1, bytes, stdout);
	msg_type_close(type);
}

int main(int argc, char **argv)
{
	struct msg_type *type;

	if (argc != 4)
		return 2;
	if (strcmp(argv[1], "write") == 0) {
		write_generated(argv[3]);
		return 0;
	}
	type = open_type(argv[2], argv[3]);
	if (strcmp(argv[1], "hash") == 0)
		printf("%016llx\n", (unsigned long long)msg_type_hash(type));
	else if (msg_type_print(type, text, sizeof text) > 0)
		fputs(text, stdout);
	msg_type_close(type);
	return 0;
}
