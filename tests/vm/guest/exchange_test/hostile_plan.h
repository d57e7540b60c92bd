/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hostile_plan.h - plans of a program instead of the policy core's, between the
 * test module's files
 */
#ifndef HOSTILE_PLAN_H
#define HOSTILE_PLAN_H

#include <linux/types.h>

struct mm_struct;

/* Carry out a struct exchange_test_plan of user space. 0 or a negative errno. */
long exchange_test_plan_call(unsigned long argument);

/* exchange_test.c: the address space of a process (0: the caller) with mm_users held, or NULL. */
struct mm_struct *exchange_test_mm(pid_t pid);

#endif /* HOSTILE_PLAN_H */
