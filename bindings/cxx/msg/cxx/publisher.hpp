/* SPDX-License-Identifier: BSD-2-Clause */
/* publisher.hpp - loans, and who lends them; see msg.hpp. */
#ifndef MSG_CXX_PUBLISHER_HPP
#define MSG_CXX_PUBLISHER_HPP

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <msg/cxx/node.hpp>
#include <msg/stats.h>

namespace msg
{

/* msg_loan: a buffer of a publisher, together with the right to send it.  Empty
 * when there was none just then.  Whoever holds it may write data() until send,
 * queue or abandon; left behind full or empty it is abandoned.  It belongs to
 * the thread that calls the publisher. */
class loan
{
public:
	/* An empty one. */
	loan() noexcept
	{
	}
	loan(const loan &) = delete;
	loan &operator=(const loan &) = delete;
	loan(loan &&other) noexcept
	{
		adopt(other);
	}
	loan &operator=(loan &&other) noexcept
	{
		if (this != &other) {
			abandon();
			adopt(other);
		}
		return *this;
	}
	~loan()
	{
		abandon();
	}

	/* Whether there is a buffer in it. */
	explicit operator bool() const noexcept
	{
		return publisher_ != nullptr;
	}

	/* The buffer: aligned to 8 bytes, not zeroed; NULL once spent. */
	void *data() const noexcept
	{
		return publisher_ ? loan_.data : nullptr;
	}

	/* Bytes that may be written: at least those asked for; 0 once spent. */
	std::size_t capacity() const noexcept
	{
		return publisher_ ? loan_.capacity : 0;
	}

	/* The buffer as a T, to be assigned as a whole or field by field: it is
	 * not zeroed.  Throws ARGUMENT if the loan is empty or too small. */
	template <class T> T &as() const
	{
		detail::check_payload_type<T>();
		if (capacity() < sizeof(T))
			detail::fail_steady(MSG_ERROR_ARGUMENT, "loan::as");
		return *static_cast<T *>(loan_.data);
	}

	/* Send the first `bytes` of it, after all that was queued.  It is spent
	 * whatever becomes of it.  Throws ARGUMENT (empty, or too many bytes),
	 * FABRIC (not sent). */
	void send(std::size_t bytes)
	{
		int result = try_send(bytes);
		if (result < 0)
			detail::fail_steady(result, "msg_publisher_send");
	}

	/* As send.  Returns 0; ARGUMENT, FABRIC. */
	int try_send(std::size_t bytes) noexcept
	{
		if (!publisher_)
			return -MSG_ERROR_ARGUMENT;
		int result = msg_publisher_send(publisher_, &loan_, bytes);
		/* Behind the call, where a compiler sees that the destructor
		 * of a loan just sent has nothing to do. */
		publisher_ = nullptr;
		return result;
	}

	/* As send, but more follows: see msg_publisher_queue. */
	void queue(std::size_t bytes)
	{
		int result = try_queue(bytes);
		if (result < 0)
			detail::fail_steady(result, "msg_publisher_queue");
	}

	/* As queue.  Returns 0; ARGUMENT, FABRIC. */
	int try_queue(std::size_t bytes) noexcept
	{
		if (!publisher_)
			return -MSG_ERROR_ARGUMENT;
		int result = msg_publisher_queue(publisher_, &loan_, bytes);
		publisher_ = nullptr;
		return result;
	}

	/* Hand it back unsent; nothing if it is empty. */
	void abandon() noexcept
	{
		if (publisher_)
			msg_publisher_abandon(
				std::exchange(publisher_, nullptr), &loan_);
	}

private:
	friend class publisher;

	explicit loan(::msg_publisher *from) noexcept : publisher_(from)
	{
	}

	void adopt(loan &other) noexcept
	{
		if (other.publisher_)
			loan_ = other.loan_;
		publisher_ = std::exchange(other.publisher_, nullptr);
	}

	::msg_publisher *publisher_ = nullptr;
	::msg_loan loan_; /* Meaningless while there is no publisher_. */
};

/* msg_publisher: one topic, outgoing. */
class publisher : public detail::owner<::msg_publisher, ::msg_publisher_close>
{
public:
	/* Open one.  Throws as msg_publisher_open fails. */
	publisher(node &on, const ::msg_publisher_options &options)
	{
		int result = msg_publisher_open(on.get(), &options, &handle_);
		if (result < 0)
			detail::fail_setup(result);
	}

	/* Open one with the defaults. */
	publisher(node &on, const std::string &topic)
		: publisher(on, for_topic(topic))
	{
	}

	/* Borrow a buffer of `bytes` at least.  Empty when there is none now
	 * (AGAIN).  Throws TOO_LARGE, FABRIC. */
	[[nodiscard]] msg::loan loan(std::size_t bytes)
	{
		msg::loan out(handle_);
		int result = msg_publisher_loan(handle_, bytes, &out.loan_);
		if (result < 0) {
			out.publisher_ = nullptr;
			if (result != -MSG_ERROR_AGAIN)
				detail::fail_steady(result, "msg_publisher_loan");
		}
		return out;
	}

	/* As loan; what `out` held is abandoned first, and a failure leaves it
	 * empty.  Returns 0; AGAIN, TOO_LARGE, FABRIC. */
	[[nodiscard]] int try_loan(std::size_t bytes, msg::loan &out) noexcept
	{
		::msg_publisher *from = handle_;
		out.abandon();
		int result = msg_publisher_loan(from, bytes, &out.loan_);
		out.publisher_ = result == 0 ? from : nullptr;
		return result;
	}

	/* Copy `bytes` of `data` into a message and send it.  Returns whether it
	 * was sent: false is AGAIN.  Throws TOO_LARGE, FABRIC, ARGUMENT. */
	[[nodiscard]] bool publish(const void *data, std::size_t bytes)
	{
		int result = try_publish(data, bytes);
		if (result < 0 && result != -MSG_ERROR_AGAIN)
			detail::fail_steady(result, "msg_publish");
		return result == 0;
	}

	/* As publish, of text. */
	[[nodiscard]] bool publish(std::string_view text)
	{
		return publish(text.data(), text.size());
	}

	/* As publish, of a struct. */
	template <class T> [[nodiscard]] bool publish_value(const T &value)
	{
		detail::check_payload_type<T>();
		return publish(&value, sizeof value);
	}

	/* As publish.  Returns 0; AGAIN, TOO_LARGE, FABRIC, ARGUMENT. */
	[[nodiscard]] int try_publish(
		const void *data, std::size_t bytes) noexcept
	{
		return msg_publish(handle_, data, bytes);
	}

	/* Send what is queued.  Returns whether all of it left: false is AGAIN,
	 * and the rest leaves with the next call.  Throws FABRIC. */
	bool flush()
	{
		int result = try_flush();
		if (result < 0 && result != -MSG_ERROR_AGAIN)
			detail::fail_steady(result, "msg_publisher_flush");
		return result == 0;
	}

	/* As flush.  Returns 0; AGAIN, FABRIC. */
	int try_flush() noexcept
	{
		return msg_publisher_flush(handle_);
	}

	/* This opening of the topic, as message::publisher() there. */
	std::uint64_t id() const noexcept
	{
		return msg_publisher_id(handle_);
	}

	/* One counter of stats.h: MSG_COUNTER_MESSAGES and so on. */
	std::uint64_t counter(int index) const noexcept
	{
		return msg_publisher_counter(handle_, index);
	}

private:
	static publisher_options for_topic(const std::string &topic) noexcept
	{
		publisher_options options;
		options.topic = topic.c_str();
		return options;
	}
};

} // namespace msg

#endif
