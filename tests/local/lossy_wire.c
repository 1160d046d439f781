/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lossy_wire.c - a cable between two interfaces that loses datagrams by seed.
 *
 *     lossy_wire LEFT RIGHT PER_MILLE SEED [LOG]
 *
 * Each Ethernet frame that comes in on one interface leaves by the other; UDP
 * ones are lost PER_MILLE times in a thousand, multicast and unicast, either
 * way.  What happens to a frame is a function of the seed, the direction and
 * how many came before it.  Says "ready" when it carries, and at its end (SIGTERM)
 * what it carried and lost.  LOG: of each frame of libmsg that is lost a line, when
 * (ns, CLOCK_MONOTONIC), which way, first byte and flags of its header, and the
 * first eight bytes of its body as a number.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

/* Senders may hand over many frames as one; what they left to the card, a
 * checksum or the cutting, is in a header that we pass on. */
#define FRAME_BYTES (sizeof(struct virtio_net_hdr) + (64u << 10) + 256)
#define QUEUE_BYTES (64 << 20)

static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void must(int result, const char *what)
{
	if (result >= 0)
		return;
	fprintf(stderr, "lossy_wire: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_end(const char *name)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name),
	};
	struct packet_mreq all = {
		.mr_ifindex = address.sll_ifindex,
		.mr_type = PACKET_MR_PROMISC,
	};
	int bytes = QUEUE_BYTES, one = 1;

	must(fd, "socket");
	must(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one),
		"PACKET_VNET_HDR");
	must(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		     sizeof one),
		"PACKET_IGNORE_OUTGOING");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
	must(setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all),
		name);
	must(bind(fd, (struct sockaddr *)&address, sizeof address), name);
	return fd;
}

static bool is_datagram(const uint8_t *frame, size_t bytes)
{
	return bytes > ETH_HLEN + 20 && frame[12] == 0x08 && frame[13] == 0 &&
	       frame[ETH_HLEN + 9] == IPPROTO_UDP;
}

struct direction {
	const char *name;
	FILE *log;
	int from, to;
	struct random_stream random;
	unsigned per_mille;
	unsigned long carried, lost, failed;
};

/* `at`: of the Ethernet frame; the IP header has no options. */
static void log_loss(const struct direction *d, const uint8_t *at, size_t bytes)
{
	const uint8_t *data = at + ETH_HLEN + 20 + 8;
	struct timespec now;
	uint64_t word;

	if (!d->log || bytes < ETH_HLEN + 20 + 8 + 24 + sizeof word)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	memcpy(&word, data + 24, sizeof word);
	fprintf(d->log, "%lld%09ld\t%s\t%u\t%u\t%llu\n",
		(long long)now.tv_sec, now.tv_nsec, d->name, data[0], data[1],
		(unsigned long long)word);
}

static void carry(struct direction *d)
{
	static uint8_t frame[FRAME_BYTES];
	const size_t head = sizeof(struct virtio_net_hdr);

	for (int i = 0; i < 64; i++) {
		ssize_t n = read(d->from, frame, sizeof frame);

		if (n < (ssize_t)head)
			return;
		if (is_datagram(frame + head, (size_t)n - head) &&
			random_chance(&d->random, d->per_mille)) {
			d->lost++;
			log_loss(d, frame + head, (size_t)n - head);
			continue;
		}
		while (write(d->to, frame, (size_t)n) != n) {
			struct pollfd full = {.fd = d->to, .events = POLLOUT};

			if (errno != EAGAIN && errno != ENOBUFS) {
				d->failed++;
				break;
			}
			poll(&full, 1, 1);
		}
		d->carried++;
	}
}

int main(int argc, char **argv)
{
	struct direction ways[2];
	struct pollfd fds[2];
	FILE *log = NULL;
	uint64_t seed;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "lossy_wire LEFT RIGHT PER_MILLE SEED [LOG]\n");
		return 2;
	}
	if (argc == 6) {
		log = fopen(argv[5], "w");
		must(log ? 0 : -1, argv[5]);
	}
	signal(SIGTERM, end);
	seed = strtoull(argv[4], NULL, 0);
	for (int i = 0; i < 2; i++) {
		ways[i] = (struct direction){
			.name = i == 0 ? "right" : "left",
			.log = log,
			.from = open_end(argv[1 + i]),
			.random = {seed + (uint64_t)i},
			.per_mille = (unsigned)atoi(argv[3]),
		};
		fds[i] = (struct pollfd){.fd = ways[i].from, .events = POLLIN};
	}
	ways[0].to = ways[1].from;
	ways[1].to = ways[0].from;
	printf("ready\n");
	fflush(stdout);
	while (!ended) {
		poll(fds, 2, 100);
		carry(&ways[0]);
		carry(&ways[1]);
	}
	for (int i = 0; i < 2; i++)
		printf("%s: %lu carried, %lu lost, %lu failed\n",
			ways[i].name, ways[i].carried, ways[i].lost,
			ways[i].failed);
	if (log)
		must(fclose(log), argv[5]);
	return 0;
}
