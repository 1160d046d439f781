/* SPDX-License-Identifier: BSD-2-Clause */
/* bench_report.c - the results of `msg bench`; see bench.h. */
#include "bench.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "options.h"
#include "text.h"

static const struct {
	const char *name;
	double percent;
} percentiles[] = {{"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}};
#define PERCENTILE_COUNT (sizeof percentiles / sizeof *percentiles)

const char *bench_mode_name(enum bench_mode mode)
{
	static const char *const names[] = {
		"throughput", "latency", "roundtrip"};

	return names[mode];
}

const struct require_metric *bench_metrics(enum bench_mode mode)
{
	static const struct require_metric metrics[] = {
		{"min", REQUIRE_TIME},
		{"mean", REQUIRE_TIME},
		{"p50", REQUIRE_TIME},
		{"p90", REQUIRE_TIME},
		{"p99", REQUIRE_TIME},
		{"p99.9", REQUIRE_TIME},
		{"max", REQUIRE_TIME},
		{"loss", REQUIRE_AT_MOST},
		{"loss_percent", REQUIRE_AT_MOST},
		{"rate", REQUIRE_AT_LEAST},
		{NULL, REQUIRE_TIME},
	};

	return mode == BENCH_THROUGHPUT ? metrics + 7 : metrics;
}

static double loss_percent(const struct bench_run *run)
{
	uint64_t all = run->received + run->lost;

	return all > 0 ? 100.0 * (double)run->lost / (double)all : 0;
}

static double mean(const struct histogram *histogram)
{
	return histogram->total > 0 ? histogram->sum / (double)histogram->total
				    : 0;
}

static uint64_t smallest(const struct histogram *histogram)
{
	return histogram->total > 0 ? histogram->min : 0;
}

/* ---- table ------------------------------------------------------------- */

void bench_head(const struct bench_plan *plan, const struct machine *machine,
	const char *lane)
{
	char cpu[256], rate[32] = "as fast as possible";

	text_escape(cpu, sizeof cpu, machine->cpu);
	if (plan->rate > 0) {
		text_scaled(plan->rate, rate, sizeof rate - 2);
		strcat(rate, "/s");
	}
	printf("machine  %s, %d cores, %s, clock %s\n", cpu, machine->cores,
		machine->kernel, machine->clock);
	printf("lane     %s\n", lane);
	printf("%s: %zu bytes, %s, batch %" PRIu64 ", ",
		bench_mode_name(plan->mode), plan->size, rate, plan->batch);
	if (plan->delivery.reliability == MSG_RELIABILITY_RELIABLE)
		printf("reliable, ");
	else if (plan->delivery.reliability == MSG_RELIABILITY_RC)
		printf("rc, ");
	if (plan->mode == BENCH_ROUNDTRIP)
		puts("there and back");
	else
		printf("%d subscriber%s\n", plan->subscribers,
			plan->subscribers == 1 ? "" : "s");
	if (plan->mode == BENCH_THROUGHPUT)
		printf("%-6s %9s %9s %10s %10s %8s %8s", "", "sent/s",
			"taken/s", "B/s", "sent", "lost", "lost %");
	else
		printf("%-6s %9s %9s %9s %9s %9s %9s %10s %6s", "", "min",
			"p50", "p90", "p99", "p99.9", "max", "messages",
			"lost");
	printf(" %18s\n", "CPU s/M send,take");
	fflush(stdout);
}

static void throughput_row(
	const struct bench_plan *plan, const struct bench_run *run)
{
	char sent[32], taken[32], volume[32];

	text_scaled(run->send_rate, sent, sizeof sent);
	text_scaled(run->receive_rate, taken, sizeof taken);
	text_scaled(
		run->receive_rate * (double)plan->size, volume, sizeof volume);
	printf("%-6s %9s %9s %10s %10" PRIu64 " %8" PRIu64 " %8.3f",
		run->spin ? "spin" : "block", sent, taken, volume, run->sent,
		run->lost, loss_percent(run));
}

static void latency_row(const struct bench_run *run)
{
	const struct histogram *latency = &run->latency;
	char text[32];

	printf("%-6s %9s", run->spin ? "spin" : "block",
		text_time((double)smallest(latency), text, sizeof text));
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		printf(" %9s", text_time((double)histogram_percentile(latency,
						 percentiles[i].percent),
				       text, sizeof text));
	printf(" %9s %10" PRIu64 " %6" PRIu64,
		text_time((double)latency->max, text, sizeof text),
		run->received, run->lost);
}

void bench_row(const struct bench_plan *plan, const struct bench_run *run)
{
	if (plan->mode == BENCH_THROUGHPUT)
		throughput_row(plan, run);
	else
		latency_row(run);
	printf(" %10.3g, %6.3g\n", run->publisher_cpu, run->subscriber_cpu);
	fflush(stdout);
}

/* ---- JSON -------------------------------------------------------------- */

static void json_latency(struct json *json, const struct histogram *latency)
{
	json_open(json, "latency_ns", '{');
	json_count(json, "samples", latency->total);
	json_count(json, "min", smallest(latency));
	json_number(json, "mean", mean(latency));
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		json_count(json, percentiles[i].name,
			histogram_percentile(latency, percentiles[i].percent));
	json_count(json, "max", latency->max);
	json_close(json, '}');
}

static void json_run(struct json *json, const struct bench_plan *plan,
	const struct bench_run *run)
{
	json_open(json, NULL, '{');
	json_text(json, "wait", run->spin ? "spin" : "block");
	json_flag(json, "yield", run->spin && plan->yield);
	json_count(json, "sent", run->sent);
	json_count(json, "failed", run->failed);
	json_count(json, "received", run->received);
	json_count(json, "lost", run->lost);
	json_number(json, "loss_percent", loss_percent(run));
	json_number(json, "send_rate", run->send_rate);
	json_number(json, "receive_rate", run->receive_rate);
	json_number(json, "publisher_cpu_s_per_million", run->publisher_cpu);
	json_number(json, "subscriber_cpu_s_per_million", run->subscriber_cpu);
	json_open(json, "received_by", '[');
	for (int i = 0; i < plan->subscribers; i++)
		json_count(json, NULL, run->subscriber_received[i]);
	json_close(json, ']');
	if (plan->mode != BENCH_THROUGHPUT)
		json_latency(json, &run->latency);
	json_close(json, '}');
}

void bench_json(const struct bench_plan *plan, const struct machine *machine,
	const char *lane, const struct bench_run *runs, int count)
{
	struct json json = {stdout, false};

	json_open(&json, NULL, '{');
	json_text(&json, "bench", bench_mode_name(plan->mode));
	json_text(&json, "version", msg_version());
	json_text(&json, "cpu", machine->cpu);
	json_count(&json, "cores", (uint64_t)machine->cores);
	json_text(&json, "kernel", machine->kernel);
	json_text(&json, "clock", machine->clock);
	json_text(&json, "lane", lane);
	json_count(&json, "size", plan->size);
	json_number(&json, "rate", plan->rate);
	json_count(&json, "batch", plan->batch);
	json_count(&json, "window", plan->window);
	json_count(&json, "subscribers", (uint64_t)plan->subscribers);
	json_open(&json, "runs", '[');
	for (int i = 0; i < count; i++)
		json_run(&json, plan, &runs[i]);
	json_close(&json, ']');
	json_close(&json, '}');
	putchar('\n');
}

/* ---- requirements ------------------------------------------------------ */

bool bench_judge(const struct bench_plan *plan, const struct bench_run *run,
	const struct require *require)
{
	const struct histogram *latency = &run->latency;
	const char *where = run->spin ? "spin" : "block";
	bool met = true;

	if (run->received == 0) {
		complain("%s: no message arrived", where);
		return false;
	}
	met &= require_check(require, "loss", (double)run->lost, where);
	met &= require_check(require, "loss_percent", loss_percent(run), where);
	met &= require_check(require, "rate", run->receive_rate, where);
	if (plan->mode == BENCH_THROUGHPUT)
		return met;
	met &= require_check(require, "min", (double)smallest(latency), where);
	met &= require_check(require, "mean", mean(latency), where);
	met &= require_check(require, "max", (double)latency->max, where);
	for (size_t i = 0; i < PERCENTILE_COUNT; i++)
		met &= require_check(require, percentiles[i].name,
			(double)histogram_percentile(
				latency, percentiles[i].percent),
			where);
	return met;
}
