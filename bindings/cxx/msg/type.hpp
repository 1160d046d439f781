/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * type.hpp - type.h for C++17, and publishers and subscribers of one type.
 *
 *     struct quote { double price; std::int32_t size; char symbol[8]; };
 *     MSG_CXX_STRUCT(quote, "quote", MSG_CXX_FIELD(quote, price),
 *             MSG_CXX_FIELD(quote, size), MSG_CXX_FIELD(quote, symbol));
 *
 *     msg::typed_publisher<quote> out(node, "md.acme");
 *     if (auto loan = out.loan()) {
 *             *loan = {10.5, 3, "ACME"};        written where it is sent from
 *             loan.send();
 *     }
 *     msg::typed_subscriber<quote> in(node, "md.acme");
 *     for (msg::message m : in.take())
 *             if (const quote *q = in.get(m))   read where it came
 *                     use(q->price);
 *
 * Both name the type: others fetch and decode it (`msg echo`), and publishers of
 * another are kept away from the subscriber (MSG_TYPE_REFUSE, unless its options
 * say otherwise).  With <msg/protobuf_c.hpp> the same two take messages that
 * protoc-c generated code for.  What else a T may be is codec<T>'s to say.
 */
#ifndef MSG_TYPE_HPP
#define MSG_TYPE_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <msg/msg.hpp>
#include <msg/type.h>

namespace msg
{

/* ---- types ------------------------------------------------------------- */

namespace detail
{

/* As the owner wants it. */
inline int close_type(::msg_type *type) noexcept
{
	msg_type_close(type);
	return 0;
}
/* As the owner wants it. */
inline int close_filter(::msg_filter *filter) noexcept
{
	msg_filter_close(filter);
	return 0;
}

/* Call `print(text, capacity)`, which says as snprintf how much there is, until
 * all of it is here. */
template <class Print> std::string whole_text(Print print)
{
	std::string text(256, '\0');
	for (;;) {
		int length = print(&text[0], text.size() + 1);
		if (length < 0)
			fail_setup(length);
		bool all = static_cast<std::size_t>(length) <= text.size();
		text.resize(static_cast<std::size_t>(length));
		if (all)
			return text;
	}
}

/* The bytes of a message in one piece: in place, or a copy of its pieces. */
template <class Self> class one_piece
{
public:
	/* Copies one that is in several. */
	explicit one_piece(const reader<Self> &message)
		: data_(message.data()), bytes_(message.bytes())
	{
		if (message.segment_count() == 1)
			return;
		copy_ = message.copy();
		data_ = copy_.data();
	}
	/* Where it stands, … */
	const void *data() const noexcept
	{
		return data_;
	}
	/* … and how much of it. */
	std::size_t bytes() const noexcept
	{
		return bytes_;
	}

private:
	std::string copy_;
	const void *data_;
	std::size_t bytes_;
};

} // namespace detail

/* msg_type: a schema, and the type of it that a topic carries. */
class type : public detail::owner<::msg_type, detail::close_type>
{
public:
	/* Of a plain struct.  Throws as msg_type_of_cstruct fails. */
	explicit type(const ::msg_cstruct &table)
	{
		check(msg_type_of_cstruct(&table, &handle_));
	}

	/* Of a protobuf-c message: `type(quote__descriptor)`.  Throws as
	 * msg_type_of_protobuf fails. */
	explicit type(const ::ProtobufCMessageDescriptor &descriptor)
	{
		check(msg_type_of_protobuf(&descriptor, &handle_));
	}

	/* The one called `name` of a schema.  Throws as msg_type_of_schema
	 * fails. */
	type(enum msg_encoding encoding, const std::string &name,
		std::string_view schema)
	{
		check(msg_type_of_schema(encoding, name.c_str(), schema.data(),
			schema.size(), &handle_));
	}

	/* What a publisher of `topic` names; see msg_type_fetch.  Throws as that
	 * fails, TIMEOUT too. */
	template <class Rep, class Period>
	type(directory &in, const std::string &topic,
		std::chrono::duration<Rep, Period> timeout,
		std::uint64_t hash = 0)
	{
		using std::chrono::nanoseconds;
		auto ns = std::chrono::duration_cast<nanoseconds>(timeout).count();
		check(msg_type_fetch(in.get(), topic.c_str(), hash,
			ns < 0 ? 0 : static_cast<std::int64_t>(ns), &handle_));
	}

	/* Its full name: "md.v1.Quote". */
	const char *name() const noexcept
	{
		return msg_type_name(handle_);
	}
	/* How its messages are written. */
	enum msg_encoding encoding() const noexcept
	{
		return static_cast<enum msg_encoding>(
			msg_type_encoding(handle_));
	}
	/* Of what its messages mean; see msg_type_hash. */
	std::uint64_t hash() const noexcept
	{
		return msg_type_hash(handle_);
	}
	/* The schema's bytes; valid as long as it is open. */
	std::string_view schema() const noexcept
	{
		std::size_t bytes;
		const void *data = msg_type_schema(handle_, &bytes);
		return {static_cast<const char *>(data), bytes};
	}
	/* The schema for people: a .proto file, or a C struct. */
	std::string print() const
	{
		return detail::whole_text(
			[this](char *text, std::size_t capacity) {
				return msg_type_print(handle_, text, capacity);
			});
	}

	/* A message of it as a line of JSON.  Throws as msg_type_json fails. */
	std::string json(const void *data, std::size_t bytes) const
	{
		return detail::whole_text(
			[&](char *text, std::size_t capacity) {
				return msg_type_json(
					handle_, data, bytes, text, capacity);
			});
	}
	/* The same of a message or view. */
	template <class Self>
	std::string json(const detail::reader<Self> &message) const
	{
		detail::one_piece<Self> piece(message);
		return json(piece.data(), piece.bytes());
	}

	/* Walk through a message: `visit(const msg_value &)` says with true that
	 * it has seen enough.  Whether it did.  It may throw.  Throws as
	 * msg_type_walk fails. */
	template <class Visit>
	bool walk(const void *data, std::size_t bytes, Visit visit) const
	{
		visiting<Visit> state{&visit, nullptr};
		int result = msg_type_walk(
			handle_, data, bytes, state.call, &state);
		if (state.thrown)
			std::rethrow_exception(state.thrown);
		check(result < 0 ? result : 0);
		return result > 0;
	}

private:
	/* No exception passes through C. */
	template <class Visit> struct visiting {
		Visit *visit;
		std::exception_ptr thrown;

		static int call(
			void *context, const ::msg_value *value) noexcept
		{
			auto *self = static_cast<visiting *>(context);
			try {
				return (*self->visit)(*value) ? 1 : 0;
			} catch (...) {
				self->thrown = std::current_exception();
				return 1;
			}
		}
	};

	static void check(int result)
	{
		if (result < 0)
			detail::fail_setup(result);
	}
};

/* msg_filter: a condition on messages of a type: "price > 10". */
class filter : public detail::owner<::msg_filter, detail::close_filter>
{
public:
	/* Throws ARGUMENT, with what is wrong and where. */
	filter(const type &of, const std::string &text)
	{
		int result = msg_filter_open(of.get(), text.c_str(), &handle_);
		if (result < 0)
			detail::fail_setup(result);
	}

	/* Whether a message fulfils it.  Throws as msg_filter_match fails. */
	bool match(const void *data, std::size_t bytes) const
	{
		int result = msg_filter_match(handle_, data, bytes);
		if (result < 0)
			detail::fail_steady(result, "msg_filter_match");
		return result == 1;
	}
	/* The same of a message or view. */
	template <class Self>
	bool match(const detail::reader<Self> &message) const
	{
		detail::one_piece<Self> piece(message);
		return match(piece.data(), piece.bytes());
	}
};

/* ---- plain structs ----------------------------------------------------- */

/* The table of a struct; MSG_CXX_STRUCT makes one. */
template <class T> struct struct_table;

namespace detail
{

/* What a field is made of.  An enum is its numbers. */
template <class T> constexpr std::uint32_t field_kind() noexcept
{
	constexpr std::uint32_t bytes = sizeof(T);
	if constexpr (std::is_enum<T>::value &&
		!std::is_same<T, std::byte>::value)
		return field_kind<std::underlying_type_t<T>>();
	else if constexpr (std::is_same<T, bool>::value)
		return MSG_FIELD_BOOL;
	else if constexpr (std::is_same<T, char>::value)
		return MSG_FIELD_CHAR;
	else if constexpr (std::is_same<T, std::byte>::value)
		return MSG_FIELD_BYTE;
	else if constexpr (std::is_integral<T>::value)
		return (std::is_signed<T>::value ? 0x400u : 0x500u) | bytes;
	else if constexpr (std::is_floating_point<T>::value)
		return 0x600u | bytes;
	else
		return MSG_FIELD_STRUCT;
}

/* Of what, if it is a struct: one that has a table, too. */
template <class T> constexpr const ::msg_cstruct *field_of() noexcept
{
	if constexpr (std::is_class<T>::value)
		return &struct_table<T>::table;
	else
		return nullptr;
}

template <class Member>
constexpr ::msg_cstruct_field field(const char *name, std::size_t offset) noexcept
{
	using one = std::remove_all_extents_t<Member>;
	static_assert(std::is_class<one>::value || std::is_enum<one>::value ||
			(std::is_arithmetic<one>::value && sizeof(one) <= 8),
		"a field is a number, an enum, a struct or an array of those");
	return {name, field_kind<one>(), static_cast<std::uint32_t>(offset),
		static_cast<std::uint32_t>(sizeof(Member)), 0, field_of<one>()};
}

} // namespace detail

/* How values of a T become messages and are read again: here a struct with a
 * table, as its bytes. */
template <class T> struct codec {
	using value = T;
	/* A T may stand in the message itself. */
	static constexpr bool in_place = true;

	static msg::type make_type()
	{
		return msg::type(struct_table<T>::table);
	}
	static std::size_t bytes(const T &) noexcept
	{
		return sizeof(T);
	}
	static void write(const T &from, void *to) noexcept
	{
		std::memcpy(to, &from, sizeof(T));
	}
	template <class Self>
	static const T *read(
		const msg::type &, const detail::reader<Self> &message)
	{
		return message.template get_if<T>();
	}
};

/* ---- publisher --------------------------------------------------------- */

template <class T> class typed_publisher;

/* A loan of one T, in place.  Empty when there was none just then. */
template <class T> class typed_loan
{
public:
	/* Whether there is one in it. */
	explicit operator bool() const noexcept
	{
		return static_cast<bool>(loan_);
	}
	/* The T, not zeroed: assign it as a whole, or each field.  The loan must
	 * not be empty or spent. */
	T &operator*() const noexcept
	{
		return *static_cast<T *>(loan_.data());
	}
	T *operator->() const noexcept
	{
		return static_cast<T *>(loan_.data());
	}

	/* Send it; as loan::send. */
	void send()
	{
		loan_.send(sizeof(T));
	}
	/* As loan::try_send. */
	int try_send() noexcept
	{
		return loan_.try_send(sizeof(T));
	}
	/* As loan::queue. */
	void queue()
	{
		loan_.queue(sizeof(T));
	}
	/* As loan::try_queue. */
	int try_queue() noexcept
	{
		return loan_.try_queue(sizeof(T));
	}
	/* Hand it back unsent. */
	void abandon() noexcept
	{
		loan_.abandon();
	}

private:
	friend class typed_publisher<T>;
	explicit typed_loan(msg::publisher &from) : loan_(from.loan(sizeof(T)))
	{
	}
	msg::loan loan_;
};

/* One topic, outgoing, of Ts; it names their type. */
template <class T> class typed_publisher
{
public:
	using value = typename codec<T>::value;

	/* Open one; `type` of the options is ours.  Throws as
	 * msg_publisher_open fails. */
	typed_publisher(node &on, const ::msg_publisher_options &options)
		: publisher_(on, with(codec<T>::make_type(), options))
	{
	}
	/* Open one with the defaults. */
	typed_publisher(node &on, const std::string &topic)
		: typed_publisher(on, for_topic(topic))
	{
	}

	/* Borrow a message to be filled in place.  Empty when there is none now.
	 * Throws TOO_LARGE, FABRIC. */
	[[nodiscard]] typed_loan<T> loan()
	{
		static_assert(codec<T>::in_place,
			"a message of this type is written as a whole: publish");
		detail::check_payload_type<T>();
		return typed_loan<T>(publisher_);
	}

	/* Send a value: it is written into a loan.  Whether it was sent: false is
	 * AGAIN.  Throws TOO_LARGE, FABRIC. */
	[[nodiscard]] bool publish(const value &from)
	{
		std::size_t bytes = codec<T>::bytes(from);
		msg::loan loan = publisher_.loan(bytes);
		if (!loan)
			return false;
		codec<T>::write(from, loan.data());
		loan.send(bytes);
		return true;
	}

	/* The publisher itself: counters, flush, close. */
	msg::publisher &untyped() noexcept
	{
		return publisher_;
	}
	/* The same, to look at. */
	const msg::publisher &untyped() const noexcept
	{
		return publisher_;
	}

private:
	/* The publisher keeps the type, as the C one does. */
	static ::msg_publisher_options with(
		const type &of, ::msg_publisher_options options) noexcept
	{
		options.type = of.get();
		return options;
	}
	static publisher_options for_topic(const std::string &topic) noexcept
	{
		publisher_options options;
		options.topic = topic.c_str();
		return options;
	}

	msg::publisher publisher_;
};

/* ---- subscriber -------------------------------------------------------- */

/* One topic or pattern, incoming, of Ts. */
template <class T> class typed_subscriber
{
public:
	/* Open one; `type` of the options is ours, and `type_policy` is
	 * MSG_TYPE_REFUSE unless given.  Throws as msg_subscriber_open fails. */
	typed_subscriber(node &on, const ::msg_subscriber_options &options)
		: type_(codec<T>::make_type()),
		  subscriber_(on, with(type_, options))
	{
	}
	/* Open one with the defaults. */
	typed_subscriber(node &on, const std::string &topic)
		: typed_subscriber(on, for_topic(topic))
	{
	}

	/* The value of a message; false as a bool if it is none of this type, or
	 * an event.  Of a struct a pointer to where it came, good as long as the
	 * message is held; else what codec<T> says. */
	template <class Self>
	auto get(const detail::reader<Self> &message) const
	{
		return codec<T>::read(type_, message);
	}

	/* As subscriber::take. */
	template <int Count> int take(views<Count> &out)
	{
		return subscriber_.take(out);
	}
	/* As subscriber::take, into views of its own. */
	template <int Count = 32> [[nodiscard]] views<Count> take()
	{
		return subscriber_.template take<Count>();
	}
	/* As subscriber::take_one. */
	[[nodiscard]] view take_one()
	{
		return subscriber_.take_one();
	}
	/* As subscriber::wait. */
	template <class Rep, class Period>
	bool wait(std::chrono::duration<Rep, Period> timeout)
	{
		return subscriber_.wait(timeout);
	}

	/* The type that it expects. */
	const msg::type &expected() const noexcept
	{
		return type_;
	}
	/* The subscriber itself: fd, arm, counters, close. */
	msg::subscriber &untyped() noexcept
	{
		return subscriber_;
	}
	/* The same, to look at. */
	const msg::subscriber &untyped() const noexcept
	{
		return subscriber_;
	}

private:
	static ::msg_subscriber_options with(
		const msg::type &of, ::msg_subscriber_options options) noexcept
	{
		options.type = of.get();
		if (options.type_policy == MSG_TYPE_DEFAULT)
			options.type_policy = MSG_TYPE_REFUSE;
		return options;
	}
	static subscriber_options for_topic(const std::string &topic) noexcept
	{
		subscriber_options options;
		options.topic = topic.c_str();
		return options;
	}

	msg::type type_;
	msg::subscriber subscriber_;
};

} // namespace msg

/* The table of a struct, for the outermost namespace: its type, its name for
 * others (a C name), and its fields. */
#define MSG_CXX_STRUCT(struct_type, struct_name, ...)                          \
	template <> struct msg::struct_table<struct_type> {                    \
		static_assert(std::is_standard_layout<struct_type>::value,     \
			"the fields of a struct need places");                 \
		static constexpr ::msg_cstruct_field fields[] = {__VA_ARGS__}; \
		static constexpr ::msg_cstruct table = {struct_name,           \
			sizeof(struct_type), fields,                           \
			sizeof fields / sizeof *fields};                       \
	}
#define MSG_CXX_FIELD(struct_type, member)                                     \
	msg::detail::field<decltype(struct_type::member)>(                     \
		#member, offsetof(struct_type, member))

#endif
