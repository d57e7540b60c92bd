/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86 performance counters under TCG: the helper's packed argument
 */

#ifndef I386_TCG_PMU_GEN_H
#define I386_TCG_PMU_GEN_H

#include "hw/registerfields.h"

FIELD(PMU_EVENT, CLASS, 0, 2)       /* X86PMUClass */
FIELD(PMU_EVENT, RING, 2, 1)        /* X86_PMU_OS or X86_PMU_USR */
FIELD(PMU_EVENT, LOCKED, 3, 1)
FIELD(PMU_EVENT, SIZE_LOG2, 4, 4)
FIELD(PMU_EVENT, INSN_LEN, 8, 4)    /* bytes; 0 when not known yet */

#endif /* I386_TCG_PMU_GEN_H */
