/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate.h - pages move to another node by the kernel's own migration
 *
 * For what the exchanger refuses but the kernel can move: shared memory, page cache, folios of other sizes, pages of
 * different memory cgroups. Needs free pages on the target node, and never
 * reclaims for them. About ten times as dear as an exchange.
 */
#ifndef TIERMEM_MIGRATE_H
#define TIERMEM_MIGRATE_H

#include "exchange.h"

struct inode;
struct tiermem_spaces;

#define TIERMEM_MIGRATE_BATCH 512

/* Why a page was not moved. */
enum tiermem_migrate_refusal {
	TIERMEM_NOT_REFUSED,
	TIERMEM_UNMOVED_MAPPING,	/* none, or of a kind that is never moved */
	TIERMEM_UNMOVED_USERFAULTFD,	/* somebody watches it */
	TIERMEM_UNMOVED_POLICY,		/* of memory, or a cpuset */
	TIERMEM_UNMOVED_BOUND,		/* so is the file in memory */
	TIERMEM_UNMOVED_ABSENT,		/* no page */
	TIERMEM_UNMOVED_KEPT,		/* another process uses it */
	TIERMEM_UNMOVED_FOLIO,		/* there already, of another size, locked in memory, busy */
	TIERMEM_UNMOVED_LATER,		/* was put on its way or waited for, and did not arrive */
	TIERMEM_MIGRATE_REFUSALS
};

/* Name of a refusal as sysfs has it; NULL if there is none such. */
const char *tiermem_migrate_refusal_name(enum tiermem_migrate_refusal refusal);

struct tiermem_migration {
	int nid;	/* where to */
	bool huge;	/* only folios of 2 MiB; else of any size, each whole for its first place */
	struct tiermem_spaces *sharers;	/* not what one of these keeps; NULL: whatever they do */
	u64 *refusals;	/* counted by cause, TIERMEM_MIGRATE_REFUSALS of them */
};

/*
 * Move the folios that are mapped at @places; at most TIERMEM_MIGRATE_BATCH.
 * refused[i] is set where there is nothing that could be put on its way; whether the
 * others got there is seen in the page table (an address space whose mmap lock is held
 * for long is left alone). Consecutive places of one address space take that lock (for
 * reading) once.
 *
 * Returns how many pages (of 4 KiB) were moved. Process context, may sleep; the
 * caller holds mm_users of all, and no lock that page faults or reclaim take.
 */
unsigned int tiermem_migrate(const struct tiermem_place *places, unsigned int nr,
			     const struct tiermem_migration *migration, bool *refused);

/*
 * For callers that find folios by themselves: put @folio on a list of those that go to
 * @nid; @huge as above. Takes over the reference; false: it stays where it is. Only if
 * tiermem_migrate_unavailable() is NULL.
 */
bool tiermem_migrate_add(struct list_head *list, struct folio *folio, bool huge, int nid);
/* Move them. Returns as above; may sleep; nothing stays on the list. */
unsigned int tiermem_migrate_list(struct list_head *list, int nid);

/*
 * A free page of 4 KiB of @nid for a page of a program, or NULL: never by reclaim. The
 * caller has its reference.
 */
struct folio *tiermem_migrate_target(int nid);

/*
 * Files in memory can be bound to nodes, by a mount option and by mbind() of any process
 * that maps them. What their pages are mapped by does not tell.
 */
bool tiermem_is_bound(struct inode *inode);

/* Why nothing can be migrated: the name of what the kernel lacks; or NULL. */
const char *tiermem_migrate_unavailable(void);

#endif /* TIERMEM_MIGRATE_H */
