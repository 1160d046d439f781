/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * recording_event.c - events of a recording as JSON and back; see recording.h.
 *
 * What is read may be anything: an object of texts and whole numbers, without
 * objects or lists in it, is all that is understood, and needs no recursion.
 */
#include "recording.h"

#include <stdio.h>
#include <stdlib.h>

#include "delivery.h"
#include "json.h"

#define KEY_BYTES 32
#define VALUE_BYTES 512

static const char schema_text[] =
	"{\"title\":\"msg.Event\",\"type\":\"object\",\"description\":"
	"\"What a recorder of msg missed or was told of a publisher.  `lost` "
	"messages up to the one before `sequence` are not in the recording.\","
	"\"properties\":{"
	"\"event\":{\"type\":\"string\"},"
	"\"topic\":{\"type\":\"string\"},"
	"\"publisher\":{\"type\":\"string\"},"
	"\"sequence\":{\"type\":\"integer\"},"
	"\"lost\":{\"type\":\"integer\"},"
	"\"first\":{\"type\":\"integer\"},"
	"\"last\":{\"type\":\"integer\"},"
	"\"network\":{\"type\":\"integer\"},"
	"\"reason\":{\"type\":\"string\"}}}";

struct mcap_schema recording_event_schema(void)
{
	return (struct mcap_schema){
		.name = mcap_text("msg.Event"),
		.encoding = mcap_text("jsonschema"),
		.data = mcap_text(schema_text),
	};
}

const char *recording_loss_text(uint32_t reason)
{
	if (reason == RECORDING_LOSS_DISK)
		return "disk";
	if (reason == RECORDING_LOSS_DAMAGED)
		return "damaged";
	return delivery_loss(reason);
}

bool recording_event_write(
	const struct recording_event *event, struct mcap_bytes *bytes)
{
	char *text = NULL;
	size_t length = 0;
	struct json json = {open_memstream(&text, &length), false};

	if (!json.file)
		return false;
	json_open(&json, NULL, '{');
	json_text(&json, "event", event->event);
	json_text(&json, "topic", event->topic);
	json_id(&json, "publisher", event->publisher);
	json_count(&json, "sequence", event->sequence);
	if (event->lost > 0) {
		json_count(&json, "lost", event->lost);
		json_count(&json, "first", event->sequence - event->lost);
		json_count(&json, "last", event->sequence - 1);
		json_count(&json, "network", event->network);
	}
	if (event->reason[0])
		json_text(&json, "reason", event->reason);
	json_close(&json, '}');
	if (fclose(json.file) != 0) {
		free(text);
		return false;
	}
	mcap_put(bytes, text, length);
	free(text);
	return !bytes->failed;
}

/* ---- reading ------------------------------------------------------------- */

struct scan {
	const char *at, *end;
};

static void skip_blanks(struct scan *scan)
{
	while (scan->at < scan->end &&
		(*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\t' ||
			*scan->at == '\r'))
		scan->at++;
}

static bool take(struct scan *scan, char c)
{
	skip_blanks(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

/* Four hex digits; above 0xffff when they are not. */
static uint32_t hex4(struct scan *scan)
{
	uint32_t code = 0;

	for (int i = 0; i < 4; i++) {
		const char *digits = "0123456789abcdef", *digit;

		if (scan->at == scan->end || *scan->at == '\0')
			return UINT32_MAX;
		digit = strchr(digits, *scan->at++ | 0x20);
		if (!digit)
			return UINT32_MAX;
		code = code << 4 | (uint32_t)(digit - digits);
	}
	return code;
}

static size_t utf8_encode(uint32_t code, char *to)
{
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | code >> 12);
	to[1] = (char)(0x80 | (code >> 6 & 0x3f));
	to[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/* One character behind a backslash; 0 bytes: none that we write. */
static size_t unescape(struct scan *scan, char *to)
{
	uint32_t code;

	if (scan->at == scan->end)
		return 0;
	switch (*scan->at++) {
	case '"':
		return *to = '"', 1;
	case '\\':
		return *to = '\\', 1;
	case '/':
		return *to = '/', 1;
	case 'u':
		code = hex4(scan);
		/* Zeros and halves of pairs are in no text of ours. */
		if (code == 0 || code > 0xffff ||
			(code >= 0xd800 && code < 0xe000))
			return 0;
		return utf8_encode(code, to);
	default:
		return 0;
	}
}

static bool take_text(struct scan *scan, char *to, size_t capacity)
{
	size_t bytes = 0;

	if (!take(scan, '"'))
		return false;
	while (scan->at < scan->end && *scan->at != '"') {
		size_t more = 1;

		if (bytes + 4 > capacity)
			return false;
		if (*scan->at != '\\')
			to[bytes] = *scan->at++;
		else if ((scan->at++, more = unescape(scan, to + bytes)) == 0)
			return false;
		if (to[bytes] == '\0')
			return false;
		bytes += more;
	}
	to[bytes] = '\0';
	return take(scan, '"');
}

static bool take_number(struct scan *scan, uint64_t *value)
{
	bool any = false;

	*value = 0;
	skip_blanks(scan);
	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
		uint64_t digit = (uint64_t)(*scan->at++ - '0');

		if (*value > (UINT64_MAX - digit) / 10)
			return false;
		*value = *value * 10 + digit;
		any = true;
	}
	return any;
}

static bool set_text(char *to, size_t capacity, const char *value)
{
	size_t bytes = strlen(value);

	if (bytes >= capacity)
		return false;
	memcpy(to, value, bytes + 1);
	return true;
}

static bool note_text(
	struct recording_event *event, const char *key, const char *value)
{
	if (strcmp(key, "event") == 0)
		return set_text(event->event, sizeof event->event, value);
	if (strcmp(key, "topic") == 0)
		return set_text(event->topic, sizeof event->topic, value);
	if (strcmp(key, "reason") == 0)
		return set_text(event->reason, sizeof event->reason, value);
	if (strcmp(key, "publisher") == 0) {
		if (strlen(value) != 16 ||
			value[strspn(value, "0123456789abcdef")])
			return false;
		event->publisher = strtoull(value, NULL, 16);
	}
	return true;
}

static void note_number(
	struct recording_event *event, const char *key, uint64_t value)
{
	if (strcmp(key, "sequence") == 0)
		event->sequence = value;
	else if (strcmp(key, "lost") == 0)
		event->lost = value;
	else if (strcmp(key, "network") == 0)
		event->network = value;
}

static bool take_pair(struct scan *scan, struct recording_event *event)
{
	char key[KEY_BYTES], value[VALUE_BYTES];
	uint64_t number;

	if (!take_text(scan, key, sizeof key) || !take(scan, ':'))
		return false;
	if (take(scan, '"')) {
		scan->at--;
		return take_text(scan, value, sizeof value) &&
		       note_text(event, key, value);
	}
	if (!take_number(scan, &number))
		return false;
	note_number(event, key, number);
	return true;
}

bool recording_event_read(
	struct recording_event *event, const void *data, size_t bytes)
{
	struct scan scan = {data, (const char *)data + bytes};

	*event = (struct recording_event){0};
	if (!take(&scan, '{'))
		return false;
	do {
		if (!take_pair(&scan, event))
			return false;
	} while (take(&scan, ','));
	return take(&scan, '}') && event->event[0] &&
	       event->lost <= event->sequence && event->network <= event->lost;
}
