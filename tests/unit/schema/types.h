/* SPDX-License-Identifier: BSD-2-Clause */
/* types.h - what the tests of schema/ have in common. */
#ifndef TESTS_UNIT_SCHEMA_TYPES_H
#define TESTS_UNIT_SCHEMA_TYPES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msg/type.h>

/* The FileDescriptorSet that protoc made of all the .proto files here. */
static inline uint8_t *types_set(size_t *bytes)
{
	FILE *file = fopen(TYPES_PB, "rb");
	uint8_t *data = malloc(1 << 20);

	if (!file || !data)
		abort();
	*bytes = fread(data, 1, 1 << 20, file);
	fclose(file);
	return data;
}

/* A type of it. */
static inline struct msg_type *types_read(const char *name)
{
	struct msg_type *type;
	size_t bytes;
	uint8_t *set = types_set(&bytes);
	int result = msg_type_of_schema(
		MSG_ENCODING_PROTOBUF, name, set, bytes, &type);

	free(set);
	if (result < 0) {
		fprintf(stderr, "%s: %s\n", name, msg_error_text());
		abort();
	}
	return type;
}

#endif
