// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The exchanger: batches, and the order of what is done to them.
 *
 * For each batch, with the mmap locks held for reading, and between the start and
 * end of an invalidation if somebody watches the address space:
 *  1. Take all sides out of the page tables, those of one table together.
 *  2. Flush the TLB of each address space, once.
 *  3. Trade pair by pair: freeze both folios, which fails if anybody has come
 *     to know of them; swap contents and identities; thaw them.
 *  4. Put all sides back. A pair that was refused gets its own folios.
 *  5. Unlock the folios, which wakes who waits for them.
 * Huge pages do 3 to 5 pair by pair, so that nobody waits for more than one copy; pairs
 * with a loose folio do 3 and 4 under the lock of a page table.
 */
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/mm_inline.h>
#include <linux/mmu_notifier.h>
#include <linux/mmap_lock.h>
#include <linux/mutex.h>
#include <linux/sched.h>

#include <asm/tlbflush.h>

#include "exchange_side.h"
#include "kernel_symbols.h"

#define MAX_SIDES (2 * TIERMEM_EXCHANGE_BATCH)
#define MAX_SPACES 2
#define BUCKETS 64
/* More sides of an address space than this: flush all of its TLB. */
#define FLUSH_SINGLY 4
#define LOCK_ATTEMPTS 4

struct batch {
	struct tiermem_pair *pairs;
	struct tiermem_exchange_stats *stats;
	unsigned int nr;		/* pairs; pair i has sides 2i (hot), 2i + 1 */
	bool huge;
	bool loose;			/* each pair has a side without address space */
	unsigned int patience;		/* of all batches of a call: see tiermem_lock_space() */
	unsigned int nr_spaces;
	struct tiermem_space spaces[MAX_SPACES];
	struct tiermem_cursor cursor;
	u16 order[MAX_SIDES];		/* sides, those of a page table together */
	struct tiermem_side sides[MAX_SIDES];
};

/* Static: exchanging needs no free page. */
static DEFINE_MUTEX(exchange_lock);
static struct batch the_batch;				/* under exchange_lock */

/* One side may have been taken before the other was refused. */
static void trade_pair(struct batch *batch, unsigned int i)
{
	struct tiermem_side *sides = &batch->sides[2 * i];
	struct tiermem_pair *pair = &batch->pairs[i];

	if (sides[0].folio && sides[1].folio)
		pair->outcome = tiermem_side_trade(&sides[0], &sides[1], &pair->cold_refused);
	else if (sides[0].folio && !tiermem_is_loose(&sides[0]))
		folio_get(sides[0].folio);
	else if (sides[1].folio && !tiermem_is_loose(&sides[1]))
		folio_get(sides[1].folio);
	if (pair->outcome == TIERMEM_EXCHANGED && pair->loose)
		pair->loose = sides[tiermem_is_loose(&sides[1])].folio;
}

/* Taking and putting back; sides of a page table together, so that its lock is taken once. */

static void order_sides(struct batch *batch)
{
	unsigned int nr = 2 * batch->nr, i, sum = 0;
	u16 next[BUCKETS] = {};
	u8 bucket[MAX_SIDES];

	for (i = 0; i < nr; i++) {
		const struct tiermem_side *side = &batch->sides[i];

		bucket[i] = hash_long((side->addr >> PMD_SHIFT) ^ (unsigned long)side->space,
				      ilog2(BUCKETS));
		next[bucket[i]]++;
	}
	for (i = 0; i < BUCKETS; i++) {
		sum += next[i];
		next[i] = sum - next[i];
	}
	for (i = 0; i < nr; i++)
		batch->order[next[bucket[i]]++] = i;
}

static void take_all(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < 2 * batch->nr; i++) {
		struct tiermem_side *side = &batch->sides[batch->order[i]];
		struct tiermem_pair *pair = &batch->pairs[batch->order[i] / 2];

		if (pair->outcome)
			continue;
		pair->outcome = tiermem_is_loose(side) ? tiermem_loose_take(side, pair->loose) :
							 tiermem_side_take(&batch->cursor, side);
		pair->cold_refused = batch->order[i] & 1;
	}
	tiermem_cursor_release(&batch->cursor);
}

static void put_side(struct batch *batch, unsigned int i)
{
	struct tiermem_side *side = &batch->sides[i];

	if (side->folio && !tiermem_is_loose(side))
		tiermem_side_put(&batch->cursor, side, batch->stats);
}

/* Both sides of the pair are back: who waits for either folio may go on. */
static void finish_pair(struct batch *batch, unsigned int i)
{
	tiermem_side_finish(&batch->sides[2 * i]);
	tiermem_side_finish(&batch->sides[2 * i + 1]);
}

static void trade_huge_pairs(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++) {
		trade_pair(batch, i);
		put_side(batch, 2 * i);
		put_side(batch, 2 * i + 1);
		tiermem_cursor_release(&batch->cursor);
		finish_pair(batch, i);
		cond_resched();
	}
}

/*
 * Whoever zaps an entry of ours asks its folio what it is, and takes that from the address
 * space's counts. By then it must not be a file's or nobody's: so each pair is traded
 * and put back under the lock of its page table.
 */
static void trade_and_put_loose(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < 2 * batch->nr; i++) {
		struct tiermem_side *side = &batch->sides[batch->order[i]];

		if (tiermem_is_loose(side))
			continue;
		if (side->folio)
			tiermem_side_lock(&batch->cursor, side);
		trade_pair(batch, batch->order[i] / 2);
		put_side(batch, batch->order[i]);
		tiermem_cursor_release(&batch->cursor);
	}
}

static void trade_and_put(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		trade_pair(batch, i);
	for (i = 0; i < 2 * batch->nr; i++)
		put_side(batch, batch->order[i]);
	tiermem_cursor_release(&batch->cursor);
}

static void trade_base_pairs(struct batch *batch)
{
	unsigned int i;

	if (batch->loose)
		trade_and_put_loose(batch);
	else
		trade_and_put(batch);
	for (i = 0; i < batch->nr; i++)
		finish_pair(batch, i);
}

/* TLB */

static void flush_singly(struct batch *batch, struct tiermem_space *space)
{
	unsigned int shift = batch->huge ? PMD_SHIFT : PAGE_SHIFT, i;

	for (i = 0; i < 2 * batch->nr; i++) {
		const struct tiermem_side *side = &batch->sides[i];

		if (side->folio && side->space == space)
			static_call(tiermem_flush_tlb_mm_range)(space->mm, side->addr,
								side->addr + BIT(shift),
								shift, false);
	}
}

static void flush(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr_spaces; i++) {
		struct tiermem_space *space = &batch->spaces[i];

		if (space->taken > FLUSH_SINGLY)
			static_call(tiermem_flush_tlb_mm_range)(space->mm, 0, TLB_FLUSH_ALL,
								PAGE_SHIFT, false);
		else
			flush_singly(batch, space);
		batch->stats->flushes += space->taken > 0;
	}
}

/* A zap that comes upon our entries in between sees that it has to flush by itself. */
static void flush_pending(struct batch *batch, bool pending)
{
	unsigned int i;

	for (i = 0; i < batch->nr_spaces; i++) {
		if (pending)
			inc_tlb_flush_pending(batch->spaces[i].mm);
		else
			dec_tlb_flush_pending(batch->spaces[i].mm);
	}
}

/* MMU notifiers */

#ifdef TIERMEM_HAVE_NOTIFYING_FLUSH
/*
 * The range that the sides of one page table span, from place @first of the order
 * on; returns the place after. KVM zaps all that is in a range, so that it may
 * not be one for the whole batch.
 */
static unsigned int next_range(const struct batch *batch, unsigned int first,
			       struct mmu_notifier_range *range)
{
	const struct tiermem_side *side = &batch->sides[batch->order[first]];
	const unsigned long table = side->addr & PMD_MASK;
	unsigned int i;

	*range = (struct mmu_notifier_range) {
		.mm = side->space->mm, .event = MMU_NOTIFY_CLEAR,
		.flags = MMU_NOTIFIER_RANGE_BLOCKABLE, .start = ULONG_MAX,
	};
	for (i = first; i < 2 * batch->nr; i++) {
		side = &batch->sides[batch->order[i]];
		if ((side->addr & PMD_MASK) != table)
			break;
		range->start = min(range->start, side->addr);
		range->end = max(range->end, side->addr + tiermem_size(batch->huge));
	}
	return i;
}

/*
 * Whoever has the batch's pages in page tables of his own (KVM, a GPU) drops them
 * and waits until the end. TLBs of devices are told by flush().
 */
static void announce(struct batch *batch, bool begins)
{
	struct mmu_notifier_range range;
	unsigned int i;

	if (!mm_has_notifiers(batch->spaces->mm))
		return;
	for (i = 0; i < 2 * batch->nr; ) {
		i = next_range(batch, i, &range);
		if (begins)
			static_call(tiermem_invalidate_start)(&range);
		else
			static_call(tiermem_invalidate_end)(&range);
	}
}
#else
static void announce(struct batch *batch, bool begins)
{
}
#endif

/* Batches */

static void exchange_locked(struct batch *batch)
{
	announce(batch, true);
	flush_pending(batch, true);
	take_all(batch);
	flush(batch);
	flush_pending(batch, false);
	if (batch->huge)
		trade_huge_pairs(batch);
	else
		trade_base_pairs(batch);
	announce(batch, false);
}

static void refuse_all(struct batch *batch, enum tiermem_exchange_outcome outcome)
{
	unsigned int i;

	for (i = 0; i < batch->nr; i++)
		if (!batch->pairs[i].outcome)
			batch->pairs[i].outcome = outcome;
}

/*
 * Two mmap locks have no order of their own: one is waited for, the other only
 * tried. If that fails it is the next one to be waited for.
 */
static bool lock_spaces(struct batch *batch)
{
	unsigned int attempt;

	for (attempt = 0; attempt < LOCK_ATTEMPTS; attempt++) {
		struct mm_struct *first = batch->spaces[attempt % batch->nr_spaces].mm;

		if (!tiermem_lock_space(first, &batch->patience))
			return false;
		if (batch->nr_spaces == 1 ||
		    mmap_read_trylock(batch->spaces[!(attempt & 1)].mm))
			return true;
		mmap_read_unlock(first);
	}
	return false;
}

static void unlock_spaces(struct batch *batch)
{
	unsigned int i;

	for (i = 0; i < batch->nr_spaces; i++)
		mmap_read_unlock(batch->spaces[i].mm);
}

static enum tiermem_exchange_outcome refuse_spaces(struct batch *batch)
{
	enum tiermem_exchange_outcome outcome = TIERMEM_EXCHANGED;
	unsigned int i;

	for (i = 0; i < batch->nr_spaces && !outcome; i++)
		outcome = tiermem_refuse_space(batch->spaces[i].mm,
					       batch->nr_spaces == 1 && !batch->loose);
	return outcome;
}

static void exchange_batch(struct batch *batch)
{
	enum tiermem_exchange_outcome outcome;

	batch->stats->batches++;
	order_sides(batch);
	if (!lock_spaces(batch)) {
		refuse_all(batch, TIERMEM_REFUSED_SPACE_BUSY);
		return;
	}
	outcome = refuse_spaces(batch);
	if (outcome)
		refuse_all(batch, outcome);
	else
		exchange_locked(batch);
	unlock_spaces(batch);
}

/* The batch's entry for an address space; NULL if there is no room for one more. */
static struct tiermem_space *find_space(struct batch *batch, struct mm_struct *mm)
{
	struct tiermem_space *space = batch->spaces;

	for (; space < batch->spaces + batch->nr_spaces; space++)
		if (space->mm == mm)
			return space;
	if (batch->nr_spaces == MAX_SPACES)
		return NULL;
	*space = tiermem_new_space(mm);
	batch->nr_spaces++;
	return space;
}

/* The rest of the side is written when it is taken. */
static bool admit(struct batch *batch, struct tiermem_side *side,
		  const struct tiermem_place *place)
{
	side->space = place->mm ? find_space(batch, place->mm) : NULL;
	side->addr = place->addr;
	side->folio = NULL;
	side->used = false;
	side->off_lru = false;
	return side->space || !place->mm;
}

static bool check_place(const struct tiermem_place *place, bool huge)
{
	return IS_ALIGNED(place->addr, tiermem_size(huge)) && place->addr < TASK_SIZE_MAX;
}

/* One side is a folio: the pair's, of 4 KiB. */
static enum tiermem_exchange_outcome check_loose_pair(const struct tiermem_pair *pair)
{
	if (!pair->hot.mm == !pair->cold.mm || pair->huge ||
	    !check_place(pair->hot.mm ? &pair->hot : &pair->cold, false))
		return TIERMEM_REFUSED_ARGUMENT;
	return tiermem_have_folio_isolate_lru() ? TIERMEM_EXCHANGED :
						  TIERMEM_REFUSED_UNAVAILABLE;
}

static enum tiermem_exchange_outcome check_pair(const struct tiermem_pair *pair)
{
	if (pair->loose)
		return check_loose_pair(pair);
	if (!pair->hot.mm || !pair->cold.mm || !check_place(&pair->hot, pair->huge) ||
	    !check_place(&pair->cold, pair->huge))
		return TIERMEM_REFUSED_ARGUMENT;
#ifdef TIERMEM_HAVE_MM_ID
	/* A large folio knows which address spaces map it; that is not swapped. */
	if (pair->huge && pair->hot.mm != pair->cold.mm)
		return TIERMEM_REFUSED_UNAVAILABLE;
#endif
	return TIERMEM_EXCHANGED;
}

/* The next pair joins the batch if it is of its kind. */
static bool join(struct batch *batch, struct tiermem_pair *pair)
{
	struct tiermem_side *sides = &batch->sides[2 * batch->nr];
	unsigned int nr_spaces = batch->nr_spaces;

	if (!admit(batch, &sides[0], &pair->hot) || !admit(batch, &sides[1], &pair->cold)) {
		batch->nr_spaces = nr_spaces;
		return false;
	}
	pair->outcome = TIERMEM_EXCHANGED;
	pair->cold_refused = !pair->hot.mm;
	batch->nr++;
	return true;
}

/* Carry out one batch from the beginning of @pairs, all of them checked. Returns its length. */
static unsigned int first_batch(struct batch *batch, struct tiermem_pair *pairs, unsigned int nr)
{
	unsigned int max;

	batch->pairs = pairs;
	batch->nr = 0;
	batch->nr_spaces = 0;
	batch->huge = pairs->huge;
	batch->loose = pairs->loose;
	batch->cursor = (struct tiermem_cursor) { .huge = pairs->huge };
	max = min_t(unsigned int, nr, batch->huge ? TIERMEM_EXCHANGE_HUGE_BATCH :
						    TIERMEM_EXCHANGE_BATCH);
	while (batch->nr < max && pairs[batch->nr].huge == batch->huge &&
	       !pairs[batch->nr].loose == !batch->loose && !check_pair(&pairs[batch->nr]) && join(batch, &pairs[batch->nr]))
		;
	exchange_batch(batch);
	return batch->nr;
}

static unsigned int count(const struct tiermem_pair *pairs, unsigned int nr,
			  struct tiermem_exchange_stats *stats)
{
	unsigned int exchanged = 0, i;

	for (i = 0; i < nr; i++) {
		stats->pairs[pairs[i].outcome]++;
		if (pairs[i].outcome == TIERMEM_EXCHANGED) {
			stats->huge += pairs[i].huge;
			exchanged++;
		}
	}
	return exchanged;
}

static void exchange_all(struct tiermem_pair *pairs, unsigned int nr,
			 struct tiermem_exchange_stats *stats)
{
	unsigned int done = 0;

	the_batch.stats = stats;
	the_batch.patience = TIERMEM_PATIENCE;
	while (done < nr) {
		struct tiermem_pair *next = pairs + done;

		next->outcome = check_pair(next);
		next->cold_refused = !next->hot.mm;
		if (next->outcome)
			done++;
		else
			done += first_batch(&the_batch, next, nr - done);
		cond_resched();
	}
}

unsigned int tiermem_exchange(struct tiermem_pair *pairs, unsigned int nr,
			      struct tiermem_exchange_stats *stats)
{
	unsigned int i;

	might_sleep();
	if (tiermem_exchange_unavailable()) {
		for (i = 0; i < nr; i++)
			pairs[i].outcome = TIERMEM_REFUSED_UNAVAILABLE;
		return count(pairs, nr, stats);
	}
	mutex_lock(&exchange_lock);
	/* Pages on their way to the LRU lists have a reference more. */
	static_call(tiermem_lru_add_drain_all)();
	exchange_all(pairs, nr, stats);
	mutex_unlock(&exchange_lock);
	return count(pairs, nr, stats);
}

const char *tiermem_exchange_unavailable(void)
{
	return tiermem_missing_for_exchange();
}
