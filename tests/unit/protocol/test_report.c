/* SPDX-License-Identifier: BSD-2-Clause */
/* test_report.c - probes and reports, to bytes and back; see report.h. */
#include "protocol/report.h"

#include <string.h>

#include "check_main.h"
#include "protocol/bytes.h"

#define TAG 0x89abcdefu
#define PUBLISHER 0x01234567u
#define BODY MSG_FRAME_HEADER_BYTES

static uint8_t arrived[MSG_FRAME_HEADER_BYTES + MSG_REPORT_BYTES_MAX + 8];
static uint32_t bytes;
static struct msg_probe probe;
static struct msg_report report;

static struct msg_probe example_probe(void)
{
	return (struct msg_probe){
		.incarnation = 0x1122334401234567,
		.stamp = 0x0102030405060708,
		.next_sequence = 0xa000000000000064,
		.first_sequence = 0xa000000000000001,
		.next = 5,
		.first = 0xfffffffe,
		.serial = 0x31323334,
		.period_ms = 100,
		.flags = MSG_PROBE_ASK | MSG_PROBE_CLOSING,
		.reach = {3, {0xc1, 0xc2, 0xc3}},
	};
}

static struct msg_report example_report(void)
{
	return (struct msg_report){
		.receiver = 0x1122334455667788,
		.stamp = 0x0102030405060708,
		.heard = 0x41424344,
		.serial = 0x51525354,
		.position = 0x61626364,
		.window = 0x71727374,
		.base = 0x81828384,
		.history = 0x91929394,
		.rtt_ns = 0xa1a2a3a4,
		.count = 11,
		.flags = MSG_REPORT_JOIN | MSG_REPORT_TAGGED,
		.reach = {32, {0xc1, 0xc2, 0xc3, [31] = 0xff}},
		.missing = {0x81, 0x04},
	};
}

static void write_probe(struct msg_probe example)
{
	memset(arrived, 0x5a, sizeof arrived);
	bytes = msg_probe_write(arrived, &example, TAG, PUBLISHER);
}

static void write_report(struct msg_report example)
{
	memset(arrived, 0x5a, sizeof arrived);
	bytes = msg_report_write(arrived, &example, TAG, PUBLISHER);
}

static void setup_probe(void)
{
	write_probe(example_probe());
}

static void setup_report(void)
{
	write_report(example_report());
}

static void set_length(uint32_t length)
{
	msg_store16(arrived + 2, (uint16_t)length);
}

static bool read_probe(void)
{
	struct msg_frame frame;

	memset(&probe, 0x5a, sizeof probe);
	ck_assert_int_eq(
		msg_frame_read(arrived, sizeof arrived, &frame), MSG_FRAME_OK);
	ck_assert_uint_eq(frame.type, MSG_FRAME_PROBE);
	return msg_probe_read(&probe, &frame, arrived + BODY);
}

static bool read_report(void)
{
	struct msg_frame frame;

	memset(&report, 0x5a, sizeof report);
	ck_assert_int_eq(
		msg_frame_read(arrived, sizeof arrived, &frame), MSG_FRAME_OK);
	ck_assert_uint_eq(frame.type, MSG_FRAME_REPORT);
	return msg_report_read(&report, &frame, arrived + BODY);
}

static void expect_untouched(const void *data, size_t count)
{
	for (size_t i = 0; i < count; i++)
		ck_assert_uint_eq(((const uint8_t *)data)[i], 0x5a);
}

static void expect_malformed_probe(void)
{
	ck_assert(!read_probe());
	expect_untouched(&probe, sizeof probe);
}

static void expect_malformed_report(void)
{
	ck_assert(!read_report());
	expect_untouched(&report, sizeof report);
}

/* ---- probes ------------------------------------------------------------ */

START_TEST(a_probe_is_written_byte_by_byte_as_specified)
{
	static const uint8_t expected[] = {0x61, 0, 96, 0, 0xef, 0xcd, 0xab,
		0x89, 0x67, 0x45, 0x23, 0x01, 5, 0, 0, 0, 0x64, 0, 0, 0, 0, 0,
		0, 0xa0,
		/* Body: incarnation, stamp, … */
		0x67, 0x45, 0x23, 0x01, 0x44, 0x33, 0x22, 0x11, 8, 7, 6, 5, 4,
		3, 2, 1,
		/* … first sequence, first, serial, … */
		1, 0, 0, 0, 0, 0, 0, 0xa0, 0xfe, 0xff, 0xff, 0xff, 0x34, 0x33,
		0x32, 0x31,
		/* … period, flags, address. */
		100, 0, 17, 3, 0, 0, 0, 0, 0xc1, 0xc2, 0xc3};

	ck_assert_uint_eq(bytes, BODY + MSG_PROBE_BYTES);
	ck_assert_mem_eq(arrived, expected, sizeof expected);
	for (uint32_t i = sizeof expected; i < bytes; i++)
		ck_assert_uint_eq(arrived[i], 0);
	ck_assert_uint_eq(arrived[bytes], 0x5a);
}
END_TEST

START_TEST(a_probe_is_read_back)
{
	struct msg_probe example = example_probe();

	ck_assert(read_probe());
	ck_assert_uint_eq(probe.incarnation, example.incarnation);
	ck_assert_uint_eq(probe.stamp, example.stamp);
	ck_assert_uint_eq(probe.next_sequence, example.next_sequence);
	ck_assert_uint_eq(probe.first_sequence, example.first_sequence);
	ck_assert_uint_eq(probe.next, example.next);
	ck_assert_uint_eq(probe.first, example.first);
	ck_assert_uint_eq(probe.serial, example.serial);
	ck_assert_uint_eq(probe.period_ms, example.period_ms);
	ck_assert_uint_eq(probe.flags, example.flags);
	ck_assert_mem_eq(&probe.reach, &example.reach, sizeof probe.reach);
}
END_TEST

START_TEST(a_probe_has_exactly_its_bytes)
{
	for (uint32_t length = BODY; length < sizeof arrived; length++) {
		set_length(length);
		if (length != BODY + MSG_PROBE_BYTES)
			expect_malformed_probe();
	}
}
END_TEST

START_TEST(a_probe_of_another_incarnation_than_its_header_is_malformed)
{
	for (unsigned byte = 0; byte < 8; byte++) {
		arrived[BODY + byte] ^= 0x10;
		if (byte < 4)
			expect_malformed_probe();
		else
			ck_assert(read_probe());
		arrived[BODY + byte] ^= 0x10;
	}
}
END_TEST

START_TEST(the_period_of_a_probe_has_a_range)
{
	static const struct {
		uint16_t period_ms;
		bool good;
	} cases[] = {{0, false}, {9, false}, {10, true}, {60000, true},
		{60001, false}, {65535, false}};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		msg_store16(arrived + BODY + 32, cases[i].period_ms);
		ck_assert(read_probe() == cases[i].good);
	}
}
END_TEST

START_TEST(unknown_flags_of_a_probe_are_malformed)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		arrived[BODY + 34] = (uint8_t)flags;
		ck_assert(read_probe() == (flags < 32));
	}
}
END_TEST

START_TEST(what_a_probe_does_not_use_is_zero)
{
	for (unsigned at = 36; at < MSG_PROBE_BYTES; at++) {
		if (at >= 40 && at < 43)
			continue;
		arrived[BODY + at] = 1;
		expect_malformed_probe();
		arrived[BODY + at] = 0;
	}
}
END_TEST

START_TEST(an_address_of_a_probe_fits)
{
	memset(arrived + BODY + 40, 0, 32);
	for (unsigned count = 0; count < 256; count++) {
		arrived[BODY + 35] = (uint8_t)count;
		ck_assert(read_probe() == (count <= 32));
	}
}
END_TEST

/* Frames from `first` to the next of this probe, and messages in them. */
static bool counts_fit(uint32_t frames, uint64_t messages)
{
	struct msg_probe example = example_probe();

	example.first = example.next - frames;
	example.first_sequence = example.next_sequence - messages;
	write_probe(example);
	return read_probe();
}

START_TEST(the_frames_of_a_probe_can_carry_its_messages)
{
	ck_assert(counts_fit(0, 0));
	ck_assert(!counts_fit(0, 1));
	ck_assert(counts_fit(1, 0)); /* Parts of one. */
	ck_assert(counts_fit(1, 1024));
	ck_assert(!counts_fit(1, 1025));
	ck_assert(counts_fit(INT32_MAX, UINT64_C(1024) * INT32_MAX));
	ck_assert(!counts_fit(INT32_MAX, UINT64_C(1024) * INT32_MAX + 1));
	ck_assert(!counts_fit(UINT32_C(1) << 31, 0));
	ck_assert(!counts_fit(UINT32_MAX, 0));
	ck_assert(!counts_fit(1, UINT64_MAX));
}
END_TEST

START_TEST(random_probes_survive_the_round_trip)
{
	struct random_stream random = {check_seed()};

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t again[sizeof arrived];
		uint32_t frames = (uint32_t)random_below(&random, 1000);
		struct msg_probe out = {
			.incarnation = random_next(&random) << 32 | PUBLISHER,
			.stamp = random_next(&random),
			.next_sequence = random_next(&random),
			.next = (uint32_t)random_next(&random),
			.serial = (uint32_t)random_next(&random),
			.period_ms =
				(uint16_t)(10 + random_below(&random, 59991)),
			.flags = (uint8_t)random_below(&random, 32),
			.reach.bytes = (uint8_t)random_below(&random, 33),
		};

		out.first = out.next - frames;
		out.first_sequence =
			out.next_sequence -
			random_below(&random, 1024 * (uint64_t)frames + 1);
		for (unsigned j = 0; j < out.reach.bytes; j++)
			out.reach.data[j] = (uint8_t)random_next(&random);
		write_probe(out);
		ck_assert(read_probe());
		msg_probe_write(again, &probe, TAG, PUBLISHER);
		ck_assert_mem_eq(again, arrived, bytes);
		ck_assert_mem_eq(&probe.reach, &out.reach, sizeof out.reach);
		ck_assert(probe.next_sequence == out.next_sequence &&
			  probe.first_sequence == out.first_sequence);
	}
}
END_TEST

/* ---- reports ----------------------------------------------------------- */

START_TEST(a_report_is_written_byte_by_byte_as_specified)
{
	static const uint8_t expected[] = {0x71, 0, 98, 0, 0xef, 0xcd, 0xab,
		0x89, 0x67, 0x45, 0x23, 0x01, 0x44, 0x43, 0x42, 0x41, 0x54,
		0x53, 0x52, 0x51, 0, 0, 0, 0,
		/* Body: receiver, stamp, … */
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 8, 7, 6, 5, 4,
		3, 2, 1,
		/* … position, window, base, count, flags, address bytes, … */
		0x64, 0x63, 0x62, 0x61, 0x74, 0x73, 0x72, 0x71, 0x84, 0x83,
		0x82, 0x81, 11, 0, 3, 32,
		/* … history, round trip, … */
		0x94, 0x93, 0x92, 0x91, 0xa4, 0xa3, 0xa2, 0xa1,
		/* … address, bits. */
		0xc1, 0xc2, 0xc3, [95] = 0xff, 0x81, 0x04};

	ck_assert_uint_eq(bytes, sizeof expected);
	ck_assert_mem_eq(arrived, expected, sizeof expected);
	ck_assert_uint_eq(arrived[bytes], 0x5a);
}
END_TEST

START_TEST(a_report_is_read_back)
{
	struct msg_report example = example_report();

	ck_assert(read_report());
	ck_assert_uint_eq(report.receiver, example.receiver);
	ck_assert_uint_eq(report.stamp, example.stamp);
	ck_assert_uint_eq(report.heard, example.heard);
	ck_assert_uint_eq(report.serial, example.serial);
	ck_assert_uint_eq(report.position, example.position);
	ck_assert_uint_eq(report.window, example.window);
	ck_assert_uint_eq(report.base, example.base);
	ck_assert_uint_eq(report.history, example.history);
	ck_assert_uint_eq(report.rtt_ns, example.rtt_ns);
	ck_assert_uint_eq(report.count, example.count);
	ck_assert_uint_eq(report.flags, example.flags);
	ck_assert_mem_eq(&report.reach, &example.reach, sizeof report.reach);
	ck_assert_mem_eq(
		report.missing, example.missing, sizeof report.missing);
	for (uint32_t bit = 0; bit < report.count; bit++)
		ck_assert(msg_report_misses(&report, bit) ==
			  (bit == 0 || bit == 7 || bit == 10));
}
END_TEST

START_TEST(a_report_has_exactly_its_bytes)
{
	for (uint32_t length = BODY; length < sizeof arrived; length++) {
		set_length(length);
		if (length != BODY + MSG_REPORT_BYTES + 2)
			expect_malformed_report();
	}
}
END_TEST

START_TEST(a_report_has_as_many_bits_as_it_says_and_no_more_than_there_may_be)
{
	memset(arrived + BODY + MSG_REPORT_BYTES, 0, MSG_REPORT_FRAMES_MAX / 8);
	for (uint32_t count = 0; count < 65536; count++) {
		uint32_t length = BODY + MSG_REPORT_BYTES + (count + 7) / 8;

		set_length(length < sizeof arrived ? length : sizeof arrived);
		msg_store16(arrived + BODY + 28, (uint16_t)count);
		if (count <= MSG_REPORT_FRAMES_MAX)
			ck_assert(read_report() && report.count == count);
		else
			expect_malformed_report();
	}
}
END_TEST

START_TEST(bits_beyond_the_count_are_zero)
{
	for (unsigned bit = 11; bit < 16; bit++) {
		uint8_t *last = arrived + BODY + MSG_REPORT_BYTES + 1;

		*last = (uint8_t)(1u << (bit % 8));
		expect_malformed_report();
		*last = 0;
		ck_assert(read_report());
	}
}
END_TEST

START_TEST(unknown_flags_of_a_report_are_malformed)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		arrived[BODY + 30] = (uint8_t)flags;
		ck_assert(read_report() == ((flags & ~23u) == 0));
	}
}
END_TEST

START_TEST(an_address_of_a_report_fits_and_the_rest_is_zero)
{
	arrived[BODY + 31] = 33;
	expect_malformed_report();
	arrived[BODY + 31] = 31; /* And byte 31 is not zero. */
	expect_malformed_report();
	arrived[BODY + 71] = 0;
	ck_assert(read_report());
}
END_TEST

START_TEST(a_serial_of_more_than_32_bits_is_malformed)
{
	arrived[20] = 1;
	expect_malformed_report();
}
END_TEST

START_TEST(random_reports_survive_the_round_trip)
{
	struct random_stream random = {check_seed()};

	for (unsigned i = 0; i < 100000; i++) {
		uint8_t again[sizeof arrived];
		struct msg_report out = {
			.receiver = random_next(&random),
			.heard = (uint32_t)random_next(&random),
			.base = (uint32_t)random_next(&random),
			.count = (uint16_t)random_below(&random, 1025),
			.flags = (uint8_t)random_below(&random, 8),
			.reach.bytes = (uint8_t)random_below(&random, 33),
		};

		for (unsigned j = 0; j < out.reach.bytes; j++)
			out.reach.data[j] = (uint8_t)random_next(&random);
		for (unsigned bit = 0; bit < out.count; bit++)
			if (random_chance(&random, 500))
				out.missing[bit / 8] |=
					(uint8_t)(1u << (bit % 8));
		write_report(out);
		ck_assert(read_report());
		ck_assert_mem_eq(
			report.missing, out.missing, sizeof out.missing);
		msg_report_write(again, &report, TAG, PUBLISHER);
		ck_assert_mem_eq(again, arrived, bytes);
	}
}
END_TEST

/* ---- numbers ----------------------------------------------------------- */

START_TEST(the_nearest_number_is_found_across_the_wrap)
{
	uint64_t around = UINT64_C(0x7fffffff0);

	ck_assert(msg_frame_near(around, (uint32_t)around) == around);
	ck_assert(msg_frame_near(around, 5) == UINT64_C(0x800000005));
	ck_assert(msg_frame_near(UINT64_C(0x800000005), 0xfffffff0) == around);
	ck_assert(msg_frame_near(around, (uint32_t)around + INT32_MAX) ==
		  around + INT32_MAX);
	ck_assert(msg_frame_near(around, (uint32_t)around - 0x80000000) ==
		  around - 0x80000000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("report");
	TCase *p = check_case(suite, "probe", 20);
	TCase *r = check_case(suite, "report", 20);

	tcase_add_checked_fixture(p, setup_probe, NULL);
	tcase_add_test(p, a_probe_is_written_byte_by_byte_as_specified);
	tcase_add_test(p, a_probe_is_read_back);
	tcase_add_test(p, a_probe_has_exactly_its_bytes);
	tcase_add_test(
		p, a_probe_of_another_incarnation_than_its_header_is_malformed);
	tcase_add_test(p, the_period_of_a_probe_has_a_range);
	tcase_add_test(p, unknown_flags_of_a_probe_are_malformed);
	tcase_add_test(p, what_a_probe_does_not_use_is_zero);
	tcase_add_test(p, an_address_of_a_probe_fits);
	tcase_add_test(p, the_frames_of_a_probe_can_carry_its_messages);
	tcase_add_test(p, random_probes_survive_the_round_trip);
	tcase_add_checked_fixture(r, setup_report, NULL);
	tcase_add_test(r, a_report_is_written_byte_by_byte_as_specified);
	tcase_add_test(r, a_report_is_read_back);
	tcase_add_test(r, a_report_has_exactly_its_bytes);
	tcase_add_test(r,
		a_report_has_as_many_bits_as_it_says_and_no_more_than_there_may_be);
	tcase_add_test(r, bits_beyond_the_count_are_zero);
	tcase_add_test(r, unknown_flags_of_a_report_are_malformed);
	tcase_add_test(r, an_address_of_a_report_fits_and_the_rest_is_zero);
	tcase_add_test(r, a_serial_of_more_than_32_bits_is_malformed);
	tcase_add_test(r, random_reports_survive_the_round_trip);
	tcase_add_test(r, the_nearest_number_is_found_across_the_wrap);
	return check_main(suite, NULL);
}
