/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - msg-exporter: counters of this host's brokers over HTTP, for
 * monitoring systems; msg-exporter(8).
 *
 * One thread of libmicrohttpd answers one request at a time: /metrics looks at
 * the brokers and writes what it saw, all else is refused.  Connections, their
 * time and the size of an answer are limited, so whoever can reach the port can
 * cost a look a request and no more.  It needs no rights but those to read the
 * brokers' counters, and listens on this machine alone unless told.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "metrics.h"
#include "output.h"

#define DEFAULT_LISTEN "127.0.0.1:9740"
#define CONNECTIONS_MAX 16
#define TIMEOUT_SECONDS 10u
#define REQUEST_BYTES_MAX 8192

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

struct exporter {
	const char *listen;
	bool announced;
	struct msg_node *node;
	struct metrics metrics;
};

static const char usage[] =
	"Usage: msg-exporter [OPTION...] [NAME...]\n\n"
	"Serve the counters of message brokers of this host over HTTP, at /metrics.\n\n"
	"NAMEs are brokers, or paths of their sockets; all there are unless told.\n\n"
	"Options:\n"
	"  -l, --listen ADDRESS:PORT  where to serve (" DEFAULT_LISTEN ");\n"
	"                             [::1]:9740; port 0: any, which is said\n"
	"  -a, --announced            also publishers that announce themselves on the\n"
	"                             network; MSG_INTERFACE and others choose the lane\n"
	"  -h, --help                 this text\n"
	"  -V, --version              the version\n\n"
	"Exit: 0 asked to end (SIGTERM, SIGINT), 1 could not start, 2 bad usage\n";

/* ---- answers --------------------------------------------------------------------- */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
	struct MHD_Response *response, const char *type)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(
			response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_text(struct MHD_Connection *connection,
	unsigned status, const char *text)
{
	return answer(connection, status,
		MHD_create_response_from_buffer(strlen(text),
			(void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY),
		"text/plain; charset=utf-8");
}

static bool wants_open_metrics(struct MHD_Connection *connection)
{
	const char *accept = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT);

	return accept && strstr(accept, "application/openmetrics-text");
}

static enum MHD_Result answer_metrics(
	struct exporter *exporter, struct MHD_Connection *connection)
{
	struct MHD_Response *response;
	struct output output;

	output_open(&output, wants_open_metrics(connection));
	metrics_write(&exporter->metrics, &output);
	if (!output.text)
		return answer_text(connection,
			MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
	response = MHD_create_response_from_buffer(
		output.bytes, output.text, MHD_RESPMEM_MUST_FREE);
	if (!response)
		output_close(&output);
	return answer(connection, MHD_HTTP_OK, response,
		output.open_metrics
			? "application/openmetrics-text; version=1.0.0; "
			  "charset=utf-8"
			: "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result handle(void *context, struct MHD_Connection *connection,
	const char *url, const char *method, const char *version,
	const char *upload, size_t *upload_bytes, void **seen)
{
	static int begun;

	(void)version;
	(void)upload;
	/* The first call has the headers alone; what is uploaded is dropped. */
	if (!*seen) {
		*seen = &begun;
		return MHD_YES;
	}
	if (*upload_bytes > 0) {
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
		strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			"only GET\n");
	if (strcmp(url, "/metrics") == 0)
		return answer_metrics(context, connection);
	if (strcmp(url, "/") == 0)
		return answer_text(connection, MHD_HTTP_OK,
			"msg-exporter: see /metrics\n");
	return answer_text(connection, MHD_HTTP_NOT_FOUND, "see /metrics\n");
}

/* ---- where ----------------------------------------------------------------------- */

/* "127.0.0.1:9740" or "[::1]:9740"; false when it is neither. */
static bool parse_listen(const char *text, struct sockaddr_storage *address)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)address;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
	const char *colon = strrchr(text, ':');
	unsigned long port;
	char host[64], *end;
	size_t bytes;

	memset(address, 0, sizeof *address);
	if (!colon || colon[1] < '0' || colon[1] > '9')
		return false;
	errno = 0;
	port = strtoul(colon + 1, &end, 10);
	bytes = (size_t)(colon - text);
	if (*end || errno || port > 65535 || bytes >= sizeof host)
		return false;
	memcpy(host, text, bytes);
	host[bytes] = '\0';
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return true;
	}
	if (bytes < 4 || host[0] != '[' || host[bytes - 1] != ']')
		return false;
	host[bytes - 1] = '\0';
	if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
		return false;
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	return true;
}

static struct MHD_Daemon *start(
	struct exporter *exporter, struct sockaddr_storage *address)
{
	unsigned flags = MHD_USE_AUTO_INTERNAL_THREAD |
			 (address->ss_family == AF_INET6 ? MHD_USE_IPv6 : 0u);
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *daemon;

	daemon = MHD_start_daemon(flags, 0, NULL, NULL, handle, exporter,
		MHD_OPTION_SOCK_ADDR, (struct sockaddr *)address,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_BYTES_MAX,
		MHD_OPTION_END);
	if (!daemon) {
		fprintf(stderr, "msg-exporter: cannot listen on %s: %s\n",
			exporter->listen, strerror(errno));
		return NULL;
	}
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
	fprintf(stderr, "msg-exporter: serving http://%.*s:%u/metrics\n",
		(int)(strrchr(exporter->listen, ':') - exporter->listen),
		exporter->listen, info ? (unsigned)info->port : 0u);
	return daemon;
}

/* ---- the program ------------------------------------------------------------------- */

/* An exit code, or -1 to go on. */
static int read_line(struct exporter *exporter, int argc, char **argv)
{
	static const struct option longs[] = {
		{"listen", required_argument, NULL, 'l'},
		{"announced", no_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	int id;

	while ((id = getopt_long(argc, argv, "l:ahV", longs, NULL)) >= 0) {
		switch (id) {
		case 'l':
			exporter->listen = optarg;
			break;
		case 'a':
			exporter->announced = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
		case 'V':
			printf("msg-exporter %s\n", msg_version());
			return fflush(stdout) ? EXIT_FAILED : EXIT_DONE;
		default:
			fputs("Try 'msg-exporter --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind <= METRICS_BROKERS_MAX)
		return -1;
	fprintf(stderr, "msg-exporter: at most %d brokers\n",
		METRICS_BROKERS_MAX);
	return EXIT_USAGE;
}

static bool open_directory(struct exporter *exporter)
{
	if (!exporter->announced)
		return true;
	if (msg_node_open(NULL, &exporter->node) == 0 &&
		msg_directory_open(exporter->node, NULL,
			&exporter->metrics.directory) == 0)
		return true;
	fprintf(stderr, "msg-exporter: cannot listen to announcements: %s\n",
		msg_error_text());
	return false;
}

static int serve(struct exporter *exporter, struct sockaddr_storage *address)
{
	struct MHD_Daemon *daemon;
	sigset_t signals;
	int number;

	/* Before there is a thread, so that none of them gets one. */
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (!open_directory(exporter))
		return EXIT_FAILED;
	daemon = start(exporter, address);
	if (!daemon)
		return EXIT_FAILED;
	sigwait(&signals, &number);
	MHD_stop_daemon(daemon);
	return EXIT_DONE;
}

/* What can be no broker's name would be missing for ever; one that is not there may
 * come. */
static bool check_names(char **names, int count)
{
	for (int i = 0; i < count; i++) {
		struct msg_broker *broker = NULL;
		int error = *names[i] ? msg_broker_open(names[i], &broker)
				      : -MSG_ERROR_ARGUMENT;

		msg_broker_close(broker);
		if (error != -MSG_ERROR_ARGUMENT)
			continue;
		fprintf(stderr, "msg-exporter: NAME %d of %d: %s\n", i + 1,
			count, *names[i] ? msg_error_text() : "is empty");
		return false;
	}
	return true;
}

/* A descriptor of the three that is closed would be a connection's, and what we
 * say would go there. */
static void fill_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct exporter exporter = {.listen = DEFAULT_LISTEN};
	struct sockaddr_storage address;
	int code;

	fill_standard();
	code = read_line(&exporter, argc, argv);
	if (code >= 0)
		return code;
	if (!parse_listen(exporter.listen, &address)) {
		fprintf(stderr, "msg-exporter: --listen wants ADDRESS:PORT, as "
				DEFAULT_LISTEN " or [::1]:9740\n");
		return EXIT_USAGE;
	}
	if (!check_names(argv + optind, argc - optind))
		return EXIT_USAGE;
	metrics_open(&exporter.metrics, argv + optind, argc - optind);
	code = serve(&exporter, &address);
	metrics_close(&exporter.metrics);
	msg_node_close(exporter.node);
	return code;
}
