/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spaces.h - the address spaces that are managed
 *
 * No process is named by anybody: an address space is known as soon as enough
 * of its accesses were sampled, or when it is found to have much memory, and
 * forgotten when its last user has gone, or when it has not been sampled for long
 * and there is no place for another. It is held by mm_count, not mm_users: processes
 * end as if nobody watched them.
 *
 * Locks: none; all calls are serialized by the caller (tiering.c). All may sleep.
 */
#ifndef TIERMEM_SPACES_H
#define TIERMEM_SPACES_H

#include <linux/hashtable.h>
#include <linux/xarray.h>

#include "policy/policy.h"
#include "sampler.h"

#define TIERMEM_CANDIDATES 64
#define TIERMEM_SPACES_BITS 8

/* Sampled, but not yet often enough to be worth the memory. */
struct tiermem_candidate {
	const void *mm;
	u32 tgid;
	u32 samples;
};

struct tiermem_managed;

struct tiermem_spaces {
	struct tm_policy *policy;
	DECLARE_HASHTABLE(by_mm, TIERMEM_SPACES_BITS);
	struct xarray by_id;
	u32 next_id;
	unsigned int nr;
	u64 bytes;		/* of the policy core, for all of them */
	u64 updates;		/* calls of tiermem_spaces_update(), by which silence is measured */
	u64 refused;		/* no memory, or too many at a time */
	struct tiermem_managed *last;	/* found; samples come in runs */
	struct tiermem_candidate candidates[TIERMEM_CANDIDATES];
};

void tiermem_spaces_init(struct tiermem_spaces *spaces,
			 struct tm_policy *policy);
/* Forget all of them; the policy must be there still. */
void tiermem_spaces_destroy(struct tiermem_spaces *spaces);
/*
 * The id of the record's address space; TM_SPACE_NONE when it is not managed (yet:
 * it is from the next record on once enough were seen in one epoch).
 */
u64 tiermem_spaces_id(struct tiermem_spaces *spaces,
		      const struct tiermem_record *record);
/*
 * Look for processes with much memory that are not known, a few at a time: those that
 * sleep are never sampled, and their memory would stay in the fast tier.
 */
void tiermem_spaces_search(struct tiermem_spaces *spaces);
/*
 * Once an epoch: forget who has gone, and who was sampled too little. One that has grown
 * much gets more memory, and its heat is learnt anew.
 */
void tiermem_spaces_update(struct tiermem_spaces *spaces);
/*
 * The address space with mm_users held, or NULL if it has gone. mmput_async() it:
 * whoever is the last one takes it apart, which is not the tiering thread's work.
 */
struct mm_struct *tiermem_spaces_get(struct tiermem_spaces *spaces, u64 id);
/*
 * Bytes of memory by which they have grown since the last call; those that have shrunk do
 * not count. What one had mapped when it became known is not new: it may be long past.
 */
u64 tiermem_spaces_growth(struct tiermem_spaces *spaces);
/*
 * Whether it is known and uses the page at @addr more than what is given up just now.
 * Never sleeps.
 */
bool tiermem_spaces_keep(struct tiermem_spaces *spaces, const struct mm_struct *mm,
			 unsigned long addr);
/* The process that made it known, for people to read; 0 if there is none. */
u32 tiermem_spaces_tgid(struct tiermem_spaces *spaces, u64 id);

#endif /* TIERMEM_SPACES_H */
