/* SPDX-License-Identifier: GPL-2.0-or-later */
/* loose_pairs.h - mapped pages of the caller with pages of a file, or with fresh ones. */
#ifndef LOOSE_PAIRS_H
#define LOOSE_PAIRS_H

/* Carry out a struct exchange_test_loose of user space. 0 or a negative errno. */
long exchange_test_loose_call(unsigned long argument);

#endif /* LOOSE_PAIRS_H */
