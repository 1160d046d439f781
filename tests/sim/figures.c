/* SPDX-License-Identifier: BSD-2-Clause */
/* figures.c - experiments into tables; see figures.h. */
#include "figures.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crowd.h"
#include "experiment.h"
#include "models.h"

#define RTT_NS 20000.0
#define STEPS 200u
#define DRAWS 100000u

extern char **environ;

struct figures {
	const char *folder;
	FILE *file;
	bool failed;
};

static bool table(struct figures *f, const char *name, const char *head)
{
	char path[4096];

	if (f->file)
		fclose(f->file);
	snprintf(path, sizeof path, "%s/%s.tsv", f->folder, name);
	f->file = fopen(path, "w");
	if (!f->file) {
		fprintf(stderr, "msg_sim: %s: %s\n", path, strerror(errno));
		f->failed = true;
		return false;
	}
	fprintf(f->file, "%s\n", head);
	printf("%s\n", path);
	fflush(stdout);
	return true;
}

static void play(struct figures *f, const struct experiment *e,
	struct experiment_result *result)
{
	experiment_play(e, result);
	if (result->failed) {
		fprintf(stderr, "msg_sim: an experiment failed\n");
		f->failed = true;
	}
}

/* ---- what one loss costs ------------------------------------------------- */

static void repair_latency(struct figures *f)
{
	struct experiment e = experiment_defaults;
	struct experiment_result ours;
	struct random_stream random = {1};
	uint64_t *models[MODEL_COUNT];

	if (!table(f, "repair_latency",
		    "share\tlibmsg_us\taeron_us\tnorm_us\tpgm_us"))
		return;
	e.messages = 1000000;
	e.loss = 10000;
	play(f, &e, &ours);
	for (int m = 0; m < MODEL_COUNT; m++) {
		models[m] = calloc(DRAWS, sizeof(uint64_t));
		if (!models[m])
			abort();
		for (uint32_t i = 0; i < DRAWS; i++)
			models[m][i] = (uint64_t)model_repair_ns(
				(enum model)m, &random, 10e3, RTT_NS, 0.01);
		ascend(models[m], DRAWS);
	}
	for (uint32_t i = 0; i < STEPS; i++) {
		double share = i / (double)STEPS;

		fprintf(f->file, "%.4f\t%.1f", share,
			(double)quantile(ours.repairs, ours.repair_count,
				share) / 1e3);
		for (int m = 0; m < MODEL_COUNT; m++)
			fprintf(f->file, "\t%.1f",
				(double)quantile(models[m], DRAWS, share) /
					1e3);
		fputc('\n', f->file);
	}
	for (int m = 0; m < MODEL_COUNT; m++)
		free(models[m]);
	experiment_end(&ours);
}

/* ---- latency against loss ------------------------------------------------ */

static void latency_against_loss(struct figures *f)
{
	static const uint32_t losses[] = {1, 3, 10, 30, 100, 300, 1000, 3000,
		10000, 30000, 100000};
	struct random_stream random = {2};

	if (!table(f, "latency_loss",
		    "loss\tlibmsg_p50_us\tlibmsg_p999_us\taeron_p999_us"
		    "\tnorm_p999_us\tpgm_p999_us"))
		return;
	for (uint32_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
		struct experiment e = experiment_defaults;
		struct experiment_result r;

		e.messages = 2000000;
		e.interval_ns = 1 * MICROSECOND;
		e.loss = losses[i];
		play(f, &e, &r);
		fprintf(f->file, "%g\t%.1f\t%.1f", losses[i] / 1e6,
			(double)quantile(r.latencies, r.latency_count, 0.5) /
				1e3,
			(double)quantile(r.latencies, r.latency_count, 0.999) /
				1e3);
		for (int m = 0; m < MODEL_COUNT; m++)
			fprintf(f->file, "\t%.1f",
				model_latency_ns((enum model)m, &random,
					2000000, 1e3, RTT_NS, losses[i] / 1e6,
					0.999) / 1e3);
		fputc('\n', f->file);
		experiment_end(&r);
	}
}

/* ---- questions for a lost frame ------------------------------------------ */

static void crowd_row(struct figures *f, uint32_t receivers)
{
	struct random_stream random = {receivers};

	fprintf(f->file, "%" PRIu32, receivers);
	for (int loss = CROWD_LONE; loss <= CROWD_EVERYWHERE; loss++) {
		struct crowd_settings s = crowd_defaults;
		struct crowd_result r;

		s.receivers = receivers;
		s.loss = (enum crowd_loss)loss;
		crowd_play(&s, &r);
		if (r.failed) {
			fprintf(stderr, "msg_sim: %s\n", r.failure);
			f->failed = true;
		}
		fprintf(f->file, "\t%" PRIu64 "\t%.2f\t%.2f", r.naks_first,
			(double)(r.naks - r.naks_first) / (r.losses - 1),
			(double)r.repairs / r.losses);
	}
	for (int m = 0; m < MODEL_COUNT; m++) {
		double sum = 0;

		for (int i = 0; i < 100; i++)
			sum += model_naks((enum model)m, &random, receivers,
				RTT_NS);
		fprintf(f->file, "\t%.2f", sum / 100);
	}
	fputc('\n', f->file);
	fflush(f->file);
}

static void naks(struct figures *f)
{
	static const uint32_t counts[] = {
		10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000};

	if (!table(f, "naks",
		    "receivers\tlone_first\tlone\tlone_repairs\track_first\track"
		    "\track_repairs\teverywhere_first\teverywhere"
		    "\teverywhere_repairs\taeron\tnorm\tpgm"))
		return;
	for (uint32_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
		crowd_row(f, counts[i]);
}

/* ---- goodput ------------------------------------------------------------- */

static void goodput(struct figures *f)
{
	static const uint32_t losses[] = {1, 10, 100, 1000, 10000, 30000,
		100000, 200000, 300000};

	if (!table(f, "goodput",
		    "loss\tone_gbps\teight_gbps\trepairs_per_frame\tbound_gbps"))
		return;
	for (uint32_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
		struct experiment e = experiment_defaults;
		struct experiment_result one, eight;

		e.loss = losses[i];
		e.messages = 100000;
		e.bytes = 4000;
		e.burst = (uint32_t)e.messages;
		e.up_bits = UINT64_C(10000000000);
		e.policy = MSG_FLOW_POLICY_MIN;
		play(f, &e, &one);
		e.receivers = 8;
		play(f, &e, &eight);
		/* Each frame has 24 + 66 bytes besides. */
		fprintf(f->file, "%g\t%.3f\t%.3f\t%.3f\t%.3f\n",
			losses[i] / 1e6, one.goodput / 1e9,
			eight.goodput / 1e9,
			(double)eight.repairs_sent / (double)e.messages,
			10 * 4000.0 / 4090.0 * (1 - losses[i] / 1e6));
		experiment_end(&one);
		experiment_end(&eight);
	}
}

/* ---- the last message ---------------------------------------------------- */

static void tail(struct figures *f)
{
	struct experiment e = experiment_defaults;
	struct experiment_result small, large;

	if (!table(f, "tail", "share\tsmall_us\tlarge_us"))
		return;
	e.messages = 20000;
	e.interval_ns = 5 * MILLISECOND;
	e.loss = 100000;
	play(f, &e, &small);
	e.bytes = 1400;
	play(f, &e, &large);
	for (uint32_t i = 0; i < STEPS; i++) {
		double share = i / (double)STEPS;

		fprintf(f->file, "%.4f\t%.1f\t%.1f\n", share,
			(double)quantile(small.repairs, small.repair_count,
				share) / 1e3,
			(double)quantile(large.repairs, large.repair_count,
				share) / 1e3);
	}
	experiment_end(&small);
	experiment_end(&large);
}

/* ---- one slow receiver --------------------------------------------------- */

static void slow(struct figures *f)
{
	static const char *const names[] = {
		[MSG_FLOW_POLICY_NONE] = "none",
		[MSG_FLOW_POLICY_MIN] = "min",
		[MSG_FLOW_POLICY_TAGGED] = "tagged",
		[MSG_FLOW_POLICY_K_OF_N] = "7-of-8"};

	if (!table(f, "slow",
		    "policy\tfast_per_s\tfast_p99_us\tfast_lost\tslow_delivered"
		    "\tslow_lost\tblocked\trepairs"))
		return;
	for (int policy = 0; policy < 4; policy++) {
		struct experiment e = experiment_defaults;
		struct experiment_result r;
		uint64_t fast;

		e.receivers = 8;
		e.messages = 200000;
		e.slow_ns = 25 * MICROSECOND;
		e.history = 4096;
		e.give_up_ns = SECOND;
		e.policy = (enum msg_flow_policy)policy;
		e.k = 7;
		play(f, &e, &r);
		fast = r.latency_count / (e.receivers - 1);
		fprintf(f->file,
			"%s\t%.0f\t%.1f\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
			"\t%.3f\t%" PRIu64 "\n",
			names[policy], (double)fast / r.published_s,
			(double)quantile(r.latencies, r.latency_count, 0.99) /
				1e3,
			r.lost, r.apart_delivered, r.apart_lost, r.blocked,
			r.repairs_sent);
		experiment_end(&r);
	}
}

/* ---- all ----------------------------------------------------------------- */

static int draw(const char *folder)
{
	char setting[4200];
	char *arguments[] = {(char *)"gnuplot", (char *)"-e", setting,
		(char *)SIM_PICTURES, NULL};
	pid_t child;
	int status;

	snprintf(setting, sizeof setting, "folder='%s'", folder);
	if (posix_spawnp(&child, "gnuplot", NULL, NULL, arguments, environ) !=
			0 ||
		waitpid(child, &status, 0) != child) {
		puts("(no gnuplot: no pictures)");
		return 0;
	}
	return status != 0;
}

int figures_write(const char *folder)
{
	struct figures f = {.folder = folder};

	if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
		fprintf(stderr, "msg_sim: %s: %s\n", folder, strerror(errno));
		return 1;
	}
	repair_latency(&f);
	latency_against_loss(&f);
	goodput(&f);
	tail(&f);
	slow(&f);
	naks(&f);
	if (f.file)
		fclose(f.file);
	return f.failed || draw(folder) != 0;
}
