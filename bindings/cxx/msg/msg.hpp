/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * msg.hpp - msg.h for C++17: objects that close themselves, and nothing else.
 *
 *     node          opens and closes
 *      ├─ publisher     loan ─> fill ─> send     a loan left behind is abandoned
 *      ├─ subscriber    take ─> read             views go back by themselves
 *      └─ directory     who announces which topic
 *
 * Everything is in line and costs what the same C costs (tests/bindings/cxx,
 * cost.sh): each object is the C handle, each call the C call.  What msg.h says
 * of a call (threads, path, who holds what until when) is true here, too, and is
 * not said again; what is different, is.
 *
 * Failure.  Calls throw msg::error, which carries the code of enum msg_error and
 * msg_error_text().  Not now (MSG_ERROR_AGAIN) and too late (MSG_ERROR_TIMEOUT)
 * are results and never thrown: an empty loan, false, no views.  Each steady call
 * has a twin named try_..., noexcept, that returns the C code instead.
 *
 * Ownership.  Loans, views and objects move and do not copy.  Views and loans
 * point at what the C library holds, so subscriber and publisher may be moved
 * while some are out, but must not be closed: close() throws BUSY then, and a
 * destructor, which cannot, asserts.  Where assertions are off it leaves the
 * object open for good: lost memory, but no pointer to nowhere.  Declare the
 * node first, then what stands on it, then loans and views, and it cannot
 * happen.
 *
 * A moved-from or closed object is empty (false as a bool); only close(), a
 * new value and its end are for it.
 */
#ifndef MSG_MSG_HPP
#define MSG_MSG_HPP

#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <msg/msg.h>
#include <msg/stats.h>

namespace msg
{

/* ---- errors ------------------------------------------------------------ */

/* What a call failed with.  what() is msg_error_text() of a setup call, which
 * names the next step, and the call and the code of a steady one. */
class error : public std::runtime_error
{
public:
	/* `code` as the library returns it, negated or not. */
	error(int code, const std::string &text)
		: std::runtime_error(text), code_(code < 0 ? -code : code)
	{
	}

	/* The code, as in enum msg_error. */
	enum msg_error code() const noexcept
	{
		return static_cast<enum msg_error>(code_);
	}

	/* Its name: "MSG_ERROR_BUSY".  Static. */
	const char *name() const noexcept
	{
		return msg_error_name(code_);
	}

private:
	int code_;
};

namespace detail
{

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_setup(int code)
{
	throw error(code, msg_error_text());
}

[[noreturn, gnu::cold, gnu::noinline]] inline void fail_steady(
	int code, const char *call)
{
	throw error(code, std::string(call) + ": " + msg_error_name(code));
}

/* Loans and views may hold what memcpy may copy, at the 8 bytes to which the
 * library aligns payloads. */
template <class T> constexpr void check_payload_type() noexcept
{
	static_assert(std::is_trivially_copyable<T>::value,
		"a payload is bytes: its type must be trivially copyable");
	static_assert(alignof(T) <= 8, "payloads are aligned to 8 bytes");
}

/* The one owner of a C handle. */
template <class T, int (*Close)(T *)> class owner
{
public:
	owner(const owner &) = delete;
	owner &operator=(const owner &) = delete;
	owner(owner &&other) noexcept
		: handle_(std::exchange(other.handle_, nullptr))
	{
	}
	owner &operator=(owner &&other) noexcept
	{
		if (this != &other) {
			end();
			handle_ = std::exchange(other.handle_, nullptr);
		}
		return *this;
	}

	/* Whether it is open. */
	explicit operator bool() const noexcept
	{
		return handle_ != nullptr;
	}

	/* The C object, which stays ours: for calls that are not here. */
	T *get() const noexcept
	{
		return handle_;
	}

	/* Close; nothing if it is empty.  Throws BUSY while loans, views or
	 * children of it are out: then nothing is closed. */
	void close()
	{
		if (!handle_)
			return;
		int result = Close(handle_);
		if (result < 0)
			fail_setup(result);
		handle_ = nullptr;
	}

protected:
	owner() noexcept = default;
	~owner()
	{
		end();
	}

	T *handle_ = nullptr;

private:
	void end() noexcept
	{
		if (!handle_)
			return;
		int result = Close(handle_);
		assert(result == 0 && "ended with loans, views or children out");
		(void)result;
		handle_ = nullptr;
	}
};

} // namespace detail

/* ---- options ----------------------------------------------------------- */

/* The structs of msg.h with every field at its default, as their initializers
 * there make them.  A call takes the C struct as well, for C++20's designated
 * initializers. */
struct node_options : ::msg_node_options {
	node_options() noexcept : ::msg_node_options()
	{
		struct_bytes = sizeof(::msg_node_options);
	}
};
struct publisher_options : ::msg_publisher_options {
	publisher_options() noexcept : ::msg_publisher_options()
	{
		struct_bytes = sizeof(::msg_publisher_options);
	}
};
struct subscriber_options : ::msg_subscriber_options {
	subscriber_options() noexcept : ::msg_subscriber_options()
	{
		struct_bytes = sizeof(::msg_subscriber_options);
	}
};

/* ---- node -------------------------------------------------------------- */

/* msg_node: this process on one lane.  It has to outlive what stands on it. */
class node : public detail::owner<::msg_node, ::msg_node_close>
{
public:
	/* Open one with the defaults.  Throws as msg_node_open fails. */
	node() : node(node_options())
	{
	}

	/* Open one.  Throws as msg_node_open fails. */
	explicit node(const ::msg_node_options &options)
	{
		int result = msg_node_open(&options, &handle_);
		if (result < 0)
			detail::fail_setup(result);
	}

	/* What it stands on; strings live as long as the node is open. */
	::msg_node_info describe() const noexcept
	{
		::msg_node_info info;
		msg_node_describe(handle_, &info);
		return info;
	}

	/* Announce and repair what is due; see msg_node_progress. */
	void progress() noexcept
	{
		msg_node_progress(handle_);
	}
};

/* ---- publisher --------------------------------------------------------- */

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
		msg::loan out;
		int result = try_loan(bytes, out);
		if (result < 0 && result != -MSG_ERROR_AGAIN)
			detail::fail_steady(result, "msg_publisher_loan");
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

/* ---- views ------------------------------------------------------------- */

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

/* ---- subscriber -------------------------------------------------------- */

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
		int result = msg_subscriber_take(handle_, out.views_, Count);
		out.subscriber_ = handle_;
		out.count_ = result > 0 ? result : 0;
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

/* ---- directory --------------------------------------------------------- */

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

/* ---- the rest ---------------------------------------------------------- */

/* Whether `topic` matches `pattern`.  Throws ARGUMENT if one is malformed. */
inline bool topic_match(const std::string &pattern, const std::string &topic)
{
	int result = msg_topic_match(pattern.c_str(), topic.c_str());
	if (result < 0)
		detail::fail_setup(result);
	return result == 1;
}

/* The version of the library that runs.  Static. */
inline const char *version() noexcept
{
	return msg_version();
}

} // namespace msg

#endif
