/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - msgbrokerd from its start to its end.
 *
 *     settings -> signals -> the name's lock and socket -> the network -> READY
 *     ... the loop ...
 *     a signal -> STOPPING -> clients, network, socket, lock
 *
 * Whatever opens a file comes before READY.  Signals are read from a
 * descriptor, so none interrupts anything.  Tests: tests/local/broker_*.sh.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <msg/msg.h>

#include "broker/config.h"
#include "broker/listen.h"
#include "broker/log.h"
#include "broker/notify.h"
#include "broker/options.h"
#include "broker/server.h"

#include "base/trail.h"
#include "tool/standard.h"
#include "tool/text.h"

struct broker {
	struct options options;
	struct config config;
	struct listening listening;
	int signal_fd;
};

/* What the trail says, with exit 2. */
static int bad_settings(void)
{
	char safe[2 * MSG_TRAIL_BYTES];

	text_escape(safe, sizeof safe, msg_trail_text());
	fprintf(stderr, "msgbrokerd: %s\n", safe);
	return BROKER_EXIT_USAGE;
}

static int read_settings(struct broker *broker, int argc, char **argv)
{
	const char *file;
	int result;

	config_init(&broker->config);
	options_read(&broker->options, &broker->config, argc, argv);
	log_open(broker->options.level);
	file = broker->options.file;
	result = config_read_environment(&broker->config);
	if (result == 0)
		result = config_read_file(&broker->config,
			file ? file : CONFIG_FILE_DEFAULT, file != NULL);
	if (result == 0)
		result = config_finish(&broker->config);
	return result;
}

static int print_settings(const struct broker *broker)
{
	if (broker->options.json)
		config_print_json(&broker->config, stdout);
	else
		config_print(&broker->config, stdout);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return BROKER_EXIT_OK;
	fprintf(stderr, "msgbrokerd: cannot write to standard output: %s\n",
		strerror(errno));
	return BROKER_EXIT_FAILED;
}

/* Signals that ask for the end, as a descriptor; a client that went away is
 * no reason to end. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return msg_fail(MSG_ERROR_MEMORY,
			"cannot make a descriptor for signals: %s; raise "
			"LimitNOFILE (ulimit -n)",
			strerror(errno));
	return fd;
}

static int start_failed(int result)
{
	log_say(result == -MSG_ERROR_BUSY ? LOG_NAME_TAKEN : LOG_START_FAILED,
		"%s", msg_trail_text());
	return result == -MSG_ERROR_BUSY ? BROKER_EXIT_TAKEN
					 : BROKER_EXIT_FAILED;
}

static void name_signal(int signal_fd, char *text, size_t bytes)
{
	struct signalfd_siginfo info = {0};

	if (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		snprintf(text, bytes, "SIG%s from pid %u of uid %u",
			sigabbrev_np((int)info.ssi_signo), info.ssi_pid,
			info.ssi_uid);
	else
		snprintf(text, bytes, "no signal");
}

static int serve(struct broker *broker, struct server *server)
{
	const char *name = config_text(&broker->config, CONFIG_NAME);
	char why[64];
	int result;

	log_say(LOG_STARTED, "'%s' serves %s%s", name, broker->listening.path,
		broker->listening.adopted ? ", opened by the service manager"
					  : "");
	notify_ready("serving");
	result = server_run(server);
	notify_stopping();
	if (result < 0) {
		log_say(LOG_FAILED, "%s", msg_trail_text());
		return BROKER_EXIT_FAILED;
	}
	name_signal(broker->signal_fd, why, sizeof why);
	log_say(LOG_STOPPED, "'%s' ends: %s", name, why);
	return BROKER_EXIT_OK;
}

static int run(struct broker *broker)
{
	struct server_options options = {.config = &broker->config};
	struct server *server = NULL;
	int code, result;

	options.listen_fd = broker->listening.fd;
	options.place = &broker->listening;
	options.signal_fd = broker->signal_fd;
	result = server_open(&server, &options);
	if (result < 0) {
		/* Busy is the network's here, not the name. */
		log_say(LOG_START_FAILED, "%s", msg_trail_text());
		return BROKER_EXIT_FAILED;
	}
	code = serve(broker, server);
	server_close(server);
	return code;
}

static int start(struct broker *broker)
{
	int adopted, code, result = notify_open();

	if (result == 0)
		result = notify_take_socket(&adopted);
	if (result < 0)
		return start_failed(result);
	broker->signal_fd = open_signals();
	if (broker->signal_fd < 0)
		return start_failed(broker->signal_fd);
	result = listen_open(&broker->listening, &broker->config, adopted);
	if (result < 0)
		return start_failed(result);
	if (broker->config.acl.count > 0 && !broker->config.acl.has_default)
		log_say(LOG_RIGHTS_CLOSED,
			"%s has [topic] sections but no [default]: other "
			"topics are closed to everybody",
			broker->config.file);
	code = run(broker);
	listen_close(&broker->listening);
	return code;
}

int main(int argc, char **argv)
{
	static struct broker broker; /* Large. */
	int code;

	standard_open();
	if (read_settings(&broker, argc, argv) < 0)
		return bad_settings();
	if (broker.options.check)
		return print_settings(&broker);
	code = start(&broker);
	notify_close();
	return code;
}
