/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_finder.c - while connections are being found: who wants some waits and is
 * told so, everybody else is served, and nothing is left of who went.
 *
 * What finds them is the test's: it takes until it is allowed to end.
 */
#include <poll.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include <msg/msg.h>

#include "broker/client.h"
#include "broker/server_internal.h"

#include "broker_peer.h"
#include "check_main.h"

static struct msg_link_domain lane;
static sem_t begun, allowed;
static struct broker_peer last; /* One that is there until the end. */

static int find(const struct msg_link_domain *domain, char *text)
{
	(void)text;
	sem_post(&begun);
	sem_wait(&allowed);
	return domain == &lane ? 0 : -MSG_ERROR_FABRIC;
}

static const struct msg_channel_module module = {
	.abi = MSG_CHANNEL_ABI, .find = find};

static void setup(void)
{
	ck_assert_int_eq(sem_init(&begun, 0, 0), 0);
	ck_assert_int_eq(sem_init(&allowed, 0, 0), 0);
	lane.reads = false;
	config_init(&broker_config);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_LANE, "none",
				 CONFIG_FROM_OPTION, "--lane"),
		0);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_NAME, "test",
				 CONFIG_FROM_OPTION, "--name"),
		0);
	ck_assert_int_eq(config_set(&broker_config, CONFIG_SOCKET, "/test.sock",
				 CONFIG_FROM_OPTION, "--socket"),
		0);
	ck_assert_int_eq(config_finish(&broker_config), 0);
	broker_open();
	/* Topics need no network for this, only the question does. */
	broker_server->finder.domain = &lane;
	broker_server->finder.module = &module;
}

/* What it sees is the bell's byte, as the loop's epoll does. */
static void all_is_found(void)
{
	struct pollfd bell = {.fd = broker_server->bell[1], .events = POLLIN};

	ck_assert_int_eq(sem_wait(&begun), 0);
	ck_assert_int_eq(sem_post(&allowed), 0);
	ck_assert_int_eq(poll(&bell, 1, 60000), 1);
	broker_step();
}

static void teardown(void)
{
	sem_post(&allowed);
	broker_close();
	msg_socket_close(last.socket);
	last.socket = NULL;
	sem_destroy(&allowed);
	sem_destroy(&begun);
}

static void hello(struct broker_peer *peer, uint32_t role, bool patient)
{
	struct msg_control m = {.kind = MSG_CONTROL_HELLO};

	m.hello.version = MSG_CONTROL_VERSION;
	m.hello.role = role;
	m.hello.patient = patient;
	broker_peer_open(peer);
	broker_peer_say(peer, &m);
	ck_assert(broker_peer_hear(peer));
	ck_assert_int_eq(peer->got.kind, MSG_CONTROL_WELCOME);
}

static void publish(struct broker_peer *peer, uint32_t id, uint32_t reliability,
	uint32_t large_bytes_max)
{
	struct msg_control m = {.kind = MSG_CONTROL_PUBLISH};

	snprintf(m.publish.topic, sizeof m.publish.topic, "a.b");
	m.publish.incarnation = 0x1234567800000000ull | id;
	m.publish.message_bytes_max = 1000;
	m.publish.loan_count_max = 16;
	m.publish.period_ms = 1000;
	m.publish.reliability = reliability;
	m.publish.large_bytes_max = large_bytes_max;
	m.publish.large_memory_bytes = large_bytes_max;
	broker_peer_say(peer, &m);
}

static void subscribe(struct broker_peer *peer, uint32_t large_bytes_max)
{
	struct msg_control m = {.kind = MSG_CONTROL_SUBSCRIBE};

	snprintf(m.subscribe.pattern, sizeof m.subscribe.pattern, "a.b");
	m.subscribe.policy = MSG_CONTROL_LAP;
	m.subscribe.hold_max = 64;
	m.subscribe.message_bytes_max = 1000;
	m.subscribe.large_bytes_max = large_bytes_max;
	broker_peer_say(peer, &m);
}

static void hears(struct broker_peer *peer, enum msg_control_kind kind)
{
	ck_assert(broker_peer_hear(peer));
	ck_assert_int_eq(peer->got.kind, kind);
}

START_TEST(who_wants_connections_waits_and_is_told_so)
{
	struct broker_peer peer;

	hello(&peer, MSG_CONTROL_PUBLISHER, true);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	hears(&peer, MSG_CONTROL_UNDER_WAY);
	broker_step();
	ck_assert(!broker_peer_hear(&peer));
	all_is_found();
	hears(&peer, MSG_CONTROL_PUBLISHING);
	ck_assert(!broker_peer_hear(&peer));
	broker_peer_close(&peer);
}
END_TEST

START_TEST(nobody_else_waits)
{
	struct broker_peer peer, other, reader;

	hello(&peer, MSG_CONTROL_PUBLISHER, true);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	hello(&other, MSG_CONTROL_PUBLISHER, true);
	publish(&other, 8, MSG_RELIABILITY_RELIABLE, 0);
	hears(&other, MSG_CONTROL_PUBLISHING);
	hello(&reader, MSG_CONTROL_SUBSCRIBER, true);
	subscribe(&reader, 0);
	hears(&reader, MSG_CONTROL_SUBSCRIBED);
	hears(&peer, MSG_CONTROL_UNDER_WAY);
	ck_assert(!broker_peer_hear(&peer));
	all_is_found();
	hears(&peer, MSG_CONTROL_PUBLISHING);
	broker_peer_close(&reader);
	broker_peer_close(&other);
	broker_peer_close(&peer);
}
END_TEST

/* Who is older would hang up on what it does not know. */
START_TEST(who_is_not_patient_hears_nothing_of_it)
{
	struct broker_peer peer;

	hello(&peer, MSG_CONTROL_PUBLISHER, false);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	ck_assert(!broker_peer_hear(&peer));
	all_is_found();
	hears(&peer, MSG_CONTROL_PUBLISHING);
	broker_peer_close(&peer);
}
END_TEST

START_TEST(large_messages_want_connections_too)
{
	struct broker_peer publisher, reader;

	hello(&publisher, MSG_CONTROL_PUBLISHER, true);
	publish(&publisher, 7, MSG_RELIABILITY_RELIABLE, 1u << 20);
	hello(&reader, MSG_CONTROL_SUBSCRIBER, true);
	subscribe(&reader, 1u << 20);
	hears(&publisher, MSG_CONTROL_UNDER_WAY);
	hears(&reader, MSG_CONTROL_UNDER_WAY);
	ck_assert(!broker_peer_hear(&publisher));
	ck_assert(!broker_peer_hear(&reader));
	all_is_found();
	hears(&publisher, MSG_CONTROL_PUBLISHING);
	hears(&reader, MSG_CONTROL_SUBSCRIBED);
	broker_peer_close(&reader);
	broker_peer_close(&publisher);
}
END_TEST

/* What it says behind its request is heard behind it. */
START_TEST(what_follows_a_request_waits_with_it)
{
	struct msg_control again = {.kind = MSG_CONTROL_HELLO};
	struct broker_peer peer;

	hello(&peer, MSG_CONTROL_PUBLISHER, true);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	again.hello.version = MSG_CONTROL_VERSION;
	again.hello.role = MSG_CONTROL_PUBLISHER;
	broker_peer_say(&peer, &again);
	hears(&peer, MSG_CONTROL_UNDER_WAY);
	ck_assert(!broker_peer_hear(&peer));
	all_is_found();
	hears(&peer, MSG_CONTROL_PUBLISHING);
	hears(&peer, MSG_CONTROL_REFUSED);
	broker_peer_close(&peer);
}
END_TEST

START_TEST(a_request_that_was_put_aside_may_be_refused)
{
	struct broker_peer peer;

	hello(&peer, MSG_CONTROL_SUBSCRIBER, true);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	hears(&peer, MSG_CONTROL_UNDER_WAY);
	all_is_found();
	hears(&peer, MSG_CONTROL_REFUSED);
	broker_peer_close(&peer);
	ck_assert_uint_eq(broker_server->client_count, 0);
}
END_TEST

/* The loop's own look: a socket that is not read of says that it ended. */
START_TEST(who_goes_meanwhile_is_gone)
{
	struct broker_peer peer;

	hello(&peer, MSG_CONTROL_PUBLISHER, true);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	ck_assert_ptr_nonnull(broker_server->clients->aside);
	ck_assert_uint_eq(broker_server->clients->events, 0);
	broker_server->clients->broken = true;
	broker_step();
	ck_assert_ptr_null(broker_server->clients);
	ck_assert_ptr_null(broker_server->publishers);
	broker_peer_close(&peer);
	all_is_found();
	ck_assert_ptr_null(broker_server->publishers);
}
END_TEST

START_TEST(the_end_waits_until_nothing_is_sought)
{
	hello(&last, MSG_CONTROL_PUBLISHER, true);
	publish(&last, 7, MSG_RELIABILITY_RC, 0);
	hears(&last, MSG_CONTROL_UNDER_WAY);
	/* teardown */
}
END_TEST

/* They are there: nobody asks a thread. */
START_TEST(a_lane_that_reads_has_them)
{
	struct broker_peer peer;

	lane.reads = true;
	hello(&peer, MSG_CONTROL_PUBLISHER, true);
	publish(&peer, 7, MSG_RELIABILITY_RC, 0);
	hears(&peer, MSG_CONTROL_PUBLISHING);
	ck_assert(!broker_server->finder.started);
	broker_peer_close(&peer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("finder");
	TCase *c = check_case(suite, "finder", 60);

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, who_wants_connections_waits_and_is_told_so);
	tcase_add_test(c, nobody_else_waits);
	tcase_add_test(c, who_is_not_patient_hears_nothing_of_it);
	tcase_add_test(c, large_messages_want_connections_too);
	tcase_add_test(c, what_follows_a_request_waits_with_it);
	tcase_add_test(c, a_request_that_was_put_aside_may_be_refused);
	tcase_add_test(c, who_goes_meanwhile_is_gone);
	tcase_add_test(c, the_end_waits_until_nothing_is_sought);
	tcase_add_test(c, a_lane_that_reads_has_them);
	return check_main(suite, NULL);
}
