/* SPDX-License-Identifier: BSD-2-Clause */
/* options.c - the command line; see options.h. */
#include "options.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "stop.h"
#include "text.h"

#define OPTIONS_MAX 64

enum {
	LANE_DEVICE = 1000,
	LANE_LANE,
	LANE_GROUPS,
	LANE_PORT,
	LANE_TTL,
	LANE_FRAME_BYTES,
};

static const struct option_spec lane_options[] = {
	{'i', "interface", "NAME|IP",
		"network interface; lo or an RDMA device "
		"unless told"},
	{LANE_DEVICE, "device", "NAME", "RDMA device, as rxe0"},
	{LANE_LANE, "lane", "verbs|udp", "kind of lane"},
	{LANE_GROUPS, "groups", "ADDRESS+COUNT",
		"multicast groups "
		"(239.255.77.0+64)"},
	{LANE_PORT, "port", "N", "UDP port of the groups (7400)"},
	{LANE_TTL, "ttl", "N", "multicast hops, 1 to 255 (1)"},
	{LANE_FRAME_BYTES, "frame-bytes", "N",
		"largest datagram payload, 256 "
		"to 65507"},
	OPTION_END,
};

static const struct option_spec common_options[] = {
	{'q', "quiet", NULL, "say nothing on stderr but errors"},
	{'v', "verbose", NULL, "say more on stderr"},
	{'h', "help", NULL, "this text"},
	OPTION_END,
};

static const char *program = "msg";
static bool quiet;

/* The command's own options, then those of the lane, then the common ones. */
struct option_table {
	const struct command *command;
	const struct option_spec *specs[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 2];
	size_t count;
};
static struct option_table table;

static void speak(const char *format, va_list args)
{
	if (table.command)
		fprintf(stderr, "%s %s: ", program, table.command->name);
	else
		fprintf(stderr, "%s: ", program);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

void usage_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	speak(format, args);
	va_end(args);
	if (table.command)
		fprintf(stderr, "Try '%s %s --help'.\n", program,
			table.command->name);
	else
		fprintf(stderr, "Try '%s --help'.\n", program);
	exit(TOOL_EXIT_USAGE);
}

void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	speak(format, args);
	va_end(args);
}

void say(const char *format, ...)
{
	va_list args;

	if (quiet)
		return;
	va_start(args, format);
	speak(format, args);
	va_end(args);
}

int output_finish(int code)
{
	if ((fflush(stdout) || ferror(stdout)) && !stop_reader_gone() &&
		code == TOOL_EXIT_OK) {
		complain("cannot write to standard output");
		return TOOL_EXIT_UNMET;
	}
	return code;
}

bool options_quiet(void)
{
	return quiet;
}

void options_set_quiet(bool to)
{
	quiet = to;
}

static void table_add(const struct option_spec *spec)
{
	struct option *entry = &table.longs[table.count];
	size_t length = strlen(table.shorts);

	entry->name = spec->name;
	entry->has_arg = spec->value ? required_argument : no_argument;
	entry->flag = NULL;
	entry->val = spec->id;
	table.specs[table.count++] = spec;
	if (spec->id < OPTION_LONG) {
		table.shorts[length++] = (char)spec->id;
		if (spec->value)
			table.shorts[length++] = ':';
		table.shorts[length] = '\0';
	}
}

static void table_add_all(const struct option_spec *spec)
{
	for (; spec && spec->name && table.count < OPTIONS_MAX; spec++)
		table_add(spec);
}

void options_begin(const struct command *command)
{
	memset(&table, 0, sizeof table);
	table.command = command;
	strcpy(table.shorts, ":"); /* Tell a missing value from a bad name. */
	table_add_all(command->options);
	if (command->takes_lane)
		table_add_all(lane_options);
	table_add_all(common_options);
}

/* Edit distance, a swap of neighbours counting as one. */
static size_t distance(const char *a, const char *b)
{
	size_t before[64], last[64], row[64];
	size_t width = strlen(b);

	if (strlen(a) >= 63 || width >= 63)
		return 64;
	for (size_t j = 0; j <= width; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		row[0] = i;
		for (size_t j = 1; j <= width; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
				a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		memcpy(before, last, sizeof before);
		memcpy(last, row, sizeof last);
	}
	return last[width];
}

const char *closest_name(const char *name, const char *const *names)
{
	const char *best = NULL;
	size_t least =
		strlen(name) / 3 + 1; /* About one slip in three letters. */

	for (; *names; names++) {
		size_t apart = distance(name, *names);

		if (strlen(name) >= 2 && !strncmp(name, *names, strlen(name)))
			apart = 0;
		if (apart < least || (apart == least && !best)) {
			least = apart;
			best = *names;
		}
	}
	return best;
}

static void unknown_option(const char *given) TOOL_NORETURN;
static void unknown_option(const char *given)
{
	const char *names[OPTIONS_MAX + 1];
	char name[64], safe[256];
	const char *near;
	size_t i;

	for (i = 0; i < table.count; i++)
		names[i] = table.specs[i]->name;
	names[i] = NULL;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(given + 2, "="),
		given + 2);
	text_escape(safe, sizeof safe, given);
	near = closest_name(name, names);
	if (near)
		usage_fail("unknown option '%s'; did you mean '--%s'?", safe,
			near);
	usage_fail("unknown option '%s'", safe);
}

static void refuse(int kind, const char *given) TOOL_NORETURN;
static void refuse(int kind, const char *given)
{
	char safe[256];

	text_escape(safe, sizeof safe, given);
	if (kind == ':')
		usage_fail("option '%s' needs a value", safe);
	if (given[0] == '-' && given[1] == '-') {
		if (optopt)
			usage_fail("option '%s' takes no value", safe);
		unknown_option(given);
	}
	snprintf(safe, sizeof safe, "%c",
		optopt >= 0x20 && optopt < 0x7f ? optopt : '?');
	usage_fail("unknown option '-%s'", safe);
}

/* Of the lane: an empty one would be as if it were not there, and who wrote
 * "$interface" would stay on loopback without a word. */
static const char *lane_text(const char *option)
{
	if (*optarg == '\0')
		usage_fail("%s is empty; leave it out for what is the default",
			option);
	return optarg;
}

/* True when `id` was one of the lane's or common options. */
static bool take_common(int id, struct lane_choice *lane)
{
	static const char *const lanes[] = {"verbs", "udp", NULL};
	struct msg_node_options *options = &lane->options;

	switch (id) {
	case 'i':
		options->interface = lane_text("--interface");
		return true;
	case LANE_DEVICE:
		options->device = lane_text("--device");
		return true;
	case LANE_LANE:
		options->lane = value_choice("--lane", optarg, lanes) == 0
					? MSG_LANE_VERBS
					: MSG_LANE_UDP;
		return true;
	case LANE_GROUPS:
		options->groups = lane_text("--groups");
		return true;
	case LANE_PORT:
		options->port =
			(uint32_t)value_count("--port", optarg, 1, 65535);
		return true;
	case LANE_TTL:
		options->ttl = (uint32_t)value_count("--ttl", optarg, 1, 255);
		return true;
	case LANE_FRAME_BYTES:
		options->frame_bytes = (uint32_t)value_count(
			"--frame-bytes", optarg, 256, 65507);
		return true;
	case 'q':
		quiet = true;
		return true;
	case 'v':
		lane->verbose = true;
		return true;
	default:
		return false;
	}
}

int options_next(const struct command *command, struct lane_choice *lane,
	int argc, char **argv)
{
	int id;

	opterr = 0;
	while ((id = getopt_long(
			argc, argv, table.shorts, table.longs, NULL)) != -1) {
		if (id == '?' || id == ':')
			refuse(id, argv[optind - 1]);
		if (id == 'h') {
			options_help(command, stdout);
			exit(output_finish(TOOL_EXIT_OK));
		}
		if (!take_common(id, lane))
			return id;
	}
	return -1;
}

void options_operands(int argc, int count, const char *names)
{
	if (argc - optind < count)
		usage_fail("%s is missing", names);
	if (argc > optind && count == 0)
		usage_fail("too many arguments: none is expected");
	if (argc - optind > count)
		usage_fail("too many arguments: only %s is expected", names);
}

static void help_options(
	FILE *file, const char *title, const struct option_spec *spec)
{
	char left[64];

	fprintf(file, "\n%s:\n", title);
	for (; spec->name; spec++) {
		char letter[8] = "   ";

		if (spec->id < OPTION_LONG)
			snprintf(letter, sizeof letter, "-%c,", spec->id);
		snprintf(left, sizeof left, "%s --%s%s%s", letter, spec->name,
			spec->value ? " " : "", spec->value ? spec->value : "");
		fprintf(file, "  %-28s %s\n", left, spec->help);
	}
}

void options_help(const struct command *command, FILE *file)
{
	fprintf(file, "Usage: %s %s%s%s\n\n%s\n", program, command->name,
		*command->synopsis ? " " : "", command->synopsis,
		command->summary);
	if (command->detail)
		fprintf(file, "\n%s\n", command->detail);
	if (command->options && command->options->name)
		help_options(file, "Options", command->options);
	if (command->takes_lane)
		help_options(file, "Lane", lane_options);
	help_options(file, "Common", common_options);
	if (strcmp(command->name, "doctor") == 0)
		return; /* Its detail has its own exit codes. */
	fputs("\nExit: 0 done, 1 what was asked for failed or was not met,\n"
	      "      2 bad usage, 3 no usable lane, device or interface\n",
		file);
}

/* ---- values ------------------------------------------------------------ */

bool scaled_parse(const char *text, double *value)
{
	static const struct {
		const char *suffix;
		double factor;
	} scales[] = {{"", 1}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9},
		{"Ki", 1024}, {"Mi", 1048576}, {"Gi", 1073741824}};
	char *end;

	/* strtod would also read "inf", "0x1p3" and leading space. */
	if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X')
		return false;
	*value = strtod(text, &end);
	for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
		if (strcmp(end, scales[i].suffix) == 0) {
			*value *= scales[i].factor;
			return isfinite(*value);
		}
	}
	return false;
}

bool time_parse(const char *text, double bare, double *ns)
{
	static const struct {
		const char *suffix;
		double factor;
	} units[] = {
		{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}};
	char *end;

	if (text[0] < '0' || text[0] > '9' || text[1] == 'x' || text[1] == 'X')
		return false;
	*ns = strtod(text, &end);
	if (*end == '\0') {
		*ns *= bare;
		return isfinite(*ns);
	}
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (strcmp(end, units[i].suffix) == 0) {
			*ns *= units[i].factor;
			return isfinite(*ns);
		}
	}
	return false;
}

uint64_t value_count(
	const char *option, const char *text, uint64_t min, uint64_t max)
{
	char safe[64];
	double value;

	text_escape(safe, sizeof safe, text);
	if (!scaled_parse(text, &value) || floor(value) < value)
		usage_fail("%s '%s' is not a whole number (as 12, 10k, 64Ki)",
			option, safe);
	if (value < (double)min || value > (double)max)
		usage_fail("%s %s is out of range: %llu to %llu", option, safe,
			(unsigned long long)min, (unsigned long long)max);
	return (uint64_t)value;
}

double value_rate(const char *option, const char *text)
{
	char number[64], safe[64];
	size_t length = strlen(text);
	double value;

	text_escape(safe, sizeof safe, text);
	snprintf(number, sizeof number, "%s", text);
	if (length > 2 && length < sizeof number &&
		strcmp(text + length - 2, "/s") == 0)
		number[length - 2] = '\0';
	if (!scaled_parse(number, &value))
		usage_fail("%s '%s' is not a rate (as 500, 10k/s, 1M)", option,
			safe);
	if (value > 1e9 || (value > 0 && value < 1e-3))
		usage_fail("%s %s is out of range: 0, or 0.001 to 1G", option,
			safe);
	return value;
}

double value_seconds(const char *option, const char *text)
{
	char safe[64];
	double ns;

	text_escape(safe, sizeof safe, text);
	if (!time_parse(text, 1e9, &ns))
		usage_fail("%s '%s' is not a time (as 1.5, 200ms, 2m)", option,
			safe);
	if (ns > 1e9 * 86400 * 365)
		usage_fail("%s %s is out of range: up to a year", option, safe);
	return ns / 1e9;
}

double value_limit(const char *option, const char *text)
{
	double seconds = value_seconds(option, text);

	if (seconds <= 0)
		usage_fail("%s is out of range: above 0; leave it out for no "
			   "limit",
			option);
	return seconds;
}

int value_choice(const char *option, const char *text, const char *const *names)
{
	const char *near;
	char safe[64], list[128] = "";

	for (int i = 0; names[i]; i++) {
		if (strcmp(text, names[i]) == 0)
			return i;
		snprintf(list + strlen(list), sizeof list - strlen(list),
			"%s%s", i ? ", " : "", names[i]);
	}
	text_escape(safe, sizeof safe, text);
	near = closest_name(text, names);
	if (near)
		usage_fail("%s '%s' is none of %s; did you mean '%s'?", option,
			safe, list, near);
	usage_fail("%s '%s' is none of %s", option, safe, list);
}
