/* SPDX-License-Identifier: BSD-2-Clause */
/* object.hpp - what calls throw, and the owner of a C handle; see msg.hpp. */
#ifndef MSG_CXX_OBJECT_HPP
#define MSG_CXX_OBJECT_HPP

#include <cassert>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include <msg/msg.h>

namespace msg
{

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

} // namespace msg

#endif
