/* SPDX-License-Identifier: BSD-2-Clause */
/* subscriber.hpp - who takes; see msg.hpp. */
#ifndef MSG_CXX_SUBSCRIBER_HPP
#define MSG_CXX_SUBSCRIBER_HPP

#include <chrono>
#include <cstdint>
#include <string>

#include <msg/cxx/node.hpp>
#include <msg/cxx/view.hpp>
#include <msg/stats.h>

namespace msg
{

/* msg_subscriber: one topic or pattern, incoming. */
class subscriber : public detail::owner<::msg_subscriber, ::msg_subscriber_close>
{
public:
	/* Open one.  Throws as msg_subscriber_open fails. */
	subscriber(node &on, const ::msg_subscriber_options &options)
	{
		int result = msg_subscriber_open(on.get(), &options, &handle_);
		if (result < 0)
			detail::fail_setup(result);
	}

	/* Open one with the defaults. */
	subscriber(node &on, const std::string &topic)
		: subscriber(on, for_topic(topic))
	{
	}

	/* Take what waits, up to `Count`; what `out` held goes back first.
	 * Returns how many, 0 when none wait.  Throws FABRIC, EVICTED. */
	template <int Count> int take(views<Count> &out)
	{
		int result = try_take(out);
		if (result < 0)
			detail::fail_steady(result, "msg_subscriber_take");
		return result;
	}

	/* As take, into views of its own: `for (auto m : subscriber.take())`. */
	template <int Count = 32> [[nodiscard]] views<Count> take()
	{
		views<Count> out(handle_);
		int result = msg_subscriber_take(handle_, out.views_, Count);
		if (result < 0)
			detail::fail_steady(result, "msg_subscriber_take");
		out.count_ = result;
		return out;
	}

	/* As take, of one; empty when none waits. */
	[[nodiscard]] view take_one()
	{
		view out;
		int result = msg_subscriber_take(handle_, &out.view_, 1);
		if (result < 0)
			detail::fail_steady(result, "msg_subscriber_take");
		out.subscriber_ = result > 0 ? handle_ : nullptr;
		return out;
	}

	/* As take.  Returns how many; FABRIC, EVICTED. */
	template <int Count>
	[[nodiscard]] int try_take(views<Count> &out) noexcept
	{
		out.release();
		out.subscriber_ = handle_;
		int result = msg_subscriber_take(handle_, out.views_, Count);
		if (result > 0)
			out.count_ = result;
		return result;
	}

	/* Sleep until messages wait or `timeout` is over; true: take now.
	 * Throws FABRIC. */
	template <class Rep, class Period>
	bool wait(std::chrono::duration<Rep, Period> timeout)
	{
		using std::chrono::nanoseconds;
		auto ns = std::chrono::duration_cast<nanoseconds>(timeout).count();
		return wait_ns(ns < 0 ? 0 : static_cast<std::int64_t>(ns));
	}

	/* As wait, without a limit. */
	void wait()
	{
		wait_ns(-1);
	}

	/* Ask for one wake-up on fd(); true: safe to sleep, false: take (or
	 * release) first.  Throws FABRIC. */
	[[nodiscard]] bool arm()
	{
		int result = try_arm();
		if (result < 0 && result != -MSG_ERROR_AGAIN)
			detail::fail_steady(result, "msg_subscriber_arm");
		return result == 0;
	}

	/* As arm.  Returns 0; AGAIN, FABRIC. */
	[[nodiscard]] int try_arm() noexcept
	{
		return msg_subscriber_arm(handle_);
	}

	/* The descriptor to poll for POLLIN; never read, written or closed. */
	int fd() const noexcept
	{
		return msg_subscriber_fd(handle_);
	}

	/* One counter of stats.h: MSG_COUNTER_LOST and so on. */
	std::uint64_t counter(int index) const noexcept
	{
		return msg_subscriber_counter(handle_, index);
	}

private:
	bool wait_ns(std::int64_t timeout_ns)
	{
		int result = msg_subscriber_wait(handle_, timeout_ns);
		if (result < 0 && result != -MSG_ERROR_TIMEOUT)
			detail::fail_steady(result, "msg_subscriber_wait");
		return result == 0;
	}

	static subscriber_options for_topic(const std::string &topic) noexcept
	{
		subscriber_options options;
		options.topic = topic.c_str();
		return options;
	}
};

} // namespace msg

#endif
