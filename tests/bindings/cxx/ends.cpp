/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ends.cpp - what a destructor does that must not run: an object ends while
 * views of it are out.
 *
 *     ends_asserts     built with assertions: the program aborts, in words
 *     ends_leaks       without: the object stays open, and its views readable
 */
#include <msg/msg.hpp>

#include <sys/resource.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>

namespace
{

/* The view of a subscriber that is gone; 0, or what went wrong. */
int end_early()
{
	msg::view view;

	{
		msg::node node;
		msg::subscriber in(node, "ends");
		msg::publisher out(node, "ends");

		if (!out.publish("still here"))
			return 1;
		while (!(view = in.take_one()))
			in.wait();
	}
	return view.text() == "still here" ? 0 : 2;
}

} // namespace

int main()
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		const rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		_exit(end_early());
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
#ifdef NDEBUG
	bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
#else
	bool good = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
#endif
	std::printf("%s: status 0x%x\n", good ? "ok" : "FAIL",
		static_cast<unsigned>(status));
	return good ? 0 : 1;
}
