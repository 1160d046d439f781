/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_golden.c - the frames of proto/golden mean what they say they mean.
 *
 * A file holds a frame in hex; its lines that start with "#=" say what a
 * receiver finds in it.  The test decodes the frame, writes down what it found
 * in the same words, and compares; then it encodes that again and compares the
 * bytes.  The files were made by an independent program from the specification,
 * so that an encoder and a decoder that are wrong together do not pass.
 */
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "protocol/fragment.h"
#include "protocol/frame.h"
#include "protocol/large.h"
#include "protocol/shelf.h"
#include "protocol/pack.h"
#include "protocol/question.h"
#include "protocol/report.h"
#include "topic/announce.h"

struct golden {
	char expected[4096]; /* The "#=" lines. */
	char found[4096];    /* What we say instead. */
	uint8_t data[4096];  /* The frame, as it arrived. */
	size_t bytes;
	uint8_t again[4096]; /* The frame, as we write it. */
	size_t again_bytes;  /* 0: malformed, nothing to write. */
};

/* ---- the file ---------------------------------------------------------- */

static void load(struct golden *golden, const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];

	ck_assert_msg(file != NULL, "%s", path);
	memset(golden, 0, sizeof *golden);
	while (fgets(line, sizeof line, file)) {
		char *at = line, *end;

		if (strncmp(line, "#= ", 3) == 0)
			strcat(golden->expected, line + 3);
		if (line[0] == '#')
			continue;
		for (;; at = end) {
			unsigned long byte = strtoul(at, &end, 16);

			if (end == at)
				break;
			ck_assert_uint_le(byte, 255);
			golden->data[golden->bytes++] = (uint8_t)byte;
		}
	}
	fclose(file);
}

/* ---- our words for it -------------------------------------------------- */

static void say(struct golden *golden, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void say(struct golden *golden, const char *format, ...)
{
	size_t used = strlen(golden->found);
	va_list args;

	va_start(args, format);
	vsnprintf(golden->found + used, sizeof golden->found - used, format,
		args);
	va_end(args);
}

static const char *type_name(unsigned type)
{
	static const char *const names[] = {
		"", "single", "packed", "fragment", "announce", "", "probe",
		"report", "large", "shelf", "", "", "question", "answer"};

	return names[type];
}

static void say_header(struct golden *golden, const struct msg_frame *frame)
{
	say(golden, "bytes %u\n", frame->bytes);
	say(golden, "tag 0x%08" PRIx32 "\n", frame->tag);
	say(golden, "publisher 0x%08" PRIx32 "\n", frame->publisher);
	say(golden, "transmission %" PRIu32 "\n", frame->transmission);
	if (!(frame->flags & MSG_FRAME_REPAIR)) {
		say(golden, "sequence %" PRIu64 "\n", frame->sequence);
		return;
	}
	say(golden, "serial %" PRIu64 "\n", frame->sequence >> 32);
	say(golden, "sequence, low half %" PRIu32 "\n",
		(uint32_t)frame->sequence);
}

static void say_flags(struct golden *golden, const struct msg_frame *frame)
{
	if (frame->flags == 0)
		return;
	say(golden, "flags%s%s\n",
		frame->flags & MSG_FRAME_RELIABLE ? " reliable" : "",
		frame->flags & MSG_FRAME_REPAIR ? " repair" : "");
}

static void say_reach(struct golden *golden, const struct msg_reach *reach)
{
	say(golden, "reach ");
	for (unsigned i = 0; i < reach->bytes; i++)
		say(golden, "%02x", reach->data[i]);
	say(golden, "\n");
}

/* Each of these reads a body, says what it found, and writes the body again;
 * it returns the bytes written, or -1 if the body is malformed. */

static int packed_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_pack_reader reader;
	const uint8_t *data;
	struct msg_pack pack;
	uint32_t length;

	if (msg_pack_open(&reader, body, bytes) < 0)
		return -1;
	say_header(golden, frame);
	msg_pack_start(&pack, bytes);
	while (msg_pack_next(&reader, &data, &length)) {
		say(golden, "message %u \"%.*s\"\n", pack.count, (int)length,
			(const char *)data);
		memcpy(again + pack.used, data, length);
		msg_pack_add(&pack, length);
	}
	return (int)msg_pack_finish(&pack, again);
}

static int fragment_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_fragment fragment;
	const uint8_t *part = body + MSG_FRAGMENT_HEADER_BYTES;

	if (!msg_fragment_read(body, bytes, &fragment))
		return -1;
	say_header(golden, frame);
	say(golden, "total %" PRIu32 "\n", fragment.total);
	say(golden, "offset %" PRIu32 "\n", fragment.offset);
	say(golden, "part \"%.*s\"\n", (int)fragment.bytes, (const char *)part);
	msg_fragment_write(again, &fragment);
	memcpy(again + MSG_FRAGMENT_HEADER_BYTES, part, fragment.bytes);
	return (int)(MSG_FRAGMENT_HEADER_BYTES + fragment.bytes);
}

static int announce_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_announcement a;

	if (!msg_announce_unpack(&a, body, bytes))
		return -1;
	ck_assert_uint_eq(a.publisher, frame->publisher);
	say_header(golden, frame);
	say(golden, "topic \"%s\"\n", a.topic);
	say(golden, "incarnation 0x%016" PRIx64 "\n", a.incarnation);
	say(golden, "next_sequence %" PRIu64 "\n", a.next_sequence);
	say(golden, "message_bytes_max %" PRIu32 "\n", a.message_bytes_max);
	say(golden, "frame_bytes %" PRIu32 "\n", a.frame_bytes);
	say(golden, "period_ms %" PRIu32 "\n", a.period_ms);
	say(golden, "host \"%s\"\n", a.host);
	say(golden, "program \"%s\"\n", a.program);
	say(golden, "pid %" PRIu32 "\n", a.pid);
	say(golden, "uid %" PRIu32 "\n", a.uid);
	say(golden, "closing %d\n", a.closing);
	return (int)msg_announce_pack(&a, again);
}

static int single_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	say_header(golden, frame);
	say(golden, "message 0 \"%.*s\"\n", (int)bytes, (const char *)body);
	memcpy(again, body, bytes);
	return (int)bytes;
}

/* The next two write header and body, so the header twice in all. */

static int probe_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_probe p;

	(void)bytes;
	if (!msg_probe_read(&p, frame, body))
		return -1;
	say_header(golden, frame);
	say(golden, "incarnation 0x%016" PRIx64 "\n", p.incarnation);
	say(golden, "stamp 0x%016" PRIx64 "\n", p.stamp);
	say(golden, "first_sequence %" PRIu64 "\n", p.first_sequence);
	say(golden, "first %" PRIu32 "\n", p.first);
	say(golden, "serial %" PRIu32 "\n", p.serial);
	say(golden, "period_ms %u\n", p.period_ms);
	say(golden, "flags %u\n", p.flags);
	say_reach(golden, &p.reach);
	return (int)(msg_probe_write(again - MSG_FRAME_HEADER_BYTES, &p,
			     frame->tag, frame->publisher) -
		     MSG_FRAME_HEADER_BYTES);
}

static int report_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_report r;

	(void)bytes;
	if (!msg_report_read(&r, frame, body))
		return -1;
	say_header(golden, frame);
	say(golden, "receiver 0x%016" PRIx64 "\n", r.receiver);
	say(golden, "stamp 0x%016" PRIx64 "\n", r.stamp);
	say(golden, "heard %" PRIu32 "\n", r.heard);
	say(golden, "serial %" PRIu32 "\n", r.serial);
	say(golden, "position %" PRIu32 "\n", r.position);
	say(golden, "window %" PRIu32 "\n", r.window);
	say(golden, "base %" PRIu32 "\n", r.base);
	say(golden, "count %u\n", r.count);
	say(golden, "flags %u\n", r.flags);
	say(golden, "history %" PRIu32 "\n", r.history);
	say(golden, "rtt_ns %" PRIu32 "\n", r.rtt_ns);
	say_reach(golden, &r.reach);
	say(golden, "missing");
	for (uint32_t bit = 0; bit < r.count; bit++)
		if (msg_report_misses(&r, bit))
			say(golden, " %" PRIu32, r.base + bit);
	say(golden, "\n");
	return (int)(msg_report_write(again - MSG_FRAME_HEADER_BYTES, &r,
			     frame->tag, frame->publisher) -
		     MSG_FRAME_HEADER_BYTES);
}

static int large_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_large l;

	if (!msg_large_read(body, bytes, &l))
		return -1;
	say_header(golden, frame);
	say(golden, "total %" PRIu64 "\n", l.total);
	say(golden, "address 0x%016" PRIx64 "\n", l.address);
	say(golden, "key 0x%016" PRIx64 "\n", l.key);
	say(golden, "serial 0x%016" PRIx64 "\n", l.serial);
	say_reach(golden, &l.reach);
	msg_large_write(again, &l);
	return MSG_LARGE_BYTES;
}

static int shelf_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_reach reach;

	(void)bytes;
	if (!msg_shelf_hear(&reach, frame, body))
		return -1;
	say_header(golden, frame);
	say_reach(golden, &reach);
	msg_shelf_say(again - MSG_FRAME_HEADER_BYTES, &reach, frame->tag,
		frame->publisher);
	return MSG_SHELF_BODY_BYTES;
}

static int question_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_question q;

	(void)bytes;
	if (!msg_question_read(&q, frame, body))
		return -1;
	say_header(golden, frame);
	say(golden, "token 0x%016" PRIx64 "\n", q.token);
	say_reach(golden, &q.reach);
	msg_question_write(again - MSG_FRAME_HEADER_BYTES, &q);
	return (int)(q.frame_bytes - MSG_FRAME_HEADER_BYTES);
}

static int answer_body(struct golden *golden, const struct msg_frame *frame,
	const uint8_t *body, uint32_t bytes, uint8_t *again)
{
	struct msg_answer a;

	(void)bytes;
	if (!msg_answer_read(&a, frame, body))
		return -1;
	say_header(golden, frame);
	say(golden, "token 0x%016" PRIx64 "\n", a.token);
	say(golden, "total %" PRIu32 "\n", a.total);
	say(golden, "part %.*s\n", (int)a.bytes, (const char *)a.part);
	return (int)(msg_answer_write(again - MSG_FRAME_HEADER_BYTES, &a) -
		     MSG_FRAME_HEADER_BYTES);
}

static void decode(struct golden *golden)
{
	static int (*const readers[])(struct golden *, const struct msg_frame *,
		const uint8_t *, uint32_t, uint8_t *) = {
		NULL, single_body, packed_body, fragment_body, announce_body,
		NULL, probe_body, report_body, large_body, shelf_body, NULL, NULL,
		question_body, answer_body};
	const uint8_t *body = golden->data + MSG_FRAME_HEADER_BYTES;
	struct msg_frame frame;
	enum msg_frame_fault fault =
		msg_frame_read(golden->data, golden->bytes, &frame);
	int bytes;

	say(golden, "fault %s\n", msg_frame_fault_name(fault));
	if (fault != MSG_FRAME_OK)
		return;
	say(golden, "type %s\n", type_name(frame.type));
	say_flags(golden, &frame);
	bytes = readers[frame.type](golden, &frame, body,
		frame.bytes - MSG_FRAME_HEADER_BYTES,
		golden->again + MSG_FRAME_HEADER_BYTES);
	if (bytes < 0) {
		say(golden, "body malformed\n");
		return;
	}
	if (frame.bytes < golden->bytes)
		say(golden, "trailing %zu\n", golden->bytes - frame.bytes);
	golden->again_bytes = MSG_FRAME_HEADER_BYTES + (size_t)bytes;
	ck_assert_uint_eq(golden->again_bytes, frame.bytes);
	msg_frame_write(golden->again, &frame);
}

START_TEST(golden_frames_decode_as_stated_and_encode_to_the_same_bytes)
{
	static struct golden golden;
	DIR *folder = opendir(GOLDEN_DIR);
	struct dirent *entry;
	unsigned good = 0, bad = 0;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder))) {
		char path[4096];

		if (!strstr(entry->d_name, ".hex"))
			continue;
		snprintf(path, sizeof path, GOLDEN_DIR "/%s", entry->d_name);
		load(&golden, path);
		decode(&golden);
		ck_assert_msg(strcmp(golden.found, golden.expected) == 0,
			"%s says\n%sbut we found\n%s", entry->d_name,
			golden.expected, golden.found);
		ck_assert_msg(memcmp(golden.again, golden.data,
				      golden.again_bytes) == 0,
			"%s encodes to other bytes", entry->d_name);
		*(golden.again_bytes ? &good : &bad) += 1;
	}
	closedir(folder);
	ck_assert_uint_ge(good, 13);
	ck_assert_uint_ge(bad, 29);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("golden");
	TCase *golden = check_case(suite, "golden", 10);

	tcase_add_test(golden,
		golden_frames_decode_as_stated_and_encode_to_the_same_bytes);
	return check_main(suite, NULL);
}
