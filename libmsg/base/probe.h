/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe.h - places a tracer may watch in a program that runs: USDT.
 *
 * A probe is one `nop` and a note, in a section that is not loaded, which says
 * where it is and in which registers its arguments are.  Nothing is called and
 * nothing is computed for it: arguments are what is at hand anyway.  Where the
 * header <sys/sdt.h> is missing there are no probes.
 *
 * msg_probes(7) lists them; tests/abi/probes.sh holds both to each other, and
 * sees that what stands there is a nop.
 */
#ifndef MSG_BASE_PROBE_H
#define MSG_BASE_PROBE_H

#ifdef MSG_HAVE_SDT
#include <sys/sdt.h>
#ifdef __clang__
/* The macros of that header, where they are used. */
#pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments"
#endif
#define MSG_PROBE2(name, a, b) STAP_PROBE2(libmsg, name, a, b)
#define MSG_PROBE3(name, a, b, c) STAP_PROBE3(libmsg, name, a, b, c)
#else
#define MSG_PROBE2(name, a, b)                                                 \
	do {                                                                   \
		(void)(a);                                                     \
		(void)(b);                                                     \
	} while (0)
#define MSG_PROBE3(name, a, b, c)                                              \
	do {                                                                   \
		(void)(a);                                                     \
		(void)(b);                                                     \
		(void)(c);                                                     \
	} while (0)
#endif

#endif
