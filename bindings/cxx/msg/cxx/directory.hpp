/* SPDX-License-Identifier: BSD-2-Clause */
/* directory.hpp - what others announce; see msg.hpp. */
#ifndef MSG_CXX_DIRECTORY_HPP
#define MSG_CXX_DIRECTORY_HPP

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <msg/cxx/node.hpp>

namespace msg
{

/* msg_directory: what others announce. */
class directory : public detail::owner<::msg_directory, ::msg_directory_close>
{
public:
	/* Listen for topics that match `pattern`.  Throws as
	 * msg_directory_open fails. */
	explicit directory(node &on, const std::string &pattern = ">")
	{
		int result =
			msg_directory_open(on.get(), pattern.c_str(), &handle_);
		if (result < 0)
			detail::fail_setup(result);
	}

	/* Wait up to `timeout` for news, then describe all live publishers,
	 * ordered by topic.  What it returns, and the strings in it, live until
	 * the next read.  Throws FABRIC. */
	template <class Rep, class Period>
	const std::vector<::msg_topic_info> &read(
		std::chrono::duration<Rep, Period> timeout)
	{
		using std::chrono::nanoseconds;
		auto ns = std::chrono::duration_cast<nanoseconds>(timeout).count();
		std::int64_t left = ns < 0 ? 0 : static_cast<std::int64_t>(ns);
		for (;;) {
			int room = static_cast<int>(infos_.size());
			int known = msg_directory_read(
				handle_, left, infos_.data(), room);
			if (known < 0)
				detail::fail_steady(known, "msg_directory_read");
			bool all = known <= room;
			/* More than fit: once more, without waiting. */
			infos_.resize(static_cast<std::size_t>(known));
			if (all)
				return infos_;
			left = 0;
		}
	}

private:
	std::vector<::msg_topic_info> infos_;
};

} // namespace msg

#endif
