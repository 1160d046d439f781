/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json.h - write JSON that is always valid.
 *
 * Commas and nesting are kept here; strings are escaped, and what is not
 * UTF-8 gets U+FFFD for each broken byte (payloads take json_payload, which
 * loses nothing).  Every key may be NULL inside an array.
 */
#ifndef TOOL_JSON_H
#define TOOL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *file;
	bool comma; /* Whether the next value needs one before it. */
};

void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_text(struct json *json, const char *key, const char *text);
void json_count(struct json *json, const char *key, uint64_t value);
void json_number(struct json *json, const char *key, double value);
void json_flag(struct json *json, const char *key, bool value);

/* An identity of 64 bits, as 16 hex digits: numbers of JSON have only 53. */
void json_id(struct json *json, const char *key, uint64_t value);

/* A value that is JSON already. */
void json_ready(struct json *json, const char *key, const char *value);

/* "text": …, when the bytes are UTF-8, else "base64": …. */
void json_payload(struct json *json, const void *data, size_t bytes);

#endif
