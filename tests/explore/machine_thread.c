/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine_thread.c - threads as coroutines; see machine.h.  machine.c enters them,
 * steps (machine_memory.c) leave them.
 */
#include "machine.h"

#include <stdlib.h>

#define STACK_BYTES (64u << 10)

static _Alignas(64) uint8_t stacks[THREADS_MAX][STACK_BYTES];

#ifdef __x86_64__
void explore_switch(void **from, void *to);
__asm__(".text\n"
	".type explore_switch, @function\n"
	"explore_switch:\n"
	"	push %rbp\n	push %rbx\n	push %r12\n"
	"	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, (%rdi)\n"
	"	mov %rsi, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n"
	"	pop %r12\n	pop %rbx\n	pop %rbp\n"
	"	ret\n"
	".size explore_switch, . - explore_switch\n");
#endif

void machine_enter_thread(int t)
{
	m.current = t;
#ifdef __x86_64__
	explore_switch(&m.stack, m.threads[t].stack);
#else
	swapcontext(&m.context, &m.threads[t].context);
#endif
	m.current = MAIN;
}

void machine_leave_thread(void)
{
#ifdef __x86_64__
	explore_switch(&m.threads[m.current].stack, m.stack);
#else
	swapcontext(&m.threads[m.current].context, &m.context);
#endif
}

static void thread_main(void)
{
	struct thread *t = &m.threads[m.current];

	t->body(t->argument);
	machine_flush_deferred();
	t->wait = DONE;
	machine_leave_thread();
	abort();
}

void machine_make_stack(int t)
{
#ifdef __x86_64__
	void **top = (void **)(void *)(stacks[t] + STACK_BYTES);

	/* As if called: a return address, and 16 bytes aligned before it. */
	*--top = NULL;
	*--top = (void *)(uintptr_t)thread_main;
	for (int i = 0; i < 6; i++)
		*--top = NULL;
	m.threads[t].stack = top;
#else
	getcontext(&m.threads[t].context);
	m.threads[t].context.uc_stack.ss_sp = stacks[t];
	m.threads[t].context.uc_stack.ss_size = STACK_BYTES;
	m.threads[t].context.uc_link = NULL;
	makecontext(&m.threads[t].context, thread_main, 0);
#endif
}
