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
 *
 * This includes one header a noun, of msg/cxx; <msg/type.hpp> has types, and
 * publishers and subscribers of one.
 */
#ifndef MSG_MSG_HPP
#define MSG_MSG_HPP

#include <string>

#include <msg/cxx/directory.hpp>
#include <msg/cxx/node.hpp>
#include <msg/cxx/publisher.hpp>
#include <msg/cxx/subscriber.hpp>
#include <msg/cxx/view.hpp>

namespace msg
{

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
