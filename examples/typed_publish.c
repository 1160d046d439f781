/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * typed_publish.c - publish protobuf messages whose type others can fetch:
 *
 *     msg type md.acme
 *     msg echo md.acme 'price > 10.2 and side == BUY'
 *
 * Ten a second; the argument is how many, else 50.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <msg/type.h>

#include "quote.pb-c.h"

static void send_quote(struct msg_publisher *publisher, int i)
{
	Md__Quote quote = MD__QUOTE__INIT;
	struct msg_loan loan;

	quote.symbol = (char[]){"ACME"};
	quote.price = 10 + (i % 10) / 10.0;
	quote.has_side = 1;
	quote.side = i % 2 ? MD__SIDE__SELL : MD__SIDE__BUY;
	if (msg_publisher_loan(publisher, md__quote__get_packed_size(&quote),
		    &loan) < 0)
		return; /* Back-pressure: this one is left out. */
	msg_publisher_send(
		publisher, &loan, md__quote__pack(&quote, loan.data));
}

int main(int argc, char **argv)
{
	struct msg_publisher_options options = MSG_PUBLISHER_OPTIONS;
	struct msg_publisher *publisher;
	struct msg_node *node;
	struct msg_type *type;
	int count = argc > 1 ? atoi(argv[1]) : 50;

	options.topic = "md.acme";
	if (msg_type_of_protobuf(&md__quote__descriptor, &type) < 0 ||
		msg_node_open(NULL, &node) < 0) {
		fprintf(stderr, "typed_publish: %s\n", msg_error_text());
		return 1;
	}
	options.type = type;
	if (msg_publisher_open(node, &options, &publisher) < 0) {
		fprintf(stderr, "typed_publish: %s\n", msg_error_text());
		return 1;
	}
	msg_type_close(type); /* The publisher keeps it. */
	for (int i = 0; i < count; i++) {
		send_quote(publisher, i);
		usleep(100000);
	}
	msg_publisher_close(publisher);
	msg_node_close(node);
	return 0;
}
