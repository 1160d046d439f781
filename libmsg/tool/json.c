/* SPDX-License-Identifier: BSD-2-Clause */
/* json.c - write JSON that is always valid; see json.h. */
#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "text.h"

static void quote(FILE *file, const unsigned char *at, size_t bytes)
{
	fputc('"', file);
	while (bytes > 0) {
		uint32_t code = 0;
		size_t length = utf8_decode(at, bytes, &code);

		if (length == 0) {
			fputs("\\ufffd", file);
			length = 1;
		} else if (code == '"' || code == '\\') {
			fputc('\\', file);
			fputc((int)code, file);
		} else if (!text_printable(code)) {
			fprintf(file, "\\u%04x", code);
		} else {
			fwrite(at, 1, length, file);
		}
		at += length;
		bytes -= length;
	}
	fputc('"', file);
}

static void begin(struct json *json, const char *key)
{
	if (json->comma)
		fputc(',', json->file);
	json->comma = true;
	if (key) {
		quote(json->file, (const unsigned char *)key, strlen(key));
		fputc(':', json->file);
	}
}

void json_open(struct json *json, const char *key, char bracket)
{
	begin(json, key);
	fputc(bracket, json->file);
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	fputc(bracket, json->file);
	json->comma = true;
}

void json_text(struct json *json, const char *key, const char *text)
{
	begin(json, key);
	quote(json->file, (const unsigned char *)text, strlen(text));
}

void json_count(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->file, "%" PRIu64, value);
}

void json_number(struct json *json, const char *key, double value)
{
	begin(json, key);
	if (isfinite(value))
		fprintf(json->file, "%.9g", value);
	else
		fputs("null", json->file);
}

void json_flag(struct json *json, const char *key, bool value)
{
	begin(json, key);
	fputs(value ? "true" : "false", json->file);
}

void json_id(struct json *json, const char *key, uint64_t value)
{
	begin(json, key);
	fprintf(json->file, "\"%016" PRIx64 "\"", value);
}

void json_ready(struct json *json, const char *key, const char *value)
{
	begin(json, key);
	fputs(value, json->file);
}

static void base64(FILE *file, const unsigned char *at, size_t bytes)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes; i += 3) {
		uint32_t word = (uint32_t)at[i] << 16;

		if (i + 1 < bytes)
			word |= (uint32_t)at[i + 1] << 8;
		if (i + 2 < bytes)
			word |= at[i + 2];
		fputc(letters[word >> 18], file);
		fputc(letters[word >> 12 & 63], file);
		fputc(i + 1 < bytes ? letters[word >> 6 & 63] : '=', file);
		fputc(i + 2 < bytes ? letters[word & 63] : '=', file);
	}
}

void json_payload(struct json *json, const void *data, size_t bytes)
{
	if (utf8_valid(data, bytes)) {
		begin(json, "text");
		quote(json->file, data, bytes);
		return;
	}
	begin(json, "base64");
	fputc('"', json->file);
	base64(json->file, data, bytes);
	fputc('"', json->file);
}
