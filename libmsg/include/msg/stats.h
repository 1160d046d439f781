/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stats.h - what publishers and subscribers count, and what a count means.
 *
 * One table, MSG_COUNTERS, is the only list of counters: it makes the enum,
 * the descriptions that tools print, and the tests that walk them.  A counter
 * never goes backwards and starts at zero when its object opens.
 */
#ifndef MSG_STATS_H
#define MSG_STATS_H

#include <msg/msg.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(enumerator, name, what it counts, what to do when it grows) */
#define MSG_COUNTERS(X)                                                        \
	X(MESSAGES, "messages", "Messages sent, or delivered to take.",            \
		"Nothing: this is the work done.")                                     \
	X(BYTES, "bytes", "Payload bytes of those messages.",                      \
		"Nothing: this is the work done.")                                     \
	X(FRAMES, "frames", "Frames sent or received on this topic.",              \
		"Far more frames than needed: queue messages instead of sending "      \
		"each by itself.")                                                     \
	X(LOST, "lost", "Messages of a followed publisher that never came.",       \
		"Take faster, raise buffer_count or the socket buffer "                \
		"(net.core.rmem_max), or send slower.")                                \
	X(LATE, "late", "Frames that came after their place was counted lost, "    \
		"or twice.", "The path reorders: raise reorder_us.")                   \
	X(REORDERED, "reordered", "Frames that came after a later one, in time.",  \
		"Nothing: the path reorders within the allowance.")                    \
	X(FOREIGN, "foreign", "Frames of other topics that share the group.",      \
		"Widen the group range (groups) if they cost too much.")               \
	X(MALFORMED, "malformed", "Frames and announcements that broke the "       \
		"protocol, dropped.",                                                  \
		"Find the sender: somebody else uses this group and port.")            \
	X(TRUNCATED, "truncated", "Frames larger than our buffers, dropped.",      \
		"Give both sides the same frame_bytes, or the path's MTU.")            \
	X(TOO_LARGE, "too_large", "Messages above message_bytes_max, dropped "     \
		"and counted as lost.", "Raise message_bytes_max here.")               \
	X(STARVED, "starved", "Turns that found every receive buffer in the "      \
		"hands of the application.",                                           \
		"Release views sooner or raise buffer_count.")                         \
	X(PUBLISHERS, "publishers", "Publishers (incarnations) heard.",            \
		"Many: somebody restarts often.")                                      \
	X(PUBLISHERS_REFUSED, "publishers_refused", "Frames of publishers "        \
		"beyond publisher_count_max, dropped; or publishers whose ring the "   \
		"broker could not give.", "Raise publisher_count_max; or see the "     \
		"broker's log.")                                                       \
	X(TOPICS_REFUSED, "topics_refused", "Announced topics that match the "     \
		"pattern but were not followed: the table is full, the join failed, "  \
		"or the broker had no more to give; counted each time.",               \
		"Narrow the pattern; see the broker's log, and msg doctor for joins.") \
	X(RELEASE_REFUSED, "release_refused", "Views or loans given back that "    \
		"were not out: a double release.",                                     \
		"A bug of the application: it gives something back twice.")            \
	X(LOAN_REFUSED, "loan_refused", "Loans refused because every buffer was "  \
		"out or on the wire.",                                                 \
		"Send slower or raise loan_count_max.")                                \
	X(SEND_FAILED, "send_failed", "Messages the lane refused to send.",        \
		"See the device and msg doctor.")                                      \
	X(LAPPED, "lapped", "Entries of the broker's rings lost by being slower "  \
		"than their writer.",                                                  \
		"Take faster, or ask writers to wait for you (slow).")                 \
	X(REATTACHED, "reattached", "Times the broker was found again after it "   \
		"went away.", "Nothing, if somebody restarted it; else see its log.")  \
	X(NAKS, "naks", "Reports of missing frames, sent or received.",            \
		"The network or a socket buffer loses: see lost and msg doctor, or "   \
		"send slower.")                                                        \
	X(ASKED, "asked", "Frames asked for in them, again and again included.",   \
		"Far more than repairs: repairs are lost, too, or throttled.")         \
	X(REPAIRS, "repairs", "Frames sent again, or missing frames that came "    \
		"when asked for.",                                                     \
		"Nothing: this is what a reliable topic is for; see naks.")            \
	X(MULTICASTS, "multicasts", "Of the frames sent again, those that went "   \
		"to all.", "Nothing: several receivers missed the same.")              \
	X(THROTTLED, "throttled", "Repairs put off because too many were due at "  \
		"once.", "Send slower: the network takes no more.")                    \
	X(GONE, "gone", "Frames asked for that the publisher has no more, or "     \
		"messages lost for that reason.",                                      \
		"Raise history_bytes or history_ms of the publisher.")                 \
	X(GIVEN_UP, "given_up", "Messages lost because no repair came in time.",   \
		"Raise give_up_ms, and see that the publisher is called often or has " \
		"the progress thread.")                                                \
	X(BEYOND, "beyond", "Frames dropped for want of room behind a gap; they "  \
		"are asked for again.",                                                \
		"Raise buffer_count, or let the publisher wait (flow).")               \
	X(UNBELIEVED, "unbelieved", "Frames, probes and reports that cannot be "   \
		"true, dropped.", "Find the sender: somebody forges or replays.")      \
	X(REPORTS, "reports", "Reports of receivers, sent or received.",           \
		"Nothing: some a heartbeat and receiver.")                             \
	X(PROBES, "probes", "Probes sent or received: how far a topic is.",        \
		"Nothing: some behind each burst, and a heartbeat.")                   \
	X(HELD_UP, "held_up", "Loans refused because receivers that are waited "   \
		"for (flow) had no room.",                                             \
		"Let them take faster, raise their buffer_count, or wait for fewer.")  \
	X(CUT_OFF, "cut_off", "Receivers waited for no more because they did not " \
		"move for give_up_ms.",                                                \
		"Find who is slow: he loses from here on.")                            \
	X(RECEIVERS_REFUSED, "receivers_refused", "Reports of receivers beyond "   \
		"those that can be remembered.",                                       \
		"Fewer receivers, or a broker on each host: it reports as one.")       \
	X(CAUGHT_UP, "caught_up", "Messages from before it came that a late "      \
		"subscriber got.", "Nothing: it asked for them (history_count).")      \
	X(CONNECTED, "connected", "Connections of an rc topic that came about.",   \
		"Far more than subscribers: see broken.")                              \
	X(BROKEN, "broken", "Of these, those that ended though nobody here "       \
		"closed them, or took nothing for give_up_ms.",                        \
		"Find out who died or is stopped, or what is wrong with the path.")    \
	X(CONNECTIONS_REFUSED, "connections_refused", "Connections refused: too "  \
		"many, meant for another, or with buffers that are too small.",        \
		"Fewer subscribers, or a broker on each host: it connects once.")      \
	X(PASSED_OVER, "passed_over", "Frames that a connection did not get for "  \
		"it took none just then; its receiver asks for them.",                 \
		"Let subscribers take faster.")                                        \
	X(TYPE_REFUSED, "type_refused", "Messages of publishers of another type "  \
		"than the subscriber expects, dropped.",                               \
		"See the log for who; give both sides the same version of the type.") \
	X(FETCHED, "fetched", "Frames of before that were read from where their "  \
		"publisher keeps them.",                                               \
		"None; it is how a late subscriber catches up.")

enum msg_counter_index {
#define MSG_COUNTER_ENUM(id, name, meaning, remedy) MSG_COUNTER_##id,
	MSG_COUNTERS(MSG_COUNTER_ENUM)
#undef MSG_COUNTER_ENUM
	MSG_COUNTER_COUNT
};

struct msg_counter {
	const char *name;    /* As tools print it. */
	const char *meaning; /* One sentence. */
	const char *remedy;  /* One sentence. */
};

/* Describe a counter.  NULL beyond the last one this library knows: a newer
 * library may know more.  Static.  Threads any.  Path steady. */
MSG_API const struct msg_counter *msg_counter_describe(int index);

/* Read one counter; 0 for one that the object does not keep.
 * Threads any.  Path steady. */
MSG_API uint64_t msg_publisher_counter(
	const struct msg_publisher *publisher, int index);
MSG_API uint64_t msg_subscriber_counter(
	const struct msg_subscriber *subscriber, int index);

#ifdef __cplusplus
}
#endif
#endif
