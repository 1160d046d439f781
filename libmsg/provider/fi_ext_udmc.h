/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fi_ext_udmc.h - what udmc offers beyond the libfabric API.
 *
 * Two things have no call in libfabric: the properties of a multicast socket
 * and the count of what was lost below the provider.  Both are per endpoint,
 * so a library can set them without touching the environment of its process.
 *
 * Addresses.  A group given to fi_join is a struct sockaddr_in or sockaddr_in6
 * on every domain.  Endpoint addresses (fi_getname, fi_av_insert) are
 *
 *	domain `udp-IFACE`:  struct sockaddr_in (FI_SOCKADDR_IN) or
 *	                     struct sockaddr_in6 (FI_SOCKADDR_IN6);
 *	domain of a device:  struct fi_udmc_ib_addr (FI_ADDR_IB_UD).
 */
#ifndef FI_EXT_UDMC_H
#define FI_EXT_UDMC_H

#include <stddef.h>
#include <stdint.h>
#include <rdma/fabric.h>
#include <rdma/fi_endpoint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FI_PROV_SPECIFIC_UDMC (0x0dc << 16)

/*
 * Options for fi_setopt/fi_getopt, level FI_OPT_ENDPOINT.  Each may be set
 * before fi_enable and, where the word "later" stands, after it.  A value that
 * was never set comes from the environment variable named last, then from the
 * default.  A domain that has no such property answers -FI_ENOPROTOOPT.
 */
enum {
	/* int, 0 to 255, default 1: routers a multicast may cross; later (on
	 * a verbs domain it takes effect for groups joined afterwards).
	 * FI_UDMC_TTL. */
	FI_OPT_UDMC_TTL = -FI_PROV_SPECIFIC_UDMC,
	/* int, 0 or 1, default 1: whether full members on the sending host
	 * (the sender too) hear its multicasts; later.  A verbs domain knows
	 * only 1.  FI_UDMC_LOOPBACK. */
	FI_OPT_UDMC_LOOPBACK,
	/* size_t, bytes, default 4 MiB: kernel receive buffer of each socket;
	 * later.  fi_getopt after fi_enable tells what the kernel granted.
	 * UDP only.  FI_UDMC_RCVBUF. */
	FI_OPT_UDMC_RCVBUF,
	/* size_t, bytes, default 1 MiB: kernel send buffer; later.  UDP only.
	 * FI_UDMC_SNDBUF. */
	FI_OPT_UDMC_SNDBUF,
};

/*
 * The address of an endpoint on a verbs domain; integers little-endian, so it
 * may travel between hosts as it is.  The first 27 bytes are laid out as
 * libfabric's own UD address.
 */
struct fi_udmc_ib_addr {
	uint8_t gid[16];   /* Network order, as everywhere. */
	uint32_t qpn;      /* Queue pair number. */
	uint16_t lid;      /* 0 on Ethernet. */
	uint16_t pkey;     /* Partition. */
	uint16_t service;  /* 0. */
	uint8_t sl;        /* Service level. */
	uint8_t reserved;  /* 0. */
	uint32_t qkey;     /* Q_Key a sender must carry. */
};

/* Counters since fi_enable; each costs an addition a datagram at most. */
struct fi_udmc_stats {
	uint64_t rx_datagrams; /* Received, truncated ones included. */
	uint64_t rx_bytes;     /* Their payload that reached a buffer. */
	uint64_t rx_truncated; /* Larger than the posted buffer (FI_ETRUNC). */
	uint64_t rx_dropped;   /* Lost for want of kernel receive buffer (UDP:
				* SO_MEMINFO, read when asked); 0 on verbs,
				* which drops without telling. */
	uint64_t tx_datagrams; /* Given to the kernel or the device. */
	uint64_t tx_bytes;     /* Their payload. */
	uint64_t tx_retries;   /* Times the kernel had no room (EAGAIN). */
	uint64_t tx_errors;    /* Completed in error. */
	uint32_t sockets;      /* UDP sockets in use: each costs one system
				* call for a fi_cq_read; 0 on verbs. */
	uint32_t groups;       /* Groups joined, send-only ones included. */
};

/*
 * fi_open_ops(&ep->fid, FI_UDMC_EP_OPS, 0, (void **)&ops, NULL).
 * stats: fills *stats up to `bytes` (sizeof(*stats)); 0, or -FI_EINVAL.
 * Threads: as the endpoint.
 */
#define FI_UDMC_EP_OPS "udmc_ep_ops"

struct fi_udmc_ops_ep {
	size_t size;
	int (*stats)(struct fid_ep *ep, struct fi_udmc_stats *stats,
			size_t bytes);
};

#ifdef __cplusplus
}
#endif

#endif
