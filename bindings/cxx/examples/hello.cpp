/* SPDX-License-Identifier: BSD-2-Clause */
/* hello.cpp - ten readings sent, taken and printed, in one process. */
#include <chrono>
#include <cstdio>

#include <msg/msg.hpp>

struct reading {
	std::uint64_t number;
	double celsius;
};

int main()
try {
	msg::node node;
	msg::subscriber in(node, "lab.oven");
	msg::publisher out(node, "lab.oven");

	for (std::uint64_t i = 0; i < 10; i++) {
		msg::loan loan = out.loan(sizeof(reading));
		if (!loan)
			continue; /* Back-pressure: this one is left out. */
		loan.as<reading>() = {i, 180.0 + static_cast<double>(i)};
		loan.send(sizeof(reading));
	}
	while (in.wait(std::chrono::milliseconds(500)))
		for (msg::message m : in.take())
			if (const reading *r = m.get_if<reading>())
				std::printf("%llu: %.1f\n",
					static_cast<unsigned long long>(
						r->number),
					r->celsius);
	return 0;
} catch (const msg::error &e) {
	std::fprintf(stderr, "hello: %s\n", e.what());
	return 1;
}
