// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Source: the access bits of the guest's own page tables, for machines without
 * PEBS or IBS.
 *
 * A walk over all processes looks at a bounded number of entries every 100 ms,
 * reports those whose access bit is set, and clears it. It says only that a page
 * was accessed since the last look, not how often, and to be seen again the
 * translation must leave the TLB: each piece of an address space costs a flush
 * on all its CPUs. Both are counted (sampler/ptes, sampler/flushes).
 *
 * The entries are read and changed as get_user_pages_fast() reads them: without
 * the page-table lock, by atomic operations. mmap_lock held for reading keeps the
 * tables of a mapping; rcu_read_lock() covers a table that khugepaged takes out.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <asm/tlbflush.h>

#include "kernel_symbols.h"
#include "page_table.h"
#include "sampler.h"
#include "stopwatch.h"

#define ABIT_INTERVAL (HZ / 10)
/* While no access is found: a guest that sleeps is let alone. */
#define ABIT_INTERVAL_MAX HZ
/* Entries looked at in one interval at most, and in one hold of mmap_lock. */
#define ABIT_PTES_MAX 65536
#define ABIT_PTES_PER_HOLD 4096
/* Assumed cost of one entry, flush included: what the budget buys at first. */
#define ABIT_PTE_NS 25

struct abit_walk {
	struct tiermem_sampler_cpu *out;
	struct tiermem_record record;
	unsigned long budget;		/* entries left in this hold */
	bool cleared;			/* something must be flushed */
};

static struct tiermem_sampler *abit_sampler;
static void abit_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(abit_delayed_work, abit_work);
static unsigned long interval;		/* jiffies until the next walk */
/* Where the walk goes on. */
static pid_t next_tgid;
static unsigned long next_addr;

/* ---- Entries ---- */

/* Look at one entry (a PTE, or a PMD that maps a huge page). */
static void look(struct abit_walk *walk, void *entry, unsigned long addr)
{
	walk->out->stats.ptes++;
	if (walk->budget)
		walk->budget--;
	if (!test_and_clear_bit(_PAGE_BIT_ACCESSED, entry))
		return;
	walk->cleared = true;
	walk->record.addr = addr;
	tiermem_sampler_put(walk->out, &walk->record);
}

static void walk_table(struct abit_walk *walk, pmd_t pmd, unsigned long addr,
		       unsigned long end)
{
	pte_t *pte = pte_offset_kernel(&pmd, addr);

	for (; addr < end; addr += PAGE_SIZE, pte++) {
		if (pte_present(READ_ONCE(*pte)))
			look(walk, pte, addr);
	}
}

/* Walk a mapping from @addr on; returns where the budget ended. */
static unsigned long walk_vma(struct abit_walk *walk, struct vm_area_struct *vma,
			      unsigned long addr)
{
	while (addr < vma->vm_end && walk->budget) {
		unsigned long end = min(pmd_addr_end(addr, vma->vm_end),
					addr + walk->budget * PAGE_SIZE);
		pmd_t *pmdp, pmd;

		rcu_read_lock();
		pmdp = tiermem_find_pmd(vma->vm_mm, addr);
		pmd = pmdp ? READ_ONCE(*pmdp) : __pmd(0);
		if (pmd_present(pmd) && pmd_leaf(pmd)) {
			end = pmd_addr_end(addr, vma->vm_end);
			look(walk, pmdp, addr);
		} else if (pmd_present(pmd)) {
			walk_table(walk, pmd, addr, end);
		} else {
			/* A hole costs little, but an endless one must end. */
			end = pmd_addr_end(addr, vma->vm_end);
			walk->budget--;
		}
		rcu_read_unlock();
		addr = end;
	}
	return addr;
}

/* ---- Address spaces ---- */

static bool vma_is_walked(const struct vm_area_struct *vma)
{
	return !(vma->vm_flags & (VM_IO | VM_PFNMAP | VM_HUGETLB | VM_MIXEDMAP));
}

/* One hold of mmap_lock; false when the address space is done. */
static bool walk_piece(struct abit_walk *walk, struct mm_struct *mm)
{
	VMA_ITERATOR(vmi, mm, next_addr);
	struct vm_area_struct *vma;

	walk->budget = ABIT_PTES_PER_HOLD;
	walk->cleared = false;
	if (!mmap_read_trylock(mm))
		return false;
	preempt_disable();
	walk->out = this_cpu_ptr(abit_sampler->cpus);
	for_each_vma(vmi, vma) {
		if (!vma_is_walked(vma))
			continue;
		next_addr = walk_vma(walk, vma, max(next_addr, vma->vm_start));
		if (!walk->budget)
			break;
	}
	preempt_enable();
	if (walk->cleared) {
		static_call(tiermem_flush_tlb_mm_range)(mm, 0, TLB_FLUSH_ALL,
							0, false);
		walk->out->stats.flushes++;
	}
	mmap_read_unlock(mm);
	return vma;
}

/* The process with the lowest id from @from on that has an address space. */
static struct task_struct *next_process(pid_t from)
{
	struct task_struct *process, *best = NULL;

	rcu_read_lock();
	for_each_process(process) {
		if (process->tgid >= from && READ_ONCE(process->mm) &&
		    !(process->flags & PF_KTHREAD) &&
		    (!best || process->tgid < best->tgid))
			best = process;
	}
	if (best)
		get_task_struct(best);
	rcu_read_unlock();
	return best;
}

/* Walk a piece of the next process; false when all were walked. */
static bool walk_next(void)
{
	struct task_struct *process = next_process(next_tgid);
	struct abit_walk walk = { };
	struct mm_struct *mm;
	bool more = false;

	if (!process) {
		next_tgid = 0;
		return false;
	}
	if (process->tgid != next_tgid)
		next_addr = 0;
	next_tgid = process->tgid;
	mm = get_task_mm(process);
	if (mm) {
		walk.record.mm = mm;
		walk.record.tgid = next_tgid;
		more = walk_piece(&walk, mm);
		mmput_async(mm);
	}
	put_task_struct(process);
	if (!more) {
		next_tgid++;
		next_addr = 0;
	}
	return true;
}

/* What the walks of an interval may take. */
static u64 interval_ns(void)
{
	return (u64)READ_ONCE(abit_sampler->cpu_budget) *
	       (jiffies_to_nsecs(ABIT_INTERVAL) / 1000);
}

static unsigned long interval_ptes(void)
{
	return clamp_t(u64, interval_ns() / ABIT_PTE_NS, 1, ABIT_PTES_MAX);
}

static u64 records_so_far(void)
{
	struct tiermem_sampler_stats stats;

	tiermem_sampler_stats(abit_sampler, &stats);
	return stats.records + stats.lost_ring;
}

static void abit_work(struct work_struct *work)
{
	const struct tiermem_stopwatch start = tiermem_stopwatch_start();
	unsigned long pieces = DIV_ROUND_UP(interval_ptes(), ABIT_PTES_PER_HOLD);
	const u64 records = records_so_far();

	/* With many processes it takes longer to find the next than to walk it. */
	while (pieces-- && walk_next() && tiermem_stopwatch_read(&start) < interval_ns())
		cond_resched();
	interval = records_so_far() > records ? ABIT_INTERVAL :
						min(2 * interval, ABIT_INTERVAL_MAX);
	preempt_disable();
	this_cpu_ptr(abit_sampler->cpus)->stats.time_ns += tiermem_stopwatch_read(&start);
	this_cpu_ptr(abit_sampler->cpus)->stats.drains++;
	preempt_enable();
	schedule_delayed_work(&abit_delayed_work, interval);
}

static int abit_start(struct tiermem_sampler *sampler)
{
	if (!tiermem_have_flush_tlb_mm_range()) {
		tiermem_sampler_reason(sampler, &tiermem_source_access_bits,
				       "flush_tlb_mm_range was not found");
		return -ENOENT;
	}
	abit_sampler = sampler;
	next_tgid = 0;
	interval = ABIT_INTERVAL;
	schedule_delayed_work(&abit_delayed_work, ABIT_INTERVAL);
	return 0;
}

static void abit_stop(struct tiermem_sampler *sampler)
{
	cancel_delayed_work_sync(&abit_delayed_work);
	abit_sampler = NULL;
}

/* There is no period: each look reports what was accessed since the last. */
const struct tiermem_source tiermem_source_access_bits = {
	.name = "access-bits",
	.start = abit_start,
	.stop = abit_stop,
};
