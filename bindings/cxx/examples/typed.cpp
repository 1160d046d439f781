/* SPDX-License-Identifier: BSD-2-Clause */
/* typed.cpp - a struct that others read by name, sent and read in place. */
#include <cstdio>

#include <msg/type.hpp>

struct oven {
	char name[12];
	std::uint32_t step;
	double celsius[2];
};
MSG_CXX_STRUCT(oven, "oven", MSG_CXX_FIELD(oven, name),
	MSG_CXX_FIELD(oven, step), MSG_CXX_FIELD(oven, celsius));

int main()
try {
	msg::node node;
	msg::typed_subscriber<oven> in(node, "lab.oven");
	msg::typed_publisher<oven> out(node, "lab.oven");

	for (std::uint32_t i = 0; i < 10; i++)
		if (auto loan = out.loan()) {
			*loan = {"east", i, {180.5 + i, 20}};
			loan.send();
		}
	while (in.wait(std::chrono::milliseconds(500)))
		for (msg::message m : in.take())
			if (const oven *o = in.get(m))
				std::printf("%s %u: %.1f\n", o->name, o->step,
					o->celsius[0]);
	return 0;
} catch (const msg::error &e) {
	std::fprintf(stderr, "typed: %s\n", e.what());
	return 1;
}
