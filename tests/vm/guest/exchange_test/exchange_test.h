/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * exchange_test.h - the face of /dev/tiermem_exchange_test, between the test
 * module and its guest programs.
 */
#ifndef EXCHANGE_TEST_H
#define EXCHANGE_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define EXCHANGE_TEST_OUTCOMES 24
#define EXCHANGE_TEST_MAX_PAIRS 65536

struct exchange_test_pair {
	__s32 hot_pid, cold_pid;	/* 0: the caller */
	__u64 hot_addr, cold_addr;
	__u32 huge;
	__u32 outcome;			/* answer: enum tiermem_exchange_outcome */
};

/* What the module does to the first pair's cold page or address space meanwhile. */
enum exchange_test_trouble {
	EXCHANGE_TEST_NONE,
	EXCHANGE_TEST_LOCK_SPACE,	/* hold its or the hot one's mmap lock for writing */
	EXCHANGE_TEST_LOCK_PAGE,
	EXCHANGE_TEST_NOTIFIER,		/* register an MMU notifier */
	EXCHANGE_TEST_POISON,		/* pretend: these set the page's flag */
	EXCHANGE_TEST_SWAPCACHE,
	EXCHANGE_TEST_WRITEBACK,
	EXCHANGE_TEST_UNEVICTABLE,
	EXCHANGE_TEST_TEASE,		/* take and drop references to all cold pages, until it shows */
};

struct exchange_test_call {
	__u64 pairs;			/* struct exchange_test_pair * */
	__u32 nr;
	__u32 trouble;
	/* Answers. */
	__u64 outcomes[EXCHANGE_TEST_OUTCOMES];
	__u64 huge, batches, flushes, rebuilt, zapped, split;
};

struct exchange_test_name {
	__u32 outcome;
	char name[28];			/* answer; empty: there is no such outcome */
};

#define EXCHANGE_TEST_RUN _IOWR('x', 1, struct exchange_test_call)
#define EXCHANGE_TEST_NAME _IOWR('x', 2, struct exchange_test_name)

#endif /* EXCHANGE_TEST_H */
