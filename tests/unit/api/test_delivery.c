/* SPDX-License-Identifier: BSD-2-Clause */
/* test_delivery.c - see libmsg/api/delivery.h. */
#include <string.h>

#include <msg/msg.h>

#include "api/delivery.h"
#include "base/trail.h"
#include "check_main.h"

static struct msg_publisher_options reliable(void)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	o.reliability = MSG_RELIABILITY_RELIABLE;
	return o;
}

/* Refused, in a text that names what was wrong. */
static void refused_publisher(
	struct msg_publisher_options o, enum msg_delivery_way way, const char *word)
{
	ck_assert_int_eq(
		msg_delivery_publisher(&o, way), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_trail_text(), word), "'%s' is not in '%s'",
		word, msg_trail_text());
}

static void refused_subscriber(
	struct msg_subscriber_options o, enum msg_delivery_way way, const char *word)
{
	ck_assert_int_eq(
		msg_delivery_subscriber(&o, way), -MSG_ERROR_ARGUMENT);
	ck_assert_msg(strstr(msg_trail_text(), word), "'%s' is not in '%s'",
		word, msg_trail_text());
}

START_TEST(a_publisher_is_best_effort_unless_told)
{
	struct msg_publisher_options o = MSG_PUBLISHER_OPTIONS;

	ck_assert_int_eq(msg_delivery_publisher(&o, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(o.reliability, MSG_RELIABILITY_BEST_EFFORT);
	ck_assert_uint_eq(o.history_bytes, 0);
}
END_TEST

START_TEST(a_reliable_publisher_gets_its_defaults)
{
	struct msg_publisher_options o = reliable();

	ck_assert_int_eq(msg_delivery_publisher(&o, MSG_DELIVERY_LANE), 0);
	ck_assert_uint_eq(o.flow, MSG_FLOW_NONE);
	ck_assert_uint_eq(o.history_bytes, 4u << 20);
	ck_assert_uint_eq(o.history_ms, 0);
	ck_assert_uint_eq(o.give_up_ms, 1000);
	ck_assert_uint_eq(o.linger_ms, 1000);
}
END_TEST

START_TEST(a_connected_publisher_waits_for_all)
{
	struct msg_publisher_options o = reliable();

	o.reliability = MSG_RELIABILITY_RC;
	ck_assert_int_eq(msg_delivery_publisher(&o, MSG_DELIVERY_LANE), 0);
	ck_assert_uint_eq(o.flow, MSG_FLOW_MIN);
	ck_assert_uint_gt(o.history_bytes, 0);
	ck_assert_uint_eq(o.give_up_ms, 1000);
	o.flow = MSG_FLOW_TAGGED;
	ck_assert_int_eq(msg_delivery_publisher(&o, MSG_DELIVERY_LANE), 0);
	ck_assert_uint_eq(o.flow, MSG_FLOW_TAGGED);
}
END_TEST

START_TEST(a_reliable_publisher_may_stand_on_a_broker)
{
	struct msg_publisher_options o = reliable();

	o.flow = MSG_FLOW_K_OF_N, o.flow_count = 2;
	ck_assert_int_eq(msg_delivery_publisher(&o, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(o.history_bytes, 4u << 20);
}
END_TEST

START_TEST(what_is_of_reliable_topics_alone_is_not_taken_silently)
{
	struct msg_publisher_options good = MSG_PUBLISHER_OPTIONS, o;

	o = good, o.flow = MSG_FLOW_MIN;
	refused_publisher(o, MSG_DELIVERY_LANE, "flow is set");
	o = good, o.history_bytes = 1u << 20;
	refused_publisher(o, MSG_DELIVERY_LANE, "history_bytes");
	o = good, o.history_ms = 1;
	refused_publisher(o, MSG_DELIVERY_LANE, "history_ms");
	o = good, o.flow_count = 1;
	refused_publisher(o, MSG_DELIVERY_LANE, "flow_count");
	o = good, o.give_up_ms = 100;
	refused_publisher(o, MSG_DELIVERY_LANE, "give_up_ms");
	o = good, o.linger_ms = 100;
	refused_publisher(o, MSG_DELIVERY_LANE, "linger_ms");
}
END_TEST

START_TEST(what_cannot_be_had_is_refused_in_words)
{
	struct msg_publisher_options good = reliable(), o;

	o = good, o.reliability = MSG_RELIABILITY_RC;
	refused_publisher(o, MSG_DELIVERY_NO_RC, "MSG_BROKER_NEVER");
	refused_publisher(o, MSG_DELIVERY_BEST_EFFORT, "MSG_BROKER_NEVER");
	o = good, o.reliability = 4;
	refused_publisher(o, MSG_DELIVERY_LANE, "enum msg_reliability");
	refused_publisher(
		good, MSG_DELIVERY_BEST_EFFORT, "MSG_BROKER_NEVER");
	o = good, o.flow = 4;
	refused_publisher(o, MSG_DELIVERY_LANE, "enum msg_flow_control");
	o = good, o.flow = MSG_FLOW_K_OF_N;
	refused_publisher(o, MSG_DELIVERY_LANE, "flow_count");
	o.flow_count = 1025;
	refused_publisher(o, MSG_DELIVERY_LANE, "flow_count");
	o.flow_count = 1024;
	ck_assert_int_eq(msg_delivery_publisher(&o, MSG_DELIVERY_LANE), 0);
	o = good, o.flow_count = 1;
	refused_publisher(o, MSG_DELIVERY_LANE, "flow_count");
	o = good, o.history_bytes = (64u << 10) - 1;
	refused_publisher(o, MSG_DELIVERY_LANE, "history_bytes");
	o = good, o.history_bytes = ((size_t)4 << 30) + 1;
	refused_publisher(o, MSG_DELIVERY_LANE, "history_bytes");
	o = good, o.history_ms = 3600001;
	refused_publisher(o, MSG_DELIVERY_LANE, "history_ms");
	o = good, o.give_up_ms = 9;
	refused_publisher(o, MSG_DELIVERY_LANE, "give_up_ms");
	o = good, o.linger_ms = 60001;
	refused_publisher(o, MSG_DELIVERY_LANE, "linger_ms");
}
END_TEST

/* No broker could be asked for more, and rounding up to pages would overflow. */
START_TEST(memory_for_large_messages_has_an_end)
{
	const size_t most = (size_t)1 << 40;
	struct msg_publisher_options p = reliable();
	struct msg_subscriber_options s = MSG_SUBSCRIBER_OPTIONS;

	p.large_bytes_max = s.large_bytes_max = 1u << 20;
	p.large_memory_bytes = s.large_memory_bytes = most;
	ck_assert_int_eq(msg_delivery_publisher(&p, MSG_DELIVERY_BROKER), 0);
	ck_assert_int_eq(msg_delivery_subscriber(&s, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(p.large_memory_bytes, most);
	for (size_t more = most + 1; more > most; more = more * 2 - 1) {
		p.large_memory_bytes = s.large_memory_bytes = more;
		refused_publisher(p, MSG_DELIVERY_BROKER, "large_memory_bytes");
		refused_publisher(p, MSG_DELIVERY_LANE, "large_memory_bytes");
		refused_subscriber(s, MSG_DELIVERY_LANE, "large_memory_bytes");
	}
	p.large_memory_bytes = s.large_memory_bytes = SIZE_MAX;
	refused_publisher(p, MSG_DELIVERY_LANE, "large_memory_bytes");
	refused_subscriber(s, MSG_DELIVERY_LANE, "large_memory_bytes");
}
END_TEST

START_TEST(a_subscriber_takes_what_is_offered_unless_told)
{
	struct msg_subscriber_options o = MSG_SUBSCRIBER_OPTIONS;

	ck_assert_int_eq(msg_delivery_subscriber(&o, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(o.reliability, MSG_RELIABILITY_RELIABLE);
	ck_assert_uint_eq(o.give_up_ms, 1000);
	o.give_up_ms = 0;
	o.reliability = MSG_RELIABILITY_BEST_EFFORT;
	ck_assert_int_eq(msg_delivery_subscriber(&o, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(o.reliability, MSG_RELIABILITY_BEST_EFFORT);
	/* Who wants no repair does not make the broker wait for it. */
	ck_assert_uint_eq(o.give_up_ms, 10);
	o.give_up_ms = 50;
	ck_assert_int_eq(msg_delivery_subscriber(&o, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(o.give_up_ms, 50);
	o.give_up_ms = 0;
	ck_assert_int_eq(msg_delivery_subscriber(&o, MSG_DELIVERY_LANE), 0);
	ck_assert_uint_eq(o.give_up_ms, 1000);
}
END_TEST

START_TEST(a_subscriber_is_not_promised_what_it_cannot_have)
{
	struct msg_subscriber_options good = MSG_SUBSCRIBER_OPTIONS, o;

	o = good, o.reliability = MSG_RELIABILITY_RC;
	refused_subscriber(o, MSG_DELIVERY_NO_RC, "MSG_BROKER_NEVER");
	o = good, o.reliability = 77;
	refused_subscriber(o, MSG_DELIVERY_LANE, "77");
	o = good, o.reliability = MSG_RELIABILITY_BEST_EFFORT;
	o.history_count = 1;
	refused_subscriber(o, MSG_DELIVERY_LANE, "history_count");
	o.history_count = 0, o.tagged = 1;
	refused_subscriber(o, MSG_DELIVERY_LANE, "tagged");
	o = good, o.give_up_ms = 60001;
	refused_subscriber(o, MSG_DELIVERY_LANE, "give_up_ms");
	o = good, o.reliability = MSG_RELIABILITY_RELIABLE;
	refused_subscriber(o, MSG_DELIVERY_BEST_EFFORT, "MSG_BROKER_NEVER");
	ck_assert_int_eq(msg_delivery_subscriber(&o, MSG_DELIVERY_BROKER), 0);
	/* The same through a broker. */
	o = good, o.history_count = 1, o.tagged = 1, o.give_up_ms = 100;
	o.events = 1;
	ck_assert_int_eq(msg_delivery_subscriber(&o, MSG_DELIVERY_BROKER), 0);
	ck_assert_uint_eq(o.give_up_ms, 100);
	o.reliability = MSG_RELIABILITY_BEST_EFFORT;
	refused_subscriber(o, MSG_DELIVERY_BROKER, "history_count");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("delivery");
	TCase *delivery = check_case(suite, "delivery", 10);

	tcase_add_test(delivery, a_publisher_is_best_effort_unless_told);
	tcase_add_test(delivery, a_reliable_publisher_gets_its_defaults);
	tcase_add_test(delivery, a_connected_publisher_waits_for_all);
	tcase_add_test(delivery, a_reliable_publisher_may_stand_on_a_broker);
	tcase_add_test(delivery,
		what_is_of_reliable_topics_alone_is_not_taken_silently);
	tcase_add_test(delivery, what_cannot_be_had_is_refused_in_words);
	tcase_add_test(delivery, memory_for_large_messages_has_an_end);
	tcase_add_test(delivery, a_subscriber_takes_what_is_offered_unless_told);
	tcase_add_test(
		delivery, a_subscriber_is_not_promised_what_it_cannot_have);
	return check_main(suite, NULL);
}
