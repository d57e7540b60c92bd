/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * leaf_entry.h - page table entries that are not present: what they stand for
 *
 * By the names of <linux/leafops.h> (7.0 or so), also where <linux/swapops.h>
 * has others for the same.
 */
#ifndef TIERMEM_LEAF_ENTRY_H
#define TIERMEM_LEAF_ENTRY_H

#include <linux/swapops.h>

#ifdef TIERMEM_HAVE_LEAFOPS
#include <linux/leafops.h>
#else
#define softleaf_t swp_entry_t

/* Stable kernels have got some of the names as macros, 6.12.118 two. */
#ifndef softleaf_from_pte
static inline softleaf_t softleaf_from_pte(pte_t pte)
{
	return pte_to_swp_entry(pte);
}
#endif

static inline bool softleaf_is_migration(softleaf_t entry)
{
	return is_migration_entry(entry);
}

static inline bool softleaf_is_migration_write(softleaf_t entry)
{
	return is_writable_migration_entry(entry);
}

static inline bool softleaf_is_migration_read(softleaf_t entry)
{
	return is_readable_migration_entry(entry);
}

#ifndef softleaf_to_pfn
static inline unsigned long softleaf_to_pfn(softleaf_t entry)
{
	return swp_offset_pfn(entry);
}
#endif
#endif

#endif /* TIERMEM_LEAF_ENTRY_H */
