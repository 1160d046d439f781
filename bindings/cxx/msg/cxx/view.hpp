/* SPDX-License-Identifier: BSD-2-Clause */
/* view.hpp - messages in hand: one, or what a take brought; see msg.hpp. */
#ifndef MSG_CXX_VIEW_HPP
#define MSG_CXX_VIEW_HPP

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <msg/cxx/object.hpp>

namespace msg
{

namespace detail
{

/* What is read of a view, whoever holds it.  Self has raw() and subscriber(). */
template <class Self> class reader
{
public:
	/* The first piece, read-only; NULL of an event. */
	const void *data() const noexcept
	{
		return raw().data;
	}
	/* The whole message. */
	std::size_t bytes() const noexcept
	{
		return raw().bytes;
	}
	/* Who sent it: publisher::id() there. */
	std::uint64_t publisher() const noexcept
	{
		return raw().publisher;
	}
	/* Per publisher, from 0; of an event, that of the next message. */
	std::uint64_t sequence() const noexcept
	{
		return raw().sequence;
	}
	/* Messages of this publisher lost right before it. */
	std::uint64_t lost_before() const noexcept
	{
		return raw().lost_before;
	}
	/* What it is: MSG_EVENT_MESSAGE unless options asked for events. */
	enum msg_event event() const noexcept
	{
		return static_cast<enum msg_event>(raw().event);
	}
	/* Why something is lost, of MSG_EVENT_LOST. */
	enum msg_loss reason() const noexcept
	{
		return static_cast<enum msg_loss>(raw().reason);
	}
	/* 1: data() is all of it. */
	std::uint32_t segment_count() const noexcept
	{
		return raw().segment_count;
	}

	/* The topic, for patterns; valid until the subscriber closes.  "" if it
	 * is not held.  Only on the thread that takes. */
	const char *topic() const noexcept
	{
		if (!self().subscriber())
			return "";
		return msg_subscriber_topic(self().subscriber(), &raw());
	}

	/* The message as text, in place.  Empty if it is in several pieces. */
	std::string_view text() const noexcept
	{
		if (segment_count() != 1)
			return {};
		return {static_cast<const char *>(data()), bytes()};
	}

	/* The message as a T, in place; NULL if it is none: of another size, in
	 * several pieces, or an event. */
	template <class T> const T *get_if() const noexcept
	{
		check_payload_type<T>();
		if (bytes() != sizeof(T) || segment_count() != 1)
			return nullptr;
		return static_cast<const T *>(data());
	}

	/* As get_if; throws ARGUMENT if it is no T. */
	template <class T> const T &as() const
	{
		const T *value = get_if<T>();
		if (!value)
			fail_steady(MSG_ERROR_ARGUMENT, "message::as");
		return *value;
	}

	/* The pieces, in order, in place; valid as long as it is held.
	 * Allocates; throws ARGUMENT if it is not held. */
	std::vector<::msg_segment> segments() const
	{
		std::vector<::msg_segment> out(segment_count());
		if (out.empty())
			return out;
		int n = try_segments(out.data(), static_cast<int>(out.size()));
		if (n < 0)
			fail_steady(n, "msg_subscriber_segments");
		return out;
	}

	/* At most `count` of the pieces.  Returns how many; ARGUMENT. */
	int try_segments(::msg_segment *out, int count) const noexcept
	{
		if (!self().subscriber())
			return -MSG_ERROR_ARGUMENT;
		return msg_subscriber_segments(
			self().subscriber(), &raw(), out, count);
	}

	/* Copy all of it.  Returns 0; TOO_LARGE, ARGUMENT. */
	[[nodiscard]] int try_copy(void *out, std::size_t capacity) const noexcept
	{
		if (!self().subscriber())
			return -MSG_ERROR_ARGUMENT;
		return msg_subscriber_copy(
			self().subscriber(), &raw(), out, capacity);
	}

	/* A copy of all of it.  Throws ARGUMENT if it is not held. */
	std::string copy() const
	{
		std::string out(bytes(), '\0');
		int result = try_copy(&out[0], out.size());
		if (result < 0)
			fail_steady(result, "msg_subscriber_copy");
		return out;
	}

private:
	const Self &self() const noexcept
	{
		return static_cast<const Self &>(*this);
	}
	const ::msg_view &raw() const noexcept
	{
		return self().raw();
	}
};

} // namespace detail

template <int Count> class views;
class subscriber;

/* One of the views that a views<> holds: to be read while that holds it.  It is
 * two pointers, and owns nothing. */
class message : public detail::reader<message>
{
public:
	/* The C view, as it is. */
	const ::msg_view &raw() const noexcept
	{
		return *view_;
	}
	/* The C subscriber it came from. */
	::msg_subscriber *subscriber() const noexcept
	{
		return subscriber_;
	}

private:
	template <int Count> friend class views;
	message(::msg_subscriber *from, const ::msg_view *at) noexcept
		: subscriber_(from), view_(at)
	{
	}
	::msg_subscriber *subscriber_;
	const ::msg_view *view_;
};

/* One message (or event) in somebody's hands, until it ends or is released: on
 * any thread.  Empty when there was none. */
class view : public detail::reader<view>
{
public:
	/* An empty one. */
	view() noexcept : view_{nullptr, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	{
	}
	view(const view &) = delete;
	view &operator=(const view &) = delete;
	view(view &&other) noexcept
		: subscriber_(std::exchange(other.subscriber_, nullptr)),
		  view_(other.view_)
	{
	}
	view &operator=(view &&other) noexcept
	{
		if (this != &other) {
			release();
			subscriber_ = std::exchange(other.subscriber_, nullptr);
			view_ = other.view_;
		}
		return *this;
	}
	~view()
	{
		release();
	}

	/* Whether a message is in it. */
	explicit operator bool() const noexcept
	{
		return subscriber_ != nullptr;
	}

	/* Give it back now; nothing if it is empty. */
	void release() noexcept
	{
		if (subscriber_)
			msg_subscriber_release(
				std::exchange(subscriber_, nullptr), &view_, 1);
	}

	/* The C view, as it is. */
	const ::msg_view &raw() const noexcept
	{
		return view_;
	}
	/* The C subscriber it came from. */
	::msg_subscriber *subscriber() const noexcept
	{
		return subscriber_;
	}

private:
	template <int Count> friend class views;
	friend class msg::subscriber;
	view(::msg_subscriber *from, const ::msg_view &taken) noexcept
		: subscriber_(from), view_(taken)
	{
	}
	::msg_subscriber *subscriber_ = nullptr;
	::msg_view view_;
};

/* What one take brought, at most `Count`: a range of messages, all given back
 * together when it ends, is taken into again, or released; on any thread. */
template <int Count = 32> class views
{
	static_assert(Count > 0, "a take of nothing");

public:
	/* Walks the messages; `for (msg::message m : views)`. */
	class iterator
	{
	public:
		using iterator_category = std::input_iterator_tag;
		using value_type = message;
		using difference_type = std::ptrdiff_t;
		using pointer = void;
		using reference = message;

		message operator*() const noexcept
		{
			return {subscriber_, view_};
		}
		iterator &operator++() noexcept
		{
			++view_;
			return *this;
		}
		iterator operator++(int) noexcept
		{
			iterator before = *this;
			++view_;
			return before;
		}
		bool operator==(const iterator &other) const noexcept
		{
			return view_ == other.view_;
		}
		bool operator!=(const iterator &other) const noexcept
		{
			return view_ != other.view_;
		}

	private:
		friend class views;
		iterator(::msg_subscriber *from, const ::msg_view *at) noexcept
			: subscriber_(from), view_(at)
		{
		}
		::msg_subscriber *subscriber_;
		const ::msg_view *view_;
	};

	/* An empty one, to take into.  The views are not initialised. */
	views() noexcept
	{
	}
	views(const views &) = delete;
	views &operator=(const views &) = delete;
	/* Moving copies the views, a cache line each. */
	views(views &&other) noexcept
	{
		adopt(other);
	}
	views &operator=(views &&other) noexcept
	{
		if (this != &other) {
			release();
			adopt(other);
		}
		return *this;
	}
	~views()
	{
		release();
	}

	/* How many messages it has. */
	int size() const noexcept
	{
		return count_;
	}
	/* Whether there are none. */
	bool empty() const noexcept
	{
		return count_ == 0;
	}
	/* Message `index`, which has to be below size(). */
	message operator[](int index) const noexcept
	{
		assert(index >= 0 && index < count_);
		return {subscriber_, &views_[index]};
	}
	/* The first message. */
	iterator begin() const noexcept
	{
		return {subscriber_, views_};
	}
	/* Behind the last. */
	iterator end() const noexcept
	{
		return {subscriber_, views_ + count_};
	}

	/* Keep one of its messages beyond its end.  Throws ARGUMENT if it is
	 * none of them or was kept before. */
	msg::view keep(message kept)
	{
		std::ptrdiff_t index = -1;
		for (int i = 0; i < count_; i++)
			if (&views_[i] == kept.view_)
				index = i;
		if (kept_ == 0)
			std::memset(is_kept_, 0, sizeof is_kept_);
		if (index < 0 || is_kept_[index])
			detail::fail_steady(MSG_ERROR_ARGUMENT, "views::keep");
		is_kept_[index] = true;
		kept_++;
		return {subscriber_, views_[index]};
	}

	/* Give all back now, but for those kept. */
	void release() noexcept
	{
		if (kept_ > 0)
			drop_kept();
		if (count_ > 0)
			msg_subscriber_release(subscriber_, views_, count_);
		count_ = 0;
	}

private:
	friend class msg::subscriber;

	explicit views(::msg_subscriber *from) noexcept : subscriber_(from)
	{
	}

	void drop_kept() noexcept
	{
		int left = 0;
		for (int i = 0; i < count_; i++)
			if (!is_kept_[i])
				views_[left++] = views_[i];
		count_ = left;
		kept_ = 0;
	}

	void adopt(views &other) noexcept
	{
		if (other.kept_ > 0)
			other.drop_kept();
		subscriber_ = other.subscriber_;
		count_ = std::exchange(other.count_, 0);
		std::memcpy(views_, other.views_,
			static_cast<std::size_t>(count_) * sizeof *views_);
	}

	::msg_subscriber *subscriber_ = nullptr;
	int count_ = 0;
	int kept_ = 0;
	static constexpr std::size_t room = static_cast<std::size_t>(Count);
	bool is_kept_[room];     /* Meaningless while kept_ is 0. */
	::msg_view views_[room]; /* The first count_ of them. */
};

} // namespace msg

#endif
