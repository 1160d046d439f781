/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c - the command line; see options.h. */
#include "broker/options.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/trail.h"
#include "tool/text.h"

#define NORETURN __attribute__((noreturn))
#define NAME_BYTES 32

/* Those that are no settings; a letter is also the short option. */
enum {
	OPTION_CONFIG = 'c',
	OPTION_HELP = 'h',
	OPTION_QUIET = 'q',
	OPTION_VERBOSE = 'v',
	OPTION_VERSION = 'V',
	OPTION_CHECK = 256,
	OPTION_NO_NETWORK,
	OPTION_SPIN,
	OPTION_JSON,
	OPTION_SETTING, /* Of the first of CONFIG_SETTINGS. */
};

static const struct {
	int id;
	const char *name;
	const char *value;
	const char *help;
} others[] = {
	{OPTION_NO_NETWORK, "no-network", NULL, "as --lane none"},
	{OPTION_SPIN, "spin", "US", "as --spin-us"},
	{OPTION_CONFIG, "config", "FILE",
		"settings, instead of " CONFIG_FILE_DEFAULT},
	{OPTION_CHECK, "check-config", NULL,
		"print the settings in force and exit"},
	{OPTION_JSON, "json", NULL, "print them as JSON"},
	{OPTION_QUIET, "quiet", NULL, "log warnings and errors alone"},
	{OPTION_VERBOSE, "verbose", NULL, "log clients that come and go, too"},
	{OPTION_HELP, "help", NULL, "this text"},
	{OPTION_VERSION, "version", NULL, "the version"},
};
#define OTHER_COUNT (sizeof others / sizeof *others)
#define OPTION_COUNT (OTHER_COUNT + CONFIG_SETTING_COUNT)

static void fail(const char *format, ...) NORETURN
	__attribute__((format(printf, 1, 2)));
static void fail(const char *format, ...)
{
	va_list args;

	fputs("msgbrokerd: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputs("\nTry 'msgbrokerd --help'.\n", stderr);
	exit(BROKER_EXIT_USAGE);
}

/* The option of a setting: its key with '-' for '_'. */
static void setting_name(int which, char name[NAME_BYTES])
{
	snprintf(name, NAME_BYTES, "%s", config_specs[which].key);
	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = '-';
}

static void help_line(
	int id, const char *name, const char *value, const char *help)
{
	char letter[8] = "   ", left[64];

	if (id < 256)
		snprintf(letter, sizeof letter, "-%c,", id);
	snprintf(left, sizeof left, "%s --%s%s%s", letter, name,
		value ? " " : "", value ? value : "");
	printf("  %-30s %s\n", left, help);
}

static void help(void) NORETURN;
static void help(void)
{
	char name[NAME_BYTES];

	fputs("Usage: msgbrokerd [OPTION...]\n\n"
	      "One multicast endpoint, its memory and its socket for all "
	      "processes of a host.\n\n"
	      "Settings, also of the file (see msg.conf(5)); those given here "
	      "win:\n",
		stdout);
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
		setting_name(i, name);
		help_line(OPTION_SETTING, name, config_specs[i].value,
			config_specs[i].help);
	}
	fputs("\nOthers:\n", stdout);
	for (size_t i = 0; i < OTHER_COUNT; i++)
		help_line(others[i].id, others[i].name, others[i].value,
			others[i].help);
	fputs("\nExit: 0 ended because it was asked to (SIGTERM, SIGINT, "
	      "SIGHUP),\n"
	      "      1 could not start, or failed while running,\n"
	      "      2 the command line or the file is wrong,\n"
	      "      3 another broker has the name\n",
		stdout);
	exit(fflush(stdout) ? BROKER_EXIT_FAILED : BROKER_EXIT_OK);
}

static void refuse(int kind, const char *given) NORETURN;
static void refuse(int kind, const char *given)
{
	char safe[256];

	text_escape(safe, sizeof safe, given);
	if (kind == ':')
		fail("option '%s' needs a value", safe);
	if (given[0] == '-' && given[1] == '-' && optopt)
		fail("option '%s' takes no value", safe);
	if (given[0] == '-' && given[1] == '-')
		fail("unknown or ambiguous option '%s'", safe);
	fail("unknown option '-%c'",
		optopt >= 0x20 && optopt < 0x7f ? optopt : '?');
}

static void set(struct config *config, enum config_setting which,
	const char *value, const char *called)
{
	char safe[512];

	if (config_set(config, which, value, CONFIG_FROM_OPTION, called) == 0)
		return;
	text_escape(safe, sizeof safe, msg_trail_text());
	fail("%s", safe);
}

static void take(struct options *options, struct config *config, int id)
{
	char called[NAME_BYTES + 2] = "--";

	switch (id) {
	case OPTION_NO_NETWORK:
		set(config, CONFIG_LANE, "none", "--no-network");
		break;
	case OPTION_SPIN:
		set(config, CONFIG_SPIN_US, optarg, "--spin");
		break;
	case OPTION_CONFIG:
		options->file = optarg;
		break;
	case OPTION_CHECK:
		options->check = true;
		break;
	case OPTION_JSON:
		options->json = true;
		break;
	case OPTION_QUIET:
		options->level = MSG_LOG_WARNING;
		break;
	case OPTION_VERBOSE:
		options->level = MSG_LOG_DEBUG;
		break;
	case OPTION_HELP:
		help();
	case OPTION_VERSION:
		printf("msgbrokerd %s\n", msg_version());
		exit(fflush(stdout) ? BROKER_EXIT_FAILED : BROKER_EXIT_OK);
	default:
		setting_name(id - OPTION_SETTING, called + 2);
		set(config, (enum config_setting)(id - OPTION_SETTING), optarg,
			called);
	}
}

/* getopt_long's table; the settings first. */
static void make_table(struct option table[OPTION_COUNT + 1],
	char names[CONFIG_SETTING_COUNT][NAME_BYTES])
{
	memset(table, 0, sizeof *table * (OPTION_COUNT + 1));
	for (int i = 0; i < CONFIG_SETTING_COUNT; i++) {
		setting_name(i, names[i]);
		table[i] = (struct option){
			names[i], required_argument, NULL, OPTION_SETTING + i};
	}
	for (size_t i = 0; i < OTHER_COUNT; i++)
		table[CONFIG_SETTING_COUNT + i] = (struct option){
			others[i].name,
			others[i].value ? required_argument : no_argument, NULL,
			others[i].id};
}

void options_read(
	struct options *options, struct config *config, int argc, char **argv)
{
	static char names[CONFIG_SETTING_COUNT][NAME_BYTES];
	struct option table[OPTION_COUNT + 1];
	char safe[256];
	int id;

	*options = (struct options){.level = MSG_LOG_INFO};
	make_table(table, names);
	opterr = 0;
	while ((id = getopt_long(argc, argv, ":c:hqvV", table, NULL)) != -1) {
		if (id == '?' || id == ':')
			refuse(id, argv[optind - 1]);
		take(options, config, id);
	}
	if (optind < argc) {
		text_escape(safe, sizeof safe, argv[optind]);
		fail("'%s' is no option; msgbrokerd takes options alone", safe);
	}
	if (options->json && !options->check)
		fail("--json goes with --check-config");
}
