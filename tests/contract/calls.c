/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * calls.c - see calls.h.
 *
 * Dispatch (prctl(2), PR_SET_SYSCALL_USER_DISPATCH) makes each system call of
 * this thread a SIGSYS while `selector` says block, but for those made from one
 * range of code.  In that range live the two that must always pass: the one by
 * which the handler makes the caught call, and the return from the handler.
 */
#include "calls.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__x86_64__) && !CALLS_SANITIZED

#include <dlfcn.h>
#include <pthread.h>

#ifndef PR_SET_SYSCALL_USER_DISPATCH
#define PR_SET_SYSCALL_USER_DISPATCH 59
#define PR_SYS_DISPATCH_ON 1
#endif
#define ALLOW 0
#define BLOCK 1
#define RESTORER 0x04000000 /* SA_RESTORER of the kernel. */

static volatile char selector = ALLOW;
static _Thread_local volatile bool counting;
static struct calls counted;

/* ---- allocations and locks ----------------------------------------------- */

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *block, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);
extern void __libc_free(void *block);

void *malloc(size_t bytes)
{
	counted.allocations += counting;
	return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
	counted.allocations += counting;
	return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
	counted.allocations += counting;
	return __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
	counted.allocations += counting;
	return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes)
{
	counted.allocations += counting;
	*block = __libc_memalign(alignment, bytes);
	return *block ? 0 : ENOMEM;
}

void free(void *block)
{
	counted.allocations += counting && block;
	__libc_free(block);
}

#define LOCK(name, type)                                                       \
	int name(type *lock)                                                   \
	{                                                                      \
		static int (*real)(type *);                                    \
                                                                               \
		if (!real)                                                     \
			*(void **)&real = dlsym(RTLD_NEXT, #name);             \
		counted.locks += counting;                                     \
		return real(lock);                                             \
	}

LOCK(pthread_mutex_lock, pthread_mutex_t)
LOCK(pthread_mutex_trylock, pthread_mutex_t)
LOCK(pthread_rwlock_rdlock, pthread_rwlock_t)
LOCK(pthread_rwlock_wrlock, pthread_rwlock_t)

int pthread_spin_lock(pthread_spinlock_t *lock)
{
	static int (*real)(pthread_spinlock_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_spin_lock");
	counted.locks += counting;
	return real(lock);
}

/* ---- system calls --------------------------------------------------------- */

long calls_pass(long number, long a, long b, long c, long d, long e, long f);
void calls_restore(void);
extern char calls_range_begin[], calls_range_end[];

__asm__(".pushsection .text\n"
	".globl calls_range_begin, calls_pass, calls_restore, calls_range_end\n"
	"calls_range_begin:\n"
	"calls_pass:\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	mov %rdx, %rsi\n"
	"	mov %rcx, %rdx\n"
	"	mov %r8, %r10\n"
	"	mov %r9, %r8\n"
	"	mov 8(%rsp), %r9\n"
	"	syscall\n"
	"	ret\n"
	"calls_restore:\n"
	"	mov $15, %rax\n"
	"	syscall\n"
	"	nop\n"
	"calls_range_end:\n"
	".popsection\n");

static void on_call(int signal, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	long number = r[REG_RAX];

	(void)signal;
	(void)info;
	counted.system++;
	if (number >= 0 && number < CALLS_SYSTEM_MAX)
		counted.by_number[number]++;
	r[REG_RAX] = calls_pass(number, r[REG_RDI], r[REG_RSI], r[REG_RDX],
		r[REG_R10], r[REG_R8], r[REG_R9]);
}

/* The kernel's own struct: libc would put its restorer in, outside the range. */
struct kernel_action {
	void (*handler)(int, siginfo_t *, void *);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

/* Each time anew: loading the fabric module puts all signal handlers back by
 * way of libc, which puts its own restorer in. */
static bool catch_calls(void)
{
	struct kernel_action action = {
		.handler = on_call,
		.flags = SA_SIGINFO | SA_NODEFER | RESTORER,
		.restorer = calls_restore,
	};

	return syscall(SYS_rt_sigaction, SIGSYS, &action, NULL, 8) == 0;
}

bool calls_can(const char **why)
{
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON,
		    calls_range_begin, calls_range_end - calls_range_begin,
		    &selector) == 0)
		return true;
	*why = "this kernel has no syscall user dispatch";
	return false;
}

void calls_begin(void)
{
	if (!catch_calls())
		abort();
	memset(&counted, 0, sizeof counted);
	counting = true;
	selector = BLOCK;
}

void calls_end(struct calls *calls)
{
	selector = ALLOW;
	counting = false;
	*calls = counted;
}

#else

bool calls_can(const char **why)
{
	*why = CALLS_SANITIZED ? "a sanitizer makes calls of its own"
			       : "made for x86-64";
	return false;
}

void calls_begin(void)
{
}

void calls_end(struct calls *calls)
{
	memset(calls, 0, sizeof *calls);
}

#endif

bool calls_by_clock(void)
{
	struct timespec now;
	struct calls calls;

	calls_begin();
	clock_gettime(CLOCK_MONOTONIC, &now);
	calls_end(&calls);
	return calls.system > 0;
}
