/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * control.h - what a client and the broker say to each other, as structs.
 *
 * One connection serves one object: a publisher, a subscriber or an onlooker.
 * Each message is a frame of socket.h: a kind, a body that is one message of
 * proto/broker.proto, and the descriptors that its kind calls for.  The side
 * that may send a kind is part of its number.  proto/README.md has the whole
 * conversation.
 *
 *     onlooker, publisher, subscriber      broker
 *     HELLO                          ->    WELCOME {session page}, or REFUSED
 *     SUBSCRIBE                      ->    SUBSCRIBED {doorbell}, or REFUSED;
 *                                          RING {ring, pool, ledger}, RING_GONE
 *     PUBLISH                        ->    PUBLISHING {ring, pool}, or REFUSED
 *     MAPPED                         ->    READER {ledger, doorbell} of those
 *                                          who wait already, STARTED; then
 *                                          READER, READER_GONE
 *     BYE
 *     WATCH                          ->    LISTING, more LISTING
 *     STATS                          ->    STATS_SEGMENT {segment}
 *
 * Unpacking is hostile-input code on both sides: a body is bounded by its kind,
 * protobuf allocates from a fixed arena on the stack, and every field is
 * checked before anything is written.  Text is UTF-8 without control
 * characters, at most as long as its field; that a topic is one by the grammar
 * is for the caller to check (topic/name.h).  Unknown fields are skipped,
 * unknown kinds refused.
 *
 * Test: tests/unit/link/shm/test_control.c, fuzz: tests/fuzz/fuzz_control.c.
 */
#ifndef MSG_LINK_SHM_CONTROL_H
#define MSG_LINK_SHM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_CONTROL_VERSION 1u

#define MSG_CONTROL_HEADER_BYTES 8u
#define MSG_CONTROL_FRAME_BYTES_MAX (64u << 10)
#define MSG_CONTROL_BODY_BYTES_MAX \
	(MSG_CONTROL_FRAME_BYTES_MAX - MSG_CONTROL_HEADER_BYTES)
#define MSG_CONTROL_FDS_MAX 4u
#define MSG_CONTROL_PACKED_BYTES_MAX (24u << 10) /* What this version says. */

#define MSG_CONTROL_TOPIC_BYTES_MAX 255u
#define MSG_CONTROL_LABEL_BYTES_MAX 63u /* Host, program, device, address. */
#define MSG_CONTROL_NAME_BYTES_MAX 64u  /* Of a broker; see place.h. */
#define MSG_CONTROL_REASON_BYTES_MAX 159u
#define MSG_CONTROL_TEXT_BYTES_MAX 400u
#define MSG_CONTROL_TOPICS_MAX 32u /* In one LISTING. */
#define MSG_CONTROL_TYPE_BYTES_MAX 127u
#define MSG_CONTROL_SCHEMA_BYTES_MAX (64u << 10)
#define MSG_CONTROL_PART_BYTES_MAX 3072u /* Of a schema, in one message. */

#define MSG_CONTROL_READERS_MAX 128u /* Of a ring. */
#define MSG_CONTROL_HOLD_MAX 65536u
#define MSG_CONTROL_SLOTS_MAX (1u << 20)
#define MSG_CONTROL_ENTRIES_MAX (1u << 20)
#define MSG_CONTROL_POOL_BYTES_MAX (1ull << 40) /* And of large messages. */
#define MSG_CONTROL_FRAMES_MAX (1ull << 48)

/* Kinds from 128 on are the broker's.  A number is never used again. */
enum msg_control_kind {
	MSG_CONTROL_HELLO = 1,
	MSG_CONTROL_SUBSCRIBE = 2,
	MSG_CONTROL_PUBLISH = 3,
	MSG_CONTROL_MAPPED = 4, /* Publisher: ring and pool are mapped. */
	MSG_CONTROL_WATCH = 5,  /* Send me the directory as it is now. */
	MSG_CONTROL_STATS = 6,  /* Send me the counters' segment. */
	MSG_CONTROL_BYE = 7,    /* Publisher: nothing follows. */
	MSG_CONTROL_SCHEMA = 20,   /* Publisher: part of my schema; before
	                              PUBLISH. */
	MSG_CONTROL_DESCRIBE = 21, /* Onlooker: what is the schema of that one? */

	MSG_CONTROL_WELCOME = 129,       /* + session page */
	MSG_CONTROL_REFUSED = 130,       /* At any time; the broker hangs up. */
	MSG_CONTROL_SUBSCRIBED = 131,    /* + doorbell; rings follow, now or
	                                    later. */
	MSG_CONTROL_PUBLISHING = 132,    /* + ring, pool; area */
	MSG_CONTROL_RING = 133,          /* + ring, pool, ledger; area */
	MSG_CONTROL_RING_GONE = 134,     /* Nothing more is written to it. */
	MSG_CONTROL_READER = 135,        /* + ledger, and its doorbell if any */
	MSG_CONTROL_READER_GONE = 136,
	MSG_CONTROL_LISTING = 137,
	MSG_CONTROL_STATS_SEGMENT = 138, /* + segment */
	MSG_CONTROL_STARTED = 139,       /* Publisher: whoever waits for the
	                                    topic reads its first message. */
	MSG_CONTROL_UNDER_WAY = 140,     /* The answer takes a while; only to who
	                                    is patient. */
	MSG_CONTROL_DESCRIBED = 150,     /* Answers DESCRIBE. */
	MSG_CONTROL_TYPED = 151,         /* Subscriber: this publisher is of
	                                    another type than you expect. */
};

enum msg_control_side {
	MSG_CONTROL_CLIENT,
	MSG_CONTROL_BROKER,
};

enum msg_control_role {
	MSG_CONTROL_PUBLISHER = 1,
	MSG_CONTROL_SUBSCRIBER = 2,
	MSG_CONTROL_ONLOOKER = 3,
};

/* What becomes of a reader that is a whole ring behind. */
enum msg_control_policy {
	MSG_CONTROL_LAP = 1,   /* It loses messages, counted. */
	MSG_CONTROL_EVICT = 2, /* It loses its connection. */
	MSG_CONTROL_BLOCK = 3, /* A local publisher waits for it. */
};

/* What of a schema can be told. */
enum msg_control_described_state {
	MSG_CONTROL_HERE = 1,  /* A part of it. */
	MSG_CONTROL_LATER = 2, /* It is being fetched: ask again in a while. */
	MSG_CONTROL_NEVER = 3, /* It cannot be had. */
};

/* Bytes that are no text. */
struct msg_control_part {
	uint32_t bytes;
	uint8_t data[MSG_CONTROL_PART_BYTES_MAX];
};

enum msg_control_origin {
	MSG_CONTROL_NETWORK = 1, /* The broker writes what arrives. */
	MSG_CONTROL_LOCAL = 2,   /* A publisher of this host writes. */
};

/* ---- from the client --------------------------------------------------- */

struct msg_control_hello {
	uint32_t version; /* 1 or more. */
	uint32_t role;    /* enum msg_control_role. */
	char program[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	bool patient; /* It knows UNDER_WAY. */
};

struct msg_control_subscribe {
	char pattern[MSG_CONTROL_TOPIC_BYTES_MAX + 1]; /* Not empty. */
	uint32_t policy;            /* enum msg_control_policy. */
	uint32_t hold_max;          /* Slots its views may hold at once, 1 to
	                               HOLD_MAX; in each ring. */
	uint32_t message_bytes_max; /* 1 to 16 MiB. */
	bool events;                /* It reads events in line. */
	uint32_t history_count;     /* Of reliable topics: messages wanted from
	                               before; UINT32_MAX: all. */
	bool tagged;                /* "tagged" waits for it. */
	uint32_t give_up_ms;        /* Up to 60000; 0: as is usual. */
	bool resumes;               /* It was served before. */
	bool best_effort;           /* Nobody waits for it. */
	uint64_t type_hash; /* The type it expects; 0: any. */
	uint32_t large_bytes_max; /* Large messages up to this; 0: none. */
};

struct msg_control_publish {
	char topic[MSG_CONTROL_TOPIC_BYTES_MAX + 1]; /* Not empty. */
	uint64_t incarnation;       /* Random; its low half is the publisher
	                               on the wire. */
	uint64_t next_sequence;     /* Not 0 after the broker was away. */
	uint32_t message_bytes_max; /* 1 to 16 MiB. */
	uint32_t loan_count_max;    /* 2 to 65536. */
	uint32_t period_ms;         /* Between announcements, 10 to 60000. */
	/* As struct msg_publisher_options, completed; all 0 of best effort. */
	uint32_t reliability;   /* 0, or MSG_RELIABILITY_RELIABLE. */
	uint32_t flow;          /* enum msg_flow_control */
	uint32_t flow_count;    /* Up to 1024. */
	uint64_t history_bytes; /* Up to 4 GiB. */
	uint32_t history_ms;    /* Up to 3600000. */
	uint32_t give_up_ms;    /* Up to 60000. */
	uint32_t linger_ms;     /* Up to 60000. */
	/* After the broker was away, so that receivers are not told a frame's
	 * number, or a repair's, again for another. */
	uint64_t next_frame; /* Frames below may have been sent; up to 2^48. */
	uint32_t session;    /* How many brokers served it before. */
	/* Of a typed topic, else all 0. */
	char type_name[MSG_CONTROL_TYPE_BYTES_MAX + 1];
	uint32_t type_encoding; /* Up to 255. */
	uint64_t type_hash;
	/* Of reliable topics; 0: no large messages. */
	uint32_t large_bytes_max;
	uint64_t large_memory_bytes; /* At least that; up to POOL_BYTES_MAX. */
};

struct msg_control_watch {
	char pattern[MSG_CONTROL_TOPIC_BYTES_MAX + 1]; /* Not empty. */
};

struct msg_control_schema {
	uint64_t hash;
	uint32_t bytes;  /* Of all of it: 1 to SCHEMA_BYTES_MAX. */
	uint32_t offset; /* Below that, and so is its end. */
	struct msg_control_part part; /* Not empty. */
};

struct msg_control_describe {
	uint32_t publisher;
	uint64_t hash;
	uint32_t offset;
};

struct msg_control_bye {
	uint64_t next_sequence; /* Messages below this were published. */
};

/* ---- from the broker --------------------------------------------------- */

struct msg_control_welcome {
	uint32_t version; /* 1 or more: what it will speak. */
	uint64_t epoch;   /* Random; as in the session page. */
	uint32_t pid;
	char name[MSG_CONTROL_NAME_BYTES_MAX + 1]; /* Not empty. */
	/* As struct msg_node_info; the lane is 0 and its texts are empty if the
	 * broker serves this host alone. */
	uint32_t lane;
	char device[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char interface[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char address[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char groups[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char reason[MSG_CONTROL_REASON_BYTES_MAX + 1];
	uint32_t port;        /* 0 to 65535. */
	uint32_t frame_bytes; /* 256 to 65507. */
	/* What PUBLISH should say where its user said nothing. */
	uint32_t publish_message_bytes_max; /* 1 to 16 MiB. */
	uint32_t publish_loan_count_max;    /* 2 to 65536. */
	uint32_t publish_period_ms;         /* 10 to 60000. */
	bool reliable; /* It takes reliable topics, and repairs them. */
	bool connected; /* And those that are had by connections. */
	bool wishes;   /* It knows history_count, tagged and give_up_ms. */
	bool types; /* It takes SCHEMA and DESCRIBE. */
	bool large; /* And large messages. */
};

struct msg_control_refused {
	uint32_t code; /* enum msg_error, or a later one's; 1 to 255. */
	char text[MSG_CONTROL_TEXT_BYTES_MAX + 1]; /* Names the next step. */
};

struct msg_control_publishing {
	uint32_t slot_count;     /* 2 to SLOTS_MAX. */
	uint32_t slot_bytes;     /* From one to the next. */
	uint32_t payload_bytes;  /* Of a slot: 1 to slot_bytes. */
	uint32_t entry_count;    /* Of the ring: 2 to ENTRIES_MAX. */
	uint32_t frame_body_max; /* Batches up to this fit one frame: 1 to
	                            65507. */
	uint32_t keep_max;       /* Entries that the broker keeps in hand for
	                            repair; below entry_count. */
	uint32_t retain;         /* Newest ones that are not taken back, for who
	                            comes late, but for the memory of large
	                            ones; up to entry_count / 4. */
	uint64_t large_bytes;    /* Of the area for large messages, its last
	                            descriptor; 0: none. */
};

struct msg_control_ring {
	uint32_t number; /* The subscriber's name for it, in RING_GONE. */
	char topic[MSG_CONTROL_TOPIC_BYTES_MAX + 1]; /* Not empty. */
	uint32_t origin;      /* enum msg_control_origin. */
	uint32_t publisher;   /* LOCAL: who writes, as in msg_view. */
	uint32_t reader;      /* Our place among its readers, below
	                         READERS_MAX. */
	uint32_t entry_count; /* 2 to ENTRIES_MAX. */
	uint64_t pool_bytes;  /* 1 to POOL_BYTES_MAX. */
	uint32_t hold_max;    /* Granted, at most what was asked: 1 to
	                         HOLD_MAX. */
	uint64_t start;       /* The first entry that is ours to read. */
	uint32_t history;     /* So many from there on are from before we came;
	                         up to ENTRIES_MAX. */
	char program[MSG_CONTROL_LABEL_BYTES_MAX + 1]; /* LOCAL: whose. */
	uint64_t large_bytes; /* As in PUBLISHING; 0 unless it was asked for. */
};

struct msg_control_ring_gone {
	uint32_t number;
	bool left; /* Its publisher said goodbye. */
};

struct msg_control_reader {
	uint32_t reader; /* Below READERS_MAX. */
	uint32_t policy; /* enum msg_control_policy. */
	uint32_t hold_max;
	uint32_t pid;
	uint32_t uid;
	char program[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	bool awaited; /* The publisher waits for it, up to give_up_ms. */
};

struct msg_control_reader_gone {
	uint32_t reader;
};

/* As struct msg_topic_info. */
struct msg_control_topic {
	char topic[MSG_CONTROL_TOPIC_BYTES_MAX + 1]; /* Not empty. */
	char host[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	char program[MSG_CONTROL_LABEL_BYTES_MAX + 1];
	uint32_t publisher;
	uint64_t message_count;
	uint64_t age_ns;
	double rate; /* Finite; negative: not known yet. */
	uint32_t pid;
	uint32_t uid;
	uint32_t message_bytes_max;
	uint32_t frame_bytes;
	bool local; /* A client of the broker that says so. */
	uint32_t reliability; /* enum msg_reliability; DEFAULT: not known. */
	char type_name[MSG_CONTROL_TYPE_BYTES_MAX + 1]; /* "": none. */
	uint32_t type_encoding;
	uint64_t type_hash;
};

struct msg_control_listing {
	uint32_t topic_count; /* Up to TOPICS_MAX. */
	bool more;            /* Another LISTING follows. */
	struct msg_control_topic topics[MSG_CONTROL_TOPICS_MAX];
};

struct msg_control_stats_segment {
	uint64_t bytes; /* 1 to POOL_BYTES_MAX. */
};

struct msg_control_described {
	uint32_t publisher;
	uint64_t hash;
	uint32_t offset;
	uint32_t state; /* enum msg_control_described_state */
	uint32_t bytes; /* Of all of it; 0 unless HERE. */
	struct msg_control_part part; /* Within it; empty unless HERE. */
};

struct msg_control_typed {
	char topic[MSG_CONTROL_TOPIC_BYTES_MAX + 1]; /* Not empty. */
	uint32_t publisher;
	char type_name[MSG_CONTROL_TYPE_BYTES_MAX + 1]; /* "": none. */
};

/* A message.  Some 20 KiB, for LISTING; the others use the first few. */
struct msg_control {
	enum msg_control_kind kind;
	union {
		struct msg_control_hello hello;
		struct msg_control_subscribe subscribe;
		struct msg_control_publish publish;
		struct msg_control_watch watch;
		struct msg_control_bye bye;
		struct msg_control_schema schema;
		struct msg_control_describe describe;
		struct msg_control_welcome welcome;
		struct msg_control_refused refused;
		struct msg_control_publishing publishing;
		struct msg_control_ring ring;
		struct msg_control_ring_gone ring_gone;
		struct msg_control_reader reader;
		struct msg_control_reader_gone reader_gone;
		struct msg_control_listing listing;
		struct msg_control_stats_segment stats_segment;
		struct msg_control_described described;
		struct msg_control_typed typed;
	};
};

/* A frame as it came from the socket. */
struct msg_control_frame {
	uint16_t kind;
	uint32_t bytes;      /* Of the body. */
	const uint8_t *body; /* The socket's, until it receives again. */
	unsigned fd_count;   /* As its header says, and as arrived. */
	int fds[MSG_CONTROL_FDS_MAX]; /* The receiver's to close. */
};

/* Close the descriptors that are still in the frame.  Who keeps one takes it
 * out by writing -1 there. */
void msg_control_frame_close(struct msg_control_frame *frame);

/* The name of a kind, as in proto/broker.proto: "Subscribe"; NULL if there is
 * none. */
const char *msg_control_kind_name(unsigned kind);

/* Pack the body of a message into `body`, of MSG_CONTROL_PACKED_BYTES_MAX;
 * returns its bytes.  Ranges, and that topics, patterns and names are good
 * text, are the caller's promise (asserted).  In the other texts, which come
 * from outside, what a receiver would refuse is sent as '?'. */
size_t msg_control_pack(const struct msg_control *control, uint8_t *body);

/* Unpack and check a frame that came from the side `from`.  The frame and its
 * descriptors stay as they are, the caller's to close either way.
 * Returns 0, and all of the kind's fields are set (what is absent and may be is
 * zero or ""); -MSG_ERROR_ARGUMENT with the reason on the trail, for the peer's
 * eyes too ("Subscribe: policy is 9, not 1 to 3"): nothing was written. */
int msg_control_unpack(struct msg_control *control, enum msg_control_side from,
	const struct msg_control_frame *frame);

#endif
