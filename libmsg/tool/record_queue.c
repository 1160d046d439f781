/* SPDX-License-Identifier: BSD-2-Clause */
/* record_queue.c - between who takes messages and who writes them; see
 * record_queue.h. */
#include "record_queue.h"

#include <stdlib.h>
#include <time.h>

/* In front of each: how long it is with that, or 0 where the rest of the ring
 * is left out because it would not fit. */
#define HEAD_BYTES 8u
/* The writer says so often how far it is. */
#define RETURN_BYTES (256u << 10)

bool record_queue_open(struct record_queue *queue, size_t capacity)
{
	pthread_condattr_t how;

	*queue = (struct record_queue){.capacity = capacity & ~(size_t)7};
	queue->data = malloc(queue->capacity);
	if (!queue->data)
		return false;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&how);
	pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->filled, &how);
	pthread_condattr_destroy(&how);
	return true;
}

void record_queue_close(struct record_queue *queue)
{
	if (!queue->data)
		return;
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
	free(queue->data);
	queue->data = NULL;
}

static uint64_t *head_at(struct record_queue *queue, uint64_t position)
{
	return (uint64_t *)(void *)(queue->data + position % queue->capacity);
}

/* ---- the taker ----------------------------------------------------------- */

static bool fits(struct record_queue *queue, uint64_t bytes)
{
	if (queue->made + bytes - queue->head_seen <= queue->capacity)
		return true;
	pthread_mutex_lock(&queue->lock);
	queue->head_seen = queue->head;
	pthread_mutex_unlock(&queue->lock);
	return queue->made + bytes - queue->head_seen <= queue->capacity;
}

void *record_queue_room(struct record_queue *queue, size_t bytes)
{
	uint64_t whole = HEAD_BYTES + ((bytes + 7) & ~(uint64_t)7);
	uint64_t to_end = queue->capacity - queue->made % queue->capacity;
	uint64_t left_out = whole > to_end ? to_end : 0;

	if (whole > queue->capacity / 2 || !fits(queue, left_out + whole))
		return NULL;
	if (left_out > 0) {
		*head_at(queue, queue->made) = 0;
		queue->made += left_out;
	}
	*head_at(queue, queue->made) = whole;
	return queue->data + queue->made % queue->capacity + HEAD_BYTES;
}

void record_queue_put(struct record_queue *queue)
{
	queue->made += *head_at(queue, queue->made);
}

void record_queue_push(struct record_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->head_seen = queue->head;
	queue->tail = queue->made;
	if (queue->waiting)
		pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
	if (queue->made - queue->head_seen > queue->most)
		queue->most = queue->made - queue->head_seen;
}

void record_queue_end(struct record_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->tail = queue->made;
	queue->ended = true;
	pthread_cond_signal(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

uint64_t record_queue_level(struct record_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->head_seen = queue->head;
	pthread_mutex_unlock(&queue->lock);
	return queue->made - queue->head_seen;
}

/* ---- the writer ---------------------------------------------------------- */

/* Something to get, or not in time. */
static bool wait_for_more(
	struct record_queue *queue, uint64_t until_ns, bool *ended)
{
	struct timespec until = {
		.tv_sec = (time_t)(until_ns / 1000000000u),
		.tv_nsec = (long)(until_ns % 1000000000u),
	};
	int late = 0;

	pthread_mutex_lock(&queue->lock);
	queue->head = queue->returned = queue->done;
	queue->waiting = true;
	while (queue->tail == queue->done && !queue->ended && late == 0)
		late = pthread_cond_timedwait(
			&queue->filled, &queue->lock, &until);
	queue->waiting = false;
	queue->tail_seen = queue->tail;
	*ended = queue->ended && queue->tail == queue->done;
	pthread_mutex_unlock(&queue->lock);
	return queue->tail_seen != queue->done;
}

const void *record_queue_get(
	struct record_queue *queue, uint64_t until_ns, bool *ended)
{
	*ended = false;
	for (;;) {
		if (queue->done == queue->tail_seen &&
			!wait_for_more(queue, until_ns, ended))
			return NULL;
		if (*head_at(queue, queue->done) != 0)
			break;
		/* The rest of the ring was left out. */
		queue->done += queue->capacity - queue->done % queue->capacity;
	}
	return queue->data + queue->done % queue->capacity + HEAD_BYTES;
}

void record_queue_drop(struct record_queue *queue)
{
	queue->done += *head_at(queue, queue->done);
	if (queue->done - queue->returned < RETURN_BYTES &&
		queue->done != queue->tail_seen)
		return;
	pthread_mutex_lock(&queue->lock);
	queue->head = queue->returned = queue->done;
	pthread_mutex_unlock(&queue->lock);
}

bool record_queue_presses(struct record_queue *queue)
{
	bool presses;

	pthread_mutex_lock(&queue->lock);
	presses = queue->tail - queue->done >= queue->capacity / 2;
	pthread_mutex_unlock(&queue->lock);
	return presses;
}
