/* SPDX-License-Identifier: BSD-2-Clause */
/* must.hpp - what has to hold, and what has to be thrown; else the program ends. */
#ifndef TESTS_BINDINGS_CXX_MUST_HPP
#define TESTS_BINDINGS_CXX_MUST_HPP

#include <msg/msg.hpp>

#include <cstdio>
#include <cstdlib>

#define MUST(what)                                                             \
	do {                                                                   \
		if (!(what)) {                                                 \
			std::printf("FAIL %s:%d: %s: %s\n", __FILE__,          \
				__LINE__, __func__, #what);                    \
			std::exit(1);                                          \
		}                                                              \
	} while (0)

/* `action` throws msg::error with this code. */
#define THROWS(action, wanted)                                                  \
	do {                                                                   \
		int code_ = 0;                                                 \
		try {                                                          \
			action;                                                \
		} catch (const msg::error &e) {                                \
			code_ = e.code();                                      \
			MUST(e.what()[0] != '\0');                             \
		}                                                              \
		MUST(code_ == (wanted));                                       \
	} while (0)

#endif
