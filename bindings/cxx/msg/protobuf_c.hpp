/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * protobuf_c.hpp - typed publishers and subscribers of protobuf-c messages.
 *
 *     #include "quote.pb-c.h"
 *     using quote = msg::protobuf_c<Md__Quote, &md__quote__descriptor>;
 *
 *     msg::typed_publisher<quote> out(node, "md.acme");
 *     Md__Quote q = MD__QUOTE__INIT;
 *     q.price = 10.5;
 *     out.publish(q);                        packed into the loan
 *     msg::typed_subscriber<quote> in(node, "md.acme");
 *     for (msg::message m : in.take())
 *             if (auto q = in.get(m))        unpacked, and freed at its end
 *                     use(q->price);
 *
 * A program that includes it links protobuf-c.
 */
#ifndef MSG_PROTOBUF_C_HPP
#define MSG_PROTOBUF_C_HPP

#include <memory>

#include <protobuf-c/protobuf-c.h>

#include <msg/type.hpp>

namespace msg
{

/* Messages of the struct that protoc-c generated, and its descriptor. */
template <class Message, const ::ProtobufCMessageDescriptor *Descriptor>
struct protobuf_c {
};

namespace detail
{

/* Frees what was unpacked. */
template <class Message> struct free_unpacked {
	void operator()(Message *message) const noexcept
	{
		protobuf_c_message_free_unpacked(&message->base, nullptr);
	}
};

} // namespace detail

/* Written as a whole; read into memory of its own. */
template <class Message, const ::ProtobufCMessageDescriptor *Descriptor>
struct codec<protobuf_c<Message, Descriptor>> {
	using value = Message;
	static constexpr bool in_place = false;

	static msg::type make_type()
	{
		return msg::type(*Descriptor);
	}
	static std::size_t bytes(const Message &from) noexcept
	{
		return protobuf_c_message_get_packed_size(&from.base);
	}
	static void write(const Message &from, void *to) noexcept
	{
		protobuf_c_message_pack(
			&from.base, static_cast<std::uint8_t *>(to));
	}

	/* Empty if the bytes are no such message, or nested deeper than 64: the
	 * generated code itself goes as deep as a stranger says. */
	template <class Self>
	static std::unique_ptr<Message, detail::free_unpacked<Message>> read(
		const msg::type &of, const detail::reader<Self> &message)
	{
		detail::one_piece<Self> piece(message);
		if (message.event() != MSG_EVENT_MESSAGE ||
			msg_type_walk(of.get(), piece.data(), piece.bytes(),
				is_sound, nullptr) < 0)
			return nullptr;
		void *unpacked = protobuf_c_message_unpack(Descriptor, nullptr,
			piece.bytes(),
			static_cast<const std::uint8_t *>(piece.data()));
		return std::unique_ptr<Message, detail::free_unpacked<Message>>(
			static_cast<Message *>(unpacked));
	}

private:
	/* It was checked as a whole before the first value. */
	static int is_sound(void *, const ::msg_value *) noexcept
	{
		return 1;
	}
};

} // namespace msg

#endif
