/* SPDX-License-Identifier: BSD-2-Clause */
/* text.c - words for people; see text.h. */
#include "text.h"

#include <string.h>

size_t utf8_decode(const unsigned char *bytes, size_t count, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length;
	uint32_t value;

	if (count == 0)
		return 0;
	if (bytes[0] < 0x80) {
		*code = bytes[0];
		return 1;
	}
	if (bytes[0] >= 0xc2 && bytes[0] <= 0xdf)
		length = 2;
	else if (bytes[0] >= 0xe0 && bytes[0] <= 0xef)
		length = 3;
	else if (bytes[0] >= 0xf0 && bytes[0] <= 0xf4)
		length = 4;
	else
		return 0;
	if (length > count)
		return 0;
	value = bytes[0] & (0x7fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (bytes[i] & 0x3f);
	}
	if (value < smallest[length] || value > 0x10ffff ||
		(value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return length;
}

bool utf8_valid(const void *data, size_t bytes)
{
	const unsigned char *at = data;
	uint32_t code;

	while (bytes > 0) {
		size_t length = utf8_decode(at, bytes, &code);

		if (length == 0)
			return false;
		at += length;
		bytes -= length;
	}
	return true;
}

bool text_printable(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code <= 0x9f))
		return false;
	if (code == 0x061c || code == 0x200e || code == 0x200f)
		return false; /* Marks of direction. */
	if (code >= 0x2028 && code <= 0x202e)
		return false; /* Separators, embeddings and overrides. */
	return code < 0x2066 || code > 0x2069; /* Isolates. */
}

bool text_likely(const void *data, size_t bytes)
{
	const unsigned char *at = data;

	if (!utf8_valid(data, bytes))
		return false;
	for (size_t i = 0; i < bytes; i++) {
		if (at[i] < 0x20 && !strchr("\t\n\r\033", at[i]))
			return false;
		if (at[i] == 0)
			return false;
	}
	return true;
}

/* The shown form of the character at `at`, into `out` (at least 12 bytes);
 * returns how many bytes of input it stands for. */
static size_t shown_form(const unsigned char *at, size_t bytes, char *out)
{
	uint32_t code;
	size_t length = utf8_decode(at, bytes, &code);

	if (length == 0) {
		snprintf(out, 12, "\\x%02x", at[0]);
		return 1;
	}
	if (code == '\n')
		strcpy(out, "\\n");
	else if (code == '\r')
		strcpy(out, "\\r");
	else if (code == '\t')
		strcpy(out, "\\t");
	else if (code == '\\')
		strcpy(out, "\\\\");
	else if (text_printable(code)) {
		memcpy(out, at, length);
		out[length] = '\0';
	} else if (code < 0x80)
		snprintf(out, 12, "\\x%02x", code);
	else
		snprintf(out, 12, "\\u%04x", code);
	return length;
}

void text_write(FILE *file, const void *data, size_t bytes)
{
	const unsigned char *at = data;
	char form[12];

	while (bytes > 0) {
		size_t plain = 0, used;

		while (plain < bytes && at[plain] >= 0x20 && at[plain] < 0x7f &&
			at[plain] != '\\')
			plain++;
		if (plain > 0) {
			fwrite(at, 1, plain, file);
			at += plain;
			bytes -= plain;
			continue;
		}
		used = shown_form(at, bytes, form);
		fputs(form, file);
		at += used;
		bytes -= used;
	}
}

void text_escape(char *out, size_t capacity, const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	size_t bytes = strlen(text), filled = 0;
	char form[12];

	while (bytes > 0) {
		size_t used = shown_form(at, bytes, form);
		size_t length = strlen(form);

		if (filled + length + 1 > capacity)
			break;
		memcpy(out + filled, form, length);
		filled += length;
		at += used;
		bytes -= used;
	}
	out[filled] = '\0';
}

size_t text_columns(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += (*text & 0xc0) != 0x80;
	return columns;
}

const char *text_scaled(double value, char *out, size_t capacity)
{
	static const char *const prefixes[] = {"", " k", " M", " G", " T"};
	size_t prefix = 0;

	while (value >= 999.5 &&
		prefix + 1 < sizeof prefixes / sizeof *prefixes) {
		value /= 1000;
		prefix++;
	}
	if (prefix == 0 && value == (double)(long)value)
		snprintf(out, capacity, "%.0f", value);
	else
		snprintf(out, capacity, "%.3g%s", value, prefixes[prefix]);
	return out;
}

const char *text_time(double ns, char *out, size_t capacity)
{
	if (ns < 1e3)
		snprintf(out, capacity, "%.0f ns", ns);
	else if (ns < 999.5e3)
		snprintf(out, capacity, "%.3g us", ns / 1e3);
	else if (ns < 999.5e6)
		snprintf(out, capacity, "%.3g ms", ns / 1e6);
	else
		snprintf(out, capacity, "%.3g s", ns / 1e9);
	return out;
}

static void hex_line(
	FILE *file, const unsigned char *at, size_t offset, size_t count)
{
	fprintf(file, "%08zx ", offset);
	for (size_t i = 0; i < 16; i++) {
		if (i == 8)
			fputc(' ', file);
		if (i < count)
			fprintf(file, " %02x", at[i]);
		else
			fputs("   ", file);
	}
	fputs("  |", file);
	for (size_t i = 0; i < count; i++)
		fputc(at[i] >= 0x20 && at[i] < 0x7f ? at[i] : '.', file);
	fputs("|\n", file);
}

void text_hex(FILE *file, const void *data, size_t bytes)
{
	const unsigned char *at = data;

	for (size_t offset = 0; offset < bytes; offset += 16)
		hex_line(file, at + offset, offset,
			bytes - offset < 16 ? bytes - offset : 16);
}
