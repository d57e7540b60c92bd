/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sharers.h - memory that several processes map
 *
 * Each has its own heat for it. What one leaves alone would be moved away for that one
 * and back for another, for ever: the hottest of them counts.
 */
#ifndef TIERMEM_SHARERS_H
#define TIERMEM_SHARERS_H

#include <linux/types.h>

struct folio;
struct tiermem_spaces;

/*
 * Whether one of the address spaces that map the folio is known to use it more than what
 * is given up just now. False also when nobody can be asked without waiting. The caller
 * has a reference, and the mmap lock of one that maps it; calls on @spaces are serialized.
 */
bool tiermem_is_kept(struct tiermem_spaces *spaces, struct folio *folio);

#endif /* TIERMEM_SHARERS_H */
