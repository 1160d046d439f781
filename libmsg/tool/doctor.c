/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.c - `msg doctor`: is this machine ready, and if not, what to do.
 *
 * Each finding has a status, a sentence and, when there is something to
 * repair, one line that repairs it.  See doctor.h for the checks.
 */
#include "doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "stop.h"
#include "text.h"

enum {
	OPTION_JSON = OPTION_LONG
};

static const struct option_spec options[] = {
	{OPTION_JSON, "json", NULL, "one JSON document"},
	OPTION_END,
};

static const char *const status_names[] = {"ok", "note", "warn", "fail"};

void finding(struct doctor *doctor, enum finding_status status,
	const char *check, const char *fix, const char *format, ...)
{
	struct finding *entry;
	va_list args;

	if (doctor->count == FINDINGS_MAX)
		return;
	entry = &doctor->findings[doctor->count++];
	entry->status = status;
	entry->check = check;
	snprintf(entry->fix, sizeof entry->fix, "%s", fix ? fix : "");
	va_start(args, format);
	vsnprintf(entry->text, sizeof entry->text, format, args);
	va_end(args);
}

static int count_of(const struct doctor *doctor, enum finding_status status)
{
	int count = 0;

	for (int i = 0; i < doctor->count; i++)
		count += doctor->findings[i].status == status;
	return count;
}

static void print_text(const struct doctor *doctor)
{
	static const char *const colours[] = {"32", "0", "33", "31"};
	bool colour = isatty(STDOUT_FILENO);

	for (int i = 0; i < doctor->count; i++) {
		const struct finding *entry = &doctor->findings[i];

		if (colour)
			printf("\033[%sm%-4s\033[0m ", colours[entry->status],
				status_names[entry->status]);
		else
			printf("%-4s ", status_names[entry->status]);
		printf("%-11s ", entry->check);
		text_write(stdout, entry->text, strlen(entry->text));
		putchar('\n');
		if (entry->fix[0])
			printf("%17sfix: %s\n", "", entry->fix);
	}
	printf("%d failed, %d warnings, %d in order\n",
		count_of(doctor, FINDING_FAIL), count_of(doctor, FINDING_WARN),
		count_of(doctor, FINDING_OK) + count_of(doctor, FINDING_NOTE));
}

static void print_json(const struct doctor *doctor)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "version", msg_version());
	json_count(&json, "failed", (uint64_t)count_of(doctor, FINDING_FAIL));
	json_count(&json, "warnings", (uint64_t)count_of(doctor, FINDING_WARN));
	json_open(&json, "findings", '[');
	for (int i = 0; i < doctor->count; i++) {
		const struct finding *entry = &doctor->findings[i];

		json_open(&json, NULL, '{');
		json_text(&json, "check", entry->check);
		json_text(&json, "status", status_names[entry->status]);
		json_text(&json, "text", entry->text);
		json_text(&json, "fix", entry->fix);
		json_close(&json, '}');
	}
	json_close(&json, ']');
	json_close(&json, '}');
	putchar('\n');
}

static int run(const struct command *command, int argc, char **argv)
{
	static struct doctor doctor; /* Large. */

	while (options_next(command, &doctor.lane, argc, argv) == OPTION_JSON)
		doctor.as_json = true;
	options_operands(argc, 0, "");
	doctor.lane.options.struct_bytes = sizeof doctor.lane.options;
	/* The lane itself; what programs get with a broker is check_broker's. */
	doctor.lane.options.broker = MSG_BROKER_NEVER;
	stop_catch();
	check_lane(&doctor);
	check_rdma(&doctor);
	check_broker(&doctor);
	check_host(&doctor);
	if (doctor.as_json)
		print_json(&doctor);
	else
		print_text(&doctor);
	if (count_of(&doctor, FINDING_FAIL) > 0)
		return 2;
	return count_of(&doctor, FINDING_WARN) > 0 ? 1 : 0;
}

const struct command command_doctor = {
	"doctor",
	"[OPTION...]",
	"Check this machine, with a fix per finding.",
	"Opens the lane the options choose, sends a message to itself over "
	"multicast, and\nlooks at devices, rights, limits and the broker of this host.\n\n"
	"Status: ok, note (worth knowing), warn (works, but worse than it "
	"could), fail.\n"
	"Exit: 0 all in order, 1 warnings only, 2 something failed (or bad "
	"usage)",
	options,
	true,
	run,
};
