/* SPDX-License-Identifier: BSD-2-Clause */
/* test_recording.c - events and channels of recordings; see recording.h. */
#include "tool/recording.h"

#include <stdio.h>

#include "check_main.h"

#define TRIALS (20000 / MSG_TEST_FEWER)

static struct recording_event event, again;
static struct mcap_bytes json;

/* ---- events -------------------------------------------------------------- */

/* Any text that a topic may be: UTF-8, no zeros. */
static void make_text(struct random_stream *random, char *text, size_t capacity)
{
	static const char *const pieces[] = {"a", ".", "\"", "\\", "/", "ü",
		"€", " ", "{", "}", ",", ":", "\x1b", "\x7f", "0"};
	size_t bytes = 0;

	while (bytes + 4 < capacity && !random_chance(random, 60)) {
		const char *piece = pieces[random_below(
			random, sizeof pieces / sizeof *pieces)];

		bytes += (size_t)snprintf(
			text + bytes, capacity - bytes, "%s", piece);
	}
}

static void make_event(struct random_stream *random)
{
	event = (struct recording_event){.event = "lost",
		.publisher = random_next(random),
		.sequence = random_next(random)};
	if (random_chance(random, 700))
		event.lost = 1 + random_below(random, event.sequence);
	if (event.lost > 0)
		event.network = random_below(random, event.lost + 1);
	make_text(random, event.topic, sizeof event.topic);
	make_text(random, event.reason, sizeof event.reason);
}

START_TEST(an_event_is_read_back)
{
	for (int trial = 0; trial < TRIALS; trial++) {
		struct random_stream random = {check_seed() + (uint64_t)trial};

		make_event(&random);
		json.bytes = 0;
		ck_assert(recording_event_write(&event, &json));
		ck_assert_msg(
			recording_event_read(&again, json.data, json.bytes),
			"seed %llx: %.*s",
			(unsigned long long)check_seed() +
				(unsigned long long)trial,
			(int)json.bytes, (char *)json.data);
		ck_assert_mem_eq(&again, &event, sizeof event);
	}
	mcap_bytes_free(&json);
}
END_TEST

START_TEST(an_event_cut_short_is_none)
{
	struct random_stream random = {check_seed()};

	make_event(&random);
	ck_assert(recording_event_write(&event, &json));
	for (size_t bytes = 0; bytes < json.bytes; bytes++)
		ck_assert(!recording_event_read(&again, json.data, bytes));
	mcap_bytes_free(&json);
}
END_TEST

static bool reads(const char *text)
{
	return recording_event_read(&again, text, strlen(text));
}

START_TEST(keys_that_are_not_known_are_passed_over)
{
	ck_assert(reads("{\"event\":\"new\",\"more\":7,\"text\":\"x\"}"));
	ck_assert_str_eq(again.event, "new");
	ck_assert(reads(" { \"event\" : \"a\" , \"sequence\" : 3 } "));
	ck_assert_uint_eq(again.sequence, 3);
}
END_TEST

START_TEST(what_is_no_event_is_refused)
{
	static const char *const texts[] = {"", "{", "{}", "[]", "null",
		"{\"event\":}", "{\"event\":\"\"}", "{\"event\":\"a\",}",
		"{\"event\":\"a\" \"b\":1}", "{\"event\":{\"a\":1}}",
		"{\"event\":\"a\",\"lost\":-1}",
		"{\"event\":\"a\",\"lost\":1.5}",
		"{\"event\":\"a\",\"lost\":18446744073709551616}",
		"{\"event\":\"a\",\"sequence\":1,\"lost\":2}",
		"{\"event\":\"a\",\"sequence\":2,\"lost\":1,\"network\":2}",
		"{\"event\":\"a\",\"publisher\":\"1\"}",
		"{\"event\":\"a\",\"publisher\":\"000000000000000g\"}",
		"{\"event\":\"longer than any of ours\"}",
		"{\"event\":\"\\u0000\"}", "{\"event\":\"\\ud800\"}",
		"{\"event\":\"\\x\"}", "{\"event\":\"\\u12\"}",
		"{\"event\":\"a\"", "{\"event\":\"a}"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		ck_assert_msg(!reads(texts[i]), "%s", texts[i]);
}
END_TEST

/* ---- channels ------------------------------------------------------------ */

static struct recording_channel channel, back;

static bool read_back(void)
{
	struct mcap_bytes pairs = {0};
	struct mcap_channel told = {.topic = mcap_text(channel.topic)};
	bool good;

	recording_channel_write(&channel, &pairs);
	told.metadata.pairs =
		(struct mcap_text){(const char *)pairs.data, pairs.bytes};
	good = recording_channel_read(&back, &told);
	mcap_bytes_free(&pairs);
	return good;
}

START_TEST(a_channel_is_read_back)
{
	channel = (struct recording_channel){.topic = "md.acme",
		.publisher = UINT64_MAX,
		.first_sequence = UINT64_MAX,
		.pid = UINT32_MAX,
		.uid = UINT32_MAX,
		.message_bytes_max = MSG_MESSAGE_BYTES_MAX,
		.reliability = MSG_RELIABILITY_RELIABLE,
		.host = "box",
		.program = "feed",
		.named = true};
	ck_assert(read_back());
	ck_assert_mem_eq(&back, &channel, sizeof channel);
}
END_TEST

START_TEST(a_channel_without_a_name_says_so)
{
	channel = (struct recording_channel){
		.topic = "md.acme", .publisher = 1, .first_sequence = 2};
	ck_assert(read_back());
	ck_assert_mem_eq(&back, &channel, sizeof channel);
}
END_TEST

START_TEST(events_are_no_topic)
{
	channel = (struct recording_channel){
		.topic = RECORDING_EVENTS_TOPIC, .events = true};
	ck_assert(!read_back());
	ck_assert(back.events);
}
END_TEST

START_TEST(names_of_other_writers_may_be_none_of_ours)
{
	static const char *const good[] = {"/camera/image", "a", "a.b"};
	static const char *const bad[] = {
		"", ".a", "a.", "a..b", "a b", "a.*", ">", "a\n"};
	struct mcap_channel told = {.metadata = {mcap_text("")}};
	char large[300];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		told.topic = mcap_text(good[i]);
		ck_assert_msg(
			recording_channel_read(&back, &told), "%s", good[i]);
		ck_assert_uint_eq(back.publisher, 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		told.topic = mcap_text(bad[i]);
		ck_assert_msg(
			!recording_channel_read(&back, &told), "%s", bad[i]);
	}
	memset(large, 'a', sizeof large);
	told.topic = (struct mcap_text){large, sizeof large};
	ck_assert(!recording_channel_read(&back, &told));
	told.topic = (struct mcap_text){"a\0b", 3};
	ck_assert(!recording_channel_read(&back, &told));
}
END_TEST

START_TEST(numbers_that_are_none_are_not_said)
{
	static const char *const texts[] = {"", "-1", " 1", "1x", "+1",
		"4294967296", "123456789012345678901234567890"};

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		struct mcap_bytes pairs = {0};
		struct mcap_channel told = {.topic = mcap_text("a")};

		mcap_put_pair(&pairs, "pid", mcap_text(texts[i]));
		told.metadata.pairs = (struct mcap_text){
			(const char *)pairs.data, pairs.bytes};
		ck_assert(recording_channel_read(&back, &told));
		ck_assert_msg(back.pid == 0, "%s", texts[i]);
		mcap_bytes_free(&pairs);
	}
}
END_TEST

/* ---- types --------------------------------------------------------------- */

struct oven {
	char name[8];
	double celsius;
};

START_TEST(bytes_without_a_type_are_raw)
{
	struct recording_type recorded;

	recording_type_of(NULL, &recorded);
	ck_assert(mcap_text_is(recorded.message_encoding, "raw"));
	ck_assert_uint_eq(recorded.schema.encoding.bytes, 0);
	ck_assert_ptr_null(recording_type_read(&recorded.schema));
}
END_TEST

START_TEST(a_type_is_read_back_from_its_schema)
{
	static const struct msg_cstruct_field fields[] = {
		MSG_CSTRUCT_FIELD(struct oven, name, MSG_FIELD_CHAR),
		MSG_CSTRUCT_FIELD(struct oven, celsius, MSG_FIELD_DOUBLE)};
	static const struct msg_cstruct table = {
		"oven", sizeof(struct oven), fields, 2};
	struct recording_type recorded;
	struct msg_type *type, *second;

	ck_assert_int_eq(msg_type_of_cstruct(&table, &type), 0);
	recording_type_of(type, &recorded);
	ck_assert(mcap_text_is(recorded.message_encoding, "cstruct"));
	ck_assert(mcap_text_is(recorded.schema.name, "oven"));
	second = recording_type_read(&recorded.schema);
	ck_assert_ptr_nonnull(second);
	ck_assert_uint_eq(msg_type_hash(second), msg_type_hash(type));
	msg_type_close(second);

	/* Of another name, of an encoding that we do not know, or no schema. */
	recorded.schema.name = mcap_text("stove");
	ck_assert_ptr_null(recording_type_read(&recorded.schema));
	recorded.schema.name = mcap_text("oven");
	recorded.schema.encoding = mcap_text("ros2msg");
	ck_assert_ptr_null(recording_type_read(&recorded.schema));
	recorded.schema.encoding = mcap_text("protobuf");
	ck_assert_ptr_null(recording_type_read(&recorded.schema));
	msg_type_close(type);
}
END_TEST

/* ---- numbers and times --------------------------------------------------- */

START_TEST(low_halves_of_sequences_go_on)
{
	static const uint64_t ends[] = {
		0, UINT32_MAX, 1ull << 32, 1ull << 63, UINT64_MAX - 10};

	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		for (uint64_t ahead = 0; ahead < 5; ahead++) {
			uint64_t wanted = ends[i] + ahead;

			ck_assert_uint_eq(
				recording_sequence(ends[i], (uint32_t)wanted),
				wanted);
		}
}
END_TEST

START_TEST(a_time_is_utc)
{
	char text[64];

	recording_time_text(0, text, sizeof text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00.000000Z");
	recording_time_text(1795847664123456789u, text, sizeof text);
	ck_assert_str_eq(text, "2026-11-28T06:34:24.123456Z");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("recording");
	TCase *events = check_case(suite, "events", 30);
	TCase *channels = check_case(suite, "channels", 10);

	tcase_add_test(events, an_event_is_read_back);
	tcase_add_test(events, an_event_cut_short_is_none);
	tcase_add_test(events, keys_that_are_not_known_are_passed_over);
	tcase_add_test(events, what_is_no_event_is_refused);
	tcase_add_test(channels, a_channel_is_read_back);
	tcase_add_test(channels, a_channel_without_a_name_says_so);
	tcase_add_test(channels, events_are_no_topic);
	tcase_add_test(channels, names_of_other_writers_may_be_none_of_ours);
	tcase_add_test(channels, numbers_that_are_none_are_not_said);
	tcase_add_test(channels, bytes_without_a_type_are_raw);
	tcase_add_test(channels, a_type_is_read_back_from_its_schema);
	tcase_add_test(channels, low_halves_of_sequences_go_on);
	tcase_add_test(channels, a_time_is_utc);
	return check_main(suite, NULL);
}
