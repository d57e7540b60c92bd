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

/*
 * What the module does to the first pair's cold page (or its loose one) or address space
 * meanwhile. Not all of it can be done to either.
 */
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
	EXCHANGE_TEST_REFER,		/* hold a reference */
	EXCHANGE_TEST_DIRTY,		/* set the page's flag */
	EXCHANGE_TEST_PUNCH,		/* punch a hole where all the file's pages were, before */
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

/* A step of a plan, as struct tm_move, and what the policy is told about it. */
struct exchange_test_step {
	__u64 promote_space, promote_addr;
	__u64 demote_space, demote_addr;
	__u32 pages, huge, gain, reserved;
	__u64 done[8], refused_promote[8], refused_demote[8], demoted[8];
	__u32 told, unused;		/* times */
};

/* Carried out by the driver's relocate.c. Space 1 is the caller, 2 is `other`; there are no others. */
struct exchange_test_plan {
	__u64 steps;			/* struct exchange_test_step * */
	__u32 nr;
	__s32 other;
	/* Answers, in pages but for `outcomes` and `huge` (pairs). */
	__u64 outcomes[EXCHANGE_TEST_OUTCOMES];
	__u64 huge, promoted, demoted, migrated, looked_at;
};

/*
 * Pages of the caller, mapped one behind the other, with as many of a file, or with fresh
 * ones.
 */
struct exchange_test_loose {
	__s32 file;			/* descriptor; -1: fresh pages of node `nid` */
	__s32 nid;
	__u64 first;			/* page of the file */
	__u64 addr;			/* the first mapped page */
	__u32 nr;
	__u32 mapped_is_cold;
	__u32 trouble;
	/* Answers. */
	__u32 missing;			/* pages that the file or node does not have: left out */
	__u64 outcomes[EXCHANGE_TEST_OUTCOMES];
	__u64 flushes, rebuilt, zapped;
};

#define EXCHANGE_TEST_RUN _IOWR('x', 1, struct exchange_test_call)
#define EXCHANGE_TEST_NAME _IOWR('x', 2, struct exchange_test_name)
#define EXCHANGE_TEST_PLAN _IOWR('x', 3, struct exchange_test_plan)
/* The argument is a pid, whose mmap lock is held for writing until the file is closed. */
#define EXCHANGE_TEST_HOLD _IO('x', 4)
#define EXCHANGE_TEST_LOOSE _IOWR('x', 5, struct exchange_test_loose)

#endif /* EXCHANGE_TEST_H */
